"""Arguments are checked before a request exists.  Pure."""

import re
import unicodedata
from datetime import datetime
from types import EllipsisType
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from netless_rooms.errors import InvalidArgumentError, InvalidArgumentTypeError
from netless_rooms.models import Region, is_uuid

DEFAULT_BASE_URL: Final = "https://api.netless.link"
ROOMS_PATH: Final = "/v5/rooms"
MAX_PAGE_SIZE: Final = 1000  # the list's limit has the range (0, 1000]
# In any case, because a host name is shown in lower case.
TOKEN_PATTERN: Final = re.compile(r"NETLESS(?:SDK|ROOM|TASK)_[^\s\"'<>,;&]*", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"https?://((?![@?#\\])[!-~])+", re.IGNORECASE)  # no user, query or fragment
_LOOPBACK: Final = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")

Value = TypeVar("Value")


def check_type(name: str, value: Value, kind: Any, expected: str) -> Value:
    """Return ``value`` if it is of ``kind``; a boolean passes only for ``bool``."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InvalidArgumentTypeError(f"{name} must be {expected}, not {type(value).__name__}")
    return value


def check_uuid(name: str, value: str) -> str:
    """Return ``value`` if it can name a room, in a path as well as in a query."""
    _check_no_token(name, value)
    if not is_uuid(value):
        allowed = "letters, digits, '-' and '_', 1 to 128 of them"
        raise InvalidArgumentError(f"{name} must be {allowed}, not {value[:128]!r}")
    return str.__str__(value)  # an enum member that is also text would be put by its name


def check_count(name: str, value: int, *, at_least: int, at_most: int | None = None) -> int:
    check_type(name, value, int, "an integer")
    if value < at_least or (at_most is not None and value > at_most):
        span = f"{at_least} or more" if at_most is None else f"{at_least} to {at_most}"
        raise InvalidArgumentError(f"{name} must be {span}, not {value}")
    return int(value)


def check_header(name: str, value: str) -> str:
    """Return ``value`` if it can stand in a header: printable ASCII without spaces.  No error shows it."""
    check_type(name, value, str, "a string")
    if artifact := paste_artifact(value):
        raise InvalidArgumentError(f"{name} must be without {artifact}")
    if not re.fullmatch("[!-~]+", value):
        raise InvalidArgumentError(f"{name} must be printable ASCII without spaces or line breaks, and not empty")
    return str.__str__(value)


def paste_artifact(value: str) -> str:
    """Return what copying from a page or a spreadsheet has added to a key or a token; empty if nothing."""
    invisible = next((character for character in value if unicodedata.category(character) == "Cf"), None)
    if invisible is not None:  # a byte-order mark or a zero-width space, for example
        return f"the invisible character U+{ord(invisible):04X}"
    is_quoted = value != value.strip("\"'`«»‘’‚‛“”„‟‹›")  # noqa: RUF001  each is meant
    return "quotation marks around it" if is_quoted else ""


def check_region(value: str) -> str:
    """Return ``value`` if it can be a region, known or not, but not a known one with a typing error."""
    region = check_header("region", value)
    _check_no_token("region", region)
    plain = region.lower().replace("_", "-")
    meant = next((known for known in Region if _is_alike(plain, known)), None)
    if meant is not None and region not in list(Region):
        raise InvalidArgumentError(f"unknown region {region!r}; did you mean {str(meant)!r}?")
    return region


def _is_alike(one: str, other: str) -> bool:
    """Whether the texts differ by one character at most, which is changed, added or missing."""
    short, long = sorted((one, other), key=len)
    if len(short) == len(long) == 2:
        return short == long  # with one letter changed it is another name, such as ``au`` and ``eu``
    return any(long[:at] + long[at + 1 :] in (short, short[:at] + short[at + 1 :]) for at in range(len(long)))


def check_timeout(seconds: float | EllipsisType | None) -> float | EllipsisType | None:
    """Return ``seconds`` if a client can wait that long; ``None`` waits forever, ``...`` is the client's own."""
    if seconds is None or isinstance(seconds, EllipsisType):
        return seconds
    check_type("timeout", seconds, (int, float), "a number of seconds or None")
    if not 0 < seconds <= 1_000_000:  # more would overflow somewhere below
        expected = "above 0 and at most a million seconds, or None to wait forever"
        raise InvalidArgumentError(f"timeout must be {expected}")
    return seconds


def check_time(name: str, value: datetime) -> datetime:
    """Return ``value`` if it is a time that needs no guess about its zone."""
    check_type(name, value, datetime, "a datetime")
    if value.utcoffset() is None:
        raise InvalidArgumentError(f"{name} must be aware, such as datetime.now(UTC), and not without a time zone")
    return value


def check_flag(name: str, value: bool) -> bool:
    return check_type(name, value, bool, "True or False")


def check_base_url(value: str, *, allow_http: bool = False) -> str:
    """Return ``value`` without a trailing slash if a path can follow it and it is ``https`` or this machine."""
    _check_no_token("base_url", value)
    try:
        parts = urlsplit(value)
        host = "" if parts.port == 0 else parts.hostname or ""
    except ValueError:  # a port that is not a number, an unclosed bracket
        host = ""
    if not (_ADDRESS.fullmatch(value) and re.fullmatch("[0-9a-z.:_-]+", host)):
        expected = f"{DEFAULT_BASE_URL}, in printable ASCII, without user, query or fragment"
        raise InvalidArgumentError(f"base_url must look like {expected}")
    if parts.scheme == "http" and not (allow_http or _LOOPBACK.fullmatch(host)):
        reason = "because over http anyone on the network path can read the token; allow_http=True permits it"
        raise InvalidArgumentError(f"base_url must be https, {reason}")
    address = value.rstrip("/")
    if address.endswith(("/v5", ROOMS_PATH)):
        raise InvalidArgumentError(f"base_url must end before {ROOMS_PATH}, which is added to it")
    return address


def _check_no_token(name: str, value: str) -> None:
    # A token in the wrong place would go out in an address, and show in a repr or an error.
    check_type(name, value, str, "a string")
    if is_token(value):
        raise InvalidArgumentError(f"{name} must not be or contain a token; were two arguments swapped?")


def is_token(text: str) -> bool:
    """Whether ``text`` holds what looks like a token, so that it must not be shown."""
    return TOKEN_PATTERN.search(text) is not None
