"""Decode bodies on the strict converter and on the fast path, which must agree."""

from typing import Any, TypeVar

import attrs

from netless_rooms._api.decoding import WireError, decode_documented, parse_json, structure
from netless_rooms.models import InvalidRoom, Room

Model = TypeVar("Model")


def decode(body: bytes | str, model: type[Model], *, is_fast: bool | None = None) -> Model:
    """Return ``body`` as ``model`` or raise ``WireError``; ``is_fast``: whether the fast path must accept it."""
    sent = body if isinstance(body, bytes) else body.encode()
    fast = decode_documented(sent, model)
    assert is_fast is None or is_fast is (fast is not None)
    try:
        strict = structure(parse_json(sent), model)
    except WireError:
        assert fast is None
        raise
    assert fast is None or _details(fast) == _details(strict)
    return strict


def _details(result: Any) -> Any:
    """Return all that can be seen of a result, types included."""
    rooms = [result] if isinstance(result, Room) else list(result)
    assert {type(room) for room in rooms} <= {Room, InvalidRoom}
    fields = [[getattr(room, field.name) for field in attrs.fields(type(room))] for room in rooms]
    return type(result), repr(fields), [list(map(type, each)) for each in fields]
