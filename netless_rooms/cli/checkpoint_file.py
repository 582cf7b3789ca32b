"""The files of a resumable scan: its checkpoint file, and the output that this vouches for.

The output is synced first, then the checkpoint file is replaced as a whole.  So at any time it covers only rows
that are in the output.  What the output has beyond them is cut off on resume, and its rooms come again.  Whenever
the process dies, no room is lost or repeated.

The first checkpoint file is written before the output is created, so an output without one is never ours.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from tempfile import mkstemp
from typing import Annotated, Any, Final, TypeAlias
from zlib import crc32

import msgspec

from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import is_file, put, write_whole

MAX_SIZE: Final = 1 << 20  # characters to read; a checkpoint of the most shards has fewer
KIND: Final = "netless-rooms scan 1"


class ScanState(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag=KIND):
    """How far a scan is."""

    options: Mapping[str, Any]  # those that must stay the same
    checkpoint: str | None = None  # the scan's own; None before the first room
    ended: bool = False
    size: int = 0  # how many bytes of the output are covered
    crc: int = 0  # the CRC-32 of these bytes
    rooms: int = 0  # how many rooms the scan returned
    rows: int = 0  # how many were written, without the line of names
    skipped: int = 0  # how many unreadable rooms were left out
    # When the first run began, in seconds since the epoch; filters such as 7d count back from it.
    began: Annotated[int, msgspec.Meta(ge=0, le=10**11)] = 0


def read_state(path: Path, options: Mapping[str, Any] | None) -> ScanState | None:
    """Return the state in a checkpoint file, ``None`` without one; refuse one of other ``options``, if given."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CommandError(ExitCode.FILE, f"{path} is not a regular file")
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_SIZE)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unusable(path, error) from None
    try:
        state = msgspec.convert(json.loads(text), ScanState)
    except (ValueError, RecursionError):
        wrong = f"{path} is not a checkpoint file of this release; name another file"
        raise CommandError(ExitCode.FILE, wrong) from None
    before, now = state.options, state.options if options is None else options
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            theirs, ours = (_format_option(name, each.get(name)) for each in (before, now))
            remedy = "use the same options, or name another checkpoint file"
            wrong = f"{path} belongs to a scan with {theirs}, and this one has {ours}: {remedy}"
            raise CommandError(ExitCode.FILE, wrong)
    return state


def write_state(path: Path, state: ScanState, *, is_first: bool = False) -> None:
    """Replace the file as a whole and sync it; ``is_first`` refuses a file that exists meanwhile."""
    target = path.resolve()  # a link stays, and what it leads to is replaced
    content = json.dumps(msgspec.to_builtins(state))  # an indent would take the slow encoder
    try:
        # A unique name, created exclusively and for this user only: nothing is overwritten, no link is followed.
        descriptor, name = mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with FileIO(descriptor, "w") as file:
                write_whole(file, f"{content}\n".encode(), sync=True)
            with suppress(FileNotFoundError):
                os.chmod(name, stat.S_IMODE(target.stat().st_mode))  # noqa: PTH101  mkstemp returns no Path
            _put_in_place(name, target, is_first=is_first)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name)  # noqa: PTH108  mkstemp returns no Path
    except FileExistsError:
        raise CommandError(ExitCode.FILE, f"another scan has just started with {path}") from None
    except OSError as error:
        raise unusable(path, error) from None


def unusable(path: Path, error: Exception) -> CommandError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CommandError(ExitCode.FILE, f"{path}: {reason}")


class StdoutWriter:
    """Writes to stdout, where a later run can take nothing back."""

    crc: int = 0
    last: int = 0

    def __init__(self, state: ScanState) -> None:
        """Refuse a file without the rows of ``state``, such as one that the shell has just emptied."""
        self.size: int = state.size
        if is_file(sys.stdout) and os.fstat(sys.stdout.fileno()).st_size < self.size:
            remedy = "to append to them, repeat the command with >>; to start again, pass --force"
            raise CommandError(ExitCode.FILE, f"the file on stdout lacks the rows written before: {remedy}")

    def write(self, text: str, *, sync: bool) -> None:
        self.last = put(text, sync=sync)
        self.size += self.last


class OutputFile:
    """A file that holds exactly what its checkpoint file covers, and then new rows."""

    def __init__(self, path: Path, state: ScanState, *, is_new: bool) -> None:
        """Open the file of ``state``, or create one.  What it has beyond ``state`` stays until the first write."""
        self.size: int = state.size  # of what a later run can rely on
        self.crc: int = state.crc
        self.last = 0  # of the bytes on stdout
        self._path = path
        wrong = f"{path} does not begin with the {self.size} bytes that this scan wrote: it was changed or removed"
        changed = CommandError(ExitCode.FILE, f"{wrong}; nothing is written to it")
        try:
            self._file = FileIO(path, "x+" if is_new or not (state.size or path.exists()) else "r+")
        except FileExistsError:
            wrong = f"{path} exists: name another file, pass its --checkpoint file, or --force"
            raise CommandError(ExitCode.FILE, wrong) from None
        except FileNotFoundError as error:
            raise changed if state.size else unusable(path, error) from None
        except OSError as error:
            raise unusable(path, error) from None
        try:
            if not is_file(self._file):
                raise CommandError(ExitCode.FILE, f"{path} is not a regular file")
            _lock(self._file, path)
            if _crc_of(self._file, self.size) != self.crc:
                raise changed
        except BaseException:
            self._file.close()
            raise

    def write(self, text: str, *, sync: bool) -> None:
        """Cut off what the state before does not cover, append ``text``, and sync it with all before."""
        content = text.encode("utf-8", "replace")
        try:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            write_whole(self._file, content, sync=sync)
        except OSError as error:
            raise unusable(self._path, error) from None
        self.size += len(content)
        self.crc = crc32(content, self.crc)

    def close(self) -> None:
        self._file.close()


Writer: TypeAlias = StdoutWriter | OutputFile


def _format_option(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--not-{flag}"
    return f"no --{flag}" if value is None else f"--{flag} {value}"


def _put_in_place(name: str, target: Path, *, is_first: bool) -> None:
    if is_first:
        try:
            os.link(name, target)
            return
        except FileExistsError:
            raise
        except OSError:  # the file system has no links
            pass
    os.replace(name, target)  # noqa: PTH105  mkstemp returns no Path


def _lock(file: FileIO, path: Path) -> None:
    """Keep other scans away from the file, where the system can; the lock ends with the process."""
    with suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CommandError(ExitCode.FILE, f"another scan is writing to {path}: wait until it ends") from None


def _crc_of(file: FileIO, size: int) -> int | None:
    """Return the CRC-32 of the first ``size`` bytes; ``None`` if there are fewer."""
    crc, left = 0, size
    while left and (piece := file.read(min(left, 1 << 20))):
        crc = crc32(piece, crc)
        left -= len(piece)
    return None if left else crc
