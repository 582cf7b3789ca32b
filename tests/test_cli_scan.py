"""The commands ``scan`` and ``stats``: their output, and that no stop loses or repeats a room."""

import csv
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, product
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from fake_services import World, hexes
from fakes import answer
from netless_rooms import Room, Scan
from netless_rooms.emulator import Emulator, Failure
from samples import UUID
from selection import exhaustive
from shell import FULL, Shell, Stopping, Stream

PAGE = ["--page-size", 10]


@pytest.fixture
def shell(emulator: Emulator) -> Shell:
    return Shell(emulator)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "rooms.jsonl"


@pytest.fixture
def files(checkpoint: Path, output: Path) -> list[object]:
    return ["--checkpoint", checkpoint, "--output", output]


@pytest.fixture
def stopped(shell: Shell, files: list[object]) -> str:
    """Let a scan to files fail at its second page, and return what it says."""
    fail_second_page(shell)
    return shell.fails(6, "scan", *files, *PAGE)


def fail_second_page(shell: Shell) -> None:
    shell.emulator.faults += [None, Failure(400)]


def uuids_in(text: str) -> list[str]:
    return [json.loads(line)["uuid"] for line in text.splitlines()]


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


# Output


def test_scan_shows_every_room_once(shell: Shell) -> None:
    ran = shell("scan", *PAGE)
    assert (ran.code, ran.err) == (0, "")
    assert uuids_in(ran.out) == list(shell.emulator.uuids())


@pytest.mark.parametrize("spelling", ["table", "csv", "jsonl"])
def test_the_names_of_the_columns_come_once(spelling: str, shell: Shell) -> None:
    ran = shell("scan", *PAGE, "--format", spelling)
    assert ran.out.count("created_at ") + ran.out.count(",created_at,") == (spelling != "jsonl")
    assert len(ran.out.splitlines()) == 25 + (spelling != "jsonl")


def test_a_list_without_rooms_has_names_of_columns_too(shell: Shell) -> None:
    shell.emulator = Emulator()
    assert shell("scan", "--format", "csv").out.startswith("uuid,team_uuid,")
    assert shell("scan").out == ""


@pytest.mark.parametrize("shards", [4, *exhaustive([1])])
def test_shards_bring_the_same_rooms(shards: int, shell: Shell) -> None:
    ran = shell("scan", "--shards", shards, "--prefetch", 0, *PAGE)
    assert sorted(uuids_in(ran.out)) == list(shell.emulator.uuids())


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["--banned"], "b"),
        (["--not-banned"], "acd"),
        (["--recording"], "c"),
        (["--not-recording", "--not-banned"], "ad"),
        (["--created-after", "2024-01-31"], "bcd"),
        (["--created-after", "2024-01-31T00:00:00.001"], "cd"),
        (["--created-before", "2024-01-31T01:00+01:00"], "a"),
        (["--created-before", "2024-01-31T00:00:00.001"], "ab"),
        (["--created-after", "2024-01-31", "--created-before", "2024-03-01"], "bc"),
        (["--team", "another"], "d"),
        (["--app", "mine"], "a"),
    ],
)
def test_filters_pick_rooms(flags: list[str], wanted: str, shell: Shell) -> None:
    shell.emulator = Emulator()
    members: list[dict[str, Any]] = [
        {"createdAt": "2024-01-30T23:59:59.999Z", "appUUID": "mine"},
        {"createdAt": "2024-01-31T00:00:00.000Z", "isBan": True},
        {"createdAt": "2024-02-29T00:00:00.000Z", "isRecord": True},
        {"createdAt": "2024-03-01T00:00:00.000Z", "teamUUID": "another"},
    ]
    for name, each in zip("abcd", members, strict=True):
        shell.emulator.add_room(uuid=name, **each)
    assert "".join(uuids_in(shell("scan", *flags).out)) == wanted


def test_the_name_of_a_file_decides_its_format(shell: Shell, tmp_path: Path) -> None:
    assert shell("scan", "--output", tmp_path / "a.csv").out == ""
    shell("scan", "--output", tmp_path / "a")
    shell("scan", "--output", tmp_path / "b.CSV")
    shell("scan", "--output", tmp_path / "c.csv", "--format", "jsonl")
    assert (tmp_path / "b.CSV").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "a").read_bytes()
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert [row["uuid"] for row in csv.DictReader(file)] == list(shell.emulator.uuids())
    assert uuids_in((tmp_path / "a").read_text()) == list(shell.emulator.uuids())
    assert "a table is for people" in shell.fails(2, "scan", "--output", tmp_path / "b", "--format", "table")


def test_progress_and_a_summary_are_for_terminals(shell: Shell, output: Path) -> None:
    shell.terminals = frozenset({"stderr"})
    ran = shell("scan", "--output", output, "--banned", *PAGE)
    assert ran.code == 0
    assert ran.err.endswith("netless-rooms: 25 rooms seen and 1 of them written\n")
    assert "25 rooms in 3 pages, " in ran.err
    ran = shell("scan", *PAGE)
    assert uuids_in(ran.out) == list(shell.emulator.uuids())
    assert " rooms a second" in ran.err
    shell.terminals = frozenset({"stderr", "stdout"})
    ran = shell("scan")
    assert ran.err == "netless-rooms: 25 rooms written\n"
    assert " rooms a second" in shell("scan", "--output", output.with_name("o")).err


# Rooms that cannot be read


def test_unreadable_rooms_are_raised_skipped_or_shown(shell: Shell, output: Path, files: list[object]) -> None:
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note="NETLESSSDK_dGhlLXNlY3JldC1wYXJ0")
    said = shell.fails(6, "scan", *files, *PAGE)
    assert said.endswith(" again to go on, with --on-invalid skip to leave out what cannot be read")
    ran = shell("scan", *files, *PAGE, "--on-invalid", "skip")
    assert (ran.code, ran.err) == (0, "netless-rooms: 1 room could not be read and were left out\n")
    assert len(uuids_in(output.read_text())) == 25
    ran = shell("scan", "--on-invalid", "yield", "--banned")
    (unreadable,) = [row for row in map(json.loads, ran.out.splitlines()) if "invalid" in row]
    assert unreadable["uuid"] == UUID
    assert unreadable["invalid"].startswith('expected true or false, got "perhaps" at $')
    assert unreadable["document"]["note"] == "NETLESS…"
    shown = shell("scan", "--on-invalid", "yield", "--format", "csv").out
    assert shown.splitlines()[0].endswith(",extra,invalid")
    assert shown.count("expected true or false") == 1
    ran = shell("stats", "--on-invalid", "skip")
    assert ran.err == "netless-rooms: 1 room could not be read and are not counted\n"


def test_a_document_that_cannot_be_shown_without_a_token_is_left_out(shell: Shell) -> None:
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note='NETLESSSDK_x"')
    assert json.loads(shell("scan", "--on-invalid", "yield").out)["document"] is None


ODD = {  # JSON values that no room may hold, and how they are shown
    '"party \\ud83d"': "party \ufffd",
    "NaN": "NaN",
    "-1e400": "-Infinity",
    "9" * 5_000: "Infinity",
}
SURROGATE, NAN, INFINITE, LONG = ODD


def with_odd(odd: str, field: str, world: World, place: int) -> httpx.MockTransport:
    """Return a service with an odd value in one room, whose third answer is a failure."""
    world.invalid = {world.uuids[place]: {field: "?"}}
    turns = count(1)

    def script(request: httpx.Request) -> httpx.Response:
        if next(turns) == 3:
            return httpx.Response(400)
        query = request.url.params
        listed = answer(world(query.get("beginUUID"), int(query["limit"])))
        return httpx.Response(200, content=listed.content.replace(b'"?"', odd.encode()))

    return httpx.MockTransport(script)


def strictly(line: str) -> Any:
    """Read a line as the strictest reader does."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    row = json.loads(line, parse_constant=refuse)
    json.dumps(row, ensure_ascii=False).encode()
    return row


@pytest.mark.parametrize(
    ("odd", "field", "place", "spelling"),
    [
        (SURROGATE, "name", 0, "jsonl"),
        (NAN, "isBan", 9, "jsonl"),
        (INFINITE, "x", 13, "jsonl"),
        (LONG, "name", 23, "jsonl"),
        (SURROGATE, "x", 9, "csv"),
        *exhaustive(
            pytest.param(*each) for each in product(ODD, ["name", "isBan", "x"], [0, 9, 23], ["jsonl", "csv"])
        ),
    ],
    ids=lambda value: str(value)[:16],
)
def test_an_odd_value_stops_neither_a_scan_nor_readers_of_its_output(
    odd: str, field: str, place: int, spelling: str, shell: Shell, tmp_path: Path
) -> None:
    world = World(hexes(24))
    shell.transport = with_odd(odd, field, world, place)
    output = tmp_path / f"o.{spelling}"
    scan = ["scan", "--checkpoint", tmp_path / "c", "--output", output, *PAGE, "--on-invalid", "yield"]
    assert [shell(*scan).code, shell(*scan).code] == [6, 0]
    with output.open(encoding="utf-8") as file:
        rows: list[Any] = list(csv.DictReader(file)) if spelling == "csv" else list(map(strictly, file))
    assert [row["uuid"] for row in rows] == world.uuids
    (invalid,) = [row for row in rows if row.get("invalid")]
    assert invalid["uuid"] == world.uuids[place]
    what = "a text with half a surrogate pair" if odd == SURROGATE else "a number that is not finite or too large"
    assert f" {what} at $[" in invalid["invalid"]
    if spelling == "jsonl":
        assert invalid["document"][field] == ODD[odd]


def test_an_odd_value_is_shown_in_a_table(shell: Shell) -> None:
    shell.transport = with_odd(SURROGATE, "name", world := World(hexes(5)), 2)
    shown = shell("scan", "--on-invalid", "yield", "--format", "table").out
    assert [line.split()[0] for line in shown.splitlines()[1:]] == world.uuids
    assert "expected a string, got a" in shown


# Resuming


def test_a_scan_that_failed_resumes_exactly(
    stopped: str, shell: Shell, files: list[object], checkpoint: Path, output: Path, tmp_path: Path
) -> None:
    assert stopped.endswith("; 10 rooms kept; give the same command again to go on")
    assert shell("scan", *files, *PAGE).code == 0
    assert uuids_in(output.read_text()) == list(shell.emulator.uuids())
    kept = json.loads(checkpoint.read_text())
    assert (kept["rooms"], kept["written"], kept["ended"]) == (25, 25, True)
    assert set(tmp_path.iterdir()) == {checkpoint, output}


def test_what_a_checkpoint_does_not_vouch_for_is_cut_off(
    stopped: str, shell: Shell, files: list[object], output: Path
) -> None:
    assert stopped
    with output.open("a") as file:
        file.write("half a row, and more than all that comes" * 1_000)
    assert shell("scan", *files).code == 0
    assert uuids_in(output.read_text()) == list(shell.emulator.uuids())


def test_a_scan_without_a_checkpoint_says_how_it_could_be_resumed(shell: Shell) -> None:
    fail_second_page(shell)
    ran = shell("scan", *PAGE)
    assert ran.code == 6
    assert ran.err.endswith("; with --checkpoint FILE it could be gone on with\n")
    assert len(uuids_in(ran.out)) == 10


def test_a_scan_to_stdout_resumes_with_one_line_of_names(shell: Shell, checkpoint: Path) -> None:
    fail_second_page(shell)
    arguments = ["scan", "--checkpoint", checkpoint, "--format", "csv", *PAGE]
    first, second = shell(*arguments), shell(*arguments)
    assert (first.code, second.code) == (6, 0)
    rows = list(csv.DictReader((first.out + second.out).splitlines()))
    assert [row["uuid"] for row in rows] == list(shell.emulator.uuids())


def test_a_scan_that_has_ended_does_nothing_more(shell: Shell, files: list[object], output: Path) -> None:
    shell("scan", *files, "--banned")
    before = output.read_bytes()
    shell.emulator.requests.clear()
    ran = shell("scan", *files, "--banned")
    assert ran.code == 0
    assert "is of a scan that has ended, with 25 rooms seen and 1 of them: remove it" in ran.err
    assert output.read_bytes() == before
    assert shell.emulator.requests == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--banned"], "is of a scan with no --banned, and this one has --banned: ask"),
        (["--not-banned"], "and this one has --not-banned: ask"),
        (["--created-after", "2024-01-01"], "this one has --created-after 2024-01-01T00:00:00.000Z: ask"),
        (["--format", "csv"], "of a scan with --format jsonl, and this one has --format csv: ask"),
        (["--base-url", "https://another.example"], "--base-url https://another.example"),
        (["--region", "sg"], "is of the region 'us-sv'"),
        (["--output", "another"], "this one has --output /"),
    ],
)
def test_a_checkpoint_of_another_scan_is_refused(
    changed: list[str], words: str, stopped: str, shell: Shell, files: list[object]
) -> None:
    assert stopped
    kept = files[:2] if "--output" in changed else files
    assert words in shell.fails(10, "scan", *kept, *changed)


def test_a_checkpoint_and_an_output_are_two_files(shell: Shell, checkpoint: Path) -> None:
    said = shell.fails(2, "scan", "--checkpoint", checkpoint, "--output", checkpoint)
    assert said == "--checkpoint and --output must be two files"


def test_a_checkpoint_of_another_account_is_refused(stopped: str, shell: Shell, files: list[object]) -> None:
    assert stopped
    shell.emulator = Emulator()
    for uuid in ("a", "b"):
        shell.emulator.add_room(uuid=uuid, teamUUID="another")
    said = shell.fails(10, "scan", *files)
    assert "begin anew with another checkpoint file" in said


# Files


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "scan 9"}',
        '{"kind": "netless-rooms scan 1", "asked": 1}',
        '{"kind": "netless-rooms scan 1", "asked": {}, "colour": 1}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda text: text[:40],
)
def test_another_file_is_no_checkpoint(text: str, shell: Shell, checkpoint: Path) -> None:
    checkpoint.write_text(text, errors="surrogateescape")
    before = checkpoint.read_bytes()
    shell.fails(10, "scan", "--checkpoint", checkpoint)
    assert checkpoint.read_bytes() == before
    assert shell.emulator.requests == []


def test_files_that_cannot_be_used_are_told_in_a_line(shell: Shell, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "where"
    assert f"{nowhere}: No such file" in shell.fails(10, "scan", "--output", nowhere)
    assert "No such file" in shell.fails(10, "scan", "--checkpoint", nowhere)
    assert "is no regular file" in shell.fails(10, "scan", "--checkpoint", tmp_path)
    assert shell.emulator.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such file, and files have no holes")
def test_a_file_is_read_no_further_than_a_checkpoint_can_be(shell: Shell, checkpoint: Path) -> None:
    with checkpoint.open("wb") as file:
        file.truncate(1 << 40)  # more than there is memory, and a hole on the disk
    assert "is no checkpoint file" in shell.fails(10, "scan", "--checkpoint", checkpoint)
    assert "/dev/zero is no regular file" in shell.fails(10, "scan", "--checkpoint", "/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a permission there")
def test_a_checkpoint_can_be_a_link(shell: Shell, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkpoint)
    assert shell("scan", "--checkpoint", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert json.loads(checkpoint.read_text())["ended"]


def test_an_output_that_exists_is_left_alone(
    shell: Shell, files: list[object], output: Path, checkpoint: Path
) -> None:
    output.write_text("mine\n")
    assert f"{output} is there already, and {checkpoint} is not" in shell.fails(10, "scan", *files)
    assert f"{output} is there already: remove it" in shell.fails(10, "scan", *files[2:])
    assert output.read_text() == "mine\n"
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    "change", [lambda text: "x" + text[1:], lambda text: text[:-1], lambda _: ""], ids=["other", "cut", "empty"]
)
def test_an_output_that_was_changed_is_left_alone(
    change: Callable[[str], str], stopped: str, shell: Shell, files: list[object], output: Path
) -> None:
    assert stopped
    output.write_text(before := change(output.read_text()))
    assert "does not begin with" in shell.fails(10, "scan", *files)
    assert output.read_text() == before


@pytest.mark.xfail(raises=io.UnsupportedOperation, reason="a new output is opened for writing only, then read")
def test_an_output_that_was_removed_is_not_begun_anew(
    stopped: str, shell: Shell, files: list[object], output: Path
) -> None:
    assert stopped
    output.unlink()
    assert "does not begin with" in shell.fails(10, "scan", *files)


def test_two_scans_do_not_write_to_one_file(stopped: str, shell: Shell, files: list[object], output: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    assert stopped
    with output.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another scan is writing" in shell.fails(10, "scan", *files)


def test_a_system_without_locks_scans_too(
    shell: Shell, files: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert shell("scan", *files).code == 0


@pytest.mark.parametrize(("turn", "name"), [(1, "checkpoint"), (2, "rooms.jsonl"), (3, "checkpoint")])
def test_a_disk_that_is_full_is_told_and_the_scan_can_be_resumed(
    turn: int,
    name: str,
    shell: Shell,
    files: list[object],
    output: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsync, turns = os.fsync, count(1)

    def full(number: int) -> None:
        if next(turns) == turn:
            raise FULL
        fsync(number)

    monkeypatch.setattr("os.fsync", full)
    assert shell.fails(10, "scan", *files, *PAGE) == f"{output.with_name(name)}: No space left on device"
    assert shell("scan", *files).code == 0
    assert uuids_in(output.read_text()) == list(shell.emulator.uuids())


# Stopping


State = dict[str, bytes]
EFFECTS = {"open", "write", "flush", "fsync", "replace", "truncate", "close"}


@contextmanager
def noting_states_of(folder: Path) -> Iterator[list[State]]:
    """Note each state of the files in ``folder``: what is left there if the process is killed."""
    states: list[State] = []

    def note(_: FrameType, event: str, called: Any) -> None:
        if event in {"c_call", "c_return"} and called.__name__ in EFFECTS:
            state = {path.name: path.read_bytes() for path in folder.iterdir()}
            if state not in states:
                states.append(state)

    sys.setprofile(note)
    try:
        yield states
    finally:
        sys.setprofile(None)


def test_no_room_is_lost_or_repeated_wherever_the_process_is_killed(tmp_path: Path) -> None:
    shell = Shell(Emulator(rooms=5))
    checkpoint, output = tmp_path / "c", tmp_path / "o.csv"
    arguments = ["scan", "--checkpoint", checkpoint, "--output", output, "--page-size", 3]
    with noting_states_of(tmp_path) as states:
        assert shell(*arguments).code == 0
    assert len(states) > 10
    for state in states:
        output.unlink(missing_ok=True)
        checkpoint.unlink()
        for name, content in state.items():
            (tmp_path / name).write_bytes(content)
        assert shell(*arguments).code == 0, state
        with output.open(encoding="utf-8") as file:
            assert [row["uuid"] for row in csv.DictReader(file)] == list(shell.emulator.uuids()), state
        assert json.loads(checkpoint.read_text())["ended"]


@pytest.mark.parametrize("at", [1, 3, *exhaustive([2, 4])])
def test_ctrl_c_is_quiet_and_the_scan_resumes_exactly(
    at: int, shell: Shell, files: list[object], output: Path
) -> None:
    shell.transport = Stopping(shell.emulator, at, interrupt)
    said = shell.fails(130, "scan", *files, *PAGE, "--prefetch", 0)
    kept = 10 * (at - 1)
    assert said == f"stopped: {kept} rooms kept; give the same command again to go on"
    shell.transport = None
    assert shell("scan", *files).code == 0
    assert uuids_in(output.read_text()) == list(shell.emulator.uuids())


def test_ctrl_c_says_nothing_if_there_is_nothing_to_say(shell: Shell) -> None:
    shell.transport = Stopping(shell.emulator, 2, interrupt)
    ran = shell("scan", *PAGE)
    assert (ran.code, ran.err) == (130, "")
    assert len(uuids_in(ran.out)) == 10


def test_a_room_that_ctrl_c_took_away_is_not_counted_as_done(
    shell: Shell, files: list[object], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_room = Scan.__anext__

    async def taken_away(scan: Scan[Room]) -> Room:
        room = await next_room(scan)
        if scan.room_count == 12:
            interrupt()
            await anyio.lowlevel.checkpoint()
        return room

    with monkeypatch.context() as patched:
        patched.setattr(Scan, "__anext__", taken_away)
        said = shell.fails(130, "scan", *files, *PAGE)
    assert said.startswith("stopped: 11 rooms kept; ")
    assert shell("scan", *files).code == 0
    assert uuids_in(output.read_text()) == list(shell.emulator.uuids())


# Stdout


def test_rows_that_could_not_be_written_come_again(shell: Shell, checkpoint: Path) -> None:
    class Filling(Stream):
        def write(self, text: str) -> int:
            if self.tell():
                raise FULL
            return super().write(text)

    arguments = ["scan", "--checkpoint", checkpoint, *PAGE]
    first = shell(*arguments, out=Filling())
    second = shell(*arguments)
    assert (first.code, second.code) == (10, 0)
    assert uuids_in(first.out + second.out) == list(shell.emulator.uuids())


def test_redirected_rows_are_on_the_disk_before_the_checkpoint_says_so(
    shell: Shell, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    with (tmp_path / "rows").open("w") as file:
        monkeypatch.setattr("os.fsync", lambda number: synced.append(number == file.fileno()))
        out = Stream(descriptor=file.fileno())
        assert shell("scan", "--checkpoint", checkpoint, *PAGE, out=out).code == 0
    assert synced == [False, *[True, False] * 4]


def test_a_checkpoint_does_not_vouch_for_rows_in_a_pipe(shell: Shell, checkpoint: Path) -> None:
    reading, writing = os.pipe()
    said = shell.fails(2, "scan", "--checkpoint", checkpoint, out=Stream(descriptor=writing))
    assert said.startswith("--checkpoint needs --output FILE: nobody can tell")
    assert shell("scan", out=Stream(descriptor=writing)).code == 0
    os.close(reading)
    os.close(writing)
    assert not checkpoint.exists()


# stats


def test_stats_counts_months_and_the_banned_share(shell: Shell) -> None:
    shell.emulator = Emulator()
    for day in range(1, 5):
        shell.emulator.add_room(createdAt=f"2024-02-0{day}T00:00:00.000Z", isBan=day == 1)
    shell.emulator.add_room(createdAt="2023-11-30T23:59:59.999Z")
    rows = [json.loads(line) for line in shell("stats", "--page-size", 2).out.splitlines()]
    assert rows == [
        {"month": "2023-11", "rooms": 1, "banned": 0, "banned_share": 0.0},
        {"month": "2024-02", "rooms": 4, "banned": 1, "banned_share": 0.25},
    ]
    assert shell("stats", "--format", "csv", "--banned").out.splitlines()[1:] == ["2024-02,1,1,1.0"]
    shell.terminals = frozenset({"stdout", "stderr"})
    assert shell("stats").out.splitlines() == [
        "month      rooms   banned   share",
        "2023-11        1        0    0.0%  ░░░░░░░░",
        "2024-02        4        1   25.0%  ████████░░░░░░░░░░░░░░░░░░░░░░",
        "all            5        1   20.0%",
    ]


@pytest.mark.parametrize(("columns", "longest"), [(40, 5), (35, 1), (20, 1), (200, 30)])
def test_stats_keep_to_the_width_of_a_terminal(columns: int, longest: int, shell: Shell) -> None:
    shell.environment["COLUMNS"] = str(columns)
    shell.terminals = frozenset({"stdout"})
    bars = [line.count("░") + line.count("█") for line in shell("stats").out.splitlines()]
    assert max(bars) == longest
    shell.terminals = frozenset()
    piped = shell("stats", "--format", "table").out
    assert max(map(len, piped.splitlines())) == 65


def test_stats_of_nothing_are_nothing(shell: Shell) -> None:
    shell.emulator = Emulator()
    assert shell("stats").out == ""
    assert shell("stats", "--format", "table").out.splitlines()[1:] == ["all            0        0    0.0%"]
