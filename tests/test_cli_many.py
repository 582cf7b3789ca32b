"""The commands ``disable`` and ``enable``: which rooms, whether to ask, and what became of each."""

import json
import signal

import pytest

from fakes import TOKEN
from netless_rooms.emulator import Emulator, Failure
from netless_rooms.retries import RetryPolicy
from samples import UUID
from shell import Ran, Shell, Stopping, lines


@pytest.fixture
def emulator() -> Emulator:
    emulator = Emulator()
    for name in "abcdef":
        emulator.add_room(uuid=name)
    return emulator


@pytest.fixture
def shell(emulator: Emulator) -> Shell:
    return Shell(emulator)


def banned(emulator: Emulator) -> str:
    return "".join(uuid for uuid in emulator.uuids() if emulator.room(uuid)["isBan"])


def outcomes(ran: Ran) -> dict[str, str]:
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert len({row["uuid"] for row in rows}) == len(rows)
    return {row["uuid"]: row["outcome"] for row in rows}


# Which rooms


def test_rooms_of_the_arguments_are_disabled_and_enabled(shell: Shell) -> None:
    ran = shell("disable", "a", "b", "a", "--yes")
    assert (ran.code, ran.err, outcomes(ran)) == (0, "", {"a": "disabled", "b": "disabled"})
    assert banned(shell.emulator) == "ab"
    assert outcomes(shell("enable", "a")) == {"a": "enabled"}
    assert banned(shell.emulator) == "b"


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_rooms_are_piped_in_as_uuids_or_as_what_scan_prints(arguments: list[str], shell: Shell) -> None:
    piped = lines("a", "", '{"uuid":"b","name":null}', " c ", "a") + shell("scan").out.splitlines()[3]
    assert shell("disable", *arguments, "--yes", typed=piped).code == 0
    assert banned(shell.emulator) == "abcd"


@pytest.mark.parametrize(
    ("piped", "words"),
    [
        (lines("a", "b c"), "not 'b c'; give a uuid or a JSON object a line"),
        (lines("a", "{}"), "line 2 has no uuid"),
        (lines('{"uuid": 7}'), "line 1 has no uuid"),
        (lines('{"uuid": "a"'), "line 1 has no uuid"),
        (lines('{"uuid": null, "invalid": "x"}'), "line 1 has no uuid"),
        (lines("a", TOKEN), "line 2 must not be or hold a token"),
    ],
)
def test_a_line_that_names_no_room_is_told_before_anything_is_done(piped: str, words: str, shell: Shell) -> None:
    assert words in shell.fails(2, "disable", "--yes", typed=piped)
    assert shell.emulator.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "--dry-rn"], "there is no flag --dry-rn"),
        (["a", "b c"], "a uuid must be letters"),
        (["-", "a"], "give - alone"),
        (["a", TOKEN], "must not be or hold a token"),
        ([], "give uuids of rooms, or pipe them in"),
        (["a", "--rate", "0"], "Must be > 0"),
    ],
)
def test_arguments_that_name_no_room_are_told_before_anything_is_done(
    arguments: list[str], words: str, shell: Shell
) -> None:
    shell.terminals = frozenset({"stdin"})
    assert words in shell.fails(2, "disable", "--yes", *arguments)
    assert shell.emulator.requests == []


def test_what_is_no_text_is_told(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def undecodable(*_: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")

    monkeypatch.setattr("netless_rooms.cli.uuids._read", undecodable)
    assert "is no text" in shell.fails(2, "disable")


def test_nothing_piped_in_is_nothing_to_do(shell: Shell) -> None:
    assert shell("disable").code == 0
    assert shell.emulator.requests == []


# Whether to ask


@pytest.mark.parametrize(
    ("typed", "expected"), [("y\n", "ab"), ("YES\n", "ab"), ("n\n", ""), ("\n", ""), ("", "")]
)
def test_more_than_one_room_is_asked_about(typed: str, expected: str, shell: Shell) -> None:
    shell.terminals = frozenset({"stdin"})
    ran = shell("disable", "a", "b", typed=typed)
    assert ran.err.startswith("Disable 2 rooms? [y/N] ")
    assert banned(shell.emulator) == expected
    assert ran.code == (0 if expected else 2)
    assert ("nothing was done" in ran.err) is not bool(expected)


def test_where_nobody_can_be_asked_yes_is_asked_for(shell: Shell) -> None:
    assert "say --yes to disable 2 rooms" in shell.fails(2, "disable", "a", "b")
    assert "say --yes to enable 2 rooms" in shell.fails(2, "enable", typed=lines("a", "b"))
    assert shell.emulator.requests == []


def test_a_dry_run_shows_the_rooms_and_asks_the_service_nothing(shell: Shell) -> None:
    ran = shell("disable", "--dry-run", typed=lines("a", "b"))
    assert (ran.code, outcomes(ran)) == (0, {"a": "not_attempted", "b": "not_attempted"})
    assert ran.err == "netless-rooms: dry run: 2 rooms would be disabled\n"
    assert shell.emulator.requests == []
    assert shell("disable", "--yes", typed=ran.out).code == 0
    assert banned(shell.emulator) == "ab"


# What became of them


def test_one_room_that_fails_has_the_exit_code_of_its_error(shell: Shell) -> None:
    ran = shell("disable", UUID)
    assert (ran.code, outcomes(ran)) == (5, {UUID: "failed"})
    assert "404" in ran.err


def test_some_rooms_that_fail_are_counted_and_can_be_piped_in_again(shell: Shell) -> None:
    ran = shell("disable", "a", "nowhere", "b", "--yes")
    assert (ran.code, outcomes(ran)) == (8, {"a": "disabled", "nowhere": "failed", "b": "disabled"})
    assert "1 of 3 rooms failed" in ran.err
    shell.emulator.add_room(uuid="nowhere")
    shell.emulator.requests.clear()
    again = shell("disable", "--yes", typed=ran.out)
    assert (again.code, outcomes(again)) == (0, {"nowhere": "disabled"})
    assert len(shell.emulator.requests) == 1
    assert outcomes(shell("enable", "--yes", typed=ran.out)).keys() == {"a", "b", "nowhere"}


def test_after_too_many_failures_the_rest_is_shown_and_can_be_piped_in_again(shell: Shell) -> None:
    shell.emulator.faults += [Failure(400), Failure(400)]
    ran = shell("disable", *"abcdef", "--yes", "--max-failures", 2, "--concurrency", 1)
    assert ran.code == 8
    assert outcomes(ran) == {**dict.fromkeys("ab", "failed"), **dict.fromkeys("cdef", "not_attempted")}
    assert "mend what the failures are about, then give the rest again" in ran.err
    assert shell("disable", "--yes", typed=ran.out).code == 0
    assert banned(shell.emulator) == "abcdef"


def test_ctrl_c_shows_what_became_of_every_room(shell: Shell) -> None:
    shell.transport = Stopping(shell.emulator, 3, lambda: signal.raise_signal(signal.SIGINT))
    ran = shell("disable", *"abcdef", "--yes", "--concurrency", 2)
    assert (ran.code, ran.err) == (130, "")
    told = outcomes(ran)
    assert "".join(sorted(uuid for uuid, outcome in told.items() if outcome == "disabled")) == banned(
        shell.emulator
    )
    assert set(told) == set("abcdef")
    assert set(told.values()) == {"disabled", "not_attempted"}
    shell.transport = None
    assert shell("disable", "--yes", typed=ran.out).code == 0
    assert banned(shell.emulator) == "abcdef"


def test_what_is_no_error_of_the_library_is_told_by_its_name(shell: Shell) -> None:
    def odd() -> None:
        raise LookupError(TOKEN)

    shell.transport = Stopping(shell.emulator, 1, odd)
    ran = shell("disable", "a", "b", "--yes", "--concurrency", 1)
    assert ran.code == 8
    assert json.loads(ran.out.splitlines()[0]) == {"uuid": "a", "outcome": "failed", "error": "LookupError"}


def test_a_table_shows_each_room_as_it_is_known(shell: Shell) -> None:
    shell.terminals = frozenset({"stdout", "stderr"})
    ran = shell("disable", "a", "b", "--yes", "--rate", 1000)
    assert [line.split()[:2] for line in ran.out.splitlines()[1:]] == [["a", "disabled"], ["b", "disabled"]]
    assert ran.err == "netless-rooms: 2 rooms disabled\n"


def test_progress_is_for_terminals(shell: Shell) -> None:
    shell.terminals = frozenset({"stderr"})
    assert "2 of 2 rooms, 0 failed" in shell("disable", "a", "b", "--yes").err


def test_the_library_retries_before_a_room_has_failed(shell: Shell) -> None:
    shell.emulator.faults += [Failure(429, retry_after=0)]
    assert RetryPolicy().attempts > 1
    assert shell("disable", "a").code == 0
