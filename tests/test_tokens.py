"""Tokens are those of the service's own code, byte for byte, and nothing else passes for one."""

import json
import pickle
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netless_rooms import AccessKey, Role, TokenError, TokenInfo, TokenKind, read_token, verify_token
from netless_rooms.signing import EPOCH, mint, redact
from samples import UUID

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("token-vectors.json").read_text("utf-8"))
SDK, ROOM = VECTORS[0], VECTORS[3]
SECRET = "sk-4cf1be07d9a25e38"
KEY = AccessKey("ak123", SECRET)
CALLS: dict[TokenKind, Callable[..., str]] = {
    TokenKind.SDK: KEY.sdk_token,
    TokenKind.ROOM: lambda **rest: KEY.room_token(UUID, **rest),
    TokenKind.TASK: lambda **rest: KEY.task_token(UUID, **rest),
}

every_vector = pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['kind']}-{v['accessKey']}" for v in VECTORS])
every_call = pytest.mark.parametrize(("kind", "make"), list(CALLS.items()), ids=list(CALLS))


def as_info(vector: dict[str, Any]) -> TokenInfo:
    expires = vector["expireAt"]
    return TokenInfo(
        kind=TokenKind(vector["kind"]),
        access_key=vector["accessKey"],
        role=Role(int(vector["role"])),
        uuid=vector["uuid"],
        expires_at=expires and EPOCH + timedelta(milliseconds=int(expires)),
        nonce=vector["nonce"],
    )


def spell(query: str | bytes, prefix: str = "NETLESSSDK_") -> str:
    raw = query if isinstance(query, bytes) else query.encode()
    return prefix + urlsafe_b64encode(raw).decode().rstrip("=")


# The official code's tokens


@every_vector
def test_a_token_is_minted_byte_for_byte(vector: dict[str, Any]) -> None:
    token = mint(
        TokenKind(vector["kind"]),
        access_key=vector["accessKey"],
        secret_key=vector["secretAccessKey"],
        role=Role(int(vector["role"])),
        uuid=vector["uuid"],
        expires_at_ms=vector["expireAt"] and int(vector["expireAt"]),
        nonce=vector["nonce"],
    )
    assert token == vector["token"]


@every_vector
def test_a_token_is_read_and_verified(vector: dict[str, Any]) -> None:
    assert read_token(vector["token"]) == as_info(vector)
    assert verify_token(vector["token"], vector["secretAccessKey"]) == as_info(vector)


def test_an_expiry_is_aware_and_exact_to_the_millisecond() -> None:
    expires = read_token(VECTORS[1]["token"]).expires_at
    assert expires == datetime(2026, 11, 23, 18, 50, 24, 102_000, tzinfo=UTC)
    assert expires.tzinfo is UTC


def test_expiry_is_told_and_not_judged() -> None:
    past = mint(
        TokenKind.SDK, access_key="a", secret_key="s", role=Role.ADMIN, uuid=None, expires_at_ms=0, nonce="n"
    )
    assert verify_token(past, "s").expires_at == EPOCH


# Mint and read


TEXT = st.text(min_size=1)


@given(
    kind=st.sampled_from(TokenKind),
    access_key=TEXT,
    secret_key=TEXT,
    role=st.sampled_from(Role),
    uuid=TEXT,
    expires_at_ms=st.none() | st.integers(0, 253_402_300_799_999),
    nonce=TEXT,
)
def test_what_is_minted_is_what_is_read(
    *,
    kind: TokenKind,
    access_key: str,
    secret_key: str,
    role: Role,
    uuid: str,
    expires_at_ms: int | None,
    nonce: str,
) -> None:
    about = None if kind is TokenKind.SDK else uuid
    token = mint(
        kind,
        access_key=access_key,
        secret_key=secret_key,
        role=role,
        uuid=about,
        expires_at_ms=expires_at_ms,
        nonce=nonce,
    )
    expires = None if expires_at_ms is None else EPOCH + timedelta(milliseconds=expires_at_ms)
    info = TokenInfo(kind=kind, access_key=access_key, role=role, uuid=about, expires_at=expires, nonce=nonce)
    assert read_token(token) == verify_token(token, secret_key) == info
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    with pytest.raises(TokenError):
        verify_token(token, secret_key + "x")


# Changed tokens


@st.composite
def damaged(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    vector = draw(st.sampled_from(VECTORS))
    token = vector["token"]
    place = draw(st.integers(0, len(token)))
    put = draw(st.sampled_from(["", *string.printable]) | st.characters())
    cut = draw(st.integers(0, 1))
    return vector, token[:place] + put + token[place + cut :]


@settings(max_examples=500)
@given(damaged())
def test_any_changed_removed_or_inserted_character_fails(change: tuple[dict[str, Any], str]) -> None:
    vector, token = change
    if token != vector["token"]:
        with pytest.raises(TokenError):
            verify_token(token, vector["secretAccessKey"])


@every_vector
def test_any_other_last_character_fails(vector: dict[str, Any]) -> None:
    for last in set(string.ascii_letters + string.digits + "-_+/=") - {vector["token"][-1]}:
        with pytest.raises(TokenError):
            verify_token(vector["token"][:-1] + last, vector["secretAccessKey"])


@every_vector
@pytest.mark.parametrize(
    ("old", "new"),
    [("role=", "r%6fle="), ("ak=", "%61k="), ("-e766-", "%2De766%2D"), ("%E9", "%e9"), ("sig=", "sig=%20")],
)
def test_another_spelling_of_the_same_pairs_fails(vector: dict[str, Any], old: str, new: str) -> None:
    if old in vector["query"]:
        prefix = vector["token"].partition("_")[0] + "_"
        with pytest.raises(TokenError):
            verify_token(spell(vector["query"].replace(old, new, 1), prefix), vector["secretAccessKey"])


@every_vector
@pytest.mark.parametrize("change", ["ak=b", "nonce=b", "role=2", "uuid=b", "expireAt=1", "plan=free"])
def test_any_other_pair_fails(vector: dict[str, Any], change: str) -> None:
    pairs = dict(pair.split("=") for pair in vector["query"].split("&")) | dict([change.split("=")])
    changed = spell(
        "&".join(f"{key}={pairs[key]}" for key in sorted(pairs)), vector["token"].partition("_")[0] + "_"
    )
    with pytest.raises(TokenError):
        verify_token(changed, vector["secretAccessKey"])


@every_vector
def test_another_secret_fails(vector: dict[str, Any]) -> None:
    for secret in ("sk457", vector["secretAccessKey"] + " ", vector["secretAccessKey"].upper()):
        with pytest.raises(TokenError, match="signature is wrong"):
            verify_token(vector["token"], secret)


def test_a_room_token_renamed_to_a_task_token_tells_the_other_kind() -> None:
    renamed = ROOM["token"].replace("NETLESSROOM_", "NETLESSTASK_")
    assert verify_token(renamed, "sk456").kind is TokenKind.TASK  # the prefix is not signed: callers look at it


# Malformed tokens

SIG = "0" * 64
GOOD = f"ak=a&nonce=n&role=0&sig={SIG}"


def test_the_smallest_token_is_read() -> None:
    assert read_token(spell(GOOD)).access_key == "a"


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "does not start with NETLESSSDK_, NETLESSROOM_ or NETLESSTASK_"),
        ("NETLESS", "does not start with"),
        ("netlesssdk_YWs9", "does not start with"),
        ("Bearer " + SDK["token"], "does not start with"),
        (" " + SDK["token"], "does not start with"),
        (SDK["token"].encode().decode("utf-16-le", "replace"), "does not start with"),
        ("NETLESSSDK_", "not spelled"),
        ("NETLESSSDK_YWs9", "has no ak, nonce, role, sig"),
        ("NETLESSSDK_Y", "not spelled"),
        ("NETLESSSDK_é", "not spelled"),
        ("NETLESSSDK_\ud800", "not spelled"),
        ("NETLESSSDK_!!!!", "not spelled"),
        (SDK["token"] + "\n", "not spelled"),
        (SDK["token"] + "=", "not spelled"),
        (SDK["token"][:-5], "not"),
        ("NETLESSSDK_xxxxxxxxxxZGM2MjRi", "not spelled"),
        (spell(b"ak=\xff&nonce=n&role=0&sig=" + SIG.encode()), "not spelled"),
        (spell(GOOD.replace("ak=a", "ak=%FF")), "not spelled"),
        (spell(GOOD.replace("ak=a", "ak=%ED%A0%80")), "not spelled"),
        (spell(GOOD.replace("ak=a", "ak")), "not spelled"),
        (spell(GOOD + "&sig=" + SIG), "not spelled"),
        (spell(f"nonce=n&ak=a&role=0&sig={SIG}"), "not spelled"),
        (spell(GOOD + "&"), "not spelled"),
        (spell("?" + GOOD), "not spelled"),
        (spell(GOOD.replace("ak=a", "ak=a b")), "not spelled"),
        (spell(GOOD.replace("ak=a", "ak=a+b")), "not spelled"),
        (spell(GOOD.replace("ak=a&", "")), "has no ak$"),
        (spell(GOOD.replace("nonce=n&", "")), "has no nonce$"),
        (spell(GOOD.replace("role=0&", "")), "has no role$"),
        (spell("ak=a&nonce=n&role=0"), "has no sig$"),
        (spell(GOOD, "NETLESSROOM_"), "has no uuid$"),
        (spell(GOOD, "NETLESSTASK_"), "has no uuid$"),
        (spell(GOOD + "&uuid=u"), "an SDK token has no uuid"),
        (spell(GOOD.replace("role=0", "role=3")), "role is none of 0, 1 and 2"),
        (spell(GOOD.replace("role=0", "role=00")), "role is none of"),
        (spell(GOOD.replace("role=0", "role=admin")), "role is none of"),
        (spell(GOOD.replace("role=0", "role=%D9%A1")), "role is none of"),
        (spell(GOOD[:-1]), "not 64 lowercase hex digits"),
        (spell(GOOD + "0"), "not 64 lowercase hex digits"),
        (spell(GOOD[:-1] + "A"), "not 64 lowercase hex digits"),
        (spell(GOOD[:-1] + "g"), "not 64 lowercase hex digits"),
        *(
            (spell(GOOD.replace("&nonce", f"&expireAt={odd}&nonce")), "its expireAt is ")
            for odd in ["", "-1", "01", "1.5", "1e3", "soon", "%D9%A1", "%201", "9" * 17, "9" * 5000]
        ),
        (spell(GOOD.replace("&nonce", f"&expireAt={'9' * 16}&nonce")), "its expireAt is "),
        (spell(GOOD.replace("&nonce", "&expireAt=253402300800000&nonce")), "its expireAt is "),
    ],
    ids=lambda part: part[:40].encode("ascii", "backslashreplace").decode(),
)
def test_a_malformed_token_is_told_and_not_shown(token: str, words: str) -> None:
    for look in (read_token, lambda text: verify_token(text, SECRET)):
        with pytest.raises(TokenError, match=words) as caught:
            look(token)
        assert str(caught.value).startswith("malformed token: ")
        shown = repr(caught.value) + repr(pickle.dumps(caught.value))
        payload = token.partition("_")[2]
        assert len(payload) < 5 or payload not in shown
        assert SECRET not in shown


@given(st.text() | st.text().map(lambda rest: f"NETLESSSDK_{rest}") | st.binary().map(spell))
def test_any_other_text_gives_nothing_but_our_error(text: str) -> None:
    with pytest.raises(TokenError):
        read_token(text)


@given(
    st.dictionaries(st.sampled_from(["ak", "nonce", "role", "sig", "uuid", "expireAt", "x"]), st.text("09aA%=&"))
)
def test_any_pairs_give_a_token_or_our_error(pairs: dict[str, str]) -> None:
    token = spell("&".join(f"{key}={pairs[key]}" for key in sorted(pairs)))
    try:
        assert read_token(token).kind is TokenKind.SDK
    except TokenError as error:
        assert str(error).startswith("malformed token: ")  # noqa: PT017  the other outcome is as good


@pytest.mark.parametrize("value", [None, 5, b"NETLESSSDK_", ["a"]])
def test_what_is_no_text_is_no_token_and_no_secret(value: Any) -> None:
    words = f"^a token is a string, not {type(value).__name__}$"
    with pytest.raises(TypeError, match=words):
        read_token(value)
    with pytest.raises(TypeError, match=words):
        verify_token(value, SECRET)
    with pytest.raises(TypeError, match=f"^secret_key must be a string, not {type(value).__name__}$"):
        verify_token(SDK["token"], value)


@pytest.mark.parametrize("secret", ["", f"{SECRET}\ud800"])
def test_a_secret_that_no_key_can_have_verifies_nothing_and_is_not_shown(secret: str) -> None:
    with pytest.raises((TokenError, ValueError), match=r"signature is wrong|secret_key must be") as caught:
        verify_token(SDK["token"], secret)
    assert SECRET not in repr(caught.value)


# The access key


@every_call
@pytest.mark.parametrize("role", Role)
def test_a_token_of_an_access_key_says_what_was_asked(
    kind: TokenKind, make: Callable[..., str], role: Role
) -> None:
    token = make(role=role, lifetime=None)
    assert token.startswith(f"NETLESS{kind.name}_")
    info = verify_token(token, SECRET)
    assert (info.kind, info.access_key, info.role, info.expires_at) == (kind, "ak123", role, None)
    assert info.uuid == (None if kind is TokenKind.SDK else UUID)


@every_call
def test_a_lifetime_counts_from_now(kind: TokenKind, make: Callable[..., str]) -> None:
    lifetime = timedelta(minutes=10)
    before = datetime.now(UTC) - timedelta(milliseconds=1)  # a token is cut to milliseconds
    info = read_token(make(role=Role.READER, lifetime=lifetime))
    assert info.kind is kind
    assert info.expires_at is not None
    assert before <= info.expires_at - lifetime <= datetime.now(UTC)


def test_a_lifetime_of_one_millisecond_is_long_enough() -> None:
    assert read_token(KEY.sdk_token(role=Role.ADMIN, lifetime=timedelta(milliseconds=1))).expires_at is not None


@every_call
def test_two_tokens_for_the_same_thing_differ(kind: TokenKind, make: Callable[..., str]) -> None:
    tokens = [make(role=Role.ADMIN, lifetime=None) for _ in range(3)]
    assert len({read_token(token).nonce for token in tokens}) == 3
    assert {read_token(token).kind for token in tokens} == {kind}


@every_call
@pytest.mark.parametrize(
    ("role", "error"),
    [(None, TypeError), ("admin", TypeError), (True, TypeError), (0.0, TypeError), (3, ValueError)],
)
def test_a_role_that_is_none_is_refused(
    kind: TokenKind, make: Callable[..., str], role: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        make(role=role, lifetime=None)
    assert SECRET not in repr(caught.value), kind


def test_a_role_may_be_given_as_its_number() -> None:
    assert read_token(KEY.sdk_token(role=2, lifetime=None)).role is Role.READER  # type: ignore[arg-type]  # an int


@every_call
@pytest.mark.parametrize(
    ("lifetime", "error"),
    [
        (600, TypeError),
        (600.0, TypeError),
        ("10m", TypeError),
        (timedelta(0), ValueError),
        (timedelta(microseconds=999), ValueError),
        (timedelta(seconds=-1), ValueError),
        (timedelta(days=3_000_000), ValueError),  # past the year 9999: no reader could say when it ends
        (timedelta.max, ValueError),
    ],
)
def test_a_lifetime_that_is_none_is_refused(
    kind: TokenKind, make: Callable[..., str], lifetime: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"^lifetime must be") as caught:
        make(role=Role.ADMIN, lifetime=lifetime)
    assert SECRET not in repr(caught.value), kind


@pytest.mark.parametrize("uuid", [None, 5, b"abc", "", "é", "\ud800"])
@pytest.mark.parametrize("make", [KEY.room_token, KEY.task_token])
def test_a_uuid_that_names_nothing_is_refused(make: Callable[..., str], uuid: Any) -> None:
    error = ValueError if isinstance(uuid, str) else TypeError
    with pytest.raises(error, match=r"^uuid must be"):
        make(uuid, role=Role.ADMIN, lifetime=None)


@pytest.mark.parametrize("odd", [None, 5, b"s3cret", "", "s3cret\ud800"])
@pytest.mark.parametrize("name", ["access_key", "secret_key"])
def test_a_key_that_is_no_text_is_refused_and_not_shown(name: str, odd: Any) -> None:
    error = ValueError if isinstance(odd, str) else TypeError
    keys = {"access_key": "ak123", "secret_key": SECRET} | {name: odd}
    with pytest.raises(error, match=f"^{name} must be") as caught:
        AccessKey(**keys)
    assert "s3cret" not in repr(caught.value)
    assert SECRET not in repr(caught.value)


def test_the_secret_is_in_no_text_of_the_access_key() -> None:
    assert repr(KEY) == str(KEY) == f"{KEY}" == "AccessKey(access_key='ak123')"
    assert SECRET not in KEY.sdk_token(role=Role.ADMIN, lifetime=None)


def test_an_access_key_is_a_frozen_value() -> None:
    assert AccessKey("ak123", SECRET) == KEY != AccessKey("ak123", "other")
    assert hash(AccessKey("ak123", SECRET)) == hash(KEY)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        KEY.secret_key = "other"  # type: ignore[misc]  # that is the point


def test_the_smaller_role_may_do_more() -> None:
    assert Role.ADMIN < Role.WRITER < Role.READER
    assert [int(role) for role in Role] == [0, 1, 2]


# Redaction


@pytest.mark.parametrize("left", ["", "token: ", "{'token': '", "<b>", "a,"])
@pytest.mark.parametrize("right", ["", " is old", "'}", "</b>", ";", '"', "&a=b"])
@every_vector
def test_a_token_in_a_text_is_cut_to_its_prefix(vector: dict[str, Any], left: str, right: str) -> None:
    assert redact(f"{left}{vector['token']}{right}") == f"{left}NETLESS…{right}"


def test_text_without_a_token_stays_as_it_is() -> None:
    assert redact("NETLESS is a service; NETLESSSDK tokens too") == "NETLESS is a service; NETLESSSDK tokens too"


def test_the_vectors_are_what_the_official_code_signs() -> None:
    for vector in VECTORS:
        payload = vector["token"].partition("_")[2]
        assert urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode() == vector["query"]


def test_another_token_of_the_same_key_is_hidden_whole() -> None:
    sent = KEY.sdk_token(role=Role.WRITER, lifetime=timedelta(minutes=10))
    other = KEY.sdk_token(role=Role.ADMIN, lifetime=None)
    assert redact(f"not {other} here", sent) == "not NETLESS… here"


@pytest.mark.parametrize("odd", ["key\n", " key", "key ", "\tkey", "key\r\n"])
@pytest.mark.parametrize("name", ["access_key", "secret_key"])
def test_a_key_with_white_space_around_it_is_refused_and_not_shown(name: str, odd: str) -> None:
    keys = {"access_key": "ak123", "secret_key": SECRET} | {name: odd}
    with pytest.raises(ValueError, match=f"^{name} must not begin or end with white space") as caught:
        AccessKey(**keys)
    assert SECRET not in repr(caught.value)
