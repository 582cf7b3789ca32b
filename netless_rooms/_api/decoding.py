"""Decode response bodies into rooms: a fast path for documented rooms, a strict converter for all others.  Pure.

msgspec reads what the service documents in one go, and once more if there are unknown fields.  One cattrs
converter structures all else and explains every fault; tests hold the fast path against it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from types import ModuleType
from typing import Annotated, Any, ClassVar, Final, TypeAlias, TypeVar, cast

import msgspec

from netless_rooms._auth.redaction import redact
from netless_rooms._validation import check_type, is_token
from netless_rooms.errors import InvalidArgumentError
from netless_rooms.models import MAX_UUID_LENGTH, InvalidRoom, Room, RoomPage, is_uuid

WIRE_NAMES: Final[Mapping[str, str]] = {
    "uuid": "uuid",
    "team_uuid": "teamUUID",
    "app_uuid": "appUUID",
    "name": "name",
    "is_record": "isRecord",
    "is_ban": "isBan",
    "created_at": "createdAt",
    "limit": "limit",
}
KNOWN_FIELDS: Final = frozenset(WIRE_NAMES.values())
EXCERPT: Final = 200  # characters of a body that is not JSON
MAX_NESTING: Final = 32  # levels of an unknown field; repr and pickle fail on much deeper values
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some gateways put it before UTF-8

Time: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]  # RFC 3339, rounded to microseconds
Model = TypeVar("Model")  # Room, RoomPage or MixedPage


class WireError(Exception):
    """JSON that is not as documented: ``reason`` says why, ``path`` where, such as ``$[3].isBan``."""

    def __init__(self, reason: str, path: str) -> None:
        self.reason, self.path = reason, path


def decode_documented(body: bytes, model: type[Model], *, max_members: int | None = None) -> Model | None:
    """Return ``body`` as ``model`` if its rooms are as documented; ``None`` if the converter must decide."""
    body, is_room = body.removeprefix(BYTE_ORDER_MARK), model is Room
    try:
        try:
            rooms = _documented_rooms(_CLOSED[is_room].decode(body), max_members)
        except msgspec.ValidationError:  # perhaps only for an unknown field
            rooms = _documented_rooms(_OPEN[is_room].decode(body), max_members)
            document = parse_json(body)
            _add_unknown_fields(rooms, [document] if is_room else document)
    except (msgspec.DecodeError, ValueError, WireError, RecursionError):  # not JSON, another shape, odd values
        return None
    make_page: Any = model
    return cast("Model", rooms[0] if is_room else make_page(rooms))


def _documented_rooms(decoded: Any, max_members: int | None) -> list[Room]:
    shapes = decoded if isinstance(decoded, list) else [decoded]
    if max_members is not None and len(shapes) > max_members:
        raise ValueError("too many")
    # The rooms are checked together: calls for each one would dominate the time.
    uuids = [shape.uuid for shape in shapes if shape.created_at.tzinfo is UTC]
    # Letters and digits only, so no uuid holds a token, which has a "_".
    if len(uuids) < len(shapes) or not "".join(uuids).encode().isalnum():
        raise ValueError("odd uuids or times")
    return msgspec.convert(shapes, list[Room], from_attributes=True)


class _Shape(msgspec.Struct, rename=WIRE_NAMES, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A documented room without unknown fields; texts and numbers form no cycles, so ``gc`` is off."""

    uuid: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_UUID_LENGTH)]
    team_uuid: str
    app_uuid: str | None = None
    name: str | None = None
    is_record: bool
    is_ban: bool
    created_at: Time
    limit: int
    extra: ClassVar[Mapping[str, Any]] = {}  # convert() copies it, and is much slower without


class _OpenShape(_Shape, forbid_unknown_fields=False):
    pass


_CLOSED: Final = (msgspec.json.Decoder(list[_Shape]), msgspec.json.Decoder(_Shape))
_OPEN: Final = (msgspec.json.Decoder(list[_OpenShape]), msgspec.json.Decoder(_OpenShape))


def parse_json(body: bytes) -> Any:
    """Return the JSON in ``body``; ``WireError`` for ``NaN``, ``1e400`` and integers of thousands of digits."""
    try:
        text = body.removeprefix(BYTE_ORDER_MARK).decode()
        return _JSON.decode(text)
    except UnicodeDecodeError as error:
        raise WireError(f"the body is not UTF-8 from byte {error.start} on", "$") from None
    except json.JSONDecodeError as error:
        start = f"it begins {text[:EXCERPT]!r}" if text.strip() else "it is empty"
        raise WireError(f"the body is not JSON: {error.msg} in line {error.lineno}; {start}", "$") from None
    except ValueError:  # of _finite, or of int() for thousands of digits
        raise WireError("the body holds a number that is not finite or too large", "$") from None
    except RecursionError:
        raise WireError("the body is nested too deeply", "$") from None


def _finite(number: str) -> float:
    if isfinite(value := float(number)):
        return value
    raise ValueError(number)


_JSON: Final = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)
_HALF_PAIR: Final = "a text with a lone surrogate"  # "\ud83d" alone is valid JSON, but no character


def _is_broken(text: str) -> bool:
    return not text.isascii() and re.search("[\ud800-\udfff]", text) is not None


def show(value: Any) -> str:
    """Return a JSON value as errors show it: scalars in full, of any length; arrays and objects by their kind."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return _HALF_PAIR if isinstance(value, str) and _is_broken(value) else json.dumps(value, ensure_ascii=False)


def structure(document: Any, model: type[Model], *, max_members: int | None = None) -> Model:
    """Return ``document`` as ``model``; ``WireError`` names the first field that is wrong.

    In a ``MixedPage``, a member that cannot be read as a room is an ``InvalidRoom``.  A page of more than
    ``max_members`` is refused before any is structured.
    """
    if model is Room:
        return cast("Model", _structure_room(document))
    if type(document) is not list:
        raise WireError(f"expected an array of rooms, got {show(document)}", "$")
    if max_members is not None and len(document) > max_members:
        raise WireError(f"expected at most {max_members} rooms, got {len(document)}", "$")
    structure_member = _structure_room if model is RoomPage else _structure_member
    make_page: Any = model
    return cast("Model", make_page(map(structure_member, document, range(len(document)))))


def _structure_room(document: Any, index: int | None = None) -> Room:
    try:
        _expect("a room object", lambda value: type(value) is dict)(document)
        room = _structure_known_fields()(document, Room)
        _add_unknown_fields([room], [document])
        return room
    except (ExceptionGroup, ValueError) as error:  # of cattrs, or of this module
        at = "$" if index is None else f"$[{index}]"
        found = _cattrs().transform_error(error, at, lambda e, _: "missing" if isinstance(e, KeyError) else str(e))
    # Outside ``except``, so that the cattrs error is not its ``__context__``.
    reason, _, place = found[0].rpartition(" @ ")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    parent, dot, attribute = place.rpartition(".")
    raise WireError(reason + more, parent + dot + WIRE_NAMES.get(attribute, attribute))


def _structure_member(document: Any, index: int) -> Room | InvalidRoom:
    try:
        return _structure_room(document, index)
    except WireError as fault:
        uuid = document.get(WIRE_NAMES["uuid"]) if isinstance(document, dict) else None
        known = uuid if _is_room_uuid(uuid) else None
        return InvalidRoom(uuid=known, reason=fault.reason, location=fault.path, document=document)


def _expect(words: str, is_right: Callable[[Any], bool]) -> Callable[..., Any]:
    def check(value: Any, _: object = None) -> Any:
        if not is_right(value):
            raise ValueError(f"expected {words}, got {show(value)}")
        return value

    return check


def _is_text(value: Any) -> bool:
    return type(value) is str and not _is_broken(value)


def _is_room_uuid(value: Any) -> bool:
    # A uuid that no call accepts is refused here too, or a walk could not continue after it.
    return type(value) is str and is_uuid(value) and not ("_" in value and is_token(value))


def _time(value: Any, _: object = None) -> datetime:
    # Not a date, a lone surrogate, or before the year 1 in UTC.
    with suppress(msgspec.ValidationError, UnicodeError, OverflowError):
        return msgspec.convert(value, Time).astimezone(UTC)
    raise ValueError(f"expected a UTC time such as 2021-01-18T06:56:29.432Z, got {show(value)}")


@cache  # one module for hook and explanation, even if somebody reloads modules, as pytest's pytester does
def _cattrs() -> ModuleType:
    import cattrs.gen  # here, because it is slow to import and most programs never need it

    return cattrs


@cache
def _structure_known_fields() -> Callable[..., Room]:
    # Each scalar has a hook for its own JSON type: cattrs coerces, so ``"isBan": "no"`` would become ``True``.
    converter, override = _cattrs().Converter(), _cattrs().override
    hooks: dict[Any, Callable[..., Any]] = {
        bool: _expect("true or false", lambda value: type(value) is bool),
        int: _expect("an integer", lambda value: type(value) is int),
        str: _expect("a string", _is_text),
        str | None: _expect("a string", lambda value: value is None or _is_text(value)),
        datetime: _time,
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    names: dict[str, Any] = {name: override(rename=wire) for name, wire in WIRE_NAMES.items()}
    names["uuid"] = override(struct_hook=_expect("a room's uuid", _is_room_uuid))
    hook = _cattrs().gen.make_dict_structure_fn(Room, converter, **names, extra=override(omit=True))
    return cast("Callable[..., Room]", hook)


def _add_unknown_fields(rooms: Sequence[Room], documents: Sequence[Mapping[str, Any]]) -> None:
    for room, document in zip(rooms, documents, strict=True):
        unknown = {name: value for name, value in document.items() if name not in KNOWN_FIELDS}
        for name, value in unknown.items():
            if _is_broken(name):
                raise ValueError(f"the name of an unknown field is {_HALF_PAIR}")
            if flaw := _flaw(value, MAX_NESTING):
                raise ValueError(f"the unknown field {show(name)} {flaw}")
        if unknown:
            object.__setattr__(room, "extra", unknown)  # no other code has the room yet


def _flaw(value: Any, levels: int) -> str:
    """Return why ``value`` cannot be kept in a room; empty if it can."""
    if isinstance(value, str):
        return f"holds {_HALF_PAIR}" if _is_broken(value) else ""
    if not isinstance(value, (dict, list)):
        return ""
    if not levels:
        return "is nested too deeply"
    inner = (*value, *value.values()) if isinstance(value, dict) else value
    return next(filter(None, (_flaw(part, levels - 1) for part in inner)), "")


def _to_dict(room: Room, wire: bool) -> dict[str, Any]:
    values = {name: getattr(room, name) for name in WIRE_NAMES} | {"created_at": format_time(room.created_at)}
    extra = deepcopy(dict(room.extra)) if room.extra else {}
    if not wire:
        return {**values, "extra": extra}
    known = {WIRE_NAMES[name]: value for name, value in values.items() if value is not None}
    return known | extra | known  # in the documented order, and no unknown field replaces a known one


def format_time(time: datetime) -> str:
    """Return a UTC time as ISO 8601, in milliseconds unless it is more precise."""
    precision = "microseconds" if time.microsecond % 1000 else "milliseconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def _from_dict(document: Mapping[str, Any]) -> Room:
    check_type("document", document, Mapping, "a mapping")
    is_wire = bool((KNOWN_FIELDS - WIRE_NAMES.keys()) & document.keys())
    try:
        # Through JSON, so that nothing but JSON gets in and nothing is shared with the caller.
        copy = parse_json(json.dumps(dict(document), allow_nan=False).encode())
        if not is_wire:
            extra = copy.pop("extra", {})
            if type(extra) is not dict or not KNOWN_FIELDS.isdisjoint(extra):
                raise WireError("expected an object of unknown fields", "$.extra")
            copy = extra | {WIRE_NAMES.get(name, name): value for name, value in copy.items()}
        return _structure_room(copy)
    except (TypeError, ValueError, RecursionError) as error:  # of json.dumps
        flaw = f"it cannot be written as JSON: {type(error).__name__}"
    except WireError as fault:
        shown = {} if is_wire else {f"$.{wire}": f"$.{name}" for name, wire in WIRE_NAMES.items()}
        flaw = f"{fault.reason} at {shown.get(fault.path, fault.path)}"
    raise InvalidArgumentError(f"document must be what to_dict() returns: {redact(flaw[:EXCERPT])}")


Room._to_dict = _to_dict
Room._from_dict = _from_dict
