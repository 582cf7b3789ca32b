"""The rooms that the emulator computes."""

import json
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms.emulator import Emulator
from netless_rooms.emulator.generated import MOST_ROOMS, GeneratedRooms

MILLION = GeneratedRooms(1_000_000)
TICKS_TO_1970 = 0x01B21DD213814000

ACCOUNTS = [
    MILLION,
    *(GeneratedRooms(count) for count in (1, 2, 3, 100, 1023, 1024, 1025, 77_777, MOST_ROOMS)),
]


@st.composite
def rooms_and_index(draw: st.DrawFn) -> tuple[GeneratedRooms, int]:
    rooms = draw(st.sampled_from(ACCOUNTS))
    return rooms, draw(st.integers(0, len(rooms) - 1))


@given(rooms_and_index())
def test_the_fast_text_is_the_json_of_the_room(drawn: tuple[GeneratedRooms, int]) -> None:
    rooms, index = drawn
    spelled = json.dumps(rooms.room(index), ensure_ascii=False, separators=(",", ":"))
    assert rooms.texts([index]) == [spelled]


@given(rooms_and_index())
def test_a_uuid_leads_back_to_its_room(drawn: tuple[GeneratedRooms, int]) -> None:
    rooms, index = drawn
    assert rooms.index(rooms.uuid(index)) == index
    assert rooms.room(index)["uuid"] == rooms.uuid(index)


@given(rooms_and_index())
def test_uuids_increase_with_the_index(drawn: tuple[GeneratedRooms, int]) -> None:
    rooms, index = drawn
    assert index + 1 == len(rooms) or rooms.uuid(index) < rooms.uuid(index + 1)


@given(rooms_and_index())
def test_uuids_are_version_1_and_hold_the_time_of_creation(drawn: tuple[GeneratedRooms, int]) -> None:
    """Rules: room-uuid, room-uuid-time."""
    rooms, index = drawn
    uuid = UUID(rooms.uuid(index))
    assert (uuid.hex, uuid.version) == (rooms.uuid(index), 1)
    assert uuid.time == rooms.ticks(index)
    milliseconds = (uuid.time - TICKS_TO_1970) // 10_000
    assert str(rooms.room(index)["createdAt"]).endswith(f".{milliseconds % 1000:03d}Z")
    assert "2019-01-01" <= str(rooms.room(index)["createdAt"]) < "2025-01-01"


@given(st.text(max_size=40) | st.text("0123456789abcdef", min_size=32, max_size=32))
def test_other_texts_are_no_room(text: str) -> None:
    index = MILLION.index(text)
    assert index is None or MILLION.uuid(index) == text


def test_old_rooms_have_a_name_and_newer_ones_an_app() -> None:
    """Rules: room-members, room-members-old."""
    rooms = [MILLION.room(index) for index in range(0, 1_000_000, 991)]
    old = [room for room in rooms if str(room["createdAt"]) < "2021"]
    new = [room for room in rooms if str(room["createdAt"]) >= "2021"]
    shared = {"uuid", "teamUUID", "isRecord", "isBan", "createdAt", "limit"}
    assert {frozenset(room) for room in old} == {frozenset(shared | {"name"})}
    assert {frozenset(room) for room in new} == {frozenset(shared | {"appUUID"})}
    assert len(old) > 100
    assert len(new) > 100


def test_a_million_rooms_look_like_an_account() -> None:
    rooms = [MILLION.room(index) for index in range(0, 1_000_000, 331)]
    years = Counter(str(room["createdAt"])[:4] for room in rooms)
    digits = Counter(str(room["uuid"])[0] for room in rooms)
    assert sorted(years) == ["2019", "2020", "2021", "2022", "2023", "2024"]
    assert min(years.values()) > len(rooms) / 12
    assert len(digits) == 16
    assert max(digits.values()) < min(digits.values()) * 1.1
    assert 0.01 < sum(bool(room["isBan"]) for room in rooms) / len(rooms) < 0.06
    assert 0 < sum(bool(room["limit"]) for room in rooms) < len(rooms) / 5
    assert 0 < sum(bool(room["isRecord"]) for room in rooms) < len(rooms) / 5


def test_the_order_of_uuids_is_not_the_order_of_creation() -> None:
    ticks = [MILLION.ticks(index) for index in range(1000)]
    rising = sum(one < other for one, other in pairwise(ticks))
    assert 300 < rising < 700


def test_the_same_number_makes_the_same_rooms() -> None:
    assert list(Emulator(rooms=50).uuids()) == list(Emulator(rooms=50).uuids())


def test_a_million_rooms_hold_little_memory() -> None:
    tracemalloc.start()
    emulator = Emulator(rooms=1_000_000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert emulator.room_count == 1_000_000
    assert held < 5_000_000


@pytest.mark.parametrize("rooms", [-1, MOST_ROOMS + 1, -sys.maxsize])
def test_an_impossible_number_of_rooms_is_refused(rooms: int) -> None:
    with pytest.raises(ValueError, match="rooms must be 0 to"):
        Emulator(rooms=rooms)


@pytest.mark.parametrize("rooms", [1.0, "3", True, None])
def test_a_number_of_rooms_that_is_no_integer_is_refused(rooms: object) -> None:
    with pytest.raises(TypeError, match="rooms must be an int"):
        Emulator(rooms=rooms)  # type: ignore[arg-type]  # the wrong type is the point
