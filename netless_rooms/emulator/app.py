"""The ASGI application: turns requests into plain values and answers into bytes, and decides nothing."""

import gzip
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from netless_rooms.emulator.answers import Answer, Ask, RefusedError

SMALLEST_COMPRESSED: Final = 1000
KEPT_COMPRESSED: Final = 32  # with their bodies, some 10 MB at 1,000 rooms each

_FAST: Final = 1


def build_app(answer: Callable[[Ask], Answer], clock: Callable[[], float]) -> Starlette:
    """Return an application that sends what ``answer`` says to each request, and tells the time by ``clock``.

    ``answer`` is called on the event loop, once per request; a long body is compressed if the caller accepts
    it.  What it answers can be wrapped before it is handed over; what goes over the wire can be wrapped
    around the returned application.
    """

    async def no_path(_: Request, __: Exception) -> Response:
        # Reached by targets that are no path at all, such as "OPTIONS *".
        return endpoint.response(RefusedError(404, "no such path").answer, "")

    endpoint = _Endpoint(answer, clock)
    return Starlette(routes=[Route("/{path:path}", endpoint)], exception_handlers={HTTPException: no_path})


class _Endpoint:
    # An instance, because Starlette gives a plain function GET and HEAD only.

    def __init__(self, answer: Callable[[Ask], Answer], clock: Callable[[], float]) -> None:
        self._answer = answer
        self._clock = clock
        # Keyed by content, so a page that changed is another key and nothing needs to be dropped.
        self._compress = lru_cache(maxsize=KEPT_COMPRESSED)(_compress)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:  # nobody is left to answer
            return
        answer = self._answer(
            Ask(
                method=request.method,
                path=scope["path"],
                query=scope["query_string"].decode("latin-1"),
                headers=_joined(request.headers),
                body=body,
            )
        )
        await self.response(answer, request.headers.get("accept-encoding", ""))(scope, receive, send)

    def response(self, answer: Answer, accept_encoding: str) -> Response:
        """Return the answer as it goes out."""
        body = answer.body
        headers = {"Date": formatdate(self._clock(), usegmt=True), "Vary": "Accept-Encoding"}
        if len(body) >= SMALLEST_COMPRESSED and accepts_gzip(accept_encoding):
            body = self._compress(body)
            headers["Content-Encoding"] = "gzip"
        if answer.allow:
            headers["Allow"] = ", ".join(answer.allow)
        return Response(body, answer.status, headers, media_type="application/json")


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
