"""A response becomes rooms or one of the package's errors, and no error shows a token."""

import json
import math
import pickle
from collections.abc import Mapping
from gzip import compress
from types import MappingProxyType
from typing import Any

import pytest

from netless_rooms._api.decoding import MAX_NESTING
from netless_rooms._api.requests import ApiRequest, ban_room, create_room, get_room, list_rooms
from netless_rooms._api.responses import MAX_EXCERPT, BodyReader, parse_response
from netless_rooms._auth.tokens import Token
from netless_rooms._retries import is_refusal, is_token_expired
from netless_rooms.errors import (
    BadRequestError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RoomsError,
    ServerError,
    StatusError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.models import InvalidRoom, Room
from odd_bodies import SDK_TOKEN
from samples import CREATED, DASHED, DISABLED, GOT, LISTED, UUID, printed, room_json

GET, LIST, TOLERANT = get_room(UUID), list_rooms(), list_rooms(tolerant=True)
HTML = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>"
DATE = "Mon, 18 Jan 2021 06:56:29 GMT"
AT_DATE = 1_610_952_989.0  # the same time, in seconds since the epoch
ODD_DATES = [
    *("", "today", "1610952989", "Mon, 32 Jan 2021 06:57:00 GMT"),
    *("Mon, 18 Jan 2021 06:57:00", "Mon, 18 Jan 2021 06:57:00 -0000"),  # in which time zone?
    "Mon, 18 Jan 99999999999999999999 06:57:00 GMT",
    *("Mon, 18 Jan 2021 06:57:00 +9999999999", "Mon, 18 Jan 2021 06:57:00 +99999999999999"),
]


def parse(
    operation: ApiRequest[Any],
    body: bytes | str,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    token: str = "",
    now: float = math.nan,
) -> Any:
    sent = body if isinstance(body, bytes) else body.encode()
    return parse_response(operation, status, headers, sent, redact=Token.parse(token).redact, now=now)


def failure(
    status: int,
    body: bytes | str = b"",
    *headers: Mapping[str, str],
    operation: ApiRequest[Any] = GET,
    **more: Any,
) -> Any:
    with pytest.raises(RoomsError) as caught:
        parse(operation, body, status, *headers, **more)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


# Success


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (create_room(), CREATED),
        (get_room("4axxxxx96b"), GOT),
        (ban_room("0e6xxxxxx95", is_ban=True), DISABLED),
        (LIST, LISTED),
        (TOLERANT, LISTED),
    ],
    ids=["create", "get", "disable", "list", "tolerant list"],
)
def test_every_documented_response_is_read_bare_and_in_the_printed_envelope(
    operation: ApiRequest[Any], body: str
) -> None:
    result = parse(operation, body)
    assert isinstance(result, operation.model)
    for status in (200, 201):
        assert parse(operation, body, status) == parse(operation, printed(status, body)) == result


def test_a_room_with_fields_named_status_and_body_is_not_an_envelope() -> None:
    assert parse(GET, room_json(status=404, body=None)).extra == {"status": 404, "body": None}


def test_the_headers_of_a_success_are_ignored() -> None:
    headers = {"location": "https://elsewhere.example", "retry-after": "5", "date": DATE}
    assert parse(GET, room_json(), headers=headers, now=0.0).uuid == UUID


@pytest.mark.parametrize("uuid", [UUID, DASHED, UUID.upper()])
def test_the_service_may_spell_the_uuid_in_another_way_than_the_request(uuid: str) -> None:
    assert parse(get_room(uuid), room_json()).uuid == UUID


@pytest.mark.parametrize("operation", [GET, ban_room(UUID, is_ban=False)], ids=["get", "enable"])
def test_a_response_about_another_room_is_unreadable(operation: ApiRequest[Room]) -> None:
    error = failure(200, room_json(uuid="another"), operation=operation)
    assert type(error) is DecodeError
    assert (error.reason, error.location) == (f'expected "{UUID}", got "another"', "$.uuid")


@pytest.mark.parametrize("is_ban", [True, False])
def test_a_response_that_shows_the_old_state_is_unreadable(*, is_ban: bool) -> None:
    operation = ban_room(UUID, is_ban=is_ban)
    assert parse(operation, room_json(isBan=is_ban)).is_ban is is_ban
    error = failure(200, room_json(isBan=not is_ban), operation=operation)
    assert type(error) is DecodeError
    words = {True: "true", False: "false"}
    assert (error.reason, error.location) == (f"expected {words[is_ban]}, got {words[not is_ban]}", "$.isBan")


@pytest.mark.parametrize("status", [202, 204, 299])
def test_an_undocumented_success_is_unreadable(status: int) -> None:
    for body, outside, where in (room_json(), status, "$"), (printed(status, "null"), 200, "$.status"):
        error = failure(outside, body)
        assert type(error) is DecodeError
        assert (error.reason, error.location) == (f"expected the status 200 or 201, got {status}", where)


@pytest.mark.parametrize("status", ["201", True, None, 99, 600, 201.0, [201]])
def test_an_envelope_with_a_malformed_status_is_unreadable(status: Any) -> None:
    error = failure(200, json.dumps({"status": status, "body": json.loads(GOT)}))
    assert type(error) is DecodeError
    assert error.reason.startswith("expected an HTTP status, got ")
    assert error.location == "$.status"


@pytest.mark.parametrize(
    ("operation", "body", "where"),
    [
        (GET, HTML, "$"),
        (GET, b"", "$"),
        (GET, b"null", "$"),
        (GET, LISTED, "$"),
        (GET, room_json(createdAt=...), "$.createdAt"),
        (GET, printed(200, room_json(isBan="no").decode()), "$.isBan"),
        (LIST, GOT, "$"),
        (LIST, b'[{"uuid": 1}]', "$[0].uuid"),
        (LIST, printed(200, "{}"), "$"),
        (TOLERANT, GOT, "$"),
        (TOLERANT, b"[1, 2", "$"),
        (TOLERANT, printed(200, "{}"), "$"),
    ],
)
def test_an_undocumented_body_is_an_error_with_reason_and_place(
    operation: ApiRequest[Any], body: bytes | str, where: str
) -> None:
    error = failure(200, body, operation=operation)
    assert type(error) is DecodeError
    assert error.location == where
    assert str(error).endswith(f"unreadable response: {error.reason} at {where}")


def test_what_an_unreadable_response_said_is_cut() -> None:
    error = failure(200, json.dumps("x" * 10_000))
    assert error.reason == 'expected a room object, got "'.ljust(MAX_EXCERPT, "x") + "…"


@pytest.mark.parametrize("envelope", ["%s", printed(200, "%s")], ids=["bare", "printed"])
def test_a_tolerant_list_keeps_the_rooms_beside_an_invalid_one(envelope: str) -> None:
    deepest = json.loads("[" * MAX_NESTING + '"\\ud83d"' + "]" * MAX_NESTING)
    invalid = room_json(x=deepest).decode()
    body = envelope % f"[{room_json().decode()}, {invalid}, 5]"
    first, second, third = parse(TOLERANT, body)
    assert isinstance(first, Room)
    assert isinstance(second, InvalidRoom)
    assert second.reason == 'the unknown field "x" holds a text with half a surrogate pair'
    assert (second.uuid, second.document, second.path) == (UUID, json.loads(invalid), "$[1]")
    assert (third.reason, third.path) == ("expected a room object, got 5", "$[2]")
    error = failure(200, body, operation=LIST)
    assert (error.reason, error.location) == (second.reason, second.path)


def test_what_is_said_of_an_invalid_room_is_one_printable_line_and_cut() -> None:
    invalid = parse(TOLERANT, b"[%s]" % room_json(limit="\u202e\n" + "x" * 10_000))[0]
    assert invalid.reason == 'expected an integer, got " \\n'.ljust(MAX_EXCERPT, "x") + "…"
    assert f"{invalid!r}".isprintable()


@pytest.mark.parametrize("call", [LIST, GET], ids=["list", "get"])
@pytest.mark.parametrize("name", ["message", "msg"])
def test_the_words_of_the_service_are_shown_where_rooms_were_expected(call: ApiRequest[Any], name: str) -> None:
    error = failure(200, json.dumps({name: "invalid\nregion"}), operation=call)
    assert type(error) is DecodeError
    assert error.reason.endswith("; the service says: invalid region")


def test_more_rooms_than_a_page_may_have_are_refused_before_any_is_read() -> None:
    good = room_json().decode()
    for body, operation in ((f"[{'5,' * 1000}5]", TOLERANT), (f"[{f'{good},' * 1000}{good}]", LIST)):
        error = failure(200, body, operation=operation)
        assert (error.reason, error.location) == ("expected at most 1000 rooms, got 1001", "$")


# The body


def read(*chunks: bytes, status: int = 200, max_size: int = 100, **headers: Any) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reader = BodyReader.of(status, named, max_size)
    for chunk in chunks:
        if not reader.feed(chunk):
            break
    return reader.finish()


TEXT = b"some text, " * 9
GZIP = compress(TEXT, mtime=0)
ZIPPED: dict[str, Any] = {"content_encoding": "gzip"}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_is_unpacked_whatever_its_chunks(size: int) -> None:
    for whole, text in ((GZIP, TEXT), (GZIP + compress(b""), TEXT), (GZIP[:0], b""), (GZIP + bytes(9), TEXT)):
        chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert read(*chunks, content_encoding=" GZip", content_length=str(len(whole))) == text
    twice = compress(b"one, ") + compress(b"two")
    assert read(*[twice[at : at + size] for at in range(0, len(twice), size)], **ZIPPED) == b"one, two"
    assert read(TEXT[:size], content_encoding="identity") == TEXT[:size]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        *((GZIP[:length], ZIPPED) for length in (1, 9, len(GZIP) - 1)),
        (GZIP + compress(b"x")[:-1], ZIPPED),
        (b"not gzip", ZIPPED),
        (GZIP + b"trailing", ZIPPED),
        (TEXT, {"content_length": "100"}),
        (GZIP, {**ZIPPED, "content_length": "1"}),
    ],
    ids=range(8),
)
def test_a_damaged_body_is_a_transient_failure(body: bytes, headers: dict[str, Any]) -> None:
    with pytest.raises(TransportError, match="the body of the response") as caught:
        read(body, **headers)
    assert (caught.value.was_sent, caught.value.is_transient) == (True, True)
    assert isinstance(read(body, status=500, **headers), bytes)  # the status says more than the body


def test_a_body_is_read_up_to_its_bound() -> None:
    bomb = compress(bytes(2**22))
    assert read(bytes(100)) == bytes(100)
    assert len(read(bomb, max_size=2**22, **ZIPPED)) == 2**22
    empty_members = compress(b"") * 9
    cases: list[tuple[bytes, dict[str, Any]]] = [(bytes(101), {}), (bomb, ZIPPED), (empty_members, ZIPPED)]
    for body, headers in cases:
        with pytest.raises(DecodeError, match="the body has more than 100 bytes, the bound set by max_body_size"):
            read(body, **headers)
        assert len(read(body, status=500, **headers)) <= 100
    assert len(read(bomb, status=400, max_size=2**30, **ZIPPED)) == 2**20
    assert len(read(bytes(2**20), b"x", status=400, max_size=2**30)) == 2**20


def test_gzip_once_is_the_only_encoding() -> None:
    for coding in ("br", "gzip, gzip", "deflate"):
        with pytest.raises(DecodeError, match="other than gzip"):
            read(GZIP, content_encoding=coding)
        assert read(GZIP, status=404, content_encoding=coding) == b""


# Failure


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (429, RateLimitedError),
        *((status, ServerError) for status in (500, 599)),
        *((status, StatusError) for status in (100, 199, 300, 399, 402, 499, 600)),
    ],
)
def test_a_failure_has_its_own_error_with_the_reason(status: int, kind: type[StatusError]) -> None:
    body = '{"message": "room too full"}'
    bare = failure(status, body, {"retry-after": "7"})
    assert str(bare).startswith(f"the service answered {status}: room too full")
    inside = [failure(200, printed(status, body), {"retry-after": "7"})] if status < 600 else []
    for error in (bare, failure(status, printed(status, body), {"retry-after": "7"}), *inside):
        assert type(error) is kind
        assert (error.status, error.retry_after) == (status, 7.0)
    assert {error.reason for error in (bare, *inside)} == {"room too full"}


@pytest.mark.parametrize(
    ("status", "certain"), [(399, False), (400, True), (408, False), (409, True), (499, False), (500, False)]
)
def test_only_a_refusal_says_for_certain_that_nothing_took_effect(status: int, *, certain: bool) -> None:
    assert is_refusal(status) is certain


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"msg": "older words"}', "older words"),
        ('{"msg": "older words", "message": "newer words"}', "newer words"),
        ('{"msg": "older words", "message": null}', "older words"),
        ('{"msg": "older words", "message": ""}', "older words"),
        ('{"message": "two\\n  lines"}', "two lines"),
        ('{"message": "\\u001b[31mred\\u202e"}', "[31mred"),
        ('{"message": "no party \\ud83d here"}', "no party here"),
        ('{"message": "' + "é" * MAX_EXCERPT + '"}', "é" * MAX_EXCERPT),
        ('{"message": "' + "é" * (MAX_EXCERPT + 1) + '"}', "é" * MAX_EXCERPT + "…"),
    ],
)
def test_the_reason_is_one_printable_line_and_cut(body: str, message: str) -> None:
    error = failure(402, body)
    assert error.reason == message
    assert str(error).endswith(f"answered 402: {message}")


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b'{"error": "no"}',
        b'{"message": 5}',
        b'{"message": "  "}',
        b'["no"]',
        b'"no"',
        b"null",
        b"\xff\xfeno",
        b"[" * 100_000,
        b'{"status": "no", "body": {"message": "no"}}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_without_a_reason_the_error_shows_how_the_body_begins(body: bytes) -> None:
    error = failure(402, body)
    assert error.reason is None
    shown = " ".join(body.decode(errors="replace").split())
    shown = shown if len(shown) <= MAX_EXCERPT else shown[:MAX_EXCERPT] + "…"
    assert str(error).endswith(f"answered 402 without a reason; its body begins {shown!r}")


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_gives_no_reason(body: bytes) -> None:
    assert str(failure(409, body)) == "the service answered 409 without a reason"


def test_the_hint_belongs_to_the_call() -> None:
    assert "check the uuid" in str(failure(404))
    for call in (LIST, create_room()):
        assert "uuid" not in str(failure(404, operation=call))


# Retry-After


@pytest.mark.parametrize(
    ("headers", "now", "seconds"),
    [
        ({}, AT_DATE, None),
        ({"retry-after": "0"}, math.nan, 0.0),
        ({"retry-after": " 5 "}, math.nan, 5.0),
        ({"retry-after": "999999999"}, math.nan, 999_999_999.0),
        ({"retry-after": "1000000001"}, math.nan, 1e9),
        ({"retry-after": "9" * 5000}, math.nan, 1e9),
        ({"retry-after": "1.5"}, math.nan, 2.0),
        ({"retry-after": "5, 7.01"}, math.nan, 8.0),  # the header occurs twice
        ({"retry-after": f"{DATE}, 12"}, AT_DATE - 10, 12.0),
        ({"retry-after": f"{DATE}, {DATE}"}, AT_DATE - 10, 10.0),
        *(({"retry-after": odd}, AT_DATE, None) for odd in ["-5", "1.5.2", "soon", "٣", "²"]),
        *(({"retry-after": odd, "date": DATE}, AT_DATE, None) for odd in ODD_DATES if not odd.isdecimal()),
        ({"retry-after": "Mon, 18 Jan 2021 06:57:00 GMT", "date": DATE}, 0.0, 31.0),
        ({"retry-after": "Mon, 18 Jan 2021 08:57:00 +0200", "date": DATE}, math.nan, 31.0),
        ({"retry-after": "Mon, 18 Jan 2021 06:56:28 GMT", "date": DATE}, 0.0, 0.0),
        ({"retry-after": DATE, "date": DATE}, 0.0, 0.0),
        ({"retry-after": DATE}, AT_DATE - 10, 10.0),
        ({"retry-after": DATE}, AT_DATE + 10, 0.0),
        ({"retry-after": DATE}, math.nan, None),
        *(({"retry-after": DATE, "date": odd}, AT_DATE - 10, 10.0) for odd in ODD_DATES),
    ],
)
def test_retry_after_is_seconds_or_a_date_compared_with_the_responses_own(
    headers: dict[str, str], now: float, seconds: float | None
) -> None:
    assert failure(429, b'{"message": "slow down"}', headers, now=now).retry_after == seconds


# An expired token

EXPIRED = [
    '{"message": "expired token"}',
    '{"msg": "expired token"}',
    '{"message": "Token Expired"}',
    '{"message": "the token has expired."}',
    '{"message": "token(NETLESSSDK_YWs9MQ) is expired"}',
    '{"message": "", "msg": "TOKEN_EXPIRED"}',
]
NOT_EXPIRED = [
    '{"message": "invalid format of token"}',
    '{"message": "the room has expired"}',
    '{"message": "unexpired token"}',
    '{"message": "expired tokens"}',
    '{"message": "no", "msg": "expired token"}',
    '{"message": "' + "x" * 400 + ' expired token"}',  # the error does not show these words
    '{"message": "token=NETLESSSDK_YWs9:expired"}',  # nor these
    '{"error": "expired token"}',
    "expired token",
    "",
]
SUSPICION = "if the token is fresh, this machine's clock is wrong"


def remark_in(error: StatusError) -> str:
    """Return what stands between the reason of the service and the hint."""
    shown = str(error).removesuffix(f" ({error.hint})")
    return shown.rpartition(str(error.reason))[2].removeprefix("; ")


@pytest.mark.parametrize("body", EXPIRED)
def test_the_reason_says_that_the_token_has_expired_whatever_the_status(body: str) -> None:
    for error in (failure(401, body), failure(403, body), failure(200, printed(400, body))):
        assert is_token_expired(error.status, error.reason)
        assert remark_in(error) == SUSPICION


@pytest.mark.parametrize("body", NOT_EXPIRED)
def test_another_reason_does_not_say_that_the_token_has_expired(body: str) -> None:
    error = failure(401, body, {"date": DATE}, now=0.0)
    assert not is_token_expired(error.status, error.reason)
    assert "clock" not in str(error)


@pytest.mark.parametrize(("status", "says"), [(399, False), (400, True), (499, True), (500, False)])
def test_only_a_client_error_says_that_the_token_has_expired(status: int, *, says: bool) -> None:
    error = failure(status, EXPIRED[0], {"date": DATE}, now=0.0)
    assert is_token_expired(error.status, error.reason) is says
    assert ("clock" in str(error)) is says


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        (AT_DATE, ""),
        (math.nan, ""),
        (AT_DATE - 29.999, ""),
        (AT_DATE + 29.999, ""),
        (AT_DATE - 30.0, "0:00:30 behind"),
        (AT_DATE + 30.0, "0:00:30 ahead of"),
        (AT_DATE + 3600.4, "1:00:00 ahead of"),
        (0.0, "18645 days, 6:56:29 behind"),
        (math.inf, "inf s ahead of"),
        (-math.inf, "inf s behind"),
        (1e300, "1e+300 s ahead of"),
    ],
)
def test_an_expired_token_lets_the_two_clocks_be_compared(now: float, difference: str) -> None:
    remark = f"this machine's clock is {difference} the service's, set it right" if difference else ""
    for date in (DATE, "Mon, 18 Jan 2021 08:56:29 +0200"):
        assert remark_in(failure(401, EXPIRED[0], {"date": date}, now=now)) == remark


def test_without_the_services_time_the_clock_is_only_suspected() -> None:
    for headers in ({}, *({"date": odd} for odd in ODD_DATES)):
        for now in (0.0, AT_DATE, math.nan):
            assert remark_in(failure(401, EXPIRED[0], headers, now=now)) == SUSPICION


# Redirects


@pytest.mark.parametrize("status", [300, 302, 399])
def test_a_redirect_is_refused_and_says_where_it_pointed(status: int) -> None:
    error = failure(status, b"", {"location": "https://elsewhere.example/v5/rooms"})
    assert type(error) is TransportError
    assert error.was_sent
    assert not error.is_transient
    assert f"answered {status} and pointed to 'https://elsewhere.example/v5/rooms'" in str(error)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:s3cret@h:8443/login?token=s3cret#s3cret", "'https://h:8443/login'"),
        ("/login?next=s3cret", "'/login'"),
        ("//s3cret@h/login", "'//h/login'"),
        ("https://[::1/s3cret", "'an unreadable address'"),
        ("/" + "x" * 5000, "'/" + "x" * (MAX_EXCERPT - 1) + "…'"),
    ],
)
def test_a_redirect_shows_only_host_and_path_and_cuts_them(location: str, shown: str) -> None:
    text = str(failure(302, b"", {"location": location}))
    assert f" pointed to {shown};" in text
    assert "s3cret" not in text


def test_only_a_redirect_goes_by_its_location() -> None:
    assert type(failure(400, b"", {"location": "/elsewhere"})) is BadRequestError
    assert type(failure(200, printed(302, "null"), {"location": "/elsewhere"})) is StatusError


# No error shows the token

TOKENS = [SDK_TOKEN, "opaque:7f3a9c51e8d2b640!7f3a9c51e8d2b640"]
PIECE = 12  # characters of a token in a row that nothing may show
DEEP = json.loads("[" * 40 + "]" * 40)


def assert_hides(token: str, *shown: str) -> None:
    secret = token.partition("_")[2] or token
    for piece in (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)):
        assert not [text for text in shown if piece in text]


def assert_error_hides(token: str, error: RoomsError) -> None:
    assert_hides(token, str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)))


@pytest.mark.parametrize(
    "body",
    [
        "%s",
        "<html><p>header token: %s; region: eu</p><pre>%s</pre></html>",
        '"%s"',
        '["%s"]',
        '{"message": "\\"%s\\" is expired", "msg": "%s"}',
        '{"message": "' + "x" * (MAX_EXCERPT - 20) + '%s"}',
        '{"msg": "%s"}',
        '{"error": {"token": "%s"}}',
        '{"%s": {"a": 1}}',
        '{"status": 403, "body": {"message": "%s"}}',
        '{"status": "%s", "body": {}}',
        "x" * (MAX_EXCERPT - 20) + "%s",
        " " * (4 * MAX_EXCERPT - 20) + "%s",
        "é" * (2 * MAX_EXCERPT - 20) + "%s",
    ],
    ids=lambda body: body[:24],
)
def test_no_error_shows_a_token_that_the_body_repeats(body: str) -> None:
    for token in TOKENS:
        for status in (200, 204, 400, 502):
            assert_error_hides(token, failure(status, body.replace("%s", token), token=token))
    assert_error_hides(TOKENS[0], failure(400, body.replace("%s", TOKENS[0]), token=TOKENS[1]))


@pytest.mark.parametrize("field", ["uuid", "isRecord", "createdAt", "limit", "name of an unknown field"])
def test_neither_an_error_nor_an_invalid_room_shows_a_token_in_a_field(field: str) -> None:
    for token in TOKENS:
        body = room_json(**{token: DEEP} if " " in field else {field: token})
        assert_error_hides(token, failure(200, body, token=token))
        for envelope in ("%s", printed(200, "%s")):
            page = parse(TOLERANT, envelope % f"[{body.decode()}]", token=token)
            assert "NETLESS…" in page[0].reason
            assert_hides(token, repr(page))
            assert page[0].document == json.loads(body)


@pytest.mark.parametrize("location", ["https://h/%s", "/%s/x", "https://%s@h/", "https://h/?token=%s", "//%s"])
def test_no_redirect_shows_a_token(location: str) -> None:
    for token in TOKENS:
        assert_error_hides(token, failure(302, b"", {"location": location.replace("%s", token)}, token=token))


def test_the_words_around_a_token_are_shown() -> None:
    text = str(failure(400, f'{{"message": "the token {TOKENS[0]} is expired"}}', token=TOKENS[0]))
    assert "answered 400: the token NETLESS… is expired; " in text
