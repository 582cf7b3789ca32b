"""The door to the HTTP library: every one of its exceptions has been decided on."""

import inspect

import httpx
import pytest

from netless_rooms import ForbiddenError, TimedOutError, TransportError
from netless_rooms.http import NEVER_SENT
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
            TransportError, match=f"GET /v5/rooms: no answer came, {kind.__name__}: something"
        ) as caught:
            await rooms.list()
    assert isinstance(caught.value, TimedOutError) is (kind in TIMED_OUT)
    assert caught.value.__cause__ is fault
    assert caught.value.was_sent is (kind not in NEVER_SENT)


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
