"""The commands ``scan`` and ``stats``: what comes out, and that nothing is lost or doubled whenever they stop."""

import csv
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import pytest

from fake_services import World, hexes
from fakes import answer, room
from netless_rooms.cli import journal, recording, sinks
from netless_rooms.cli.filters import ALL
from netless_rooms.cli.journal import Standing, read_standing, write_standing
from netless_rooms.cli.rows import ROOM
from netless_rooms.emulator import Emulator, Failure
from samples import UUID
from shell import Shell, Stopping, Stream

PAGE = ["--page-size", 10]


@pytest.fixture
def shell(emulator: Emulator) -> Shell:
    return Shell(emulator)


@pytest.fixture
def files(tmp_path: Path) -> list[object]:
    return ["--checkpoint", tmp_path / "checkpoint", "--output", tmp_path / "rooms.jsonl"]


def uuids_in(text: str) -> list[str]:
    return [json.loads(line)["uuid"] for line in text.splitlines()]


def stop(emulator: Emulator, status: int = 400) -> None:
    """Let the second page of ten fail."""
    emulator.faults += [None, Failure(status)]


# What comes out


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


@pytest.mark.parametrize("shards", [1, 4])
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


def test_a_file_gets_what_its_name_says(shell: Shell, tmp_path: Path) -> None:
    assert shell("scan", "--output", tmp_path / "a.csv").out == ""
    shell("scan", "--output", tmp_path / "a")
    shell("scan", "--output", tmp_path / "b.CSV")
    assert (tmp_path / "b.CSV").read_bytes() == (tmp_path / "a.csv").read_bytes()
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        assert [row["uuid"] for row in csv.DictReader(file)] == list(shell.emulator.uuids())
    assert uuids_in((tmp_path / "a").read_text()) == list(shell.emulator.uuids())
    assert "a table is for people" in shell.fails(2, "scan", "--output", tmp_path / "b", "--format", "table")


# Rooms that cannot be read


def test_unreadable_rooms_are_raised_skipped_or_shown(shell: Shell, tmp_path: Path) -> None:
    shell.emulator = Emulator(rooms=25)
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note="NETLESSSDK_dGhlLXNlY3JldC1wYXJ0")
    files = ["--checkpoint", tmp_path / "c", "--output", tmp_path / "o"]
    ran = shell("scan", *files, *PAGE)
    assert ran.code == 6
    assert "go on, with --on-invalid skip to leave out what cannot be read" in ran.err
    ran = shell("scan", *files, *PAGE, "--on-invalid", "skip")
    assert (ran.code, ran.err) == (0, "netless-rooms: 1 room could not be read and were left out\n")
    assert len(uuids_in((tmp_path / "o").read_text())) == 25
    ran = shell("scan", "--on-invalid", "yield", "--banned")
    unreadable = [row for row in map(json.loads, ran.out.splitlines()) if "invalid" in row]
    assert [(row["uuid"], row["invalid"][:42]) for row in unreadable] == [
        (UUID, 'expected true or false, got "perhaps" at $')
    ]
    assert unreadable[0]["document"]["note"] == "NETLESS…"
    shown = shell("scan", "--on-invalid", "yield", "--format", "csv").out
    assert shown.splitlines()[0].endswith(",extra,invalid")
    assert shown.count("expected true or false") == 1


ODD = {  # what no room may hold, and as what it is shown
    '"party \\ud83d"': "party \ufffd",
    "NaN": "NaN",
    "-1e400": "-Infinity",
    "9" * 5_000: "Infinity",
}


def with_odd(odd: str, field: str, world: World, place: int) -> httpx.MockTransport:
    """Return a service of which one room has an odd value, and which fails when it is asked for the third time."""
    world.invalid = {world.uuids[place]: {field: "?"}}
    turns = count(1)

    def script(request: httpx.Request) -> httpx.Response:
        if next(turns) == 3:
            return httpx.Response(400)
        query = request.url.params
        listed = answer(world(query.get("beginUUID"), int(query["limit"])))
        return httpx.Response(200, content=listed.content.replace(b'"?"', odd.encode()))

    return httpx.MockTransport(script)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:16])
@pytest.mark.parametrize("field", ["name", "isBan", "x"])
@pytest.mark.parametrize("place", [0, 9, 13, 23])
@pytest.mark.parametrize("spelling", ["jsonl", "csv"])
def test_an_odd_value_stops_neither_a_scan_nor_who_reads_what_it_wrote(
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
    invalid = [row for row in rows if row.get("invalid")]
    assert [row["uuid"] for row in invalid] == [world.uuids[place]]
    what = "a text with half a surrogate pair" if odd[0] == '"' else "a number that is not finite or too large"
    assert f" {what} at $[" in invalid[0]["invalid"]
    if spelling == "jsonl":
        assert invalid[0]["document"][field] == ODD[odd]


def strictly(line: str) -> Any:
    """Read a line as the strictest reader does."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    row = json.loads(line, parse_constant=refuse)
    json.dumps(row, ensure_ascii=False).encode()
    return row


def test_an_odd_value_is_shown_in_a_table(shell: Shell) -> None:
    for odd in ODD:
        shell.transport = with_odd(odd, "name", world := World(hexes(5)), 2)
        shown = shell("scan", "--on-invalid", "yield", "--format", "table").out
        assert [line.split()[0] for line in shown.splitlines()[1:]] == world.uuids
        assert "expected a string, got a" in shown


def test_a_document_that_is_not_to_be_had_without_a_token_is_left_out() -> None:
    from netless_rooms.cli.rows import invalid_row
    from netless_rooms.models import InvalidRoom

    document = {"note": 'NETLESSSDK_x"'}
    assert invalid_row(InvalidRoom(uuid=None, what="it", where="$", document=document))["document"] is None


# Going on


def test_a_scan_that_failed_goes_on_exactly(shell: Shell, files: list[object]) -> None:
    stop(shell.emulator)
    said = shell.fails(6, "scan", *files, *PAGE)
    assert "10 rooms kept; give the same command again to go on" in said
    assert shell("scan", *files).code == 0
    assert uuids_in(Path(str(files[3])).read_text()) == list(shell.emulator.uuids())
    standing = read_standing(Path(str(files[1])))
    assert standing is not None
    assert (standing.rooms, standing.written, standing.ended) == (25, 25, True)


def test_what_is_not_vouched_for_is_cut_off(shell: Shell, files: list[object], tmp_path: Path) -> None:
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    with (tmp_path / "rooms.jsonl").open("a") as file:
        file.write("half a row, and more than all that comes" * 1_000)
    assert shell("scan", *files).code == 0
    assert uuids_in((tmp_path / "rooms.jsonl").read_text()) == list(shell.emulator.uuids())


def test_a_scan_without_a_checkpoint_says_how_it_could_go_on(shell: Shell) -> None:
    stop(shell.emulator)
    ran = shell("scan", *PAGE)
    assert ran.code == 6
    assert "with --checkpoint FILE it could be gone on with" in ran.err
    assert len(uuids_in(ran.out)) == 10


def test_a_scan_to_stdout_goes_on_with_one_line_of_names(shell: Shell, tmp_path: Path) -> None:
    stop(shell.emulator)
    arguments = ["scan", "--checkpoint", tmp_path / "c", "--format", "csv", *PAGE]
    first, second = shell(*arguments), shell(*arguments)
    assert (first.code, second.code) == (6, 0)
    rows = list(csv.DictReader((first.out + second.out).splitlines()))
    assert [row["uuid"] for row in rows] == list(shell.emulator.uuids())


def test_a_scan_that_has_ended_does_nothing_more(shell: Shell, files: list[object]) -> None:
    shell("scan", *files, "--banned")
    before, asked = Path(str(files[3])).read_bytes(), len(shell.emulator.requests)
    ran = shell("scan", *files, "--banned")
    assert ran.code == 0
    assert "a scan that has ended, with 25 rooms seen and" in ran.err
    assert Path(str(files[3])).read_bytes() == before
    assert len(shell.emulator.requests) == asked


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--banned"], "of a scan with no --banned, and this one has --banned"),
        (["--not-banned"], "and this one has --not-banned"),
        (["--created-after", "2024-01-01"], "this one has --created-after 2024-01-01T00:00:00.000Z"),
        (["--format", "csv"], "of a scan with --format jsonl, and this one has --format csv"),
        (["--base-url", "https://another.example"], "--base-url https://another.example"),
        (["--region", "sg"], "is of the region 'us-sv'"),
    ],
)
def test_a_checkpoint_of_another_scan_is_refused(
    changed: list[str], words: str, shell: Shell, files: list[object]
) -> None:
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    assert words in shell.fails(10, "scan", *files, *changed)


def test_another_output_is_refused(shell: Shell, files: list[object], tmp_path: Path) -> None:
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    assert "this one has no --output" in shell.fails(10, "scan", *files[:2])
    assert "must be two files" in shell.fails(2, "scan", *files[:2], "--output", tmp_path / "checkpoint")


def test_a_checkpoint_of_another_account_is_refused(shell: Shell, files: list[object]) -> None:
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    shell.emulator = Emulator()
    for uuid in ("a", "b"):
        shell.emulator.add_room(uuid=uuid, teamUUID="another")
    said = shell.fails(10, "scan", *files)
    assert "begin anew with another checkpoint file" in said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "no json",
        '{"kind": "scan 9"}',
        '{"kind": "netless-rooms scan 1", "asked": 1}',
        "[" * 100_000,
        "\udcff",
    ],
)
def test_another_file_is_no_checkpoint(text: str, shell: Shell, tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_text(text, errors="surrogateescape")
    before = note.read_bytes()
    shell.fails(10, "scan", "--checkpoint", note)
    assert note.read_bytes() == before
    assert shell.emulator.requests == []


def test_files_that_cannot_be_used_are_told_in_a_line(shell: Shell, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "where"
    assert f"{nowhere}: No such file" in shell.fails(10, "scan", "--output", nowhere)
    assert "No such file" in shell.fails(10, "scan", "--checkpoint", nowhere)
    assert "is no regular file" in shell.fails(10, "scan", "--checkpoint", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such file")
def test_a_checkpoint_is_not_looked_for_in_a_file_without_end(shell: Shell) -> None:
    assert "/dev/zero is no regular file" in shell.fails(10, "scan", "--checkpoint", "/dev/zero")
    assert shell.emulator.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="files have no holes there")
def test_of_a_large_file_no_more_is_read_than_a_checkpoint_has(shell: Shell, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)  # more than there is memory, and a hole on the disk
    assert "is no checkpoint file" in shell.fails(10, "scan", "--checkpoint", tmp_path / "large")


def test_an_output_that_is_there_is_left_alone(shell: Shell, files: list[object], tmp_path: Path) -> None:
    output = tmp_path / "rooms.jsonl"
    output.write_text("mine\n")
    assert "is there already" in shell.fails(10, "scan", *files)
    assert "is there already" in shell.fails(10, "scan", *files[2:])
    assert output.read_text() == "mine\n"
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.parametrize("change", [lambda text: "x" + text[1:], lambda text: text[:-9], lambda _: ""])
def test_an_output_that_was_changed_is_left_alone(
    change: Callable[[str], str], shell: Shell, files: list[object], tmp_path: Path
) -> None:
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    output = tmp_path / "rooms.jsonl"
    output.write_text(change(output.read_text()))
    before = output.read_text()
    assert "does not begin with" in shell.fails(10, "scan", *files)
    assert output.read_text() == before


def test_two_scans_do_not_write_to_one_file(shell: Shell, files: list[object], tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    stop(shell.emulator)
    shell("scan", *files, *PAGE)
    with (tmp_path / "rooms.jsonl").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another scan is writing" in shell.fails(10, "scan", *files)


def test_a_system_without_locks_scans_too(
    shell: Shell, files: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    assert shell("scan", *files).code == 0


def test_a_disk_that_is_full_is_told_and_gone_on_behind(
    shell: Shell, files: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fsync, times = os.fsync, iter(range(1, 100))

    def full(number: int) -> None:
        if next(times) == 2:
            raise OSError(28, "No space left on device")
        fsync(number)

    monkeypatch.setattr("os.fsync", full)
    said = shell.fails(10, "scan", *files, *PAGE)
    assert said == f"{tmp_path}/rooms.jsonl: No space left on device"
    assert shell("scan", *files).code == 0
    assert uuids_in((tmp_path / "rooms.jsonl").read_text()) == list(shell.emulator.uuids())


# However it ends


class Killed(BaseException):
    """The process is gone; nothing of ours runs any more."""


EFFECTS = {"open", "write", "flush", "fsync", "replace", "truncate", "close"}


@contextmanager
def killing_at(step: int) -> Iterator[list[int]]:
    """Kill whatever runs before or behind the ``step``-th thing that keeping does to the system."""
    ours = {sinks.__file__, journal.__file__}
    passed = [0]

    def count(frame: FrameType | None, event: str, called: Any) -> None:
        if event not in {"c_call", "c_return"} or called.__name__ not in EFFECTS:
            return
        while frame is not None and frame.f_code.co_filename not in ours:
            frame = frame.f_back
        passed[0] += frame is not None
        if frame is not None and passed[0] == step:
            sys.setprofile(None)
            raise Killed

    sys.setprofile(count)
    try:
        yield passed
    finally:
        sys.setprofile(None)


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_lost_or_doubled_wherever_the_process_dies(tmp_path: Path) -> None:
    shell = Shell(Emulator(rooms=5))
    every = list(shell.emulator.uuids())
    step, is_through = 0, False
    while not is_through:
        step += 1
        checkpoint, output = tmp_path / f"{step}", tmp_path / f"{step}.csv"
        arguments = ["scan", "--checkpoint", checkpoint, "--output", output, "--page-size", 4]
        with killing_at(step) as passed, suppress(Killed):
            shell(*arguments)
        is_through = passed[0] < step
        ran = shell(*arguments)
        assert ran.code == 0, (step, ran)
        with output.open(encoding="utf-8") as file:
            assert [row["uuid"] for row in csv.DictReader(file)] == every, step
        assert (read_standing(checkpoint) or Standing(asked={})).ended
    gc.collect()  # what was killed has left files open, which is not to be told of in another test
    assert step > 50


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_is_quiet_and_the_scan_goes_on_exactly(
    at: int, shell: Shell, files: list[object], tmp_path: Path
) -> None:
    shell.transport = Stopping(shell.emulator, at, lambda: signal.raise_signal(signal.SIGINT))
    ran = shell("scan", *files, *PAGE)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err.startswith("netless-rooms: stopped: ")
    assert ran.err.count("\n") == 1
    shell.transport = None
    assert shell("scan", *files).code == 0
    assert uuids_in((tmp_path / "rooms.jsonl").read_text()) == list(shell.emulator.uuids())


def test_ctrl_c_says_nothing_if_there_is_nothing_to_say(shell: Shell) -> None:
    shell.transport = Stopping(shell.emulator, 2, lambda: signal.raise_signal(signal.SIGINT))
    ran = shell("scan", *PAGE)
    assert (ran.code, ran.err) == (130, "")
    assert len(uuids_in(ran.out)) == 10


def test_rows_that_could_not_be_written_come_again(shell: Shell, tmp_path: Path) -> None:
    class Full(Stream):
        def write(self, text: str) -> int:
            if self.tell():
                raise OSError(28, "No space left on device")
            return super().write(text)

    arguments = ["scan", "--checkpoint", tmp_path / "c", *PAGE]
    first = shell(*arguments, out=Full())
    second = shell(*arguments)
    assert (first.code, second.code) == (10, 0)
    assert uuids_in(first.out + second.out) == list(shell.emulator.uuids())


def test_rows_that_are_redirected_are_on_the_disk_before_the_checkpoint_says_so(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Redirected(Stream):
        def fileno(self) -> int:
            return file.fileno()

    brought: list[bool] = []
    with (tmp_path / "rows").open("w") as file:
        monkeypatch.setattr("os.fsync", lambda number: brought.append(number == file.fileno()))
        assert shell("scan", "--checkpoint", tmp_path / "c", *PAGE, out=Redirected()).code == 0
    assert brought == [False, *[True, False] * 4]


def test_a_room_that_was_not_taken_is_not_counted_as_done(tmp_path: Path) -> None:
    class Ahead:
        room_count = 1

    with recording.recording(tmp_path / "c", None, {}, filters=ALL, columns=ROOM, format="jsonl") as recorder:
        recorder.keep(Ahead())  # type: ignore[arg-type]  # what a scan looks like that is one room ahead
    standing = read_standing(tmp_path / "c")
    assert standing == Standing(asked={})


def test_a_checkpoint_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_standing(path, Standing(asked={"a": None}, scan="x", size=3))
    assert read_standing(path) == Standing(asked={"a": None}, scan="x", size=3)
    assert [each.name for each in tmp_path.iterdir()] == ["c"]


# People who look


def test_progress_and_a_summary_are_for_terminals(shell: Shell, tmp_path: Path) -> None:
    shell.terminals = frozenset({"stderr"})
    ran = shell("scan", "--output", tmp_path / "o", "--banned", *PAGE)
    assert ran.code == 0
    assert "25 rooms seen and 1 of them written" in ran.err
    assert "rooms a second" in ran.err
    shell.terminals = frozenset({"stderr", "stdout"})
    assert "rooms a second" not in shell("scan").err


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


def test_stats_tells_of_rooms_that_it_could_not_count(shell: Shell) -> None:
    shell.transport = httpx.MockTransport(
        lambda request: answer([] if "beginUUID" in str(request.url) else [room("b"), room("a", isBan=1)][1:])
    )
    ran = shell("stats", "--on-invalid", "skip")
    assert "1 room could not be read and are not counted" in ran.err
