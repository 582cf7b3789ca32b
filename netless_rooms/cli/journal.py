"""Where a scan stands, in a file: the checkpoint, and how much of the output it vouches for.

How it works
------------
The output is written and brought to the disk first, then the file is replaced by a new one, whole.  So at any
moment the file is about rooms that are in the output already; what the output has beyond is cut off when the scan
is gone on with, and its rooms come again.  Whenever the process dies, no room is lost and none is there twice.

The first file is written before the output is created, so that an output without one is never ours.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import asdict, fields, frozen

from netless_rooms.cli.exits import CommandError, Exit

LARGEST: Final = 1 << 20  # characters to be read; a checkpoint of the most shards has fewer
KIND: Final = "netless-rooms scan 1"


@frozen(kw_only=True)
class Standing:
    """Where a scan stands."""

    asked: Mapping[str, Any]
    """What the scan was asked for, as far as it must stay the same."""
    scan: str | None = None
    """The checkpoint; ``None`` before the first room."""
    ended: bool = False
    size: int = 0
    """How many bytes of the output are vouched for."""
    sum: int = 0
    """The CRC-32 of these."""
    rooms: int = 0
    """How many rooms came."""
    written: int = 0
    """How many rows were written, without the line of names."""
    skipped: int = 0
    """How many rooms could not be read and were left out."""


def read_standing(path: Path) -> Standing | None:
    """Return what the file says, ``None`` if there is none; ``CommandError`` if it is something else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CommandError(Exit.FILE, f"{path} is no regular file, in which alone a checkpoint can be kept")
        with path.open(encoding="utf-8") as file:
            text = file.read(LARGEST)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise unusable(path, error) from None
    try:
        said = json.loads(text)
        if said.pop("kind") != KIND:
            raise ValueError
        return _standing(said)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CommandError(
            Exit.FILE, f"{path} is no checkpoint file of this release; it is left as it is, so name another"
        ) from None


def _standing(said: dict[str, Any]) -> Standing:
    standing = Standing(**said)
    for field in fields(Standing):
        kind = {"scan": (str, type(None)), "asked": dict, "ended": bool}.get(field.name, int)
        if not isinstance(getattr(standing, field.name), kind):  # type: ignore[arg-type]  # of a mixed dict
            raise TypeError
    return standing


def write_standing(path: Path, standing: Standing) -> None:
    """Replace the file as a whole, and make sure that it is on the disk."""
    old = path.resolve()  # or a link would be replaced, and not what it leads to
    new = old.with_name(f"{old.name}.new")
    text = json.dumps({"kind": KIND, **asdict(standing)}, indent=1)
    try:
        with new.open("w", encoding="utf-8") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(old)
    except OSError as error:
        raise unusable(path, error) from None


def check_same(path: Path, standing: Standing, asked: Mapping[str, Any]) -> None:
    """Refuse to go on with a scan that was asked for something else."""
    for name in sorted({*standing.asked, *asked}):
        was, is_now = standing.asked.get(name), asked.get(name)
        if was != is_now:
            raise CommandError(
                Exit.FILE,
                f"{path} is of a scan with {_spell(name, was)}, and this one has {_spell(name, is_now)}: "
                "ask for the same, or name another checkpoint file",
            )


def unusable(path: Path, error: Exception) -> CommandError:
    """Return the error for a file that cannot be read or written."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CommandError(Exit.FILE, f"{path}: {reason}")


def _spell(name: str, value: Any) -> str:
    flag = name.replace("_", "-")
    if value is None:
        return f"no --{flag}"
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--not-{flag}"
    return f"--{flag} {value}"
