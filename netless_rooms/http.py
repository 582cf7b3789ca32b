"""The one door to the HTTP library: sends a request over a borrowed client, and turns what it raises into ours.

Nothing of the application that owns the client goes along (auth, cookies, default headers, query, base URL),
because the request is built bare and not by the client; and nothing of ours stays with it, no cookie either.
What is the client's own business stays in force: transport, proxies, TLS, limits, timeouts, event hooks.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from copy import copy
from types import EllipsisType
from typing import Any, Final

import httpx
from attrs import frozen

from netless_rooms.errors import TimedOutError, TransportError
from netless_rooms.operations import Operation
from netless_rooms.responses import excerpt

Client = httpx.AsyncClient
AsyncTransport = httpx.AsyncBaseTransport

OWN_TIMEOUT: Final = 30.0  # seconds: to connect, to send, between two reads, to wait for a free connection

NEVER_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)  # but see _was_sent


@frozen
class RawAnswer:
    """An answer as it came; ``headers`` is looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def send(
    client: Client,
    operation: Operation[Any],
    *,
    base_url: str,
    headers: Mapping[str, str],
    timeout: float | EllipsisType | None,  # noqa: ASYNC109  it is passed on to the HTTP library
) -> RawAnswer:
    """Send ``operation`` and return the whole answer, whatever its status.

    ``timeout`` is in seconds, ``None`` waits for ever, ``...`` leaves it to the client.  Raises ``TransportError``
    when no usable answer came, with the HTTP library's own exception as its cause.
    """
    request = httpx.Request(
        operation.method,
        f"{base_url}{operation.target}",
        headers=headers,
        content=operation.body,
        extensions={} if timeout is ... else {"timeout": httpx.Timeout(timeout).as_dict()},
    )
    # Sending marks a client as opened and keeps the cookies that come back; both happen to the copy instead, which
    # shares everything else: transport, connections, timeouts, hooks, and whether it is closed.
    twin = copy(client)
    twin.cookies = {}
    try:
        response = await twin.send(request, auth=None, follow_redirects=False)
    except (httpx.HTTPStatusError, httpx.RequestError) as error:
        asked = _request_of(error)
        if asked not in (request, None) or _is_success(error):
            raise  # an event hook of the application failed, at something else or at a success
        if isinstance(error, httpx.RequestError):
            # Every transport's error has its request; one without was raised by hand, at whatever moment.
            was_sent = asked is None or _was_sent(error)
            raise _translate(error, operation, base_url, headers["token"], was_sent=was_sent) from error
        # The hook called raise_for_status(); what the answer means is ours to tell.
        return RawAnswer(error.response.status_code, error.response.headers, _body_so_far(error.response))
    return RawAnswer(response.status_code, response.headers, response.content)


def check_client(client: Client) -> None:
    """Refuse what cannot send, before anything is asked of it."""
    if not isinstance(client, Client):
        raise TypeError(f"client must be an httpx.AsyncClient, not {type(client).__name__}")


def check_url(base_url: str) -> None:
    """Refuse an address that the HTTP library cannot read."""
    try:
        str(httpx.URL(base_url).host)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise ValueError(f"base_url cannot be read: {error}") from None


def own_client() -> AbstractAsyncContextManager[Client]:
    """Return a client of our own, to be entered and so closed by the caller."""
    return httpx.AsyncClient(timeout=OWN_TIMEOUT)


def asgi_transport(app: Any) -> AsyncTransport:
    """Return a transport that calls an ASGI application in process."""
    return httpx.ASGITransport(app=app)


def _request_of(error: httpx.HTTPStatusError | httpx.RequestError) -> httpx.Request | None:
    try:
        return error.request
    except RuntimeError:
        return None


def _is_success(error: httpx.HTTPStatusError | httpx.RequestError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.is_success


def _translate(
    error: httpx.RequestError, operation: Operation[Any], base_url: str, token: str, *, was_sent: bool
) -> TransportError:
    kind = TimedOutError if isinstance(error, httpx.TimeoutException) else TransportError
    said = f": {excerpt(str(error), token)}" if str(error) else ""
    return kind(
        f"no usable answer from {base_url}, {type(error).__name__}{said}",
        method=operation.method,
        path=operation.target,
        was_sent=was_sent,
    )


def _was_sent(error: httpx.RequestError) -> bool:
    # httpx-aiohttp says ConnectTimeout for a connection that broke at any time, even after the request was read.
    if isinstance(error, httpx.ConnectTimeout) and type(error.__cause__).__module__.startswith("aiohttp"):
        return True
    return not isinstance(error, NEVER_SENT)


def _body_so_far(response: httpx.Response) -> bytes:
    try:
        return response.content
    except httpx.ResponseNotRead:
        return b""
