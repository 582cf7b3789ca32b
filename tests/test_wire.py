"""JSON becomes models exactly, or the error tells what is wrong and where."""

import copy
import json
import pickle
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomPage
from netless_rooms.wire import MAX_NESTING, WIRE_NAMES, WireError, read_json, show, structure
from samples import CREATED, LISTED, UUID, room_document, room_json

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000, fold=0)
)
ROOMS = st.builds(
    Room,
    uuid=st.from_regex("[0-9A-Za-z_-]{1,40}", fullmatch=True),
    team_uuid=st.text(),
    app_uuid=st.none() | st.text(),
    name=st.none() | st.text(),
    is_record=st.booleans(),
    is_ban=st.booleans(),
    created_at=TIMES,
    limit=st.integers(),
    extra=st.dictionaries(st.text().filter(lambda name: name not in WIRE_NAMES.values()), ANYTHING, max_size=3),
)


def encode(room: Room, *, with_nulls: bool = False) -> dict[str, Any]:
    """Spell a room as the service's page does."""
    document = {
        "uuid": room.uuid,
        "teamUUID": room.team_uuid,
        "appUUID": room.app_uuid,
        "name": room.name,
        "isRecord": room.is_record,
        "isBan": room.is_ban,
        "createdAt": room.created_at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z",
        "limit": room.limit,
    }
    optional = {"appUUID", "name"}
    told = {n: v for n, v in document.items() if with_nulls or n not in optional or v is not None}
    return told | dict(room.extra)


def decode(body: bytes) -> Room:
    return structure(read_json(body), Room)


def fault(document: Any, model: type[Room | RoomPage | MixedPage] = Room) -> tuple[str, str]:
    with pytest.raises(WireError) as caught:
        structure(document, model)
    assert caught.value.args == (caught.value.what, caught.value.where)
    return caught.value.what, caught.value.where


# What is right


def test_the_documented_room_decodes() -> None:
    assert decode(CREATED.encode()) == Room(
        uuid="4a5xxxxx6b",
        team_uuid="RMxxxxx5aw",
        app_uuid="i54xxxxx1AQ",
        name=None,
        is_record=False,
        is_ban=False,
        created_at=datetime(2021, 1, 18, 6, 56, 29, 432_000, tzinfo=UTC),
        limit=0,
        extra={},
    )


def test_the_documented_list_decodes_in_its_order() -> None:
    page = structure(read_json(LISTED.encode()), RoomPage)
    assert [room.uuid for room in page] == ["0e6exxxxxxd95", "1d4xxxxxxca69"]
    assert isinstance(page.rooms, tuple)


def test_an_empty_list_is_an_empty_page() -> None:
    assert structure([], RoomPage) == RoomPage()


@given(ROOMS, st.booleans(), st.booleans())
def test_decoding_undoes_encoding(room: Room, with_nulls: bool, ensure_ascii: bool) -> None:
    body = json.dumps(encode(room, with_nulls=with_nulls), ensure_ascii=ensure_ascii).encode()
    assert repr(decode(body)) == repr(room)
    assert decode(body) == room


@given(st.lists(ROOMS, max_size=4))
def test_decoding_a_list_undoes_encoding_it(rooms: list[Room]) -> None:
    body = json.dumps([encode(room) for room in rooms]).encode()
    assert structure(read_json(body), RoomPage) == RoomPage(tuple(rooms))


@pytest.mark.parametrize(("wire", "attribute"), [("appUUID", "app_uuid"), ("name", "name")])
@pytest.mark.parametrize("absent", [None, ...])
def test_an_optional_field_may_be_null_or_missing(wire: str, attribute: str, absent: Any) -> None:
    room = structure(room_document(**{wire: absent}), Room)
    assert getattr(room, attribute) is None
    assert room.extra == {}


def test_a_field_under_our_own_name_is_unknown_and_kept() -> None:
    assert structure(room_document(team_uuid="x", is_ban=True), Room).extra == {"team_uuid": "x", "is_ban": True}


@pytest.mark.parametrize("value", [{"a": 1}, "text", None])
def test_a_field_called_extra_is_unknown_and_kept(value: Any) -> None:
    assert structure(room_document(extra=value), Room).extra == {"extra": value}


def test_the_document_stays_as_it_is() -> None:
    document = room_document(tags=["a"])
    structure(document, Room)
    assert document == room_document(tags=["a"])


# Wrong types

REQUIRED = ["uuid", "teamUUID", "isRecord", "isBan", "createdAt", "limit"]
RIGHT_TYPES: dict[str, tuple[type, ...]] = {
    "uuid": (str,),
    "teamUUID": (str,),
    "appUUID": (str, type(None)),
    "name": (str, type(None)),
    "isRecord": (bool,),
    "isBan": (bool,),
    "createdAt": (str,),
    "limit": (int,),
}
VALUES = ["text", "", "true", "0", True, False, 0, 1, -1.0, 0.0, None, [], {}, ["text"], {"a": 1}]
WRONG = [(wire, v) for wire, right in RIGHT_TYPES.items() for v in VALUES if type(v) not in right]


@pytest.mark.parametrize(("wire", "value"), WRONG, ids=str)
def test_a_wrong_type_is_an_error_that_names_the_field(wire: str, value: Any) -> None:
    what, where = fault(room_document(**{wire: value}))
    assert where == f"$.{wire}"
    assert what.startswith("expected ")
    assert what.endswith(f", got {show(value)}")


@pytest.mark.parametrize(("wire", "value"), WRONG, ids=str)
def test_a_wrong_type_in_a_list_is_an_error_that_names_the_index_too(wire: str, value: Any) -> None:
    _, where = fault([room_document(), room_document(**{wire: value})], RoomPage)
    assert where == f"$[1].{wire}"


@given(st.sampled_from(sorted(RIGHT_TYPES)), ANYTHING)
def test_no_value_of_a_wrong_type_ever_decodes(wire: str, value: Any) -> None:
    if type(value) not in RIGHT_TYPES[wire]:
        assert fault(room_document(**{wire: value}))[1] == f"$.{wire}"


@pytest.mark.parametrize("wire", REQUIRED)
def test_a_required_field_that_is_missing_is_named(wire: str) -> None:
    assert fault(room_document(**{wire: ...})) == ("missing", f"$.{wire}")
    assert fault([room_document(), room_document(**{wire: ...})], RoomPage) == ("missing", f"$[1].{wire}")


def test_several_faults_are_counted_and_the_first_is_named() -> None:
    assert fault(room_document(isBan=0, limit=True)) == ("expected true or false, got 0 (and 1 more)", "$.isBan")
    assert fault([{}], RoomPage) == ("missing (and 5 more)", "$[0].uuid")


def test_a_value_that_looks_like_a_place_is_no_place() -> None:
    assert fault(room_document(limit="a @ $.b")) == ('expected an integer, got "a @ $.b"', "$.limit")


@pytest.mark.parametrize(("value", "shown"), [(None, "null"), (1, "1"), ("a", '"a"'), ([], "an array")])
def test_what_is_no_object_is_no_room(value: Any, shown: str) -> None:
    assert fault(value) == (f"expected a room object, got {shown}", "$")
    assert fault([room_document(), value], RoomPage) == (f"expected a room object, got {shown}", "$[1]")


@pytest.mark.parametrize(("value", "shown"), [(None, "null"), ("[]", '"[]"'), ({}, "an object")])
def test_what_is_no_array_is_no_page(value: Any, shown: str) -> None:
    for model in (RoomPage, MixedPage):
        assert fault(value, model) == (f"expected an array of rooms, got {shown}", "$")


@pytest.mark.parametrize("uuid", ["", "..", "a/b", "a?b", "%2e", "é", "a b", "a\n", UUID + "\x00"])
def test_a_uuid_that_cannot_stand_in_a_path_is_an_error(uuid: str) -> None:
    assert fault(room_document(uuid=uuid)) == (f"expected a room's uuid, got {show(uuid)}", "$.uuid")


# Pages with members that are no rooms

DEEP = json.loads("[" * 40 + "]" * 40)
INVALID: list[tuple[Any, str | None, str, str]] = [
    (None, None, "expected a room object, got null", "$[1]"),
    ("uuid", None, 'expected a room object, got "uuid"', "$[1]"),
    (0, None, "expected a room object, got 0", "$[1]"),
    (["uuid"], None, "expected a room object, got an array", "$[1]"),
    ({}, None, "missing (and 5 more)", "$[1].uuid"),
    (room_document(uuid="a/b"), None, 'expected a room\'s uuid, got "a/b"', "$[1].uuid"),
    (room_document(uuid="a" * 129), None, f"expected a room's uuid, got {show('a' * 129)}", "$[1].uuid"),
    (room_document(uuid=["a"]), None, "expected a room's uuid, got an array", "$[1].uuid"),
    (room_document(uuid="NETLESSSDK_a"), None, 'expected a room\'s uuid, got "NETLESSSDK_a"', "$[1].uuid"),
    (room_document(uuid="a", isBan="no"), "a", 'expected true or false, got "no"', "$[1].isBan"),
    (
        room_document(uuid="a-B_1", limit=..., isBan=None),
        "a-B_1",
        "expected true or false, got null (and 1 more)",
        "$[1].isBan",
    ),
    (room_document(uuid="a", x=DEEP), "a", 'the unknown field "x" is nested too deeply', "$[1]"),
]


@pytest.mark.parametrize(("member", "uuid", "what", "where"), INVALID, ids=repr)
def test_a_member_that_is_no_room_keeps_its_place_in_a_mixed_page(
    member: Any, uuid: str | None, what: str, where: str
) -> None:
    before, after = room_document(uuid="before"), room_document(uuid="after", x=1)
    page = structure([before, member, after], MixedPage)
    invalid = page[1]
    assert invalid == InvalidRoom(uuid=uuid, what=what, where=where, document=None)
    assert isinstance(invalid, InvalidRoom)
    assert invalid.document is member
    assert (page[0], page[2]) == (structure(before, Room), structure(after, Room))
    assert fault([before, member, after], RoomPage) == (what, where)


@given(st.lists(st.builds(encode, ROOMS) | ANYTHING, max_size=5))
def test_a_mixed_page_has_each_member_as_it_is_alone(documents: list[Any]) -> None:
    page = structure(documents, MixedPage)
    assert isinstance(page, MixedPage)
    for index, (document, member) in enumerate(zip(documents, page, strict=True)):
        if isinstance(member, Room):
            assert member == structure(document, Room)
        else:
            what, where = fault(document)
            assert (member.what, member.where) == (what, where.replace("$", f"$[{index}]", 1))
            assert member.document is document


# Times


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2021-01-18T06:56:29.432Z", datetime(2021, 1, 18, 6, 56, 29, 432_000, tzinfo=UTC)),
        ("2021-01-18T06:56:29Z", datetime(2021, 1, 18, 6, 56, 29, tzinfo=UTC)),
        ("2021-01-18T06:56:29.4Z", datetime(2021, 1, 18, 6, 56, 29, 400_000, tzinfo=UTC)),
        ("2021-01-18T06:56:29.123456Z", datetime(2021, 1, 18, 6, 56, 29, 123_456, tzinfo=UTC)),
        ("2021-01-18T08:56:29+02:00", datetime(2021, 1, 18, 6, 56, 29, tzinfo=UTC)),
        ("2024-02-29T00:00:00-00:30", datetime(2024, 2, 29, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_to_the_digit_and_put_into_utc(text: str, time: datetime) -> None:
    read = structure(room_document(createdAt=text), Room).created_at
    assert read == time
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-01-18",
        "2021-01-18T06:56:29.432",  # no zone: whose time is it?
        "2021-01-18 06:56:29Z",
        "2021-01-18t06:56:29z",
        "20210118T065629Z",
        "2021-W03-1T06:56:29Z",
        "2021-01-18T06:56Z",
        "2021-01-18T06:56:29,432Z",
        "2021-01-18T06:56:29.Z",
        "2021-01-18T06:56:29.1234567Z",
        "2021-01-18T06:56:29Z\n",
        " 2021-01-18T06:56:29Z",
        "2021-01-18T06:56:29+0200",
        "２021-01-18T06:56:29Z",  # noqa: RUF001  a full-width digit
        "2021-02-29T00:00:00Z",
        "2021-13-01T00:00:00Z",
        "2021-01-18T06:56:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2021-01-18T06:56:29+24:00",
        "Mon, 18 Jan 2021 06:56:29 GMT",
        "1610952989432",
    ],
)
def test_a_time_in_another_form_is_an_error(text: str) -> None:
    what, where = fault(room_document(createdAt=text))
    assert what == f"expected a UTC time such as 2021-01-18T06:56:29.432Z, got {show(text)}"
    assert where == "$.createdAt"


@given(TIMES, st.integers(-23 * 60, 23 * 60))
def test_an_offset_moves_the_clock_and_not_the_time(time: datetime, minutes: int) -> None:
    try:
        shifted = time.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    read = structure(room_document(createdAt=shifted.isoformat()), Room).created_at
    assert (read, read.tzinfo) == (time, UTC)


# Unknown fields


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def test_unknown_fields_are_kept_as_they_came() -> None:
    extra = {"": None, "tags": ["a", {"b": 1.5}], "é": True}
    assert structure(room_document(**extra), Room).extra == extra


def test_an_unknown_field_is_kept_down_to_the_deepest_level() -> None:
    assert structure(room_document(x=nested(MAX_NESTING)), Room).extra == {"x": nested(MAX_NESTING)}


@pytest.mark.parametrize("levels", [MAX_NESTING + 1, MAX_NESTING * 10])
def test_an_unknown_field_that_is_nested_too_deeply_is_an_error(levels: int) -> None:
    what = 'the unknown field "x" is nested too deeply'
    assert fault(room_document(x=nested(levels))) == (what, "$")
    assert fault([room_document(), room_document(x=nested(levels))], RoomPage) == (what, "$[1]")


# Values that no room may hold

HALF = "a text with half a surrogate pair"
ENDLESS = "a number that is not finite or too large"
TEXTS = ['"\\ud800"', '"party \\uD83d"', '"\\ude00\\ud83d"', '"\\ud83d\\ud83d\\ude00"', '"\\\\\\udfff"']
NUMBERS = ["NaN", "Infinity", "-Infinity", "1e400", "-1E+999", "9" * 5_000, "-" + "9" * 5_000]
ODD = [*((text, HALF) for text in TEXTS), *((number, ENDLESS) for number in NUMBERS)]
EXPECTED = {
    "uuid": "a room's uuid",
    "teamUUID": "a string",
    "appUUID": "a string",
    "name": "a string",
    "isRecord": "true or false",
    "isBan": "true or false",
    "createdAt": "a UTC time such as 2021-01-18T06:56:29.432Z",
    "limit": "an integer",
}
each_odd = pytest.mark.parametrize(("odd", "words"), ODD, ids=lambda part: part[:16])


def spelled(odd: str, **changes: Any) -> str:
    """Return a room as text, with ``odd`` in place of each ``"?"``."""
    return json.dumps(room_document(**changes)).replace('"?"', odd)


def invalid_in(odd_room: str, place: int = 1) -> InvalidRoom:
    """Return what becomes of a room beside good ones, in a page that may have one and in a page that may not."""
    rooms = [spelled("", uuid="a"), spelled("", uuid="b")]
    document = read_json(f"[{', '.join([*rooms[:place], odd_room, *rooms[place:]])}]".encode())
    page = structure(document, MixedPage)
    assert [room.uuid for at, room in enumerate(page) if at != place and isinstance(room, Room)] == ["a", "b"]
    invalid = page[place]
    assert isinstance(invalid, InvalidRoom)
    assert fault(document, RoomPage) == (invalid.what, invalid.where)
    return invalid


@each_odd
@pytest.mark.parametrize("wire", EXPECTED)
def test_a_value_that_no_field_may_hold_is_an_error_in_its_place(wire: str, odd: str, words: str) -> None:
    invalid = invalid_in(spelled(odd, **{wire: "?"}), place=2)
    assert (invalid.what, invalid.where) == (f"expected {EXPECTED[wire]}, got {words}", f"$[2].{wire}")
    assert invalid.uuid == (None if wire == "uuid" else UUID)
    with pytest.raises(WireError) as caught:
        decode(spelled(odd, **{wire: "?"}).encode())
    assert caught.value.where == f"$.{wire}"


@each_odd
@pytest.mark.parametrize("around", ["?", ["?"], {"in": [0, {"a": "?"}]}], ids=repr)
def test_a_value_that_no_room_may_keep_is_an_error_in_an_unknown_field(around: Any, odd: str, words: str) -> None:
    invalid = invalid_in(spelled(odd, x=around))
    assert (invalid.what, invalid.where) == (f'the unknown field "x" holds {words}', "$[1]")


@each_odd
def test_a_value_that_no_room_may_keep_is_one_at_any_depth(odd: str, words: str) -> None:
    def what(levels: int) -> str:
        body = spelled(odd, x=json.loads(json.dumps(nested(levels)).replace("core", "?"))).encode()
        enveloped = read_json(b'{"status": 200, "body": [%s]}' % body)["body"]
        assert fault(enveloped, RoomPage)[0] == fault(read_json(body))[0]
        return fault(enveloped, RoomPage)[0]

    assert what(MAX_NESTING) == f'the unknown field "x" holds {words}'
    assert what(MAX_NESTING + 1) == what(MAX_NESTING + 9) == 'the unknown field "x" is nested too deeply'


@pytest.mark.parametrize("odd", TEXTS)
def test_a_name_that_is_no_text_is_an_error(odd: str) -> None:
    invalid = invalid_in(spelled(odd, **{"?": 1}))
    assert (invalid.what, invalid.where) == (f"the name of an unknown field is {HALF}", "$[1]")
    inner = invalid_in(spelled(odd, x=[{"?": 1}]))
    assert (inner.what, inner.where) == (f'the unknown field "x" holds {HALF}', "$[1]")


@each_odd
def test_a_member_that_is_no_value_is_no_room(odd: str, words: str) -> None:
    invalid = invalid_in(odd)
    assert (invalid.uuid, invalid.what, invalid.where) == (None, f"expected a room object, got {words}", "$[1]")
    assert fault(read_json(odd.encode())) == (f"expected a room object, got {words}", "$")
    assert fault(read_json(odd.encode()), RoomPage) == (f"expected an array of rooms, got {words}", "$")


@pytest.mark.parametrize("odd", [*TEXTS, *NUMBERS], ids=lambda odd: odd[:16])
def test_the_document_of_such_a_room_is_what_the_json_module_reads(odd: str) -> None:
    text = spelled(odd, x=["?", {"a": 1}], name="a \\ud83d")
    invalid = invalid_in(text)
    document = json.loads(text.replace("9" * 5_000, "1e400"))
    assert repr(invalid.document) == repr(document)
    for twin in (pickle.loads(pickle.dumps(invalid)), copy.deepcopy(invalid)):  # noqa: S301  our own
        assert twin == invalid
        assert repr(twin.document) == repr(invalid.document)
    assert json.dumps(invalid.document) == json.dumps(document)


def test_a_number_that_is_large_but_not_too_large_is_kept() -> None:
    numbers = [10**4_299, -(10**4_299), 1e308, -0.0, 5e-324]
    assert structure(read_json(room_json(x=numbers)), Room).extra == {"x": numbers}
    assert structure(read_json(room_json(limit=10**4_299)), Room).limit == 10**4_299


# Bodies that are no JSON


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "the body is not JSON: Expecting value in line 1"),
        (b"<html>", "the body is not JSON: Expecting value in line 1"),
        (b'{\n"a": }', "the body is not JSON: Expecting value in line 2"),
        (b"{'a': 1}", "the body is not JSON: "),
        (b"[1,]", "the body is not JSON: "),
        (b"{} {}", "the body is not JSON: Extra data in line 1"),
        (b"True", "the body is not JSON: "),
        (b'"a\nb"', "the body is not JSON: Invalid control character"),
        (b"\xef\xbb\xbf{}", "the body is not JSON: Unexpected UTF-8 BOM"),
        (b"[nan]", "the body is not JSON: "),
        (b"[" + b"9" * 5000 + b", 1e400, NaN", "the body is not JSON: "),
        (b'"\xff"', "the body is not UTF-8 from byte 1 on"),
        (b'["\xed\xa0\x80"]', "the body is not UTF-8 from byte 2 on"),
        ("{}".encode("utf-16"), "the body is not UTF-8 from byte 0 on"),
        (b"[" * 200_000, "the body is nested too deeply"),
        (b"[" * 200_000 + b"]" * 200_000, "the body is nested too deeply"),
        (b'{"a":' * 200_000, "the body is nested too deeply"),
        (b'["\\ud800", ' + b"[" * 200_000 + b"]" * 200_001, "the body is nested too deeply"),
    ],
    ids=lambda part: repr(part[:24]),
)
def test_a_body_that_is_not_json_is_an_error_about_the_whole(body: bytes, what: str) -> None:
    with pytest.raises(WireError) as caught:
        read_json(body)
    assert caught.value.what.startswith(what)
    assert caught.value.where == "$"


@pytest.mark.parametrize("body", [b'"\\ud83d\\ude00"', '"😀"'.encode(), b'"\\u00e9"', b'"\\\\ud800"'])
def test_a_whole_character_is_text_however_it_is_escaped(body: bytes) -> None:
    assert read_json(body) == json.loads(body)


@given(st.binary())
def test_random_bytes_give_nothing_but_our_error(body: bytes) -> None:
    try:
        decode(body)
    except WireError:
        return
    raise AssertionError("random bytes made a room")


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=4))
def test_a_damaged_document_gives_a_room_or_our_error(damages: list[tuple[int, int, bytes]]) -> None:
    body = room_json(tags=["é", {"a": None}])
    for place, cut, put in damages:
        body = body[:place] + put + body[place + cut :]
    try:
        assert isinstance(decode(body), Room)
    except WireError as error:
        assert error.where.startswith("$")  # noqa: PT017  the other outcome is as good


@given(ANYTHING)
def test_any_json_gives_nothing_but_our_error(document: Any) -> None:
    for model in (Room, RoomPage, MixedPage):
        try:
            structure(document, model)
        except WireError as error:
            assert error.where.startswith("$")  # noqa: PT017  the other outcome is as good
        else:
            assert document == [] if model is RoomPage else type(document) is list


@pytest.mark.parametrize(
    ("value", "shown"), [({"a": 1}, "an object"), ("é\n", '"é\\n"'), (True, "true"), (1.5, "1.5")]
)
def test_a_value_is_shown_as_json_or_by_its_kind(value: Any, shown: str) -> None:
    assert show(value) == shown


def test_only_the_first_wrong_room_of_a_page_is_described() -> None:
    with pytest.raises(WireError, match=r"missing \(and 5 more\)") as caught:
        structure([room_document(), *[{}] * 20_000], RoomPage)
    assert caught.value.where == "$[1].uuid"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html>" + b"x" * 999, "it begins '<!DOCTYPE html>x+'$"),
        (b"", "it is empty$"),
        (b" \n", "it is empty$"),
    ],
)
def test_a_body_that_is_no_json_tells_whose_it_may_be(body: bytes, words: str) -> None:
    with pytest.raises(WireError) as caught:
        read_json(body)
    assert re.search(words, caught.value.what)
    assert len(caught.value.what) < 300


@pytest.mark.parametrize("uuid", ["NETLESSSDK_YWs9", "aNETLESSROOM_YWs9"])
def test_a_uuid_that_looks_like_a_token_is_refused_as_it_is_in_an_argument(uuid: str) -> None:
    with pytest.raises(WireError) as caught:
        structure([room_document(uuid=uuid)], RoomPage)
    assert caught.value.what.startswith("expected a room's uuid, got")
    assert caught.value.where == "$[0].uuid"
