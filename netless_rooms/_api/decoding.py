"""How the service's JSON and the models map: one converter, one table of names, exact scalars.  Pure.

cattrs coerces by default (``"isBan": "no"`` would become ``True``), so every scalar has a hook here that takes
its own JSON type and nothing else.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from math import isfinite
from typing import Any, ClassVar, Final, TypeVar

from cattrs import ClassValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from netless_rooms._validation import is_token
from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomDraft, RoomPage, is_uuid

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
EXCERPT: Final = 200  # characters of a body that is no JSON, to tell whose page it is
MAX_NESTING: Final = 32  # of a field that this release does not know; deeper, repr and pickle would give out

Model = TypeVar("Model")


class WireError(Exception):
    """JSON that does not say what is documented: ``what`` is wrong, ``where`` it stands."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(what, where)
        self.what = what
        self.where = where


class _WrongValueError(ValueError):
    """Carries a finished text through cattrs."""


class _WrongRoomError(Exception):
    """The first wrong room of a page; all of them could be thousands."""

    def __init__(self, index: int, fault: Exception) -> None:
        super().__init__(index, fault)
        self.index = index
        self.fault = fault


_FAULTS: Final = (ClassValidationError, _WrongValueError)  # what structuring one room raises


class BrokenText(str):
    """A text of JSON that is none in any other way: an escaped half of a surrogate pair is no character in it."""

    __slots__ = ()
    words: ClassVar[str] = "a text with half a surrogate pair"


class EndlessNumber(float):
    """What JSON has no number for, or Python none: ``NaN``, ``1e400``, an integer of thousands of digits."""

    __slots__ = ()
    words: ClassVar[str] = "a number that is not finite or too large"


_HALF: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")  # of a whole pair, perhaps
_MARKED: Final = MAX_NESTING + 3  # levels: the printed envelope, its list and a room are around an unknown field


def read_json(body: bytes) -> Any:
    """Return what ``body`` says; ``WireError`` if it is not JSON in UTF-8.

    A text or a number that no model may hold comes as a ``BrokenText`` or an ``EndlessNumber``, so that it is
    refused where it stands: no check for an exact type takes it.
    """
    try:
        text = body.decode()
        document = _parse(text)
        if _ESCAPED_HALF.search(text) and not _is_text(document):
            document = _marked(document, _MARKED)
    except UnicodeDecodeError as error:
        raise WireError(f"the body is not UTF-8 from byte {error.start} on", "$") from None
    except json.JSONDecodeError as error:
        began = f"it begins {text[:EXCERPT]!r}" if text.strip() else "it is empty"
        raise WireError(f"the body is not JSON: {error.msg} in line {error.lineno}; {began}", "$") from None
    except RecursionError:
        raise WireError("the body is nested too deeply", "$") from None
    return document


def _parse(text: str) -> Any:
    parse = partial(json.loads, text, parse_constant=EndlessNumber, parse_float=_float)
    try:
        return parse()
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits; a function for every integer would show in the time
        return parse(parse_int=_integer)


def _float(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else EndlessNumber(value)


def _integer(number: str) -> float:
    try:
        return int(number)
    except ValueError:
        return EndlessNumber(number)


def _is_text(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _marked(value: Any, levels: int) -> Any:
    """Return ``value`` with each broken text as a ``BrokenText``; what is deeper is refused for that alone."""
    if isinstance(value, str):
        return value if value.isascii() or not _HALF.search(value) else BrokenText(value)
    if levels and isinstance(value, dict):
        return {_marked(name, 0): _marked(inner, levels - 1) for name, inner in value.items()}
    if levels and isinstance(value, list):
        return [_marked(inner, levels - 1) for inner in value]
    return value


def structure(document: Any, model: type[Model]) -> Model:
    """Return ``document`` as ``model``; ``WireError`` names the first field that is wrong."""
    try:
        return _converter.structure(document, model)
    except _WrongRoomError as error:
        wrong = _wrong(error.fault, f"$[{error.index}]")
    except _FAULTS as error:
        wrong = _wrong(error, "$")
    raise wrong


def _wrong(fault: Exception, path: str) -> WireError:
    problems = transform_error(fault, path, _describe)
    what, _, where = problems[0].rpartition(" @ ")
    room, dot, attribute = where.rpartition(".")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return WireError(what + more, room + dot + WIRE_NAMES.get(attribute, attribute))


def show(value: Any) -> str:
    """Return a JSON value as an error may name it: scalars as they are, of any length, the rest by kind."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "an array"
    return value.words if isinstance(value, (BrokenText, EndlessNumber)) else json.dumps(value, ensure_ascii=False)


def _describe(error: BaseException, _: object) -> str:
    return "missing" if isinstance(error, KeyError) else str(error)


def _exactly(kind: type, words: str) -> Callable[[Any, Any], Any]:
    def check(value: Any, _: object) -> Any:
        if type(value) is not kind:  # isinstance would take a boolean for an integer
            raise _WrongValueError(f"expected {words}, got {show(value)}")
        return value

    return check


_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-2][0-9]:[0-5][0-9])"
)


def _time(value: Any, _: object) -> datetime:
    try:
        if isinstance(value, str) and _TIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):  # the 30th of February, or before the year 1
        pass
    raise _WrongValueError(f"expected a UTC time such as 2021-01-18T06:56:29.432Z, got {show(value)}")


def _uuid(value: Any, _: object) -> str:
    # What no call takes as a uuid must not come out as one either, or a walk could not go on behind it.
    if type(value) is not str or not is_uuid(value) or is_token(value):
        raise _WrongValueError(f"expected a room's uuid, got {show(value)}")
    return value


def _room_hook(converter: Converter) -> Callable[[Any, Any], Room]:
    fields: dict[str, Any] = {name: override(rename=wire) for name, wire in WIRE_NAMES.items()}
    fields["uuid"] = override(rename=WIRE_NAMES["uuid"], struct_hook=_uuid)
    fields["extra"] = override(omit=True)
    structure_known = make_dict_structure_fn(RoomDraft, converter, **fields)

    def structure_room(value: Any, _: object) -> Room:
        if type(value) is Room:  # read already, in the quicker way
            return value
        if type(value) is not dict:
            raise _WrongValueError(f"expected a room object, got {show(value)}")
        draft: Any = structure_known(value, RoomDraft)
        if not value.keys() <= KNOWN_FIELDS:
            draft.extra = unknown_fields(value)
        draft.__class__ = Room
        room: Room = draft
        return room

    return structure_room


def unknown_fields(room: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a room that this release does not know; ``ValueError`` if they cannot be kept."""
    unknown = dict(room)
    for known in KNOWN_FIELDS:
        unknown.pop(known, None)
    for name, value in unknown.items():
        if isinstance(name, BrokenText):
            raise _WrongValueError(f"the name of an unknown field is {name.words}")
        if flaw := _flaw(value, MAX_NESTING):
            raise _WrongValueError(f"the unknown field {show(name)} {flaw}")
    return unknown


def _flaw(value: Any, levels: int) -> str:
    """Return why ``value`` cannot be kept in a room; nothing if it can."""
    if isinstance(value, (BrokenText, EndlessNumber)):
        return f"holds {value.words}"
    if not isinstance(value, (dict, list)):
        return ""
    if not levels:
        return "is nested too deeply"
    inner = (*value, *value.values()) if isinstance(value, dict) else value
    return next(filter(None, (_flaw(part, levels - 1) for part in inner)), "")


def _members(value: Any) -> list[Any]:
    if type(value) is not list:
        raise _WrongValueError(f"expected an array of rooms, got {show(value)}")
    return value


def _page_hook(structure_room: Callable[[Any, Any], Room]) -> Callable[[Any, Any], RoomPage]:
    def structure_page(value: Any, _: object) -> RoomPage:
        rooms = []
        for index, member in enumerate(_members(value)):
            try:
                rooms.append(structure_room(member, Room))
            except _FAULTS as fault:
                raise _WrongRoomError(index, fault) from None
        return RoomPage(rooms)

    return structure_page


def _mixed_page_hook(structure_room: Callable[[Any, Any], Room]) -> Callable[[Any, Any], MixedPage]:
    def structure_member(index: int, member: Any) -> Room | InvalidRoom:
        try:
            return structure_room(member, Room)
        except _FAULTS as fault:
            wrong = _wrong(fault, f"$[{index}]")
        return InvalidRoom(uuid=_uuid_in(member), what=wrong.what, where=wrong.where, document=member)

    def structure_page(value: Any, _: object) -> MixedPage:
        return MixedPage(tuple(structure_member(*numbered) for numbered in enumerate(_members(value))))

    return structure_page


def _uuid_in(member: Any) -> str | None:
    try:
        return _uuid(member[WIRE_NAMES["uuid"]], str)
    except (_WrongValueError, LookupError, TypeError):  # a wrong uuid, none, or a member that has no fields
        return None


def _make_converter() -> Converter:
    converter = Converter()
    text = _exactly(str, "a string")
    converter.register_structure_hook(bool, _exactly(bool, "true or false"))
    converter.register_structure_hook(int, _exactly(int, "an integer"))
    converter.register_structure_hook(str, text)
    converter.register_structure_hook(str | None, lambda value, kind: None if value is None else text(value, kind))
    converter.register_structure_hook(datetime, _time)
    structure_room = _room_hook(converter)
    converter.register_structure_hook(Room, structure_room)
    converter.register_structure_hook(RoomPage, _page_hook(structure_room))
    converter.register_structure_hook(MixedPage, _mixed_page_hook(structure_room))
    return converter


_converter: Final = _make_converter()
