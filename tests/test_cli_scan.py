"""The commands ``scan`` and ``stats``: their output, and that no stop loses or repeats a room."""

import csv
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import DEFAULT, Mock

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from fakes import TOKEN
from netless_rooms.cli.checkpoint_file import ScanState, write_state
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import progress_line
from netless_rooms.emulator import Emulator, Failure, Hang
from samples import UUID
from selection import exhaustive
from shell import EVERYTHING, FULL, Bytes, Shell, Stopping, Stream, interrupt, uuids_in

PAGE = ["--page-size", 10]
CHECKPOINT, OUTPUT = Path("checkpoint"), Path("rooms.jsonl")
KEPT = ["scan", "--checkpoint", CHECKPOINT]
FILES = [*KEPT, "--output", OUTPUT]
PROCESS = [sys.executable, "-P", "-m", "netless_rooms"]
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals, modes, links and pipes are others there")
EFFECTS = {"open", "write", "flush", "fsync", "replace", "truncate", "close"}


@pytest.fixture
def stopped(shell: Shell) -> Shell:
    """Return a shell in which a scan to files has failed at its second page."""
    shell.emulator.faults += [None, Failure(400)]
    said = shell.fails(6, *FILES, *PAGE)
    assert said.endswith("; 10 rooms saved; repeat the command to resume")
    return shell


def csv_uuids(text: str) -> list[str]:
    return [row["uuid"] for row in csv.DictReader(io.StringIO(text))]


def test_scan_shows_every_room_once_in_any_thread(shell: Shell) -> None:
    for flags in ([], ["--shards", 4, "--prefetch", 0]):
        ran = shell("scan", *PAGE, *flags)
        assert (ran.code, ran.err) == (0, "")
        assert sorted(uuids_in(ran.out)) == list(shell.emulator.uuids())
    with ThreadPoolExecutor() as threads:
        assert threads.submit(shell, "scan").result().code == 0


def test_filters_pick_rooms(shell: Shell) -> None:
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid="a", createdAt="2024-01-30T23:59:59.999Z", appUUID="mine")
    shell.emulator.add_room(uuid="b", createdAt="2024-01-31T00:00:00.000Z", isBan=True)
    shell.emulator.add_room(uuid="c", createdAt="2024-02-29T00:00:00.000Z", isRecord=True)
    shell.emulator.add_room(uuid="d", createdAt="2024-03-01T00:00:00.000Z", teamUUID="another")
    for flags, wanted in {
        "--banned": "b",
        "--not-banned": "acd",
        "--recording": "c",
        "--not-recording --not-banned": "ad",
        "--created-after 2024-01-31": "bcd",
        "--created-after 2024-01-31T00:00:00.001": "cd",
        "--created-before 2024-01-31T01:00+01:00": "a",
        "--created-before 2024-01-31T00:00:00.001": "ab",
        "--created-after 2024-01-31 --created-before 2024-03-01": "bc",
        "--team another": "d",
        "--app mine": "a",
    }.items():
        assert "".join(uuids_in(shell("scan", *flags.split()).out)) == wanted, flags


def test_the_name_of_a_file_decides_its_format_and_columns_are_named_once(shell: Shell) -> None:
    for name in ("a.csv", "b.CSV", "c"):
        assert shell("scan", "--output", name).out == ""
    shell("scan", "--output", "d.csv", "--format", "jsonl")
    assert csv_uuids(Path("a.csv").read_text()) == list(shell.emulator.uuids())
    assert uuids_in(Path("c")) == list(shell.emulator.uuids())
    assert Path("a.csv").read_bytes() == Path("b.CSV").read_bytes()
    assert Path("c").read_bytes() == Path("d.csv").read_bytes()
    assert "a table cannot be written to a file" in shell.fails(2, "scan", "--output", "e", "--format", "table")
    for name, header in {"table": 1, "csv": 1, "jsonl": 0}.items():
        shell.emulator = Emulator(rooms=25)
        ran = shell("scan", *PAGE, "--format", name)
        assert ran.out.count("created_at ") + ran.out.count(",created_at,") == header
        assert len(ran.out.splitlines()) == 25 + header
        shell.emulator = Emulator()
        assert shell("scan", "--format", name).out.startswith("uuid" * header)


def test_progress_a_summary_and_advice_are_for_terminals(shell: Shell, file: FileIO) -> None:
    shell.terminals = frozenset({"stderr"})
    ran = shell("scan", "--output", "a", "--banned", *PAGE)
    assert ran.err.endswith("netless-rooms: 25 rooms seen and 1 of them written\n")
    assert "25 rooms in 3 pages, " in ran.err
    ran = shell("scan", *PAGE)
    assert uuids_in(ran.out) == list(shell.emulator.uuids())
    assert " rooms a second" in ran.err
    said = "netless-rooms: with --checkpoint FILE, a scan that is stopped can be resumed\n"
    assert said not in ran.err + shell("scan", "--output", "c", "--checkpoint", "d").err
    for words, out in {"--output b": None, "": Stream(PartOf(file))}.items():
        assert shell("scan", *words.split(), out=out).err.startswith(said)
    shell.terminals = frozenset({"stderr", "stdout"})
    assert shell("scan").err == "netless-rooms: 25 rooms written\n"
    assert " rooms a second" in shell("scan", "--output", "o").err
    assert progress_line("", "", 0.4) == "waiting for the service, 0 s"
    assert progress_line("5 rooms", "9 rooms a second", 1.9) == "5 rooms, 9 rooms a second"
    assert progress_line("5 rooms", "9 rooms a second", 12.4) == "5 rooms, waiting for the service, 12 s"


def test_unreadable_rooms_are_raised_skipped_or_shown(shell: Shell) -> None:
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note="NETLESSSDK_dGhlLXNlY3JldC1wYXJ0")
    said = shell.fails(6, *FILES, *PAGE)
    assert said.endswith(" to resume, with --on-invalid skip to leave out unreadable rooms")
    ran = shell(*FILES, *PAGE, "--on-invalid", "skip")
    assert (ran.code, ran.err) == (0, "netless-rooms: 1 unreadable room left out\n")
    assert len(uuids_in(OUTPUT)) == 25
    ran = shell("scan", "--on-invalid", "yield", "--banned")
    (unreadable,) = [row for row in map(json.loads, ran.out.splitlines()) if "invalid" in row]
    assert (unreadable["uuid"], unreadable["document"]["note"]) == (UUID, "NETLESS…")
    assert unreadable["invalid"].startswith('expected true or false, got "perhaps" at $')
    shown = shell("scan", "--on-invalid", "yield", "--format", "csv").out
    assert shown.splitlines()[0].endswith(",extra,invalid")
    assert shown.count("expected true or false") == 1
    assert shell("stats", "--on-invalid", "skip").err == "netless-rooms: 1 unreadable room not counted\n"
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid=UUID, isBan="perhaps", note='NETLESSSDK_x"')  # nothing is left to show
    assert json.loads(shell("scan", "--on-invalid", "yield").out)["document"] is None


def test_half_a_surrogate_pair_stops_neither_a_scan_nor_readers_of_its_output(shell: Shell) -> None:
    class Odd(Stopping):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            body = (await response.aread()).replace(b'"?"', b'"half \\ud83d"')
            return httpx.Response(response.status_code, content=body)

    shell.emulator.add_room(uuid=UUID, name="?")
    shell.transport = Odd(shell.emulator, -1, interrupt)
    shell.emulator.faults += [None, None, Failure(400)]
    flags = [*PAGE, "--on-invalid", "yield"]
    assert [shell(*FILES, *flags).code, shell(*FILES, *flags).code] == [6, 0]
    refuse = Mock(side_effect=ValueError)  # NaN and its like, as the strictest reader does
    rows = [json.loads(line, parse_constant=refuse) for line in OUTPUT.read_text().splitlines()]
    json.dumps(rows, ensure_ascii=False).encode()
    assert [row["uuid"] for row in rows] == list(shell.emulator.uuids())
    (invalid,) = [row for row in rows if "invalid" in row]
    assert (invalid["uuid"], invalid["document"]["name"]) == (UUID, "half \ufffd")
    table = shell("scan", *flags, "--format", "table").out
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(shell.emulator.uuids())


def test_a_scan_that_failed_resumes_exactly_to_a_file_or_stdout(stopped: Shell, tmp_path: Path) -> None:
    with OUTPUT.open("a") as file:  # what no checkpoint vouches for
        file.write("half a row, and more than all that comes" * 1_000)
    assert stopped(*FILES, *PAGE).code == 0
    assert uuids_in(OUTPUT) == list(stopped.emulator.uuids())
    kept = json.loads(CHECKPOINT.read_text())
    assert (kept["rooms"], kept["rows"], kept["ended"]) == (25, 25, True)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "rooms.jsonl"}
    CHECKPOINT.unlink()
    stopped.emulator.faults += [None, Failure(400)]
    ran = stopped("scan", *PAGE)
    assert (ran.code, len(uuids_in(ran.out))) == (6, 10)
    assert ran.err.endswith("; use --checkpoint FILE to make a scan resumable\n")
    stopped.emulator.faults += [None, Failure(400)]
    first, second = [stopped(*KEPT, *PAGE, "--format", "csv") for _ in range(2)]
    assert (first.code, second.code) == (6, 0)
    assert csv_uuids(first.out + second.out) == list(stopped.emulator.uuids())


def test_a_checkpoint_of_another_scan_or_output_is_refused_and_the_output_left_alone(stopped: Shell) -> None:
    for flags, words in {
        "--banned": "belongs to a scan with no --banned, and this one has --banned: use",
        "--not-banned": "and this one has --not-banned: use",
        "--created-after 2024-01-01": "this one has --created-after 2024-01-01T00:00:00.000Z: use",
        "--format csv": "a scan with --format jsonl, and this one has --format csv: use",
        "--base-url https://another.example": "this one has --base-url https://another.example: use",
        "--region sg": "checkpoint is of the region 'us-sv'",
    }.items():
        assert words in stopped.fails(10, *FILES, *flags.split()), flags
    assert "this one has no --output: use" in stopped.fails(10, *KEPT)
    assert stopped.fails(2, *KEPT, "--output", CHECKPOINT) == "--checkpoint and --output must be two files"
    stopped.emulator = Emulator()
    for uuid in ("a", "b"):
        stopped.emulator.add_room(uuid=uuid, teamUUID="another")
    assert "or start again with another file" in stopped.fails(10, *FILES)
    kept = OUTPUT.read_text()
    for changed in ("x" + kept[1:], kept[:-1], ""):
        OUTPUT.write_text(changed)
        assert "does not begin with" in stopped.fails(10, *FILES)
        assert OUTPUT.read_text() == changed
    OUTPUT.unlink()
    assert "does not begin with" in stopped.fails(10, *FILES)
    CHECKPOINT.unlink()
    OUTPUT.write_text("mine\n")
    assert f"{OUTPUT} exists, and {CHECKPOINT} does not" in stopped.fails(10, *FILES)
    assert f"{OUTPUT} exists: name another file" in stopped.fails(10, "scan", "--output", OUTPUT)
    assert (OUTPUT.read_text(), CHECKPOINT.exists()) == ("mine\n", False)


def test_files_that_cannot_be_used_are_reported_in_a_line(shell: Shell, tmp_path: Path) -> None:
    ours = '{"kind": "netless-rooms scan 1", "options": '
    files = ["", "[]", "{}", '{"kind": "x"}', "[" * 100_000, "\udcff", f"{ours}1}}"]
    files += [f'{ours}{{}}, "colour": 1}}', f'{ours}{{}}, "began": {10**20}}}']
    for text in files:
        CHECKPOINT.write_text(text, errors="surrogateescape")
        before = CHECKPOINT.read_bytes()
        shell.fails(10, *KEPT)
        assert (CHECKPOINT.read_bytes(), shell.emulator.requests) == (before, []), text[:40]
    OUTPUT.touch()
    for flags, words in {
        "--output no/where": "no/where: No such file",
        "--checkpoint no/where": "No such file",
        f"--output {OUTPUT / 'o'}": "Not a directory",
        f"--checkpoint {tmp_path}": "is not a regular file",
        f"--checkpoint {os.devnull}": "is not a regular file",
        f"--force --output {os.devnull}": "is not a regular file",
    }.items():
        assert words in shell.fails(10, "scan", *flags.split())
    assert shell.emulator.requests == []


def test_force_starts_again(stopped: Shell) -> None:
    OUTPUT.write_text("mine\n")
    stopped.emulator.faults += [Failure(400), None, Failure(400)]
    said = stopped.fails(6, *FILES, "--force", "--not-banned")
    assert said.endswith("; 0 rooms saved; repeat the command without --force to resume")
    assert OUTPUT.read_text() == "mine\n"
    said = stopped.fails(6, *FILES, *PAGE, "--force", "--not-banned")
    assert said.endswith("; 10 rooms seen and 9 of them saved; repeat the command without --force to resume")
    assert stopped(*FILES, "--not-banned").code == 0
    assert len(uuids_in(OUTPUT)) == 24
    for flags in (FILES, ["scan", "-o", OUTPUT]):
        assert stopped(*flags, "--force").code == 0
        assert uuids_in(OUTPUT) == list(stopped.emulator.uuids())
    CHECKPOINT.write_text("mine\n")
    assert "is not a checkpoint file" in stopped.fails(10, *FILES, "--force")
    assert CHECKPOINT.read_text() == "mine\n"


def test_a_length_of_time_counts_from_the_first_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.emulator, now = Emulator(), int(datetime(2024, 1, 31, tzinfo=UTC).timestamp())
    for day in (23, 24, 25):
        shell.emulator.add_room(uuid=f"day-{day}", createdAt=f"2024-01-{day}T00:00:00.000Z")
    monkeypatch.setattr("netless_rooms.cli.commands.scan.time", lambda: now)
    monkeypatch.setattr("netless_rooms.cli.options.time", lambda: now)
    shell.emulator.faults += [None, Failure(400)]
    flags = [*FILES, "--created-after", "7d", "--page-size", "2"]
    assert shell(*flags).code == 6
    now += 86_400
    assert "one has --created-after 86400s: use" in shell.fails(10, *FILES, "--created-after", "1d")
    assert shell(*flags).code == 0
    assert uuids_in(OUTPUT) == ["day-24", "day-25"]


def test_only_one_scan_writes_to_a_file(stopped: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl, link = pytest.importorskip("fcntl"), os.link
    with OUTPUT.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "another scan is writing" in stopped.fails(10, *FILES)
        monkeypatch.setitem(sys.modules, "fcntl", None)
        assert stopped(*FILES).code == 0
    CHECKPOINT.unlink()
    monkeypatch.setattr("os.link", lambda *paths: (CHECKPOINT.write_text("theirs"), link(*paths)))
    assert "another scan has just started with" in stopped.fails(10, *KEPT)
    assert CHECKPOINT.read_text() == "theirs"
    CHECKPOINT.unlink()
    monkeypatch.setattr("os.link", Mock(side_effect=PermissionError(1, "no links")))
    assert stopped(*KEPT).code == 0


def test_a_full_disk(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for turn, file in enumerate((CHECKPOINT, OUTPUT, CHECKPOINT)):
        monkeypatch.setattr("os.fsync", Mock(side_effect=[*[None] * turn, FULL, *[None] * 9]))
        assert shell.fails(10, *FILES, *PAGE, "--force") == f"{file}: No space left on device"
        assert shell(*FILES).code == 0
        assert uuids_in(OUTPUT) == list(shell.emulator.uuids())


def test_secrets_are_in_no_file_and_a_refused_command_touches_none(shell: Shell, tmp_path: Path) -> None:
    for base_url in (TOKEN, "https://user:hush-hush@host", "http://service.example"):
        said = shell.fails(3, *FILES, "--base-url", base_url)
        assert (TOKEN in said, "hush-hush" in said, list(tmp_path.iterdir())) == (False, False, [])
    for _ in range(2):
        assert shell(*FILES, "--team", TOKEN).code == 0
        assert TOKEN not in CHECKPOINT.read_text()


@unix
def test_a_checkpoint_is_private_replaces_nothing_else_and_may_be_a_link(stopped: Shell, tmp_path: Path) -> None:
    assert stat.S_IMODE(CHECKPOINT.stat().st_mode) == 0o600
    CHECKPOINT.chmod(0o640)
    (mine := Path("mine")).write_text("mine")
    Path("checkpoint.new").symlink_to(mine)
    assert stopped(*FILES).code == 0
    assert (stat.S_IMODE(CHECKPOINT.stat().st_mode), mine.read_text()) == (0o640, "mine")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "checkpoint.new", "mine", "rooms.jsonl"}
    (link := Path("link")).symlink_to(CHECKPOINT)
    with CHECKPOINT.open("wb") as file:
        file.truncate(1 << 40)  # more than there is memory, and a hole on the disk
    assert "is not a checkpoint file" in stopped.fails(10, "scan", "--checkpoint", link)
    CHECKPOINT.unlink()
    assert (stopped("scan", "--checkpoint", link).code, link.is_symlink()) == (0, True)


def test_no_room_is_lost_or_repeated_wherever_the_process_is_killed(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netless_rooms.cli.commands.scan.SAVED_TOGETHER", 2)
    states: list[dict[str, bytes]] = []  # of the files: what is left there if the process is killed

    def note(_: FrameType, event: str, called: Any) -> None:
        if event in {"c_call", "c_return"} and called.__name__ in EFFECTS:
            state = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
            if state not in states:
                states.append(state)

    shell.emulator, output = Emulator(rooms=11), Path("o.csv")
    arguments = [*KEPT, "--output", output, "--page-size", 3]
    sys.setprofile(note)
    try:
        assert shell(*arguments).code == 0
    finally:
        sys.setprofile(None)
    assert len(states) > 10
    for state in states:
        output.unlink(missing_ok=True)
        CHECKPOINT.unlink()
        for name, content in state.items():
            Path(name).write_bytes(content)
        assert shell(*arguments).code == 0, state
        assert csv_uuids(output.read_text()) == list(shell.emulator.uuids()), state
        assert json.loads(CHECKPOINT.read_text())["ended"]


def test_ctrl_c_is_quiet_and_the_scan_resumes_exactly(shell: Shell) -> None:
    for at in (1, 3):
        shell.transport = Stopping(shell.emulator, at, interrupt)
        said = shell.fails(130, *FILES, *PAGE, "--prefetch", 0)
        assert said == f"stopped: {10 * (at - 1)} rooms saved; repeat the command to resume"
    shell.transport = Stopping(shell.emulator, 2, interrupt)
    ran = shell("scan", *PAGE)
    assert (ran.code, ran.err, len(uuids_in(ran.out))) == (130, "", 10)
    shell.transport = None
    assert shell(*FILES).code == 0
    assert uuids_in(OUTPUT) == list(shell.emulator.uuids())


@pytest.fixture
def environment(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Return an environment in which a process reaches the emulator over a socket."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator.serve()) as url:
        yield {**os.environ, **EVERYTHING, "NETLESS_BASE_URL": url, "NETLESS_TOKEN": ""}


@unix
@pytest.mark.parametrize("sent", [signal.SIGINT, *exhaustive([signal.SIGKILL])])
def test_a_process_stopped_by_a_signal_resumes_exactly(
    sent: Any, shell: Shell, environment: dict[str, str]
) -> None:
    words = [str(word) for word in (*FILES, *PAGE)]
    shell.emulator.faults += [None, Hang()]
    with subprocess.Popen([*PROCESS, *words], env=environment, stderr=subprocess.PIPE) as process:
        while len(shell.emulator.requests) < 2 or not (OUTPUT.exists() and OUTPUT.stat().st_size):
            assert process.poll() is None
        process.send_signal(sent)
        _, err = process.communicate()
    said = b"netless-rooms: stopped: 10 rooms saved; repeat the command to resume\n"
    assert (process.returncode, err) == ((130, said) if sent == signal.SIGINT else (-sent, b""))
    shell.environment["NETLESS_BASE_URL"] = environment["NETLESS_BASE_URL"]
    assert shell(*words).code == 0
    assert uuids_in(OUTPUT) == list(shell.emulator.uuids())


@unix
def test_a_stdout_of_a_process_that_nobody_reads_or_that_is_closed(environment: dict[str, str]) -> None:
    said = "netless-rooms: the output cannot be written: stdout is closed\n"
    for script, expected in {
        '"$@" >&-; echo $? >&2': f"{said}10\n",
        '("$@"; echo $? >&2) | true': "141\n",
    }.items():
        words = ["sh", "-c", script, "sh", *PROCESS, "list", "--limit", "2"]
        ran = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=True)
        assert (ran.stdout, ran.stderr) == ("", expected)


class PartOf(Bytes):  # takes a few bytes at a time and fails at its limit
    def __init__(self, file: FileIO, limit: int = 1 << 30) -> None:
        super().__init__(descriptor=file.fileno())
        self.file, self.limit = file, limit

    def write(self, content: Any) -> int:
        if self.file.tell() >= self.limit:
            raise FULL
        return self.file.write(content[: min(700, self.limit - self.file.tell())])


@pytest.fixture
def file(shell: Shell) -> Iterator[FileIO]:  # noqa: ARG001  it changes the folder
    with OUTPUT.open("ab", buffering=0) as file:
        yield file


@pytest.mark.parametrize("limit", [0, 1, 2_000, 2_500])
@pytest.mark.parametrize("flags", [[], ["--format", "csv"]], ids=str)
def test_no_row_is_torn_or_lost(limit: int, flags: list[str], shell: Shell, file: FileIO) -> None:
    ran = shell(*KEPT, *flags, *PAGE, out=Stream(PartOf(file, limit)))
    said = "netless-rooms: the output cannot be written: No space left on device\n"
    assert (ran.code, ran.err) == (10, said)
    assert OUTPUT.stat().st_size == 0 or OUTPUT.read_bytes().endswith(b"\n")
    assert shell(*KEPT, *flags, *PAGE, out=Stream(PartOf(file))).code == 0
    uuids = csv_uuids(OUTPUT.read_text()) if flags else uuids_in(OUTPUT)
    assert uuids == list(shell.emulator.uuids())


def test_a_checkpoint_vouches_for_no_rows_in_a_pipe_or_an_emptied_file(shell: Shell, file: FileIO) -> None:
    reading, writing = os.pipe()
    said = shell.fails(2, *KEPT, out=Stream(Bytes(descriptor=writing)))
    assert said.startswith("--checkpoint needs --output FILE: what the reader")
    assert shell("scan", out=Stream(Bytes(descriptor=writing))).code == 0
    os.close(reading)
    os.close(writing)
    assert not CHECKPOINT.exists()
    shell.emulator.requests.clear()
    shell.emulator.faults += [None, Failure(400)]
    again = "repeat the command with >>"
    assert f"10 rooms saved; {again} to resume\n" in shell(*KEPT, *PAGE, out=Stream(PartOf(file))).err
    kept = OUTPUT.read_bytes()
    file.truncate(0)
    assert again in shell.fails(10, *KEPT, out=Stream(PartOf(file)))
    assert len(shell.emulator.requests) == 2
    file.write(kept)
    shell.terminals = frozenset({"stderr"})
    assert "netless-rooms: resuming after 10 rooms\n" in shell(*KEPT, out=Stream(PartOf(file))).err
    assert uuids_in(OUTPUT) == list(shell.emulator.uuids())


def test_rows_without_checkpoint_are_cut(shell: Shell, file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Mock(wraps=os.replace, side_effect=[DEFAULT, FULL, *[DEFAULT] * 9])
    monkeypatch.setattr("os.replace", failing)
    assert [shell(*KEPT, *PAGE, out=Stream(PartOf(file))).code for _ in range(2)] == [10, 0]
    assert uuids_in(OUTPUT) == list(shell.emulator.uuids())


def test_what_somebody_else_wrote_is_not_cut_off(shell: Shell, file: FileIO) -> None:
    class Shared(PartOf):
        def write(self, content: Any) -> int:
            if self.file.tell():
                with OUTPUT.open("ab") as another:
                    another.write(b"theirs\n")
                raise FULL
            return super().write(content)

    shell.fails(10, "list", out=Stream(Shared(file)))
    assert (OUTPUT.stat().st_size, OUTPUT.read_bytes()[-7:]) == (707, b"theirs\n")


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_ctrl_c_repeats_no_row(times: int, shell: Shell, file: FileIO, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []

    def sync(number: int) -> None:
        synced.append(number == file.fileno())
        for _ in range(times * synced[-1]):
            interrupt()

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", sync)
        assert shell("list", out=Stream(PartOf(file))).code == 0
        assert (synced, file.truncate(0), file.seek(0)) == ([], 0, 0)
        assert shell(*KEPT, *PAGE, out=Stream(PartOf(file))).code == (130 if times else 0)
    assert times or synced == [False, *[True, False] * 4]  # rows before the checkpoint
    kept = uuids_in(OUTPUT)
    assert shell(*KEPT, out=Stream(PartOf(file))).code == 0
    assert uuids_in(OUTPUT)[len(kept) * (times == 3) :] == list(shell.emulator.uuids())


def test_rows_that_were_cut_back_are_not_saved_by_ctrl_c(
    shell: Shell, file: FileIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[int] = []

    def write(path: Path, state: ScanState, **options: Any) -> None:
        saves.append(state.size)
        if len(saves) == 3:  # of the second page
            interrupt()
            raise CommandError(ExitCode.FILE, "full")
        write_state(path, state, **options)

    monkeypatch.setattr("netless_rooms.cli.commands.scan.write_state", write)
    assert shell(*KEPT, *PAGE, out=Stream(PartOf(file))).code in {10, 130}
    assert json.loads(CHECKPOINT.read_text())["size"] == OUTPUT.stat().st_size == saves[1]


def test_stats_fit_a_terminal_and_count_months_and_the_banned_share(shell: Shell) -> None:
    assert max(map(len, shell("stats", "--format", "table").out.splitlines())) == 65
    shell.terminals = frozenset({"stdout"})
    for columns, longest in {40: 5, 35: 1, 20: 1, 200: 30}.items():
        shell.environment["COLUMNS"] = str(columns)
        bars = [line.count("░") + line.count("█") for line in shell("stats").out.splitlines()]
        assert max(bars) == longest, columns
    shell.terminals, shell.emulator = frozenset(), Emulator()
    assert shell("stats").out == ""
    assert shell("stats", "--format", "table").out.splitlines()[1:] == ["all            0        0    0.0%"]
    for day in range(1, 5):
        shell.emulator.add_room(createdAt=f"2024-02-0{day}T00:00:00.000Z", isBan=day == 1)
    shell.emulator.add_room(createdAt="2023-11-30T23:59:59.999Z")
    assert [json.loads(line) for line in shell("stats", "--page-size", 2).out.splitlines()] == [
        {"month": "2023-11", "rooms": 1, "banned": 0, "banned_share": 0.0},
        {"month": "2024-02", "rooms": 4, "banned": 1, "banned_share": 0.25},
    ]
    assert shell("stats", "--format", "csv", "--banned").out.splitlines()[1:] == ["2024-02,1,1,1.0"]
    for number in range(39):
        shell.emulator.add_room(isBan=number < 8)
    shell.terminals = frozenset({"stdout", "stderr"})
    ran = shell("stats")
    assert "44 rooms in 1 page, " in ran.err
    assert ran.out.splitlines()[-1] == "all           44        9   20.5%"
