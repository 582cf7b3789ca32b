"""Errors keep everything they know wherever Python takes them."""

import copy
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import netless_rooms
from netless_rooms import Attempt, errors
from netless_rooms.errors import (
    CheckpointError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    RoomsError,
    StatusError,
    TimedOutError,
    TokenError,
    TooManyFailuresError,
    TransportError,
    UnauthorizedError,
)

EARLIER = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ASKED: dict[str, Any] = {"method": "GET", "path": "/v5/rooms/a"}


def tree(kind: type[RoomsError] = RoomsError) -> list[type[RoomsError]]:
    below = [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    return [kind, *(found for sub in below for found in tree(sub))]


def make(kind: type[RoomsError]) -> RoomsError:
    """Return an error of the kind with every attribute set to something of its own."""
    error: RoomsError
    if issubclass(kind, StatusError):
        error = kind(418, "no", excerpt="<html>", remark="the kettle is off", retry_after=2.5, **ASKED)
    elif issubclass(kind, TransportError):
        error = kind("it broke", was_sent=False, **ASKED)
    elif issubclass(kind, DecodeError):
        error = kind("missing", "$[3].limit", **ASKED)
    elif issubclass(kind, CreateOutcomeUnknownError):
        error = kind("it broke", started_at=EARLIER, ended_at=EARLIER + timedelta(seconds=5), **ASKED)
    elif issubclass(kind, TooManyFailuresError):
        error = kind(3, attempted=9, total=20, **ASKED)
    else:
        error = kind("it broke", **ASKED)
    error.checkpoint = "a9"
    error.attempts = (
        Attempt(status=503, failure=None, seconds=0.5, waited=0.0),
        Attempt(status=None, failure="TimedOutError", seconds=5.0, waited=1.5),
    )
    error.add_note("seen in the evening")
    return error


every_kind = pytest.mark.parametrize("kind", tree())


def pickled(error: BaseException) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301  our own


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert (str(one), repr(one), one.args, vars(one)) == (str(other), repr(other), other.args, vars(other))


@every_kind
@pytest.mark.parametrize("twin_of", [pickled, copy.copy, copy.deepcopy])
def test_an_error_survives_with_its_text_and_all_attributes(
    twin_of: Callable[[RoomsError], RoomsError], kind: type[RoomsError]
) -> None:
    error = make(kind)
    twin = twin_of(error)
    assert twin is not error
    assert_same(twin, error)
    assert twin.checkpoint == "a9"
    assert twin.__notes__ == ["seen in the evening"]


@every_kind
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_every_pickle_protocol(kind: type[RoomsError], protocol: int) -> None:
    error = make(kind)
    assert_same(pickle.loads(pickle.dumps(error, protocol)), error)  # noqa: S301  our own


@every_kind
def test_a_copy_goes_its_own_way(kind: type[RoomsError]) -> None:
    error = make(kind)
    copy.copy(error).checkpoint = "b"
    assert error.checkpoint == "a9"


@every_kind
def test_an_exception_group_can_be_split_by_kind_and_pickled(kind: type[RoomsError]) -> None:
    error = make(kind)
    group = ExceptionGroup("several", [error, ValueError("other")])
    mine, others = group.split(kind)
    assert mine is not None
    assert others is not None
    assert mine.exceptions == (error,)
    again = pickled(mine.derive(mine.exceptions))
    assert_same(again.exceptions[0], error)


@every_kind
def test_except_star_catches_by_kind(kind: type[RoomsError]) -> None:
    caught: list[BaseException] = []
    try:
        raise ExceptionGroup("several", [make(kind)])
    except* kind as group:
        caught += group.exceptions
    assert_same(caught[0], make(kind))


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn: list[tuple[str, str]] = []
    above: list[str] = []
    for branch, name in re.findall(r"^([│├└─ ]*)([A-Z]\w+Error)(?= |$)", errors.__doc__ or "", re.MULTILINE):
        above[len(branch) // 4 :] = [name]
        drawn.append((name, above[-2] if len(above) > 1 else "Exception"))
    assert drawn == [(kind.__name__, kind.__bases__[0].__name__) for kind in tree()]


def test_every_class_of_the_module_is_in_the_tree_and_exported() -> None:
    classes = [
        found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, Exception)
    ]
    assert set(classes) == set(tree())
    assert all(getattr(netless_rooms, kind.__name__) is kind for kind in classes)


@every_kind
def test_the_text_says_who_asked_what(kind: type[RoomsError]) -> None:
    assert str(make(kind)).startswith("GET /v5/rooms/a: ")


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (TimedOutError, "more time"),
        (UnauthorizedError, "token"),
        (ForbiddenError, "admin"),
        (NotFoundError, "uuid"),
        (RateLimitedError, "slow down"),
        (PaginationError, "sound"),
        (CheckpointError, "without the checkpoint"),
        (CreateOutcomeUnknownError, "find_created_between()"),
        (TooManyFailuresError, "outcomes.not_attempted"),
    ],
)
def test_the_text_ends_with_what_to_do_next(kind: type[RoomsError], advice: str) -> None:
    assert advice in kind.hint
    assert str(make(kind)).endswith(f" ({kind.hint}) (after 2 tries: 503, TimedOutError)")


def test_a_single_try_is_not_counted_in_the_text() -> None:
    error = TransportError("it broke")
    text = str(error)
    error.attempts = (Attempt(status=None, failure="TransportError", seconds=0.5, waited=0.0),)
    assert str(error) == text


def test_an_error_about_no_request_names_none() -> None:
    error = TokenError("malformed token")
    assert str(error) == "malformed token"
    assert (error.method, error.path, error.checkpoint) == (None, None, None)


def test_a_transport_error_may_have_been_sent_unless_it_is_known_better() -> None:
    assert TransportError("it broke").was_sent is True
    assert TimedOutError("too slow", was_sent=False).was_sent is False


def test_a_status_error_shows_the_reason_and_not_the_body() -> None:
    error = StatusError(418, "no tea", excerpt="<html>", **ASKED)
    assert str(error) == "GET /v5/rooms/a: the service answered 418: no tea"
    assert (error.status, error.message) == (418, "no tea")


def test_a_status_error_without_a_reason_shows_how_the_body_begins() -> None:
    assert str(StatusError(418, None, excerpt="<html>")) == (
        "the service answered 418 without a reason; its body begins '<html>'"
    )
    assert str(StatusError(418, None)) == "the service answered 418 without a reason"


def test_a_decode_error_names_the_fault_and_its_place() -> None:
    error = DecodeError("missing", "$[3].limit")
    assert str(error) == "unreadable answer: missing at $[3].limit"
    assert (error.what, error.where) == ("missing", "$[3].limit")
    assert DecodeError("empty").where == "$"


@pytest.mark.parametrize("kind", tree(StatusError))
def test_every_answer_that_says_no_may_say_how_long_to_wait(kind: type[StatusError]) -> None:
    assert kind(503, None, retry_after=2.5).retry_after == 2.5
    assert kind(503, None).retry_after is None


def test_a_remark_stands_behind_what_the_service_said_and_before_the_hint() -> None:
    remark = "the kettle is off"
    assert str(StatusError(418, "no tea", remark=remark)) == "the service answered 418: no tea; the kettle is off"
    assert str(StatusError(418, None, excerpt="<html>", remark=remark)) == (
        "the service answered 418 without a reason; its body begins '<html>'; the kettle is off"
    )
    assert str(UnauthorizedError(401, "no tea", remark=remark)).endswith(f"{remark} ({UnauthorizedError.hint})")


@pytest.mark.parametrize("kind", [PaginationError, CreateOutcomeUnknownError])
def test_what_is_no_answer_of_the_service_is_no_status_error(kind: type[RoomsError]) -> None:
    assert not issubclass(kind, (StatusError, TransportError))


def test_a_create_in_doubt_tells_when_it_was_asked() -> None:
    error = CreateOutcomeUnknownError("it broke", started_at=EARLIER, ended_at=EARLIER)
    assert (error.started_at, error.ended_at) == (EARLIER, EARLIER)


def test_too_many_failures_tell_how_many_are_left_if_that_is_known() -> None:
    error = TooManyFailuresError(3, attempted=9, total=20)
    assert str(error) == f"3 of 9 calls failed, and 11 of 20 were not attempted ({error.hint})"
    assert (error.failed, error.attempted, error.total) == (3, 9, 20)
    unknown = TooManyFailuresError(3, attempted=9, total=None)
    assert str(unknown) == f"3 of 9 calls failed, and no more were pulled out of the iterable ({error.hint})"
