"""What an answer means: the whole way from (operation, status, headers, body) to a value or an error.  Pure.

Success is 200 or 201 whatever the call, since the service's pages disagree about PATCH.  The page prints answers
as ``{"status": …, "body": …}``; on the wire it is the bare body, but the printed form is understood too.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import isnan, nan
from traceback import format_exception
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from attrs import evolve

from netless_rooms._api.decoding import WIRE_NAMES, WireError, read_json, show, structure
from netless_rooms._api.requests import Answer, ApiRequest
from netless_rooms._api.speedups import read_json_quickly, read_quickly, with_rooms
from netless_rooms._auth.redaction import redact
from netless_rooms.errors import (
    BadRequestError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    StatusError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.models import InvalidRoom, MixedPage, Room, format_duration, same_uuid

MAX_EXCERPT: Final = 300  # characters of the service's own words in an error
AMBIGUOUS_STATUSES: Final = frozenset(
    {408, 499}
)  # somebody did not wait for the end: the client, or a gateway for it
GATEWAY: Final = frozenset({502, 503, 504})  # of what stands before the service, whatever was asked for
MAX_RETRY_AFTER: Final = 1e9  # seconds, some thirty years; a number of any length may be asked for
SKEW_TOLERANCE: Final = 30  # seconds between two clocks that are worth a word

Hide: TypeAlias = Callable[[str], str]
SUCCESS: Final = frozenset({200, 201})

_BY_STATUS: Final[Mapping[int, type[StatusError]]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    429: RateLimitedError,
}


def parse_response(
    operation: ApiRequest[Answer],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    hide: Hide = redact,
    now: float = nan,
) -> Answer:
    """Return what the service answered, or raise what it means that it did not.

    ``headers`` is looked up in lower case.  ``hide`` takes what must not be shown out of a text: should the
    answer echo the token that was sent, the error does not.  ``now`` is this machine's time, in seconds since the
    epoch: where a token is called expired, the error tells whether the two clocks agree.
    """
    if 300 <= status < 400 and "location" in headers:
        where = excerpt(_without_query(headers["location"]), hide)
        raise TransportError(
            f"the service answered {status} and pointed to {where!r}; redirects are refused, because they would "
            "take the token along",
            method=operation.method,
            path=operation.target,
            is_transient=False,
        )
    if not 200 <= status < 300:
        raise _status_error(operation, status, headers, body, hide, now)
    try:
        return _read(operation, status, headers, body, hide, now)
    except WireError as error:
        fault = DecodeError(excerpt(error.what, hide), error.where, method=operation.method, path=operation.target)
    try:
        raise fault  # outside the block above, so that the words of the body do not hang on as its context
    finally:
        del fault  # or it would keep this frame, and this frame it


def _read(
    operation: ApiRequest[Answer],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hide: Hide,
    now: float,
) -> Answer:
    _check_success(status, "$")
    answer = read_quickly(body, operation.answer)
    if answer is None:
        document, told = unwrap(read_json_quickly(body))
        if told is not None:
            if not 200 <= told < 300:
                raise _status_error(operation, told, headers, body, hide, now)
            _check_success(told, "$.status")
        answer = _calm(structure(with_rooms(document), operation.answer), hide)
    _check_expected(operation, answer)
    return answer


def _check_success(status: int, where: str) -> None:
    if status not in SUCCESS:
        raise WireError(f"expected the status 200 or 201, got {status}", where)


def unwrap(document: Any) -> tuple[Any, int | None]:
    """Return the document inside the printed envelope and the status that it tells, if it is one."""
    if isinstance(document, dict) and document.keys() == {"status", "body"}:
        status = document["status"]
        if type(status) is not int or not 100 <= status < 600:
            raise WireError(f"expected an HTTP status, got {show(status)}", "$.status")
        return document["body"], status
    return document, None


def _check_expected(operation: ApiRequest[Answer], answer: Answer) -> None:
    """Refuse an answer about another room, or one that says that nothing changed."""
    for attribute, wanted in operation.expected.items():
        got = getattr(answer, attribute)
        alike = same_uuid(got, wanted) if isinstance(wanted, str) else got is wanted
        if not alike:
            raise WireError(f"expected {show(wanted)}, got {show(got)}", f"$.{WIRE_NAMES[attribute]}")


def _calm(answer: Answer, hide: Hide) -> Answer:
    """Return ``answer``, in which what is said of rooms that cannot be read is cut and tells no token."""

    def calm(member: Room | InvalidRoom) -> Room | InvalidRoom:
        return evolve(member, what=excerpt(member.what, hide)) if isinstance(member, InvalidRoom) else member

    return evolve(answer, rooms=tuple(map(calm, answer))) if isinstance(answer, MixedPage) else answer


def _status_error(
    operation: ApiRequest[Any],
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hide: Hide,
    now: float,
) -> StatusError:
    reason = _message(body)
    message = reason and excerpt(reason, hide)
    words: dict[str, Any] = {
        "message": message,
        "excerpt": "" if message else excerpt(body.decode(errors="replace"), hide),
        "remark": _remark_on_clocks(headers, now) if _is_expiry(status, message) else "",
        "retry_after": _retry_after(headers, now),
        "method": operation.method,
        "path": operation.target,
    }
    if 500 <= status < 600:
        return ServerError(status, **words)
    return _BY_STATUS.get(status, StatusError)(status, **words)


def _message(body: bytes) -> str | None:
    """Return the reason in a failure's body: ``message``, or ``msg`` as older generations of the service say."""
    try:
        document, _ = unwrap(read_json(body))
    except WireError:
        return None
    said = document if isinstance(document, dict) else {}
    found = (said.get(name) for name in ("message", "msg"))
    return next((words for words in found if isinstance(words, str) and words.strip()), None)


def is_token_expired(error: StatusError) -> bool:
    """Whether the service refused the token because it has expired."""
    return _is_expiry(error.status, error.message)


def is_refusal(status: int) -> bool:
    """Whether a status says for certain that nothing took effect; a time-out at a gateway, for one, does not."""
    return 400 <= status < 500 and status not in AMBIGUOUS_STATUSES


def _is_expiry(status: int, message: str | None) -> bool:
    # The documented reason is "expired token"; with which status it comes is not documented.
    words = re.findall("[a-z]+", (message or "").lower())
    return 400 <= status < 500 and {"expired", "token"} <= set(words)


def _remark_on_clocks(headers: Mapping[str, str], now: float) -> str:
    """Return how far this machine's clock is from the service's, if that may be why a token has expired."""
    served = read_date(headers.get("date", ""))
    if served is None:
        return "if the token is fresh, this machine's clock is wrong"
    ahead = now - served.timestamp()
    if not abs(ahead) >= SKEW_TOLERANCE:
        return ""
    side = "ahead of" if ahead > 0 else "behind"
    return f"this machine's clock is {format_duration(abs(ahead))} {side} the service's, set it right"


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds to wait; a date counts from the answer's own ``Date``, else from this machine's time."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]+", text):
        return min(float(text), MAX_RETRY_AFTER)
    until, served = read_date(text), read_date(headers.get("date", ""))
    if until is None or (served is None and isnan(now)):
        return None
    return max(0.0, until.timestamp() - (now if served is None else served.timestamp()))


def read_date(text: str) -> datetime | None:
    """Return the time that a header tells; ``None`` if it tells none, or not in which zone."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # no date, or far out of range
        return None
    return None if date.tzinfo is None else date


def _without_query(location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return "an unreadable address"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def excerpt(text: str, hide: Hide) -> str:
    """Return the beginning of ``text`` in one line, without what ``hide`` takes out."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 10 * MAX_EXCERPT])
    calm = hide(" ".join(shown.split()))
    return calm if len(calm) <= MAX_EXCERPT else f"{calm[:MAX_EXCERPT]}…"


def shows(error: BaseException, hide: Hide) -> bool:
    """Whether a traceback of ``error`` tells what ``hide`` takes out."""
    told = "".join(format_exception(error))
    return hide(told) != told
