"""What a command's exit code means, and the one line that an error is told in."""

import re
from datetime import datetime
from enum import IntEnum
from typing import Final

from netless_rooms._validation import ROOMS_PATH
from netless_rooms.errors import (
    CheckpointError,
    CreateOutcomeUnknownError,
    ForbiddenError,
    NotFoundError,
    PaginationError,
    RoomsError,
    TimedOutError,
    TokenError,
    TooManyFailuresError,
    TransportError,
    UnauthorizedError,
)


class Exit(IntEnum):
    """The exit codes; they are part of the command line's interface."""

    DONE = 0
    """All was done."""
    BUG = 1
    """What nobody foresaw, with a traceback."""
    USAGE = 2
    """The arguments cannot be right; nothing was asked."""
    SETTINGS = 3
    """A setting or an extra is missing, or settings contradict each other; nothing was asked."""
    TOKEN = 4
    """The token is not accepted, or may not do this."""
    NOT_FOUND = 5
    """There is no such room."""
    SERVICE = 6
    """The service answered with another failure, or not as documented."""
    NETWORK = 7
    """No usable answer came."""
    PARTLY = 8
    """Of many rooms, some failed or were not attempted."""
    IN_DOUBT = 9
    """A room may have been created or not: look before you create again."""
    FILE = 10
    """A file cannot be read or written, or does not belong to this scan."""
    INTERRUPTED = 130
    """Ctrl-C."""
    BROKEN_PIPE = 141
    """Whoever read the output has gone."""


class CommandError(Exception):
    """A command cannot go on: what to tell the user, and the exit code."""

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code


KINDS: Final[tuple[tuple[type[RoomsError], Exit], ...]] = (
    (UnauthorizedError, Exit.TOKEN),
    (ForbiddenError, Exit.TOKEN),
    (TokenError, Exit.TOKEN),
    (NotFoundError, Exit.NOT_FOUND),
    (TransportError, Exit.NETWORK),
    (TooManyFailuresError, Exit.PARTLY),
    (CreateOutcomeUnknownError, Exit.IN_DOUBT),
    (CheckpointError, Exit.FILE),
    (RoomsError, Exit.SERVICE),
)

# What the library advises in its own words, in those of the command line.
ADVICE: Final[dict[type[RoomsError], str]] = {
    TimedOutError: "try again later, or nearer to the service",
    TransportError: "is --base-url right, and the network up?",
    PaginationError: "the rooms so far are sound; the service's list is not what it documents",
    CheckpointError: "use a token of the account that was scanned, or begin anew with another checkpoint file",
    TooManyFailuresError: "mend what the failures are about, then give the rest again",
}
NO_ROOM: Final = re.compile(rf"{ROOMS_PATH}(\?limit=\d+)?")
UNCHECKED: Final = " (check_token=False skips this check)"
OVER_HTTP: Final = "; allow_http=True permits it"


def code_of(error: RoomsError) -> Exit:
    """Return the exit code for an error of the library."""
    if _is_without_service(error):
        return Exit.SERVICE
    return next(code for kind, code in KINDS if isinstance(error, kind))


def told(error: RoomsError) -> str:
    """Return the text of an error of the library, with advice that a command line can follow."""
    text = str(error).replace(UNCHECKED, "")
    if error.hint:
        text = text.replace(f"({error.hint})", f"({_advice(error)})")
    return text


def may_exist(started_at: datetime) -> str:
    """Return what to do when nobody can tell whether a room was created."""
    moment = f"{started_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"the room may exist: see with netless-rooms scan --created-after {moment} before you create again"


def _is_without_service(error: RoomsError) -> bool:
    """Whether an address that asks for no room in particular is not there, so that no uuid can be wrong."""
    return isinstance(error, NotFoundError) and NO_ROOM.fullmatch(error.path or "") is not None


def _advice(error: RoomsError) -> str:
    if isinstance(error, CreateOutcomeUnknownError):
        return may_exist(error.started_at)
    if _is_without_service(error):
        return "is --base-url right?"
    return ADVICE.get(type(error), error.hint)
