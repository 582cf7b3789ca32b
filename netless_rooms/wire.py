"""How the service's JSON and the models map: one converter, one table of names, exact scalars.  Pure.

cattrs coerces by default (``"isBan": "no"`` would become ``True``), so every scalar has a hook here that takes
its own JSON type and nothing else.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, TypeVar

from cattrs import ClassValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, override

from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomDraft, RoomPage, is_uuid
from netless_rooms.signing import is_token

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


def read_json(body: bytes) -> Any:
    """Return what ``body`` says; ``WireError`` if it is not strict JSON in UTF-8."""
    try:
        text = body.decode()
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if "\\u" in text:  # an escaped half of a surrogate pair is no character, and breaks whoever prints it
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise WireError(f"the body is not UTF-8 from byte {error.start} on", "$") from None
    except json.JSONDecodeError as error:
        began = f"it begins {text[:EXCERPT]!r}" if text.strip() else "it is empty"
        raise WireError(f"the body is not JSON: {error.msg} in line {error.lineno}; {began}", "$") from None
    except UnicodeEncodeError:
        raise WireError("the body holds half a surrogate pair, which is no character", "$") from None
    except RecursionError:
        raise WireError("the body is nested too deeply", "$") from None
    except ValueError as error:  # NaN and the infinities, or an integer of thousands of digits
        raise WireError(f"the body is not JSON: {error}", "$") from None
    return document


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
    return json.dumps(value, ensure_ascii=False)


def _refuse(number: str) -> float:
    raise ValueError(f"{number} is no JSON value")


def _finite(number: str) -> float:
    value = float(number)
    return value if isfinite(value) else _refuse(number)


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
    known = frozenset(WIRE_NAMES.values())
    fields: dict[str, Any] = {name: override(rename=wire) for name, wire in WIRE_NAMES.items()}
    fields["uuid"] = override(rename=WIRE_NAMES["uuid"], struct_hook=_uuid)
    fields["extra"] = override(omit=True)
    structure_known = make_dict_structure_fn(RoomDraft, converter, **fields)

    def structure_room(value: Any, _: object) -> Room:
        if type(value) is not dict:
            raise _WrongValueError(f"expected a room object, got {show(value)}")
        draft: Any = structure_known(value, RoomDraft)
        if not value.keys() <= known:
            draft.extra = _checked({name: kept for name, kept in value.items() if name not in known})
        draft.__class__ = Room
        room: Room = draft
        return room

    return structure_room


def _checked(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, kept in extra.items():
        if _is_nested_deeper(kept, MAX_NESTING):
            raise _WrongValueError(f"the unknown field {show(name)} is nested too deeply")
    return extra


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


def _is_nested_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_nested_deeper(part, levels - 1) for part in inner)


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
