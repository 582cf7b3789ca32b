"""The ASGI application, which sends the response of the emulator, and the transport that calls it in process."""

import gzip
import re
import sys
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final, overload

from anyio import CancelScope, current_time, move_on_after
from attrs import evolve
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from netless_rooms.emulator.messages import RawResponse, RefusedError, Request
from netless_rooms.emulator.service import MAX_BODY

if TYPE_CHECKING:
    import httpx
    import httpx2
    from httpx import AsyncBaseTransport
    from httpx2 import AsyncBaseTransport as AsyncBaseTransport2
else:

    class AsyncBaseTransport: ...

    class AsyncBaseTransport2: ...


MIN_COMPRESSED: Final = 1000  # bytes
ACCEPTS_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)  # not with a weight of 0
KEPT_COMPRESSED: Final = 32  # with their bodies, some 10 MB at 1,000 rooms each
MAX_READ: Final = 2**24  # bytes of a body that is too long: many clients read the response only after they sent it
BODY_TIMEOUT: Final = 10  # seconds, for the whole body of a request
CLOSE: Final = "netless_rooms.close"  # in a request's state: a function that closes the connection, nothing lost
LIBRARIES: Final = ("httpx", "httpx2")

_FAST: Final = 1


def build_app(respond: Callable[[Request], RawResponse], clock: Callable[[], float]) -> ASGIApp:
    """Return an application that sends what ``respond`` returns for each request, dated by ``clock``.

    ``respond`` is called on the event loop, once per request.  A long body is compressed if the client accepts
    it.  To close a connection that the server cannot close, the application raises ``ConnectionClosedError``.
    """
    # No credentials beyond the headers that the page's own script sets, so any origin may call.
    app = CORSMiddleware(
        _Endpoint(respond, clock),
        allow_origins=("*",),
        allow_methods=("GET", "POST", "PATCH"),
        allow_headers=("*",),
        expose_headers=("Date", "Retry-After"),
    )
    return Router(default=app)


class _Endpoint:
    def __init__(self, respond: Callable[[Request], RawResponse], clock: Callable[[], float]) -> None:
        self._respond = respond
        self._clock = clock
        # Keyed by content, so a changed page is another key and nothing has to be dropped.
        self._compress = lru_cache(maxsize=KEPT_COMPRESSED)(_compress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            body, is_whole = await _read_body(receive)
        except ClientDisconnect:
            return
        if body is None:
            raw = RawResponse.of(RefusedError(408, f"the body was not complete after {BODY_TIMEOUT} s").response)
        else:
            raw = self._respond(
                Request(
                    method=scope["method"],
                    path=scope["path"].removeprefix(scope.get("root_path", "")),
                    query=scope["query_string"].decode("latin-1"),
                    headers={name: ", ".join(headers.getlist(name)) for name in headers},
                    body=body,
                )
            )
        raw = self._encoded(raw, headers.get("accept-encoding", ""), keep_alive=is_whole)
        if await _send(raw, receive, send):
            await _end(raw, scope, receive)

    def _encoded(self, raw: RawResponse, accept_encoding: str, *, keep_alive: bool) -> RawResponse:
        added = [("Date", formatdate(self._clock(), usegmt=True)), ("Vary", "Accept-Encoding")]
        if not keep_alive:
            added.append(("Connection", "close"))
        pieces = raw.pieces
        is_whole = raw.end == "complete" and len(pieces) == 1
        if is_whole and len(pieces[0]) >= MIN_COMPRESSED and ACCEPTS_GZIP.search(accept_encoding):
            pieces = (self._compress(pieces[0]),)
            added.append(("Content-Encoding", "gzip"))
        return evolve(raw, headers=(*raw.headers, *added), pieces=pieces)


async def _read_body(receive: Receive) -> tuple[bytes | None, bool]:
    """Return the body, or the beginning of one that is too long, and whether it was read to its end.

    The body is ``None`` if it does not come in time.
    """
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
    if raw.end == "close":
        if close is None:
            raise ConnectionClosedError(_closing_words(raw))
        close()
        await _leaves_within(inf, receive)  # servers take an earlier return for a mistake, and answer 500
    elif raw.end == "hang":
        try:
            await _leaves_within(inf, receive)
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
    sent = len(raw.body)
    counted = f"received {sent} bytes, expected {sent + raw.missing}"
    return f"peer closed connection without sending complete message body ({counted})"


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, _FAST, mtime=0)


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
        library = _library_of(request)
        with CancelScope() as patience:
            app = _watched(self._app, patience, request.extensions.get("timeout", {}).get("read"))
            try:
                return await library.ASGITransport(app=app).handle_async_request(request)
            except ConnectionClosedError as closed:
                raise library.RemoteProtocolError(str(closed), request=request) from None
        raise library.ReadTimeout("", request=request)  # without words, as on a network


def in_process(app: ASGIApp) -> InProcessTransport:
    """Return a transport that calls ``app``; it is one of httpx and of httpx2, as far as they are imported."""
    loaded = [library for name in LIBRARIES if (library := sys.modules.get(name)) is not None]
    bases = (InProcessTransport, *(library.AsyncBaseTransport for library in loaded))
    transport: InProcessTransport = type(InProcessTransport.__name__, bases, {})(app)
    return transport


def client_of(app: ASGIApp) -> "httpx.AsyncClient":
    """Return a client that calls ``app`` in process, and so has nothing open that must be closed."""
    import httpx  # before the transport, which is one of the libraries that are imported

    return httpx.AsyncClient(transport=in_process(app))


def _library_of(request: object) -> Any:
    for name in LIBRARIES:
        library: Any = sys.modules.get(name)
        if library is not None and isinstance(request, library.Request):
            return library
    raise TypeError(f"not a request of httpx or httpx2: {type(request).__name__}")


def _watched(app: ASGIApp, patience: CancelScope, seconds: float | None) -> ASGIApp:
    """Return ``app`` such that ``patience`` ends when it sends nothing for so long; ``None`` waits forever."""
    if seconds is None:
        return app

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_wait(message: Any) -> None:
            patience.deadline = current_time() + seconds
            await send(message)

        patience.deadline = current_time() + seconds
        await app(scope, receive, send_and_wait)

    return watched
