"""The one door to the HTTP libraries: sends a request over a borrowed client, and turns what it raises into ours.

httpx and its continuation httpx2 are two libraries with one shape.  Which of them a client is of is seen from the
client, so neither is imported here: whoever has a client has imported its library.

Nothing of the application that owns the client goes along (auth, cookies, default headers, query, base URL),
because the request is built bare and not by the client; and nothing of ours stays with it, no cookie either.
What is the client's own business stays in force: transport, proxies, TLS, limits, timeouts, event hooks.
"""

import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from copy import copy
from types import EllipsisType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, overload

from attrs import frozen

from netless_rooms.errors import ClientUnusableError, TimedOutError, TransportError
from netless_rooms.grants import Token
from netless_rooms.operations import Operation, request_headers
from netless_rooms.responses import excerpt, shows

if TYPE_CHECKING:
    import httpx
    import httpx2
    from httpx import AsyncBaseTransport
    from httpx2 import AsyncBaseTransport as AsyncBaseTransport2
else:

    class AsyncBaseTransport: ...

    class AsyncBaseTransport2: ...


Hook: TypeAlias = Callable[[Any], Awaitable[Any]]
Client: TypeAlias = "httpx.AsyncClient | httpx2.AsyncClient"

LIBRARIES: Final = ("httpx", "httpx2")
OWN_TIMEOUT: Final = 30.0  # seconds: to connect, to send, between two reads, to wait for a free connection

NEVER_SENT: Final = frozenset(  # names of exceptions, in both libraries and in aiohttp
    {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "ClientConnectorError",
        "ConnectionTimeoutError",
    }
)

# What event loops and aiohttp's session say in a RuntimeError; the libraries pass it through as it is.
_UNUSABLE: Final = re.compile("event loop|different loop|async context|is closed|been closed")


@frozen
class RawAnswer:
    """An answer as it came; ``headers`` is looked up in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sender:
    """Sends requests to one address over one borrowed client."""

    __slots__ = ("_client", "_library", "base_url")

    def __init__(self, client: Client, base_url: str) -> None:
        """Refuse a client that cannot send, and an address that its library cannot read."""
        library = _library_of(client, "AsyncClient")
        if library is None:
            raise TypeError(
                f"client must be an httpx.AsyncClient or an httpx2.AsyncClient, not {type(client).__name__}"
            )
        try:
            str(library.URL(base_url).host)
        except (library.InvalidURL, UnicodeError) as error:
            raise ValueError(f"base_url cannot be read: {error}") from None
        self._client = client
        self._library = library
        self.base_url = base_url

    async def send(
        self,
        operation: Operation[Any],
        *,
        token: Token,
        region: str,
        timeout: float | EllipsisType | None,  # noqa: ASYNC109  it is passed on to the HTTP library
    ) -> RawAnswer:
        """Send ``operation`` and return the whole answer, whatever its status.

        ``timeout`` is in seconds, ``None`` waits for ever, ``...`` leaves it to the client.  Raises
        ``TransportError`` when no usable answer came, with the HTTP library's own exception as its cause.
        """
        if self._client.is_closed:
            raise self._unusable("it has been closed", operation, was_sent=False)
        request = self._library.Request(
            operation.method,
            f"{self.base_url}{operation.target}",
            headers=request_headers(token=token.text, region=region),
            content=operation.body,
            extensions={} if timeout is ... else {"timeout": self._library.Timeout(timeout).as_dict()},
        )
        # Sending marks a client as opened and keeps the cookies that come back; both happen to the copy instead,
        # which shares everything else: transport, connections, timeouts, hooks, and whether it is closed.
        twin = copy(self._client)
        twin.cookies = {}
        raised_by_hook: list[Exception] = []
        twin.event_hooks = _noting(raised_by_hook, twin.event_hooks)
        try:
            response = await twin.send(request, auth=None, follow_redirects=False)
        except Exception as error:
            meaning = (
                self._meaning_of_hook(error, request)
                if any(error is noted for noted in raised_by_hook)
                else self._meaning(error, operation, token)
            )
            if meaning is None:
                raise
            # The cause's own words may be what a peer echoed; then it stays out of the chain.
            cause = None if shows(error, token.hide) else error
        else:
            return RawAnswer(response.status_code, response.headers, response.content)
        if isinstance(meaning, RawAnswer):
            return meaning
        raise meaning from cause

    def _meaning_of_hook(self, error: Any, request: Any) -> RawAnswer | None:
        """Return the answer if the hook called ``raise_for_status()``: what it means is ours to tell."""
        if not isinstance(error, self._library.HTTPStatusError):
            return None
        response = error.response
        if error.request is not request or response.is_success:
            return None
        return RawAnswer(response.status_code, response.headers, self._body_so_far(response))

    def _meaning(self, error: Exception, operation: Operation[Any], token: Token) -> TransportError | None:
        """Return what the failure of a transport means; ``None`` if it is none of a network."""
        said = f"{type(error).__name__}: {excerpt(str(error), token.hide)}".removesuffix(": ")
        if type(error) is RuntimeError and _UNUSABLE.search(str(error)):
            return self._unusable(said, operation)
        if not (isinstance(error, self._library.RequestError) or _is_of_aiohttp(error)):
            return None
        was_sent = not _never_sent(error)
        if self._client.is_closed:
            return self._unusable(f"it has been closed meanwhile, {said}", operation, was_sent=was_sent)
        kind = TimedOutError if _timed_out(error) else TransportError
        return kind(
            f"no usable answer from {self.base_url}, {said}",
            method=operation.method,
            path=operation.target,
            was_sent=was_sent,
        )

    def _unusable(self, said: str, operation: Operation[Any], *, was_sent: bool = True) -> ClientUnusableError:
        return ClientUnusableError(
            f"the HTTP client cannot be used here: {said}",
            method=operation.method,
            path=operation.target,
            was_sent=was_sent,
        )

    def _body_so_far(self, response: Any) -> bytes:
        try:
            body: bytes = response.content
        except self._library.ResponseNotRead:
            return b""
        return body


class InProcessTransport(AsyncBaseTransport, AsyncBaseTransport2):
    """Calls an ASGI application in process, for clients of either library."""

    def __init__(self, app: Any) -> None:
        self._app = app

    @overload
    async def handle_async_request(self, request: "httpx.Request") -> "httpx.Response": ...
    @overload
    async def handle_async_request(self, request: "httpx2.Request") -> "httpx2.Response": ...
    async def handle_async_request(self, request: Any) -> Any:
        """Answer as the transport for ASGI in the request's own library does."""
        library = _library_of(request, "Request")
        if library is None:
            raise TypeError(f"not a request of httpx or httpx2: {type(request).__name__}")
        return await library.ASGITransport(app=self._app).handle_async_request(request)

    async def aclose(self) -> None:
        """Do nothing: there is nothing open."""

    async def __aenter__(self) -> "InProcessTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def own_client() -> AbstractAsyncContextManager[Client]:
    """Return a client of our own, to be entered and so closed by the caller."""
    import httpx  # not above, since a user of httpx2 does without it

    return httpx.AsyncClient(timeout=OWN_TIMEOUT)


def _library_of(thing: object, kind: str) -> Any:
    """Return the library that ``thing`` is a ``kind`` of, if any."""
    for name in LIBRARIES:
        library = sys.modules.get(name)
        if isinstance(library, ModuleType) and isinstance(thing, getattr(library, kind, ())):
            return library
    return None


def _noting(raised: list[Exception], hooks: Mapping[str, list[Hook]]) -> dict[str, list[Hook]]:
    """Return the same hooks, but what they raise is noted in ``raised``."""

    def noting(hook: Hook) -> Hook:
        async def run(about: Any) -> None:
            try:
                await hook(about)
            except Exception as error:
                raised.append(error)
                raise

        return run

    return {event: [noting(hook) for hook in each] for event, each in hooks.items()}


def _telling(error: Exception) -> BaseException:
    """Return which of an error and its cause tells what happened.

    httpx-aiohttp says ``ConnectTimeout`` for every connection that broke, even after the request was read.
    """
    cause = error.__cause__
    return cause if cause is not None and _is_of_aiohttp(cause) else error


def _is_of_aiohttp(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _never_sent(error: Exception) -> bool:
    return not NEVER_SENT.isdisjoint(_names(_telling(error)))


def _timed_out(error: Exception) -> bool:
    return not {"TimeoutException", "TimeoutError"}.isdisjoint(_names(_telling(error)))


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
