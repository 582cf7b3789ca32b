"""What each error of an HTTP library means, and our own client and transport."""

import inspect
import ssl
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms import AsyncRooms, ClientUnusableError, TimedOutError, TransportError
from netless_rooms.emulator import Emulator
from netless_rooms.http import in_process, own_client
from virtual_time import VirtualTime

over_both_libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])

Script = Callable[[Any], Any]


def rooms_over(library: Any, script: Script, **options: Any) -> AsyncRooms:
    """Return rooms whose client answers each request with what ``script`` returns or raises."""
    client = library.AsyncClient(transport=library.MockTransport(script), **options)
    return AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE)


def rooms_failing(error: Exception, library: Any = httpx) -> AsyncRooms:
    def script(_: Any) -> Any:
        raise error

    return rooms_over(library, script)


# Every exception of the libraries has a meaning

TIMED_OUT = {"ConnectTimeout", "PoolTimeout", "ReadTimeout", "WriteTimeout", "TimeoutException"}
NO_ANSWER = {
    "CloseError",
    "ConnectError",
    "DecodingError",
    "LocalProtocolError",
    "NetworkError",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "RemoteProtocolError",
    "RequestError",
    "TooManyRedirects",
    "TransportError",
    "UnsupportedProtocol",
    "WriteError",
}
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
PERMANENT = {"LocalProtocolError", "UnsupportedProtocol"}
NOT_RAISED_BY_SENDING = {
    "HTTPError",  # the parent of RequestError and HTTPStatusError
    "HTTPStatusError",  # by hooks only
    "InvalidURL",  # base_url is checked when AsyncRooms is made
    "CookieConflict",  # looking up cookies, which we do not
    "StreamError",  # misuse of a stream, which only an event hook could do
    "StreamConsumed",
    "StreamClosed",
    "ResponseNotRead",
    "RequestNotRead",
    "SSEError",  # server-sent events, which we do not read
}


@over_both_libraries
def test_every_exception_of_the_http_library_is_decided_on(library: Any) -> None:
    there = {
        name
        for name in library.__all__
        if inspect.isclass(found := getattr(library, name)) and issubclass(found, Exception)
    }
    assert there | {"SSEError"} == TIMED_OUT | NO_ANSWER | NOT_RAISED_BY_SENDING  # the first httpx2 lacks SSEError


@pytest.mark.anyio
@over_both_libraries
@pytest.mark.parametrize("name", sorted(TIMED_OUT | NO_ANSWER))
async def test_a_failure_to_get_a_response_is_classified(name: str, library: Any) -> None:
    fault = getattr(library, name)("something broke", request=library.Request("GET", "https://h/"))
    with pytest.raises(TransportError) as caught:
        await rooms_failing(fault, library).list()
    said = f"GET /v5/rooms: no usable answer from https://api.netless.link, {name}: something broke"
    assert str(caught.value).startswith(said)
    assert caught.value.__cause__ is fault
    assert isinstance(caught.value, TimedOutError) is (name in TIMED_OUT)
    assert caught.value.was_sent is (name not in NOT_SENT)
    assert caught.value.is_transient is (name not in PERMANENT)


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def amid(error: Exception, context: Exception) -> Exception:
    error.__context__ = context
    return error


def circular() -> Exception:
    error = httpx.ConnectError("refused")
    return caused_by(error, caused_by(OSError(), error))


UNTRUSTED = ssl.SSLCertVerificationError("self-signed")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("error", "is_timeout", "was_sent", "is_transient"),
    [
        (ConnectionResetError("reset"), False, True, True),
        (OSError("no buffer"), False, True, True),
        (TimeoutError(), True, True, True),
        (caused_by(httpx.ConnectError("verify"), UNTRUSTED), False, False, False),
        (caused_by(httpx.ConnectError("verify"), amid(OSError(), UNTRUSTED)), False, False, False),
        (circular(), False, False, True),
        # httpx-aiohttp calls every lost connection a ConnectTimeout, so aiohttp's own error counts.
        (caused_by(httpx.ConnectTimeout(""), aiohttp.ServerDisconnectedError()), False, True, True),
        (caused_by(httpx.TimeoutException(""), aiohttp.ConnectionTimeoutError()), True, False, True),
        (caused_by(httpx.TimeoutException(""), aiohttp.SocketTimeoutError()), True, True, True),
        (caused_by(httpx.ReadError(""), OSError()), False, True, True),
        (aiohttp.ClientPayloadError("cut"), False, True, True),
    ],
    ids=repr,
)
async def test_an_error_below_the_library_counts(
    error: Exception, is_timeout: bool, was_sent: bool, is_transient: bool
) -> None:
    with pytest.raises(TransportError) as caught:
        await rooms_failing(error).list()
    told = isinstance(caught.value, TimedOutError), caught.value.was_sent, caught.value.is_transient
    assert told == (is_timeout, was_sent, is_transient)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "words",
    [
        "Event loop is closed",
        "<Event> is bound to a different loop",
        "no running event loop",
        "must be called from async context",
        "Session is closed",
    ],
)
async def test_a_client_that_cannot_be_used_here_is_named_as_the_reason(words: str) -> None:
    with pytest.raises(ClientUnusableError, match=f"cannot be used here: RuntimeError: {words}") as caught:
        await rooms_failing(RuntimeError(words)).list()
    assert (caught.value.was_sent, caught.value.is_transient) == (True, False)


class OwnError(RuntimeError): ...


@pytest.mark.anyio
@pytest.mark.parametrize(
    "error", [ZeroDivisionError(), RuntimeError("a bug"), OwnError("is closed"), httpx2.ReadError("")], ids=repr
)
async def test_any_other_error_of_a_transport_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await rooms_failing(error).create()
    assert caught.value is error


@pytest.mark.anyio
async def test_the_words_of_a_long_failure_are_cut_and_cleaned() -> None:
    with pytest.raises(TransportError) as caught:
        await rooms_failing(httpx.RemoteProtocolError("illegal: \x1b[31m" + "x" * 60_000)).list()
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)


@pytest.mark.anyio
@pytest.mark.parametrize(("error", "was_sent"), [(httpx.ReadError, True), (httpx.ConnectError, False)])
async def test_a_client_that_is_closed_meanwhile_tells_whether_it_had_sent(
    error: type[httpx.RequestError], was_sent: bool
) -> None:
    async def script(_: Any) -> Any:
        await client.aclose()
        raise error("closed")

    client = httpx.AsyncClient(transport=httpx.MockTransport(script))
    rooms = AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE)
    with pytest.raises(ClientUnusableError, match=f"closed meanwhile, {error.__name__}") as caught:
        await rooms.list()
    assert caught.value.was_sent is was_sent


@pytest.mark.asyncio
async def test_a_closed_session_of_aiohttp_is_named_as_the_reason() -> None:
    async with peer(lambda _: on_the_wire(b"[]")) as service, CLIENTS["aiohttp"](verify=NO_CERTIFICATES) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", base_url=service.base_url)
        await rooms.list()
        await client._transport.client.close()
        with pytest.raises(ClientUnusableError, match="Session is closed"):
            await rooms.list()


# Our own client and transport


def test_our_own_client_waits_thirty_seconds_at_most() -> None:
    client = own_client()
    assert isinstance(client, httpx.AsyncClient)
    assert client.timeout == httpx.Timeout(30)


@pytest.mark.anyio
@over_both_libraries
async def test_a_transport_in_process_serves_clients_of_both_libraries(library: Any) -> None:
    emulator = Emulator(rooms=3)
    transport = emulator.transport()
    assert isinstance(transport, library.AsyncBaseTransport)
    async with library.AsyncClient(transport=transport) as client:
        assert len(await AsyncRooms(client, token=emulator.key, region="sg").list()) == 3


@pytest.mark.anyio
async def test_a_transport_in_process_refuses_what_is_not_a_request() -> None:
    async with Emulator().transport() as transport:
        with pytest.raises(TypeError, match="not a request of httpx or httpx2: str"):
            await transport.handle_async_request("GET /v5/rooms")  # type: ignore[call-overload]  # that is the point


@pytest.mark.parametrize(("read", "is_in_time"), [(3.5, True), (2.5, False), (None, True)])
def test_a_transport_in_process_waits_for_each_message_as_long_as_the_read_timeout(
    read: float | None, is_in_time: bool
) -> None:
    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await anyio.sleep(3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await anyio.sleep(3)
        await send({"type": "http.response.body", "body": b"[]"})

    async def ask() -> None:
        async with httpx.AsyncClient(transport=in_process(slow), timeout=httpx.Timeout(1, read=read)) as client:
            rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE)
            with nullcontext() if is_in_time else pytest.raises(TimedOutError, match="ReadTimeout"):
                await rooms.list()

    VirtualTime().run("asyncio", ask)


# Another event loop


def test_one_client_may_serve_one_loop_after_another_if_its_transport_may() -> None:
    emulator = Emulator(rooms=3)
    rooms = AsyncRooms(httpx.AsyncClient(transport=emulator.transport()), token=emulator.key, region="sg")
    for loop in ("asyncio", "trio", "asyncio"):
        assert len(anyio.run(rooms.list, backend=loop)) == 3
