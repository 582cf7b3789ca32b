"""What the four calls are: method, path, query, body, who may make them, and what may come back.  Pure.

Every argument is checked here, before a request exists.  A uuid comes in only if it is made of letters, digits,
``-`` and ``_``, so no argument can change which path is asked.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_address
from json import dumps
from typing import Any, Final, Generic, Literal, TypeVar, overload
from urllib.parse import urlencode, urlsplit

from attrs import field, frozen

from netless_rooms._version import __version__
from netless_rooms.models import MixedPage, Room, RoomPage, is_uuid
from netless_rooms.signing import Role, is_token

DEFAULT_BASE_URL: Final = "https://api.netless.link"
ROOMS_PATH: Final = "/v5/rooms"
MAX_PAGE_SIZE: Final = 1000  # the list's limit has the range (0, 1000]
LONGEST_TIMEOUT: Final = 1_000_000  # seconds; more would overflow somewhere below

_HOST: Final = re.compile("[0-9a-z.:_-]+")

Answer = TypeVar("Answer", Room, RoomPage, MixedPage)


@frozen(kw_only=True)
class Operation(Generic[Answer]):
    """One call, ready to be sent: what is asked, by whom, how often, and what a good answer must hold."""

    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    is_repeatable: bool = True  # whether doing it twice leaves everything as doing it once
    role: Role  # the least that its token needs
    uuid: str | None = None  # the one room that it is about; a token of that room will do
    answer: type[Answer]
    expected: Mapping[str, str | bool] = field(factory=dict)  # attributes that the answered room must have

    @property
    def target(self) -> str:
        """The path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def create_room(*, limit: int | None = None, is_record: bool | None = None) -> Operation[Room]:
    """``POST /v5/rooms``; sends only what is set."""
    body: dict[str, int | bool] = {}
    if is_record is not None:
        body["isRecord"] = check_flag("is_record", is_record)
    if limit is not None:
        body["limit"] = check_count("limit", limit, at_least=0)
    return Operation(
        method="POST",
        path=ROOMS_PATH,
        body=_json(body),
        is_repeatable=False,
        role=Role.WRITER,
        answer=Room,
    )


def get_room(uuid: str) -> Operation[Room]:
    """``GET /v5/rooms/{uuid}``."""
    path = f"{ROOMS_PATH}/{check_uuid('uuid', uuid)}"
    return Operation(method="GET", path=path, role=Role.WRITER, uuid=uuid, answer=Room, expected={"uuid": uuid})


@overload
def list_rooms(
    *, begin_uuid: str | None = None, limit: int | None = None, tolerant: Literal[False] = False
) -> Operation[RoomPage]: ...
@overload
def list_rooms(
    *, begin_uuid: str | None = None, limit: int | None = None, tolerant: Literal[True]
) -> Operation[MixedPage]: ...
@overload
def list_rooms(
    *, begin_uuid: str | None = None, limit: int | None = None, tolerant: bool
) -> Operation[RoomPage] | Operation[MixedPage]: ...
def list_rooms(
    *, begin_uuid: str | None = None, limit: int | None = None, tolerant: bool = False
) -> Operation[RoomPage] | Operation[MixedPage]:
    """``GET /v5/rooms?beginUUID=&limit=``; sends only what is set.

    If it is ``tolerant``, a member of the list that is no room is an ``InvalidRoom`` in the answer; else it makes
    the whole answer unreadable.
    """
    query: dict[str, str | int] = {}
    if begin_uuid is not None:
        query["beginUUID"] = check_uuid("begin_uuid", begin_uuid)
    if limit is not None:
        query["limit"] = check_count("limit", limit, at_least=1, at_most=MAX_PAGE_SIZE)
    asked: dict[str, Any] = {"method": "GET", "path": ROOMS_PATH, "query": urlencode(query), "role": Role.WRITER}
    return Operation(**asked, answer=MixedPage) if tolerant else Operation(**asked, answer=RoomPage)


def ban_room(uuid: str, *, is_ban: bool) -> Operation[Room]:
    """``PATCH /v5/rooms/{uuid}``: disable (``True``) or enable (``False``)."""
    return Operation(
        method="PATCH",
        path=f"{ROOMS_PATH}/{check_uuid('uuid', uuid)}",
        body=_json({"isBan": is_ban}),
        role=Role.ADMIN,
        uuid=uuid,
        answer=Room,
        expected={"uuid": uuid, "is_ban": is_ban},
    )


def request_headers(*, token: str, region: str) -> dict[str, str]:
    """Return every header of a request: these and no others go out."""
    return {
        "token": token,
        "region": region,
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": f"netless_rooms/{__version__}",
    }


def check_uuid(name: str, value: str) -> str:
    """Return ``value`` if it can name a room, in a path as well as in a query."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    _refuse_token(name, value)
    if not is_uuid(value):
        raise ValueError(f"{name} must be letters, digits, '-' and '_', 1 to 128 of them, not {value[:128]!r}")
    return str.__str__(value)  # an enum member that is also text would be put by its name


def check_count(name: str, value: int, *, at_least: int, at_most: int | None = None) -> int:
    """Return ``value`` if it is an integer, and not a boolean, in the range; both ends are inclusive."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        span = f"{at_least} or more" if at_most is None else f"{at_least} to {at_most}"
        raise ValueError(f"{name} must be {span}, not {value}")
    return int(value)


def check_header(name: str, value: str) -> str:
    """Return ``value`` if it can stand in a header: printable ASCII without spaces.  No error shows it."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not re.fullmatch("[!-~]+", value):
        raise ValueError(f"{name} must be printable ASCII without spaces or line breaks, and not empty")
    return str.__str__(value)


def check_region(value: str) -> str:
    """Return ``value`` if it can be a region, known or not."""
    region = check_header("region", value)
    _refuse_token("region", region)
    return region


def check_timeout(seconds: float | None) -> float | None:
    """Return ``seconds`` if a client can wait that long; ``None`` is for ever."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {type(seconds).__name__}")
    if not 0 < seconds <= LONGEST_TIMEOUT:
        raise ValueError("timeout must be above 0 and at most a million seconds, or None to wait for ever")
    return seconds


def check_time(name: str, value: datetime) -> datetime:
    """Return ``value`` if it is a time that needs no guess about its zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} must be a datetime, not {type(value).__name__}")
    if value.utcoffset() is None:
        raise ValueError(f"{name} must be aware, such as datetime.now(UTC), and not without a time zone")
    return value


def check_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is ``True`` or ``False``."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def check_base_url(value: str, *, allow_http: bool = False) -> str:
    """Return ``value`` without a trailing slash if it is an ``https`` address to put a path behind.

    An ``http`` address will do if it is of this machine, or with ``allow_http``.
    """
    if not isinstance(value, str):
        raise TypeError(f"base_url must be a string, not {type(value).__name__}")
    _refuse_token("base_url", value)
    trouble = f"base_url must look like {DEFAULT_BASE_URL}, without user, query or fragment"
    if not re.fullmatch("[!-~]+", value) or "\\" in value:
        raise ValueError(f"{trouble}, in printable ASCII")
    try:
        parts = urlsplit(value)
        plain = parts.port != 0 and not any(mark in value for mark in "@?#")
    except ValueError:  # a port that is no number, an unclosed bracket
        plain = False
    if not plain or parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(trouble)
    if parts.scheme == "http" and not (allow_http or _is_loopback(parts.hostname or "")):
        raise ValueError(
            "base_url must be https, since over http everybody on the way could read the token; "
            "allow_http=True permits it"
        )
    address = value.rstrip("/")
    if address.endswith(("/v5", ROOMS_PATH)):
        raise ValueError(f"base_url must be without {ROOMS_PATH}, which is put behind it")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_token(name: str, value: str) -> None:
    # A token in the wrong place would go out in an address, and show in a repr or an error.
    if is_token(value):
        raise ValueError(f"{name} must not be or hold a token; were two arguments swapped?")


def _json(body: Mapping[str, int | bool]) -> bytes:
    return dumps(body, separators=(",", ":")).encode()
