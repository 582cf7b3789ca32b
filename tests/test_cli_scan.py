"""The commands ``scan`` and ``stats``: their output, and that no stop loses or repeats a room."""

import csv
import io
import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import FileIO
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import Mock

import anyio
import anyio.lowlevel
import httpx
import pytest

from fakes import TOKEN
from netless_rooms import Room, Scan
from netless_rooms.emulator import Emulator, Failure
from samples import UUID
from selection import exhaustive
from shell import FULL, Bytes, Shell, Stopping, Stream

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
def stopped(shell: Shell, files: list[object]) -> Shell:
    """Return a shell in which a scan to files has failed at its second page."""
    shell.emulator.faults += [None, Failure(400)]
    said = shell.fails(6, "scan", *files, *PAGE)
    assert said.endswith("; 10 rooms saved; repeat the command to resume")
    return shell


def uuids_in(text: str | Path) -> list[str]:
    lines = text.splitlines() if isinstance(text, str) else text.read_text().splitlines()
    return [json.loads(line)["uuid"] for line in lines]


def csv_rows(text: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text if isinstance(text, str) else text.read_text())))


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


# Output


@pytest.mark.parametrize("flags", [[], ["--shards", 4, "--prefetch", 0]], ids=str)
def test_scan_shows_every_room_once(flags: list[object], shell: Shell) -> None:
    ran = shell("scan", *PAGE, *flags)
    assert (ran.code, ran.err) == (0, "")
    assert sorted(uuids_in(ran.out)) == list(shell.emulator.uuids())


def test_a_scan_runs_in_any_thread(shell: Shell) -> None:
    with ThreadPoolExecutor() as threads:
        assert threads.submit(shell, "scan").result().code == 0


@pytest.mark.parametrize("spelling", ["table", "csv", "jsonl"])
def test_the_names_of_the_columns_come_once_even_without_rooms(spelling: str, shell: Shell) -> None:
    names = spelling != "jsonl"
    ran = shell("scan", *PAGE, "--format", spelling)
    assert ran.out.count("created_at ") + ran.out.count(",created_at,") == names
    assert len(ran.out.splitlines()) == 25 + names
    shell.emulator = Emulator()
    assert shell("scan", "--format", spelling).out.startswith("uuid" if names else "")


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
    for name in ("a.csv", "b.CSV", "c"):
        assert shell("scan", "--output", tmp_path / name).out == ""
    shell("scan", "--output", tmp_path / "d.csv", "--format", "jsonl")
    assert (tmp_path / "b.CSV").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert (tmp_path / "d.csv").read_bytes() == (tmp_path / "c").read_bytes()
    assert [row["uuid"] for row in csv_rows(tmp_path / "a.csv")] == list(shell.emulator.uuids())
    assert uuids_in(tmp_path / "c") == list(shell.emulator.uuids())
    assert "a table cannot be written to a file" in shell.fails(
        2, "scan", "--output", tmp_path / "e", "--format", "table"
    )


def test_progress_and_a_summary_are_for_terminals(shell: Shell, output: Path) -> None:
    shell.terminals = frozenset({"stderr"})
    ran = shell("scan", "--output", output, "--banned", *PAGE)
    assert ran.err.endswith("netless-rooms: 25 rooms seen and 1 of them written\n")
    assert "25 rooms in 3 pages, " in ran.err
    ran = shell("scan", *PAGE)
    assert uuids_in(ran.out) == list(shell.emulator.uuids())
    assert " rooms a second" in ran.err
    shell.terminals = frozenset({"stderr", "stdout"})
    assert shell("scan").err == "netless-rooms: 25 rooms written\n"
    assert " rooms a second" in shell("scan", "--output", output.with_name("o")).err


# Rooms that cannot be read


def test_unreadable_rooms_are_raised_skipped_or_shown(shell: Shell, output: Path, files: list[object]) -> None:
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note="NETLESSSDK_dGhlLXNlY3JldC1wYXJ0")
    said = shell.fails(6, "scan", *files, *PAGE)
    assert said.endswith(" to resume, with --on-invalid skip to leave out unreadable rooms")
    ran = shell("scan", *files, *PAGE, "--on-invalid", "skip")
    assert (ran.code, ran.err) == (0, "netless-rooms: 1 unreadable room left out\n")
    assert len(uuids_in(output)) == 25
    ran = shell("scan", "--on-invalid", "yield", "--banned")
    (unreadable,) = [row for row in map(json.loads, ran.out.splitlines()) if "invalid" in row]
    assert unreadable["uuid"] == UUID
    assert unreadable["invalid"].startswith('expected true or false, got "perhaps" at $')
    assert unreadable["document"]["note"] == "NETLESS…"
    shown = shell("scan", "--on-invalid", "yield", "--format", "csv").out
    assert shown.splitlines()[0].endswith(",extra,invalid")
    assert shown.count("expected true or false") == 1
    ran = shell("stats", "--on-invalid", "skip")
    assert ran.err == "netless-rooms: 1 unreadable room not counted\n"


def test_a_document_that_cannot_be_shown_without_a_token_is_left_out(shell: Shell) -> None:
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note='NETLESSSDK_x"')
    assert json.loads(shell("scan", "--on-invalid", "yield").out)["document"] is None


def strictly(line: str) -> Any:
    """Read a line as the strictest reader does."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    row = json.loads(line, parse_constant=refuse)
    json.dumps(row, ensure_ascii=False).encode()
    return row


@pytest.mark.parametrize("member", ["name", *exhaustive(["isBan", "note"])])
def test_half_a_surrogate_pair_stops_neither_a_scan_nor_readers_of_its_output(
    member: str, shell: Shell, files: list[object], output: Path
) -> None:
    class Odd(Stopping):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            body = (await response.aread()).replace(b'"?"', b'"half \\ud83d"')
            return httpx.Response(response.status_code, content=body)

    shell.emulator.add_room(uuid=UUID, **{member: "?"})
    shell.transport = Odd(shell.emulator, -1, interrupt)
    shell.emulator.faults += [None, None, Failure(400)]
    flags = [*files, *PAGE, "--on-invalid", "yield"]
    assert [shell("scan", *flags).code, shell("scan", *flags).code] == [6, 0]
    rows = [strictly(line) for line in output.read_text().splitlines()]
    assert [row["uuid"] for row in rows] == list(shell.emulator.uuids())
    (invalid,) = [row for row in rows if "invalid" in row]
    assert (invalid["uuid"], invalid["document"][member]) == (UUID, "half \ufffd")
    printed = csv_rows(shell("scan", *flags[4:], "--format", "csv").out)
    assert {row["uuid"]: row["invalid"] for row in printed}[UUID] == invalid["invalid"]
    table = shell("scan", *flags[4:], "--format", "table").out
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(shell.emulator.uuids())


# Resuming


def test_a_scan_that_failed_resumes_exactly(
    stopped: Shell, files: list[object], checkpoint: Path, output: Path
) -> None:
    with output.open("a") as file:  # what no checkpoint vouches for
        file.write("half a row, and more than all that comes" * 1_000)
    assert stopped("scan", *files, *PAGE).code == 0
    assert uuids_in(output) == list(stopped.emulator.uuids())
    kept = json.loads(checkpoint.read_text())
    assert (kept["rooms"], kept["rows"], kept["ended"]) == (25, 25, True)
    assert set(checkpoint.parent.iterdir()) == {checkpoint, output}


def test_a_scan_without_a_checkpoint_says_how_it_could_be_resumed(shell: Shell) -> None:
    shell.emulator.faults += [None, Failure(400)]
    ran = shell("scan", *PAGE)
    assert ran.code == 6
    assert ran.err.endswith("; use --checkpoint FILE to make a scan resumable\n")
    assert len(uuids_in(ran.out)) == 10


def test_a_scan_to_stdout_resumes_with_one_line_of_names(shell: Shell, files: list[object]) -> None:
    shell.emulator.faults += [None, Failure(400)]
    first, second = [shell("scan", *files[:2], *PAGE, "--format", "csv") for _ in range(2)]
    assert (first.code, second.code) == (6, 0)
    assert [row["uuid"] for row in csv_rows(first.out + second.out)] == list(shell.emulator.uuids())


def test_a_scan_that_has_ended_does_nothing_more(shell: Shell, files: list[object], output: Path) -> None:
    shell("scan", *files, "--banned")
    before = output.read_bytes()
    shell.emulator.requests.clear()
    ran = shell("scan", *files, "--banned")
    assert ran.code == 0
    assert "is of a scan that has ended, with 25 rooms seen and 1 of them: remove it" in ran.err
    assert (output.read_bytes(), shell.emulator.requests) == (before, [])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (["--banned"], "is of a scan with no --banned, and this one has --banned: use"),
        (["--not-banned"], "and this one has --not-banned: use"),
        (["--created-after", "2024-01-01"], "this one has --created-after 2024-01-01T00:00:00.000Z: use"),
        (["--format", "csv"], "of a scan with --format jsonl, and this one has --format csv: use"),
        (["--base-url", "https://another.example"], "this one has --base-url https://another.example: use"),
        (["--region", "sg"], "checkpoint is of the region 'us-sv'"),
    ],
)
def test_a_checkpoint_of_another_scan_is_refused(
    changed: list[str], words: str, stopped: Shell, files: list[object]
) -> None:
    assert words in stopped.fails(10, "scan", *files, *changed)


def test_a_checkpoint_of_another_output_or_account_is_refused(
    stopped: Shell, files: list[object], checkpoint: Path
) -> None:
    assert "this one has no --output: use" in stopped.fails(10, "scan", *files[:2])
    said = stopped.fails(2, "scan", "--checkpoint", checkpoint, "--output", checkpoint)
    assert said == "--checkpoint and --output must be two files"
    stopped.emulator = Emulator()
    for uuid in ("a", "b"):
        stopped.emulator.add_room(uuid=uuid, teamUUID="another")
    assert "start again with another checkpoint file" in stopped.fails(10, "scan", *files)


# Files


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "scan 9"}',
        '{"kind": "netless-rooms scan 1", "options": 1}',
        '{"kind": "netless-rooms scan 1", "options": {}, "colour": 1}',
        "[" * 100_000,
        "\udcff",
    ],
    ids=lambda text: text[:40],
)
def test_another_file_is_no_checkpoint(text: str, shell: Shell, checkpoint: Path) -> None:
    checkpoint.write_text(text, errors="surrogateescape")
    before = checkpoint.read_bytes()
    shell.fails(10, "scan", "--checkpoint", checkpoint)
    assert (checkpoint.read_bytes(), shell.emulator.requests) == (before, [])


def test_files_that_cannot_be_used_are_told_in_a_line(shell: Shell, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "where"
    assert f"{nowhere}: No such file" in shell.fails(10, "scan", "--output", nowhere)
    assert "No such file" in shell.fails(10, "scan", "--checkpoint", nowhere)
    (tmp_path / "file").touch()
    assert "Not a directory" in shell.fails(10, "scan", "--output", tmp_path / "file" / "o")
    assert "is not a regular file" in shell.fails(10, "scan", "--checkpoint", tmp_path)
    assert shell.emulator.requests == []


@pytest.mark.skipif(sys.platform == "win32", reason="files have no holes there, and links need a permission")
def test_a_checkpoint_is_read_no_further_than_it_can_be_and_can_be_a_link(
    shell: Shell, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(checkpoint)
    with checkpoint.open("wb") as file:
        file.truncate(1 << 40)  # more than there is memory, and a hole on the disk
    assert "is not a checkpoint file" in shell.fails(10, "scan", "--checkpoint", tmp_path / "link")
    assert "/dev/zero is not a regular file" in shell.fails(10, "scan", "--checkpoint", "/dev/zero")
    checkpoint.unlink()
    assert shell("scan", "--checkpoint", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()


def test_an_output_that_exists_is_left_alone(
    shell: Shell, files: list[object], output: Path, checkpoint: Path
) -> None:
    output.write_text("mine\n")
    assert f"{output} exists, and {checkpoint} does not" in shell.fails(10, "scan", *files)
    assert f"{output} exists: remove it" in shell.fails(10, "scan", *files[2:])
    assert output.read_text() == "mine\n"
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    "change", [lambda text: "x" + text[1:], lambda text: text[:-1], lambda _: ""], ids=["other", "cut", "empty"]
)
def test_an_output_that_was_changed_is_left_alone(
    change: Callable[[str], str], stopped: Shell, files: list[object], output: Path
) -> None:
    output.write_text(before := change(output.read_text()))
    assert "does not begin with" in stopped.fails(10, "scan", *files)
    assert output.read_text() == before


def test_an_output_that_was_removed_is_told(stopped: Shell, files: list[object], output: Path) -> None:
    output.unlink()
    assert "does not begin with" in stopped.fails(10, "scan", *files)


def test_two_scans_do_not_write_to_one_file_where_the_system_has_locks(
    stopped: Shell, files: list[object], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    with output.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another scan is writing" in stopped.fails(10, "scan", *files)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        assert stopped("scan", *files).code == 0


@pytest.mark.parametrize(("turn", "name"), [(1, "checkpoint"), (2, "rooms.jsonl"), (3, "checkpoint")])
def test_a_disk_that_is_full_is_told_and_the_scan_can_be_resumed(
    turn: int, name: str, shell: Shell, files: list[object], output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, turns = os.fsync, count(1)

    def full(number: int) -> None:
        if next(turns) == turn:
            raise FULL
        fsync(number)

    monkeypatch.setattr("os.fsync", full)
    assert shell.fails(10, "scan", *files, *PAGE) == f"{output.with_name(name)}: No space left on device"
    assert shell("scan", *files).code == 0
    assert uuids_in(output) == list(shell.emulator.uuids())


@pytest.mark.parametrize("base_url", [TOKEN, "https://user:hush-hush@host", "http://service.example"])
def test_a_refused_command_touches_no_file_and_shows_no_secret(
    base_url: str, shell: Shell, files: list[object], tmp_path: Path
) -> None:
    said = shell.fails(3, "scan", *files, "--base-url", base_url)
    assert TOKEN not in said
    assert "hush-hush" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_file_holds_no_token(shell: Shell, checkpoint: Path, files: list[object]) -> None:
    assert shell("scan", *files, "--team", TOKEN).code == 0
    assert TOKEN not in checkpoint.read_text()
    assert shell("scan", *files, "--team", TOKEN).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links are others there")
def test_a_checkpoint_file_is_private_keeps_its_mode_and_replaces_nothing_else(
    stopped: Shell, checkpoint: Path, files: list[object], tmp_path: Path
) -> None:
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600
    checkpoint.chmod(0o640)
    (tmp_path / "mine").write_text("mine")
    checkpoint.with_name("checkpoint.new").symlink_to(tmp_path / "mine")
    assert stopped("scan", *files).code == 0
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o640
    assert (tmp_path / "mine").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "checkpoint.new", "mine", "rooms.jsonl"}


def test_only_one_of_two_first_starts_goes_on(
    shell: Shell, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(*paths: Any) -> None:
        checkpoint.write_text("theirs")
        link(*paths)

    with monkeypatch.context() as patched:
        patched.setattr("os.link", late)
        assert "another scan has just started with" in shell.fails(10, "scan", "--checkpoint", checkpoint)
    assert checkpoint.read_text() == "theirs"
    checkpoint.unlink()
    monkeypatch.setattr("os.link", Mock(side_effect=PermissionError(1, "no links")))
    assert shell("scan", "--checkpoint", checkpoint).code == 0


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
        assert [row["uuid"] for row in csv_rows(output)] == list(shell.emulator.uuids()), state
        assert json.loads(checkpoint.read_text())["ended"]


@pytest.mark.parametrize("at", [1, 3])
def test_ctrl_c_is_quiet_and_the_scan_resumes_exactly(
    at: int, shell: Shell, files: list[object], output: Path
) -> None:
    shell.transport = Stopping(shell.emulator, at, interrupt)
    said = shell.fails(130, "scan", *files, *PAGE, "--prefetch", 0)
    assert said == f"stopped: {10 * (at - 1)} rooms saved; repeat the command to resume"
    shell.transport = None
    assert shell("scan", *files).code == 0
    assert uuids_in(output) == list(shell.emulator.uuids())


def test_ctrl_c_says_nothing_without_a_checkpoint(shell: Shell) -> None:
    shell.transport = Stopping(shell.emulator, 2, interrupt)
    ran = shell("scan", *PAGE)
    assert (ran.code, ran.err, len(uuids_in(ran.out))) == (130, "", 10)


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
        assert shell.fails(130, "scan", *files, *PAGE).startswith("stopped: 11 rooms saved; ")
    assert shell("scan", *files).code == 0
    assert uuids_in(output) == list(shell.emulator.uuids())


# Stdout


DISK_FULL = "netless-rooms: the output cannot be written: No space left on device\n"


class PartOf(Bytes):
    """A raw stream over the rest of a file, which takes a few bytes at a time and fails at its ``limit``."""

    def __init__(self, file: FileIO, limit: int = 1 << 30) -> None:
        super().__init__()
        self.file, self.limit = file, limit

    def fileno(self) -> int:
        return self.file.fileno()

    def write(self, content: Any) -> int:
        if self.file.tell() >= self.limit:
            raise FULL
        return self.file.write(content[: min(700, self.limit - self.file.tell())])


@pytest.mark.parametrize("limit", [0, 1, 2_000, 2_500])
@pytest.mark.parametrize("flags", [[], ["--format", "csv"]], ids=str)
def test_after_a_full_disk_no_row_is_torn_lost_or_repeated(
    limit: int, flags: list[str], shell: Shell, checkpoint: Path, output: Path
) -> None:
    arguments = ["scan", "--checkpoint", checkpoint, *flags, *PAGE]
    with output.open("ab", buffering=0) as file:
        ran = shell(*arguments, out=Stream(raw=PartOf(file, limit)))
        assert (ran.code, ran.err) == (
            10,
            DISK_FULL,
        )
        assert output.stat().st_size == 0 or output.read_bytes().endswith(b"\n")
        assert shell(*arguments, out=Stream(raw=PartOf(file))).code == 0
    rows = csv_rows(output) if flags else map(json.loads, output.read_text().splitlines())
    assert [row["uuid"] for row in rows] == list(shell.emulator.uuids())


def test_rows_are_taken_back_if_their_checkpoint_cannot_be_written(
    shell: Shell, checkpoint: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, turns = os.replace, count(1)

    def failing(*paths: Any) -> None:
        if next(turns) == 2:
            raise FULL
        replace(*paths)

    monkeypatch.setattr("os.replace", failing)
    with output.open("ab", buffering=0) as file:
        codes = [
            shell("scan", "--checkpoint", checkpoint, *PAGE, out=Stream(raw=PartOf(file))).code for _ in range(2)
        ]
    assert codes == [10, 0]
    assert uuids_in(output) == list(shell.emulator.uuids())


def test_what_somebody_else_wrote_is_not_cut_off(shell: Shell, output: Path) -> None:
    with output.open("ab", buffering=0) as file, output.open("ab", buffering=0) as another:

        class Shared(PartOf):
            def write(self, content: Any) -> int:
                if self.file.tell():
                    another.write(b"theirs\n")
                    raise FULL
                return super().write(content)

        shell.fails(10, "list", out=Stream(raw=Shared(file)))
    assert output.read_bytes().endswith(b"theirs\n")
    assert output.stat().st_size == 700 + len("theirs\n")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_ctrl_c_between_rows_and_checkpoint_repeats_no_row(
    times: int, shell: Shell, checkpoint: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync
    with output.open("ab", buffering=0) as file, monkeypatch.context() as patched:

        def impatient(number: int) -> None:
            fsync(number)
            if number == file.fileno():
                for _ in range(times):
                    interrupt()

        patched.setattr("os.fsync", impatient)
        assert shell("scan", "--checkpoint", checkpoint, *PAGE, out=Stream(raw=PartOf(file))).code == 130
        patched.undo()
        kept = uuids_in(output)
        assert shell("scan", "--checkpoint", checkpoint, out=Stream(raw=PartOf(file))).code == 0
    assert uuids_in(output)[len(kept) * (times == 3) :] == list(shell.emulator.uuids())


def test_redirected_rows_are_on_the_disk_before_the_checkpoint_says_so(
    shell: Shell, checkpoint: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    with output.open("ab", buffering=0) as file:
        monkeypatch.setattr("os.fsync", lambda number: synced.append(number == file.fileno()))
        assert shell("list", out=Stream(raw=PartOf(file))).code == 0
        assert synced == []
        shell("scan", "--checkpoint", checkpoint, *PAGE, out=Stream(raw=PartOf(file)))
    assert synced == [False, *[True, False] * 4]


def test_a_checkpoint_does_not_vouch_for_rows_in_a_pipe(shell: Shell, checkpoint: Path) -> None:
    reading, writing = os.pipe()
    said = shell.fails(2, "scan", "--checkpoint", checkpoint, out=Stream(descriptor=writing))
    assert said.startswith("--checkpoint needs --output FILE: what the reader")
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
    ran = shell("stats")
    assert "1 room in 1 page, " in ran.err
    assert ran.out.splitlines() == [
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
