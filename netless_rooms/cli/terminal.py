"""What goes to a terminal: plain text that strangers cannot make it act on."""

import os
import stat
import sys
from pathlib import Path
from typing import Final, TextIO
from unicodedata import category

from netless_rooms.cli.exits import CommandError, Exit

ACTING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # control, format, surrogates and their like
JOINERS: Final = "\u200c\u200d"  # parts of words in some scripts, and of emoji
HIDDEN: Final = "\ufffd"


def visible(text: str) -> str:
    """Return ``text`` with the replacement character for whatever a terminal or an editor may act on.

    Names of rooms come from strangers.  An escape sequence could repaint the screen, a line break could fake a
    line of ours, a mark of direction could turn the text around.
    """
    if text.isprintable():
        return text
    return "".join(HIDDEN if category(each) in ACTING and each not in JOINERS else each for each in text)


def open_closed_streams() -> None:
    """Put an empty stream where the process was started without one, so that no file takes its place.

    That for stdout refuses what is written: output that nobody can get is not to be lost quietly.
    """
    for name, mode in (("stdin", "r"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  as long as the process


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sees what is written there."""
    return stream.isatty()


def is_pipe(stream: TextIO) -> bool:
    """Whether another program reads what is written there."""
    return _kind(stream) in {stat.S_IFIFO, stat.S_IFSOCK}


def say(text: str) -> None:
    """Write one line for people, to stderr."""
    _write(sys.stderr, f"netless-rooms: {visible(text)}\n")


def put(text: str, *, keep: bool = False) -> None:
    """Write to stdout, and make sure that it has left this process; ``CommandError`` if it cannot.

    With ``keep`` it is brought to the disk too, if stdout leads to a file.
    """
    try:
        _write(sys.stdout, text)
        if keep and _kind(sys.stdout) == stat.S_IFREG:
            os.fsync(sys.stdout.fileno())
    except BrokenPipeError:
        raise
    except OSError as error:
        why = error.strerror or "stdout is closed"
        raise CommandError(Exit.FILE, f"the output cannot be written: {why}") from None


def _write(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def _kind(stream: TextIO) -> int:
    """Return what the system has there, as ``stat`` names it; 0 if it is nothing of the system's."""
    try:
        return stat.S_IFMT(os.fstat(stream.fileno()).st_mode)
    except OSError:
        return 0
