"""What each error of an HTTP library means, our own client, and what a borrowed client does with our requests.

``test_conformance`` has what goes over the wire.
"""

import inspect
import ssl
from contextlib import nullcontext
from itertools import chain, repeat
from typing import Any
from unittest.mock import AsyncMock, Mock

import aiohttp
import anyio
import httpx
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms import AsyncRooms, RetryPolicy, errors
from netless_rooms._api.transport import own_client
from netless_rooms.emulator import Emulator
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
        with pytest.raises(errors.TransportError) as caught:
            await rooms_failing(fault, library).list()
        words = f"GET /v5/rooms: no usable response from https://api.netless.link, {name}: something broke"
        assert str(caught.value).startswith(words)
        assert caught.value.__cause__ is fault
        assert isinstance(caught.value, errors.TimedOutError) is (name in TIMED_OUT), name
        assert caught.value.was_sent is (name not in NOT_SENT), name
        assert caught.value.is_transient is (name not in PERMANENT), name


def linked(error: Exception, cause: Exception | None, context: Exception | None = None) -> Exception:
    error.__cause__, error.__context__ = cause, context
    return error


UNTRUSTED = ssl.SSLCertVerificationError("self-signed")
CIRCULAR = httpx.ConnectError("refused")
linked(CIRCULAR, linked(OSError(), CIRCULAR))
UNUSABLE = ["Event loop is closed", "<Event> is bound to a different loop", "must be called from async context"]
UNUSABLE += ["Session is closed"]


async def test_an_error_below_the_library_counts() -> None:
    cases: list[tuple[Exception, type[errors.TransportError], bool, bool]] = [
        (ConnectionResetError("reset"), errors.TransportError, True, True),
        (TimeoutError(), errors.TimedOutError, True, True),
        (linked(httpx.ConnectError(""), UNTRUSTED), errors.TransportError, False, False),
        (linked(httpx.ConnectError(""), linked(OSError(), None, UNTRUSTED)), errors.TransportError, False, False),
        (CIRCULAR, errors.TransportError, False, True),
        # httpx-aiohttp calls every lost connection a ConnectTimeout, so aiohttp's own error counts.
        (linked(httpx.ConnectTimeout(""), aiohttp.ServerDisconnectedError()), errors.TransportError, True, True),
        (linked(httpx.TimeoutException(""), aiohttp.ConnectionTimeoutError()), errors.TimedOutError, False, True),
        (linked(httpx.ReadError(""), ConnectionError()), errors.TransportError, True, True),
        (aiohttp.ClientPayloadError("cut"), errors.TransportError, True, True),
        *((RuntimeError(words), errors.ClientUnusableError, True, False) for words in UNUSABLE),
    ]
    for error, *expected in cases:
        with pytest.raises(errors.TransportError) as caught:
            await rooms_failing(error).list()
        assert [type(caught.value), caught.value.was_sent, caught.value.is_transient] == expected, error


async def test_an_unknown_error_may_have_been_raised_after_sending_and_is_permanent() -> None:
    echo = UnicodeEncodeError("ascii", f"é {TOKEN}", 0, 1, "ordinal not in range(128)")
    long = RuntimeError("illegal: \x1b[31m" + "x" * 60_000)
    for error in (ZeroDivisionError(), RuntimeError("a bug"), MemoryError(), httpx2.ReadError(""), echo, long):
        with pytest.raises(errors.CreateOutcomeUnknownError) as caught:
            await rooms_failing(error).create()
        failure = caught.value.__cause__
        assert isinstance(failure, errors.TransportError)
        assert (failure.was_sent, failure.is_transient) == (True, False)
        assert failure.__cause__ is (None if error is echo else error)  # the repr of echo has the token
        assert (len(str(failure)) < 600, "\x1b" in str(failure)) == (True, False)


async def test_a_client_that_is_closed_while_it_connects_has_sent_nothing() -> None:
    async def script(_: Any) -> Any:
        await client.aclose()
        raise httpx.ConnectError("closed")

    client = httpx.AsyncClient(transport=httpx.MockTransport(script))
    with pytest.raises(errors.ClientUnusableError, match="closed meanwhile, ConnectError") as caught:
        await AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE).list()
    assert not caught.value.was_sent


def test_our_own_client_waits_thirty_seconds_at_most() -> None:
    client = own_client()
    assert isinstance(client, httpx.AsyncClient)
    assert client.timeout == httpx.Timeout(30)


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
                with pytest.raises(errors.TimedOutError, match="ReadTimeout") if read == 2.5 else nullcontext():
                    await rooms.list()

    VirtualTime().run("asyncio", ask)


def borrow(client: Any, **options: Any) -> AsyncRooms:
    return AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE, **options)


@over_both_libraries
async def test_a_client_stays_open_and_keeps_only_the_cookies_of_the_service(library: Any) -> None:
    headers = {"set-cookie": "session=of-the-service; Path=/"}
    transport = library.MockTransport(lambda _: library.Response(200, json=[], headers=headers))
    client = library.AsyncClient(transport=transport, cookies={"a": "of-the-client"})
    await borrow(client).list()
    assert not client.is_closed
    assert dict(client.cookies) == {"a": "of-the-client", "session": "of-the-service"}


@over_both_libraries
async def test_opentelemetry_sees_each_request(library: Any) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    transport = library.MockTransport(lambda _: library.Response(200, json=[]))
    instrumentor: Any = HTTPXClientInstrumentor if library is httpx else HTTPX2ClientInstrumentor
    async with library.AsyncClient(transport=transport) as client:
        instrumentor.instrument_client(client, tracer_provider=provider)
        for _ in range(2):
            await borrow(client).list()
    seen = [(span.name, dict(span.attributes or {})["http.url"]) for span in spans.get_finished_spans()]
    assert seen == [("GET", "https://api.netless.link/v5/rooms")] * 2


async def test_pytest_httpx_sees_each_request(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(json=[])
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert len(await borrow(client).list()) == 0
    assert [str(request.url) for request in httpx_mock.get_requests()] == ["https://api.netless.link/v5/rooms"]


async def failure(rooms: AsyncRooms) -> Exception | None:
    try:
        await rooms.create()
    except Exception as error:
        return error
    return None


FIRST = [("httpx", "trio"), *((name, "asyncio") for name in CLIENTS)]


@pytest.mark.parametrize(("http_client", "loop"), FIRST)
def test_a_client_of_another_loop_or_process_is_refused(http_client: str, loop: str, monkeypatch: Any) -> None:
    client = CLIENTS[http_client](verify=NO_CERTIFICATES)
    with start_blocking_portal(loop) as portal:
        answers = chain([None], repeat(on_the_wire(b"[]")))
        with portal.wrap_async_context_manager(peer(lambda _: next(answers))) as service:
            rooms = borrow(client, base_url=service.base_url)
            under_way = portal.start_task_soon(rooms.list)
            portal.call(service.received.wait)
            refused = [anyio.run(failure, rooms)]
            under_way.cancel()
            portal.call(rooms.list)
            refused += [anyio.run(failure, rooms, backend=other) for other in ("asyncio", "trio")]
            monkeypatch.setattr("netless_rooms._api.transport.getpid", lambda: 1)  # as in a child that was forked
            forked = portal.call(failure, rooms)
            portal.call(client.aclose)
        assert len(service.requests) == 2
    assert isinstance(forked, errors.ClientUnusableError)
    for error in refused:
        assert isinstance(error, errors.ClientUnusableError)
        assert (error.was_sent, error.is_transient) == (False, False)
        assert "another event loop" in str(error)
        assert "open the client in the event loop that uses it" in str(error)


def test_a_client_without_a_connection_or_in_process_works_on_any_event_loop() -> None:
    answers = Mock(side_effect=[OSError("refused"), httpx.Response(404), httpx.Response(404)])
    client = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    found = [anyio.run(failure, borrow(client)) for _ in range(3)]
    assert [type(error).__name__ for error in found] == ["CreateOutcomeUnknownError", *["NotFoundError"] * 2]
    emulator = Emulator(rooms=3)
    rooms = AsyncRooms(httpx.AsyncClient(transport=emulator.transport()), token=emulator.key, region="sg")
    for loop in ("asyncio", "trio", "asyncio"):
        assert len(anyio.run(rooms.list, backend=loop)) == 3


async def test_the_error_of_a_call_within_a_hook_names_that_call() -> None:
    other = borrow(httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404))))

    async def hook(_: Any) -> None:
        await other.get("a")

    client = httpx.AsyncClient(event_hooks={"request": [hook]}, verify=NO_CERTIFICATES)
    with pytest.raises(errors.NotFoundError) as caught:
        await borrow(client).list()
    assert caught.value.path == "/v5/rooms/a"


@over_both_libraries
async def test_beside_a_hook_the_failures_of_a_transport_are_ours(library: Any) -> None:
    for error in (ZeroDivisionError(), OSError("reset"), library.ReadError("cut")):
        transport = library.MockTransport(Mock(side_effect=error))
        client = library.AsyncClient(transport=transport, event_hooks={"request": [AsyncMock()]})
        with pytest.raises(errors.CreateOutcomeUnknownError) as caught:
            await borrow(client).create()
        assert isinstance(caught.value.__cause__, errors.TransportError)
