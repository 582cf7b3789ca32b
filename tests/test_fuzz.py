"""Whatever comes as an answer, only our errors come out of it, or what it says; and no text shows the token.

The inputs are random bytes, random JSON, and good documents that were damaged: as values before they are spelled,
and as bytes afterwards.
"""

import json
import pickle
import traceback
from datetime import UTC, datetime
from math import inf, nan
from typing import Any, Final

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from hypothesis_profiles import count, examples
from netless_rooms import Room, RoomPage, RoomsError
from netless_rooms.grants import Token
from netless_rooms.operations import Operation, ban_room, create_room, get_room, list_rooms
from netless_rooms.responses import MAX_EXCERPT, decode_answer
from netless_rooms.tokens import AccessKey, Role
from samples import CREATED, DASHED, DISABLED, LISTED, UUID, room_document

OPERATIONS: Final[list[Operation[Any]]] = [
    create_room(limit=3),
    get_room(UUID),
    get_room(DASHED),
    list_rooms(),
    list_rooms(begin_uuid=UUID, limit=2),
    ban_room(UUID, is_ban=True),
    ban_room(UUID, is_ban=False),
]
TOKENS: Final = [
    AccessKey("an-access-key", "a-secret-key").sdk_token(role=Role.ADMIN, lifetime=None),
    AccessKey("an-access-key", "a-secret-key").room_token(UUID, role=Role.WRITER, lifetime=None),
    "opaque-7f3a9c51e8d2b6407f3a9c51e8d2b640",
]
PIECE: Final = 12  # characters of a token in a row that nothing may show
DEEP: Final = 2_000  # levels, more than any recursion takes


# What is damaged

OLD_ROOM: Final = room_document(name="Algebra", appUUID=...)
GOOD: Final[list[Any]] = [
    room_document(),
    room_document(isBan=True),
    OLD_ROOM,
    room_document(uuid=DASHED, colour="red", tags=[{"a": None}]),
    json.loads(CREATED),
    json.loads(DISABLED),
    json.loads(LISTED),
    [room_document(), OLD_ROOM, room_document(uuid="another")],
    [],
    {"message": "room not found"},
    {"msg": "expired token"},
]
NAMES: Final = [*room_document(), "name", "status", "body", "message", "msg", "colour", "\ud800", "", "a" * 300]


def nested(levels: int) -> Any:
    inner: Any = None
    for level in range(levels):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


odd_values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 200, 404, 1.0, 0.5, 10**30, 2**63, 1e308, nan, inf, -inf]),
    st.sampled_from(
        ["", "true", "0", UUID, DASHED.upper(), "../x", "x" * 5_000, "\ud800", "\x00\x1b[31m", "é\u202e"]
    ),
    st.sampled_from(["2021-02-30T00:00:00.000Z", "0001-01-01T00:00:00+23:59", "2021-01-18T06:56:29Z", "soon"]),
    st.sampled_from(["2021-01-18T08:56:29.432123+02:00", "9999-12-31T23:59:59-23:59", "2021-01-18T06:56:60Z"]),
    st.sampled_from(TOKENS),
    st.sampled_from([[], {}, nested(5), nested(33), nested(34), nested(300), {"status": 200, "body": {}}]),
)
pieces = st.sampled_from(
    [
        *(
            b"[",
            b"]",
            b"{",
            b"}",
            b'"',
            b",",
            b":",
            b"\\",
            b"\x00",
            b"\xff",
            b"\xef\xbb\xbf",
            b"NaN",
            b"-Infinity",
        ),
        *(b"1e999", b"-0", b"0x1", b"01", b'"\\ud800"', b'"\\ud83d\\ude00"', b"9" * 5_000, b"1" * 400 + b".5"),
        *(b'"isBan":"no",', b'"uuid":null,', b'"limit":0,', b'{"a":', b"[" * DEEP, b"//", b"null", b"true"),
        *(token.encode() for token in TOKENS),
    ]
)


def damaged(document: Any, draw: st.DrawFn) -> Any:
    """Return ``document`` with a change at a random place."""
    if isinstance(document, (dict, list)) and document and draw(st.integers(0, 4)):
        names = list(document) if isinstance(document, dict) else range(len(document))
        name = draw(st.sampled_from(names))
        changed = document.copy()
        changed[name] = damaged(document[name], draw)
        return changed
    how = draw(
        st.sampled_from(["replace", "wrap in a list", "wrap in an object", "wrap as printed", "add", "drop"])
    )
    if how == "add" and isinstance(document, dict):
        return document | {draw(st.sampled_from([*NAMES, TOKENS[0]])): draw(odd_values)}
    if how == "drop" and isinstance(document, dict) and document:
        left = draw(st.sampled_from(list(document)))
        return {name: value for name, value in document.items() if name != left}
    if how.startswith("wrap"):
        wrappers: dict[str, Any] = {
            "wrap in a list": lambda inner: [inner],
            "wrap in an object": lambda inner: {"a": inner},
            "wrap as printed": lambda inner: {
                "status": draw(st.sampled_from([200, 201, 404, 99, "200"])),
                "body": inner,
            },
        }
        return wrappers[how](document)
    return draw(odd_values)


def spelled(document: Any, draw: st.DrawFn) -> bytes:
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    return text.encode(errors=draw(st.sampled_from(["surrogatepass", "replace"])))


@st.composite
def damaged_documents(draw: st.DrawFn) -> bytes:
    document = draw(st.sampled_from(GOOD))
    for _ in range(draw(st.integers(0, 3))):
        document = damaged(document, draw)
    if draw(st.booleans()):
        document = {"status": draw(st.sampled_from([200, 201, 204, 401, 500])), "body": document}
    return spelled(document, draw)


@st.composite
def damaged_texts(draw: st.DrawFn) -> bytes:
    body = spelled(draw(st.sampled_from(GOOD)), draw)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        to = draw(st.integers(at, min(len(body), at + 40)))
        how = draw(st.sampled_from(["flip", "cut", "end", "insert", "twice"]))
        if how == "flip" and at < len(body):
            body = body[:at] + bytes([body[at] ^ draw(st.integers(1, 255))]) + body[at + 1 :]
        elif how == "cut":
            body = body[:at] + body[to:]
        elif how == "end":
            body = body[:at]
        elif how == "insert":
            body = body[:at] + draw(pieces) + body[at:]
        else:
            body = body[:to] + body[at:]
    return body


random_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)
bodies = st.one_of(
    st.tuples(st.just("random bytes"), st.binary(max_size=80)),
    st.tuples(st.just("random JSON"), random_json.map(lambda document: json.dumps(document).encode())),
    st.tuples(st.just("damaged documents"), damaged_documents()),
    st.tuples(st.just("damaged documents"), damaged_documents()),
    st.tuples(st.just("damaged texts"), damaged_texts()),
    st.tuples(st.just("damaged texts"), damaged_texts()),
)
header_values = (
    st.text(max_size=20)
    | st.sampled_from(
        ["0", "5", "99999999999", "-1", "1.5", "https://h/x", "//[::1", "Mon, 18 Jan 2021 06:56:29 GMT"]
    )
    | st.from_regex(r"\A\w{3}, \d{1,3} Jan \d{1,9} \d\d:\d\d:\d\d (GMT|[+-]\d{1,20})\Z")
    | st.sampled_from(TOKENS).map(lambda token: f"https://h/{token}?x={token}")
)
headers = st.dictionaries(
    st.sampled_from(["location", "retry-after", "date", "content-type"]) | st.text(max_size=8),
    header_values,
    max_size=3,
)
statuses = st.just(200) | st.just(201) | st.sampled_from([204, 302, 401, 404, 429, 500]) | st.integers(0, 999)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
good_rooms = st.builds(
    lambda unknown, room, old: unknown | room | old,
    st.dictionaries(st.text(max_size=9), anything, max_size=3),
    st.fixed_dictionaries(
        {
            "uuid": st.just(UUID) | st.from_regex(r"\A[0-9A-Za-z_-]{1,128}\Z"),
            "teamUUID": st.text(max_size=9),
            "isRecord": st.booleans(),
            "isBan": st.booleans(),
            "createdAt": st.datetimes().map(lambda time: time.isoformat(timespec="milliseconds") + "Z"),
            "limit": st.integers(),
        }
    ),
    st.dictionaries(st.sampled_from(["name", "appUUID"]), st.none() | st.text(max_size=9)),
)


@example(OPERATIONS[1], 200, {}, ("damaged texts", b"[" * 200_000), TOKENS[0], 0.0)
@example(
    OPERATIONS[1], 200, {}, ("damaged documents", json.dumps(room_document(x=nested(32))).encode()), TOKENS[0], 0.0
)
# Drawing and damaging takes its time, and the first text ever drawn in a checkout waits for a table of Unicode.
@settings(examples(500, many=12_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    operation=st.sampled_from(OPERATIONS),
    status=statuses,
    headers=headers,
    body=bodies,
    token=st.sampled_from(TOKENS),
    now=st.sampled_from([0.0, 1_610_952_989.0, nan, inf, -inf, 1e300]),
)
def test_only_our_errors_come_out_of_any_answer_or_what_it_says(
    operation: Operation[Any],
    status: int,
    headers: dict[str, str],
    body: tuple[str, bytes],
    token: str,
    now: float,
) -> None:
    kind, sent = body
    try:
        answer = decode_answer(operation, status, headers, sent, hide=Token.of(token).hide, now=now)
    except RoomsError as error:
        count("bad inputs", kind)
        event(f"{kind}: {type(error).__name__}")
        assert (error.method, error.path) == (operation.method, operation.target)  # noqa: PT017  else, it is good
        assert len(str(error)) < 4 * MAX_EXCERPT  # noqa: PT017
        # Of the token that was sent no piece is shown; any other is known by its beginning, if it is whole.
        for echoed in TOKENS[:2] if kind == "damaged documents" else []:
            assert_hidden(echoed, error)
        assert_hidden(token, error)
    else:
        count("inputs that were good in spite of it", kind)
        event(f"{kind}: good")
        document = json.loads(sent)
        if isinstance(document, dict) and document.keys() == {"status", "body"}:
            assert document["status"] in {200, 201}
            document = document["body"]
        assert status in {200, 201}
        assert type(answer) is operation.answer
        assert_says(answer, document)


@settings(examples(150, many=2_000), suppress_health_check=[HealthCheck.too_slow])
@given(good_rooms | st.lists(good_rooms, max_size=4), st.sampled_from([200, 201]), st.booleans(), st.booleans())
def test_every_good_document_comes_out_whole(document: Any, status: int, printed: bool, ascii_only: bool) -> None:
    operation = OPERATIONS[3] if isinstance(document, list) else OPERATIONS[0]
    sent = {"status": status, "body": document} if printed else document
    answer = decode_answer(operation, status, {}, json.dumps(sent, ensure_ascii=ascii_only).encode())
    assert_says(answer, document)
    count("good inputs")


def assert_says(answer: Room | RoomPage, document: Any) -> None:
    """Check that ``answer`` says what ``document`` says, all of it, and nothing else."""
    if isinstance(answer, RoomPage):
        assert type(document) is list
        assert len(answer) == len(document)
        for room, described in zip(answer, document, strict=True):
            assert_says(room, described)
        return
    assert answer.created_at.tzinfo is UTC
    described = dict(document)
    assert datetime.fromisoformat(described.pop("createdAt")) == answer.created_at
    told = {
        "uuid": answer.uuid,
        "teamUUID": answer.team_uuid,
        "isRecord": answer.is_record,
        "isBan": answer.is_ban,
        "limit": answer.limit,
        **{name: value for name, value in optional(answer).items() if name in described},
        **answer.extra,
    }
    assert spelled_exactly(told) == spelled_exactly(described)
    assert all(value is None for name, value in optional(answer).items() if name not in described)


def optional(room: Room) -> dict[str, str | None]:
    return {"appUUID": room.app_uuid, "name": room.name}


def spelled_exactly(document: dict[str, Any]) -> str:
    """Return a text that is the same only for the same values of the same types."""
    return json.dumps(document, sort_keys=True)


def assert_hidden(token: str, error: RoomsError) -> None:
    secret = token.partition("_")[2] or token
    told = [
        str(error),
        repr(error),
        repr(vars(error)),
        repr(pickle.dumps(error)),
        *traceback.format_exception(error),
    ]
    together = "\n".join(told)
    assert not [at for at in range(len(secret) - PIECE + 1) if secret[at : at + PIECE] in together]
