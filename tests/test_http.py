"""The door to the HTTP library: every one of its exceptions has been decided on."""

import inspect

import anyio
import anyio.abc
import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from netless_rooms import AsyncRooms, CreateOutcomeUnknownError, ForbiddenError, TimedOutError, TransportError
from netless_rooms.http import own_client
from scripted import answer, room, scripted

REQUEST = httpx.Request("GET", "https://api.netless.link/v5/rooms")

TIMED_OUT = {
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.TimeoutException,
}
NO_ANSWER = {
    httpx.CloseError,
    httpx.ConnectError,
    httpx.DecodingError,
    httpx.LocalProtocolError,
    httpx.NetworkError,
    httpx.ProtocolError,
    httpx.ProxyError,
    httpx.ReadError,
    httpx.RemoteProtocolError,
    httpx.RequestError,
    httpx.TooManyRedirects,
    httpx.TransportError,
    httpx.UnsupportedProtocol,
    httpx.WriteError,
}
PROVABLY_NOT_SENT = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
}
STATUS = {httpx.HTTPStatusError}
NOT_RAISED_BY_SENDING = {
    httpx.HTTPError,  # the parent of RequestError and HTTPStatusError
    httpx.InvalidURL,  # base_url is checked when AsyncRooms is made
    httpx.CookieConflict,  # looking up cookies, which we do not
    httpx.StreamError,  # misuse of a stream, which only an event hook could do
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
}


def test_every_exception_of_the_http_library_has_been_decided_on() -> None:
    there = {
        found
        for name in httpx.__all__
        if inspect.isclass(found := getattr(httpx, name)) and issubclass(found, Exception)
    }
    assert there == TIMED_OUT | NO_ANSWER | STATUS | NOT_RAISED_BY_SENDING


@pytest.mark.anyio
@pytest.mark.parametrize("kind", sorted(TIMED_OUT | NO_ANSWER, key=repr))
async def test_a_failure_to_get_an_answer_becomes_ours(kind: type[httpx.RequestError]) -> None:
    fault = kind("something broke", request=REQUEST)

    def script(_: httpx.Request) -> httpx.Response:
        raise fault

    async with scripted(script) as rooms:
        with pytest.raises(
            TransportError, match=f"GET /v5/rooms: no usable answer from https://api.netless.link, {kind.__name__}"
        ) as caught:
            await rooms.list()
    assert isinstance(caught.value, TimedOutError) is (kind in TIMED_OUT)
    assert caught.value.__cause__ is fault
    assert caught.value.was_sent is (kind not in PROVABLY_NOT_SENT)


@pytest.mark.anyio
@pytest.mark.parametrize("reads_first", [True, False])
async def test_an_event_hook_that_raises_for_the_status_hides_no_meaning(*, reads_first: bool) -> None:
    async def hook(response: httpx.Response) -> None:
        if reads_first:
            await response.aread()
        response.raise_for_status()

    class Unread(httpx.AsyncByteStream):
        async def __aiter__(self):  # type: ignore[no-untyped-def]  # a stream, so that nothing is read beforehand
            yield b'{"message": "token access room forbidden"}'

    async with scripted(lambda _: httpx.Response(403, stream=Unread()), event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(ForbiddenError) as caught:
            await rooms.list()
    assert caught.value.message == ("token access room forbidden" if reads_first else None)


@pytest.mark.anyio
async def test_event_hooks_of_the_client_see_our_requests() -> None:
    seen: list[str] = []

    async def hook(request: httpx.Request) -> None:
        seen.append(request.url.path)

    async with scripted(lambda _: answer([room()]), event_hooks={"request": [hook]}) as rooms:
        await rooms.list()
    assert seen == ["/v5/rooms"]


# httpx leaves its own generators to the collector when decompressing fails, which Trio warns about.
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
@pytest.mark.anyio
async def test_a_broken_compression_is_no_answer() -> None:
    cut = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8bnot gzip"))
    async with scripted(lambda _: cut) as rooms:
        with pytest.raises(TransportError, match="DecodingError"):
            await rooms.list()


OTHER = httpx.Request("POST", "https://audit.example/")
HOOK_FAILURES: list[Exception] = [
    httpx.ConnectError("the audit service is down", request=OTHER),
    httpx.HTTPStatusError(
        "no", request=OTHER, response=httpx.Response(400, json={"message": "no"}, request=OTHER)
    ),
    ZeroDivisionError(),
]


@pytest.mark.anyio
@pytest.mark.parametrize("failure", HOOK_FAILURES, ids=repr)
async def test_what_an_event_hook_asked_itself_is_not_taken_for_ours(failure: Exception) -> None:
    async def hook(_: httpx.Response) -> None:
        raise failure

    async with scripted(lambda _: answer(room(), 201), event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(type(failure)) as caught:
            await rooms.create()
    assert caught.value is failure


@pytest.mark.anyio
@pytest.mark.parametrize("token", ["NETLESSSDK_YWs9c2VjcmV0", "opaque!7f3a9c51e8d2b640"])
async def test_an_echo_of_the_token_in_a_broken_answer_is_not_told(token: str) -> None:
    def script(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError(f"illegal status line: {token}")

    async with scripted(script) as rooms:
        with pytest.raises(TransportError, match="illegal status line: NETLESS…") as caught:
            await rooms.with_options(token=token).list()
    assert token not in str(caught.value)


async def read_and_close(listener: anyio.abc.Listener[anyio.abc.SocketStream]) -> None:
    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()

    await listener.serve(serve)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", [httpx.AsyncHTTPTransport, AiohttpTransport])
async def test_a_create_that_was_read_and_not_answered_is_in_doubt(
    kind: type[httpx.AsyncBaseTransport], anyio_backend: str
) -> None:
    if kind is AiohttpTransport and anyio_backend != "asyncio":
        pytest.skip("aiohttp runs on asyncio only")
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
    async with listener, anyio.create_task_group() as tasks, httpx.AsyncClient(transport=kind()) as client:
        tasks.start_soon(read_and_close, listener)
        rooms = AsyncRooms(client, token="a", region="sg", base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(CreateOutcomeUnknownError):
            await rooms.create()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_create_that_never_connected_is_not_in_doubt() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
    await listener.aclose()
    async with httpx.AsyncClient() as client:
        rooms = AsyncRooms(client, token="a", region="sg", base_url=f"http://127.0.0.1:{port}")
        with pytest.raises(TransportError) as caught:
            await rooms.create()
    assert not caught.value.was_sent


@pytest.mark.anyio
async def test_our_own_client_waits_thirty_seconds_at_most() -> None:
    async with own_client() as client:
        assert client.timeout == httpx.Timeout(30)


@pytest.mark.anyio
async def test_an_error_without_a_request_leaves_a_create_in_doubt() -> None:
    async def hook(_: httpx.Response) -> None:
        raise httpx.ConnectError("raised by hand")

    async with scripted(lambda _: answer(room(), 201), event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(CreateOutcomeUnknownError, match="ConnectError: raised by hand"):
            await rooms.create()


@pytest.mark.anyio
async def test_a_hook_that_refuses_a_success_is_heard_as_it_is() -> None:
    async def hook(response: httpx.Response) -> None:
        raise httpx.HTTPStatusError("not today", request=response.request, response=response)

    async with scripted(lambda _: answer(room(), 201), event_hooks={"response": [hook]}) as rooms:
        with pytest.raises(httpx.HTTPStatusError, match="not today"):
            await rooms.create()


@pytest.mark.anyio
async def test_a_long_failure_is_cut_like_any_other_words() -> None:
    def script(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("illegal status line: \x1b[31m" + "x" * 60_000)

    async with scripted(script) as rooms:
        with pytest.raises(TransportError) as caught:
            await rooms.list()
    assert len(str(caught.value)) < 600
    assert "\x1b" not in str(caught.value)
