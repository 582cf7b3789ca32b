"""The commands ``disable`` and ``enable``: which rooms, the confirmation, and the result for each room."""

import json
from unittest.mock import AsyncMock

import pytest

from fakes import TOKEN
from netless_rooms.emulator import Emulator, Failure
from samples import UUID
from shell import Ran, Shell, Stopping, Stream, interrupt, lines


@pytest.fixture
def emulator() -> Emulator:
    emulator = Emulator()
    for name in "abcdef":
        emulator.add_room(uuid=name)
    return emulator


def banned(emulator: Emulator) -> str:
    return "".join(uuid for uuid in emulator.uuids() if emulator.room(uuid)["isBan"])


def outcomes(ran: Ran) -> dict[str, str]:
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert len({row["uuid"] for row in rows}) == len(rows)
    return {row["uuid"]: row["outcome"] for row in rows}


def test_rooms_are_piped_in_as_uuids_or_as_what_scan_prints(shell: Shell) -> None:
    piped = lines("a", "", '{"uuid":"b","name":null}', " c ", "a") + shell("scan").out.splitlines()[3]
    for arguments in ([], ["-"]):
        assert outcomes(shell("disable", *arguments, "--yes", typed=piped)) == dict.fromkeys("abcd", "disabled")
    assert outcomes(shell("enable", "a", "b", "a", "--yes")) == {"a": "enabled", "b": "enabled"}
    assert banned(shell.emulator) == "cd"


def test_a_wrong_uuid_is_reported_before_anything_is_sent(shell: Shell) -> None:
    for piped, words in {
        lines("a", "b c"): "the uuid in line 2 must be letters",
        lines("a", "{}"): "line 2 has no uuid",
        lines('{"uuid": "a"'): "line 1 has no uuid",
        lines('{"uuid": null, "invalid": "x"}'): "line 1 has no uuid",
        lines("a", TOKEN): "the uuid in line 2 must not be or contain a token",
        b"a\n\xff": "the input is neither UTF-8 nor UTF-16",
    }.items():
        said = shell.fails(2, "disable", "--yes", typed=piped)
        assert said.startswith(words)
        assert said.endswith("; expected one uuid or JSON object per line, or CSV with a column uuid")
        assert TOKEN not in said
    shell.terminals = frozenset({"stdin"})
    for arguments, words in [
        (["a", "--dry-rn"], "unknown option: --dry-rn; see --help"),
        (["a", f"--{TOKEN}"], "unknown option: --NETLESS…; see --help"),
        (["a", "b c"], "a uuid must be letters"),
        ([__file__], f"{__file__} is a file: pass its rooms with < {__file__}"),
        (["-", "a"], "use either - or uuids, not both"),
        (["a", TOKEN], "a uuid must not be or contain a token"),
        ([], "pass uuids of rooms, or pipe them in; see --help"),
    ]:
        assert shell.fails(2, "disable", "--yes", *arguments).startswith(words)
    assert shell.emulator.requests == []


def test_input_may_be_empty_or_from_a_windows_program(shell: Shell) -> None:
    ran = shell("disable")
    assert (ran.code, ran.err, shell.emulator.requests) == (0, "netless-rooms: nothing to do\n", [])
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        ran = shell("disable", "--yes", typed='a\r\n{"uuid": "b"}\r\n'.encode(encoding))
        assert outcomes(ran) == {"a": "disabled", "b": "disabled"}, encoding
    shell.emulator.add_room(uuid="-g")
    for encoding in ("utf-8-sig", "utf-16"):
        table = shell("scan", "--format", "csv").out.replace("\n", "\r\n")
        assert shell("disable", "--yes", typed=table.encode(encoding)).code == 0
        assert banned(shell.emulator) == "-gabcdef"
        report = shell("enable", "--yes", "--format", "csv", typed=table).out
        assert shell("enable", typed=report).out == ""
    assert "the uuid in line 3 must be" in shell.fails(2, "disable", typed=lines("name,uuid", "x,a", "x,b c"))
    assert "line 2 has no uuid" in shell.fails(2, "disable", typed=lines("name,uuid", "x"))


def test_more_than_one_room_is_confirmed_in_a_terminal_where_ctrl_c_changes_nothing(shell: Shell) -> None:
    class Interrupted(Stream):
        def readline(self, _: int | None = -1) -> str:  # type: ignore[override]  # the name of its argument
            interrupt()  # which an event loop would keep from whoever waits here
            return "y\n"

    said = "Disable 2 rooms? [y/N] "
    ran = shell("disable", "a", "b", typed=Interrupted(is_terminal=True))
    assert (ran.code, ran.out, ran.err) == (130, "", said)
    shell.terminals = frozenset({"stdin"})
    for typed in ("n\n", "\n", ""):
        ran = shell("disable", "a", "b", typed=typed)
        assert (ran.code, ran.err) == (2, f"{said}netless-rooms: nothing was changed\n")
    assert shell.emulator.requests == []
    for typed in ("y\n", "YES\n"):
        ran = shell("disable", "a", "b", typed=typed)
        assert (ran.code, ran.err, banned(shell.emulator)) == (0, said, "ab")


def test_where_nobody_can_be_asked_there_is_yes_and_a_dry_run(shell: Shell) -> None:
    said = shell.fails(2, "disable", "a", "b")
    assert said.startswith("nothing was changed: cannot prompt; pass --yes to disable 2 rooms")
    ran = shell("disable", "--dry-run", typed=lines("a", "b"))
    assert (ran.code, outcomes(ran)) == (0, {"a": "not_attempted", "b": "not_attempted"})
    shell.terminals = frozenset({"stdin"})
    assert "pass --yes to enable 2 rooms" in shell.fails(2, "enable", "-", typed=ran.out)
    assert shell.emulator.requests == []


def test_one_room_that_fails_has_the_exit_code_of_its_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = shell("disable", UUID)
    assert (ran.code, outcomes(ran)) == (5, {UUID: "failed"})
    assert "404" in ran.err
    shell.emulator.faults += [Failure(429, retry_after=0)]  # after which there is a retry
    assert shell("disable", "a").code == 0
    monkeypatch.setattr("netless_rooms._api.session.Session.request", AsyncMock(side_effect=LookupError(TOKEN)))
    ran = shell("disable", "a")
    assert json.loads(ran.out) == {"uuid": "a", "outcome": "failed", "error": "LookupError"}
    said = "netless-rooms: 1 of 1 room failed; pipe this output into the same command to retry the rest\n"
    assert (ran.code, ran.err) == (8, said)


def test_a_terminal_gets_a_table_with_the_whole_reason_first_or_progress(shell: Shell) -> None:
    shell.terminals, shell.environment["COLUMNS"] = frozenset({"stdout"}), "80"
    shell.emulator.faults += [None, Failure(400, message=f"{'long ' * 9}reason")]
    ran = shell("disable", UUID, "a", "--yes", "--concurrency", 1)
    assert ran.out.splitlines()[1:] == [
        f"{UUID}  failed         404 room not found",
        f"a{' ' * 33}failed         400 long long long long long",
        f"{' ' * 49}long long long long reason",
    ]
    assert "2 of 2 rooms failed; fix the cause, then repeat the command\n" in ran.err
    row = json.loads(shell("disable", UUID, "--format", "jsonl").out)
    assert row["error"].startswith("404 room not found (check the uuid")
    assert row["error"].endswith(f" [PATCH /v5/rooms/{UUID}]")
    shell.terminals = frozenset({"stdout", "stderr"})
    assert shell("disable", "a", "b", "--yes", "--rate", 1000).err == "netless-rooms: 2 rooms disabled\n"
    shell.terminals = frozenset({"stderr"})
    assert "2 of 2 rooms, 0 failed, " in shell("disable", "a", "b", "--yes").err


def test_after_too_many_failures_the_rest_is_shown_and_can_be_piped_in_again(shell: Shell) -> None:
    shell.emulator.faults += [Failure(400), Failure(400)]
    ran = shell("disable", *"abcdef", "--yes", "--max-failures", 2, "--concurrency", 1)
    assert (ran.code, [*outcomes(ran).values()]) == (8, ["failed"] * 2 + ["not_attempted"] * 4)
    assert "fix the cause, then retry the rest" in ran.err
    assert shell("disable", "--yes", typed=ran.out).code == 0
    assert banned(shell.emulator) == "abcdef"


def test_ctrl_c_shows_the_outcome_of_every_room(shell: Shell) -> None:
    shell.transport = Stopping(shell.emulator, 3, interrupt)
    ran = shell("disable", *"abcdef", "--yes", "--concurrency", 2)
    seen, done = outcomes(ran), banned(shell.emulator)
    said = f"stopped: {len(done)} disabled, 0 failed, {6 - len(done)} left; pipe this output into"
    assert (ran.code, ran.err.startswith(f"netless-rooms: {said}")) == (130, True)
    assert seen == {uuid: "disabled" if uuid in done else "not_attempted" for uuid in "abcdef"}
    assert 0 < len(done) < 6
    shell.transport = None
    assert shell("disable", "--yes", typed=ran.out).code == 0
    assert banned(shell.emulator) == "abcdef"
