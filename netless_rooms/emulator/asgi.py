"""The ASGI application, which sends the response of the emulator, and the transport that calls it in process."""

import sys
from collections.abc import Callable, Iterable
from email.utils import formatdate
from math import inf
from typing import TYPE_CHECKING, Any, Final, overload

from anyio import CancelScope, current_time, move_on_after
from attrs import evolve
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from netless_rooms.emulator.exchange import RawResponse, RefusedError, Request
from netless_rooms.emulator.service import MAX_BODY

if TYPE_CHECKING:
    import httpx
    import httpx2
    from httpx import AsyncBaseTransport
    from httpx2 import AsyncBaseTransport as AsyncBaseTransport2
else:

    class AsyncBaseTransport: ...

    class AsyncBaseTransport2: ...


MAX_READ: Final = 2**24  # bytes of a body that is too long: many clients read the response only after they sent it
BODY_TIMEOUT: Final = 10  # seconds, for the whole body of a request
CLOSE: Final = "netless_rooms.close"  # in a request's state: a function that closes the connection, nothing lost


def build_app(respond: Callable[[Request], RawResponse], clock: Callable[[], float]) -> ASGIApp:
    """Return an application that sends what ``respond`` returns for each request, dated by ``clock``.

    ``respond`` is called on the event loop, once per request.  To close a connection that the server cannot
    close, the application raises ``ConnectionClosedError``.
    """

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            body, is_whole = await _read_body(receive)
        except ClientDisconnect:
            return
        if body is None:
            raw = RawResponse.of(RefusedError(408, f"the body was not complete after {BODY_TIMEOUT} s").response)
        else:
            request = Request(
                method=scope["method"],
                path=scope["path"].removeprefix(scope.get("root_path", "")),
                query=scope["query_string"].decode("latin-1"),
                headers={name: ", ".join(headers.getlist(name)) for name in headers},
                body=body,
            )
            raw = respond(request)
        added = [("Date", formatdate(clock(), usegmt=True)), *([] if is_whole else [("Connection", "close")])]
        raw = evolve(raw, headers=(*raw.headers, *added))
        if await _send(raw, receive, send):
            await _end(raw, scope, receive)

    # No credentials beyond the headers that the page's own script sets, so any origin may call.
    app = CORSMiddleware(
        endpoint,
        allow_origins=("*",),
        allow_methods=("GET", "POST", "PATCH"),
        allow_headers=("*",),
        expose_headers=("Date", "Retry-After"),
    )
    return Router(default=app)


async def _read_body(receive: Receive) -> tuple[bytes | None, bool]:
    """Return the body, ``None`` if it is late, its beginning if it is too long, and whether it was read whole."""
    body, size, more = bytearray(), 0, True
    with move_on_after(BODY_TIMEOUT):
        while more and size <= MAX_READ:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            size += len(piece := message.get("body", b""))
            more = message.get("more_body", False)
            if len(body) <= MAX_BODY:
                body += piece
        return bytes(body), not more
    return None, False


async def _send(raw: RawResponse, receive: Receive, send: Send) -> bool:
    """Send what there is to send, and return whether the client stayed until the end."""
    if raw.status is None:
        return True
    headers = (*raw.headers, ("Content-Length", str(len(raw.body) + raw.missing)))
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": raw.status, "headers": encoded})
    for left, piece in zip(range(len(raw.pieces) - 1, -1, -1), raw.pieces, strict=True):
        if raw.pause and await _leaves_within(raw.pause, receive):
            return False
        more = left > 0 or raw.end != "complete"
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    return True


async def _end(raw: RawResponse, scope: Scope, receive: Receive) -> None:
    close = scope.get("state", {}).get(CLOSE)
    if raw.end == "complete":
        return
    if raw.end == "close":
        if close is None:
            raise ConnectionClosedError(_closing_words(raw))
        close()
    try:
        await _leaves_within(inf, receive)  # servers take an earlier return for a mistake, and answer 500
    finally:
        if close is not None:
            close()  # or a server that stops would answer 500 after all


async def _leaves_within(seconds: float, receive: Receive) -> bool:
    with move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass
        return True
    return False


def _closing_words(raw: RawResponse) -> str:
    """Return what httpx and httpx2 say when a server does this to them."""
    if raw.status is None:
        return "Server disconnected without sending a response."
    counted = f"received {len(raw.body)} bytes, expected {len(raw.body) + raw.missing}"
    return f"peer closed connection without sending complete message body ({counted})"


class ConnectionClosedError(Exception):
    """The application closes the connection; the text is what a client would say about it."""


class InProcessTransport(AsyncBaseTransport, AsyncBaseTransport2):
    """Calls an ASGI application in process, for clients of httpx and httpx2."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    @overload
    async def handle_async_request(self, request: "httpx.Request") -> "httpx.Response": ...
    @overload
    async def handle_async_request(self, request: "httpx2.Request") -> "httpx2.Response": ...
    async def handle_async_request(self, request: Any) -> Any:
        """Respond as the ASGI transport of the request's library does, and fail as its network transport does.

        Raises ``RemoteProtocolError`` if the application closes the connection, ``ReadTimeout`` if it sends
        nothing for as long as the request's read timeout.
        """
        library = next(library for library in _libraries() if isinstance(request, library.Request))
        seconds = request.extensions.get("timeout", {}).get("read")
        with CancelScope() as patience:

            def wait_again() -> None:
                patience.deadline = inf if seconds is None else current_time() + seconds

            async def watched(scope: Scope, receive: Receive, send: Send) -> None:
                async def send_and_wait(message: Any) -> None:
                    wait_again()
                    await send(message)

                wait_again()
                await self._app(scope, receive, send_and_wait)

            try:
                return await library.ASGITransport(app=watched).handle_async_request(request)
            except ConnectionClosedError as closed:
                raise library.RemoteProtocolError(str(closed), request=request) from None
        raise library.ReadTimeout("", request=request)  # without words, as on a network


def _libraries() -> Iterable[Any]:
    return filter(None, map(sys.modules.get, ("httpx", "httpx2")))


def in_process(app: ASGIApp) -> InProcessTransport:
    """Return a transport that calls ``app``; it is one of httpx and of httpx2, as far as they are imported."""
    bases = (InProcessTransport, *(library.AsyncBaseTransport for library in _libraries()))
    transport: InProcessTransport = type(InProcessTransport.__name__, bases, {})(app)
    return transport


def client_of(app: ASGIApp) -> "httpx.AsyncClient":
    """Return a client that calls ``app`` in process, and so has nothing open that must be closed."""
    import httpx  # before the transport, which is one of the libraries that are imported

    return httpx.AsyncClient(transport=in_process(app))
