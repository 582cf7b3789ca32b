"""Where the rows of a scan go: to stdout, or to a file that can be gone on with."""

import os
from pathlib import Path
from typing import IO, Protocol
from zlib import crc32

from netless_rooms.cli.exits import CommandError, Exit
from netless_rooms.cli.journal import Standing, unusable
from netless_rooms.cli.terminal import put


class Sink(Protocol):
    """Takes rows, as text."""

    size: int
    """How many bytes a later run can go on behind."""
    sum: int
    """The CRC-32 of these."""

    def write(self, text: str) -> None:
        """Write ``text`` and see to it that it stays written."""

    def close(self) -> None:
        """Write nothing more."""


class Stdout:
    """Writes to stdout, where nothing can be taken back."""

    size: int = 0
    sum: int = 0

    def write(self, text: str) -> None:
        """Hand ``text`` to whoever reads, or bring it to the disk."""
        put(text, keep=True)

    def close(self) -> None:
        """Leave it open: it is the process's."""


class OutputFile:
    """A file that holds exactly what its checkpoint file vouches for, and then what comes."""

    size: int
    sum: int

    def __init__(self, path: Path, standing: Standing, *, is_new: bool) -> None:
        """Open the file of ``standing`` and cut it back to what is vouched for; or a new one."""
        self.size, self.sum = standing.size, standing.sum
        self._path = path
        try:
            self._file: IO[bytes] = path.open("xb" if is_new else "r+b" if path.exists() else "xb")
        except FileExistsError:
            raise CommandError(
                Exit.FILE, f"{path} is there already: remove it, name another, or give its --checkpoint file"
            ) from None
        except OSError as error:
            raise unusable(path, error) from None
        try:
            self._take_over()
        except BaseException:
            self._file.close()
            raise

    def _take_over(self) -> None:
        _lock(self._file, self._path)
        if _sum_of(self._file, self.size) != self.sum:
            raise CommandError(
                Exit.FILE,
                f"{self._path} does not begin with the {self.size} bytes that were written to it: it was changed, "
                "or is another file; nothing is written to it",
            )
        self._file.truncate(self.size)
        self._file.seek(self.size)

    def write(self, text: str) -> None:
        """Append ``text`` and bring it to the disk."""
        written = text.encode("utf-8", "replace")
        try:
            self._file.write(written)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unusable(self._path, error) from None
        self.size += len(written)
        self.sum = crc32(written, self.sum)

    def close(self) -> None:
        """Close the file, which lets another scan have it."""
        self._file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    """Keep other scans away from the file, where the system can; the lock ends with the process."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CommandError(Exit.FILE, f"another scan is writing to {path}: let it end first") from None


def _sum_of(file: IO[bytes], size: int) -> int | None:
    """Return the CRC-32 of the first ``size`` bytes; ``None`` if there are not so many."""
    total, left = 0, size
    while left and (piece := file.read(min(left, 1 << 20))):
        total = crc32(piece, total)
        left -= len(piece)
    return None if left else total
