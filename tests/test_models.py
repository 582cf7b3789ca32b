"""Rooms and pages are values."""

import copy
import json
import pickle
import re
import uuid as uuids
from collections.abc import Sequence
from datetime import UTC, datetime
from math import inf, nan
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from netless_rooms import InvalidArgumentError, InvalidRoom, Region, Room, RoomPage
from netless_rooms._api.decoding import structure
from netless_rooms.models import MixedPage, as_time, format_duration, is_uuid, same_uuid, uuid1_time
from samples import DASHED, UUID, room_document

TIME = datetime(2021, 1, 18, 6, 56, 29, 432_000, tzinfo=UTC)


def make_room(uuid: str = UUID, **changes: Any) -> Room:
    fields: dict[str, Any] = {"uuid": uuid, "team_uuid": "RMmxxxxx5aw", "created_at": TIME, "limit": 0}
    return Room(**fields | {"is_record": False, "is_ban": False} | changes)


def make_invalid(**changes: Any) -> InvalidRoom:
    fields: dict[str, Any] = {"uuid": "b", "reason": "missing", "location": "$[1].isBan"}
    return InvalidRoom(**fields | {"document": {"uuid": "b"}} | changes)


A, B, C = make_room("a"), make_room("b"), make_room("c")
PAGE = RoomPage((A, B, C))
INVALID = make_invalid()
MIXED = MixedPage((A, INVALID, C))
OTHER: dict[str, Any] = {"uuid": "b", "team_uuid": "b", "app_uuid": "b", "name": "b", "is_record": True}
OTHER |= {"is_ban": True, "created_at": datetime(2022, 1, 1, tzinfo=UTC), "limit": 1, "extra": {"b": 1}}


def test_rooms_are_equal_by_their_fields_and_pages_by_their_rooms() -> None:
    assert len({make_room(extra={"tags": ["a"]}), make_room(extra={"tags": ["a"]})}) == 1
    assert OTHER.keys() == attrs.fields_dict(Room).keys()
    for name, value in OTHER.items():
        assert make_room(**{name: value}) != make_room()
    assert len({make_invalid(), make_invalid(document=["anything"])}) == 1
    for change in ({"uuid": None}, {"reason": "b"}, {"location": "$[2]"}):
        assert make_invalid(**change) != make_invalid()
    assert repr(INVALID) == "InvalidRoom(uuid='b', reason='missing', location='$[1].isBan')"
    assert RoomPage((A, B)) == RoomPage([make_room("a"), make_room("b")]) != RoomPage((B, A))
    assert len({RoomPage((A,)), RoomPage(iter([make_room("a")]))}) == 1
    assert MixedPage((A, INVALID)) == MixedPage((make_room("a"), make_invalid())) != MIXED


@pytest.mark.parametrize("value", [A, INVALID], ids=["room", "invalid room"])
def test_a_value_takes_its_fields_by_name_only_and_keeps_them(value: Any) -> None:
    for field in attrs.fields(type(value)):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, field.name, "x")
    assert not hasattr(value, "__dict__")
    assert not hasattr(PAGE, "__dict__")
    with pytest.raises(TypeError, match="positional"):
        type(value)(*"abcd")


@pytest.mark.parametrize("value", [make_room(extra={"a": []}), PAGE, RoomPage(), INVALID, MIXED], ids=repr)
def test_values_survive_pickle_and_copy(value: object) -> None:
    for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301  our own
        assert twin == value
        assert repr(twin) == repr(value)
    assert copy.deepcopy(INVALID).document == {"uuid": "b"}
    assert (A.app_uuid, A.name, A.extra) == (None, None, {})  # what the service may leave out


def test_a_page_is_a_sequence_of_its_rooms_in_order() -> None:
    assert isinstance(PAGE, Sequence)
    assert list(PAGE) == [A, B, C]
    assert list(reversed(PAGE)) == [C, B, A]
    assert (PAGE[0], PAGE[1], PAGE[-1]) == (A, B, C)
    for part, rooms in ((PAGE[1:], [B, C]), (PAGE[::-2], [C, A]), (PAGE[5:], [])):
        assert type(part) is RoomPage
        assert list(part) == rooms
    assert PAGE.index(C) == 2
    assert make_room("a") in PAGE
    assert make_room("d") not in PAGE
    with pytest.raises(IndexError):
        PAGE[3]
    assert len(PAGE) == 3
    assert not RoomPage()


def test_the_repr_of_a_page_is_short() -> None:
    assert repr(RoomPage(make_room(f"a{n}") for n in range(1000))) == "<RoomPage of 1000 rooms: 'a0' to 'a999'>"
    assert repr(RoomPage([A])) == "<RoomPage of 1 room: 'a' to 'a'>"
    assert repr(RoomPage()) == "<RoomPage of 0 rooms>"


WIRE: dict[str, Any] = room_document(name="bé", tags=[{"a": None}], extra=1, is_ban="theirs")


def test_a_room_leaves_as_built_ins_and_comes_back() -> None:
    room = structure(WIRE, Room)
    row = room.to_dict()
    fields = {name: getattr(room, name) for name in OTHER}
    assert row == fields | {"created_at": "2021-01-18T06:56:29.432Z"}
    assert list(row) == list(OTHER)
    assert room.to_dict(wire=True) == WIRE
    assert structure(room_document(appUUID=...), Room).to_dict(wire=True) == room_document(appUUID=...)
    for document in (row, WIRE):
        for read in (json.loads(json.dumps(document)), MappingProxyType(document)):
            assert Room.from_dict(read) == room
    assert Room.from_dict({**make_room().to_dict(), "new": 1}) == make_room(extra={"new": 1})
    row["extra"]["tags"].append("mine")
    Room.from_dict(WIRE).extra["tags"].append("mine")
    assert room.to_dict(wire=True) == WIRE
    precise = make_room(created_at=TIME.replace(microsecond=1))
    assert Room.from_dict(precise.to_dict()) == precise


BROKEN: list[tuple[Any, str]] = [
    *(([], "a mapping, not list"), ({}, "missing (and 5 more) at $.uuid")),
    ({**make_room().to_dict(), "is_ban": "no"}, 'expected true or false, got "no" at $.is_ban'),
    ({**make_room().to_dict(), "isBan": True}, "missing (and 2 more) at $.teamUUID"),
    ({**make_room().to_dict(), "extra": {"isBan": True}}, "expected an object of unknown fields at $.extra"),
    ({**make_room().to_dict(), "extra": None}, "expected an object of unknown fields at $.extra"),
    ({**WIRE, "limit": "NETLESSSDK_s3cret"}, 'expected an integer, got "NETLESS…" at $.limit'),
    ({**WIRE, "createdAt": TIME}, "it cannot be written as JSON: TypeError"),
    ({**WIRE, "size": nan}, "it cannot be written as JSON: ValueError"),
]


def test_what_is_no_room_does_not_come_back() -> None:
    for document, words in BROKEN:
        with pytest.raises(InvalidArgumentError) as caught:
            Room.from_dict(document)
        assert re.sub("^document must be (what to_dict.. returns: )?", "", str(caught.value)) == words
        assert caught.value.__context__ is None


ALIKE = [(UUID, UUID), (UUID, DASHED), (DASHED, UUID.upper()), ("room", "room")]
UNLIKE = [(UUID, UUID[:-1] + "0"), ("room", "ROOM"), ("a-b", "ab"), (UUID[:-1], UUID[:-1].upper()), ("", "-")]
UNLIKE += [(UUID + "a", UUID + "A"), (UUID[:-1] + "g", UUID[:-1] + "G")]


def test_uuids_durations_clocks_and_regions_are_as_documented() -> None:
    for one, other in ALIKE + UNLIKE:
        alike = (one, other) in ALIKE
        assert same_uuid(one, other) is same_uuid(other, one) is alike, (one, other)
    good = [UUID, DASHED, "a", "Z", "_", "-", "a" * 128]
    bad = ["", "a/b", "a.b", "é", "٣", "a\n", "a b", "%61", "a" * 129]
    assert [text for text in good + bad if is_uuid(text)] == good
    for spelling in (UUID, DASHED, UUID.upper()):
        assert uuid1_time(spelling) == datetime(2020, 4, 29, 3, 5, 1, 637_000, tzinfo=UTC)
    for text in (uuids.UUID(UUID, version=4).hex, UUID[:-1], UUID + "a", "1" * 13):
        assert uuid1_time(text) is None
    assert [(seconds, format_duration(seconds)) for seconds, _ in DURATIONS] == DURATIONS
    assert as_time(1_600_000_000.25) == datetime(2020, 9, 13, 12, 26, 40, 250_000, tzinfo=UTC)
    for odd in (nan, inf, -inf, 1e300, -1e14):
        assert as_time(odd) == datetime(1970, 1, 1, tzinfo=UTC)
    headers = {"US_SV": "us-sv", "SG": "sg", "IN_MUM": "in-mum", "EU": "eu", "CN_HZ": "cn-hz"}
    assert {region.name: str(region) for region in Region} == headers


DURATIONS = [(0.4, "0:00:00"), (74.5, "0:01:14"), (74.6, "0:01:15"), (100_000, "1 day, 3:46:40")]
DURATIONS += [(1e300, "1e+300 s"), (inf, "inf s")]
