"""Exit codes and one-line error messages."""

import re
from datetime import datetime
from enum import IntEnum
from typing import Final

from netless_rooms import errors
from netless_rooms._auth.environment import from_environment
from netless_rooms._auth.redaction import redact
from netless_rooms._validation import ROOMS_PATH


class ExitCode(IntEnum):
    """The exit codes; they are part of the command line's interface."""

    DONE = 0  # success
    BUG = 1  # internal error, with a traceback
    USAGE = 2  # the arguments are invalid; nothing was sent
    SETTINGS = 3  # a setting or an extra is missing or invalid; nothing was sent
    TOKEN = 4  # the token was rejected, or lacks a permission
    NOT_FOUND = 5  # the room does not exist
    SERVICE = 6  # the service returned another failure, or an undocumented response
    NETWORK = 7  # no usable response arrived
    PARTLY = 8  # of several rooms, some failed or were not attempted
    IN_DOUBT = 9  # a room may have been created: check whether it exists first
    FILE = 10  # a file or the output cannot be read or written, or does not belong to this scan
    INTERRUPTED = 130  # Ctrl-C
    BROKEN_PIPE = 141  # the reader closed stdout


class CommandError(Exception):
    """A command cannot continue: the message for the user, and the exit code."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code


EXIT_CODES: Final = {
    errors.UnauthorizedError: ExitCode.TOKEN,
    errors.ForbiddenError: ExitCode.TOKEN,
    errors.TokenError: ExitCode.TOKEN,
    errors.NotFoundError: ExitCode.NOT_FOUND,
    errors.ClientUnusableError: ExitCode.SETTINGS,  # here only if the environment does not let a client be made
    errors.TransportError: ExitCode.NETWORK,
    errors.TooManyFailuresError: ExitCode.PARTLY,
    errors.CreateOutcomeUnknownError: ExitCode.IN_DOUBT,
    errors.CheckpointError: ExitCode.FILE,
    errors.InvalidArgumentError: ExitCode.USAGE,
    errors.RoomsError: ExitCode.SERVICE,
}
HINTS: Final[dict[type[errors.RoomsError], str]] = {  # the library's, in terms of the command line
    errors.TimedOutError: "try again later, or from a machine nearer to the service",
    errors.TransportError: "check --base-url and the network",
    errors.PaginationError: "the rooms so far are correct; the service's list does not behave as documented",
    errors.CheckpointError: "use a token of the account that was scanned, or start again with another file",
    errors.TooManyFailuresError: "fix the cause, then retry the rest",
}
ANSWERED: Final = re.compile("^the service answered ([0-9]+):? ")


def exit_code(error: errors.RoomsError) -> ExitCode:
    if _is_without_service(error):
        return ExitCode.SERVICE
    return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))


def message(error: errors.RoomsError) -> str:
    """Return the message of an error of the library, the reason first, with a hint that fits the command line."""
    text = str(error).replace(" (check_token=False skips this check)", "")
    if isinstance(error, errors.CreateOutcomeUnknownError):
        text = text.replace(error.hint, may_exist(error.started_at))
    elif error.hint:
        hint = "check --base-url" if _is_without_service(error) else HINTS.get(type(error), error.hint)
        text = text.replace(f"({error.hint})", f"({hint})")
    request = f"{error.method} {error.path}"
    end = f" [{request}]" if text.startswith(f"{request}: ") else ""
    return redact_message(ANSWERED.sub(r"\1 ", text.removeprefix(f"{request}: "), count=1) + end)


def reason(error: errors.RoomsError) -> str:
    """Return only what failed, such as ``404 room not found``."""
    return redact_message(ANSWERED.sub(r"\1 ", error.summary, count=1))


def redact_message(text: str) -> str:
    """Return ``text`` without tokens, the secrets of the environment, and credentials in a URL."""
    for name in ("token", "secret_key"):
        text = redact(text, from_environment(name) or "")
    return re.sub(r"(?<=://)[^\s/?#]*@", "…@", text)


def may_exist(started_at: datetime) -> str:
    """Return what to do when it is unknown whether a room was created."""
    start = f"{started_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"the room may exist: check with netless-rooms scan --created-after {start} before you create again"


def _is_without_service(error: errors.RoomsError) -> bool:
    """Whether a 404 is about an address without a room, so that no uuid can be wrong."""
    is_list = re.fullmatch(rf"{ROOMS_PATH}(\?limit=\d+)?", error.path or "") is not None
    return isinstance(error, errors.NotFoundError) and is_list
