"""A call is refused here exactly when it cannot succeed, by the documented table and by the emulator."""

import math
import pickle
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netless_rooms import AccessKey, Role, TokenError, TokenKind
from netless_rooms.emulator import Ask, Emulator
from netless_rooms.grants import Token, check_grant
from netless_rooms.operations import Operation, ban_room, create_room, get_room, list_rooms
from netless_rooms.signing import LAST_MS, TELLING, mint, read_signature
from samples import DASHED, UUID

KEY = AccessKey("ak-of-the-project", "sk-4cf1be07d9a25e38")
NOW = 1_600_000_000.0  # 2020-09-13 12:26:40 UTC
OTHER = "1d4a5c0089c611eaa629dbb375b5adfc"
SPELLINGS = [UUID, UUID.upper(), DASHED, DASHED.lower(), UUID[:4].upper() + UUID[4:]]
UNREADABLE = ["something", "NETLESSSDK_", "NETLESSSDK_YWs9", "NETLESSTASK_" + "A" * 80, "a" * 5000]

CALLS: dict[str, Operation[Any]] = {
    "create": create_room(limit=3),
    "get": get_room(UUID),
    "list": list_rooms(begin_uuid=OTHER, limit=5),
    "disable": ban_room(UUID, is_ban=True),
    "enable": ban_room(UUID, is_ban=False),
}
# The permission table of the service's documentation.  A task token has no row there: it is for another service.
MAY: dict[tuple[TokenKind, Role], str] = {
    (TokenKind.SDK, Role.ADMIN): "create get list disable enable",
    (TokenKind.SDK, Role.WRITER): "create get list",
    (TokenKind.SDK, Role.READER): "",
    (TokenKind.ROOM, Role.ADMIN): "get disable enable",
    (TokenKind.ROOM, Role.WRITER): "get",
    (TokenKind.ROOM, Role.READER): "",
    (TokenKind.TASK, Role.ADMIN): "",
    (TokenKind.TASK, Role.WRITER): "",
    (TokenKind.TASK, Role.READER): "",
}

every_kind = pytest.mark.parametrize("kind", TokenKind)
every_role = pytest.mark.parametrize("role", Role)
every_call = pytest.mark.parametrize("call", CALLS)


def token(
    kind: TokenKind = TokenKind.SDK,
    role: Role = Role.ADMIN,
    *,
    uuid: str = UUID,
    expires_at_ms: int | None = None,
    key: AccessKey = KEY,
) -> Token:
    text = mint(
        kind,
        access_key=key.access_key,
        secret_key=key.secret_key,
        role=role,
        uuid=None if kind is TokenKind.SDK else uuid,
        expires_at_ms=expires_at_ms,
        nonce="5bfa5950-e766-4fbd-8bd7-3a1a0d4b1f0e",
    )
    return Token.of(text)


def passes(sent: Token, operation: Operation[Any], now: float = NOW) -> bool:
    try:
        check_grant(sent, operation, now)
    except TokenError:
        return False
    return True


def refusal(sent: Token, operation: Operation[Any], now: float = NOW) -> TokenError:
    with pytest.raises(TokenError) as caught:
        check_grant(sent, operation, now)
    assert (caught.value.method, caught.value.path) == (operation.method, operation.target)
    return caught.value


# Who may do what


@every_call
@every_role
@every_kind
def test_a_call_passes_exactly_when_the_table_says_so(kind: TokenKind, role: Role, call: str) -> None:
    assert passes(token(kind, role), CALLS[call]) is (call in MAY[kind, role].split())


@every_call
@every_role
@pytest.mark.parametrize("kind", [TokenKind.ROOM, TokenKind.TASK])
@pytest.mark.parametrize("uuid", [OTHER, "a", UUID[:-1], f"{UUID}0", "0e6exxxxxx4d95"])
def test_a_token_for_another_room_opens_nothing(uuid: str, kind: TokenKind, role: Role, call: str) -> None:
    assert not passes(token(kind, role, uuid=uuid), CALLS[call])


@pytest.mark.parametrize("asked", SPELLINGS)
@pytest.mark.parametrize("named", SPELLINGS)
@every_role
def test_a_room_is_the_same_however_the_token_or_the_call_spells_it(role: Role, named: str, asked: str) -> None:
    sent = token(TokenKind.ROOM, role, uuid=named)
    may = MAY[TokenKind.ROOM, role].split()
    assert passes(sent, get_room(asked)) is ("get" in may)
    assert passes(sent, ban_room(asked, is_ban=True)) is ("disable" in may)
    assert passes(sent, ban_room(asked, is_ban=False)) is ("enable" in may)


def test_only_a_uuid_has_several_spellings() -> None:
    assert passes(token(TokenKind.ROOM, uuid="0e6exxxxxx4d95"), get_room("0e6exxxxxx4d95"))
    assert not passes(token(TokenKind.ROOM, uuid="0E6EXXXXXX4D95"), get_room("0e6exxxxxx4d95"))


def test_a_list_that_begins_with_the_room_is_still_a_list() -> None:
    assert not passes(token(TokenKind.ROOM), list_rooms(begin_uuid=UUID, limit=1))


@every_call
@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: text[:12])
@pytest.mark.parametrize("now", [0.0, NOW, 1e300, math.inf, math.nan])
def test_what_cannot_be_read_is_left_to_the_service(now: float, text: str, call: str) -> None:
    sent = Token.of(text)
    assert (sent.text, sent.told) == (text, None)
    assert passes(sent, CALLS[call], now)
    assert sent.seconds_left(now) == math.inf


# The end


ENDING = token(expires_at_ms=int(NOW * 1000))


@every_call
def test_a_token_ends_with_the_very_moment_that_it_names(call: str) -> None:
    operation = CALLS[call]
    for before in (-1e12, 0.0, NOW - 600, NOW - 0.001, math.nextafter(NOW, 0)):
        assert passes(ENDING, operation, before)
    for after in (NOW, math.nextafter(NOW, math.inf), NOW + 0.001, NOW + 1e9):
        assert not passes(ENDING, operation, after)


def test_the_end_is_taken_to_the_millisecond() -> None:
    sent = token(expires_at_ms=int(NOW * 1000) + 1)
    assert passes(sent, CALLS["list"], NOW)
    assert not passes(sent, CALLS["list"], NOW + 0.001)


@pytest.mark.parametrize("now", [-1e12, 0.0, NOW, 1e300, math.inf])
def test_a_token_that_names_no_end_has_none(now: float) -> None:
    assert passes(token(), CALLS["list"], now)
    assert token().seconds_left(now) == math.inf


def test_the_seconds_left_fall_from_the_lifetime_over_zero() -> None:
    assert [ENDING.seconds_left(NOW + passed) for passed in (-600.0, -0.5, 0.0, 0.25, 3600.0)] == [
        600.0, 0.5, 0.0, -0.25, -3600.0,
    ]  # fmt: skip


# What the error says

UNCHECKED = " (check_token=False leaves it to the service)"
TASK = "a task token may make none of the calls"
READER = "a reader's token may make none of the calls"
FOR_ROOM = "a room token is for that room, not for all of them"
WRITER_SDK = "use an SDK token of a writer or an admin"
WRITER_ROOM = "use an SDK token or one of that room, of a writer or an admin"
ADMIN_ROOM = "use an SDK token or one of that room, of an admin"


@pytest.mark.parametrize(
    ("kind", "role", "uuid", "call", "words"),
    [
        (TokenKind.TASK, Role.ADMIN, UUID, "list", f"{TASK}; {WRITER_SDK}"),
        (TokenKind.TASK, Role.WRITER, UUID, "get", f"{TASK}; {WRITER_ROOM}"),
        (TokenKind.TASK, Role.READER, UUID, "enable", f"{TASK}; {ADMIN_ROOM}"),
        (TokenKind.SDK, Role.READER, "", "create", f"{READER}; {WRITER_SDK}"),
        (TokenKind.SDK, Role.READER, "", "get", f"{READER}; {WRITER_ROOM}"),
        (TokenKind.ROOM, Role.READER, OTHER, "disable", f"{READER}; {ADMIN_ROOM}"),
        (TokenKind.ROOM, Role.ADMIN, UUID, "create", f"{FOR_ROOM}; {WRITER_SDK}"),
        (TokenKind.ROOM, Role.WRITER, UUID, "list", f"{FOR_ROOM}; {WRITER_SDK}"),
        (TokenKind.ROOM, Role.ADMIN, OTHER, "get", f"the token is for another room; {WRITER_ROOM}"),
        (TokenKind.ROOM, Role.WRITER, OTHER, "disable", f"the token is for another room; {ADMIN_ROOM}"),
        (TokenKind.ROOM, Role.WRITER, UUID, "enable", f"a writer's token may not do this; {ADMIN_ROOM}"),
        (TokenKind.SDK, Role.WRITER, "", "disable", f"a writer's token may not do this; {ADMIN_ROOM}"),
    ],
)  # fmt: skip
def test_the_error_says_what_is_lacking_and_what_would_do(
    kind: TokenKind, role: Role, uuid: str, call: str, words: str
) -> None:
    operation = CALLS[call]
    asked = f"{operation.method} {operation.target}"
    said = str(refusal(token(kind, role, uuid=uuid), operation))
    assert said == f"{asked}: not sent, because {words}{UNCHECKED}"


@pytest.mark.parametrize(
    ("later", "ago"),
    [
        (0.0, "0:00:00"),
        (0.6, "0:00:01"),
        (59.4, "0:00:59"),
        (3600.0, "1:00:00"),
        (86_400.0, "1 day, 0:00:00"),
        (1e9, "11574 days, 1:46:40"),
    ],
)
def test_the_error_says_when_the_token_expired_and_how_long_ago(later: float, ago: str) -> None:
    assert str(refusal(ENDING, CALLS["list"], NOW + later)) == (
        f"GET /v5/rooms?beginUUID={OTHER}&limit=5: not sent, because the token expired at "
        f"2020-09-13 12:26:40 UTC, {ago} ago by this machine's clock; "
        f"use a new one, or set the clock right{UNCHECKED}"
    )


def test_what_no_new_token_of_its_kind_would_heal_is_said_first() -> None:
    expired = token(role=Role.WRITER, expires_at_ms=0)
    assert "may not do this" in str(refusal(expired, CALLS["disable"]))
    assert "expired" not in str(refusal(expired, CALLS["disable"]))
    assert "expired" in str(refusal(expired, CALLS["get"]))


# What must not be shown


def pieces(text: str) -> list[str]:
    secret = text.partition("_")[2] or text
    return [secret[at : at + TELLING] for at in range(len(secret) - TELLING + 1)]


@every_call
@every_kind
def test_no_error_shows_the_token(kind: TokenKind, call: str) -> None:
    for role in Role:
        for uuid in (UUID, OTHER):
            sent = token(kind, role, uuid=uuid, expires_at_ms=0)
            error = refusal(sent, CALLS[call])
            told = [str(error), repr(error), repr(error.args), repr(vars(error)), repr(pickle.dumps(error))]
            assert not [text for text in told for piece in pieces(sent.text) if piece in text]
            assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("text", [*UNREADABLE[:4], token().text, token(TokenKind.ROOM).text], ids=range(6))
def test_a_repr_does_not_show_the_token(text: str) -> None:
    shown = repr(Token.of(text))
    assert shown.startswith("Token(told=")
    assert text not in shown
    assert not [piece for piece in pieces(text) if piece in shown]


def test_a_repr_shows_what_the_token_says_about_itself() -> None:
    assert repr(Token.of("something")) == "Token(told=None)"
    assert repr(Role.WRITER) in repr(token(role=Role.WRITER))


def test_hiding_takes_out_the_token_its_pieces_and_what_looks_like_another() -> None:
    opaque = Token.of("opaque:7f3a9c51:e8d2b640")
    assert opaque.hide("is opaque:7f3a9c51:e8d2b640 right?") == "is NETLESS… right?"
    assert opaque.hide("is 9c51:e8d2b640 right?") == "is NETLESS… right?"
    assert opaque.hide("is e8d2b640 right?") == "is e8d2b640 right?"
    assert opaque.hide(f"is {token().text} right?") == "is NETLESS… right?"
    sent = token(TokenKind.ROOM)
    for hider in (sent, opaque):
        assert hider.hide(f"what is {sent.text}?").startswith("what is NETLESS…")
    assert sent.text[20:60] not in sent.hide(f"cannot decode {sent.text[20:60]}")


def test_hiding_leaves_other_words_alone() -> None:
    for text in ("a", "something", token().text):
        assert Token.of(text).hide("a bad day for something") == "a bad day for something"


def test_a_token_is_compared_by_identity() -> None:
    one, other = token(), token()
    assert one.text == other.text
    assert one != other
    assert len({one, other}) == 2


# The emulator judges alike


def refused_by_the_emulator(sent: Token, operation: Operation[Any], now: float, key: AccessKey = KEY) -> bool:
    emulator = Emulator(access_key=key.access_key, secret_key=key.secret_key, clock=lambda: now)
    emulator.add_room(uuid=UUID)
    answer = emulator.answer(
        Ask(
            method=operation.method,
            path=operation.path,
            query=operation.query,
            headers={"token": sent.text, "region": "sg"},
            body=operation.body or b"",
        )
    )
    assert answer.status in {200, 201, 401, 403}
    return answer.status in {401, 403}


# The end lies around the time of the call, at most a few of the smallest steps of either away, or anywhere.
AROUND = st.integers(-3, 3).map(lambda steps: NOW + steps / 1000) | st.integers(-3, 3).map(
    lambda steps: NOW + steps * math.ulp(NOW)
)
TIMES = AROUND | st.floats(0, LAST_MS / 1000)
ENDS = st.none() | st.integers(-3, 3).map(lambda step: int(NOW * 1000) + step) | st.integers(0, LAST_MS)


@given(
    kind=st.sampled_from(TokenKind),
    role=st.sampled_from(Role),
    uuid=st.sampled_from([UUID, OTHER]),
    ends=ENDS,
    call=st.sampled_from(list(CALLS)),
    now=TIMES,
)
@example(kind=TokenKind.SDK, role=Role.ADMIN, uuid=UUID, ends=int(NOW * 1000), call="list", now=NOW)
@example(kind=TokenKind.ROOM, role=Role.WRITER, uuid=UUID, ends=int(NOW * 1000) + 1, call="get", now=NOW)
def test_a_call_is_refused_exactly_when_the_emulator_refuses_it(
    *, kind: TokenKind, role: Role, uuid: str, ends: int | None, call: str, now: float
) -> None:
    sent = token(kind, role, uuid=uuid, expires_at_ms=ends)
    assert passes(sent, CALLS[call], now) is (not refused_by_the_emulator(sent, CALLS[call], now))


@given(
    kind=st.sampled_from(TokenKind),
    role=st.sampled_from(Role),
    uuid=st.sampled_from([*SPELLINGS, OTHER, UUID[:-1], "a"]),
    ends=ENDS,
    call=st.sampled_from(list(CALLS)),
    now=TIMES,
)
def test_nothing_that_the_emulator_grants_is_refused_however_the_room_is_spelled(
    *, kind: TokenKind, role: Role, uuid: str, ends: int | None, call: str, now: float
) -> None:
    sent = token(kind, role, uuid=uuid, expires_at_ms=ends)
    assert passes(sent, CALLS[call], now) or refused_by_the_emulator(sent, CALLS[call], now)


@given(
    text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), call=st.sampled_from(list(CALLS))
)
def test_no_text_is_refused_that_cannot_be_read(text: str, call: str) -> None:
    assert passes(Token.of(text), CALLS[call])


def test_a_token_of_another_project_is_for_the_service_to_refuse() -> None:
    sent = token(key=AccessKey("another", "project"))
    assert passes(sent, CALLS["list"])
    assert refused_by_the_emulator(sent, CALLS["list"], NOW)


def test_the_signature_of_a_token_is_hidden_in_any_words() -> None:
    text = AccessKey("ak", "sk").sdk_token(role=Role.WRITER, lifetime=None)
    signature = read_signature(text)
    assert len(signature) == 64
    token = Token.of(text)
    assert signature[5:40] not in token.hide(f"decoded: ak=ak&role=1&sig={signature}")
    assert token.hide("ak=ak&role=1") == "ak=ak&role=1"
    assert signature not in repr(token)
