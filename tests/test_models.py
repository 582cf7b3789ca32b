"""Rooms and pages are values."""

import copy
import math
import pickle
import uuid as uuids
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import InvalidRoom, Region, Room, RoomPage
from netless_rooms.models import MixedPage, as_time, is_uuid, spell_seconds, spelled_alike, time_in_uuid
from samples import DASHED, UUID


def make_room(uuid: str = UUID, **changes: Any) -> Room:
    fields: dict[str, Any] = {
        "uuid": uuid,
        "team_uuid": "RMmxxxxx5aw",
        "is_record": False,
        "is_ban": False,
        "created_at": datetime(2021, 1, 18, 6, 56, 29, 432_000, tzinfo=UTC),
        "limit": 0,
    }
    return Room(**fields | changes)


def make_invalid(**changes: Any) -> InvalidRoom:
    fields: dict[str, Any] = {"uuid": "b", "what": "missing", "where": "$[1].isBan", "document": {"uuid": "b"}}
    return InvalidRoom(**fields | changes)


A, B, C = make_room("a"), make_room("b"), make_room("c")
PAGE = RoomPage((A, B, C))
WRONG = make_invalid()
MIXED = MixedPage((A, WRONG, C))


def test_rooms_with_the_same_fields_are_equal_and_hash_alike() -> None:
    assert make_room() == make_room()
    assert len({make_room(), make_room()}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"uuid": "b"},
        {"team_uuid": "b"},
        {"app_uuid": "b"},
        {"name": "b"},
        {"is_record": True},
        {"is_ban": True},
        {"created_at": datetime(2022, 1, 1, tzinfo=UTC)},
        {"limit": 1},
        {"extra": {"b": 1}},
    ],
    ids=lambda change: str(*change),
)
def test_rooms_that_differ_in_any_field_are_unequal(change: dict[str, Any]) -> None:
    assert make_room(**change) != make_room()


def test_a_room_with_unknown_fields_is_hashable() -> None:
    assert len({make_room(extra={"tags": ["a"]}), make_room(extra={"tags": ["a"]})}) == 1


@pytest.mark.parametrize("field", attrs.fields(Room), ids=lambda field: field.name)
def test_no_field_of_a_room_can_be_set(field: "attrs.Attribute[Any]") -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(make_room(), field.name, "x")


def test_a_room_takes_no_attribute_of_a_strangers() -> None:
    assert not hasattr(make_room(), "__dict__")
    assert not hasattr(PAGE, "__dict__")


def test_a_room_takes_its_fields_by_name_only() -> None:
    with pytest.raises(TypeError):
        Room("a", "b")  # type: ignore[call-arg]  # that is the point


def test_what_the_service_may_leave_out_is_none_and_extra_is_empty() -> None:
    room = make_room()
    assert (room.app_uuid, room.name, room.extra) == (None, None, {})


def test_two_rooms_never_share_their_extra() -> None:
    assert A.extra is not B.extra


@pytest.mark.parametrize("value", [make_room(name="n", extra={"tags": ["a"]}), PAGE, RoomPage(), WRONG, MIXED])
def test_values_survive_pickle_and_copy(value: object) -> None:
    for twin in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):  # noqa: S301  our own
        assert twin == value
        assert repr(twin) == repr(value)


def test_a_page_is_a_sequence_of_its_rooms_in_order() -> None:
    assert isinstance(PAGE, Sequence)
    assert list(PAGE) == [A, B, C]
    assert list(reversed(PAGE)) == [C, B, A]
    assert len(PAGE) == 3
    assert (PAGE[0], PAGE[-1]) == (A, C)
    assert PAGE.index(B) == 1
    assert PAGE.count(make_room("a")) == 1
    assert PAGE.rooms == (A, B, C)


def test_a_slice_of_a_page_is_a_tuple_of_rooms() -> None:
    assert PAGE[1:] == (B, C)
    assert PAGE[::-2] == (C, A)
    assert PAGE[5:] == ()


def test_a_place_outside_a_page_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        PAGE[3]


def test_a_page_holds_an_equal_room() -> None:
    assert make_room("b") in PAGE
    assert make_room("d") not in PAGE


def test_an_empty_page_is_false() -> None:
    assert not RoomPage()
    assert PAGE


def test_a_page_is_a_value() -> None:
    assert RoomPage((A, B)) == RoomPage((make_room("a"), make_room("b"))) != RoomPage((B, A))
    assert len({RoomPage((A,)), RoomPage((make_room("a"),))}) == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PAGE.rooms = ()  # type: ignore[misc]  # that is the point


def test_a_member_that_is_no_room_is_known_by_everything_but_what_the_service_sent() -> None:
    assert make_invalid() == make_invalid(document=["anything"])
    assert hash(make_invalid()) == hash(make_invalid(document=["anything"]))
    assert repr(WRONG) == "InvalidRoom(uuid='b', what='missing', where='$[1].isBan')"
    assert copy.deepcopy(WRONG).document == WRONG.document == {"uuid": "b"}


@pytest.mark.parametrize("change", [{"uuid": None}, {"what": "b"}, {"where": "$[2]"}], ids=lambda c: str(*c))
def test_members_that_are_no_rooms_and_differ_in_what_is_said_of_them_are_unequal(change: dict[str, Any]) -> None:
    assert make_invalid(**change) != make_invalid()


@pytest.mark.parametrize("field", attrs.fields(InvalidRoom), ids=lambda field: field.name)
def test_no_field_of_an_invalid_room_can_be_set(field: "attrs.Attribute[Any]") -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(make_invalid(), field.name, "x")
    assert not hasattr(WRONG, "__dict__")


def test_a_mixed_page_is_a_sequence_of_its_members_in_order() -> None:
    assert isinstance(MIXED, Sequence)
    assert (list(MIXED), len(MIXED), MIXED[1], MIXED[1:]) == ([A, WRONG, C], 3, WRONG, (WRONG, C))
    assert not hasattr(MIXED, "__dict__")
    assert not MixedPage()


def test_regions_are_the_header_values_of_the_page() -> None:
    assert {region.name: str(region) for region in Region} == {
        "US_SV": "us-sv",
        "SG": "sg",
        "IN_MUM": "in-mum",
        "EU": "eu",
        "CN_HZ": "cn-hz",
    }


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (UUID, UUID, True),
        (UUID, DASHED, True),
        (DASHED, UUID.upper(), True),
        (UUID, UUID[:-1] + "0", False),
        ("room", "room", True),
        ("room", "ROOM", False),
        ("a-b", "ab", False),
        (UUID[:-1], UUID[:-1].upper(), False),
        (UUID[:-1] + "g", UUID[:-1] + "G", False),
        ("", "-", False),
    ],
)
def test_only_uuids_have_several_spellings(one: str, other: str, *, alike: bool) -> None:
    assert spelled_alike(one, other) is alike
    assert spelled_alike(other, one) is alike


@given(st.uuids())
def test_every_spelling_of_a_uuid_names_the_same_room(uuid: uuids.UUID) -> None:
    assert spelled_alike(uuid.hex, str(uuid).upper())


@pytest.mark.parametrize("text", [UUID, DASHED, "a", "0e6exxxxxxd95", "_", "-", "a" * 128])
def test_letters_digits_and_dashes_can_name_a_room(text: str) -> None:
    assert is_uuid(text)


@pytest.mark.parametrize("text", ["", "a/b", "a.b", "é", "٣", "a\n", "a b", "%61", "a" * 129])
def test_what_would_change_a_path_cannot_name_a_room(text: str) -> None:
    assert not is_uuid(text)


def test_a_page_of_any_iterable_is_one_value() -> None:
    assert RoomPage([make_room()]) == RoomPage((make_room(),))
    assert hash(RoomPage([make_room()])) == hash(RoomPage(iter([make_room()])))


# The time inside a uuid


@pytest.mark.parametrize("spelled", [UUID, DASHED, UUID.upper()])
def test_the_time_inside_a_version_1_uuid_is_told(spelled: str) -> None:
    told = time_in_uuid(spelled)
    assert told == datetime(2020, 4, 29, 3, 5, 1, 637_000, tzinfo=UTC)
    assert told == time_of(uuids.UUID(UUID))


def time_of(known: uuids.UUID) -> datetime:
    return datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=known.time // 10)


@given(st.uuids(version=4) | st.text("0123456789abcdefx-", max_size=40))
def test_only_a_version_1_uuid_tells_a_time(text: object) -> None:
    digits = str(text).replace("-", "")
    is_version_1 = len(digits) == 32 and "x" not in digits and digits[12] == "1"
    assert (time_in_uuid(str(text)) is not None) is is_version_1


@given(st.uuids(version=1))
def test_every_version_1_uuid_tells_a_time(any_uuid: uuids.UUID) -> None:
    assert time_in_uuid(any_uuid.hex) == time_of(any_uuid)


@pytest.mark.parametrize(
    ("seconds", "spelled"), [(0.4, "0:00:00"), (75, "0:01:15"), (100_000, "1 day, 3:46:40"), (1e300, "1e+300 s")]
)
def test_a_length_of_time_is_spelled_for_people(seconds: float, spelled: str) -> None:
    assert spell_seconds(seconds) == spelled


def test_a_length_without_an_end_is_spelled_too() -> None:
    assert spell_seconds(math.inf) == "inf s"


def test_what_a_clock_says_is_a_time() -> None:
    assert as_time(1_600_000_000.25) == datetime(2020, 9, 13, 12, 26, 40, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e300, -1e14])
def test_what_a_clock_says_beyond_all_time_is_no_error(seconds: float) -> None:
    assert as_time(seconds) == datetime(1970, 1, 1, tzinfo=UTC)
