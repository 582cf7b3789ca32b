"""Decode response bodies into rooms: a fast path for documented rooms, a strict converter for all others.  Pure.

``decode_documented`` accepts what the service documents: letters and digits as uuids, times to the millisecond.
msgspec reads that in one go, and once more if there are unknown fields.  Everything else, good or bad, is left to
``parse_json`` and ``structure``: one cattrs converter structures every such room and explains every fault.

cattrs coerces by default (``"isBan": "no"`` would become ``True``), so each scalar has a hook here that accepts
its own JSON type only.  Tests check that the fast path returns exactly what the converter returns.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from attrs import NOTHING, fields

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
EXCERPT: Final = 200  # characters of a body that is not JSON, enough to identify its sender
MAX_NESTING: Final = 32  # levels of an unknown field; repr and pickle fail on much deeper values
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"  # some gateways put it before UTF-8

Model = TypeVar("Model")  # Room, RoomPage or MixedPage


class WireError(Exception):
    """JSON that is not as documented: ``reason`` says why, ``path`` where, such as ``$[3].isBan``."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path


class _WrongValueError(ValueError):
    """Carries a finished text through cattrs."""


# The fast path

_DOCUMENTED_TIME: Final = "2021-01-18T06:56:29.432Z"


def decode_documented(body: bytes, model: type[Model], *, max_members: int | None = None) -> Model | None:
    """Return ``body`` as ``model`` if its rooms are as documented; ``None`` if the converter must decide.

    ``max_members`` is the largest number of rooms in a page; ``None`` is no maximum.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    try:
        try:
            rooms = _documented_rooms(_CLOSED[model is Room].decode(body), max_members)
        except msgspec.ValidationError:  # perhaps only for an unknown field
            rooms = _documented_rooms(_OPEN[model is Room].decode(body), max_members)
            _add_unknown_fields(rooms, parse_json(body))
    except (msgspec.DecodeError, ValueError, WireError, RecursionError):  # not JSON, another shape, odd values
        return None
    make_page: Any = model
    return cast("Model", rooms[0] if model is Room else make_page(rooms))


def _add_unknown_fields(rooms: Sequence[Room], document: Any) -> None:
    for room, each in zip(rooms, document if isinstance(document, list) else [document], strict=True):
        if unknown := _unknown_fields(each):
            object.__setattr__(room, "extra", unknown)  # nobody else has the room yet


def _documented_rooms(decoded: Any, max_members: int | None) -> list[Room]:
    shapes = decoded if isinstance(decoded, list) else [decoded]
    if max_members is not None and len(shapes) > max_members:
        raise ValueError("too many")
    # The rooms are checked together: calls for each one would dominate the time.
    # Letters and digits only, so no uuid holds a token, which has a "_".
    if not "".join([shape.uuid for shape in shapes]).encode().isalnum():
        raise ValueError("not plain uuids")
    # A valid time of the documented length with these marks in this order has the documented form.
    times = "".join([shape.created_at for shape in shapes]).encode()
    if times.translate(None, b"0123456789") != b"--T::.Z" * len(shapes):
        raise ValueError("not plain times")
    return msgspec.convert(shapes, list[Room], from_attributes=True)


def _make_decoders(*, is_closed: bool) -> tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]:
    """Return the decoders of a page and of a room."""
    time_length = len(_DOCUMENTED_TIME)
    constraints: dict[str, Any] = {
        "uuid": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_UUID_LENGTH)],
        "created_at": Annotated[str, msgspec.Meta(min_length=time_length, max_length=time_length)],
    }
    known = [(each.name, constraints.get(each.name, each.type), each.default) for each in fields(Room)]
    shape: Any = msgspec.defstruct(
        "RoomShape",
        [each[:2] if each[2] is NOTHING else each for each in known if each[0] in WIRE_NAMES],
        namespace={"extra": {}},  # convert() copies it, and is much slower without
        rename=WIRE_NAMES,
        forbid_unknown_fields=is_closed,
        kw_only=True,
        gc=False,  # texts and numbers form no cycles
    )
    return msgspec.json.Decoder(list[shape]), msgspec.json.Decoder(shape)


_CLOSED: Final = _make_decoders(is_closed=True)
_OPEN: Final = _make_decoders(is_closed=False)


# JSON


def parse_json(body: bytes) -> Any:
    """Return the JSON document in ``body``; ``WireError`` if it is not JSON in UTF-8 or has an unusable number.

    ``NaN``, ``1e400`` and integers of thousands of digits are unusable.  A byte-order mark before it is skipped.
    """
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
    value = float(number)
    if not isfinite(value):
        raise ValueError(number)
    return value


_JSON: Final = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)
_HALF: Final = re.compile("[\ud800-\udfff]")
_HALF_PAIR: Final = "a text with half a surrogate pair"  # "\ud83d" alone is valid JSON, but no character


def _is_broken(text: str) -> bool:
    return not text.isascii() and _HALF.search(text) is not None


def show(value: Any) -> str:
    """Return a JSON value as errors show it: scalars in full, of any length; arrays and objects by their kind."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return _HALF_PAIR if isinstance(value, str) and _is_broken(value) else json.dumps(value, ensure_ascii=False)


# The converter


def structure(document: Any, model: type[Model], *, max_members: int | None = None) -> Model:
    """Return ``document`` as ``model``; ``WireError`` names the first field that is wrong.

    In a ``MixedPage``, a member that cannot be read as a room is an ``InvalidRoom``.  ``max_members`` is the
    largest number of members of a page; ``None`` is no maximum.  More are refused before any is structured.
    """
    if model is Room:
        return cast("Model", _structure_room(document))
    if type(document) is not list:
        raise WireError(f"expected an array of rooms, got {show(document)}", "$")
    if max_members is not None and len(document) > max_members:
        raise WireError(f"expected at most {max_members} rooms, got {len(document)}", "$")
    structure_member: Any = _structure_room if model is RoomPage else _structure_member
    make_page: Any = model
    return cast("Model", make_page(map(structure_member, document, range(len(document)))))


def _structure_room(document: Any, index: int | None = None) -> Room:
    from cattrs import ClassValidationError

    try:
        return _room_hook()(document)
    except (ClassValidationError, _WrongValueError) as error:
        fault = _explain(error, "$" if index is None else f"$[{index}]")
    raise fault  # outside ``except``, so that the cattrs error is not its ``__context__``


def _structure_member(document: Any, index: int) -> Room | InvalidRoom:
    try:
        return _structure_room(document, index)
    except WireError as fault:
        uuid = document.get(WIRE_NAMES["uuid"]) if isinstance(document, dict) else None
        known = uuid if _is_room_uuid(uuid) else None
        return InvalidRoom(uuid=known, reason=fault.reason, location=fault.path, document=document)


def _explain(error: Exception, path: str) -> WireError:
    from cattrs import transform_error

    problems = transform_error(error, path, lambda each, _: "missing" if isinstance(each, KeyError) else str(each))
    reason, _, place = problems[0].rpartition(" @ ")
    room, dot, attribute = place.rpartition(".")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return WireError(reason + more, room + dot + WIRE_NAMES.get(attribute, attribute))


def _exactly(kind: type, words: str) -> Callable[..., Any]:
    def check(value: Any, _: object = None) -> Any:
        if type(value) is not kind:  # isinstance would take a boolean for an integer
            raise _WrongValueError(f"expected {words}, got {show(value)}")
        return value

    return check


def _text(value: Any, _: object = None) -> str:
    if type(value) is str and not _is_broken(value):
        return value
    raise _WrongValueError(f"expected a string, got {show(value)}")


_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-2][0-9]:[0-5][0-9])"
)


def _time(value: Any, _: object = None) -> datetime:
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            time = datetime.fromisoformat(value)
            return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February, or before the year 1
        pass
    raise _WrongValueError(f"expected a UTC time such as {_DOCUMENTED_TIME}, got {show(value)}")


def _is_room_uuid(value: Any) -> bool:
    # A uuid that no call accepts is refused here too, or a walk could not continue after it.
    return type(value) is str and is_uuid(value) and not ("_" in value and is_token(value))


def _uuid(value: Any, _: object = None) -> str:
    if not _is_room_uuid(value):
        raise _WrongValueError(f"expected a room's uuid, got {show(value)}")
    return str(value)


@cache
def _room_hook() -> Callable[[Any], Room]:
    from cattrs import Converter  # here, because it is slow to import and most programs never need it
    from cattrs.gen import make_dict_structure_fn, override

    converter = Converter()
    converter.register_structure_hook(bool, _exactly(bool, "true or false"))
    converter.register_structure_hook(int, _exactly(int, "an integer"))
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(str | None, lambda value, _: None if value is None else _text(value))
    converter.register_structure_hook(datetime, _time)
    names: dict[str, Any] = {name: override(rename=wire) for name, wire in WIRE_NAMES.items()}
    names["uuid"] = override(rename=WIRE_NAMES["uuid"], struct_hook=_uuid)
    names["extra"] = override(omit=True)
    structure_known = make_dict_structure_fn(Room, converter, **names)

    def structure_room(value: Any) -> Room:
        if type(value) is not dict:
            raise _WrongValueError(f"expected a room object, got {show(value)}")
        room = structure_known(value, Room)
        _add_unknown_fields([room], value)
        return room

    return structure_room


def _unknown_fields(room: Mapping[str, Any]) -> dict[str, Any]:
    unknown = {name: value for name, value in room.items() if name not in KNOWN_FIELDS}
    for name, value in unknown.items():
        if _is_broken(name):
            raise _WrongValueError(f"the name of an unknown field is {_HALF_PAIR}")
        if flaw := _flaw(value, MAX_NESTING):
            raise _WrongValueError(f"the unknown field {show(name)} {flaw}")
    return unknown


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


# Rooms as dicts


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
        name = fault.path.removeprefix("$.")
        shown = name if is_wire else _FIELD_NAMES.get(name, name)
        flaw = f"{fault.reason} at {fault.path.replace(name, shown)}"
    raise InvalidArgumentError(f"document must be what to_dict() returns: {redact(flaw[:EXCERPT])}")


_FIELD_NAMES: Final = {wire: name for name, wire in WIRE_NAMES.items()}
Room._to_dict = _to_dict
Room._from_dict = _from_dict
