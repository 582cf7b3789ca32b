"""A quicker way from a body to rooms, if the extra ``speedups`` is installed.  Pure.

It is sure of rooms that are as the service documents them: a uuid of letters and digits, a time to the
millisecond.  Everything else, good or bad, is left to the plain way in ``wire``, which alone says what is wrong.
So a yes must be right, and "not sure" always is; a test holds the one against the other.

If all rooms of a body are so, and no field is unknown, they are read in one go.  Else the body is read as the JSON
module would, then its rooms where that is sure, and ``structure`` does the rest.

Most of the time goes into calls, so the rooms of a page are checked together and not one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from attrs import NOTHING, fields, frozen

from netless_rooms._api.decoding import KNOWN_FIELDS, WIRE_NAMES, read_json, unknown_fields
from netless_rooms._api.requests import Result
from netless_rooms.models import MAX_UUID_LENGTH, MixedPage, Room, RoomDraft, RoomPage

_TIME: Final = "2021-01-18T06:56:29.432Z"  # the form that the service documents
FEW: Final = 16  # among so many, to look for the odd room is no quicker than to leave them all to the plain way


def read_quickly(body: bytes, model: type[Result]) -> Result | None:
    """Return ``body`` as ``model``, just as ``structure(read_json(body), model)`` does; ``None`` if not sure."""
    answer: Result | None = _QUICK.readers[model](body) if _QUICK else None
    return answer


def read_json_quickly(body: bytes) -> Any:
    """Return what ``read_json`` returns, or raise what it raises."""
    document = _QUICK.read_json(body) if _QUICK else None
    return read_json(body) if document is None else document  # a null is read twice, and is no answer anyway


def with_rooms(document: Any) -> Any:
    """Return ``document``; if it is a list, each member that is sure to be a room has become one.

    ``structure`` takes these as they are, so it makes the same of both.  To come near a member that is not sure,
    the list is halved again and again.
    """
    if _QUICK is None or type(document) is not list:
        return document
    rooms = _QUICK.rooms_of(document)
    if rooms is not None:
        return rooms
    half = len(document) // 2
    return document if half < FEW else with_rooms(document[:half]) + with_rooms(document[half:])


def _rooms(told: Sequence[Any]) -> list[Room]:
    # Letters and digits only, so none of the uuids holds a token, which has a "_".
    if not "".join([each.uuid for each in told]).encode().isalnum():
        raise ValueError("not plain uuids")
    # What has this length and these marks in this order, and is a time at all, is a time in this form.
    if _marks("".join([each.created_at for each in told])) != _marks(_TIME) * len(told):
        raise ValueError("not plain times")
    rooms: list[Room] = []
    for each in told:
        draft: Any = object.__new__(RoomDraft)  # __init__, or a function for the loop's body, shows in the time
        draft.uuid = each.uuid
        draft.team_uuid = each.team_uuid
        draft.app_uuid = each.app_uuid
        draft.name = each.name
        draft.is_record = each.is_record
        draft.is_ban = each.is_ban
        draft.created_at = datetime.fromisoformat(each.created_at)
        draft.limit = each.limit
        draft.extra = {}
        draft.__class__ = Room
        rooms.append(draft)
    return rooms


def _marks(times: str) -> bytes:
    return times.encode().translate(None, b"0123456789")


def _rooms_of(documents: Sequence[Any], told: Sequence[Any]) -> list[Room]:
    texts = [text for each in told for text in (each.team_uuid, each.app_uuid or "", each.name or "")]
    "".join(texts).encode()  # fails for half a surrogate pair, which a text that was no text before may hold
    rooms = _rooms(told)
    for room, document in zip(rooms, documents, strict=True):
        if not document.keys() <= KNOWN_FIELDS:
            object.__setattr__(room, "extra", unknown_fields(document))  # nobody has seen the room yet
    return rooms


@frozen
class _Quick:
    """What msgspec does here; each gives ``None`` if not sure."""

    readers: Mapping[type, Callable[[bytes], Any]]
    read_json: Callable[[bytes], Any]
    rooms_of: Callable[[list[Any]], list[Room] | None]


def _make_quick() -> _Quick | None:
    try:
        from msgspec import DecodeError, Meta, convert, defstruct
        from msgspec.json import Decoder
    except ImportError:
        return None

    def shape_of(name: str, kind: Any) -> Any:
        if name == "uuid":
            return Annotated[kind, Meta(min_length=1, max_length=MAX_UUID_LENGTH)]
        return Annotated[str, Meta(min_length=len(_TIME), max_length=len(_TIME))] if kind is datetime else kind

    known = [(f.name, shape_of(f.name, f.type), f.default) for f in fields(Room) if f.name in WIRE_NAMES]

    def shape(name: str, *, is_closed: bool) -> Any:
        return defstruct(
            name,
            [each[:2] if each[2] is NOTHING else each for each in known],
            rename=WIRE_NAMES,
            forbid_unknown_fields=is_closed,
            kw_only=True,
            gc=False,  # texts and numbers make no cycle
        )

    closed: Any = shape("RoomShape", is_closed=True)
    opened: Any = shape("OpenRoomShape", is_closed=False)
    one, many = Decoder(closed), Decoder(list[closed])

    def or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def read_if_sure(given: Any) -> Any:
            try:
                return read(given)
            except (DecodeError, ValueError, RecursionError):  # no JSON or no such shape; not plain; too deep
                return None

        return read_if_sure

    return _Quick(
        {
            Room: or_none(lambda body: _rooms([one.decode(body)])[0]),
            RoomPage: or_none(lambda body: RoomPage(_rooms(many.decode(body)))),
            MixedPage: or_none(lambda body: MixedPage(tuple(_rooms(many.decode(body))))),
        },
        or_none(Decoder().decode),
        or_none(lambda documents: _rooms_of(documents, convert(documents, list[opened]))),
    )


_QUICK: Final = _make_quick()
