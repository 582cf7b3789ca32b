"""Clients of every HTTP library: httpx, httpx2, and httpx over aiohttp, which only works over a socket.

Responses come from a script, in terms of httpx, from an emulator, or from a ``Peer``, which shows the bytes sent.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, Final, TypeAlias

import anyio
import anyio.abc
import httpx
import httpx2
from anyio.streams.buffered import BufferedByteReceiveStream
from attrs import define, field
from httpx_aiohttp import HttpxAiohttpClient
from httpx_aiohttp.httpx2 import Httpx2AiohttpClient

from netless_rooms import AsyncRooms
from netless_rooms.emulator import Emulator

CLIENTS: dict[str, Callable[..., Any]] = {
    "httpx": httpx.AsyncClient,
    "httpx2": httpx2.AsyncClient,
    "aiohttp": HttpxAiohttpClient,
    "aiohttp2": Httpx2AiohttpClient,
}  # all of them send over a socket
NO_CERTIFICATES: Final = SSLContext(PROTOCOL_TLS_CLIENT)  # to load the usual ones takes longer than a test
Client: TypeAlias = httpx.AsyncClient | httpx2.AsyncClient
Script: TypeAlias = Callable[[httpx.Request], httpx.Response]
Answering: TypeAlias = Script | Emulator
OpenClient: TypeAlias = Callable[..., Client]
OpenRooms: TypeAlias = Callable[..., AbstractAsyncContextManager[AsyncRooms]]


def on_the_wire(body: bytes, *headers: str, status: int = 200) -> bytes:
    """Return the bytes of a response after which the connection stays open."""
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: keep-alive", f"Content-Length: {len(body)}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body


@define(eq=False)
class Peer:
    """A server for one test, on its event loop: keeps the bytes of each request, and responds with bytes.

    A response without ``Connection: keep-alive`` ends the connection; ``None`` never comes.
    """

    respond: Callable[[str], bytes | None]
    base_url: str = ""
    requests: list[str] = field(factory=list)
    received: anyio.Event = field(factory=anyio.Event)

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        received = BufferedByteReceiveStream(stream)
        async with stream:
            try:
                while True:
                    request = (await received.receive_until(b"\r\n\r\n", 100_000)).decode("latin-1") + "\r\n\r\n"
                    length = request.lower().partition("content-length: ")[2].partition("\r\n")[0]
                    request += (await received.receive_exactly(int(length or 0))).decode()
                    self.requests.append(request)
                    self.received.set()
                    response = self.respond(request)
                    while response is None:
                        await anyio.sleep_forever()
                    await stream.send(response)
                    if b"keep-alive" not in response:
                        return
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError):
                return  # the client has closed the connection


@asynccontextmanager
async def peer(respond: Callable[[str], bytes | None]) -> AsyncIterator[Peer]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610  no Django here
    async with listener, anyio.create_task_group() as tasks:
        peer = Peer(respond, f"http://127.0.0.1:{port}")
        tasks.start_soon(listener.serve, peer.serve)
        yield peer
        tasks.cancel_scope.cancel()


def scripted(library: Any, script: Script) -> Any:
    """Return a transport of ``library`` that answers as ``script`` does, each time anew."""

    def answer(request: Any) -> Any:
        try:
            response = script(request)
        except httpx.RequestError as error:
            if library is httpx:
                raise
            raise getattr(library, type(error).__name__)(str(error)) from error.__cause__
        assert isinstance(response.stream, httpx.SyncByteStream)
        stream = library.ByteStream(b"".join(response.stream))
        return library.Response(response.status_code, headers=response.headers.raw, stream=stream)

    return library.MockTransport(answer)
