"""The calls of ``AsyncRooms``, on both event loops."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from netless_rooms import (
    AsyncRooms,
    BadRequestError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    Role,
    RoomsError,
    ServerError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.emulator import Emulator, Quirks
from samples import UUID
from scripted import TOKEN, answer, room, scripted

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


async def test_the_printed_envelope_is_understood() -> None:
    emulator = Emulator(rooms=3, quirks=Quirks(envelope=True))
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=emulator.token(), region="sg")
        assert len(await rooms.list()) == 3
        await rooms.disable((await rooms.create()).uuid)
        with pytest.raises(NotFoundError, match="room not found"):
            await rooms.get(UUID)


async def test_refusals_of_the_service_are_told_apart(rooms: AsyncRooms, emulator: Emulator) -> None:
    with pytest.raises(NotFoundError, match=f"GET /v5/rooms/{UUID}: the service answered 404: room not found"):
        await rooms.get(UUID)
    with pytest.raises(ForbiddenError):
        await rooms.with_options(token=emulator.token(Role.READER)).list()
    with pytest.raises(ForbiddenError):
        await rooms.with_options(token=emulator.token(Role.WRITER)).disable(next(emulator.uuids()))
    with pytest.raises(UnauthorizedError, match="invalid format of token"):
        await rooms.with_options(token="something").list()


async def test_what_is_not_set_is_not_sent() -> None:
    sent: list[httpx.Request] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer([] if request.method == "GET" else room(), 201)

    async with scripted(script) as rooms:
        await rooms.create()
        await rooms.create(limit=0)
        await rooms.create(is_record=False)
        await rooms.list()
    assert [request.content for request in sent] == [b"{}", b'{"limit":0}', b'{"isRecord":false}', b""]
    assert str(sent[-1].url) == "https://api.netless.link/v5/rooms"


async def test_nothing_of_the_client_goes_to_the_service() -> None:
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
    async with scripted(script, **client_options) as rooms:
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
    call: Callable[[AsyncRooms], Awaitable[object]], error: type[Exception]
) -> None:
    def script(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"sent {request}")

    async with scripted(script) as rooms:
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
    ],
)
async def test_a_wrong_option_is_refused_without_showing_it(
    options: dict[str, Any], error: type[Exception]
) -> None:
    async with scripted(lambda _: answer([])) as rooms:
        with pytest.raises(error) as caught:
            rooms.with_options(**options)
    assert "a\r" not in str(caught.value)
    assert TOKEN not in str(caught.value)


async def test_a_client_or_base_url_that_cannot_work_is_refused() -> None:
    with httpx.Client() as not_async, pytest.raises(TypeError, match=r"httpx\.AsyncClient, not Client"):
        AsyncRooms(not_async, token=TOKEN, region="sg")  # type: ignore[arg-type]  # that is the point
    async with httpx.AsyncClient() as client:
        for base_url in (
            "api.netless.link",
            "ftp://api.netless.link",
            "https://",
            "https://[::1",
            "http://999.1.1.1",
            "http://xn--a",
            f"https://h/{TOKEN}",
        ):
            with pytest.raises(ValueError, match="base_url"):
                AsyncRooms(client, token=TOKEN, region="sg", base_url=base_url)


async def test_options_make_a_sibling_and_leave_the_original_alone() -> None:
    sent: list[httpx.Request] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer([])

    async with scripted(script, timeout=9) as rooms:
        sibling = rooms.with_options(token="another", region="sg", timeout=2.5)
        for asked in (rooms, sibling, sibling.with_options(), sibling.with_options(timeout=None)):
            await asked.list()
    assert [request.headers["token"] for request in sent] == [TOKEN, *["another"] * 3]
    assert [request.headers["region"] for request in sent] == ["us-sv", *["sg"] * 3]
    assert [request.extensions["timeout"]["read"] for request in sent] == [9, 2.5, 2.5, None]


async def test_open_owns_a_client_and_closes_it(emulator: Emulator) -> None:
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.token(), region="sg", base_url=base_url + "/") as rooms,
    ):
        assert len(await rooms.list(limit=20)) == 20
    with pytest.raises(RuntimeError, match="closed"):
        await rooms.list()


async def test_a_repr_shows_no_token() -> None:
    async with scripted(lambda _: answer([])) as rooms:
        assert repr(rooms) == "AsyncRooms(region='us-sv', base_url='https://api.netless.link')"


async def test_a_redirect_is_refused_even_if_the_client_follows_them() -> None:
    asked: list[str] = []

    def script(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://elsewhere.example/v5/rooms?key=1"})

    async with scripted(script, follow_redirects=True) as rooms:
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
    fault: Exception | httpx.Response, cause: type[RoomsError]
) -> None:
    async with scripted(raising(fault)) as rooms:
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
    fault: Exception | httpx.Response, error: type[RoomsError]
) -> None:
    async with scripted(raising(fault)) as rooms:
        with pytest.raises(error):
            await rooms.create()


def raising(fault: Exception | httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    def script(_: httpx.Request) -> httpx.Response:
        if isinstance(fault, Exception):
            raise fault
        return fault

    return script


async def test_the_client_is_left_as_it_was() -> None:
    def script(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[], headers={"set-cookie": "session=of-the-service; Path=/"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(script), cookies={"a": "b"}) as entered:
        never_entered = httpx.AsyncClient(transport=httpx.MockTransport(script))
        for client in (entered, never_entered):
            before = dict(vars(client))
            await AsyncRooms(client, token=TOKEN, region="sg").list()
            assert vars(client) == before
        assert dict(entered.cookies) == {"a": "b"}
        assert dict(never_entered.cookies) == {}


async def test_a_sibling_asks_the_same_address_and_is_of_the_same_class() -> None:
    class OurRooms(AsyncRooms):
        pass

    sent: list[str] = []

    def script(request: httpx.Request) -> httpx.Response:
        sent.append(str(request.url))
        return answer([])

    async with httpx.AsyncClient(transport=httpx.MockTransport(script)) as client:
        rooms = OurRooms(client, token=TOKEN, region="us-sv", base_url="http://127.0.0.1:1/netless/")
        sibling = rooms.with_options(token="another")
        assert type(sibling) is OurRooms
        await sibling.list()
    assert sent == ["http://127.0.0.1:1/netless/v5/rooms"]
