"""Errors keep everything they know wherever Python takes them."""

import copy
import pickle
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

import netless_rooms
from netless_rooms import Attempt, errors
from netless_rooms.errors import (
    CheckpointError,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TokenError,
    TooManyFailuresError,
    TransportError,
    UnauthorizedError,
)

EARLIER: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKED: Final[dict[str, Any]] = {"method": "GET", "path": "/v5/rooms/a"}


def tree(kind: type[RoomsError] = RoomsError) -> list[type[RoomsError]]:
    below = [sub for sub in kind.__subclasses__() if sub.__module__ == "netless_rooms"]
    return [kind, *(found for sub in below for found in tree(sub))]


def make(kind: type[RoomsError]) -> RoomsError:
    """Return an error of the kind with every attribute set to something of its own."""
    error: RoomsError
    if issubclass(kind, StatusError):
        error = kind("no", 418, excerpt="<html>", remark="the kettle is off", retry_after=2.5, **ASKED)
    elif issubclass(kind, TransportError):
        error = kind("it broke", was_sent=False, is_transient=False, **ASKED)
    elif issubclass(kind, DecodeError):
        error = kind("missing", "$[3].limit", **ASKED)
    elif issubclass(kind, CreateOutcomeUnknownError):
        error = kind("it broke", started_at=EARLIER, ended_at=EARLIER + timedelta(seconds=5), **ASKED)
    elif issubclass(kind, TooManyFailuresError):
        error = kind(3, attempted=9, total=20, **ASKED)
    else:
        error = kind("it broke", **ASKED)
    error.checkpoint = "a9"
    error.stop_reason = "the kettle is off"
    error.attempts = (
        Attempt(status=503, failure=None, seconds=0.5, waited=0.0),
        Attempt(status=None, failure="TimedOutError", seconds=5.0, waited=1.5),
    )
    error.add_note("seen in the evening")
    return error


@pytest.mark.parametrize("kind", tree())
def test_an_error_can_be_rebuilt_from_its_args(kind: type[RoomsError]) -> None:
    # As Celery's JSON backend does; it keeps no other attribute.
    error = make(kind)
    error.attempts, error.stop_reason = (), None
    rebuilt = kind(*error.args)
    assert (str(rebuilt), repr(rebuilt), rebuilt.args) == (str(error), repr(error), error.args)
    rebuilt.checkpoint = "a9"
    assert vars(rebuilt) == {name: value for name, value in vars(error).items() if name != "__notes__"}


def test_a_status_error_made_of_a_text_alone_has_the_status_of_its_class() -> None:
    assert str(NotFoundError("gone")) == f"the service answered 404: gone ({NotFoundError.hint})"
    kinds: list[type[StatusError]] = [StatusError, *StatusError.__subclasses__()]
    assert [kind("x").status for kind in kinds] == [0, 400, 401, 403, 404, 429, 500]


@pytest.mark.parametrize("kind", tree())
def test_an_error_survives_copy_pickle_and_exception_groups(kind: type[RoomsError]) -> None:
    error = make(kind)
    group = ExceptionGroup("several", [error, ValueError("other")])
    mine, _ = group.split(kind)
    assert mine is not None
    copies = [copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(mine)).exceptions[0]]  # noqa: S301
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(error, protocol)))  # noqa: S301  our own
    for other in copies:
        assert other is not error
        assert (type(other), str(other), repr(other)) == (kind, str(error), repr(error))
        assert (other.args, vars(other)) == (error.args, vars(error))
        assert other.__notes__ == ["seen in the evening"]
        other.checkpoint = "b"
    assert error.checkpoint == "a9"


def test_the_tree_in_the_docstring_is_the_tree_of_exported_classes() -> None:
    drawn: list[tuple[str, str]] = []
    above: list[str] = []
    for branch, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+Error)(?= |$)", errors.__doc__ or "", re.MULTILINE):
        above[len(branch) // 4 :] = [name]
        drawn.append((name, above[-2] if len(above) > 1 else "Exception"))
    assert drawn == [(kind.__name__, kind.__bases__[0].__name__) for kind in tree()]
    assert {kind.__name__ for kind in tree()} == {name for name in vars(netless_rooms) if name.endswith("Error")}


# The text

ADVICE: Final[dict[type[RoomsError], str]] = {
    TransportError: "check base_url and the network",
    TimedOutError: "more time",
    ClientUnusableError: "open the client in the event loop that uses it",
    UnauthorizedError: "check that the token is complete",
    ForbiddenError: "disable and enable need an admin token",
    NotFoundError: "check the uuid",
    RateLimitedError: "send fewer requests",
    ServerError: "retry later",
    PaginationError: "the rooms so far are valid",
    CheckpointError: "without the checkpoint",
    CreateOutcomeUnknownError: "find_created_between()",
    TooManyFailuresError: "(fix the cause, then retry outcomes.not_attempted)",
}


@pytest.mark.parametrize("kind", tree())
def test_the_text_says_who_asked_what_what_to_do_next_and_what_was_tried(kind: type[RoomsError]) -> None:
    text = str(make(kind))
    assert text.startswith("GET /v5/rooms/a: ")
    assert ADVICE.get(kind, "") in text
    assert bool(kind.hint) is (kind in ADVICE)
    assert not hasattr(make(kind), "message")  # Sentry would take it for the title, in place of the text
    hint = f" ({kind.hint})" if kind.hint else ""
    tried = "after 2 attempts: 503, TimedOutError; no further attempt, because the kettle is off"
    assert text.endswith(f"{hint} ({tried})")


def test_a_single_attempt_is_not_counted_in_the_text() -> None:
    error = TransportError("it broke")
    text = str(error)
    error.attempts = (Attempt(status=None, failure="TransportError", seconds=0.5, waited=0.0),)
    assert str(error) == text


def test_an_error_without_a_request_names_none() -> None:
    error = TokenError("malformed token")
    assert str(error) == "malformed token"
    assert (error.method, error.path, error.checkpoint, error.stop_reason) == (None, None, None, None)
    assert error.attempts == ()
    assert str(TokenError("malformed token", method="GET")) == "malformed token"


NO_TEA: Final = "the service answered 418: no tea"
NO_REASON: Final = "the service answered 418 without a reason"
UNAUTHORIZED: Final = f"{NO_REASON}; its body begins '<html>'; cold ({UnauthorizedError.hint})"
LEFT: Final = f"3 of 9 calls failed, and 11 of 20 were not attempted ({TooManyFailuresError.hint})"
UNKNOWN: Final = f"3 of 9 calls failed, and no more were pulled from the iterable ({TooManyFailuresError.hint})"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StatusError("no tea", 418, excerpt="<html>", **ASKED), f"GET /v5/rooms/a: {NO_TEA}"),
        (StatusError(None, 418), NO_REASON),
        (StatusError(None, 418, excerpt="<html>"), f"{NO_REASON}; its body begins '<html>'"),
        (StatusError(None, 418, retry_after=0), f"{NO_REASON}; it asks to wait 0 s"),
        (StatusError("no tea", 418, remark="cold", retry_after=2.5), f"{NO_TEA}; it asks to wait 2.5 s; cold"),
        (UnauthorizedError(None, 418, excerpt="<html>", remark="cold"), UNAUTHORIZED),
        (DecodeError("missing", "$[3].limit"), "unreadable response: missing at $[3].limit"),
        (DecodeError("empty"), "unreadable response: empty at $"),
        (TooManyFailuresError(3, attempted=9, total=20), LEFT),
        (TooManyFailuresError(3, attempted=9, total=None), UNKNOWN),
    ],
)
def test_each_error_has_its_text(error: RoomsError, text: str) -> None:
    assert str(error) == text


def test_each_error_keeps_what_it_was_made_with() -> None:
    assert vars(make(StatusError)).items() >= {"status": 418, "reason": "no", "retry_after": 2.5}.items()
    assert vars(make(DecodeError)).items() >= {"reason": "missing", "location": "$[3].limit"}.items()
    assert vars(make(TimedOutError)).items() >= {"was_sent": False, "is_transient": False}.items()
    assert vars(make(TooManyFailuresError)).items() >= {"failed": 3, "attempted": 9, "total": 20}.items()
    doubt = vars(make(CreateOutcomeUnknownError))
    assert (doubt["started_at"], doubt["ended_at"]) == (EARLIER, EARLIER + timedelta(seconds=5))


def test_a_transport_error_may_have_been_sent_and_may_pass_unless_it_is_known_better() -> None:
    error = TransportError("it broke")
    assert (error.was_sent, error.is_transient) == (True, True)
    assert StatusError(None, 503).retry_after is None
    assert issubclass(ClientUnusableError, RuntimeError)  # as HTTP libraries raise in this case
