"""The calls of ``AsyncRooms``, on both event loops and over every HTTP library."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fakes import TOKEN, answer, room
from http_clients import Client, OpenClient, OpenRooms
from netless_rooms import (
    AsyncRooms,
    BadRequestError,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RetryPolicy,
    Role,
    RoomsError,
    ServerError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.emulator import Emulator, Quirks
from samples import UUID

pytestmark = pytest.mark.anyio


async def test_a_created_room_can_be_got_disabled_and_enabled(rooms: AsyncRooms) -> None:
    created = await rooms.create(limit=7, is_record=True)
    assert (created.limit, created.is_record, created.is_ban) == (7, True, False)
    assert abs((datetime.now(UTC) - created.created_at).total_seconds()) < 60
    assert await rooms.get(created.uuid) == created
    assert (await rooms.disable(created.uuid)).is_ban
    assert (await rooms.disable(created.uuid)).is_ban
    assert (await rooms.get(created.uuid)).is_ban
    assert await rooms.enable(created.uuid) == created


async def test_list_returns_one_page_as_served(rooms: AsyncRooms, emulator: Emulator) -> None:
    uuids = list(emulator.uuids())
    assert [room.uuid for room in await rooms.list()] == uuids
    page = await rooms.list(begin_uuid=uuids[3], limit=2)
    assert [room.uuid for room in page] == uuids[3:5]
    assert emulator.requests[-1].query == f"beginUUID={uuids[3]}&limit=2"


async def test_the_printed_envelope_is_understood(open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=3, quirks=Quirks(envelope=True))
    async with open_rooms(emulator) as rooms:
        assert len(await rooms.list()) == 3
        await rooms.disable((await rooms.create()).uuid)
        with pytest.raises(NotFoundError, match="room not found"):
            await rooms.get(UUID)


async def test_refusals_of_the_service_are_told_apart(rooms: AsyncRooms, emulator: Emulator) -> None:
    with pytest.raises(NotFoundError, match=f"GET /v5/rooms/{UUID}: the service answered 404: room not found"):
        await rooms.get(UUID)
    with pytest.raises(ForbiddenError):
        await rooms.with_options(token=emulator.token(Role.READER), check_token=False).list()
    weak = rooms.with_options(token=emulator.token(Role.WRITER), check_token=False)
    with pytest.raises(ForbiddenError):
        await weak.disable(next(emulator.uuids()))
    with pytest.raises(UnauthorizedError, match="invalid format of token"):
        await rooms.with_options(token="something").list()


async def test_what_is_not_set_is_not_sent(open_rooms: OpenRooms) -> None:
    sent: list[httpx.Request] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer([] if request.method == "GET" else room(), 201)

    async with open_rooms(script) as rooms:
        await rooms.create()
        await rooms.create(limit=0)
        await rooms.create(is_record=False)
        await rooms.list()
    assert [request.content for request in sent] == [b"{}", b'{"limit":0}', b'{"isRecord":false}', b""]
    assert str(sent[-1].url) == "https://api.netless.link/v5/rooms"


async def test_nothing_of_the_client_goes_to_the_service(open_rooms: OpenRooms) -> None:
    sent: list[httpx.Request] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer(room(), 201)

    client_options: dict[str, Any] = {
        "auth": ("application", "password"),
        "cookies": {"session": "of-the-application"},
        "headers": {"x-api-key": "of-the-application", "authorization": "Bearer of-the-application"},
        "params": {"key": "of-the-application"},
        "base_url": "https://application.example/api/",
    }
    async with open_rooms(script, **client_options) as rooms:
        await rooms.create(limit=2)
    (request,) = sent
    assert str(request.url) == "https://api.netless.link/v5/rooms"
    assert set(request.headers) == {
        *("host", "content-length", "token", "region", "content-type", "accept", "accept-encoding", "user-agent")
    }
    assert "application" not in request.headers["user-agent"]
    assert request.headers["token"] == TOKEN
    assert request.headers["region"] == "us-sv"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda rooms: rooms.get(""), ValueError),
        (lambda rooms: rooms.get("../teams"), ValueError),
        (lambda rooms: rooms.get("räume"), ValueError),
        (lambda rooms: rooms.get(None), TypeError),
        (lambda rooms: rooms.disable("a/b"), ValueError),
        (lambda rooms: rooms.enable("a?b"), ValueError),
        (lambda rooms: rooms.list(limit=0), ValueError),
        (lambda rooms: rooms.list(limit=1001), ValueError),
        (lambda rooms: rooms.list(limit=True), TypeError),
        (lambda rooms: rooms.list(limit="5"), TypeError),
        (lambda rooms: rooms.list(begin_uuid=""), ValueError),
        (lambda rooms: rooms.create(limit=-1), ValueError),
        (lambda rooms: rooms.create(limit=1.5), TypeError),
        (lambda rooms: rooms.create(is_record="no"), TypeError),
    ],
)
async def test_a_wrong_argument_is_refused_before_anything_is_sent(
    call: Callable[[AsyncRooms], Awaitable[object]], error: type[Exception], open_rooms: OpenRooms
) -> None:
    def script(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent {request}")

    async with open_rooms(script) as rooms:
        with pytest.raises(error):
            await call(rooms)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"token": ""}, ValueError),
        ({"token": "a\r\nb"}, ValueError),
        ({"token": b"bytes"}, TypeError),
        ({"region": "us\nsv"}, ValueError),
        ({"region": None}, TypeError),
        ({"region": TOKEN}, ValueError),
        ({"timeout": 0}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": 10**400}, ValueError),
        ({"timeout": "5"}, TypeError),
        ({"timeout": True}, TypeError),
        ({"retry": 3}, TypeError),
        ({"retry": None}, TypeError),
        ({"check_token": "no"}, TypeError),
    ],
)
async def test_a_wrong_option_is_refused_without_showing_it(
    options: dict[str, Any], error: type[Exception], open_rooms: OpenRooms
) -> None:
    async with open_rooms(lambda _: answer([])) as rooms:
        with pytest.raises(error) as caught:
            rooms.with_options(**options)
    assert "a\r" not in str(caught.value)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("clock", [None, 1_700_000_000.0])
async def test_a_clock_that_is_no_function_is_refused(clock: Any, client: Client) -> None:
    with pytest.raises(TypeError, match="clock must be a function, not "):
        AsyncRooms(client, token=TOKEN, region="sg", clock=clock)


async def test_a_client_or_base_url_that_cannot_work_is_refused() -> None:
    with httpx.Client() as not_async, pytest.raises(TypeError, match=r"an httpx2\.AsyncClient, not Client"):
        AsyncRooms(not_async, token=TOKEN, region="sg")  # type: ignore[arg-type]  # that is the point
    async with httpx.AsyncClient() as client:
        for base_url in (
            "http://api.netless.link",
            "api.netless.link",
            "ftp://api.netless.link",
            "https://",
            "https://[::1",
            "https://999.1.1.1",
            "https://xn--a",
            f"https://h/{TOKEN}",
        ):
            with pytest.raises(ValueError, match="base_url"):
                AsyncRooms(client, token=TOKEN, region="sg", base_url=base_url)


async def test_options_make_a_sibling_and_leave_the_original_alone(open_rooms: OpenRooms) -> None:
    sent: list[httpx.Request] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer([])

    async with open_rooms(script) as rooms:
        sibling = rooms.with_options(token="another", region="sg", timeout=2.5)
        for asked in (rooms, sibling, sibling.with_options(), sibling.with_options(timeout=None)):
            await asked.list()
    assert [request.headers["token"] for request in sent] == [TOKEN, *["another"] * 3]
    assert [request.headers["region"] for request in sent] == ["us-sv", *["sg"] * 3]


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])
async def test_a_timeout_is_the_clients_unless_an_option_says_otherwise(open_rooms: OpenRooms) -> None:
    sent: list[dict[str, float]] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request.extensions["timeout"])
        return answer([])

    async with open_rooms(script, timeout=9) as rooms:
        hurried = rooms.with_options(timeout=2.5)
        patient = hurried.with_options(timeout=None, retry=RetryPolicy(deadline=None))
        for asked in (rooms, hurried, hurried.with_options(region="sg"), patient):
            await asked.list()
    waits = ("connect", "read", "write", "pool")
    assert sent == [dict.fromkeys(waits, seconds) for seconds in (9, 2.5, 2.5, None)]


async def test_open_owns_a_client_and_closes_it(emulator: Emulator) -> None:
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.token(), region="sg", base_url=base_url + "/") as rooms,
    ):
        assert len(await rooms.list(limit=20)) == 20
    with pytest.raises(ClientUnusableError, match="it has been closed"):
        await rooms.list()


async def test_a_repr_shows_no_token(open_rooms: OpenRooms) -> None:
    async with open_rooms(lambda _: answer([])) as rooms:
        assert repr(rooms) == "AsyncRooms(region='us-sv', base_url='https://api.netless.link')"


async def test_a_redirect_is_refused_even_if_the_client_follows_them(open_rooms: OpenRooms) -> None:
    asked: list[str] = []

    def script(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://elsewhere.example/v5/rooms?key=1"})

    async with open_rooms(script, follow_redirects=True) as rooms:
        with pytest.raises(TransportError, match=r"pointed to 'https://elsewhere\.example/v5/rooms'"):
            await rooms.list()
    assert asked == ["https://api.netless.link/v5/rooms"]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (httpx.ReadTimeout("slow"), TransportError),
        (httpx.RemoteProtocolError("cut"), TransportError),
        (httpx.Response(500, json={"message": "broken"}), ServerError),
        (httpx.Response(503, text="<html>no backend</html>"), ServerError),
        (httpx.Response(201, text="not JSON"), DecodeError),
        (httpx.Response(204), DecodeError),
    ],
)
async def test_a_create_whose_outcome_cannot_be_told_says_so(
    fault: Exception | httpx.Response, cause: type[RoomsError], open_rooms: OpenRooms
) -> None:
    async with open_rooms(raising(fault)) as rooms:
        with pytest.raises(
            CreateOutcomeUnknownError, match="POST /v5/rooms: whether a room was created"
        ) as caught:
            await rooms.create()
    assert isinstance(caught.value.__cause__, cause)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (httpx.ConnectError("refused"), TransportError),
        (httpx.PoolTimeout("busy"), TransportError),
        (httpx.Response(400, json={"message": "bad"}), BadRequestError),
        (httpx.Response(429, headers={"retry-after": "3"}), RateLimitedError),
    ],
)
async def test_a_create_that_surely_did_not_happen_says_why(
    fault: Exception | httpx.Response, error: type[RoomsError], open_rooms: OpenRooms
) -> None:
    async with open_rooms(raising(fault)) as rooms:
        with pytest.raises(error):
            await rooms.create()


def raising(fault: Exception | httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    def script(_: httpx.Request) -> httpx.Response:
        if isinstance(fault, Exception):
            raise fault
        return fault

    return script


async def test_a_sibling_asks_the_same_address_and_is_of_the_same_class(open_client: OpenClient) -> None:
    class OurRooms(AsyncRooms):
        def __init__(self, client: Client) -> None:
            super().__init__(client, token=TOKEN, region="us-sv", base_url="http://127.0.0.1:1/netless/")

    sent: list[str] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        return answer([])

    async with open_client(script) as client:
        sibling = OurRooms(client).with_options(token="another")
        assert type(sibling) is OurRooms
        assert repr(sibling) == "OurRooms(region='us-sv', base_url='http://127.0.0.1:1/netless')"
        await sibling.list()
    assert sent == ["/netless/v5/rooms"]
