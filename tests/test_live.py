"""The contract with ``--live``, run against an emulator: its requests, its findings and its output."""

import ast
import os
import re
from pathlib import Path
from typing import Protocol

import pytest
from attrs import asdict

from contract_targets import DOCUMENTED, REVERSED, from_variables
from netless_rooms import Role
from netless_rooms.emulator import RULES, BadRoom, Emulator, Failure, Fault, GatewayPage, Quirks
from selection import exhaustive
from shell import EVERYTHING

ROOT = Path(__file__).parent.parent
CONTRACT = Path(__file__).parent / "test_contract.py"
SECRET = "hush"
MORE = pytest.mark.exhaustive
EXPIRED = Emulator(clock=lambda: 0.0).token()

# Rules that are documented too, but not tested on the service.
NOT_TESTED = {
    "create-defaults": "it would take another room",
    "body-object": "it would create another room if it were not so",
    "refused-unchanged": "no refused call could change more than the one room",
    **dict.fromkeys(("sdk-token", "room-token", "token-role", "token-lifespan"), "the client signs its tokens"),
}


class Run(Protocol):
    def __call__(self, *options: str, **variables: str) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, netless_base_url: str) -> Run:
    """Return what runs the leg of the real service against the emulator, with these variables and no others."""

    def ran(*options: str, **variables: str) -> pytest.RunResult:
        set_variables(monkeypatch, NETLESS_BASE_URL=netless_base_url, **variables)
        fixed = ("-c", f"{ROOT / 'pyproject.toml'}", "-p", "no:cacheprovider", "-p", "no:randomly")
        return pytester.runpytest_inprocess(*fixed, "-k", "real", f"{CONTRACT}", *options)

    return ran


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name in [name for name in os.environ if name.startswith("NETLESS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_run_creates_one_room_and_leaves_it_disabled(run: Run, netless_emulator: Emulator) -> None:
    ran = run("--live", **EVERYTHING)
    assert (ran.ret, ran.parseoutcomes().get("skipped")) == (0, None)
    assert ran.parseoutcomes()["passed"] >= 19
    assert [request.method for request in netless_emulator.requests].count("POST") == 1
    assert [netless_emulator.room(uuid)["isBan"] for uuid in netless_emulator.uuids()] == [True]


@pytest.mark.parametrize(
    ("of_the_room", "role", "reason", "bans"),
    [
        (False, Role.WRITER, "a writer token does not permit this call", [False]),
        pytest.param(False, Role.ADMIN, "other tokens can be made from an AccessKey only", [True], marks=MORE),
        pytest.param(True, Role.ADMIN, "a room token is for that room only", [], marks=MORE),
        pytest.param(False, Role.READER, "a reader token permits none of the calls", [], marks=MORE),
    ],
)
def test_what_a_token_may_not_do_is_skipped_with_the_reason(
    run: Run, of_the_room: bool, role: Role, reason: str, bans: list[bool], netless_emulator: Emulator
) -> None:
    token = netless_emulator.room_token("a", role) if of_the_room else netless_emulator.token(role)
    ran = run("--live", NETLESS_TOKEN=token, NETLESS_REGION="sg")
    assert ran.ret == 0
    assert reason in ran.stdout.str()
    assert ran.parseoutcomes().keys() == {"passed", "skipped", "deselected"}
    assert [netless_emulator.room(uuid)["isBan"] for uuid in netless_emulator.uuids()] == bans


def test_without_the_option_nothing_is_requested_whatever_is_set(run: Run, netless_emulator: Emulator) -> None:
    ran = run(**EVERYTHING)
    assert ran.ret == 0
    assert ran.parseoutcomes().keys() == {"skipped", "deselected"}
    assert "asks the real service, and so runs with --live only" in ran.stdout.str()
    assert netless_emulator.requests == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "set NETLESS_REGION, and NETLESS_TOKEN or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"),
        ({"NETLESS_TOKEN": SECRET}, "set NETLESS_REGION, and"),
        ({"NETLESS_REGION": "sg", "NETLESS_SECRET_KEY": SECRET}, "set NETLESS_REGION, and"),
        ({**EVERYTHING, "NETLESS_TOKEN": SECRET}, "are both set: unset the one that is not to ask"),
        ({"NETLESS_TOKEN": EXPIRED, "NETLESS_REGION": "sg"}, "the token in NETLESS_TOKEN has expired"),
    ],
    ids=["nothing", "no region", "half a key", "both", "expired"],
)
def test_variables_that_are_missing_or_conflict_are_named_without_their_values(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    set_variables(monkeypatch, **variables)
    with pytest.raises(ValueError, match=says) as caught:
        from_variables()
    assert SECRET not in str(caught.value)
    assert variables.get("NETLESS_TOKEN", SECRET) not in str(caught.value)


def test_a_run_without_the_variables_is_an_error_of_one_line(run: Run) -> None:
    ran = run("--live", NETLESS_TOKEN=SECRET)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, ran.outlines + ran.errlines)
    assert line.startswith("ERROR: --live: set NETLESS_REGION, and")


@pytest.mark.parametrize(
    ("given", "used"), [("", "https://api.netless.link"), ("https://other/", "https://other")]
)
def test_the_documented_address_is_the_default(monkeypatch: pytest.MonkeyPatch, given: str, used: str) -> None:
    set_variables(monkeypatch, **EVERYTHING, NETLESS_BASE_URL=given)
    assert from_variables().base_url == used


@pytest.mark.parametrize(
    "breaking",
    [
        {
            BadRoom(on="get", teamUUID="another"): "get_answers_200",
            BadRoom(on="set-ban", limit=4): "can_be_disabled",
            BadRoom(1, on="list", uuid="0"): "limit_rooms_in_order[real-asyncio-1000]",
        },
        *exhaustive(
            [
                {BadRoom(on="create", appUUID=...): "create_answers_201"},
                {BadRoom(on="create", createdAt="2021-01-18T06:56:29.432Z"): "create_answers_201"},
                {Failure(403, on="set-ban"): "can_be_disabled"},
                {Failure(404, on="list"): "a_walk_yields"},
                {GatewayPage(401): "wrong_token"},
                {Failure(400): "unknown_uuid"},
            ]
        ),
    ],
    ids=lambda breaking: " ".join(breaking.values()),
)
@pytest.mark.netless_emulator(rooms=2)
def test_a_service_that_breaks_the_contract_fails_the_run(
    run: Run, breaking: dict[Fault, str], netless_faults: list[Fault | None]
) -> None:
    netless_faults += [*breaking] * 100
    ran = run("--live", **EVERYTHING)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    failed = [line for line in ran.outlines if line.startswith(("FAILED", "ERROR"))]
    for found in breaking.values():
        assert any(found in line for line in failed)


def test_a_failing_run_shows_no_token(run: Run) -> None:
    options = ("--live", "--showlocals", "--tb=long", "-k", "real and get_answers")
    ran = run(*options, NETLESS_TOKEN=f"{SECRET}\n", NETLESS_REGION="sg")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    is_shown = SECRET in ran.stdout.str() + ran.stderr.str()  # an assertion about the text would show it
    assert not is_shown


def test_every_documented_rule_is_tested_or_it_is_said_why_not() -> None:
    named: set[str] = set()
    for names in re.findall(r'^    """Rules?: (.*)\."""$', CONTRACT.read_text("utf-8"), re.MULTILINE):
        named |= set(names.split(", "))
    assert named.isdisjoint(NOT_TESTED)
    assert sorted(named | set(NOT_TESTED)) == sorted(rule.name for rule in RULES if rule.status == "documented")


def test_everything_undocumented_is_reversed() -> None:
    default = asdict(Quirks())
    same = {name for name, value in asdict(REVERSED).items() if value == default[name]}
    assert same == DOCUMENTED


def test_only_the_session_live_uses_the_real_service() -> None:
    parts = ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    using = [part for part in parts if "'--live'" in ast.unparse(part)]
    assert [part.name for part in using if isinstance(part, ast.FunctionDef)] == ["live"]
    assert len(using) == 1
    assert not re.search(r"\blive\b", (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
