"""The contract with ``--live``, against a service on this machine: what it asks, makes, finds and shows."""

import ast
import os
import re
from pathlib import Path
from typing import Protocol

import pytest
import test_contract

from contract_targets import from_variables
from netless_rooms import Role
from netless_rooms.emulator import RULES, BadRoom, Emulator, Failure, Fault, GatewayPage
from shell import EVERYTHING

ROOT = Path(__file__).parent.parent
CONTRACT = Path(test_contract.__file__)
SECRET = "hush"

# Documented too, but not held against the service.
NOT_HELD = {
    "create-defaults": "it would take another room",
    "body-object": "it would make another room if it were not so",
    "body-ban-required": "the client cannot leave it out",
    "refused-unchanged": "nothing that is refused could be seen to change more than the one room",
    "list-slash": "the client does not spell it so",
    "room-members-old": "not every account has rooms from before 2021",
}


class Run(Protocol):
    def __call__(self, *options: str, **variables: str) -> pytest.RunResult: ...


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, netless_base_url: str) -> Run:
    """Return what runs the leg of the real service against the emulator, with these variables and no others."""

    def ran(*options: str, **variables: str) -> pytest.RunResult:
        for name in [name for name in os.environ if name.startswith("NETLESS_")]:
            monkeypatch.delenv(name)
        for name, value in (variables | {"NETLESS_BASE_URL": netless_base_url}).items():
            monkeypatch.setenv(name, value)
        fixed = ("-c", f"{ROOT / 'pyproject.toml'}", "-p", "no:cacheprovider", "-k", "real", f"{CONTRACT}")
        return pytester.runpytest_inprocess(*fixed, *options)

    return ran


def bans(emulator: Emulator) -> list[bool]:
    return [emulator.room(uuid)["isBan"] for uuid in emulator.uuids()]


def test_a_run_makes_one_room_and_leaves_it_disabled(run: Run, netless_emulator: Emulator) -> None:
    ran = run("--live", **EVERYTHING)
    assert (ran.ret, ran.parseoutcomes().get("skipped")) == (0, None)
    assert ran.parseoutcomes()["passed"] > 20
    assert [request.method for request in netless_emulator.requests].count("POST") == 1
    assert bans(netless_emulator) == [True]


@pytest.mark.parametrize(
    ("of_the_room", "role", "reason", "left"),
    [
        (False, Role.ADMIN, "other tokens can be made from an AccessKey only", [True]),
        (False, Role.WRITER, "a writer's token may not do this", [False]),
        (True, Role.ADMIN, "a room token is for that room, not for all of them", []),
        (False, Role.READER, "a reader's token may make none of the calls", []),
    ],
)
def test_what_a_token_may_not_do_is_skipped_with_the_reason(
    run: Run,
    of_the_room: bool,
    role: Role,
    reason: str,
    left: list[bool],
    netless_emulator: Emulator,
) -> None:
    token = netless_emulator.room_token("a", role) if of_the_room else netless_emulator.token(role)
    ran = run("--live", NETLESS_TOKEN=token, NETLESS_REGION="sg")
    assert ran.ret == 0
    assert reason in ran.stdout.str()
    assert ran.parseoutcomes().keys() == {"passed", "skipped", "deselected"}
    assert bans(netless_emulator) == left


def test_without_the_option_nothing_is_asked_whatever_is_set(run: Run, netless_emulator: Emulator) -> None:
    ran = run(**EVERYTHING)
    assert ran.ret == 0
    assert ran.parseoutcomes().keys() == {"skipped", "deselected"}
    assert "asks the real service, and so runs with --live only" in ran.stdout.str()
    assert netless_emulator.requests == []


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "set NETLESS_REGION, and NETLESS_TOKEN or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"),
        ({"NETLESS_TOKEN": SECRET}, "set NETLESS_REGION, and"),
        ({"NETLESS_REGION": "sg", "NETLESS_SECRET_KEY": SECRET}, "set NETLESS_REGION, and"),
        ({**EVERYTHING, "NETLESS_TOKEN": SECRET}, "are both set: unset the one that is not to ask"),
    ],
)
def test_a_run_that_lacks_a_variable_says_so_in_one_line(run: Run, variables: dict[str, str], told: str) -> None:
    assert_refused(run("--live", **variables), told)


def test_the_service_is_where_it_is_documented_to_be_unless_an_address_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {**EVERYTHING, "NETLESS_TOKEN": "", "NETLESS_BASE_URL": ""}.items():
        monkeypatch.setenv(name, value)
    assert from_variables().base_url == "https://api.netless.link"


def test_a_run_with_an_expired_token_is_refused(run: Run) -> None:
    token = Emulator(clock=lambda: 0.0).token()
    ran = run("--live", NETLESS_TOKEN=token, NETLESS_REGION="sg")
    assert_refused(ran, "the token in NETLESS_TOKEN has expired")
    assert not has(token, ran)


def assert_refused(ran: pytest.RunResult, told: str) -> None:
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = filter(None, ran.outlines + ran.errlines)
    assert line.startswith("ERROR: --live: ")
    assert told in line
    assert SECRET not in line


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (BadRoom(on="create", limit=4), "create_answers_201"),
        (BadRoom(on="create", appUUID=...), "create_answers_201"),
        (BadRoom(on="create", createdAt="2021-01-18T06:56:29.432Z"), "time_of_its_making"),
        (BadRoom(on="get", teamUUID="another"), "get_answers_200"),
        (BadRoom(on="set-ban", limit=4), "can_be_disabled"),
        (Failure(403, on="set-ban"), "can_be_disabled"),
        (BadRoom(1, on="list", uuid="0"), "so_many_rooms_in_order[real-asyncio-1000]"),
        (Failure(404, on="list"), "a_walk_brings"),
        (GatewayPage(401), "wrong_token"),
        (Failure(400), "names_no_room"),
    ],
)
@pytest.mark.netless_emulator(rooms=2)
def test_a_service_that_breaks_the_contract_is_found_out(
    run: Run, fault: Fault, found: str, netless_faults: list[Fault | None]
) -> None:
    netless_faults += [fault] * 100
    ran = run("--live", **EVERYTHING)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert any(found in line for line in ran.outlines if line.startswith(("FAILED", "ERROR")))


def test_a_create_of_unknown_outcome_is_not_tried_again(
    run: Run, netless_emulator: Emulator, netless_faults: list[Fault | None]
) -> None:
    netless_faults += [Failure(500, on="create", work_done=True)]
    ran = run("--live", **EVERYTHING)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert "whether a room was created" in ran.stdout.str()
    assert netless_emulator.room_count == 1


def test_a_failing_run_shows_no_token(run: Run) -> None:
    ran = run("--live", "--showlocals", "--tb=long", NETLESS_TOKEN=f"{SECRET}\n", NETLESS_REGION="sg")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert not has(SECRET, ran)


def has(secret: str, ran: pytest.RunResult) -> bool:
    """Say whether it is shown: an assertion about the text itself would show it."""
    return secret in ran.stdout.str() + ran.stderr.str()


# What holds it together


def test_every_documented_rule_is_held_or_it_is_said_why_not() -> None:
    named: set[str] = set()
    for value in vars(test_contract).values():
        for names in re.findall(r"^Rules?: (.*)\.$", getattr(value, "__doc__", None) or "", re.MULTILINE):
            named |= set(names.split(", "))
    assert named.isdisjoint(NOT_HELD)
    assert sorted(named | set(NOT_HELD)) == sorted(rule.name for rule in RULES if rule.status == "documented")


def test_only_the_session_live_asks_the_real_service() -> None:
    parts = ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    asking = [part for part in parts if "'--live'" in ast.unparse(part)]
    assert [part.name for part in asking if isinstance(part, ast.FunctionDef)] == ["live"]
    assert len(asking) == 1
    assert not re.search(r"\blive\b", (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
