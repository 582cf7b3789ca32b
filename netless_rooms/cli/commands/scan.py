"""The command ``scan``: all rooms, resumed where a scan stopped."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from time import time
from typing import Annotated, Any, Final, Literal

import anyio
import msgspec
from attrs import asdict, define
from cyclopts import Parameter

from netless_rooms._auth.environment import find_base_url
from netless_rooms._listing.scan import Scan
from netless_rooms.cli import options as flags
from netless_rooms.cli.checkpoint_file import OutputFile, ScanState, StdoutWriter, Writer, read_state, write_state
from netless_rooms.cli.errors import CommandError, ExitCode, exit_code, message, redact_message
from netless_rooms.cli.export import ROOM, ROOM_OR_INVALID, Columns, Format, encode_rooms, format_for
from netless_rooms.cli.output import count, cut_back, is_file, is_pipe, progress, say
from netless_rooms.errors import DecodeError, RoomsError

MAX_HELD: Final = 2  # Ctrl-Cs that wait for a page to be saved
SAVED_TOGETHER: Final = 10  # pages of a file; to sync each would take half as long as to fetch it


async def scan(
    *,
    checkpoint: Annotated[Path | None, Parameter(alias="-c", help="Resume from this file, or begin it.")] = None,
    output: Annotated[Path | None, Parameter(alias="-o", help="Write here, as CSV if it is *.csv.")] = None,
    force: Annotated[bool, Parameter(negative="", help="Start again and overwrite both files.")] = False,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    on_invalid: Annotated[Literal["raise", "skip", "yield"], flags.unreadable("raise|skip|yield")] = "raise",
    options: flags.ScanOptions = flags.DEFAULT_OPTIONS,
    filters: flags.Filters = flags.NO_FILTERS,
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:
    chosen = _check(checkpoint, output, format)
    has_invalid_column = on_invalid == "yield" and chosen != "jsonl"
    async with flags.open_rooms(settings) as rooms:  # before any file is touched: it checks the settings
        fixed = {
            "format": chosen,
            "output": output and redact_message(str(output.resolve())),
            "base_url": settings.base_url or find_base_url(),
            "on_invalid": "yield" if has_invalid_column else None,
            **filters.to_dict(),
        }
        saved = None if checkpoint is None else read_state(checkpoint, None if force else fixed)
        state = saved if saved and not force else ScanState(options=fixed, began=int(time()))
        if state.ended:
            say(f"{checkpoint} belongs to a finished scan of {_saved(state)}: pass --force to scan again")
            return
        try:
            scan = rooms.scan(resume=state.checkpoint, on_invalid=on_invalid, **asdict(options))
        except ValueError as error:  # all other arguments were checked before
            raise CommandError(ExitCode.FILE, str(error).replace("resume", str(checkpoint), 1)) from None
        with _open_output(checkpoint, output, state, is_first=saved is None, force=force) as writer:
            if checkpoint is None and sys.stderr.isatty() and (output or is_file(sys.stdout)):
                say("with --checkpoint FILE, a scan that is stopped can be resumed")
            if state.rooms and sys.stderr.isatty():
                say(f"resuming after {_saved(state)}")
            columns, since = ROOM_OR_INVALID if has_invalid_column else ROOM, filters.since(state.began)
            recorder = Recorder(state, state, checkpoint, writer, since, columns, chosen, is_forced=force)
            await recorder.record(scan, is_shown=output is not None or not sys.stdout.isatty())
    if recorder.state.skipped:
        say(f"{count(recorder.state.skipped, 'unreadable room')} left out")
    if sys.stderr.isatty():
        say(f"{_saved(recorder.state)} written")


@define
class Recorder:
    """Saves the rooms of a scan page by page, together with the checkpoint after them."""

    start: ScanState
    state: ScanState  # what is saved
    checkpoint: Path | None
    writer: Writer
    filters: flags.Filters
    columns: Columns
    format: Format
    is_forced: bool

    async def record(self, scan: Any, *, is_shown: bool) -> None:
        """Take all rooms; if that fails, say how to resume."""
        try:
            with progress(is_wanted=is_shown) as update:
                async with scan as entered:
                    async for room in entered:
                        with _uninterrupted():
                            self._save(entered, [room, *entered._rest_of_page()])
                        update(*flags.seen(entered))
                    with _uninterrupted():
                        self._save(entered, [], ended=True)
        except (RoomsError, anyio.get_cancelled_exc_class()) as error:
            if isinstance(self.writer, OutputFile) and self.state is not self.start:  # stdout saves each page
                self.writer.write("", sync=True)
                self._write_state()
            if isinstance(error, RoomsError):
                raise CommandError(exit_code(error), f"{message(error)}; {self._how_to_resume(error)}") from error
            if self.checkpoint is not None:
                say(f"stopped: {self._how_to_resume(None)}")
            raise

    def _save(self, scan: Scan[Any], page: list[Any], *, ended: bool = False) -> None:
        rooms, is_first = self.filters.select(page), self.state.checkpoint is None
        is_due = ended or isinstance(self.writer, StdoutWriter) or scan.page_count % SAVED_TOGETHER == 1
        self.writer.write(encode_rooms(rooms, self.columns, self.format, header=is_first), sync=is_due)
        self.state = msgspec.structs.replace(
            self.state,
            checkpoint=scan.checkpoint,
            ended=ended,
            size=self.writer.size,
            crc=self.writer.crc,
            rooms=self.start.rooms + scan.room_count,
            rows=self.state.rows + len(rooms),
            skipped=self.start.skipped + scan.skipped_count,
        )
        if is_due:
            self._write_state()

    def _write_state(self) -> None:
        if self.checkpoint is not None:
            try:
                write_state(self.checkpoint, self.state)
            except CommandError:
                cut_back(sys.stdout, self.writer.last)  # the last write, if it went there
                raise

    def _how_to_resume(self, error: RoomsError | None) -> str:
        if self.checkpoint is None:
            return "use --checkpoint FILE to make a scan resumable"
        how = " with >>" * isinstance(self.writer, StdoutWriter) * is_file(sys.stdout)
        how += " without --force" * self.is_forced
        skip = ", with --on-invalid skip to leave out unreadable rooms" if isinstance(error, DecodeError) else ""
        return f"{_saved(self.state)} saved; repeat the command{how} to resume{skip}"


def _check(checkpoint: Path | None, output: Path | None, flag: Format | None) -> Format:
    """Return the format; ``CommandError`` if the flags contradict each other."""
    if checkpoint is not None and output is None and is_pipe(sys.stdout):
        unknown = "what the reader of a pipe has done with its rows is unknown"
        raise CommandError(ExitCode.USAGE, f"--checkpoint needs --output FILE: {unknown}")
    if output is None:
        return format_for(flag)
    if checkpoint is not None and checkpoint.resolve() == output.resolve():
        raise CommandError(ExitCode.USAGE, "--checkpoint and --output must be two files")
    if flag == "table":
        raise CommandError(ExitCode.USAGE, "a table cannot be written to a file: use --format jsonl or csv")
    return flag or ("csv" if output.suffix.lower() == ".csv" else "jsonl")


def _open_output(
    checkpoint: Path | None, output: Path | None, state: ScanState, *, is_first: bool, force: bool
) -> AbstractContextManager[Writer]:
    """Return what takes the rows; ``CommandError`` if a file does not belong to this scan."""
    if checkpoint is not None and (is_first or force):
        if output is not None and output.exists() and not force:
            remedy = "name another file, or pass --force to overwrite it"
            raise CommandError(ExitCode.FILE, f"{output} exists, and {checkpoint} does not: {remedy}")
        write_state(checkpoint, state, is_first=is_first)
    if output is None:
        return nullcontext(StdoutWriter(state))
    return closing(OutputFile(output, state, is_new=checkpoint is None and not force))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until rows and checkpoint agree: the second one raises wherever the program is."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Ctrl-C goes to the main thread
        return
    held = 0

    def hold(*_: object) -> None:
        nonlocal held
        held += 1
        if held > MAX_HELD:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        for _ in range(min(held, MAX_HELD)):
            signal.raise_signal(signal.SIGINT)


def _saved(state: ScanState) -> str:
    rooms = count(state.rooms, "room")
    return rooms if state.rows == state.rooms else f"{rooms} seen and {state.rows:,} of them"
