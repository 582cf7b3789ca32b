"""Errors keep everything they know wherever Python takes them."""

import copy
import pickle
import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest

import netless_rooms
from netless_rooms import Attempt, RoomsError, StatusError, TooManyFailuresError, TransportError, errors

EARLIER, LATER = (datetime(2026, 1, 2, 3, 4, second, tzinfo=UTC) for second in (5, 10))
ASKED: Final[dict[str, Any]] = {"method": "GET", "path": "/v5/rooms/a"}
OFF: Final = "the kettle is off"
FAILURE: Final[dict[str, Any]] = {"status": None, "failure": "TimedOutError", "seconds": 5.0}
OWN: Final[list[tuple[type[RoomsError], dict[str, Any]]]] = [
    (StatusError, {"reason": "no", "status": 418, "retry_after": 2.5, "excerpt": "<html>", "remark": OFF}),
    (TransportError, {"summary": "it broke", "was_sent": False, "is_transient": False}),
    (errors.DecodeError, {"reason": "missing", "location": "$[3].limit"}),
    (errors.CreateOutcomeUnknownError, {"summary": "it broke", "started_at": EARLIER, "ended_at": LATER}),
    (TooManyFailuresError, {"failed": 3, "attempted": 9, "total": 20}),
    (RoomsError, {"summary": "it broke"}),
]


def tree(kind: type[RoomsError] = RoomsError) -> list[type[RoomsError]]:
    below = [sub for sub in kind.__subclasses__() if sub.__module__ == "netless_rooms"]
    return [kind, *(found for sub in below for found in tree(sub))]


every_kind = pytest.mark.parametrize("kind", tree())


def make(kind: type[RoomsError]) -> RoomsError:
    own = next(own for base, own in OWN if issubclass(kind, base))
    error = kind(**own, **ASKED)
    assert vars(error).items() >= {name: own[name] for name in own if name not in {"excerpt", "remark"}}.items()
    error.checkpoint, error.stop_reason = "a9", OFF
    error.attempts = (Attempt(status=503, failure=None, seconds=0.5, waited=0.0), Attempt(**FAILURE, waited=1.5))
    error.add_note("seen in the evening")
    return error


@every_kind
def test_an_error_survives_its_args_copy_pickle_and_exception_groups(kind: type[RoomsError]) -> None:
    error = make(kind)
    mine, _ = ExceptionGroup("several", [error, ValueError("other")]).split(kind)
    assert mine is not None
    copies = [copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(mine)).exceptions[0]]  # noqa: S301
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(error, protocol)))  # noqa: S301  our own
    rebuilt = kind(*error.args)  # as Celery's JSON backend does; it keeps no other attribute
    rebuilt.attempts, rebuilt.stop_reason, rebuilt.checkpoint = error.attempts, error.stop_reason, error.checkpoint
    rebuilt.add_note(error.__notes__[0])
    for other in [*copies, rebuilt]:
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


@every_kind
def test_the_text_says_who_asked_what_what_to_do_next_and_what_was_tried(kind: type[RoomsError]) -> None:
    text = str(make(kind))
    assert text.startswith("GET /v5/rooms/a: ")
    assert not hasattr(make(kind), "message")  # Sentry would take it for the title, in place of the text
    hint = f" ({kind.hint})" if kind.hint else ""
    assert text.endswith(f"{hint} (after 2 attempts: 503, TimedOutError; no further attempt, because {OFF})")


def test_each_error_has_its_text_also_without_its_optional_parts() -> None:
    error = TransportError("it broke")
    text = str(error)
    error.attempts = (Attempt(**FAILURE, waited=0.0),)
    assert str(error) == text  # a single attempt is not counted
    assert (error.was_sent, error.is_transient) == (True, True)
    assert issubclass(errors.ClientUnusableError, RuntimeError)  # as HTTP libraries raise in this case
    assert issubclass(errors.InvalidArgumentError, ValueError)
    assert issubclass(errors.InvalidArgumentTypeError, TypeError)
    bare = errors.TokenError("malformed token")
    assert str(bare) == str(errors.TokenError("malformed token", method="GET")) == "malformed token"
    assert {bare.method, bare.path, bare.checkpoint, bare.stop_reason} == {None}
    assert bare.attempts == ()
    kinds: list[type[StatusError]] = [StatusError, *StatusError.__subclasses__()]
    assert [kind("x").status for kind in kinds] == [0, 400, 401, 403, 404, 429, 500]
    assert StatusError(None, 503).retry_after is None
    texts: dict[RoomsError, str] = {
        StatusError("no tea", 418, excerpt="<html>", **ASKED): f"GET /v5/rooms/a: {NO_TEA}",
        StatusError(None, 418): BLANK,
        StatusError(None, 418, excerpt="<html>"): HTML,
        StatusError(None, 418, retry_after=0): f"{BLANK}; it asks to wait 0 s",
        StatusError("no tea", 418, remark="cold", retry_after=2.5): f"{NO_TEA}; it asks to wait 2.5 s; cold",
        UNAUTHORIZED: f"{HTML}; cold ({UNAUTHORIZED.hint})",
        errors.NotFoundError("gone"): f"the service answered 404: gone ({errors.NotFoundError.hint})",
        errors.DecodeError("missing", "$[3].limit"): "unreadable response: missing at $[3].limit",
        errors.DecodeError("empty"): "unreadable response: empty at $",
        TooManyFailuresError(3, attempted=9, total=20): f"{LEFT} ({TooManyFailuresError.hint})",
        TooManyFailuresError(3, attempted=9, total=None): f"{UNKNOWN} ({TooManyFailuresError.hint})",
    }
    assert [str(error) for error in texts] == list(texts.values())


NO_TEA: Final = "the service answered 418: no tea"
BLANK: Final = "the service answered 418 without a reason"
HTML: Final = f"{BLANK}; its body begins '<html>'"
UNAUTHORIZED: Final = errors.UnauthorizedError(None, 418, excerpt="<html>", remark="cold")
LEFT: Final = "3 of 9 calls failed, and 11 of 20 were not attempted"
UNKNOWN: Final = "3 of 9 calls failed, and no more were pulled from the iterable"
