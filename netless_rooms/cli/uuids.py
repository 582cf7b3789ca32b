"""The rooms that a command is about: uuids from the arguments, or from stdin."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import frozen

from netless_rooms._auth.redaction import redact
from netless_rooms._validation import check_uuid
from netless_rooms.cli.arguments import STDIN
from netless_rooms.cli.exits import CommandError, Exit
from netless_rooms.cli.terminal import is_terminal

WANTED: Final = "give a uuid or a JSON object a line"


@frozen
class Chosen:
    """The rooms to do something with, each once, in the order in which they were given."""

    uuids: tuple[str, ...]
    from_stdin: bool


def chosen(arguments: Sequence[str], *, done: str) -> Chosen:
    """Return the rooms of ``arguments``; of stdin if they are ``-``, or if none and something is piped in.

    From stdin come lines, each with a uuid, or with a JSON object such as ``scan`` and this command print.  Lines
    of this command's own output whose ``outcome`` is ``done`` are left out, so that it can be fed its own output.
    """
    if STDIN in arguments and len(arguments) > 1:
        raise CommandError(Exit.USAGE, "give - alone, or uuids, not both")
    if STDIN not in arguments and (arguments or is_terminal(sys.stdin)):
        if not arguments:
            raise CommandError(Exit.USAGE, "give uuids of rooms, or pipe them in; see --help")
        return Chosen(tuple(dict.fromkeys(map(_argument, arguments))), from_stdin=False)
    try:
        return Chosen(tuple(dict.fromkeys(_read(sys.stdin, done))), from_stdin=True)
    except UnicodeDecodeError:
        raise CommandError(Exit.USAGE, f"what is piped in is no text; {WANTED}") from None


def _argument(text: str) -> str:
    if text.startswith("-"):
        raise CommandError(Exit.USAGE, f"there is no flag {redact(text)}; see --help")
    try:
        return check_uuid("a uuid", text)
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from None


def _read(lines: Iterable[str], done: str) -> Iterable[str]:
    for number, line in enumerate(lines, 1):
        if text := line.strip():
            row = _row(text) if text.startswith("{") else {"uuid": text}
            if row.get("outcome") != done:
                yield _uuid(number, row)


def _row(text: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row


def _uuid(number: int, row: dict[str, Any]) -> str:
    try:
        return check_uuid(f"line {number}", row.get("uuid"))  # type: ignore[arg-type]  # or it raises
    except TypeError:
        raise CommandError(Exit.USAGE, f"line {number} has no uuid; {WANTED}") from None
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"{error}; {WANTED}") from None
