"""The ASGI application: turns requests into plain values, plays the replies, and decides nothing."""

import gzip
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from math import inf
from typing import Final

from anyio import move_on_after
from attrs import evolve
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from netless_rooms._api.transport import ConnectionClosedError
from netless_rooms.emulator.answers import Ask, RefusedError
from netless_rooms.emulator.replies import Reply

SMALLEST_COMPRESSED: Final = 1000
KEPT_COMPRESSED: Final = 32  # with their bodies, some 10 MB at 1,000 rooms each
CLOSE: Final = "netless_rooms.close"  # in a request's state: a function that closes the connection, nothing lost

_FAST: Final = 1


def build_app(reply: Callable[[Ask], Reply], clock: Callable[[], float]) -> Starlette:
    """Return an application that plays what ``reply`` returns for each request, and tells the time by ``clock``.

    ``reply`` is called on the event loop, once per request; a long body is compressed if the caller accepts
    it and it comes in one piece.  Where the connection is to be closed and the server does not let it, the
    application raises ``ConnectionClosedError``.
    """

    async def no_path(_: Request, __: Exception) -> Response:
        # Reached by targets that are no path at all, such as "OPTIONS *".
        answer = RefusedError(404, "no such path").answer
        return Response(answer.body, answer.status, dict(endpoint.encoded(Reply.of(answer), "").headers))

    endpoint = _Endpoint(reply, clock)
    return Starlette(routes=[Route("/{path:path}", endpoint)], exception_handlers={HTTPException: no_path})


class _Endpoint:
    # An instance, because Starlette gives a plain function GET and HEAD only.

    def __init__(self, reply: Callable[[Ask], Reply], clock: Callable[[], float]) -> None:
        self._reply = reply
        self._clock = clock
        # Keyed by content, so a page that changed is another key and nothing needs to be dropped.
        self._compress = lru_cache(maxsize=KEPT_COMPRESSED)(_compress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:  # nobody is left to answer
            return
        reply = self._reply(
            Ask(
                method=request.method,
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=_joined(request.headers),
                body=body,
            )
        )
        reply = self.encoded(reply, request.headers.get("accept-encoding", ""))
        if await _play(reply, receive, send):
            await _end(reply, scope, receive)

    def encoded(self, reply: Reply, accept_encoding: str) -> Reply:
        """Return the reply as it goes out."""
        added = [("Date", formatdate(self._clock(), usegmt=True)), ("Vary", "Accept-Encoding")]
        pieces = reply.pieces
        if reply.is_plain and len(pieces[0]) >= SMALLEST_COMPRESSED and accepts_gzip(accept_encoding):
            pieces = (self._compress(pieces[0]),)
            added.append(("Content-Encoding", "gzip"))
        return evolve(reply, headers=(*reply.headers, *added), pieces=pieces)


async def _play(reply: Reply, receive: Receive, send: Send) -> bool:
    """Send what there is to send, and return whether the client stayed for all of it."""
    if reply.status is None:
        return True
    headers = (*reply.headers, ("Content-Length", str(len(reply.body) + reply.missing)))
    spelled = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": spelled})
    for left, piece in zip(range(len(reply.pieces) - 1, -1, -1), reply.pieces, strict=True):
        if reply.pause and await _leaves_within(reply.pause, receive):
            return False
        more = left > 0 or reply.end != "complete"
        await send({"type": "http.response.body", "body": piece, "more_body": more})
    return True


async def _end(reply: Reply, scope: Scope, receive: Receive) -> None:
    close = scope.get("state", {}).get(CLOSE)
    if reply.end == "close":
        if close is None:
            raise ConnectionClosedError(_closing_words(reply))
        close()
        await _leaves_within(inf, receive)  # returning earlier is taken for a mistake, and answered
    elif reply.end == "hang":
        try:
            await _leaves_within(inf, receive)
        finally:
            if close is not None:
                close()  # or a server that stops would answer after all, with 500


async def _leaves_within(seconds: float, receive: Receive) -> bool:
    with move_on_after(seconds):
        while (await receive())["type"] != "http.disconnect":
            pass
        return True
    return False


def _closing_words(reply: Reply) -> str:
    """Return what httpx and httpx2 say when a server does this to them."""
    if reply.status is None:
        return "Server disconnected without sending a response."
    sent = len(reply.body)
    counted = f"received {sent} bytes, expected {sent + reply.missing}"
    return f"peer closed connection without sending complete message body ({counted})"


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether the header's value allows gzip: by name or by ``*``, and not with a weight of 0."""
    weights: dict[str, str] = {}
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        weights[coding.strip()] = parameter.partition("=")[2].strip() or "1"
    return weights.get("gzip", weights.get("*", "0")).strip("0.") != ""


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, _FAST, mtime=0)


def _joined(headers: Headers) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
