"""Tokens are those of the vendor's code, byte for byte; those of all its samples are read, and nothing else is."""

import json
import pickle
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from math import inf, nan
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import AccessKey, Role, TokenError, TokenInfo, TokenKind, read_token, verify_token
from netless_rooms._auth.redaction import redact
from netless_rooms._auth.tokens import Token, sign_token
from samples import UUID
from selection import examples

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("token-vectors.json").read_text("utf-8"))
SDK, ROOM = VECTORS[0]["token"], VECTORS[3]["token"]
LAST_MS = 253_402_300_799_999  # the end of the year 9999
SECRET = "sk-4cf1be07d9a25e38"
KEY = AccessKey("ak123", SECRET)
MAKERS: dict[TokenKind, Callable[..., str]] = {
    TokenKind.SDK: KEY.sdk_token,
    TokenKind.ROOM: lambda **rest: KEY.room_token(UUID, **rest),
    TokenKind.TASK: lambda **rest: KEY.task_token(UUID, **rest),
}
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda each: f"{each['sample']}-{each['kind']}")


def time_at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def encoded(query: str | bytes, prefix: str = "NETLESSSDK_") -> str:
    raw = query if isinstance(query, bytes) else query.encode()
    return prefix + urlsafe_b64encode(raw).decode().rstrip("=")


def assert_fails(token: str, secret_key: str, words: str = "^malformed token: |signature is wrong") -> None:
    with pytest.raises(TokenError, match=words):
        verify_token(token, secret_key)


@every_vector
def test_a_token_of_the_vendors_samples_is_read_and_verified(vector: dict[str, Any]) -> None:
    token, secret_key, ms = vector["token"], vector["secretAccessKey"], vector["expireAt"]
    kind, role, end = TokenKind(vector["kind"]), Role(int(vector["role"])), time_at(int(ms)) if ms else None
    uuid, ak, nonce = vector["uuid"], vector["accessKey"], vector["nonce"]
    info = TokenInfo(kind=kind, access_key=ak, role=role, uuid=uuid, expires_at=end, nonce=nonce)
    assert read_token(token) == verify_token(token, secret_key) == info
    signed = sign_token(info, secret_key)
    assert signed.text == token or vector["sample"] not in {"javascript", "typescript", "java"}
    assert signed.info == verify_token(signed.text, secret_key) == info
    for other in ("", secret_key + " ", secret_key + "\ud800"):
        assert_fails(token, other, "signature is wrong")


TEXT, ROLES = st.text(min_size=1), st.sampled_from(Role)
ENDS = st.none() | st.builds(time_at, st.integers(0, LAST_MS))
REST = {"access_key": TEXT, "role": ROLES, "uuid": TEXT, "expires_at": ENDS, "nonce": TEXT}
INFOS = st.builds(TokenInfo, kind=st.just(TokenKind.ROOM), **REST)


@examples(20, many=300)
@given(info=INFOS, secret_key=TEXT, random=st.randoms(use_true_random=False))
def test_what_is_signed_is_what_is_read_in_any_order(info: TokenInfo, secret_key: str, random: Random) -> None:
    token = sign_token(info, secret_key)
    assert read_token(token.text) == verify_token(token.text, secret_key) == token.info == info
    assert set(token.text) <= set(string.ascii_letters + string.digits + "-_")
    assert_fails(token.text, secret_key + "x", "signature is wrong")
    pairs = parse_qsl(query_of(token.text))
    random.shuffle(pairs)
    form = encoded(urlencode(pairs), "NETLESSROOM_")
    everything = encoded("&".join("=".join(map(percent, pair)) for pair in pairs), "NETLESSROOM_")
    assert verify_token(form, secret_key) == verify_token(everything, secret_key) == info


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def query_of(token: str) -> str:
    payload = token.partition("_")[2]
    return urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()


@examples(60, many=2000)
@given(st.sampled_from(VECTORS), st.data(), st.sampled_from(["", *string.printable]) | st.characters())
def test_a_changed_character_fails_or_changes_no_pair(vector: Any, data: st.DataObject, put: str) -> None:
    place = data.draw(st.integers(0, len(vector["token"])))
    token = vector["token"][:place] + put + vector["token"][place + data.draw(st.integers(0, 1)) :]
    try:
        info = verify_token(token, vector["secretAccessKey"])
    except TokenError:
        return
    assert sorted(parse_qsl(query_of(token))) == sorted(parse_qsl(vector["query"]))
    assert info == read_token(vector["token"])


@every_vector
def test_any_other_last_character_fails(vector: dict[str, Any]) -> None:
    # Its lowest bits may be spare in base64, so that several characters would decode to the same.
    for last in string.ascii_letters + string.digits + "-_+/=":
        if last != vector["token"][-1]:
            assert_fails(vector["token"][:-1] + last, vector["secretAccessKey"])


def test_another_pair_or_a_pair_that_occurs_twice_fails_but_not_another_kind() -> None:
    query, secret_key = VECTORS[2]["query"], VECTORS[2]["secretAccessKey"]
    other = [("role=0", "role=1"), ("expireAt=1", "expireAt=2"), ("&role", "&plan=free&role"), ("ak=", "ak=b")]
    for old, new, words in [
        ("sig=", "sig=%20", "64 lowercase"),
        *((*pair, "signature is wrong") for pair in [*other, ("nonce=", "nonce=b"), ("nonce=", "nonce=+")]),
        *((*pair, "cannot be decoded") for pair in [("&role", "&ak=ak&role"), ("&role=0", "&role=0&role=0")]),
    ]:
        assert old in query
        assert_fails(encoded(query.replace(old, new, 1)), secret_key, words)
    renamed = ROOM.replace("NETLESSROOM_", "NETLESSTASK_")
    assert verify_token(renamed, "sk456").kind is TokenKind.TASK  # the prefix is not signed: callers check it


SIG = "0" * 64
GOOD = f"ak=a&nonce=n&role=0&sig={SIG}"
NO_NUMBERS = ["", "-1", "01", "1.5", "%D9%A1", "1" * 17, "9" * 5000]


def changed(old: str, new: str) -> str:
    return encoded(GOOD.replace(old, new))


def expiring_at(milliseconds: object) -> str:
    return changed("&nonce", f"&expireAt={milliseconds}&nonce")


def test_a_token_that_says_no_more_than_it_must_is_read() -> None:
    for query in (GOOD, f"{GOOD}&x=y"):
        info = read_token(encoded(query))
        assert (info.access_key, info.nonce, info.role, info.uuid) == ("a", "n", Role.ADMIN, None)
        assert info.expires_at is None
    for milliseconds in (0, LAST_MS):
        assert read_token(expiring_at(milliseconds)).expires_at == time_at(milliseconds)


UNDECODABLE = [
    *("NETLESSSDK_Y", "NETLESSSDK_é", "NETLESSSDK_\ud800", "NETLESSSDK_xxxxxxxxxxZGM2MjRi"),
    *(f"{SDK}\n", f"{SDK}=", SDK[:-5], encoded(GOOD.encode().replace(b"ak=a", b"ak=\xff"))),
    *(changed("ak=a", odd) for odd in ("ak=%FF", "ak", "ak=%zz", "ak=a=b", "ak=a b")),
    *(encoded(f"{GOOD}&sig={SIG}"), encoded(f"{GOOD}&")),
]
MALFORMED: list[tuple[str, str]] = [
    ("", "does not start with NETLESSSDK_, NETLESSROOM_ or NETLESSTASK_"),
    *((odd, "does not start with") for odd in ("netlesssdk_YWs9", f"Bearer {SDK}")),
    ("NETLESSSDK_", "the text after NETLESSSDK_ cannot be decoded; was it cut"),
    *((odd, "cannot be decoded") for odd in UNDECODABLE),
    (f"\ufeff{SDK}", r"it has the invisible character U\+FEFF$"),
    (f'"{SDK}"', "it has quotation marks around it$"),
    ("NETLESSSDK_YWs9", "it has no ak, nonce, role, sig$"),
    *((changed(pair, ""), f"it has no {pair[:-3]}$") for pair in ("ak=a&", "nonce=n&", "role=0&")),
    (encoded("ak=a&nonce=n&role=0"), "it has no sig$"),
    *((encoded(GOOD, prefix), "it has no uuid$") for prefix in ("NETLESSROOM_", "NETLESSTASK_")),
    (encoded(f"{GOOD}&uuid=u"), "an SDK token has no uuid"),
    *((changed("e=0", f"e={odd}"), "its role is not 0, 1 or 2") for odd in ("3", "00", "%D9%A1")),
    *((encoded(GOOD[:-1] + end), "not 64 lowercase hex digits") for end in ("", "00", "A", "g")),
    *((expiring_at(odd), "its expireAt is not a number of milliseconds") for odd in NO_NUMBERS),
    *((expiring_at(late), "its expireAt is after the year 9999") for late in (LAST_MS + 1, "9" * 16)),
]


def test_a_malformed_token_is_refused_and_not_shown() -> None:
    for (token, words), look in product(MALFORMED, (read_token, lambda text: verify_token(text, SECRET))):
        with pytest.raises(TokenError, match=f"^malformed token: .*{words}") as caught:
            look(token)
        shown = repr(caught.value) + repr(pickle.dumps(caught.value))
        payload = token.partition("_")[2]
        assert len(payload) < 5 or payload not in shown
        assert SECRET not in shown


def test_an_argument_of_a_wrong_type_an_unknown_role_and_half_a_key_are_refused() -> None:
    odd: Any
    for odd, look in product((None, b"NETLESSSDK_"), (read_token, lambda text: verify_token(text, SECRET))):
        with pytest.raises(TypeError, match=f"^token must be a string, not {type(odd).__name__}$"):
            look(odd)
        with pytest.raises(TypeError, match=f"^secret_key must be a string, not {type(odd).__name__}$"):
            verify_token(SDK, odd)
    make: Any
    for make, odd in product(MAKERS.values(), [None, "s3cret", "", True, 0.0, 3, -1]):
        error = ValueError if type(odd) in {int, str} else TypeError
        with pytest.raises(error, match=r"^role must be (a Role or its name, not \w+|admin, writer or reader)$"):
            make(role=odd, lifetime=None)
    for make, odd in product((KEY.room_token, KEY.task_token), [None, "", "é"]):
        with pytest.raises(ValueError if isinstance(odd, str) else TypeError, match=r"^uuid must be"):
            make(odd, role=Role.ADMIN, lifetime=None)
    cases = [
        *((odd, f"must be a string, not {type(odd).__name__}$") for odd in (None, b"s3cret")),
        *((odd, "must be text and not empty$") for odd in ("", "s3cret\ud800", "\udfffs3cret")),
        *((odd, "must not begin or end with white space") for odd in (" s3cret", "s3cret\r\n")),
        ("\ufeffs3cret", r"must be without the invisible character U\+FEFF$"),
        ("s3cret\u200b", r"must be without the invisible character U\+200B$"),
        *((odd, "must be without quotation marks around it$") for odd in ('"s3cret"', "“s3cret”")),
    ]
    for name, (odd, words) in product(["access_key", "secret_key"], cases):
        halves = {"access_key": "ak123", "secret_key": SECRET} | {name: odd}
        with pytest.raises(ValueError if isinstance(odd, str) else TypeError, match=f"^{name} {words}") as caught:
            AccessKey(**halves)
        assert not [secret for secret in ("s3cret", SECRET) if secret in repr(caught.value)]


NOW_MS = 1_600_000_000_999


@pytest.fixture(autouse=True)
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: NOW_MS * 1_000_000 + 999_999)  # the very end of a millisecond


@pytest.mark.parametrize("kind", MAKERS)
def test_a_token_of_an_access_key_says_what_was_asked_for(kind: TokenKind) -> None:
    tokens = [MAKERS[kind](role=role, lifetime=timedelta(minutes=10)) for role in Role]
    assert all(token.startswith(f"NETLESS{kind.name}_") for token in tokens)
    infos = [verify_token(token, SECRET) for token in tokens]
    assert read_token(MAKERS[kind](role=2, lifetime=None)).role is Role.READER
    assert [(info.kind, info.access_key, info.role) for info in infos] == [(kind, "ak123", role) for role in Role]
    assert {info.uuid for info in infos} == {None if kind is TokenKind.SDK else UUID}
    assert {info.expires_at for info in infos} == {time_at(NOW_MS + 600_000)}
    assert len({info.nonce for info in infos}) == 3


def test_a_lifetime_counts_from_now_in_milliseconds_and_is_refused_out_of_range() -> None:
    for microseconds, milliseconds in [(1000, 1), (2999, 2), ((LAST_MS - NOW_MS) * 1000, LAST_MS - NOW_MS)]:
        token = KEY.sdk_token(role=Role.ADMIN, lifetime=timedelta(microseconds=microseconds))
        assert read_token(token).expires_at == time_at(NOW_MS + milliseconds)
    assert read_token(KEY.sdk_token(role="Admin", lifetime=1.5)).expires_at == time_at(NOW_MS + 1500)
    by_default = read_token(KEY.room_token(UUID))
    assert (by_default.role, by_default.expires_at) == (Role.WRITER, time_at(NOW_MS + 86_400_000))
    assert read_token(KEY.sdk_token(role=Role.ADMIN, lifetime=None)).expires_at is None
    wrong = [timedelta(microseconds=odd) for odd in (0, 999, -1_000_000, (LAST_MS - NOW_MS + 1) * 1000)]
    odd: Any
    for make, odd in product(MAKERS.values(), ["10m", True, *wrong, timedelta.max, 0, -1, 9e-4, 1e300, nan, inf]):
        with pytest.raises(TypeError if isinstance(odd, str | bool) else ValueError, match=r"^lifetime must be a"):
            make(role=Role.ADMIN, lifetime=odd)


def test_an_access_key_is_a_frozen_value_that_does_not_show_its_secret() -> None:
    assert AccessKey("ak\ud7ff\ue000", "sk").access_key == "ak\ud7ff\ue000"
    assert repr(KEY) == str(KEY) == f"{KEY}" == "AccessKey(access_key='ak123')"
    assert AccessKey("ak123", SECRET) == KEY != AccessKey("ak123", "other")
    assert hash(AccessKey("ak123", SECRET)) == hash(KEY)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        KEY.secret_key = "other"  # type: ignore[misc]  # that is the point


KNOWN = "abcdefghijklmnop"


def test_twelve_characters_of_a_known_token_are_hidden_and_fewer_are_not() -> None:
    for known, text, shown in [
        *((KNOWN, piece, "NETLESS…") for piece in (KNOWN, KNOWN[:12], KNOWN[-12:])),
        *((KNOWN, piece, piece) for piece in (KNOWN[:11], KNOWN[-11:], "")),
        (KNOWN, f"is {KNOWN[:13]} right?", "is NETLESS… right?"),
        (KNOWN, f"{KNOWN[:12]}XY{KNOWN[-12:]}", "NETLESS…XYNETLESS…"),
        *((KNOWN[:12], f"is {KNOWN}", "is NETLESS…mnop"), (KNOWN[:11], f"is {KNOWN}", f"is {KNOWN}")),
        ("something", "a bad day for something", "a bad day for something"),
        ("", "NETLESS is a service; NETLESSSDK too", "NETLESS is a service; NETLESSSDK too"),
    ]:
        assert redact(text, known) == shown


@every_vector
def test_a_token_is_hidden_and_its_signature_even_if_the_token_is_malformed(vector: dict[str, Any]) -> None:
    for left, right in [("", ""), ("token: ", " is old"), ("{'token': '", "'}"), ("<b>", "</b>"), ("a,", ";")]:
        assert redact(f"{left}{vector['token']}{right}") == f"{left}NETLESS…{right}"
    assert redact(f'"{vector["token"]}", {SDK}&a=b', ROOM) == '"NETLESS…", NETLESS…&a=b'
    shown, sig = f"is {vector['query']} right?", vector["sig"]
    for added in ("", "&", "&&ak=%zz"):
        token = encoded(vector["query"] + added)
        assert Token.parse(token).redact(shown) == shown.replace(sig, "NETLESS…")
        for cut in range(5):
            assert Token.parse(token[: len(token) - cut]).redact(f"is {sig[3:40]} right?") == "is NETLESS… right?"
