"""The door to the HTTP libraries: every one of their exceptions has been decided on."""

import gc
import inspect
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.abc
import httpx
import httpx2
import pytest

from fakes import ONCE, TOKEN
from http_clients import CLIENTS
from netless_rooms import (
    AsyncRooms,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    ForbiddenError,
    RetryPolicy,
    TimedOutError,
    TransportError,
)
from netless_rooms.emulator import Emulator
from netless_rooms.failures import transport_failure
from netless_rooms.http import own_client
from netless_rooms.operations import list_rooms
from samples import room_json

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
PROVABLY_NOT_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
STATUS = {"HTTPStatusError"}
NOT_RAISED_BY_SENDING = {
    "HTTPError",  # the parent of RequestError and HTTPStatusError
    "InvalidURL",  # base_url is checked when AsyncRooms is made
    "CookieConflict",  # looking up cookies, which we do not
    "StreamError",  # misuse of a stream, which only an event hook could do
    "StreamConsumed",
    "StreamClosed",
    "ResponseNotRead",
    "RequestNotRead",
    "SSEError",  # server-sent events, which we do not read
}

Script = Callable[[Any], Any]


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@asynccontextmanager
async def rooms_over(library: Any, script: Script, **options: Any) -> AsyncIterator[AsyncRooms]:
    """Open rooms whose client answers each request with what ``script`` returns or raises, in its own words."""
    async with library.AsyncClient(transport=library.MockTransport(script), **options) as client:
        yield AsyncRooms(client, token=TOKEN, region="us-sv", retry=ONCE)


def test_every_exception_of_the_http_library_has_been_decided_on(library: Any) -> None:
    there = {
        name
        for name in library.__all__
        if inspect.isclass(found := getattr(library, name)) and issubclass(found, Exception)
    }
    decided = TIMED_OUT | NO_ANSWER | STATUS | NOT_RAISED_BY_SENDING
    assert there | {"SSEError"} == decided  # which httpx and the first httpx2 do not have


@pytest.mark.anyio
@pytest.mark.parametrize("name", sorted(TIMED_OUT | NO_ANSWER))
async def test_a_failure_to_get_an_answer_becomes_ours(name: str, library: Any) -> None:
    fault = getattr(library, name)("something broke", request=library.Request("GET", "https://h/"))

    def script(_: Any) -> Any:
        raise fault

    async with rooms_over(library, script) as rooms:
        with pytest.raises(
            TransportError, match=f"GET /v5/rooms: no usable answer from https://api.netless.link, {name}"
        ) as caught:
            await rooms.list()
    assert isinstance(caught.value, TimedOutError) is (name in TIMED_OUT)
    assert caught.value.__cause__ is fault
    assert caught.value.was_sent is (name not in PROVABLY_NOT_SENT)


@pytest.mark.anyio
@pytest.mark.parametrize("reads_first", [True, False])
async def test_an_event_hook_that_raises_for_the_status_hides_no_meaning(
    library: Any, *, reads_first: bool
) -> None:
    async def hook(response: Any) -> None:
        if reads_first:
            await response.aread()
        response.raise_for_status()

    def refuse(_: Any) -> Any:  # with a stream, so that nothing is read beforehand
        return library.Response(403, stream=library.ByteStream(b'{"message": "token access room forbidden"}'))

    async with rooms_over(library, refuse, event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(ForbiddenError) as caught:
            await rooms.list()
    assert caught.value.message == ("token access room forbidden" if reads_first else None)


@pytest.mark.anyio
async def test_event_hooks_of_the_client_see_our_requests(library: Any) -> None:
    seen: list[str] = []

    async def hook(request: Any) -> None:
        seen.append(request.url.path)

    async with rooms_over(
        library, lambda _: library.Response(200, json=[]), event_hooks={"request": [hook]}
    ) as rooms:
        await rooms.list()
    assert seen == ["/v5/rooms"]


# httpx leaves its own generators to the collector when decompressing fails, which Trio warns about.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
@pytest.mark.anyio
async def test_a_broken_compression_is_no_answer(library: Any) -> None:
    def script(_: Any) -> Any:
        stream = library.ByteStream(b"\x1f\x8bnot gzip")
        return library.Response(200, headers={"content-encoding": "gzip"}, stream=stream)

    async with rooms_over(library, script) as rooms:
        with pytest.raises(TransportError, match="DecodingError"):
            await rooms.list()


HOOK_FAILURES: list[Callable[[Any], Exception]] = [
    lambda library: library.ConnectError(
        "the audit service is down", request=library.Request("GET", "https://a/")
    ),
    lambda library: library.ConnectError("raised by hand"),
    lambda library: library.HTTPStatusError(
        "no", request=library.Request("GET", "https://a/"), response=library.Response(400, json={"message": "no"})
    ),
    lambda _: httpx.ConnectError("of the other library", request=httpx.Request("POST", "https://a/")),
    lambda _: ZeroDivisionError(),
    lambda _: RuntimeError("the audit database is closed"),
    lambda library: library.StreamClosed(),
]


@pytest.mark.anyio
@pytest.mark.parametrize("event", ["request", "response"])
@pytest.mark.parametrize("failing", HOOK_FAILURES)
async def test_what_an_event_hook_raises_is_heard_as_it_is(
    failing: Callable[[Any], Exception], event: str, library: Any
) -> None:
    failure = failing(library)

    async def hook(_: Any) -> None:
        raise failure

    async with rooms_over(library, created(library), event_hooks={event: [hook]}) as rooms:
        with pytest.raises(type(failure)) as caught:
            await rooms.create()
    assert caught.value is failure


@pytest.mark.anyio
async def test_any_other_fault_of_a_transport_is_heard_as_it_is(library: Any) -> None:
    def script(_: Any) -> Any:
        raise ZeroDivisionError

    async with rooms_over(library, script) as rooms:
        with pytest.raises(ZeroDivisionError):
            await rooms.create()


def created(library: Any) -> Script:
    """Return a script that answers as a create is answered."""
    return lambda _: library.Response(201, content=room_json())


@pytest.mark.anyio
async def test_a_hook_that_refuses_a_success_is_heard_as_it_is(library: Any) -> None:
    async def hook(response: Any) -> None:
        raise library.HTTPStatusError("not today", request=response.request, response=response)

    async with rooms_over(library, created(library), event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(library.HTTPStatusError, match="not today"):
            await rooms.create()


@pytest.mark.anyio
async def test_a_long_failure_is_cut_like_any_other_words(library: Any) -> None:
    def script(_: Any) -> Any:
        raise library.RemoteProtocolError("illegal status line: \x1b[31m" + "x" * 60_000)

    async with rooms_over(library, script) as rooms:
        with pytest.raises(TransportError) as caught:
            await rooms.list()
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)


@pytest.mark.anyio
async def test_our_own_client_waits_thirty_seconds_at_most() -> None:
    async with own_client() as client:
        assert isinstance(client, httpx.AsyncClient)
        assert client.timeout == httpx.Timeout(30)


LASTING: list[Callable[[Any], Exception]] = [
    lambda library: library.UnsupportedProtocol("gopher"),
    lambda library: library.LocalProtocolError("illegal header"),
    lambda library: caused_by(library.ConnectError("verify failed"), ssl.SSLCertVerificationError("self-signed")),
    lambda library: caused_by(
        library.ConnectError("verify failed"), caused_by(OSError(), ssl.SSLCertVerificationError("expired"))
    ),
]


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.anyio
@pytest.mark.parametrize("failing", LASTING)
async def test_what_another_try_cannot_help_is_asked_once(
    failing: Callable[[Any], Exception], library: Any
) -> None:
    asked = []

    def script(request: Any) -> Any:
        asked.append(request)
        raise failing(library)

    async with rooms_over(library, script) as rooms:
        with pytest.raises(TransportError) as caught:
            await rooms.with_options(retry=RetryPolicy()).list()
    assert not caught.value.is_transient
    assert len(asked) == 1


def test_a_chain_of_errors_that_bites_its_tail_is_read_to_its_end(library: Any) -> None:
    error = library.ConnectError("refused")
    failure = transport_failure(
        caused_by(error, caused_by(OSError(), error)), library, list_rooms(), base_url="https://h", hide=str
    )
    assert failure is not None
    assert failure.is_transient


@pytest.mark.anyio
@pytest.mark.parametrize("fault", [ConnectionResetError("reset"), OSError("no buffer"), TimeoutError()], ids=repr)
async def test_what_a_transport_lets_through_of_the_system_is_no_answer(fault: Exception, library: Any) -> None:
    def script(_: Any) -> Any:
        raise fault

    async with rooms_over(library, script) as rooms:
        with pytest.raises(TransportError) as caught:
            await rooms.list()
        assert isinstance(caught.value, TimedOutError) is isinstance(fault, TimeoutError)
        with pytest.raises(CreateOutcomeUnknownError):
            await rooms.create()


LOCATIONS = [
    "javascript:alert(1)",
    "http:x",
    "//xn--a",
    ":abcabout:blank",
    "http://[::1",
    f"//{TOKEN}.xn--a",
    "x" * 70_000,
]


@pytest.mark.anyio
@pytest.mark.parametrize("location", LOCATIONS, ids=lambda location: location[:20])
async def test_a_redirect_to_what_is_no_address_is_refused_like_any_other(location: str, library: Any) -> None:
    async with rooms_over(library, lambda _: library.Response(302, headers={"location": location})) as rooms:
        with pytest.raises(TransportError, match="redirects are refused") as caught:
            await rooms.list()
        assert TOKEN.lower() not in str(caught.value).lower()
        with pytest.raises(CreateOutcomeUnknownError):
            await rooms.create()


@pytest.mark.anyio
async def test_a_client_that_closes_itself_at_its_end_stays_open(library: Any) -> None:
    closed: list[str] = []

    class Careful(library.AsyncClient):  # type: ignore[misc]  # the library is a parameter
        def __del__(self) -> None:
            closed.append("at the end")

        def __getstate__(self) -> Any:
            raise TypeError("clients are not copied")

    client = Careful(transport=library.MockTransport(lambda _: library.Response(200, json=[])))
    rooms = AsyncRooms(client, token=TOKEN, region="sg")
    for _ in range(3):
        await rooms.list()
    gc.collect()
    assert closed == []
    assert not client.is_closed


@pytest.mark.parametrize("kind", [httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport])
def test_a_transport_in_process_is_one_to_both_libraries(kind: type) -> None:
    assert isinstance(Emulator().transport(), kind)


# Neither library is imported because of the other

ALONE = """
import sys
import anyio, {library} as library
from netless_rooms import AsyncRooms
from netless_rooms.emulator import Emulator

async def main():
    emulator = Emulator(rooms=3)
    async with library.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg")
        assert len([room async for room in rooms.walk()]) == 3

anyio.run(main)
assert {other!r} not in sys.modules
"""


@pytest.mark.parametrize(("name", "other"), [("httpx", "httpx2"), ("httpx2", "httpx")])
def test_one_library_does_without_the_other(name: str, other: str) -> None:
    run(ALONE.format(library=name, other=other))


def test_importing_the_package_imports_no_http_library() -> None:
    run("import sys, netless_rooms, netless_rooms.emulator; assert not {'httpx', 'httpx2'} & set(sys.modules)")


def run(code: str, *arguments: str) -> str:
    """Run ``code`` in a process of its own and return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.anyio
async def test_a_transport_in_process_refuses_what_is_no_request(emulator: Emulator) -> None:
    async with emulator.transport() as transport:
        with pytest.raises(TypeError, match="not a request of httpx or httpx2: str"):
            await transport.handle_async_request("GET /v5/rooms")  # type: ignore[call-overload]  # that is the point


# Over a socket

every_client = pytest.mark.parametrize("of", CLIENTS)


@asynccontextmanager
async def answering(said: bytes) -> AsyncIterator[str]:
    """Answer every request with ``said`` and close; give the address."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(said)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


NO_HTTP = [
    b"",
    b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[]",
    b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
]


# aiohttp forgets the future of a connection that was closed on it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.anyio
@every_client
@pytest.mark.parametrize("said", NO_HTTP, ids=lambda said: said[:40].decode("ascii", "replace"))
async def test_a_create_that_was_read_and_not_answered_properly_is_in_doubt(said: bytes, of: str) -> None:
    async with answering(said) as base_url, CLIENTS[of]() as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", base_url=base_url)
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await rooms.create()
    assert isinstance(caught.value.__cause__, TransportError)
    assert caught.value.__cause__.was_sent


@pytest.mark.anyio
@every_client
async def test_a_create_that_never_connected_is_not_in_doubt(of: str) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
    await listener.aclose()
    async with CLIENTS[of]() as client:
        rooms = AsyncRooms(client, token="a", region="sg", base_url=f"http://127.0.0.1:{port}", retry=ONCE)
        with pytest.raises(TransportError) as caught:
            await rooms.create()
    assert not caught.value.was_sent


# A client that cannot be used here


@pytest.mark.anyio
@every_client
async def test_a_closed_client_is_told_before_anything_is_sent(of: str, emulator: Emulator) -> None:
    async with emulator.serve() as base_url:
        async with CLIENTS[of]() as client:
            rooms = AsyncRooms(client, token=emulator.key, region="sg", base_url=base_url)
            came = [room async for room in rooms.walk(max_rooms=5)]
        emulator.requests.clear()
        with pytest.raises(ClientUnusableError, match="it has been closed") as caught:
            await rooms.create()
        assert not caught.value.was_sent
        assert isinstance(caught.value, RuntimeError)
        with pytest.raises(ClientUnusableError) as caught:
            assert not [room async for room in rooms.walk(after=came[-1].uuid)]
        assert caught.value.checkpoint == came[-1].uuid
    assert emulator.requests == []


@pytest.mark.anyio
async def test_a_client_that_is_closed_while_it_waits_says_so(library: Any) -> None:
    closing: list[Any] = []

    async def script(request: Any) -> Any:
        await closing[0].aclose()
        raise library.ReadError("the connection was closed", request=request)

    client = library.AsyncClient(transport=library.MockTransport(script))
    closing.append(client)
    with pytest.raises(ClientUnusableError, match="closed meanwhile, ReadError") as caught:
        await AsyncRooms(client, token=TOKEN, region="sg").list()
    assert caught.value.was_sent


@pytest.mark.asyncio
@pytest.mark.parametrize("of", ["aiohttp", "aiohttp2"])
async def test_a_closed_session_of_aiohttp_is_told_too(of: str, emulator: Emulator) -> None:
    async with emulator.serve() as base_url, CLIENTS[of]() as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg", base_url=base_url)
        await rooms.list()
        await client._transport.client.close()
        with pytest.raises(ClientUnusableError, match="Session is closed"):
            await rooms.list()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_client_may_serve_one_loop_after_another_if_its_transport_may(library: Any, backend: str) -> None:
    emulator = Emulator(rooms=3)
    rooms = AsyncRooms(library.AsyncClient(transport=emulator.transport()), token=emulator.key, region="sg")
    for loop in ("asyncio", backend, "asyncio"):
        assert len(anyio.run(rooms.list, backend=loop)) == 3


# In a process of its own, since what is left open on a loop that is gone complains at some time.
LOOPS = """
import sys, warnings
import anyio
from anyio.from_thread import start_blocking_portal
from netless_rooms import AsyncRooms, ClientUnusableError, CreateOutcomeUnknownError
from netless_rooms.emulator import Emulator
from http_clients import CLIENTS, serving

warnings.simplefilter("ignore")
make, first, second = CLIENTS[sys.argv[1]], sys.argv[2], sys.argv[3]
emulator = Emulator(rooms=3)

with serving() as switch:
    switch.app = emulator.app
    rooms = AsyncRooms(make(), token=emulator.key, region="sg", base_url=switch.base_url)
    anyio.run(rooms.list, backend=first)
    try:
        anyio.run(rooms.list, backend=second)
    except ClientUnusableError as error:
        assert type(error.__cause__) is RuntimeError
        print(error)
    with start_blocking_portal(first) as portal, portal.wrap_async_context_manager(make()) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg", base_url=switch.base_url)
        portal.call(rooms.list)
        try:
            anyio.run(rooms.create, backend=second)
            print("created")  # over a new connection, since the first one had ended meanwhile
        except CreateOutcomeUnknownError as error:
            print("in doubt, because of", type(error.__cause__).__name__)
"""


@pytest.mark.parametrize(
    ("of", "first", "second"),
    [
        *((of, "asyncio", second) for of in CLIENTS for second in ("asyncio", "trio")),
        *((of, "trio", "asyncio") for of in ("httpx", "httpx2")),
    ],
)
def test_a_client_of_another_event_loop_is_told(of: str, first: str, second: str) -> None:
    told = run(LOOPS, of, first, second)
    assert "GET /v5/rooms: the HTTP client cannot be used here: RuntimeError: " in told
    assert "open the client in the event loop that uses it" in told
    assert told.endswith(("in doubt, because of ClientUnusableError\n", "created\n"))
