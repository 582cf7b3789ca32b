"""A response becomes rooms or one of the package's errors, and no error shows a token."""

import json
import pickle
from gzip import compress
from math import inf, nan
from typing import Any

import pytest

from netless_rooms import errors
from netless_rooms._api.requests import ban_room, create_room, get_room, list_rooms
from netless_rooms._api.responses import MAX_EXCERPT, RawResponse, parse_response
from netless_rooms._auth.tokens import Token
from netless_rooms._retries import is_refusal, is_token_expired
from odd_bodies import TOKENS, assert_hidden
from samples import DASHED, GOT, LISTED, UUID, printed, room_json

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
    call: Any, body: bytes | str, status: int = 200, headers: Any = None, token: str = "", now: float = nan
) -> Any:
    response = RawResponse(status, headers or {}, body if isinstance(body, bytes) else body.encode())
    return parse_response(call, response, redact=Token.parse(token).redact, now=now)


def failure(status: int, body: bytes | str = b"", *headers: Any, call: Any = GET, **more: Any) -> Any:
    with pytest.raises(errors.RoomsError) as caught:
        parse(call, body, status, *headers, **more)
    assert caught.value.__cause__ is caught.value.__context__ is None
    return caught.value


def unreadable(body: bytes | str, call: Any = GET, *, status: int = 200) -> tuple[str, str]:
    error = failure(status, body, call=call)
    assert type(error) is errors.DecodeError
    assert str(error).endswith(f"unreadable response: {error.reason} at {error.location}")
    return error.reason, error.location


def test_every_documented_response_is_read_bare_and_in_the_printed_envelope() -> None:
    calls: list[tuple[Any, str]] = [(create_room(), GOT), (get_room("4axxxxx96b"), GOT), (LIST, LISTED)]
    for call, body in [*calls, (ban_room("4axxxxx96b", is_ban=False), GOT), (TOLERANT, LISTED)]:
        result = parse(call, body)
        assert isinstance(result, call.model)
        for status in (200, 201):
            assert parse(call, body, status) == parse(call, printed(status, body)) == result


def test_a_response_is_about_the_room_of_the_request_and_shows_its_new_state() -> None:
    for uuid in (UUID, DASHED, UUID.upper()):
        assert parse(get_room(uuid), room_json()).uuid == UUID
    for new in (True, False):
        ban, words = ban_room(UUID, is_ban=new), f"expected {json.dumps(new)}, got {json.dumps(not new)}"
        assert parse(ban, room_json(isBan=new)).is_ban is new
        assert unreadable(room_json(isBan=not new), ban) == (words, "$.isBan")
        for call in (GET, ban):
            assert unreadable(room_json(uuid="another"), call) == (f'expected "{UUID}", got "another"', "$.uuid")
    headers = {"location": "https://elsewhere.example", "retry-after": "5", "date": DATE}
    room = parse(GET, room_json(status=404, body=None), headers=headers, now=0.0)  # this is not an envelope
    assert (room.uuid, room.extra) == (UUID, {"status": 404, "body": None})


def test_an_undocumented_status_or_body_is_an_error_with_its_place() -> None:
    for status in (202, 204, 299):
        words = f"expected the status 200 or 201, got {status}"
        assert unreadable(room_json(), status=status) == (words, "$")
        assert unreadable(printed(status, "null")) == (words, "$.status")
    for odd in ("201", True, None, 99, 600, 201.0, [201]):
        reason, where = unreadable(json.dumps({"status": odd, "body": json.loads(GOT)}))
        assert (reason[:28], where) == ("expected an HTTP status, got", "$.status")
    undocumented: list[tuple[Any, bytes | str, str]] = [
        *((GET, body, "$") for body in (HTML, b"", b"null", LISTED)),
        (GET, room_json(createdAt=...), "$.createdAt"),
        (GET, printed(200, room_json(isBan="no").decode()), "$.isBan"),
        *((LIST, GOT, "$"), (LIST, b'[{"uuid": 1}]', "$[0].uuid"), (LIST, printed(200, "{}"), "$")),
        *((TOLERANT, body, "$") for body in (GOT, b"[1, 2", printed(200, "{}"))),
    ]
    for call, body, where in undocumented:
        assert unreadable(body, call)[1] == where
    for call in (LIST, GET):
        for name in ("message", "msg"):
            reason, _ = unreadable(json.dumps({name: "invalid\nregion"}), call)
            assert reason.endswith("; the service says: invalid region")
    good = room_json().decode()
    for body, call in ((f"[{'5,' * 1000}5]", TOLERANT), (f"[{f'{good},' * 1000}{good}]", LIST)):
        assert unreadable(body, call) == ("expected at most 1000 rooms, got 1001", "$")


def read(body: bytes, *, status: int = 200, max_size: int = 100, **headers: Any) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return RawResponse(status, named, body).unpacked(max_size).body


TEXT = b"some text, " * 9
GZIP = compress(TEXT, mtime=0)
ZIPPED: dict[str, Any] = {"content_encoding": "gzip"}


def test_a_body_is_unpacked_up_to_its_bound_and_if_it_is_encoded_by_gzip_alone() -> None:
    for packed, text in ((GZIP, TEXT), (compress(b"") + GZIP * 2, TEXT * 2), (compress(b""), b""), (b"", b"")):
        assert read(packed, content_encoding=" GZip", content_length=str(len(packed)), max_size=999) == text
    assert read(TEXT, content_encoding="identity") == TEXT
    bomb = compress(bytes(2**22))
    assert read(bytes(100)) == bytes(100)
    assert len(read(bomb, max_size=2**22, **ZIPPED)) == 2**22
    for body, headers in ((bytes(101), {}), (bomb, ZIPPED), (compress(b"") * 9, ZIPPED)):
        with pytest.raises(errors.DecodeError, match="more than 100 bytes, the bound of max_body_size"):
            read(body, **headers)
        assert len(read(body, status=500, **headers)) <= 100
    assert len(read(bomb, status=400, max_size=2**30, **ZIPPED)) == 2**20
    assert len(read(bytes(2**20 + 1), status=400, max_size=2**30)) == 2**20
    for coding in ("br", "gzip, gzip", "deflate"):  # gzip once is the only encoding
        with pytest.raises(errors.DecodeError, match="other than gzip"):
            read(GZIP, content_encoding=coding)
        assert read(GZIP, status=404, content_encoding=coding) == b""


def test_a_damaged_body_is_a_transient_failure() -> None:
    damaged: list[tuple[bytes, dict[str, Any]]] = [
        *((GZIP[:length], ZIPPED) for length in (1, 9, len(GZIP) - 1)),
        *((body, ZIPPED) for body in (GZIP + compress(b"x")[:-9], b"not gzip", GZIP + b"trailing")),
        *((TEXT, {"content_length": "100"}), (GZIP, {**ZIPPED, "content_length": "1"})),
        (compress(b"") * 17, ZIPPED),
    ]
    for body, headers in damaged:
        with pytest.raises(errors.TransportError, match=r"the body of the response (was|is)") as caught:
            read(body, max_size=9999, **headers)
        assert (caught.value.was_sent, caught.value.is_transient) == (True, True)
        assert read(body, status=500, **headers) in (b"", TEXT, TEXT + b"x")  # the status says more than the body


KINDS: list[tuple[int, type[errors.StatusError]]] = [
    *((400, errors.BadRequestError), (401, errors.UnauthorizedError), (403, errors.ForbiddenError)),
    *((404, errors.NotFoundError), (429, errors.RateLimitedError)),
    *((500, errors.ServerError), (599, errors.ServerError)),
    *((status, errors.StatusError) for status in (100, 199, 300, 399, 402, 499, 600)),
]


def test_a_failure_has_its_own_error_with_the_reason() -> None:
    body, headers = '{"message": "room too full"}', {"retry-after": "7"}
    for status, kind in KINDS:
        bare = failure(status, body, headers)
        assert str(bare).startswith(f"the service answered {status}: room too full")
        inside = [failure(200, printed(status, body), headers)] if status < 600 else []
        for error in (bare, failure(status, printed(status, body), headers), *inside):
            assert (type(error), error.status, error.retry_after) == (kind, status, 7.0)
        assert {error.reason for error in (bare, *inside)} == {"room too full"}
    assert "check the uuid" in str(failure(404))
    assert "uuid" not in str(failure(404, call=LIST)) + str(failure(404, call=create_room()))
    # Only a refusal says for certain that nothing took effect.
    assert [status for status in (399, 400, 408, 409, 499, 500) if is_refusal(status)] == [400, 409]


LONGEST = "é" * MAX_EXCERPT
REASONS = [('{"msg": "older words"}', "older words"), ('{"msg": "old", "message": "newer words"}', "newer words")]
REASONS += [(f'{{"msg": "older words", "message": {none}}}', "older words") for none in ("null", '""')]
REASONS += [('{"message": "two\\n  lines"}', "two lines"), ('{"message": "\\u001b[31mred\\u202e"}', "[31mred")]
REASONS += [('{"message": "no party \\ud83d here"}', "no party here")]
REASONS += [(f'{{"message": "{LONGEST + more}"}}', LONGEST + ("…" if more else "")) for more in ("", "é")]
WITHOUT_REASON = [HTML, b'{"error": "no"}', b'{"message": 5}', b'{"message": "  "}', b'["no"]', b'"no"', b"null"]
WITHOUT_REASON += [b"\xff\xfeno", b"[" * 100_000, b'{"status": "no", "body": {"message": "no"}}']


def test_a_reason_is_one_printable_line_and_cut_and_without_one_the_body_is_shown() -> None:
    for body, reason in REASONS:
        error = failure(402, body)
        assert error.reason == reason
        assert str(error).endswith(f"answered 402: {reason}")
    for raw in WITHOUT_REASON:
        error = failure(402, raw)
        assert error.reason is None
        shown = " ".join(raw.decode(errors="replace").split())
        shown = shown if len(shown) <= MAX_EXCERPT else shown[:MAX_EXCERPT] + "…"
        assert str(error).endswith(f"answered 402 without a reason; its body begins {shown!r}")
    assert {str(failure(409, body)) for body in (b"", b" \r\n")} == {"the service answered 409 without a reason"}
    assert unreadable(json.dumps("x" * 10_000))[0] == 'expected a room object, got "'.ljust(MAX_EXCERPT, "x") + "…"
    invalid = parse(TOLERANT, b"[%s]" % room_json(limit="\u202e\n" + "x" * 10_000))[0]
    assert invalid.reason == 'expected an integer, got " \\n'.ljust(MAX_EXCERPT, "x") + "…"
    assert f"{invalid!r}".isprintable()


AFTER: list[tuple[str | None, str | None, float, float | None]] = [
    *((None, None, AT_DATE, None), ("0", None, nan, 0.0), (" 5 ", None, nan, 5.0), ("1.5", None, nan, 2.0)),
    *(("999999999", None, nan, 999_999_999.0), ("1000000001", None, nan, 1e9), ("9" * 5000, None, nan, 1e9)),
    ("5, 7.01", None, nan, 8.0),  # the header occurs twice
    *((f"{DATE}, 12", None, AT_DATE - 10, 12.0), (f"{DATE}, {DATE}", None, AT_DATE - 10, 10.0)),
    *((odd, None, AT_DATE, None) for odd in ["-5", "1.5.2", "soon", "٣", "²"]),
    *((odd, DATE, AT_DATE, None) for odd in ODD_DATES if not odd.isdecimal()),
    *(("Mon, 18 Jan 2021 06:57:00 GMT", DATE, 0.0, 31.0), ("Mon, 18 Jan 2021 08:57:00 +0200", DATE, nan, 31.0)),
    *(("Mon, 18 Jan 2021 06:56:28 GMT", DATE, 0.0, 0.0), (DATE, DATE, 0.0, 0.0)),
    *((DATE, odd, AT_DATE - 10, 10.0) for odd in (None, *ODD_DATES)),
    *((DATE, None, AT_DATE + 10, 0.0), (DATE, None, nan, None)),
]


def test_retry_after_is_seconds_or_a_date() -> None:
    for value, date, now, seconds in AFTER:
        headers = {name: text for name, text in (("retry-after", value), ("date", date)) if text is not None}
        assert failure(429, b"", headers, now=now).retry_after == seconds, (value, date, now)


EXPIRED = ['{"message": "expired token"}', '{"msg": "expired token"}', '{"message": "", "msg": "TOKEN_EXPIRED"}']
EXPIRED += ['{"message": "Token Expired"}', '{"message": "the token has expired."}']
EXPIRED += ['{"message": "token(NETLESSSDK_YWs9MQ) is expired"}']
NOT_EXPIRED = ['{"message": "invalid format of token"}', '{"message": "the room has expired"}']
NOT_EXPIRED += ['{"message": "unexpired token"}', '{"message": "expired tokens"}', "expired token", ""]
NOT_EXPIRED += ['{"message": "no", "msg": "expired token"}', '{"error": "expired token"}']
NOT_EXPIRED += ['{"message": "' + "x" * 400 + ' expired token"}']  # the error does not show these words
NOT_EXPIRED += ['{"message": "token=NETLESSSDK_YWs9:expired"}']  # nor these
SUSPICION = "if the token is fresh, this machine's clock is wrong"


def remark_in(error: errors.StatusError) -> str:
    shown = str(error).removesuffix(f" ({error.hint})")
    return shown.rpartition(str(error.reason))[2].removeprefix("; ")


def test_only_a_client_error_with_such_a_reason_says_that_the_token_has_expired_or_a_clock_is_off() -> None:
    for body in EXPIRED:
        for error in (failure(401, body), failure(403, body), failure(200, printed(400, body))):
            assert is_token_expired(error.status, error.reason)
            assert remark_in(error) == SUSPICION
    cases = [(401, body, False) for body in NOT_EXPIRED]
    cases += [(status, EXPIRED[0], 400 <= status < 500) for status in (399, 400, 499, 500)]
    for status, body, says in cases:
        error = failure(status, body, {"date": DATE}, now=0.0)
        assert is_token_expired(error.status, error.reason) is ("clock" in str(error)) is says, (status, body)
    for now, difference in CLOCKS:
        remark = f"this machine's clock is {difference} the service's, set it right" if difference else ""
        for date in (DATE, "Mon, 18 Jan 2021 08:56:29 +0200"):
            assert remark_in(failure(401, EXPIRED[0], {"date": date}, now=now)) == remark
    for headers in ({}, *({"date": odd} for odd in ODD_DATES)):
        for now in (0.0, AT_DATE, nan):
            assert remark_in(failure(401, EXPIRED[0], headers, now=now)) == SUSPICION


CLOCKS = [*((now, "") for now in (AT_DATE, nan, AT_DATE - 29.999, AT_DATE + 29.999))]
CLOCKS += [(AT_DATE - 30.0, "0:00:30 behind"), (AT_DATE + 30.0, "0:00:30 ahead of")]
CLOCKS += [(AT_DATE + 3600.4, "1:00:00 ahead of"), (0.0, "18645 days, 6:56:29 behind")]
CLOCKS += [(inf, "inf s ahead of"), (-inf, "inf s behind"), (1e300, "1e+300 s ahead of")]


POINTED = [("https://user:s3cret@h:8443/login?token=s3cret#s3cret", "https://h:8443/login")]
POINTED += [("/login?next=s3cret", "/login"), ("//s3cret@h/login", "//h/login")]
POINTED += [("https://[::1/s3cret", "an unreadable address"), ("/" + "x" * 5000, f"/{'x' * (MAX_EXCERPT - 1)}…")]


def test_a_redirect_is_refused_and_says_to_which_host_and_path_it_pointed() -> None:
    elsewhere = {"location": "https://elsewhere.example/v5/rooms"}
    for status in (300, 302, 399):
        error = failure(status, b"", elsewhere)
        assert (type(error), error.was_sent, error.is_transient) == (errors.TransportError, True, False)
        assert f"answered {status} and pointed to 'https://elsewhere.example/v5/rooms'; redir" in str(error)
        assert type(failure(200, printed(status, "null"), elsewhere)) is errors.StatusError
    assert type(failure(400, b"", elsewhere)) is errors.BadRequestError
    for location, shown in POINTED:
        text = str(failure(302, b"", {"location": location}))
        assert f" pointed to '{shown}';" in text
        assert "s3cret" not in text


DEEP = json.loads("[" * 40 + "]" * 40)
ECHOES = ["%s", "<html><p>header token: %s; region: eu</p><pre>%s</pre></html>", '"%s"', '["%s"]', '{"msg": "%s"}']
ECHOES += ['{"message": "\\"%s\\" is expired", "msg": "%s"}', '{"message": "' + "x" * (MAX_EXCERPT - 20) + '%s"}']
ECHOES += ['{"error": {"token": "%s"}}', '{"%s": {"a": 1}}', '{"status": 403, "body": {"message": "%s"}}']
ECHOES += ['{"status": "%s", "body": {}}', "x" * (MAX_EXCERPT - 20) + "%s"]
ECHOES += [" " * (4 * MAX_EXCERPT - 20) + "%s", "é" * (2 * MAX_EXCERPT - 20) + "%s"]
PLACES = ["https://h/%s", "/%s/x", "https://%s@h/", "https://h/?token=%s", "//%s"]


def assert_error_hides(token: str, error: errors.RoomsError) -> None:
    assert_hidden({token}, str(error), repr(error), repr(vars(error)), repr(pickle.dumps(error)))


def test_neither_an_error_nor_an_invalid_room_shows_a_token_that_a_response_repeats() -> None:
    for token in TOKENS:
        for body in ECHOES:
            for status in (200, 204, 400, 502):
                assert_error_hides(token, failure(status, body.replace("%s", token), token=token))
        for place in PLACES:
            assert_error_hides(token, failure(302, b"", {"location": place % token}, token=token))
    for body in ECHOES:  # another token than the one that was sent
        assert_error_hides(TOKENS[0], failure(400, body.replace("%s", TOKENS[0]), token=TOKENS[1]))
    text = str(failure(400, f'{{"message": "the token {TOKENS[0]} is expired"}}', token=TOKENS[0]))
    assert "answered 400: the token NETLESS… is expired; " in text
    for token in TOKENS:
        fields = ("uuid", "isRecord", "createdAt", "limit")
        for room in (*(room_json(**{field: token}) for field in fields), room_json(**{token: DEEP})):
            assert_error_hides(token, failure(200, room, token=token))
            for envelope in ("%s", printed(200, "%s")):
                page = parse(TOLERANT, envelope % f"[{room.decode()}]", token=token)
                assert "NETLESS…" in page[0].reason
                assert_hidden({token}, repr(page))
                assert page[0].document == json.loads(room)
