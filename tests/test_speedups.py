"""The quick way says what the plain way says, or nothing."""

import copy
import json
import pickle
import sys
import weakref
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import responses, speedups
from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomPage
from netless_rooms.operations import list_rooms
from netless_rooms.responses import decode_answer
from netless_rooms.speedups import FEW, read_json_quickly, read_quickly, with_rooms
from netless_rooms.wire import WIRE_NAMES, WireError, read_json, structure
from samples import CREATED, DISABLED, GOT, LISTED, UUID, printed, room_document, room_json

MODELS: list[Any] = [Room, RoomPage, MixedPage]
ROOM = room_json().decode()
DEEP = json.loads("[" * 40 + "]" * 40)


def exactly(answer: Any) -> Any:
    """Return all that can be told of an answer, types included."""
    if isinstance(answer, WireError):
        return answer.what, answer.where
    rooms = [answer] if isinstance(answer, Room) else answer.rooms
    assert {type(room) for room in rooms} <= {Room, InvalidRoom}
    assert {room.created_at.tzinfo for room in rooms if isinstance(room, Room)} <= {UTC}
    fields = [[getattr(room, field.name) for field in attrs.fields(type(room))] for room in rooms]
    # The repr of a number tells more than its value, and that of a time less than its type.
    return type(answer), fields and repr(fields), [list(map(type, each)) for each in fields]


def plainly(read: Callable[[], Any], model: Any) -> Any:
    """Return what the plain way makes of a document, or says against it."""
    try:
        return structure(read(), model)
    except WireError as error:
        return error


def agree(body: bytes) -> bool:
    """Hold the quick way against the plain way; whether it was sure of all at once."""
    sure = False
    for model in MODELS:
        plain = plainly(lambda: read_json(body), model)
        answer = read_quickly(body, model)
        if answer is not None:
            assert exactly(answer) == exactly(plain)
            assert answer == plain
            sure = True
        assert exactly(plainly(lambda: with_rooms(read_json_quickly(body)), model)) == exactly(plain)
        assert exactly(plainly(lambda: with_rooms(read_json(body)), model)) == exactly(plain)
    return sure


def left(documents: list[Any]) -> list[Any]:
    """Return which members of a list are left to the plain way."""
    body = json.dumps(documents).encode()
    agree(body)
    return [member for member in with_rooms(read_json_quickly(body)) if type(member) is not Room]


# What is sure


@pytest.mark.parametrize("body", [CREATED, GOT, LISTED, DISABLED], ids=["created", "got", "listed", "disabled"])
def test_what_the_service_documents_is_read_quickly(body: str) -> None:
    assert agree(body.encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"name": 'é 😀 " \\ / \x7f \u2028 NETLESSSDK_a'},
        {"name": None, "appUUID": None},
        {"appUUID": ...},
        {"uuid": "a"},
        {"uuid": "A0z" * 42 + "Zz"},
        {"limit": 10**18, "isRecord": True},
        {"limit": -1, "teamUUID": ""},
        {"createdAt": "0001-01-01T00:00:00.000Z"},
        {"createdAt": "9999-12-31T23:59:59.999Z"},
        {"createdAt": "2024-02-29T12:00:00.001Z"},
    ],
    ids=repr,
)
@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_what_a_room_may_hold_is_read_quickly(changes: dict[str, Any], *, ensure_ascii: bool) -> None:
    document = room_document(**changes)
    for sent in (document, [document], [room_document(), document, room_document(uuid="b")]):
        assert agree(json.dumps(sent, ensure_ascii=ensure_ascii).encode())


def test_the_order_of_fields_and_the_space_between_them_mean_nothing() -> None:
    turned = dict(reversed(room_document(name="n").items()))
    assert agree(b" \t\r\n" + json.dumps([turned, room_document()], indent=4).encode() + b"\n")


def test_a_thousand_rooms_are_read_in_their_order() -> None:
    page = read_quickly(json.dumps([room_document(uuid=f"a{n}") for n in range(1000)]).encode(), RoomPage)
    assert page is not None
    assert [room.uuid for room in page] == [f"a{n}" for n in range(1000)]


READ = {"quickly": read_quickly(room_json(), Room), "plainly": structure(room_document(), Room)}


@pytest.mark.parametrize("room", READ.values(), ids=READ)
def test_a_room_that_was_read_is_a_room_like_any_other(room: Room) -> None:
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


def test_two_rooms_that_were_read_quickly_never_share_their_extra() -> None:
    page = read_quickly(LISTED.encode(), RoomPage)
    assert page is not None
    assert page[0].extra is not page[1].extra


# What is sure in spite of others


@pytest.mark.parametrize("unknown", [{"x": 1}, {"x": [{"a": None}], "isban": "é", "": 1.5}, {"is_ban": True}])
def test_rooms_with_unknown_fields_are_read_quickly(unknown: dict[str, Any]) -> None:
    documents = [room_document(uuid=f"a{n}") for n in range(100)]
    for odd in (documents[50:51], documents):
        for document in odd:
            document |= unknown
        assert left(documents) == []


@pytest.mark.parametrize(
    "odd", [{"createdAt": "2021-01-18T06:56:29Z"}, {"uuid": "a-b"}, {"isBan": 0}, {"x": DEEP}]
)
def test_only_few_rooms_are_left_together_with_an_odd_one(odd: dict[str, Any]) -> None:
    for place in (0, 1, 500, 999):
        documents = [room_document(uuid=f"a{n}") for n in range(1000)]
        documents[place] |= odd
        several = left(documents)
        assert documents[place] in several
        assert len(several) < 2 * FEW
    assert len(left([room_document(**odd)] * 1000)) == 1000


@pytest.mark.parametrize("body", ["%s", printed(200, "%s")])
def test_an_answer_with_unknown_fields_or_as_printed_leaves_nothing_to_the_plain_way(
    body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_plainly(body: bytes) -> Any:
        raise AssertionError(body)

    monkeypatch.setattr(speedups, "read_json", read_plainly)
    monkeypatch.setattr(responses, "structure", lambda document, _: document)
    sent = (body % f"[{room_json(x=1).decode()}, {ROOM}]").encode()
    rooms: Any = decode_answer(list_rooms(), 200, {}, sent)
    assert [room.extra for room in rooms] == [{"x": 1}, {}]


def test_no_two_rooms_share_what_they_keep() -> None:
    rooms = with_rooms(read_json_quickly(b"[%s, %s]" % (room_json(x=[]), room_json(x=[]))))
    assert rooms[0].extra == rooms[1].extra == {"x": []}
    assert rooms[0].extra["x"] is not rooms[1].extra["x"]


@pytest.mark.parametrize("document", [None, 1, "room", {}, room_document(), [], [[]], [[room_document()]], [None]])
def test_what_is_no_list_of_rooms_stays_as_it_is(document: Any) -> None:
    assert with_rooms(document) == document


# What is not sure

UNSURE = {
    "nothing": "",
    "an empty page": "[]",
    "null": "null",
    "a text": '"room"',
    "an array of arrays": "[[]]",
    "the printed form": f'{{"status": 200, "body": {ROOM}}}',
    "an unknown field": ROOM[:-1] + ', "x": 1}',
    "our own name of a field": ROOM[:-1] + ', "is_ban": true}',
    "deep nesting": "[" * 100_000,
    "deep nesting in an unknown field": ROOM[:-1] + ', "x": ' + "[" * 100_000,
    "data behind the end": f"{ROOM} 1",
    "a comma behind the end": f"[{ROOM},]",
    "a byte order mark": f"\ufeff{ROOM}",
    "a space that is none of JSON's": f"\u00a0{ROOM}",
    "a form feed": f"\f{ROOM}",
    "an end that is missing": ROOM[:-1],
    "single quotes": ROOM.replace('"', "'"),
}
UNSURE_VALUES = {
    "uuid": [
        '""',
        '"a-b"',
        '"a_b"',
        '"NETLESSSDK_a"',
        f'"{"a" * 129}"',
        '"\u00e9"',
        '"\u0663"',
        '"a\\n"',
        "1",
        "null",
    ],
    "teamUUID": ['"\\ud800"', '"\\ude00\\ud83d"', '"a\tb"', '"\x00"', '"\\x41"', "1", "null", "[]", "{}"],
    "name": ['"\\udfff"', "1", "[]", "true"],
    "isBan": ["0", "1", '"true"', "null", "True", "1.0"],
    "limit": [
        "1.0",
        "-0.0",
        "1e2",
        "1E400",
        "NaN",
        "Infinity",
        "true",
        '"1"',
        "null",
        "01",
        "+1",
        "1_0",
        "9" * 5000,
    ],
    "createdAt": [
        '"2021-01-18T06:56:29Z"',
        '"2021-01-18T06:56:29.43Z"',
        '"2021-01-18T06:56:29.4321Z"',
        '"2021-01-18T06:56:29,432Z"',
        '"2021-01-18 06:56:29.432Z"',
        '"2021-01-18t06:56:29.432z"',
        '"2021-01-18T06:56:29.432z"',
        '"2021-W03-1T06:56:29.432Z"',
        '"20210118T06:56:29.4320--Z"',
        '"2021-01-18T065629.432000Z"',
        '"2021-01-18T06:56:29+00:00"',
        '"2021-01-18T06:56:29.43200"',
        '"202-101-18T06:56:29.432Z"',
        '"2021-1-018T06:56:29.432Z"',
        '"2021-01-18T06:56:2.9432Z"',
        '"2021-01-18T06:56:29432.Z"',
        '"2021-02-29T06:56:29.432Z"',
        '"2021-01-18T25:56:29.432Z"',
        '"2021-01-18T06:56:60.432Z"',
        '"0000-01-18T06:56:29.432Z"',
        '"\uff122021-01-18T06:56:29.432Z"',
        '"\uff12021-01-18T06:56:29.432Z"',
        "1610952989432",
        "null",
    ],
}
UNSURE |= {
    f"{wire} {value[:40]}": json.dumps(room_document(**{wire: "?"})).replace('"?"', value)
    for wire, values in UNSURE_VALUES.items()
    for value in values
}


@pytest.mark.parametrize("body", UNSURE.values(), ids=UNSURE)
def test_what_is_not_as_documented_is_left_to_the_plain_way(body: str) -> None:
    for sent in (body, f"[{body}]", f"[{ROOM}, {body}]", f"[{body}, {ROOM}]"):
        assert not agree(sent.encode())


@pytest.mark.parametrize("raw", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x00"])
def test_what_is_not_utf_8_is_left_to_the_plain_way(raw: bytes) -> None:
    body = room_json(teamUUID="?", name="?")
    assert not agree(body.replace(b"?", raw))
    assert not agree(body.replace(b"isBan", b"isBan" + raw))
    assert not agree(body + raw)
    assert not agree(raw + body)


def test_times_that_are_wrong_each_in_its_way_do_not_make_up_for_each_other() -> None:
    for one, other in [("2021-01-18T06:56:29.43Z", "2021-01-18T06:56:29.4321Z"), ("2021-01-18T06:56:29", ".432Z")]:
        assert not agree(json.dumps([room_document(createdAt=one), room_document(createdAt=other)]).encode())


def test_a_field_that_comes_twice_has_its_last_value() -> None:
    assert agree(ROOM[:-1].encode() + b', "limit": 5, "uuid": "b"}')
    assert not agree(ROOM[:-1].encode() + b', "limit": null}')
    assert not agree(b'{"limit": null, ' + ROOM[1:].encode())  # the plain way takes it


# Whatever comes

NAMES = st.sampled_from([json.dumps(wire) for wire in WIRE_NAMES.values()])
ODD_NAMES = st.sampled_from(
    ['"\\u0075uid"', '"is\\u0042an"', '"extra"', '"UUID"', '"is_ban"', '""', "uuid", '"uuid\\u0000"']
)
ODD = [
    *(
        "9" * 4_300,
        "9" * 4_301,
        "18446744073709551616",
        "-9223372036854775809",
        "1e308",
        "1e309",
        "5e-324",
        "4.35",
    ),
    *(value for values in UNSURE_VALUES.values() for value in values),
]
GOOD_VALUES = st.sampled_from(
    ['"a"', "true", "false", "null", "0", "-0", "17", f'"{UUID}"', '"2021-01-18T06:56:29.432Z"']
)
TIMES = st.from_regex(
    r'"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{3}[Zz]"', fullmatch=True
)
MARKS = st.text("0123456789-T:.Z", min_size=22, max_size=26).map(json.dumps)
NUMBERS = st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.text(max_size=5).map(json.dumps) | st.text(max_size=5).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
ESCAPES = st.lists(
    st.sampled_from(["\\ud83d", "\\ude00", "\\u0000", "\\n", "\\/", "\\v", "a", "\x1f"]), max_size=3
).map(lambda parts: f'"{"".join(parts)}"')
VALUES = GOOD_VALUES | st.sampled_from(ODD) | TIMES | MARKS | NUMBERS | TEXTS | ESCAPES
SPACES = st.sampled_from(["", "", "", "", " ", "\n", "\t\r", "\f", "\u00a0", "\ufeff", "\x00", "/**/"])


@st.composite
def objects(draw: st.DrawFn) -> str:
    """Return a room that has been changed here and there, as text, so that it can be no JSON too."""
    members = [(json.dumps(wire), json.dumps(value)) for wire, value in room_document().items()]
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(members) - 1))
        name, value = members[at]
        members[at : at + 1] = draw(
            st.one_of(
                st.just([]) if len(members) > 1 else st.just([(name, value)]),
                VALUES.map(lambda other, name=name: [(name, other)]),  # type: ignore[misc]
                (NAMES | ODD_NAMES).map(lambda other, value=value: [(other, value)]),  # type: ignore[misc]
                st.tuples(NAMES, VALUES).map(lambda more, name=name, value=value: [(name, value), more]),  # type: ignore[misc]
            )
        )
    space = draw(SPACES)
    return "{" + f",{space}".join(f"{name}:{space}{value}" for name, value in members) + "}" + draw(SPACES)


def object_of(members: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in members) + "}"


ANYTHING = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(NAMES | ODD_NAMES | TEXTS | ESCAPES, inner), max_size=3).map(object_of)
    ),
    max_leaves=6,
)


@st.composite
def extended_objects(draw: st.DrawFn) -> str:
    """Return a room that has more fields than are known, or some of them twice, as text."""
    members = [(json.dumps(wire), json.dumps(value)) for wire, value in room_document().items()]
    for _ in range(draw(st.integers(1, 3))):
        name = draw(ODD_NAMES | TEXTS | ESCAPES | st.sampled_from(['"x"', '"x"', '"limit"']))
        members.insert(draw(st.integers(0, len(members))), (name, draw(ANYTHING)))
    return object_of(members)


@given(extended_objects(), st.integers(0, 3 * FEW), st.integers(0, 3 * FEW), extended_objects() | objects())
def test_a_room_with_unknown_fields_is_read_as_the_plain_way_does(
    one: str, many: int, more: int, other: str
) -> None:
    agree(one.encode())
    agree(f"[{','.join([*[ROOM] * many, one, *[ROOM] * more, other])}]".encode())


@given(objects(), st.integers(0, 2), objects())
def test_a_changed_document_is_read_as_the_plain_way_does_or_left_to_it(one: str, count: int, other: str) -> None:
    for body in (one, f"[{','.join([ROOM] * count + [one])}]", f"[{one},{other}]"):
        agree(body.encode())


@given(
    st.sampled_from([GOT.encode(), LISTED.encode(), b"[%s]" % room_json(name='é😀"\\')]),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
)
def test_a_damaged_body_is_read_as_the_plain_way_does_or_left_to_it(
    body: bytes, damages: list[tuple[int, int, bytes]]
) -> None:
    for place, cut, put in damages:
        body = body[:place] + put + body[place + cut :]
    agree(body)


@given(st.integers(0, len(LISTED) - 1), st.integers(0, 7))
def test_a_body_of_which_one_bit_is_flipped_is_read_as_the_plain_way_does_or_left_to_it(at: int, bit: int) -> None:
    body = bytearray(LISTED.encode())
    body[at] ^= 1 << bit
    agree(bytes(body))


@given(st.binary())
def test_random_bytes_are_left_to_the_plain_way(body: bytes) -> None:
    assert not agree(body)


# Without the extra


def test_without_the_extra_nothing_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
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
