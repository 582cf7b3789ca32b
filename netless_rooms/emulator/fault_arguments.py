"""Checks what a fault is made with, when it is made: in a test that is where the mistake stands."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, get_args

from netless_rooms.emulator.spelling import check_names, write_json

if TYPE_CHECKING:
    from attrs import Attribute

CallName = Literal["create", "get", "list", "set-ban"]
RetryAfter = float | datetime | str


def check_on(_: object, __: "Attribute[Any]", on: object) -> None:
    """Refuse what is none of the calls."""
    if on is not None and on not in get_args(CallName):
        raise ValueError(f"on must be one of {', '.join(map(repr, get_args(CallName)))} or None, not {on!r}")


def check_bool(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is merely true or false enough."""
    if not isinstance(value, bool):
        raise TypeError(f"{attribute.name} must be a bool, not {type(value).__name__}")


def check_int(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no whole number."""
    if type(value) is not int:
        raise TypeError(f"{attribute.name} must be an int, not {type(value).__name__}")


def check_error_status(fault: object, attribute: "Attribute[Any]", status: int) -> None:
    """Refuse what is no error status."""
    check_int(fault, attribute, status)
    if not 400 <= status <= 599:
        raise ValueError(f"status must be 400 to 599, not {status}")


def check_page_status(fault: object, attribute: "Attribute[Any]", status: int) -> None:
    """Refuse a status that no page has: redirects, and those that have no body."""
    check_int(fault, attribute, status)
    if status != 200 and not 400 <= status <= 599:
        raise ValueError(f"status must be 200 or 400 to 599, not {status}")


def check_message(_: object, __: "Attribute[Any]", message: object) -> None:
    """Refuse a message that cannot be sent."""
    if not isinstance(message, str | None):
        raise TypeError(f"message must be a str or None, not {type(message).__name__}")
    write_json(message).encode()  # fails for a lone surrogate


def check_seconds(_: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what is no length of time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{attribute.name} must be a number of seconds, not {type(value).__name__}")
    if not (isfinite(value) and value >= 0):
        raise ValueError(f"{attribute.name} must be finite and not negative, not {value}")


def check_retry_after(fault: object, attribute: "Attribute[Any]", value: object) -> None:
    """Refuse what cannot be sent as ``Retry-After``; a text may say anything."""
    if isinstance(value, str):
        if not (value.isascii() and value.isprintable() and value == value.strip()):
            raise ValueError(f"retry_after cannot be sent as a header: {value!r}")
    elif isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError("retry_after must be an aware datetime, one with a time zone")
    elif value is not None:
        check_seconds(fault, attribute, value)


def retry_after_text(value: RetryAfter) -> str:
    """Return what the header says: seconds to the millisecond, an HTTP date, or the text itself."""
    if isinstance(value, datetime):
        return format_datetime(value.astimezone(UTC), usegmt=True)
    if isinstance(value, str):
        return value
    return f"{value:.3f}".rstrip("0").rstrip(".")


def read_members(members: Mapping[str, object]) -> Mapping[str, object]:
    """Return the members of a wrong room, if they can be sent."""
    if not members:
        raise ValueError("BadRoom needs a member to change, such as isBan='perhaps'")
    check_names(members)
    write_json(without_omitted(members)).encode()
    return members


def without_omitted(members: Mapping[str, object]) -> dict[str, object]:
    """Return the members without those whose value is ``...``."""
    return {name: value for name, value in members.items() if value is not ...}
