"""What is asked is what was meant, or nothing is asked."""

import json
from enum import Enum
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import __version__
from netless_rooms.models import MixedPage, Room, RoomPage
from netless_rooms.operations import (
    DEFAULT_BASE_URL,
    Operation,
    ban_room,
    check_base_url,
    check_count,
    check_flag,
    check_header,
    create_room,
    get_room,
    list_rooms,
    request_headers,
)
from netless_rooms.signing import Role
from samples import DASHED, UUID


class Name(str, Enum):  # noqa: UP042  its text is not its value, which is the trap
    """Text in the form in which many applications keep their constants."""

    ROOM = UUID
    EUROPE = "eu"


class Size(int, Enum):
    PAGE = 5


# The four calls


def test_create_is_a_post_that_expects_a_room() -> None:
    operation = create_room()
    assert (operation.method, operation.path, operation.query) == ("POST", "/v5/rooms", "")
    assert (operation.answer, operation.expected) == (Room, {})


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ({}, {}),
        ({"limit": 0}, {"limit": 0}),
        ({"limit": 17}, {"limit": 17}),
        ({"limit": 10**6}, {"limit": 10**6}),
        ({"is_record": False}, {"isRecord": False}),
        ({"is_record": True, "limit": 3}, {"isRecord": True, "limit": 3}),
        ({"is_record": None, "limit": None}, {}),
    ],
)
def test_create_sends_only_what_is_set(arguments: dict[str, Any], body: dict[str, Any]) -> None:
    sent = json.loads(create_room(**arguments).body or b"")
    assert sent == body
    assert repr(sent) == repr(body)  # 0 is not False on the wire


def test_get_asks_for_the_room_and_expects_that_one() -> None:
    assert get_room(UUID) == Operation(
        method="GET",
        path=f"/v5/rooms/{UUID}",
        query="",
        body=None,
        role=Role.WRITER,
        uuid=UUID,
        answer=Room,
        expected={"uuid": UUID},
    )


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        ({}, ""),
        ({"begin_uuid": UUID}, f"beginUUID={UUID}"),
        ({"limit": 1}, "limit=1"),
        ({"limit": 1000}, "limit=1000"),
        ({"limit": 2, "begin_uuid": "0e6exxxxxx4d95"}, "beginUUID=0e6exxxxxx4d95&limit=2"),
        ({"limit": None, "begin_uuid": None}, ""),
    ],
)
def test_list_sends_only_what_is_set(arguments: dict[str, Any], query: str) -> None:
    operation = list_rooms(**arguments)
    assert operation == Operation(
        method="GET", path="/v5/rooms", query=query, role=Role.WRITER, uuid=None, answer=RoomPage
    )
    assert operation.body is None
    assert operation.target == (f"/v5/rooms?{query}" if query else "/v5/rooms")


@pytest.mark.parametrize("arguments", [{}, {"begin_uuid": UUID, "limit": 2}], ids=len)
def test_a_tolerant_list_is_the_same_request_and_expects_a_mixed_page(arguments: dict[str, Any]) -> None:
    strict, tolerant = list_rooms(**arguments, tolerant=False), list_rooms(**arguments, tolerant=True)
    assert strict == list_rooms(**arguments)
    assert (strict.answer, tolerant.answer) == (RoomPage, MixedPage)
    assert attrs.asdict(strict) | {"answer": MixedPage} == attrs.asdict(tolerant)


@pytest.mark.parametrize("is_ban", [True, False])
def test_ban_is_a_patch_that_expects_what_it_asked_for(*, is_ban: bool) -> None:
    operation = ban_room(UUID, is_ban=is_ban)
    assert (operation.method, operation.path, operation.query) == ("PATCH", f"/v5/rooms/{UUID}", "")
    assert operation.body == b'{"isBan":%s}' % (b"true" if is_ban else b"false")
    assert operation.expected == {"uuid": UUID, "is_ban": is_ban}


@pytest.mark.parametrize(
    ("operation", "role", "uuid"),
    [
        (create_room(limit=1), Role.WRITER, None),
        (get_room(DASHED), Role.WRITER, DASHED),
        (list_rooms(), Role.WRITER, None),
        (list_rooms(begin_uuid=UUID, limit=1), Role.WRITER, None),
        (ban_room(UUID, is_ban=True), Role.ADMIN, UUID),
        (ban_room(UUID, is_ban=False), Role.ADMIN, UUID),
    ],
)
def test_each_call_names_the_least_role_and_the_one_room_that_it_is_about(
    operation: Operation[Any], role: Role, uuid: str | None
) -> None:
    assert (operation.role, operation.uuid) == (role, uuid)


def test_an_operation_is_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        get_room(UUID).path = "/v5/teams"  # type: ignore[misc]  # that is the point


# Uuids

NO_UUIDS = [
    "",
    "é",
    "키",
    "..",
    ".",
    "%2e%2e",
    "%2e",
    "a/b",
    "/",
    "a\\b",
    "a?b",
    "a#b",
    "a b",
    "a\n",
    "\n",
    "a\r\nb",
]
NO_UUIDS += ["a;b", "a&b", "a=b", "a:b", "a.b", "a\x00", "٣", "Ａ", "\ud800", "{uuid}"]  # noqa: RUF001  full width


@pytest.mark.parametrize("uuid", NO_UUIDS)
def test_text_that_could_change_the_path_is_refused(uuid: str) -> None:
    for ask in (get_room, lambda u: ban_room(u, is_ban=True)):
        with pytest.raises(ValueError, match=r"^uuid must be "):
            ask(uuid)
    with pytest.raises(ValueError, match=r"^begin_uuid must be "):
        list_rooms(begin_uuid=uuid)


@pytest.mark.parametrize("uuid", [None, 5, b"abc", ["a"], True])
def test_a_uuid_that_is_no_text_is_refused(uuid: Any) -> None:
    kind = type(uuid).__name__
    for ask in (get_room, lambda u: ban_room(u, is_ban=True)):
        with pytest.raises(TypeError, match=f"^uuid must be a string, not {kind}$"):
            ask(uuid)
    if uuid is not None:
        with pytest.raises(TypeError, match=f"^begin_uuid must be a string, not {kind}$"):
            list_rooms(begin_uuid=uuid)


@pytest.mark.parametrize("token", ["NETLESSSDK_YWs9", "NETLESSROOM_YWs9YWsx/"])
def test_a_token_in_the_place_of_a_uuid_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match=r"^uuid must not be or hold a token; were two arguments swapped\?$"):
        get_room(token)
    with pytest.raises(ValueError, match=r"^begin_uuid must not be or hold a token"):
        list_rooms(begin_uuid=token)


def test_a_refused_uuid_is_shown_cut() -> None:
    with pytest.raises(ValueError, match="/") as caught:
        get_room("/" * 5000)
    assert len(str(caught.value)) < 200


def test_a_uuid_longer_than_any_address_is_refused_before_there_is_a_request() -> None:
    with pytest.raises(ValueError, match=r"^uuid must"):
        get_room("a" * 70_000)


@pytest.mark.parametrize("uuid", [UUID, DASHED, "0e6exxxxxx4d95", "a_b"])
def test_a_uuid_goes_out_as_it_was_given(uuid: str) -> None:
    assert get_room(uuid).path == f"/v5/rooms/{uuid}"


def test_text_that_is_also_an_enum_member_goes_out_by_its_value() -> None:
    assert get_room(Name.ROOM).path == f"/v5/rooms/{UUID}"
    assert ban_room(Name.ROOM, is_ban=True).path == f"/v5/rooms/{UUID}"
    assert list_rooms(begin_uuid=Name.ROOM).query == f"beginUUID={UUID}"
    assert check_header("region", Name.EUROPE) == "eu"


def test_a_number_that_is_also_an_enum_member_goes_out_by_its_value() -> None:
    assert list_rooms(limit=Size.PAGE).query == "limit=5"
    assert create_room(limit=Size.PAGE).body == b'{"limit":5}'


PATH_LIKE = st.text("ab/.%2eE?#&=\\ \r\n;:@é", max_size=8)


@given(st.text() | PATH_LIKE | st.text("0123456789abcdef-_", max_size=40))
def test_any_text_is_refused_or_is_the_last_part_of_the_path(uuid: str) -> None:
    try:
        asked = httpx.URL(DEFAULT_BASE_URL + get_room(uuid).path)
    except ValueError:
        return
    assert asked.raw_path == b"/v5/rooms/" + uuid.encode()
    assert (asked.scheme, asked.netloc, asked.fragment) == ("https", b"api.netless.link", "")


@given(st.text() | PATH_LIKE | st.text("0123456789abcdef-_", max_size=40), st.integers(1, 1000))
def test_any_text_is_refused_or_is_the_cursor_and_nothing_else(uuid: str, limit: int) -> None:
    try:
        target = list_rooms(begin_uuid=uuid, limit=limit).target
    except ValueError:
        return
    asked = httpx.URL(DEFAULT_BASE_URL + target)
    assert asked.params.multi_items() == [("beginUUID", uuid), ("limit", str(limit))]
    assert asked.path == "/v5/rooms"


# Counts and flags


@pytest.mark.parametrize("limit", [0, 1001, -1, 10**9])
def test_a_page_size_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"^limit must be 1 to 1000, not {limit}$"):
        list_rooms(limit=limit)


@pytest.mark.parametrize("limit", [-1, -(10**9)])
def test_a_negative_limit_of_a_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match=f"^limit must be 0 or more, not {limit}$"):
        create_room(limit=limit)


@pytest.mark.parametrize("limit", [True, False, "5", 1.0, [1], b"5"])
def test_a_limit_that_is_no_integer_is_refused(limit: Any) -> None:
    for ask in (list_rooms, create_room):
        with pytest.raises(TypeError, match=f"^limit must be an integer, not {type(limit).__name__}$"):
            ask(limit=limit)


@pytest.mark.parametrize("is_record", [0, 1, "true", "", []])
def test_a_flag_that_is_no_boolean_is_refused(is_record: Any) -> None:
    with pytest.raises(TypeError, match=f"^is_record must be True or False, not {type(is_record).__name__}$"):
        create_room(is_record=is_record)


@pytest.mark.parametrize("value", [True, False])
def test_a_flag_is_returned_as_it_is(*, value: bool) -> None:
    assert check_flag("allow_http", value) is value


@pytest.mark.parametrize("value", [None, 0, 1, "True", ...])
def test_a_flag_of_another_type_is_refused_by_its_name(value: object) -> None:
    with pytest.raises(TypeError, match=f"^allow_http must be True or False, not {type(value).__name__}$"):
        check_flag("allow_http", value)


def test_both_ends_of_a_range_are_in_it() -> None:
    assert [check_count("n", n, at_least=2, at_most=4) for n in (2, 3, 4)] == [2, 3, 4]


# Headers


def test_the_headers_are_these_and_no_others() -> None:
    assert request_headers(token="NETLESSSDK_a", region="us-sv") == {
        "token": "NETLESSSDK_a",
        "region": "us-sv",
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": f"netless_rooms/{__version__}",
    }


@pytest.mark.parametrize("value", ["eu", "gb-lon", "NETLESSSDK_YWs9", "!~"])
def test_printable_ascii_can_stand_in_a_header(value: str) -> None:
    assert check_header("region", value) == value


@pytest.mark.parametrize(
    "value", ["", " ", "s3cret\n", "s3cret\r\nx: y", "s3cret token", "s3crét", "s3cret\x7f", "\t"]
)
def test_what_could_break_a_header_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ValueError, match=r"^token must be printable ASCII") as caught:
        check_header("token", value)
    assert "s3cr" not in repr(caught.value)


@pytest.mark.parametrize("value", [None, 5, b"s3cret", ["s3cret"]])
def test_a_header_that_is_no_text_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^token must be a string, not {type(value).__name__}$"):
        check_header("token", value)


# The base URL


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (DEFAULT_BASE_URL, "https://api.netless.link/v5/rooms"),
        ("https://api.netless.link/", "https://api.netless.link/v5/rooms"),
        ("https://api.netless.link//", "https://api.netless.link/v5/rooms"),
        ("http://localhost:8080", "http://localhost:8080/v5/rooms"),
        ("http://127.0.0.1:8080/prefix/", "http://127.0.0.1:8080/prefix/v5/rooms"),
        ("http://[::1]:8080", "http://[::1]:8080/v5/rooms"),
        ("HTTPS://API.Netless.Link", "https://api.netless.link/v5/rooms"),
        ("https://host:443/a%20b", "https://host/a%20b/v5/rooms"),
        ("https://my_host", "https://my_host/v5/rooms"),
    ],
)
def test_a_base_url_takes_the_path_behind_it(value: str, address: str) -> None:
    assert str(httpx.URL(check_base_url(value) + list_rooms().path)) == address


LOOPBACK = [
    "http://localhost",
    "HTTP://LocalHost:8080/mirror",
    "http://LOCALHOST",
    "http://127.0.0.1",
    "http://127.255.255.254:80",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]:8080",
]
ELSEWHERE = [
    "http://api.netless.link",
    "HTTP://API.Netless.Link/prefix",
    "http://my_host:8080",
    "http://localhost.example",
    "http://evillocalhost",
    "http://127.0.0.1.example",
    "http://128.0.0.1",
    "http://126.255.255.255",
    "http://10.0.0.1",
    "http://192.168.1.1",
    "http://0.0.0.0",
    "http://[::]",
    "http://[::2]",
    "http://[fe80::1]",
]


@pytest.mark.parametrize("value", LOOPBACK)
def test_over_http_a_host_of_this_machine_will_do(value: str) -> None:
    assert check_base_url(value) == value.rstrip("/")
    assert check_base_url(value, allow_http=True) == value.rstrip("/")


@pytest.mark.parametrize("value", ELSEWHERE)
def test_over_http_any_other_host_has_to_be_allowed(value: str) -> None:
    with pytest.raises(ValueError, match=r"^base_url must be https, .*; allow_http=True permits it$"):
        check_base_url(value)
    with pytest.raises(ValueError, match=r"^base_url must be https"):
        check_base_url(value, allow_http=False)
    assert check_base_url(value, allow_http=True) == value
    assert check_base_url(value.lower().replace("http:", "https:"))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "api.netless.link",
        "//api.netless.link",
        "/v5",
        "ftp://api.netless.link",
        "file:///etc/passwd",
        "https://",
        "https:///v5",
        "https:api.netless.link",
        "https://:443",
        "https://h:0",
        "https://h:65536",
        "https://h:port",
        "https://h:-1",
        "https://[::1",
        "https://user@h",
        "https://user:s3cret@h",
        "https://:s3cret@h",
        "https://@h",
        "https://h?",
        "https://h?a=b",
        "https://h/#",
        "https://h#f",
        "https://h\\@evil.example",
        "https://h/a b",
        "https://h/a\\b",
        " https://h",
        "https://h\n",
        "https://h/\r\nx: y",
        "https://hé.example",
        "https://h%41",
        "https://a,b",
        "https://a*b",
    ],
)
def test_a_base_url_of_another_kind_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(
        ValueError, match=r"^base_url must look like https://api.netless.link, without user"
    ) as caught:
        check_base_url(value)
    assert "s3cret" not in repr(caught.value)
    for allowed in (value, value.replace("https:", "http:")):
        with pytest.raises(ValueError, match=r"^base_url must look like "):
            check_base_url(allowed, allow_http=True)


def test_a_token_in_the_place_of_a_base_url_is_refused_and_not_shown() -> None:
    for value in ("NETLESSSDK_YWs9", "https://h/NETLESSSDK_YWs9", "http://h/NETLESSSDK_YWs9"):
        with pytest.raises(ValueError, match=r"^base_url must not be or hold a token; were two") as caught:
            check_base_url(value, allow_http=True)
        assert "YWs9" not in repr(caught.value)


@pytest.mark.parametrize("value", [None, b"https://h", httpx.URL("https://h"), 5])
def test_a_base_url_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^base_url must be a string, not {type(value).__name__}$"):
        check_base_url(value)


@given(st.text("ab.:/@?#[]%0\\ é-_", max_size=12))
def test_any_base_url_is_refused_or_keeps_the_path_whole(rest: str) -> None:
    try:
        base_url = check_base_url(f"https://{rest}")
        asked = httpx.URL(base_url + get_room(UUID).path)
    except (ValueError, httpx.InvalidURL):  # what only the HTTP library finds is refused where the client is
        return
    assert asked.path.endswith(f"/v5/rooms/{UUID}")
    assert (asked.scheme, asked.query, asked.fragment, asked.userinfo) == ("https", b"", "", b"")
    assert asked.host


@pytest.mark.parametrize("path", ["/v5", "/v5/", "/v5/rooms", "/v5/rooms/", "/mirror/v5/rooms"])
def test_a_base_url_with_the_path_that_comes_behind_it_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="base_url must be without /v5/rooms, which is put behind it"):
        check_base_url(f"https://api.netless.link{path}")
