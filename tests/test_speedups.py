"""The fast path returns what the strict converter returns, or nothing."""

import copy
import json
import pickle
import sys
import weakref
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from decoding import decode
from hypothesis_profiles import examples
from netless_rooms._api import responses, speedups
from netless_rooms._api.decoding import WIRE_NAMES, WireError, read_json, structure
from netless_rooms._api.requests import list_rooms
from netless_rooms._api.responses import parse_response
from netless_rooms._api.speedups import FEW, read_json_quickly, read_quickly, with_rooms
from netless_rooms.models import MixedPage, Room, RoomPage
from odd_bodies import DEEP, ODD_NAMES, ODD_SPACES, ODD_VALUES, ROOM, members_of, odd_bodies, spelled
from samples import CREATED, DISABLED, GOT, LISTED, printed, room_document, room_json

MODELS: list[Any] = [Room, RoomPage, MixedPage]


def agree(body: str | bytes) -> None:
    """Read ``body`` as every model, which holds the fast path against the strict converter."""
    for model in MODELS:
        with suppress(WireError):
            decode(body, model)


# Agreement


@settings(examples(30, many=3_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(odd_bodies)
def test_the_fast_path_agrees_with_the_strict_converter_about_any_body(body: tuple[str, bytes]) -> None:
    agree(body[1])


@pytest.mark.parametrize("wire", [*WIRE_NAMES.values(), "x"])
def test_the_fast_path_agrees_about_every_odd_value(wire: str) -> None:
    for odd in ODD_VALUES:
        room = json.dumps(room_document(**{wire: "?"})).replace('"?"', odd)
        agree(room)
        agree(f"[{ROOM},{room}]")


def test_the_fast_path_agrees_about_every_odd_name_space_and_end() -> None:
    members = members_of(room_document())
    for name in ODD_NAMES:
        agree(f"[{ROOM},{spelled([*members, (name, 'true')])}]")
    for odd in (*ODD_SPACES, DEEP, "1", "]", '"'):
        for body in (odd, spelled(members, odd), f"{odd}{ROOM}", f"{ROOM}{odd}", f"[{ROOM}{odd}]"):
            agree(body)
    for end in range(len(CREATED)):
        agree(CREATED[:end])


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x00"])
def test_the_fast_path_agrees_about_what_is_not_utf_8(raw: bytes) -> None:
    body = room_json(teamUUID="?", name="?")
    for damaged in (body.replace(b"?", raw), body.replace(b"isBan", b"isBan" + raw), body + raw, raw + body):
        agree(damaged)


def test_times_that_are_wrong_in_opposite_ways_do_not_make_up_for_each_other() -> None:
    for one, other in [("2021-01-18T06:56:29.43Z", "2021-01-18T06:56:29.4321Z"), ("2021-01-18T06:56:29", ".432Z")]:
        agree(json.dumps([room_document(createdAt=one), room_document(createdAt=other)]))


# What is fast


@pytest.mark.parametrize(
    "body",
    [
        *(CREATED, GOT, DISABLED, LISTED),
        room_json(name='é 😀 " \\ / \x7f \u2028 NETLESSSDK_a', appUUID=None),
        room_json(uuid="A0z" * 42 + "Zz", appUUID=..., limit=10**18, createdAt="2024-02-29T12:00:00.001Z"),
        json.dumps([room_document(uuid=f"a{n}", limit=n, name="é") for n in range(1000)], ensure_ascii=False),
    ],
    ids=["created", "got", "disabled", "listed", "any text", "the longest uuid", "a thousand rooms"],
)
def test_documented_rooms_are_read_at_once(body: str | bytes) -> None:
    agree(body)
    sent = body if isinstance(body, bytes) else body.encode()
    for model in MODELS[1:] if sent.startswith(b"[") else MODELS[:1]:
        assert read_quickly(sent, model) is not None


@pytest.mark.parametrize("envelope", ["%s", printed(200, "%s")], ids=["bare", "printed"])
def test_rooms_with_unknown_fields_leave_nothing_to_the_strict_converter(
    envelope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "structure", lambda document, _: document)
    body = envelope % f"[{room_json(x=[]).decode()}, {ROOM}]"
    rooms: Any = parse_response(list_rooms(), 200, {}, body.encode())
    assert [(type(room), room.extra) for room in rooms] == [(Room, {"x": []}), (Room, {})]


@pytest.mark.parametrize("place", [0, 50, 99])
def test_an_odd_room_leaves_few_to_the_strict_converter(place: int) -> None:
    documents = [room_document(uuid=f"a{n}") for n in range(100)]
    documents[place] |= {"uuid": "a-b", "x": 1}
    agree(json.dumps(documents))
    left = [member for member in with_rooms(documents) if type(member) is not Room]
    assert documents[place] in left
    assert len(left) < 2 * FEW


# Rooms


@pytest.mark.parametrize("body", [room_json(), room_json(x=[]), room_json(uuid="a-b")])
def test_a_room_that_was_read_is_a_room_like_any_other(body: bytes) -> None:
    (room,) = parse_response(list_rooms(), 200, {}, b"[%s]" % body)
    made = Room(**attrs.asdict(room))
    assert type(room) is Room
    assert (room, hash(room), repr(room)) == (made, hash(made), repr(made))
    for twin in (pickle.loads(pickle.dumps(room)), copy.copy(room), copy.deepcopy(room)):  # noqa: S301  our own
        assert (type(twin), twin) == (Room, made)
    assert weakref.ref(room)() is room
    assert not hasattr(room, "__dict__")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        room.limit = 1  # type: ignore[misc]  # that is the point
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del room.limit


@pytest.mark.parametrize("extra", [{}, {"x": []}], ids=["no unknown field", "an unknown field"])
def test_no_two_rooms_share_their_extra(extra: dict[str, Any]) -> None:
    one, other = parse_response(list_rooms(), 200, {}, b"[%s, %s]" % ((room_json(**extra),) * 2))
    assert one.extra == other.extra == extra
    assert one.extra is not other.extra
    assert not extra or one.extra["x"] is not other.extra["x"]


# Without the extra


def test_without_the_extra_the_strict_converter_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    quick = speedups._make_quick()
    assert quick is None
    monkeypatch.setattr(speedups, "_QUICK", quick)
    for model in MODELS:
        assert read_quickly(room_json(), model) is None
    assert read_json_quickly(room_json()) == room_document()
    assert with_rooms([room_document()]) == [room_document()]
    with pytest.raises(WireError, match="is not JSON"):
        read_json_quickly(b"")
    (room,) = parse_response(list_rooms(), 200, {}, b"[%s]" % room_json())
    assert room == structure(read_json(room_json()), Room)
