"""What each error of an HTTP library means, and our own client and transport."""

import inspect
import ssl
from contextlib import nullcontext
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms import (
    AsyncRooms,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    RetryPolicy,
    TimedOutError,
    TransportError,
)
from netless_rooms._api.transport import own_client
from netless_rooms.emulator import Closed, Emulator
from netless_rooms.emulator.asgi import in_process
from virtual_time import VirtualTime

pytestmark = pytest.mark.anyio
over_both_libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def rooms_failing(error: Exception, library: Any = httpx) -> AsyncRooms:
    """Return rooms over a transport that raises ``error`` for each request."""

    def script(_: Any) -> Any:
        raise error

    client = library.AsyncClient(transport=library.MockTransport(script))
    return AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE)


# Errors

TIMED_OUT = {"ConnectTimeout", "PoolTimeout", "ReadTimeout", "WriteTimeout", "TimeoutException"}
NO_RESPONSE = {
    *("CloseError", "ConnectError", "DecodingError", "LocalProtocolError", "NetworkError", "ProtocolError"),
    *("ProxyError", "ReadError", "RemoteProtocolError", "RequestError", "TooManyRedirects", "TransportError"),
    *("UnsupportedProtocol", "WriteError"),
}
NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
PERMANENT = {"LocalProtocolError", "UnsupportedProtocol"}
NOT_RAISED_BY_SENDING = {
    *("HTTPError", "HTTPStatusError"),  # the parent of all, and what hooks raise
    "InvalidURL",  # base_url is checked when AsyncRooms is made
    "CookieConflict",  # looking up cookies, which we do not
    *("StreamError", "StreamConsumed", "StreamClosed", "ResponseNotRead", "RequestNotRead"),  # misuse of a stream
    "SSEError",  # server-sent events, which we do not read
}


@over_both_libraries
def test_every_exception_of_the_http_library_is_decided_on(library: Any) -> None:
    found = {name: getattr(library, name) for name in library.__all__}
    there = {name for name, kind in found.items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    # The first httpx2 lacks SSEError.
    assert there | {"SSEError"} == TIMED_OUT | NO_RESPONSE | NOT_RAISED_BY_SENDING


@over_both_libraries
async def test_a_failure_to_get_a_response_is_classified(library: Any) -> None:
    for name in TIMED_OUT | NO_RESPONSE:
        fault = getattr(library, name)("something broke", request=library.Request("GET", "https://h/"))
        with pytest.raises(TransportError) as caught:
            await rooms_failing(fault, library).list()
        words = f"GET /v5/rooms: no usable answer from https://api.netless.link, {name}: something broke"
        assert str(caught.value).startswith(words)
        assert caught.value.__cause__ is fault
        assert isinstance(caught.value, TimedOutError) is (name in TIMED_OUT), name
        assert caught.value.was_sent is (name not in NOT_SENT), name
        assert caught.value.is_transient is (name not in PERMANENT), name


def linked(error: Exception, cause: Exception | None, context: Exception | None = None) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


UNTRUSTED = ssl.SSLCertVerificationError("self-signed")
CIRCULAR = httpx.ConnectError("refused")
linked(CIRCULAR, linked(OSError(), CIRCULAR))
UNUSABLE = ("Event loop is closed", "<Event> is bound to a different loop", "must be called from async context")


async def test_an_error_below_the_library_counts() -> None:
    errors: list[tuple[Exception, type[TransportError], bool, bool]] = [
        (ConnectionResetError("reset"), TransportError, True, True),
        (TimeoutError(), TimedOutError, True, True),
        (linked(httpx.ConnectError(""), UNTRUSTED), TransportError, False, False),
        (linked(httpx.ConnectError(""), linked(OSError(), None, UNTRUSTED)), TransportError, False, False),
        (CIRCULAR, TransportError, False, True),
        # httpx-aiohttp calls every lost connection a ConnectTimeout, so aiohttp's own error counts.
        (linked(httpx.ConnectTimeout(""), aiohttp.ServerDisconnectedError()), TransportError, True, True),
        (linked(httpx.TimeoutException(""), aiohttp.ConnectionTimeoutError()), TimedOutError, False, True),
        (linked(httpx.ReadError(""), ConnectionError()), TransportError, True, True),
        (aiohttp.ClientPayloadError("cut"), TransportError, True, True),
        *((RuntimeError(words), ClientUnusableError, True, False) for words in (*UNUSABLE, "Session is closed")),
    ]
    for error, *expected in errors:
        with pytest.raises(TransportError) as caught:
            await rooms_failing(error).list()
        assert [type(caught.value), caught.value.was_sent, caught.value.is_transient] == expected, error


async def test_an_unknown_error_may_have_been_raised_after_sending_and_is_permanent() -> None:
    echo = UnicodeEncodeError("ascii", f"é {TOKEN}", 0, 1, "ordinal not in range(128)")
    long = RuntimeError("illegal: \x1b[31m" + "x" * 60_000)
    for error in (ZeroDivisionError(), RuntimeError("a bug"), MemoryError(), httpx2.ReadError(""), echo, long):
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await rooms_failing(error).create()
        failure = caught.value.__cause__
        assert isinstance(failure, TransportError)
        assert (failure.was_sent, failure.is_transient) == (True, False)
        assert failure.__cause__ is (None if error is echo else error)  # the repr of echo has the token
        assert (len(str(failure)) < 600, "\x1b" in str(failure)) == (True, False)


async def test_a_client_that_is_closed_while_it_connects_has_sent_nothing() -> None:
    async def script(_: Any) -> Any:
        await client.aclose()
        raise httpx.ConnectError("closed")

    client = httpx.AsyncClient(transport=httpx.MockTransport(script))
    with pytest.raises(ClientUnusableError, match="closed meanwhile, ConnectError") as caught:
        await AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE).list()
    assert not caught.value.was_sent


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_closed_session_of_aiohttp_is_named_as_the_reason() -> None:
    async with peer(lambda _: on_the_wire(b"[]")) as service, CLIENTS["aiohttp"](verify=NO_CERTIFICATES) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", base_url=service.base_url)
        await rooms.list()
        await client._transport.client.close()
        with pytest.raises(ClientUnusableError, match="cannot be used here: RuntimeError: Session is closed"):
            await rooms.list()


# Our own client and transport


def test_our_own_client_waits_thirty_seconds_at_most() -> None:
    client = own_client()
    assert isinstance(client, httpx.AsyncClient)
    assert client.timeout == httpx.Timeout(30)


@over_both_libraries
async def test_a_transport_in_process_serves_requests_of_both_libraries(library: Any) -> None:
    emulator = Emulator(rooms=3, faults=[None, Closed()])
    transport = emulator.transport()
    assert isinstance(transport, library.AsyncBaseTransport)
    async with library.AsyncClient(transport=transport) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg", retry=ONCE)
        assert len(await rooms.list()) == 3
        with pytest.raises(TransportError, match="RemoteProtocolError") as caught:
            await rooms.list()
        assert isinstance(caught.value.__cause__, library.RemoteProtocolError)


def test_a_transport_in_process_waits_for_each_message_as_long_as_the_read_timeout() -> None:
    async def slow(_scope: Any, _receive: Any, send: Any) -> None:
        await anyio.sleep(3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await anyio.sleep(3)
        await send({"type": "http.response.body", "body": b"[]"})

    async def ask() -> None:
        for read in (3.5, 2.5, None):
            timeout = httpx.Timeout(1, read=read)
            async with httpx.AsyncClient(transport=in_process(slow), timeout=timeout) as client:
                rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=RetryPolicy(1, deadline=None))
                with pytest.raises(TimedOutError, match="ReadTimeout") if read == 2.5 else nullcontext():
                    await rooms.list()

    VirtualTime().run("asyncio", ask)


def test_one_client_may_serve_one_loop_after_another_if_its_transport_may() -> None:
    emulator = Emulator(rooms=3)
    rooms = AsyncRooms(httpx.AsyncClient(transport=emulator.transport()), token=emulator.key, region="sg")
    for loop in ("asyncio", "trio", "asyncio"):
        assert len(anyio.run(rooms.list, backend=loop)) == 3
