"""Reads bodies and queries as strictly as the service's page words them; what is odd is refused with 400."""

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl

from netless_rooms.emulator.answers import RefusedError
from netless_rooms.emulator.quirks import DEFAULT_PAGE, LONGEST_PAGE

LARGEST_LIMIT: Final = 2**53 - 1  # the service is written in JavaScript, which is exact up to here

MOST_PARAMETERS: Final = 100


def read_create(body: bytes) -> dict[str, object]:
    """Return ``isRecord`` and ``limit`` of a create and nothing else; ``False`` and 0 where left out."""
    members = _read_object(body)
    is_record, limit = members.get("isRecord", False), members.get("limit", 0)
    if not isinstance(is_record, bool):
        raise RefusedError(400, "isRecord must be a boolean")
    if type(limit) is not int or not 0 <= limit <= LARGEST_LIMIT:
        raise RefusedError(400, "limit must be an integer and not negative")
    return {"isRecord": is_record, "limit": limit}


def read_set_ban(body: bytes) -> bool:
    """Return ``isBan``, which must be there."""
    is_ban = _read_object(body).get("isBan")
    if not isinstance(is_ban, bool):
        raise RefusedError(400, "isBan is required and must be a boolean")
    return is_ban


def read_list(query: str) -> tuple[str | None, int]:
    """Return ``beginUUID``, ``None`` if it is left out or empty, and ``limit``, 100 if it is left out."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise RefusedError(400, "too many query parameters") from None
    limit = _only(pairs, "limit")
    return _only(pairs, "beginUUID") or None, DEFAULT_PAGE if limit is None else _read_limit(limit)


def _read_limit(text: str) -> int:
    # The length is looked at first: int() of very many digits raises.
    if text.isascii() and text.isdigit() and len(text) <= len(str(LONGEST_PAGE)):
        limit = int(text)
        if 1 <= limit <= LONGEST_PAGE:
            return limit
    raise RefusedError(400, f"limit must be an integer from 1 to {LONGEST_PAGE}")


def _only(pairs: list[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise RefusedError(400, f"{name} is given more than once")
    return values[0] if values else None


def _read_object(body: bytes) -> Mapping[str, Any]:
    try:
        # Decoded here, because json.loads would take UTF-16 bytes as well.
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
