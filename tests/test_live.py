"""The contract with ``--live``, run against an emulator: its requests, its findings and its output."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import asdict

from contract_targets import DOCUMENTED, REVERSED
from netless_rooms import Role
from netless_rooms.emulator import RULES, BadRoom, Emulator, Fault, Quirks
from shell import EVERYTHING

ROOT = Path(__file__).parent.parent
CONTRACT = Path(__file__).parent / "test_contract.py"
SECRET = "hush"
EXPIRED = Emulator(clock=lambda: 0.0).token()
# Rules that are documented too, but not tested on the service.
NOT_TESTED = {
    "create-defaults": "it would take another room",
    "body-object": "it would create another room if it were not so",
    "refused-unchanged": "no refused call could change more than the one room",
    **dict.fromkeys(("sdk-token", "room-token", "token-role", "token-lifespan"), "the client signs its tokens"),
}
Run: TypeAlias = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, netless_base_url: str) -> Run:
    """Return what runs the leg of the real service against the emulator, with these variables and no others."""

    def ran(*options: str, **variables: str) -> pytest.RunResult:
        for name in [name for name in os.environ if name.startswith("NETLESS_")]:
            monkeypatch.delenv(name)
        for name, value in {"NETLESS_BASE_URL": netless_base_url, **variables}.items():
            monkeypatch.setenv(name, value)
        fixed = ("-c", f"{ROOT / 'pyproject.toml'}", "-p", "no:cacheprovider", "-p", "no:randomly")
        return pytester.runpytest_inprocess(*fixed, "-k", "real", f"{CONTRACT}", *options)

    return ran


def test_a_run_creates_one_room_and_leaves_it_disabled(run: Run, netless_emulator: Emulator) -> None:
    ran = run("--live", **EVERYTHING)
    assert (ran.ret, ran.parseoutcomes().get("skipped")) == (0, None)
    assert ran.parseoutcomes()["passed"] >= 14
    assert [request.method for request in netless_emulator.requests].count("POST") == 1
    assert [netless_emulator.room(uuid)["isBan"] for uuid in netless_emulator.uuids()] == [True]


def test_what_a_token_may_not_do_is_skipped_with_the_reason(run: Run, netless_emulator: Emulator) -> None:
    ran = run("--live", NETLESS_TOKEN=netless_emulator.token(Role.WRITER), NETLESS_REGION="sg")
    assert (ran.ret, set(ran.parseoutcomes())) == (0, {"passed", "skipped", "deselected"})
    for reason in ("a writer token does not permit this call", "other tokens can be made from an AccessKey only"):
        assert reason in ran.stdout.str()
    assert [netless_emulator.room(uuid)["isBan"] for uuid in netless_emulator.uuids()] == [False]


def test_without_the_option_nothing_is_requested_whatever_is_set(run: Run, netless_emulator: Emulator) -> None:
    ran = run(**EVERYTHING)
    assert (ran.ret, set(ran.parseoutcomes())) == (0, {"skipped", "deselected"})
    assert "asks the real service, and so runs with --live only" in ran.stdout.str()
    assert netless_emulator.requests == []


def test_missing_variables_and_an_expired_token_are_named_without_values(run: Run) -> None:
    missing, expired = {"NETLESS_TOKEN": SECRET}, {"NETLESS_TOKEN": EXPIRED, "NETLESS_REGION": "sg"}
    for variables, says in (
        (missing, "set NETLESS_REGION, such"),
        (expired, "the token in NETLESS_TOKEN has expired"),
    ):
        ran = run("--live", **variables)
        assert ran.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = filter(None, ran.outlines + ran.errlines)
        assert line.startswith(f"ERROR: --live: {says}")
        assert variables["NETLESS_TOKEN"] not in line


BREAKING: dict[Fault, str] = {
    BadRoom(on="get", teamUUID="another"): "get_answers_200",
    BadRoom(on="set-ban", limit=4): "is_disabled",
    BadRoom(1, on="list", uuid="0"): "rooms_in_order[real-asyncio-1000]",
}


@pytest.mark.netless_emulator(rooms=2, faults=[*BREAKING] * 100)
def test_a_service_that_breaks_the_contract_fails_the_run(run: Run) -> None:
    ran = run("--live", **EVERYTHING)
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    failed = [line for line in ran.outlines if line.startswith(("FAILED", "ERROR"))]
    for found in BREAKING.values():
        assert any(found in line for line in failed)


def test_a_failing_run_shows_no_token(run: Run) -> None:
    options = ("--live", "--showlocals", "--tb=long", "-k", "real and get_answers")
    ran = run(*options, NETLESS_TOKEN=f"{SECRET}\n", NETLESS_REGION="sg")
    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    is_shown = SECRET in ran.stdout.str() + ran.stderr.str()  # an assertion about the text would show it
    assert not is_shown


def test_every_documented_rule_is_tested_and_everything_else_reversed() -> None:
    named: set[str] = set()
    for names in re.findall(r'^    """Rules?: (.*)\."""$', CONTRACT.read_text("utf-8"), re.MULTILINE):
        named |= set(names.split(", "))
    assert named.isdisjoint(NOT_TESTED)
    assert sorted(named | set(NOT_TESTED)) == sorted(rule.name for rule in RULES if rule.status == "documented")
    default = asdict(Quirks())
    same = {name for name, value in asdict(REVERSED).items() if value == default[name]}
    assert same == DOCUMENTED
