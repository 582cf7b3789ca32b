"""What can go wrong with one request, as values, and the queue that they wait in.  Pure.

A fault acts in two places.  ``transform`` changes the response of the service; ``deliver`` says what of it is
sent, and how.  A kind of fault changes only what it is about.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import format_datetime
from http import HTTPStatus
from inspect import signature
from itertools import pairwise
from math import isfinite
from types import NoneType
from typing import Any, Final, get_args

from attrs import Attribute, evolve, field, frozen

from netless_rooms.emulator.exchange import (
    CallName,
    RawResponse,
    RefusedError,
    Response,
    encode_json,
    replace_members,
)

RetryAfter = float | datetime | str

_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>gateway</body></html>"


def _is(kinds: type | tuple[type, ...], expected: str, accepts: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return a validator of values of these types, where a ``bool`` is no number, that ``accepts`` takes."""

    def check(_: object, attribute: "Attribute[Any]", value: object) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise TypeError(f"{attribute.name} must be {expected}, not {type(value).__name__}")
        if not accepts(value):
            raise ValueError(f"{attribute.name} must be {expected}, not {value!r}")

    return check


def _can_be_header(value: RetryAfter | None) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isprintable() and value == value.strip()
    if isinstance(value, datetime):
        return value.utcoffset() is not None
    return value is None or _is_duration(value)


def _is_duration(seconds: float) -> bool:
    return isfinite(seconds) and seconds >= 0


_CALLS: Final = get_args(CallName)
_ON: Final = _is((str, NoneType), f"one of {', '.join(map(repr, _CALLS))} or None", (None, *_CALLS).__contains__)
_BOOL: Final = _is(bool, "a bool")
_ERROR_STATUS: Final = _is(int, "an int from 400 to 599", range(400, 600).__contains__)
_PAGE_STATUS: Final = _is(int, "200 or an int from 400 to 599", (200, *range(400, 600)).__contains__)
_SECONDS: Final = _is((int, float), "a number of seconds, finite and not negative", _is_duration)
_HEADER: Final = "seconds from 0, an aware datetime or printable ASCII"
_RETRY_AFTER: Final = _is((int, float, str, datetime, NoneType), _HEADER, _can_be_header)


def _check_members(members: Mapping[str, object]) -> Mapping[str, object]:
    if not members:
        raise ValueError("BadRoom needs a member to change, such as isBan='perhaps'")
    encode_json(replace_members({}, members))
    return members


@frozen(kw_only=True)
class Fault:
    """A failure injected into one request; each kind says what the client sees.

    ``on`` is the call to which the fault applies: ``"create"``, ``"get"``, ``"list"``, ``"set-ban"`` (disable and
    enable), ``"sdk-token"`` or ``"room-token"``; ``None`` applies to the next request.  ``work_done`` is whether
    the request takes effect anyway.  Every kind raises ``ValueError`` or ``TypeError`` for a wrong argument.
    """

    on: CallName | None = field(default=None, validator=_ON)
    work_done: bool = field(default=True, init=False, repr=False)

    def transform(self, response: Response | None, /) -> Response | None:
        """Return what the service responds, given its true response, ``None`` if it did nothing."""
        return response

    def deliver(self, raw: RawResponse, /) -> RawResponse:
        """Return what of the service's response is sent, and how."""
        return raw


@frozen
class NoFault(Fault):
    """Leaves one request without a fault.  For any call, ``None`` is shorter."""


@frozen
class Failure(Fault):
    """The service returns an error status and a message.  Nothing takes effect unless ``work_done``.

    ``status`` is 400 to 599.  ``message`` is by default the phrase of the status.  ``retry_after`` adds that
    header: seconds from 0, an aware ``datetime`` for an HTTP date, or printable ASCII text as it is.
    """

    status: int = field(validator=_ERROR_STATUS)
    message: str | None = field(default=None, validator=_is((str, NoneType), "a str or None"))
    retry_after: RetryAfter | None = field(default=None, validator=_RETRY_AFTER)
    work_done: bool = field(default=False, kw_only=True, validator=_BOOL)

    def transform(self, _: Response | None, /) -> Response:
        message = _phrase(self.status) if self.message is None else self.message
        return RefusedError(self.status, message).response

    def deliver(self, raw: RawResponse, /) -> RawResponse:
        match self.retry_after:
            case None:
                return raw
            case datetime() as moment:
                text = format_datetime(moment.astimezone(UTC), usegmt=True)
            case str() as text:
                pass
            case seconds:
                text = f"{seconds:.3f}".rstrip("0").rstrip(".")
        return evolve(raw, headers=(*raw.headers, ("Retry-After", text)))


@frozen
class GatewayPage(Fault):
    """A gateway returns an HTML page.  Nothing takes effect unless ``work_done``.

    ``status`` is 400 to 599, or 200 for a page that looks like success, such as a login portal.
    """

    status: int = field(default=502, validator=_PAGE_STATUS)
    work_done: bool = field(default=False, kw_only=True, validator=_BOOL)

    def deliver(self, _: RawResponse, /) -> RawResponse:
        page = _PAGE.format(f"{self.status} {_phrase(self.status)}")
        return RawResponse(status=self.status, headers=(("Content-Type", "text/html"),), pieces=(page.encode(),))


@frozen
class Closed(Fault):
    """The connection is closed without a response.  Nothing takes effect unless ``work_done``."""

    work_done: bool = field(default=False, kw_only=True, validator=_BOOL)

    def transform(self, _: Response | None, /) -> None:
        """Return nothing, whatever was done."""


@frozen
class Cut(Fault):
    """The request takes effect, and the connection is closed in the middle of the body.

    Status and headers are those of the whole response.  The first ``after`` bytes of the body are sent, 0 or more,
    but never all of them.
    """

    after: int = field(default=1, validator=_is(int, "an int from 0", lambda count: count >= 0))

    def deliver(self, raw: RawResponse, /) -> RawResponse:
        sent = raw.body[:-1][: self.after]
        return evolve(raw, pieces=(sent,), missing=len(raw.body) - len(sent), end="close")


@frozen
class Slow(Fault):
    """The request takes effect; the body is sent in ``pieces``, 1 or more, each after a ``pause`` in seconds."""

    pause: float = field(validator=_SECONDS)
    pieces: int = field(default=4, validator=_is(int, "an int from 1", lambda count: count >= 1))

    def deliver(self, raw: RawResponse, /) -> RawResponse:
        count = max(1, min(self.pieces, len(raw.body)))
        marks = [len(raw.body) * place // count for place in range(count + 1)]
        return evolve(raw, pieces=tuple(raw.body[one:other] for one, other in pairwise(marks)), pause=self.pause)


@frozen
class Hang(Fault):
    """No response until the client disconnects or the server stops.  Nothing takes effect unless ``work_done``."""

    work_done: bool = field(default=False, kw_only=True, validator=_BOOL)

    def deliver(self, _: RawResponse, /) -> RawResponse:
        return RawResponse(end="hang")


@frozen(init=False)
class BadRoom(Fault):
    """The request takes effect, and one room in the response is wrong; the stored room is unchanged.

    ``index`` is the position in a page, from 0, or from the end if negative; a single room has index 0.
    ``members`` are wire names with the values to send instead, valid or not; ``...`` leaves one out:
    ``BadRoom(2, isBan="perhaps", limit=...)``.  A response without such a room is sent unchanged.
    """

    index: int = field(default=0, validator=_is(int, "an int"))
    members: Mapping[str, object] = field(factory=dict, converter=_check_members, hash=False)

    def __init__(self, index: int = 0, *, on: CallName | None = None, **members: object) -> None:
        self.__attrs_init__(index, members, on=on)

    def transform(self, response: Response | None, /) -> Response | None:
        if response is None or response.status >= 400:
            return response
        document = json.loads(response.body)
        rooms = document if isinstance(document, list) else [document]
        if not -len(rooms) <= self.index < len(rooms) or not isinstance(rooms[self.index], dict):
            return response
        rooms[self.index] = replace_members(rooms[self.index], self.members)
        return evolve(response, body=encode_json(rooms if rooms is document else rooms[0]))


_KINDS: Final[dict[str, Callable[..., Fault]]] = {
    kind.__name__: kind for kind in (NoFault, Failure, GatewayPage, Closed, Cut, Slow, Hang, BadRoom)
}


def parse_fault(text: str) -> Fault:
    """Return the fault that a text such as ``Failure=503,retry_after=2,on=list`` names.

    A value is JSON, ``...``, or else plain text.  Raises ``ValueError`` for what is not a fault.
    """
    (name, *first), *others = (part.split("=", 1) for part in re.split(r",(?=\w+=)", text))
    if name not in _KINDS:
        meant = "".join(f"; did you mean {near}?" for near in get_close_matches(name.capitalize(), _KINDS, 1))
        raise ValueError(f"a fault is one of {', '.join(_KINDS)}, such as Failure=503,on=list{meant}")
    try:
        return _KINDS[name](*map(_parse_value, first), **{key: _parse_value(value) for key, value in others})
    except (TypeError, ValueError) as error:
        each = signature(_KINDS[name]).parameters.values()
        takes = ", ".join(str(one.replace(annotation=one.empty)) for one in each)
        raise ValueError(f"{str(error).replace('.__init__()', ':')}; {name} takes {takes}") from None


def _parse_value(text: str) -> Any:
    try:
        return ... if text == "..." else json.loads(text)
    except ValueError:
        return text


def read_faults(faults: Iterable[Fault | None]) -> list[Fault | None]:
    """Return a queue of its own; ``TypeError`` if something in it is not a fault."""
    if not isinstance(faults, Iterable):
        raise TypeError(f"faults must be several, as in faults=[Closed()], not {type(faults).__name__}")
    queue = list(faults)
    if wrong := [fault for fault in queue if not isinstance(fault, Fault | None)]:
        raise TypeError(f"faults must be faults or None, such as Closed(), not {wrong[0]!r}")
    return queue


def take_fault(queue: list[Fault | None], call: CallName | None) -> Fault:
    """Remove from ``queue`` the first fault that is for ``call``, ``None`` for no call, and return it."""
    for place, fault in enumerate(queue):
        if fault is None or fault.on is None or fault.on == call:
            del queue[place]
            return fault or NoFault()
    return NoFault()


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"
