"""What every HTTP library must do for us, over a real socket and on both event loops."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from gzip import compress
from itertools import product
from pathlib import Path
from traceback import format_exception
from typing import Any
from unittest.mock import AsyncMock

import anyio
import httpx
import httpx2
import pytest

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms import AsyncRooms, RetryPolicy, RoomsError, errors
from samples import UUID, room_json
from selection import exhaustive

PAIRS = [*product(("httpx", "httpx2"), ("asyncio", "trio")), ("aiohttp", "asyncio")]  # aiohttp has no other loop
PAIRS += exhaustive([pytest.param("aiohttp2", "asyncio")])
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(("http_client", "anyio_backend"), PAIRS),
    # aiohttp forgets the future of a connection that is closed on it.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Borrow = Callable[..., Any]
ROOM = on_the_wire(room_json(), status=201)
ROOMS = on_the_wire(b"[]")
USUAL: dict[str, Any] = {"token": TOKEN, "region": "us-sv", "retry": ONCE}
LOCATIONS = ["javascript:alert(1)", "http:x", "//xn--a", ":abcabout:blank", "http://[::1", f"//{TOKEN}.xn--a"]
NOT_HTTP = [
    *(b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]"),
    *(f"HTTP/1.1 {odd}\r\n\r\n".encode() for odd in (TOKEN, f"200 OK\r\n{TOKEN}")),
    on_the_wire(b"{}", f"Content-Length: {TOKEN}"),
    *(on_the_wire(body, "Content-Encoding: gzip") for body in (b"\x1f\x8bnot gzip", compress(room_json())[:-9])),
]
CALLS: list[tuple[Callable[[AsyncRooms], Awaitable[object]], str, str, str]] = [
    (lambda rooms: rooms.create(limit=0), "POST", "/v5/rooms", '{"limit":0}'),
    (lambda rooms: rooms.get(UUID), "GET", f"/v5/rooms/{UUID}", ""),
    (lambda rooms: rooms.list(begin_uuid="a-b", limit=7), "GET", "/v5/rooms?beginUUID=a-b&limit=7", ""),
    (lambda rooms: rooms.disable(UUID), "PATCH", f"/v5/rooms/{UUID}", '{"isBan":true}'),
]


@pytest.fixture
def library(http_client: str) -> Any:
    return httpx2 if http_client.endswith("2") else httpx


@pytest.fixture
def borrow(http_client: str) -> Borrow:
    @asynccontextmanager
    async def borrowed(response: bytes | None = ROOM, /, **options: Any) -> AsyncIterator[Any]:
        client = CLIENTS[http_client](verify=NO_CERTIFICATES, **options)
        async with peer(lambda _: response) as service, client:
            yield service, client, AsyncRooms(client, **USUAL, base_url=service.base_url)

    return borrowed


async def test_each_call_sends_the_documented_request_and_no_other_header(borrow: Borrow) -> None:
    async with borrow() as (service, _, rooms):
        for call, method, target, body in CALLS:
            with suppress(RoomsError):  # one response does not suit every call
                await call(rooms)
            head, _, sent_body = service.requests[-1].partition("\r\n\r\n")
            line, *lines = head.split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            assert (line, sent_body) == (f"{method} {target} HTTP/1.1", body)
            assert headers.pop("user-agent").startswith("netless_rooms/")
            assert headers.pop("connection", "keep-alive") == "keep-alive"
            assert headers.pop("content-length", "0") == str(len(body))
            usual = {"host": service.base_url.removeprefix("http://"), "token": TOKEN, "region": "us-sv"}
            types = dict.fromkeys(("content-type", "accept"), "application/json")
            assert headers == {**usual, **types, "accept-encoding": "gzip"}
    assert len(service.requests) == len(CALLS)


async def test_nothing_of_the_client_goes_out(borrow: Borrow, monkeypatch: Any, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login application password secret-netrc\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    full: dict[str, Any] = {"cookies": {"session": "secret-session"}, "params": {"key": "secret-parameter"}}
    full["headers"] = {"x-api-key": "secret-key", "authorization": "Bearer secret-bearer"}
    full |= {"auth": ("application", "secret-password"), "base_url": "http://application.example/api/"}
    async with borrow(**full) as (service, client, rooms):
        await rooms.create()
        await client.get(f"{service.base_url}/own")
    ours, own = service.requests
    assert "secret" not in ours
    assert "authorization" not in ours.lower()
    assert ours.startswith("POST /v5/rooms HTTP/1.1\r\n")
    assert own.startswith("GET /own?key=secret-parameter HTTP/1.1\r\n")
    assert all(word in own for word in ("secret-key", "secret-session", "uthorization: Basic "))
    assert TOKEN not in own


@pytest.mark.parametrize("status", [200, 307, 401])
async def test_one_request_goes_out_whatever_the_response_asks_for(status: int, borrow: Borrow) -> None:
    async with borrow(follow_redirects=True, auth=("application", "password")) as (service, _, rooms):
        elsewhere = f"{service.base_url}/elsewhere"
        headers = [f"Location: {elsewhere}", f"Refresh: 0; url={elsewhere}", "Set-Cookie: planted=cookie; Path=/"]
        headers += ['WWW-Authenticate: Digest realm="all", nonce="1", qop="auth", algorithm=MD5']
        service.respond = lambda _: on_the_wire(b"{}", *headers, status=status)
        for call in (rooms.list, rooms.create):
            with pytest.raises(RoomsError) as caught:
                await call()
            words = f"{status} and pointed to '{elsewhere}'; redirects are refused"
            assert (words in str(caught.value.__cause__ or caught.value)) is (status == 307)
        assert [sent.partition(" HTTP")[0] for sent in service.requests] == ["GET /v5/rooms", "POST /v5/rooms"]
        assert "planted" not in str(service.requests)


@pytest.mark.parametrize("hooks", [[], [AsyncMock()]], ids=["bare", "beside a hook"])
async def test_a_redirect_to_no_valid_url_is_an_error_that_shows_no_token(hooks: Any, borrow: Borrow) -> None:
    async with borrow(event_hooks={"request": hooks}) as (service, _, rooms):
        for location in LOCATIONS:
            service.respond = lambda _, location=location: on_the_wire(b"", f"Location: {location}", status=302)
            with pytest.raises(errors.TransportError) as caught:
                await rooms.list()
            assert TOKEN.lower() not in str(caught.value).lower()
            with pytest.raises(errors.CreateOutcomeUnknownError):
                await rooms.create()
    assert len(service.requests) == 2 * len(LOCATIONS)


async def test_the_clients_timeouts_hold_unless_an_option_says_otherwise(borrow: Borrow, library: Any) -> None:
    seen: list[Any] = []

    async def hook(request: Any) -> None:
        seen.append(request.extensions["timeout"])

    own = library.Timeout(9, pool=None)
    async with borrow(ROOMS, timeout=own, event_hooks={"request": [hook]}) as (_, _, rooms):
        for policy in (RetryPolicy(1, deadline=None), RetryPolicy(1, deadline=5)):
            asked = rooms.with_options(retry=policy)
            for each in (asked, asked.with_options(timeout=2.5), asked.with_options(timeout=None)):
                await each.list()
    unlimited = dict.fromkeys(("connect", "read", "write", "pool"))
    short = dict.fromkeys(unlimited, 2.5)
    # What is longer than the policy's deadline is cut to what is left of it.
    assert (seen[:3], seen[4]) == ([own.as_dict(), short, unlimited], short)
    assert all(0 < seconds <= 5 for cut in (seen[3], seen[5]) for seconds in cut.values())


async def test_status_headers_and_a_chunked_and_compressed_body_are_read(borrow: Borrow) -> None:
    refusal = on_the_wire(b'{"message": "slow down"}', "ReTRY-After: 7", "X: \xff", status=429)
    async with borrow(refusal) as (service, _, rooms):
        with pytest.raises(errors.RateLimitedError, match="slow down") as caught:
            await rooms.create()
        assert caught.value.retry_after == 7
        body = compress(room_json())
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:9], body[9:], b"")]
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        service.respond = lambda _: head + b"".join(chunks)
        assert (await rooms.get(UUID)).uuid == UUID


async def test_a_hook_that_reads_the_body_or_raises_for_the_status_hides_no_meaning(borrow: Borrow) -> None:
    reason = "token access room forbidden"

    async def hook(response: Any) -> None:
        if reads_first:
            await response.aread()
        response.raise_for_status()

    refusal = on_the_wire(b'{"message": "%b"}' % reason.encode(), status=403)
    async with borrow(refusal, event_hooks={"response": [hook]}) as (service, _, rooms):
        for reads_first in (True, False):
            with pytest.raises(errors.ForbiddenError) as caught:
                await rooms.list()
            assert caught.value.reason == (reason if reads_first else None)
        service.respond, reads_first = (lambda _: ROOMS), True
        assert len(await rooms.list()) == 0


@pytest.mark.parametrize("event", ["request", "response"])
async def test_whatever_else_a_hook_raises_passes_as_it_is(event: str, borrow: Borrow, library: Any) -> None:
    elsewhere = library.Request("GET", "https://audit.example/")
    answers = [library.Response(status) for status in (400, 200)]
    faults = [
        library.ConnectError("the audit service is down", request=elsewhere),
        library.ReadError("of a request without a name"),
        library.HTTPStatusError("no", request=elsewhere, response=answers[0]),
        library.HTTPStatusError("not today", request=elsewhere, response=answers[1]),
        *(library.InvalidURL("no"), RuntimeError("the audit log is closed"), OSError("the audit disk is full")),
    ]

    async def hook(about: Any) -> None:
        if "today" in str(faults[0]):  # the hook refuses a success of ours
            faults[0].request = getattr(about, "request", about)
        raise faults[0]

    async with borrow(event_hooks={event: [hook]}) as (service, _, rooms):
        for number in range(1, len(faults) + 1):
            with pytest.raises(type(faults[0])) as caught:
                await rooms.create()
            assert caught.value is faults.pop(0)
            assert len(service.requests) == (number if event == "response" else 0)


async def test_a_refused_connection_was_not_sent(borrow: Borrow, library: Any) -> None:
    async with borrow() as (_, client, _):
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
        await listener.aclose()
        address = f"http://127.0.0.1:{port}"
        with pytest.raises(errors.TransportError, match=f"no usable response from {address}, Connect") as caught:
            await AsyncRooms(client, **USUAL, base_url=address).create()
        assert isinstance(caught.value.__cause__, library.TransportError)
        assert type(caught.value) is errors.TransportError
        assert (caught.value.was_sent, caught.value.is_transient) == (False, True)


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # as below
@pytest.mark.parametrize("response", NOT_HTTP, ids=lambda response: repr(response[-20:]))
async def test_a_create_without_a_proper_response_is_in_doubt(response: bytes, borrow: Borrow) -> None:
    async with borrow(response) as (service, _, rooms):
        with pytest.raises(errors.CreateOutcomeUnknownError) as caught:
            await rooms.create()
    failure = caught.value.__cause__
    assert type(failure) is errors.TransportError
    assert TOKEN not in "".join(format_exception(caught.value))
    assert (failure.was_sent, failure.is_transient) == (True, True)
    assert len(service.requests) == 1


async def test_no_byte_and_no_free_connection_in_time_are_timeouts(borrow: Borrow, library: Any) -> None:
    async with borrow(None, timeout=library.Timeout(None, read=0.01)) as (_, _, rooms):
        with pytest.raises(errors.TimedOutError, match="Timeout") as caught:
            await rooms.list()
    assert (caught.value.was_sent, caught.value.is_transient) == (True, True)
    options = {"limits": library.Limits(max_connections=1), "timeout": library.Timeout(None, pool=0.01)}
    async with borrow(None, **options) as (service, client, rooms), anyio.create_task_group() as tasks:
        tasks.start_soon(rooms.with_options(timeout=None).list)
        await service.received.wait()
        with pytest.raises(errors.TimedOutError) as caught:
            await rooms.create()
        tasks.cancel_scope.cancel()
    assert (caught.value.was_sent, caught.value.is_transient) == (False, True)
    assert len(service.requests) == 1
    if "PoolTimeout" in str(caught.value):
        assert "all connections of the client's pool are in use" in str(caught.value)
    assert ("httpx has lost them" in str(caught.value)) is (type(client) is httpx.AsyncClient)


async def test_a_client_that_is_closed_before_or_during_a_request_is_the_reason(borrow: Borrow) -> None:
    async with borrow(ROOMS) as (service, client, rooms):
        await rooms.list()
        await client.aclose()
        with pytest.raises(errors.ClientUnusableError, match="it has been closed") as caught:
            await rooms.create()
    assert isinstance(caught.value, RuntimeError)
    assert (caught.value.was_sent, caught.value.is_transient) == (False, False)
    assert len(service.requests) == 1
    during: list[errors.ClientUnusableError] = []

    async def ask(rooms: AsyncRooms) -> None:
        with pytest.raises(errors.ClientUnusableError, match="it has been closed meanwhile, ") as error:
            await rooms.list()
        during.append(error.value)

    async with borrow(None) as (service, client, rooms), anyio.create_task_group() as tasks:
        tasks.start_soon(ask, rooms)
        await service.received.wait()
        await client.aclose()
    assert [(error.was_sent, error.is_transient) for error in during] == [(True, False)]


# The generators of httpx are left to the collector, which Trio warns about.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
async def test_a_cancelled_failed_or_cut_call_gives_its_connection_back(borrow: Borrow, library: Any) -> None:
    endless = b"HTTP/1.1 %d Whatever\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fff\r\n%b\r\n" % bytes(4095) * 300
    async with borrow(None, limits=library.Limits(max_connections=1)) as (service, client, rooms):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rooms.list)
            await service.received.wait()
            tasks.cancel_scope.cancel()
        bounded = AsyncRooms(client, **USUAL, base_url=service.base_url, max_body_size=99)
        for response, call, error in (
            (b"", rooms.list, errors.TransportError),
            (endless % 200, bounded.list, errors.DecodeError),
            (endless % 404, partial(rooms.get, UUID), errors.NotFoundError),
        ):
            service.respond = lambda _: ROOMS
            assert len(await rooms.list()) == 0
            service.respond = lambda _, response=response: response
            with pytest.raises(error, match="more than 99 bytes" if error is errors.DecodeError else None):
                await call()
        service.respond = lambda _: ROOMS
        assert len(await rooms.list()) == 0
        assert not client.is_closed
