"""Bodies to rooms or an error, read both ways: by the strict converter and by the fast path, which must agree."""

from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from netless_rooms._api.decoding import WireError, read_json, structure
from netless_rooms._api.speedups import read_json_quickly, read_quickly, with_rooms
from netless_rooms.models import InvalidRoom, Room

Model = TypeVar("Model")


def decode(body: bytes | str, model: type[Model]) -> Model:
    """Return what the strict converter makes of ``body``, or raise its ``WireError``; the fast path must agree."""
    sent = body if isinstance(body, bytes) else body.encode()
    strict = _outcome(lambda: structure(read_json(sent), model))
    at_once: Any = read_quickly(sent, model)
    if at_once is not None:
        assert _exactly(at_once) == _exactly(strict)
    assert _exactly(_outcome(lambda: structure(with_rooms(read_json_quickly(sent)), model))) == _exactly(strict)
    if isinstance(strict, WireError):
        raise strict
    result: Model = strict
    return result


def _exactly(result: Any) -> Any:
    """Return all that can be seen of a result, types included."""
    if isinstance(result, WireError):
        return result.what, result.where
    rooms = [result] if isinstance(result, Room) else list(result)
    assert {type(room) for room in rooms} <= {Room, InvalidRoom}
    fields = [[getattr(room, field.name) for field in attrs.fields(type(room))] for room in rooms]
    return type(result), repr(fields), [list(map(type, each)) for each in fields]


def _outcome(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except WireError as error:
        return error
