"""The requests that each call makes, and the arguments that are refused before there is a request."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from itertools import product
from math import inf, nan
from string import ascii_letters, digits
from typing import Any, Final, TypeAlias

import httpx
import pytest

from netless_rooms import Region, __version__
from netless_rooms import _validation as checks
from netless_rooms._api.requests import ApiRequest, ban_room, create_room, get_room, list_rooms, request_headers
from netless_rooms._auth.tokens import Role
from netless_rooms._validation import DEFAULT_BASE_URL, check_base_url, check_header, check_region, check_timeout
from netless_rooms.models import MixedPage, Room, RoomPage
from samples import UUID


class Name(str, Enum):  # noqa: UP042  its str() is not its value, which is the trap
    ROOM = UUID
    EUROPE = "eu"


class Size(int, Enum):
    PAGE = 5


POST: Final = {"method": "POST", "is_repeatable": False, "role": Role.WRITER, "model": Room}
CREATE: Final = POST | {"path": "/v5/rooms", "body": b"{}"}
FULL: Final = CREATE | {"body": b'{"isRecord":false,"limit":5}'}
LIST: Final = {"method": "GET", "path": "/v5/rooms", "role": Role.WRITER, "model": RoomPage}
ONE: Final = {"path": f"/v5/rooms/{UUID}", "room_uuid": UUID, "model": Room}
GET: Final = ONE | {"method": "GET", "role": Role.WRITER, "expected": {"uuid": UUID}}
BAN: Final = ONE | {"method": "PATCH", "role": Role.ADMIN}
DISABLE: Final = BAN | {"body": b'{"isBan":true}', "expected": {"uuid": UUID, "is_ban": True}}
ENABLE: Final = BAN | {"body": b'{"isBan":false}', "expected": {"uuid": UUID, "is_ban": False}}
PAGE: Final = LIST | {"query": f"beginUUID={UUID}&limit=5"}
Call: TypeAlias = Callable[..., Any]
REQUESTS: Final[dict[str, tuple[Call, dict[str, Any], dict[str, Any]]]] = {
    "create": (create_room, {}, CREATE),
    "create without a maximum": (create_room, {"limit": 0}, CREATE | {"body": b'{"limit":0}'}),
    "create with everything, an enum too": (create_room, {"is_record": False, "limit": Size.PAGE}, FULL),
    "get": (get_room, {"uuid": UUID}, GET),
    "get by an enum": (get_room, {"uuid": Name.ROOM}, GET),
    "list": (list_rooms, {}, LIST),
    "largest page": (list_rooms, {"limit": 1000}, LIST | {"query": "limit=1000"}),
    "list with everything, as enums": (list_rooms, {"begin_uuid": Name.ROOM, "limit": Size.PAGE}, PAGE),
    "tolerant list": (list_rooms, {"tolerant": True}, LIST | {"model": MixedPage}),
    "disable": (ban_room, {"uuid": UUID, "is_ban": True}, DISABLE),
    "enable by an enum": (ban_room, {"uuid": Name.ROOM, "is_ban": False}, ENABLE),
}


def test_each_call_makes_its_request_with_its_target_and_these_headers_alone() -> None:
    for name, (call, arguments, expected) in REQUESTS.items():
        assert call(**arguments) == ApiRequest(**expected), name
    assert get_room(UUID).path_and_query == f"/v5/rooms/{UUID}"
    assert list_rooms(limit=5).path_and_query == "/v5/rooms?limit=5"
    headers = {"token": "NETLESSSDK_a", "region": "us-sv", "content-type": "application/json"}
    headers |= {"accept": "application/json", "accept-encoding": "gzip"}
    headers |= {"user-agent": f"netless_rooms/{__version__}"}
    assert request_headers(token="NETLESSSDK_a", region="us-sv") == headers


BY_UUID: Final[dict[str, tuple[str, Call]]] = {
    "get": ("uuid", get_room),
    "set-ban": ("uuid", lambda uuid: ban_room(uuid, is_ban=True)),
    "list": ("begin_uuid", lambda begin_uuid: list_rooms(begin_uuid=begin_uuid)),
}
SIGNS: Final = f"{ascii_letters}{digits}-_"


@pytest.mark.parametrize(("name", "call"), BY_UUID.values(), ids=BY_UUID)
def test_a_uuid_that_cannot_name_a_room_is_refused(name: str, call: Call) -> None:
    others = [sign for sign in map(chr, range(0x250)) if sign not in SIGNS]
    for wrong in ("", "..", "%2e", "a/b", "a\n", "\ud800", "a" * 129, *others):
        with pytest.raises(ValueError, match=rf"^{name} must be letters, digits, '-' and '_', 1 to 128 of them"):
            call(wrong)
    for token in ("NETLESSSDK_YWs9", "NETLESSROOM_YWs9YWsx/"):
        with pytest.raises(ValueError, match=rf"^{name} must not be or contain a token; were two arguments"):
            call(token)
    with pytest.raises(TypeError, match=rf"^{name} must be a string, not bytes$"):
        call(b"abc")
    call(f"{SIGNS}{'a' * 64}")
    with pytest.raises(ValueError, match=rf", not '{'/' * 128}'$"):
        call("/" * 5000)


NUMBER: Final = "limit must be an integer, not"
FLAG: Final = "flag must be True or False, not"
OUT_OF_RANGE: Final = "timeout must be above 0 and at most a million seconds, or None to wait forever"
ASCII: Final = "must be printable ASCII without spaces or line breaks, and not empty"
REFUSED: Final[list[tuple[Call, list[Any], type[Exception], str]]] = [
    (get_room, [None], TypeError, "uuid must be a string, not NoneType"),
    (lambda limit: list_rooms(limit=limit), [0, 1001], ValueError, "limit must be 1 to 1000, not"),
    (lambda limit: list_rooms(limit=limit), [True, "5"], TypeError, NUMBER),
    (lambda limit: create_room(limit=limit), [-1], ValueError, "limit must be 0 or more, not -1"),
    (lambda limit: create_room(limit=limit), [False, 1.0], TypeError, NUMBER),
    (lambda flag: create_room(is_record=flag), [0, ""], TypeError, f"is_record {FLAG[5:]}"),
    (lambda flag: checks.check_flag("flag", flag), [None, 1], TypeError, FLAG),
    (check_timeout, [0, -1, 1_000_001, 10**400, inf, nan], ValueError, OUT_OF_RANGE),
    (check_timeout, ["5", True], TypeError, "timeout must be a number of seconds or None, not"),
    (lambda time: checks.check_time("start", time), [datetime(2026, 1, 1)], ValueError, "start must be aware"),  # noqa: DTZ001
    (lambda time: checks.check_time("start", time), ["2026-01-01"], TypeError, "start must be a datetime, not"),
    (lambda text: check_header("token", text), ["", "s3cret\r\nx: y", "s3cret\n"], ValueError, f"token {ASCII}"),
    (lambda text: check_header("token", text), [None, ["s3cret"]], TypeError, "token must be a string, not"),
    (check_region, ["s3cret x", "s3crét", "s3cret\x7f"], ValueError, f"region {ASCII}"),
    (check_region, ["NETLESSSDK_s3cr"], ValueError, "region must not be or contain a token"),
    (check_base_url, [None, b"https://h", httpx.URL("https://h")], TypeError, "base_url must be a string, not"),
]
CASES: Final = [(check, wrong, *rest) for check, wrongs, *rest in REFUSED for wrong in wrongs]


@pytest.mark.parametrize(("check", "wrong", "error", "text"), CASES)
def test_a_wrong_argument_is_refused_by_its_name(check: Call, wrong: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        check(wrong)
    shown = str(caught.value)
    assert shown.startswith(text)
    assert "s3cr" not in shown
    if text.endswith("not"):
        assert shown == f"{text} {wrong if error is ValueError else type(wrong).__name__}"


def test_a_misspelt_region_is_refused_with_the_right_spelling() -> None:
    for wrong in ("us_sv", "US-SV", "us-sw", "ussv", "us-svv", "Us_S"):
        with pytest.raises(ValueError, match=rf"^unknown region '{wrong}'; did you mean 'us-sv'\?$"):
            check_region(wrong)
    for wrong in ("EU", "e", "eu-", "eur", "EU_"):
        with pytest.raises(ValueError, match="did you mean 'eu'"):
            check_region(wrong)


def test_a_right_argument_is_returned() -> None:
    assert [checks.check_count("n", n, at_least=2, at_most=4) for n in (2, 3, 4)] == [2, 3, 4]
    assert [checks.check_flag("flag", flag) for flag in (True, False)] == [True, False]
    assert [check_timeout(seconds) for seconds in (None, 0.001, 1_000_000)] == [None, 0.001, 1_000_000]
    for zone in (UTC, timezone(timedelta(hours=8))):
        assert checks.check_time("start", datetime(2026, 1, 1, tzinfo=zone)) == datetime(2026, 1, 1, tzinfo=zone)
    for value in (*Region, "gb-lon", "us", "au", "se", "eu-de", "!~", Name.EUROPE):
        for checked in (check_header("token", value), check_region(value)):
            assert (type(checked), checked) == (str, str.__str__(value))


ADDRESSES = dict.fromkeys([DEFAULT_BASE_URL, "HTTPS://API.Netless.Link"], DEFAULT_BASE_URL)
ADDRESSES |= {"https://host:443/a%20b": "https://host/a%20b", "https://my_host": "https://my_host"}
ADDRESSES |= {"http://[::1]:8080/": "http://[::1]:8080", f"{DEFAULT_BASE_URL}//": DEFAULT_BASE_URL}


LOOPBACK = ["HTTP://LocalHost:8080/mirror", "http://127.0.0.1", "http://127.255.255.254:80", "http://[::1]"]
ELSEWHERE = ["http://api.netless.link", "HTTP://my_host:8080/prefix", "http://127.0.0.1.example", "http://[::2]"]
ELSEWHERE += ["http://localhost.example", "http://evillocalhost", "http://128.0.0.1", "http://0.0.0.0"]


def test_the_path_is_appended_to_the_base_url_and_http_allowed_to_this_machine_or_where_permitted() -> None:
    for value, address in ADDRESSES.items():
        assert str(httpx.URL(check_base_url(value) + list_rooms().path)) == f"{address}/v5/rooms"
    assert [check_base_url(value) for value in LOOPBACK] == LOOPBACK
    for value in ELSEWHERE:
        with pytest.raises(ValueError, match=r"^base_url must be https, .*; allow_http=True permits it$"):
            check_base_url(value)
        assert check_base_url(value, allow_http=True) == value
        assert check_base_url(value.lower().replace("http:", "https:"))


MALFORMED = ["", "api.netless.link", "ftp://api.netless.link", "https://", "https:h", "https://:443"]
MALFORMED += ["https://h:0", "https://h:65536", "https://h:port", "https://[::1", "https://u:s3cret@h"]
MALFORMED += ["https://h\\@evil.example", "https://h/a b", "https://h/a\\b", "https://h\n", "https://hé.example"]
MALFORMED += ["https://h%41", "https://h#f", "https://h?"]


def test_a_base_url_that_is_malformed_or_has_a_token_or_the_path_is_refused_and_not_shown() -> None:
    for value, allowed in product(MALFORMED, (False, True)):
        with pytest.raises(ValueError, match="base_url must look like https:") as caught:
            check_base_url(value.replace("https:", "http:" if allowed else "https:"), allow_http=allowed)
        assert "s3cret" not in repr(caught.value)
    for value in ("NETLESSSDK_YWs9", "https://h/NETLESSSDK_YWs9", "http://h/NETLESSSDK_YWs9"):
        with pytest.raises(ValueError, match=r"^base_url must not be or contain a token; were two") as caught:
            check_base_url(value, allow_http=True)
        assert "YWs9" not in repr(caught.value)
    for path in ("/v5", "/v5/rooms/", "/mirror/v5/rooms"):
        with pytest.raises(ValueError, match="base_url must end before /v5/rooms, which is added to it"):
            check_base_url(f"https://api.netless.link{path}")
