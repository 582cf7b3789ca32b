"""Bodies become rooms exactly, or the error says why not and where; the fast path agrees throughout."""

import copy
import json
import pickle
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from decoding import decode
from netless_rooms._api.decoding import BYTE_ORDER_MARK as MARK
from netless_rooms._api.decoding import WIRE_NAMES, WireError, decode_documented, parse_json, show, structure
from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomPage
from odd_bodies import DEEP, ODD_NAMES, ODD_SPACES, ODD_VALUES, ROOM, members_of, odd_bodies, spelled
from samples import GOT, LISTED, UUID, room_document, room_json
from selection import examples

DEEPEST = 32  # levels of an unknown field


def nested(levels: int, core: Any = "core") -> Any:
    for level in range(levels):
        core = [core] if level % 2 else {"in": core}
    return core


def room_with(**changes: Any) -> Room:
    return decode(room_json(**changes), Room)


def fault(body: bytes | str, model: type[Room | RoomPage | MixedPage] = Room) -> tuple[str, str]:
    with pytest.raises(WireError) as caught:
        decode(body, model)
    assert caught.value.args == (caught.value.reason, caught.value.path)
    return caught.value.reason, caught.value.path


def fault_with(**changes: Any) -> tuple[str, str]:
    return fault(room_json(**changes))


def test_the_documented_room_and_list_are_decoded_with_every_field() -> None:
    time = datetime(2021, 1, 18, 6, 56, 29, 432_000, tzinfo=UTC)
    texts = {"uuid": "4axxxxx96b", "team_uuid": "RMmxxxxx5aw", "app_uuid": "i5xxxxx1AQ", "name": None}
    rest = {"is_record": False, "is_ban": False, "limit": 0, "created_at": time, "extra": {}}
    assert attrs.asdict(decode(GOT, Room)) == texts | rest
    assert [room.uuid for room in decode(LISTED, RoomPage)] == ["0e6exxxxxxd95", "1d4xxxxxxca69"]
    assert (decode("[]", RoomPage), decode("[]", MixedPage)) == (RoomPage(), MixedPage())
    text = 'é \U0001f600 " \\ / \x00 \x7f \u2028 NETLESSSDK_a'
    document = room_document(name=text, teamUUID="", isRecord=True, limit=-(10**18))
    for ensure_ascii in (True, False):
        room = decode(json.dumps(document, ensure_ascii=ensure_ascii), Room)
        assert (room.name, room.team_uuid, room.is_record, room.limit) == (text, "", True, -(10**18))
    for absent in (None, ...):
        for name, room in (("name", room_with(name=absent)), ("app_uuid", room_with(appUUID=absent))):
            assert (getattr(room, name), room.extra) == (None, {})
    deep = {"x": nested(DEEPEST), "": None, "team_uuid": "x", "extra": {"a": 1}, "big": [10**4_299, 1e308, -0.0]}
    assert room_with(**deep).extra == deep


def test_neither_order_nor_space_nor_a_mark_matters_and_the_last_of_a_repeated_field_counts() -> None:
    turned = json.dumps(dict(reversed(room_document(name="n").items())), indent=4)
    assert decode(f" \t\r\n{turned}\n", Room) == room_with(name="n")
    body = room_json().decode()
    assert decode(body[:-1] + ', "limit": 5}', Room).limit == 5
    assert decode('{"limit": null, ' + body[1:], Room).limit == 0
    assert fault(body[:-1] + ', "limit": null}') == ("expected an integer, got null", "$.limit")
    for uuid, is_fast in ((UUID, True), ("a-b", False)):
        marked = MARK + room_json(uuid=uuid)
        assert decode(marked, Room, is_fast=is_fast) == room_with(uuid=uuid)


RIGHT_TYPES: dict[str, Any] = {"uuid": ((str,), "a room's uuid"), "teamUUID": ((str,), "a string")}
RIGHT_TYPES |= dict.fromkeys(("appUUID", "name"), ((str, type(None)), "a string"))
RIGHT_TYPES |= dict.fromkeys(("isRecord", "isBan"), ((bool,), "true or false"))
RIGHT_TYPES |= {"createdAt": ((str,), "a UTC time such as 2021-01-18T06:56:29.432Z")}
RIGHT_TYPES |= {"limit": ((int,), "an integer")}
VALUES = ["text", "", "true", "0", True, False, 0, 1, -1.0, 0.0, None, [], {}, ["text"], {"a": 1}]


def test_a_value_of_a_wrong_type_or_no_uuid_is_an_error_in_its_place() -> None:
    for wire, (right, words) in RIGHT_TYPES.items():
        for value in VALUES:
            if type(value) not in right:
                what = f"expected {words}, got {show(value)}"
                assert fault_with(**{wire: value}) == (what, f"$.{wire}")
                page = json.dumps([room_document(), room_document(**{wire: value})])
                assert fault(page, RoomPage) == (what, f"$[1].{wire}")
    shown = [({}, "an object"), ([], "an array"), ("é\n", '"é\\n"'), (True, "true"), (1.5, "1.5")]
    for value, words in [*shown, ("a @ $.b", '"a @ $.b"')]:  # the last looks like a place
        assert fault_with(limit=value) == (f"expected an integer, got {words}", "$.limit")
    for uuid in ("a-B_1", "a" * 128, "NETLESSSDK", "NETLESSFOO_a"):
        assert room_with(uuid=uuid).uuid == uuid
    for uuid in NO_UUIDS:
        assert fault_with(uuid=uuid) == (f"expected a room's uuid, got {show(uuid)}", "$.uuid")


def test_the_first_fault_is_named_with_its_place_and_the_others_are_counted() -> None:
    for wire in ("uuid", "teamUUID", "isRecord", "isBan", "createdAt", "limit"):
        assert fault_with(**{wire: ...}) == ("missing", f"$.{wire}")
    assert fault_with(isBan=0, limit=True) == ("expected true or false, got 0 (and 1 more)", "$.isBan")
    rooms = json.dumps([room_document(), *[{}] * 1_000])
    assert fault(rooms, RoomPage) == ("missing (and 5 more)", "$[1].uuid")
    for value, shown in (("null", "null"), ("1", "1"), ('"a"', '"a"'), ("[]", "an array")):
        reason = f"expected a room object, got {shown}"
        assert (fault(value), fault(f"[{GOT}, {value}]", RoomPage)) == ((reason, "$"), (reason, "$[1]"))
    for value, shown in (("null", "null"), ('"[]"', '"[]"'), ("{}", "an object")):
        for model in (RoomPage, MixedPage):
            assert fault(value, model) == (f"expected an array of rooms, got {shown}", "$")


NO_UUIDS = ["", "..", "a/b", "%2e", "é", "٣", "a b", "a\n", "a\0", "a" * 129, "NETLESSSDK_a", "aNETLESSROOM_a"]
TOO_DEEP = 'the unknown field "x" is nested too deeply'
INVALID: list[tuple[Any, str | None, str, str]] = [
    *((member, None, f"expected a room object, got {show(member)}", "") for member in (None, "uuid", 0, ["uuid"])),
    ({}, None, "missing (and 5 more)", ".uuid"),
    (room_document(uuid="a/b"), None, 'expected a room\'s uuid, got "a/b"', ".uuid"),
    (room_document(uuid=["a"]), None, "expected a room's uuid, got an array", ".uuid"),
    (room_document(uuid="a", isBan="no"), "a", 'expected true or false, got "no"', ".isBan"),
    (room_document(limit=..., isBan=None), UUID, "expected true or false, got null (and 1 more)", ".isBan"),
    *((room_document(uuid="a", x=nested(DEEPEST * n + 1)), "a", TOO_DEEP, "") for n in (1, 10)),
]


def invalid(document: str) -> InvalidRoom:
    """Return what a member of a list becomes beside good rooms."""
    before, after = room_json(uuid="before").decode(), room_json(uuid="after", x=1).decode()
    body = f"[{before}, {document}, {after}]"
    first, invalid, last = decode(body, MixedPage)
    assert (first, last) == (decode(before, Room), decode(after, Room))
    assert isinstance(invalid, InvalidRoom)
    assert fault(body, RoomPage) == (invalid.reason, invalid.location)
    assert fault(document) == (invalid.reason, invalid.location.replace("$[1]", "$"))
    return invalid


def test_an_invalid_room_keeps_its_place_in_a_mixed_page() -> None:
    for member, uuid, what, place in INVALID:
        room = invalid(json.dumps(member))
        assert (room.uuid, room.reason, room.location) == (uuid, what, "$[1]" + place)
        assert room.document == member


SECOND = datetime(2021, 1, 18, 6, 56, 29, tzinfo=UTC)
TIMES = [("2021-01-18T06:56:29Z", SECOND), ("2021-01-18T08:56:29+02:00", SECOND)]
TIMES += [("2021-01-18 06:56:29z", SECOND), ("2021-01-18t08:56:29+0200", SECOND)]
PARTS = {"432": 432_000, "4": 400_000, "123456": 123_456, "1234567": 123_457}
TIMES += [(f"2021-01-18T06:56:29.{part}Z", SECOND.replace(microsecond=n)) for part, n in PARTS.items()]
TIMES += [("2024-02-29T00:00:00-00:30", datetime(2024, 2, 29, 0, 30, tzinfo=UTC))]
TIMES += [("0001-01-01T00:00:00.000Z", datetime(1, 1, 1, tzinfo=UTC))]
TIMES += [("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC))]


NO_TIMES = [
    "2021-01-18T06:56:29.432",  # in which time zone?
    *("", "2021-01-18", "2021-01-18T06:56Z", "1610952989432", "Mon, 18 Jan 2021 06:56:29 GMT", "20210118T065629Z"),
    *(
        "2021-W03-1T06:56:29.432Z",
        "2021-01-18T06:56:29.43200",
        "2021-01-18T06:56:29,432Z",
        "2021-01-18T06:56:29.Z",
    ),
    *("2021-01-18T06:56:29Z\n", " 2021-01-18T06:56:29Z"),
    *("202-101-18T06:56:29.432Z", "2021-1-018T06:56:29.432Z", "20210118T06:56:29.4320--Z"),
    *("2021-01-18T06:56:2.9432Z", "2021-01-18T06:56:29432.Z"),
    "２021-01-18T06:56:29.432Z",  # noqa: RUF001  a full-width digit
    *("2021-02-29T06:56:29.432Z", "2021-13-01T00:00:00.000Z", "0000-01-01T00:00:00.000Z"),
    *("2021-01-18T06:56:60.432Z", "2021-01-18T25:56:29.432Z", "2021-01-18T06:56:29+24:00"),
    *("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),  # outside the years 1 to 9999 in UTC
]


def test_a_time_is_read_to_the_microsecond_and_converted_to_utc_or_in_another_form_an_error() -> None:
    for text, time in TIMES:
        read = room_with(createdAt=text).created_at
        assert (read, read.tzinfo) == (time, UTC)
    for text in NO_TIMES:
        what = f"expected a UTC time such as 2021-01-18T06:56:29.432Z, got {show(text)}"
        assert fault_with(createdAt=text) == (what, "$.createdAt")


HALF = "a text with a lone surrogate"
HALVES = [r'"\ud800"', r'"party \uD83d"', r'"\ude00\ud83d"', r'"\ud83d\ud83d\ude00"', r'"\\\udfff"']


def room_holding(half: str, **changes: Any) -> str:
    return room_json(**changes).decode().replace('"?"', half)


@pytest.mark.parametrize("half", HALVES)
def test_a_room_with_half_a_surrogate_pair_is_invalid(half: str) -> None:
    for wire, (types, expected) in RIGHT_TYPES.items():
        room = invalid(room_holding(half, **{wire: "?"}))
        assert (room.reason, room.location) == (f"expected {expected}, got {HALF}", f"$[1].{wire}"), types
        assert room.uuid == (None if wire == "uuid" else UUID)
    for around in ("?", ["?"], {"in": [0, {"a": "?"}]}, nested(DEEPEST, "?"), [{"?": 1}]):
        room = invalid(room_holding(half, x=around))
        assert (room.reason, room.location) == (f'the unknown field "x" holds {HALF}', "$[1]")
    assert invalid(room_holding(half, **{"?": 1})).reason == f"the name of an unknown field is {HALF}"
    assert invalid(room_holding(half, x=nested(DEEPEST + 1, "?"))).reason == TOO_DEEP
    assert invalid(half).reason == f"expected a room object, got {HALF}"
    text = room_holding(half, x=["?", {"a": 1}])
    room = invalid(text)
    for twin in (room, pickle.loads(pickle.dumps(room)), copy.deepcopy(room)):  # noqa: S301  our own
        assert (twin, twin.document) == (room, json.loads(text))


NUMBERS = [b"NaN", b"-Infinity", b"1e400", b"-1E+999", b"9" * 5_000, b"-" + b"9" * 5_000]
NOT_JSON = [
    *((b"", "Expecting value in line 1; it is empty"), (b" \n", "Expecting value in line 2; it is empty")),
    (b"<html>", "Expecting value in line 1; it begins '<html>'"),
    (b"<p>" + b"x" * 999, f"Expecting value in line 1; it begins '<p>{'x' * 197}'"),
    *((b'{\n"a": }', "Expecting value in line 2"), (b"{} {}", "Extra data in line 1")),
    *((b"{'a': 1}", ""), (b"True", ""), (MARK * 2 + b"{}", ""), (b'"a\nb"', "Invalid control character")),
]
OTHER_BODIES = [
    *((b'[{"x": %s}]' % odd, "holds a number that is not finite or too large") for odd in NUMBERS),
    *((b'"\xff"', "is not UTF-8 from byte 1 on"), (b'["\xed\xa0\x80"]', "is not UTF-8 from byte 2 on")),
    ("{}".encode("utf-16"), "is not UTF-8 from byte 0 on"),
    *((body, "is nested too deeply") for body in (b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000)),
    (b'["\\ud800", ' + b"[" * 200_000 + b"]" * 200_001, "is nested too deeply"),
]
BODIES = [*((body, f"is not JSON: {what}") for body, what in NOT_JSON), *OTHER_BODIES]


def test_a_body_that_is_not_json_is_an_error_about_the_whole() -> None:
    for body, what in BODIES:
        for model in (Room, RoomPage, MixedPage):
            reason, where = fault(body, model)
            assert reason.startswith(f"the body {what}"), body[:24]
            assert where == "$"


def agree(body: str | bytes) -> None:
    """Decode ``body`` as every model, which holds the fast path against the converter."""
    for model in (Room, RoomPage, MixedPage):
        with suppress(WireError):
            decode(body, model)


@settings(examples(30, many=3_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(odd_bodies)
def test_the_fast_path_agrees_with_the_converter_about_any_body(body: tuple[str, bytes]) -> None:
    agree(body[1])


def test_the_fast_path_agrees_about_every_odd_value_name_space_and_end() -> None:
    for wire in (*WIRE_NAMES.values(), "x"):
        for odd in ODD_VALUES:
            room = json.dumps(room_document(**{wire: "?"})).replace('"?"', odd)
            for body in (room, f"[{ROOM},{room}]", f"[{room_json(y=1).decode()},{room}]"):
                agree(body)
    members = members_of(room_document())
    for name in ODD_NAMES:
        agree(f"[{ROOM},{spelled([*members, (name, 'true')])}]")
    for odd in (*ODD_SPACES, DEEP, "1", "]", '"'):
        for body in (odd, spelled(members, odd), f"{odd}{ROOM}", f"{ROOM}{odd}", f"[{ROOM}{odd}]"):
            agree(body)
    for end in range(len(GOT)):
        agree(GOT[:end])


FAST: list[str | bytes] = [GOT, LISTED]
FAST += [room_json(name='é 😀 " \\ / \x7f \u2028 NETLESSSDK_a', appUUID=None)]
FAST += [room_json(uuid="A0z" * 42 + "Zz", appUUID=..., limit=10**18, createdAt="2024-02-29T12:00:00.001Z")]
FAST += [room_json(x=[], extra={"a": 1})]
FAST += [json.dumps([room_document(uuid=f"a{n}", limit=n, name="é") for n in range(1000)], ensure_ascii=False)]
FAST += [json.dumps([room_document(), room_document(x={"y": None}), room_document(extra=1)])]


def test_documented_rooms_take_the_fast_path() -> None:
    for body in FAST:
        for model in (RoomPage, MixedPage) if body[:1] in ("[", b"[") else (Room,):
            decode(body, model, is_fast=True)


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_decoded_room_is_a_room_like_any_other(*, is_fast: bool) -> None:
    body = b"[%s, %s]" % ((room_json(uuid=UUID if is_fast else "a-b", x=[]),) * 2)
    page = decode_documented(body, RoomPage) if is_fast else structure(parse_json(body), RoomPage)
    assert page is not None
    room, other = page
    made = Room(**attrs.asdict(room))
    assert (type(room), room, hash(room), repr(room)) == (Room, made, hash(made), repr(made))
    for twin in (pickle.loads(pickle.dumps(room)), copy.copy(room), copy.deepcopy(room)):  # noqa: S301  our own
        assert (type(twin), twin) == (Room, made)
    assert room.extra["x"] is not other.extra["x"]
    bare, another = decode(b"[%s, %s]" % ((room_json(),) * 2), RoomPage, is_fast=True)
    assert bare.extra == another.extra == {}
    assert bare.extra is not another.extra
