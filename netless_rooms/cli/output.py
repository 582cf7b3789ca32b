"""The standard streams: a write is atomic or fails, and text from outside cannot act on a terminal.

Output goes to the raw stream: nothing is left to flush when Python exits, and a short write is completed.
"""

import os
import select
import stat
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from logging import DEBUG, LogRecord, getLogger
from pathlib import Path
from textwrap import fill
from time import perf_counter
from typing import Any, Final, TextIO
from unicodedata import category

from netless_rooms.cli.errors import CommandError, ExitCode, redact_message

ACTING: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # control, format, surrogates and their like
JOINERS: Final = "\u200c\u200d"  # parts of words in some scripts, and of emoji
HIDDEN: Final = "\ufffd"
MAX_QUIET: Final = 2  # seconds until a progress line says that the service does not answer

logger: Final = getLogger("netless_rooms")


@contextmanager
def shown_log() -> Iterator[None]:
    """Show the library's log on stderr meanwhile: each request and retry."""

    def show(record: LogRecord) -> bool:
        say(record.getMessage())
        return False

    level = logger.level
    logger.addFilter(show)
    logger.setLevel(DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeFilter(show)


def visible(text: str) -> str:
    """Return ``text``, which may be from outside, without what could repaint the screen or fake a line of ours."""
    if text.isprintable():
        return text
    return "".join(HIDDEN if category(each) in ACTING and each not in JOINERS else each for each in text)


def open_closed_streams() -> None:
    """Open an empty stream where the process was started without one, so that no file takes its descriptor."""
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):  # no output gets lost: stdout rejects it
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  as long as the process


def is_pipe(stream: TextIO) -> bool:
    return _kind(stream) in {stat.S_IFIFO, stat.S_IFSOCK}


def is_file(stream: TextIO | RawIOBase) -> bool:
    return _kind(stream) == stat.S_IFREG


def say(text: str) -> None:
    """Write one redacted line for people to stderr.  A stderr that cannot be written changes nothing."""
    prompt(f"netless-rooms: {visible(redact_message(text))}\n")


def prompt(text: str) -> None:
    with suppress(OSError):
        _write(sys.stderr, text)


def put(text: str, *, sync: bool = False) -> int:
    """Write ``text`` to stdout and return the number of bytes, or raise; a regular file keeps all or none."""
    try:
        return _write(sys.stdout, text, sync=sync)
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or "stdout is closed"
        raise CommandError(ExitCode.FILE, f"the output cannot be written: {reason}") from None


def write_whole(raw: RawIOBase, content: bytes, *, sync: bool = False) -> None:
    """Write ``content`` to an unbuffered stream, whole, or raise ``OSError`` and cut a regular file back."""
    left = memoryview(content)
    try:
        while left:
            count = raw.write(left)
            if count is None:  # a non-blocking pipe that is full
                select.select([], [raw], [])
            left = left[count or 0 :]
        if sync and is_file(raw):
            os.fsync(raw.fileno())
    except OSError:
        cut_back(raw, len(content) - len(left))
        raise


def cut_back(raw: TextIO | RawIOBase, written: int) -> None:
    """Take the last ``written`` bytes back from a regular file, unless somebody else has written to it since."""
    with suppress(OSError):
        size = os.fstat(raw.fileno()).st_size
        if is_file(raw) and os.lseek(raw.fileno(), 0, os.SEEK_CUR) == size:
            os.ftruncate(raw.fileno(), size - written)
            os.lseek(raw.fileno(), size - written, os.SEEK_SET)


def read_input(limit: int = -1) -> str:
    """Return the text of stdin, at most ``limit`` bytes: UTF-8, UTF-16 as some shells pipe it, or an error."""
    content: bytes = sys.stdin.buffer.read(limit)
    has_mark = content.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    return content.decode("utf-16" if has_mark else "utf-16-le" if content[1:2] == b"\0" else "utf-8-sig")


@contextmanager
def progress(*, is_wanted: bool = True) -> Iterator[Callable[..., None]]:
    """Yield what updates a progress line, in a terminal without the log, with a text and the rooms so far."""
    if not (is_wanted and sys.stderr.isatty()) or logger.isEnabledFor(DEBUG):
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.text import Text

    start = shown_at = perf_counter()
    text, rate = "", ""

    def update(now_text: str, rooms: int | None = None) -> None:
        nonlocal text, rate, shown_at
        shown_at = perf_counter()
        text, rate = now_text, "" if rooms is None else per_second(rooms, shown_at - start)

    class Line(TextColumn):
        def render(self, _: object) -> Text:
            return Text(progress_line(text, rate, perf_counter() - shown_at))

    # What rich redirects, it writes to the terminal; rows must go where stdout leads, whatever stderr is.
    options: Any = {"transient": True, "redirect_stdout": False, "redirect_stderr": False}
    with Progress(SpinnerColumn(), Line(""), TimeElapsedColumn(), console=Console(stderr=True), **options) as bar:
        bar.add_task("")
        yield update


def progress_line(text: str, rate: str, quiet: float) -> str:
    """Return a progress line; instead of an old rate it says how many seconds the service has been silent."""
    end = f"waiting for the service, {int(quiet)} s" if quiet >= MAX_QUIET or not text else rate
    return ", ".join(filter(None, (text, end)))


def per_second(rooms: int, seconds: float) -> str:
    return f"{rooms / max(seconds, 0.001):,.0f} rooms a second"


def hang(label: str, text: str, width: int, end: int) -> str:
    """Return lines of at most ``end`` columns: ``label`` in ``width`` columns, ``text`` beside it."""
    label = f"{label:{width}}  "
    lines = fill(text, end, initial_indent=label, subsequent_indent=" " * len(label), break_on_hyphens=False)
    return f"{lines or label.rstrip()}\n"


def styled(text: str, code: int) -> str:
    """Return ``text`` with an SGR code of terminals, if stdout is one."""
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _write(stream: TextIO, text: str, *, sync: bool = False) -> int:
    content = text.encode(stream.encoding or "utf-8", "replace")
    stream.flush()
    buffer: Any = stream.buffer
    write_whole(getattr(buffer, "raw", buffer), content, sync=sync)
    return len(content)


def _kind(stream: TextIO | RawIOBase) -> int:
    """Return the file type of a stream, as ``stat`` names it; 0 if the system has none."""
    try:
        return stat.S_IFMT(os.fstat(stream.fileno()).st_mode)
    except OSError:
        return 0
