"""Strategies for bodies that are almost what the service documents: text that may or may not be JSON."""

import json
from collections.abc import Iterable
from typing import Any, Final

from hypothesis import strategies as st

from netless_rooms._api.decoding import WIRE_NAMES
from samples import DASHED, GOT, UUID, room_document

SDK_TOKEN: Final = "NETLESSSDK_YWs9YW4tYWNjZXNzLWtleSZyb2xlPTAmc2lnPTY4ZTlkN2Q2YzJmODFhNDM"
TOKENS: Final = [SDK_TOKEN, "opaque:7f3a9c51e8d2b640!7f3a9c51e8d2b640"]
PIECE: Final = 12  # characters of a token in a row that nothing may show
TIME: Final = "2021-01-18T06:56:29.432Z"
DEEP: Final = "[" * 2_000  # more levels than any recursion takes

ODD_VALUES: Final = [
    *("null", "true", "True", "[]", "{}", "[[]]", '{"a": [null]}', "'a'", "nan", "NaN", "-Infinity"),
    *("0", "-0", "1", "01", "+1", "1_0", "1.0", "-0.0", "1e2", "5e-324", "1e308", "1e309", "-1E400", "0x1"),
    *("18446744073709551616", "-9223372036854775809", "9" * 4_300, "9" * 4_301, "-" + "9" * 5_000),
    *('""', '"a"', '"a-b"', '"a_b"', '"é"', '"٣"', '"a\\n"', '"a\nb"', '"a\tb"', '"\x00"', '"\\x41"', '"\\/"'),
    *('"\\ud800"', '"\\ude00\\ud83d"', '"\\ud83d\\ude00"', '"\\\\udfff"', '"\\u0000"', '"true"', '"../x"'),
    *(f'"{UUID}"', f'"{DASHED}"', f'"{"a" * 128}"', f'"{"a" * 129}"', f'"{SDK_TOKEN}"', f'"{"x" * 5_000}"'),
    *(f'"{TIME}"', '"2021-01-18T06:56:29+00:00"', '"2021-01-18T06:56:29.43200"', "1610952989432"),
    *("[" * 33 + "]" * 33, "[" * 300 + "]" * 300, DEEP),
]
ODD_NAMES: Final = [
    *('"x"', '"extra"', '"is_ban"', '""', '"uuid\\u0000"', '"\\u0075uid"', '"is\\u0042an"', '"\\ud800"'),
    *("uuid", '"status"', '"body"', '"message"', '"msg"', f'"{SDK_TOKEN}"', f'"{"a" * 300}"'),
]
ODD_SPACES: Final = ["\n", "\t\r", "\f", "\u00a0", "\ufeff", "\x00", "/**/", ","]


def spelled(members: Iterable[tuple[str, str]], space: str = "") -> str:
    return "{" + f",{space}".join(f"{name}:{space}{value}" for name, value in members) + "}"


def members_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(json.dumps(name), json.dumps(value)) for name, value in document.items()]


ROOM: Final = json.dumps(room_document())
_names = st.sampled_from([*map(json.dumps, WIRE_NAMES.values()), *ODD_NAMES]) | st.text(max_size=5).map(json.dumps)
_times = st.builds(
    lambda at, cut, put: f'"{TIME[:at]}{put}{TIME[at + cut :]}"',
    *(st.integers(0, 24), st.integers(0, 2), st.text("0129-T:.Zt +", max_size=2)),
)
_scalars = st.one_of(
    *(st.sampled_from(ODD_VALUES), _times, st.text("0123456789-+.eE", min_size=1, max_size=9)),
    st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text("\\ud83e0n/v'\" a", max_size=12).map(lambda text: f'"{text}"'),
)


def _inside(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arrays = st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
    return arrays | st.lists(st.tuples(_names, inner), max_size=3).map(spelled)


_values = st.recursive(_scalars, _inside, max_leaves=5)
_documents = [room_document(), room_document(isBan=True), room_document(name="Algebra", appUUID=...)]
_documents += [room_document(uuid=DASHED, colour="red", tags=[{"a": None}]), json.loads(GOT)]
_documents += [{"message": "room not found"}, {"msg": "expired token"}]
_pieces = [piece.encode() for piece in (*ODD_VALUES, *ODD_SPACES)]


@st.composite
def _objects(draw: st.DrawFn) -> str:
    members = members_of(draw(st.sampled_from(_documents)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(members) - 1))
        name, value = members[at]
        how = draw(st.sampled_from(["value", "value", "name", "add", "drop"]))
        if how == "value":
            members[at] = (name, draw(_values))
        elif how == "name":
            members[at] = (draw(_names), value)
        elif how == "add" or len(members) == 1:
            members.insert(at, (draw(_names), draw(_values)))
        else:
            del members[at]
    return spelled(members, draw(st.sampled_from(["", "", " ", *ODD_SPACES])))


@st.composite
def _bodies(draw: st.DrawFn) -> str:
    body = draw(_objects())
    if draw(st.booleans()):
        before, after = ([ROOM] * draw(st.sampled_from([0, 0, 1, 20, 40])) for _ in range(2))
        body = f"[{','.join([*before, body, *after, *draw(st.lists(_objects(), max_size=2))])}]"
    if draw(st.booleans()):
        body = spelled([('"status"', draw(st.sampled_from(["200", "201", "204", "401", "99"]))), ('"body"', body)])
    return body


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    body = draw(_bodies()).encode()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body)))
        cut = draw(st.integers(0, 3) | st.integers(0, 40) | st.just(len(body)))
        put = draw(st.binary(max_size=3) | st.sampled_from(_pieces))
        if draw(st.booleans()) and at < len(body):
            cut, put = 1, bytes([body[at] ^ 1 << draw(st.integers(0, 7))])
        body = body[:at] + put + body[at + cut :]
    return body


odd_bodies: Final = st.one_of(
    st.tuples(st.just("random bytes"), st.binary(max_size=80)),
    st.tuples(st.just("random JSON"), _values.map(str.encode)),
    *[st.tuples(st.just("damaged documents"), _bodies().map(str.encode))] * 2,
    *[st.tuples(st.just("damaged texts"), _damaged())] * 2,
)


def assert_hidden(tokens: set[str], *shown: str) -> None:
    together = "\n".join(shown)
    for token in tokens:
        secret = token.partition("_")[2] or token
        assert not [at for at in range(len(secret) - PIECE + 1) if secret[at : at + PIECE] in together]
