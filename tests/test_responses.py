"""An answer means a value or one of our errors, and no error tells a secret."""

import base64
import json
import math
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netless_rooms import speedups
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
from netless_rooms.grants import Token
from netless_rooms.models import InvalidRoom, MixedPage, Room, RoomPage
from netless_rooms.operations import Operation, ban_room, create_room, get_room, list_rooms
from netless_rooms.responses import CLOCK_OFF, MAX_EXCERPT, decode_answer, says_expired
from netless_rooms.wire import WIRE_NAMES
from samples import CREATED, DASHED, DISABLED, GOT, LISTED, UUID, printed, room_json

GET, LIST, CREATE = get_room(UUID), list_rooms(), create_room()
TOLERANT = list_rooms(tolerant=True)
HTML = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>"


@pytest.fixture(scope="module", autouse=True, params=["with the extra", "without the extra"])
def speedups_or_none(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold everything true with and without the extra ``speedups``."""
    with pytest.MonkeyPatch.context() as patched:
        if request.param == "without the extra":
            patched.setattr(speedups, "_QUICK", None)
        yield


def refusal(
    status: int,
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
    *,
    operation: Operation[Any] = GET,
    token: str = "",
    now: float = math.nan,
) -> RoomsError:
    sent = body if isinstance(body, bytes) else body.encode()
    with pytest.raises(RoomsError) as caught:
        decode_answer(operation, status, headers or {}, sent, hide=Token.of(token).hide, now=now)
    assert (caught.value.method, caught.value.path) == (operation.method, operation.target)
    return caught.value


# Good answers


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (create_room(), CREATED),
        (get_room("4axxxxx96b"), GOT),
        (ban_room("0e6xxxxxx95", is_ban=True), DISABLED),
        (list_rooms(), LISTED),
        (list_rooms(tolerant=True), LISTED),
    ],
    ids=["create", "get", "disable", "list", "tolerant list"],
)
def test_every_documented_answer_is_understood_bare_and_as_printed(
    operation: Operation[Any], body: str, status: int
) -> None:
    answer = decode_answer(operation, status, {}, body.encode())
    assert isinstance(answer, operation.answer)
    assert decode_answer(operation, status, {}, printed(status, body).encode()) == answer


def test_a_room_that_has_fields_called_status_and_body_is_no_envelope() -> None:
    room = decode_answer(GET, 200, {}, room_json(status=404, body=None))
    assert room.extra == {"status": 404, "body": None}


def test_headers_of_a_good_answer_mean_nothing() -> None:
    headers = {"location": "https://elsewhere.example", "retry-after": "5"}
    assert decode_answer(CREATE, 201, headers, CREATED.encode()).uuid == "4a5xxxxx6b"


@pytest.mark.parametrize("uuid", [UUID, DASHED, UUID.upper()])
def test_the_room_may_be_spelled_another_way_than_it_was_asked_for(uuid: str) -> None:
    assert decode_answer(get_room(uuid), 200, {}, room_json()).uuid == UUID


# Statuses that say no


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (402, StatusError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (405, StatusError),
        (409, StatusError),
        (422, StatusError),
        (429, RateLimitedError),
        (451, StatusError),
        (499, StatusError),
        (500, ServerError),
        (501, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (599, ServerError),
        (300, StatusError),
        (304, StatusError),
        (101, StatusError),
    ],
)
@pytest.mark.parametrize("enveloped", [False, True])
def test_a_status_that_says_no_is_its_own_error_with_the_reason(
    status: int, kind: type[StatusError], *, enveloped: bool
) -> None:
    body = '{"message": "room too full"}'
    error = refusal(status, printed(status, body) if enveloped else body)
    assert type(error) is kind
    assert (error.status, error.message) == (status, "room too full")
    assert str(error).startswith(f"GET /v5/rooms/{UUID}: the service answered {status}: room too full")


@pytest.mark.parametrize("status", [404, 429, 500, 302, 100])
def test_a_failure_printed_inside_a_success_is_a_failure(status: int) -> None:
    error = refusal(200, printed(status, '{"message": "no"}'))
    assert type(error) is type(refusal(status))
    assert isinstance(error, StatusError)
    assert (error.status, error.message) == (status, "no")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"msg": "older words"}', "older words"),
        ('{"msg": "older words", "message": "newer words"}', "newer words"),
        ('{"msg": "older words", "message": null}', "older words"),
        ('{"msg": "older words", "message": ""}', "older words"),
        ('{"message": "two\\n  lines"}', "two lines"),
        ('{"message": "' + "é" * 999 + '"}', "é" * MAX_EXCERPT + "…"),
        ('{"message": "' + "é" * MAX_EXCERPT + '"}', "é" * MAX_EXCERPT),
    ],
)
def test_the_reason_is_found_calmed_and_cut(body: str, message: str) -> None:
    error = refusal(400, body)
    assert isinstance(error, StatusError)
    assert error.message == message
    assert str(error).endswith(f"answered 400: {message}")


@pytest.mark.parametrize(
    "body",
    [
        HTML,
        b'{"error": "no"}',
        b'{"message": 5}',
        b'{"message": {"en": "no"}}',
        b'{"message": "  "}',
        b'["no"]',
        b'"no"',
        b"null",
        b"no",
        b"\xff\xfeno",
        b'{"status": "no", "body": {"message": "no"}}',
    ],
)
@pytest.mark.parametrize("status", [400, 429, 500])
def test_without_a_reason_the_text_shows_how_the_body_begins(status: int, body: bytes) -> None:
    error = refusal(status, body)
    assert isinstance(error, StatusError)
    assert error.message is None
    shown = " ".join(body.decode(errors="replace").split())
    assert f"answered {status} without a reason; its body begins {shown!r}" in str(error)


def test_a_page_of_a_gateway_is_cut() -> None:
    error = refusal(502, HTML + b"<!-- padding to disable the friendly page -->\n" * 100_000)
    assert isinstance(error, ServerError)
    assert "502 Bad Gateway" in str(error)
    assert len(str(error)) < MAX_EXCERPT + 200


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_empty_body_is_a_refusal_without_a_reason(body: bytes) -> None:
    assert str(refusal(409, body)) == f"GET /v5/rooms/{UUID}: the service answered 409 without a reason"


# Too many requests

NOW = "Mon, 18 Jan 2021 06:56:29 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": " 5 "}, 5.0),
        ({"retry-after": ""}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Mon, 18 Jan 2021 06:57:00 GMT", "date": NOW}, 31.0),
        ({"retry-after": "Mon, 18 Jan 2021 08:57:00 +0200", "date": NOW}, 31.0),
        ({"retry-after": "Mon, 18 Jan 2021 06:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": NOW, "date": NOW}, 0.0),
        ({"retry-after": NOW}, None),
        ({"retry-after": NOW, "date": "today"}, None),
        ({"retry-after": "Mon, 18 Jan 2021 06:57:00 -0000", "date": NOW}, None),
        ({"retry-after": "Mon, 32 Jan 2021 06:57:00 GMT", "date": NOW}, None),
        ({"retry-after": "Mon, 18 Jan 99999999999999999999 06:57:00 GMT", "date": NOW}, None),
        ({"retry-after": "Mon, 18 Jan 2021 06:57:00 +99999999999999", "date": NOW}, None),
        ({"retry-after": NOW, "date": "Mon, 18 Jan 99999999999999999999 06:57:00 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_seen_from_the_answers_own(
    headers: dict[str, str], seconds: float | None
) -> None:
    error = refusal(429, b'{"message": "slow down"}', headers)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("status", [304, 400, 401, 402, 403, 404, 429, 500, 503])
def test_every_answer_that_says_no_may_say_how_long_to_wait(status: int) -> None:
    for error in (
        refusal(status, b"", {"retry-after": "7"}),
        refusal(200, printed(status, "{}"), {"retry-after": "7"}),
    ):
        assert isinstance(error, StatusError)
        assert (error.status, error.retry_after) == (status, 7.0)


@pytest.mark.parametrize("digits", [400, 5000])
def test_retry_after_is_never_infinite(digits: int) -> None:
    error = refusal(429, b"", {"retry-after": "9" * digits})
    assert isinstance(error, RateLimitedError)
    assert error.retry_after is None or math.isfinite(error.retry_after)


# A token that has expired

AT_DATE = 1_610_952_989.0  # the time of NOW, in seconds since the epoch
FRESH = "if the token is fresh, this machine's clock is wrong"


def status_error(
    status: int, body: str, headers: Mapping[str, str] | None = None, *, now: float = math.nan
) -> StatusError:
    error = refusal(status, body, headers, now=now)
    assert isinstance(error, StatusError)
    return error


def remark_in(error: StatusError) -> str:
    """Return what stands between the reason of the service and the hint."""
    shown = str(error).removesuffix(f" ({error.hint})")
    return shown.rpartition(str(error.message))[2].removeprefix("; ")


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
    '{"error": "expired token"}',
    "expired token",
    "",
]


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("body", EXPIRED)
@pytest.mark.parametrize("enveloped", [False, True])
def test_the_reason_tells_that_the_token_expired_whatever_the_status(
    body: str, status: int, *, enveloped: bool
) -> None:
    error = status_error(200, printed(status, body)) if enveloped else status_error(status, body)
    assert says_expired(error)
    assert remark_in(error) == FRESH


@pytest.mark.parametrize("body", NOT_EXPIRED)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_another_reason_does_not_tell_that_the_token_expired(status: int, body: str) -> None:
    error = status_error(status, body, {"date": NOW}, now=0.0)
    assert not says_expired(error)
    assert "clock" not in str(error)


@pytest.mark.parametrize(("status", "told"), [(304, False), (399, False), (400, True), (499, True), (500, False)])
def test_only_the_refusal_of_a_request_tells_that_the_token_expired(status: int, *, told: bool) -> None:
    error = status_error(status, EXPIRED[0], {"date": NOW}, now=0.0)
    assert says_expired(error) is told
    assert ("clock" in str(error)) is told


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    ("ahead", "remark"),
    [
        (-29.999, ""),
        (-1.0, ""),
        (0.0, ""),
        (29.999, ""),
        (math.nan, ""),
        (-30.0, "this machine's clock is 0:00:30 behind the service's, set it right"),
        (30.0, "this machine's clock is 0:00:30 ahead of the service's, set it right"),
        (-3600.4, "this machine's clock is 1:00:00 behind the service's, set it right"),
        (3600.4, "this machine's clock is 1:00:00 ahead of the service's, set it right"),
        (-AT_DATE, "this machine's clock is 18645 days, 6:56:29 behind the service's, set it right"),
        (86_400.0 * 365, "this machine's clock is 365 days, 0:00:00 ahead of the service's, set it right"),
    ],
)
def test_an_expired_token_makes_the_two_clocks_be_compared(ahead: float, remark: str, status: int) -> None:
    assert CLOCK_OFF == 30
    error = status_error(status, EXPIRED[0], {"date": NOW}, now=AT_DATE + ahead)
    assert remark_in(error) == remark
    assert error.message == "expired token"


@pytest.mark.parametrize("now", [0.0, AT_DATE, math.nan])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"date": ""},
        {"date": "today"},
        {"date": "1610952989"},
        {"date": "Mon, 32 Jan 2021 06:57:00 GMT"},
        {"date": "Mon, 18 Jan 99999999999999999999 06:57:00 GMT"},
        {"date": "Mon, 18 Jan 2021 06:57:00 +99999999999999"},
    ],
)
def test_without_the_services_time_the_clock_is_only_suspected(headers: dict[str, str], now: float) -> None:
    assert remark_in(status_error(401, EXPIRED[0], headers, now=now)) == FRESH


def test_a_date_of_another_zone_is_the_same_moment() -> None:
    for date in ("Mon, 18 Jan 2021 08:56:29 +0200", "Sun, 17 Jan 2021 22:56:29 PST"):
        assert remark_in(status_error(401, EXPIRED[0], {"date": date}, now=AT_DATE)) == ""


def test_a_good_answer_says_nothing_of_clocks() -> None:
    assert decode_answer(GET, 200, {"date": NOW}, room_json(), now=0.0).uuid == UUID


# Redirects


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308, 399])
def test_a_redirect_is_refused_and_tells_where_it_pointed(status: int) -> None:
    error = refusal(status, b"", {"location": "https://elsewhere.example/v5/rooms"})
    assert type(error) is TransportError
    assert error.was_sent
    assert f"answered {status} and pointed to 'https://elsewhere.example/v5/rooms'" in str(error)
    assert "base_url" in str(error)


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
def test_a_redirect_shows_only_host_and_path_cut(location: str, shown: str) -> None:
    text = str(refusal(302, b"", {"location": location}))
    assert f" pointed to {shown};" in text
    assert "s3cret" not in text


def test_a_place_told_by_another_failure_is_no_redirect() -> None:
    assert type(refusal(400, b"", {"location": "/elsewhere"})) is BadRequestError


def test_a_redirect_that_points_nowhere_is_a_status() -> None:
    assert type(refusal(302)) is StatusError


# Successes that are none


@pytest.mark.parametrize("status", [202, 203, 204, 206, 299])
def test_a_success_that_is_not_documented_is_unreadable(status: int) -> None:
    error = refusal(status, room_json())
    assert isinstance(error, DecodeError)
    assert (error.what, error.where) == (f"expected the status 200 or 201, got {status}", "$")


@pytest.mark.parametrize("status", ["201", True, None, 0, 99, 600, 201.0, [201]])
def test_an_envelope_with_an_odd_status_is_unreadable(status: Any) -> None:
    error = refusal(200, json.dumps({"status": status, "body": json.loads(GOT)}))
    assert isinstance(error, DecodeError)
    assert error.what.startswith("expected an HTTP status, got ")
    assert error.where == "$.status"


@pytest.mark.parametrize(
    ("operation", "body", "where"),
    [
        (GET, HTML, "$"),
        (GET, b"", "$"),
        (GET, b"null", "$"),
        (GET, LISTED.encode(), "$"),
        (GET, room_json(isBan="no"), "$.isBan"),
        (GET, room_json(createdAt=...), "$.createdAt"),
        (GET, b"\xff", "$"),
        (GET, b"[" * 100_000, "$"),
        (LIST, GOT.encode(), "$"),
        (LIST, b'[{"uuid": 1}]', "$[0].uuid"),
        (LIST, b'{"status": 200, "body": {}}', "$"),
        (TOLERANT, GOT.encode(), "$"),
        (TOLERANT, b"[1, 2", "$"),
        (TOLERANT, b'{"status": 200, "body": {}}', "$"),
        (TOLERANT, b'{"status": 202, "body": []}', "$.status"),
    ],
    ids=lambda part: repr(part[:24]) if isinstance(part, bytes) else None,
)
def test_a_success_with_an_undocumented_body_tells_what_and_where(
    operation: Operation[Any], body: bytes, where: str
) -> None:
    error = refusal(200, body, operation=operation)
    assert type(error) is DecodeError
    assert error.where == where
    assert str(error).endswith(f"unreadable answer: {error.what} at {where}")
    assert error.__cause__ is None


@pytest.mark.parametrize("operation", [GET, ban_room(UUID, is_ban=False)])
def test_an_answer_about_another_room_is_unreadable(operation: Operation[Room]) -> None:
    error = refusal(200, room_json(uuid="another"), operation=operation)
    assert isinstance(error, DecodeError)
    assert (error.what, error.where) == (f'expected "{UUID}", got "another"', "$.uuid")


@pytest.mark.parametrize("is_ban", [True, False])
def test_an_answer_that_says_that_nothing_changed_is_unreadable(*, is_ban: bool) -> None:
    operation = ban_room(UUID, is_ban=is_ban)
    assert decode_answer(operation, 201, {}, room_json(isBan=is_ban)).is_ban is is_ban
    error = refusal(201, room_json(isBan=not is_ban), operation=operation)
    assert isinstance(error, DecodeError)
    assert error.where == "$.isBan"
    assert error.what == f"expected {str(is_ban).lower()}, got {str(not is_ban).lower()}"


def test_an_unreadable_answer_is_cut() -> None:
    assert len(str(refusal(200, json.dumps("x" * 10_000)))) < MAX_EXCERPT + 150


# No error tells the token

PAYLOAD = (
    base64.urlsafe_b64encode(b"ak=ak123&nonce=5bfa5950-e766&role=0&sig=" + b"68e9d7d6" * 8).decode().rstrip("=")
)
TOKENS = [f"NETLESSSDK_{PAYLOAD}", f"NETLESSROOM_{PAYLOAD}", "opaque-7f3a9c51e8d2b6407f3a9c51e8d2b640"]
PIECE = 12  # characters of a token in a row that nothing may show


def assert_tells_nothing(error: RoomsError, token: str) -> None:
    secret = token.partition("_")[2] or token
    told = [str(error), repr(error), repr(error.args), repr(vars(error)), repr(pickle.dumps(error))]
    for piece in (secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)):
        assert not [text for text in told if piece in text]


@pytest.mark.parametrize("token", TOKENS, ids=["sdk", "room", "opaque"])
@pytest.mark.parametrize("status", [200, 204, 400, 429, 502])
@pytest.mark.parametrize(
    "body",
    [
        "%s",
        "<html><p>header token: %s; region: eu</p><pre>%s</pre></html>",
        '"%s"',
        '{"message": "the token %s is expired"}',
        '{"message": "\\"%s\\" is expired", "msg": "%s"}',
        '{"message": "' + "x" * (MAX_EXCERPT - 20) + '%s"}',
        '{"msg": "%s"}',
        '{"error": {"token": "%s"}}',
        '{"%s": {"a": 1}}',
        '{"status": 403, "body": {"message": "%s"}}',
        '{"status": "%s", "body": {}}',
        '["%s"]',
        "x" * (MAX_EXCERPT - 20) + "%s",
        " " * (4 * MAX_EXCERPT - 20) + "%s",
        "é" * (2 * MAX_EXCERPT - 20) + "%s",
    ],
    ids=lambda body: body[:24],
)
def test_a_token_that_the_answer_echoes_is_not_told(body: str, status: int, token: str) -> None:
    assert_tells_nothing(refusal(status, body.replace("%s", token), token=token), token)


@pytest.mark.parametrize("token", TOKENS, ids=["sdk", "room", "opaque"])
@pytest.mark.parametrize("field", ["uuid", "teamUUID", "isRecord", "isBan", "createdAt", "limit", "name", "x"])
def test_a_token_in_a_field_is_not_told(field: str, token: str) -> None:
    wrong: Any = {field: token} if field not in {"teamUUID", "name", "x"} else {field: token, "isBan": token}
    assert_tells_nothing(refusal(200, room_json(**wrong), token=token), token)


DEEP = json.loads("[" * 40 + "]" * 40)


def test_a_token_in_the_name_of_an_unknown_field_is_not_told() -> None:
    assert_tells_nothing(refusal(200, room_json(**{TOKENS[0]: DEEP}), token=TOKENS[0]), TOKENS[0])


@pytest.mark.parametrize("token", TOKENS, ids=["sdk", "room", "opaque"])
@pytest.mark.parametrize("change", ["isBan", "limit", "createdAt", "the name of an unknown field"])
@pytest.mark.parametrize("enveloped", [False, True])
def test_a_token_is_not_told_by_a_member_that_is_no_room(token: str, change: str, *, enveloped: bool) -> None:
    wrong = room_json(**({change: token} if change in WIRE_NAMES.values() else {token: DEEP}))
    body = f"[{room_json().decode()}, {wrong.decode()}]"
    sent = printed(200, body) if enveloped else body
    page = decode_answer(TOLERANT, 200, {}, sent.encode(), hide=Token.of(token).hide)
    invalid = page[1]
    assert isinstance(invalid, InvalidRoom)
    assert (invalid.uuid, invalid.document) == (UUID, json.loads(wrong))
    assert "NETLESS…" in invalid.what
    told = f"{invalid!r} {page!r}"
    assert not [at for at in range(12, len(token) - PIECE) if token[at : at + PIECE] in told]
    assert isinstance(page[0], Room)


def test_what_is_said_of_a_member_that_is_no_room_is_cut_and_in_one_line() -> None:
    long = decode_answer(TOLERANT, 200, {}, b"[%s]" % room_json(limit="\u202e\n" + "x" * 10_000))[0]
    assert isinstance(long, InvalidRoom)
    assert long.what == 'expected an integer, got " \\n'.ljust(MAX_EXCERPT, "x") + "…"
    assert long.where == "$[0].limit"


@pytest.mark.parametrize("enveloped", [False, True])
@pytest.mark.parametrize("odd", ['"party \\ud83d"', "NaN", "-1e400", "9" * 5_000], ids=lambda odd: odd[:16])
@pytest.mark.parametrize("field", ["name", "uuid", "teamUUID", "limit", "isBan", "createdAt", "x", "?"])
def test_a_value_that_is_none_takes_only_its_room_away(field: str, odd: str, *, enveloped: bool) -> None:
    good = room_json().decode()
    wrong = room_json(**{field: "?"}).decode().replace('"?"', odd if field != "?" else '"\\udfff"')
    body = f"[{good}, {wrong}, {good}]"
    sent = (printed(200, body) if enveloped else body).encode()
    page = decode_answer(TOLERANT, 200, {}, sent)
    invalid = page[1]
    assert isinstance(invalid, InvalidRoom)
    assert (type(page[0]), type(page[2])) == (Room, Room)
    assert invalid.where == ("$[1]" if field in {"x", "?"} else f"$[1].{field}")
    assert f"{invalid.what} {invalid!r}".isprintable()
    error = refusal(200, sent, operation=LIST)
    assert isinstance(error, DecodeError)
    assert (error.what, error.where) == (invalid.what, invalid.where)


def test_what_is_said_of_half_a_character_can_be_printed() -> None:
    invalid = decode_answer(TOLERANT, 200, {}, b"[%s]" % room_json(**{"a\ud83d b": 1, "limit": "\udfff"}))[0]
    assert isinstance(invalid, InvalidRoom)
    assert f"{invalid.what} {invalid!r}".isprintable()
    assert str(refusal(400, b'{"message": "no party \\ud83d here"}')).endswith("400: no party here")


@pytest.mark.parametrize("token", TOKENS, ids=["sdk", "room", "opaque"])
@pytest.mark.parametrize("location", ["https://h/%s", "/%s/x", "https://%s@h/", "https://h/?token=%s", "//%s"])
def test_a_token_in_a_redirect_is_not_told(location: str, token: str) -> None:
    assert_tells_nothing(refusal(302, b"", {"location": location.replace("%s", token)}, token=token), token)


@pytest.mark.parametrize("token", TOKENS, ids=["sdk", "room", "opaque"])
@pytest.mark.parametrize("keep", [slice(30), slice(20, None), slice(11, None), slice(20, 60)], ids=str)
def test_a_token_that_the_answer_echoes_in_part_is_not_told(keep: slice, token: str) -> None:
    assert_tells_nothing(refusal(400, f'{{"message": "cannot decode {token[keep]}"}}', token=token), token)


@pytest.mark.parametrize("body", ['{"message": "old: %s"}', "<p>%s</p>", '"%s"'])
def test_a_token_of_any_characters_that_the_answer_echoes_is_not_told(body: str) -> None:
    token = "opaque:7f3a9c51:e8d2b640:7f3a9c51!e8d2b640"  # printable ASCII is all that a token must be
    for status in (200, 400):
        assert_tells_nothing(refusal(status, body.replace("%s", token), token=token), token)


def test_another_token_than_the_one_sent_is_not_told_either() -> None:
    assert_tells_nothing(refusal(400, f"<p>{TOKENS[1]}</p>", token=TOKENS[0]), TOKENS[1])


def test_what_stands_around_an_echoed_token_is_told() -> None:
    text = str(refusal(400, f'{{"message": "the token {TOKENS[0]} is expired"}}', token=TOKENS[0]))
    assert "answered 400: the token NETLESS… is expired; " in text


def test_a_placeholder_for_a_token_blots_out_no_words() -> None:
    assert "a bad day" in str(refusal(400, b'{"message": "a bad day"}', token="a"))


# Whatever comes

HEADERS = st.dictionaries(
    st.sampled_from(["location", "retry-after", "date", "content-type"]),
    st.text(max_size=20) | st.from_regex(r"\w{3}, \d{1,3} Jan \d{1,9} \d\d:\d\d:\d\d (GMT|[+-]\d{1,20})"),
)
STATUSES = st.sampled_from([200, 201, 204, 302, 400, 404, 429, 500]) | st.integers(100, 599)
BODIES = (
    st.binary(max_size=60)
    | st.sampled_from([room_json(), LISTED.encode(), printed(404, '{"message": "no"}').encode(), HTML])
    | st.sampled_from([body.encode() for body in EXPIRED])
    | st.dictionaries(st.sampled_from(["message", "msg", "status", "body", "uuid"]), st.none() | st.text()).map(
        lambda document: json.dumps(document).encode()
    )
)


# The first text ever drawn in a checkout waits for Hypothesis to tabulate Unicode, which takes a second.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    operation=st.sampled_from([GET, LIST, TOLERANT, CREATE]),
    status=STATUSES,
    headers=HEADERS,
    body=BODIES,
    token=st.sampled_from(["", *TOKENS]),
    now=st.floats(0, 1e10) | st.just(math.nan),
)
@example(GET, 429, {"retry-after": "Mon, 01 Jan 2024 00:00:00 +9999999999", "date": NOW}, b"", "", 0.0)
@example(GET, 401, {"date": "Mon, 01 Jan 2024 00:00:00 +9999999999"}, EXPIRED[0].encode(), "", 0.0)
def test_any_answer_gives_what_was_asked_or_our_error(
    operation: Operation[Any], status: int, headers: dict[str, str], body: bytes, token: str, now: float
) -> None:
    try:
        answer = decode_answer(operation, status, headers, body, hide=Token.of(token).hide, now=now)
    except RoomsError as error:
        assert len(str(error)) < 4 * MAX_EXCERPT  # noqa: PT017  the other outcome is as good
    else:
        assert status in {200, 201}
        assert isinstance(answer, (Room, RoomPage, MixedPage))
        assert isinstance(answer, operation.answer)


def test_a_failed_decode_leaves_no_words_of_the_body_in_its_context() -> None:
    error = refusal(200, room_json(isBan=TOKENS[0]), token=TOKENS[0])
    assert (error.__context__, error.__cause__) == (None, None)


def test_control_characters_of_the_service_do_not_reach_a_terminal() -> None:
    assert str(refusal(400, b'{"message": "\\u001b[31mred\\u202e"}')).endswith("400: [31mred")


@pytest.mark.parametrize("told", [202, 204])
def test_an_undocumented_success_in_the_envelope_is_an_error_as_it_is_outside(told: int) -> None:
    error = refusal(200, f'{{"status": {told}, "body": null}}')
    assert isinstance(error, DecodeError)
    assert error.where == "$.status"


@pytest.mark.parametrize("date", ["Mon, 18 Jan 2021 06:56:29", "Mon, 18 Jan 2021 06:56:29 -0000"])
def test_a_date_that_does_not_say_its_zone_tells_no_time(date: str) -> None:
    with pytest.raises(UnauthorizedError, match="if the token is fresh, this machine's clock is wrong"):
        decode_answer(LIST, 401, {"date": date}, b'{"message": "expired token"}', now=1610952989.0)


@pytest.mark.parametrize("now", [math.inf, -math.inf, 1e300, -1e14])
def test_a_clock_that_is_beyond_all_time_is_told(now: float) -> None:
    headers = {"date": "Mon, 18 Jan 2021 06:56:29 GMT"}
    with pytest.raises(UnauthorizedError, match=r"this machine's clock is \S+ s (behind|ahead of) the service's"):
        decode_answer(LIST, 401, headers, b'{"message": "expired token"}', now=now)


@pytest.mark.parametrize("reason", ["x" * 400 + " expired token", "token=NETLESSSDK_YWs9:expired"])
def test_the_remark_and_the_renewal_go_by_the_same_words(reason: str) -> None:
    with pytest.raises(UnauthorizedError) as caught:
        decode_answer(LIST, 401, {}, json.dumps({"message": reason}).encode(), now=0.0)
    assert says_expired(caught.value) is ("clock" in str(caught.value)) is False


def test_a_date_to_wait_for_counts_from_this_machines_time_if_the_answer_does_not_tell_its_own() -> None:
    headers = {"retry-after": "Mon, 18 Jan 2021 06:56:39 GMT"}
    for now, wanted in ((1610952989.0, 10.0), (1610953000.0, 0.0), (math.nan, None)):
        with pytest.raises(ServerError) as caught:
            decode_answer(LIST, 503, headers, b"", now=now)
        assert caught.value.retry_after == wanted


@pytest.mark.parametrize("digits", ["9" * 10, "9" * 400, "9" * 5000])
def test_a_wait_of_many_digits_is_a_long_wait(digits: str) -> None:
    with pytest.raises(RateLimitedError) as caught:
        decode_answer(LIST, 429, {"retry-after": digits}, b"")
    assert caught.value.retry_after == 1e9
