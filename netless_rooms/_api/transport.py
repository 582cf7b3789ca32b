"""The one door to the HTTP libraries: sends a request over a borrowed client, and turns what it raises into ours.

httpx and its continuation httpx2 are two libraries with one shape.  Which of them a client is of is seen from the
client, so neither is imported here: whoever has a client has imported its library.

Nothing of the application that owns the client goes along (auth, cookies, default headers, query, base URL),
because the request is built bare and not by the client; and nothing of ours stays with it, no cookie either.
What is the client's own business stays in force: transport, proxies, TLS, limits, timeouts, event hooks.
"""

import sys
from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager
from math import inf
from types import EllipsisType, ModuleType
from typing import Any, Final, Protocol

from attrs import frozen

from netless_rooms._api.failures import client_closed, transport_failure
from netless_rooms._api.pools import pool_size
from netless_rooms._api.requests import ApiRequest, request_headers
from netless_rooms._api.responses import shows
from netless_rooms._api.twin import twin_class, twin_of
from netless_rooms._auth.permissions import Token
from netless_rooms.errors import TransportError


class Client(Protocol):
    """An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``, by what is used of it.

    A union of both would be typed as anything where one of the libraries is not installed.
    """

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""

    @property
    def timeout(self) -> Any:
        """How long it waits."""

    def send(self, request: Any, *, auth: None, follow_redirects: bool) -> Awaitable[Any]:
        """Send a request."""


LIBRARIES: Final = ("httpx", "httpx2")
WAITS: Final = ("connect", "read", "write", "pool")
DEFAULT_TIMEOUT: Final = 30.0  # seconds: to connect, to send, between two reads, to wait for a free connection


@frozen(repr=False)
class RawResponse:
    """An answer as it came; ``headers`` is looked up in lower case.

    It may echo the token, so its repr tells nothing.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests to one address over one borrowed client."""

    __slots__ = ("_client", "_library", "_twin_class", "base_url")

    base_url: str

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
        self._twin_class = twin_class(type(client), library.Cookies)
        self.base_url = base_url

    @property
    def pool_size(self) -> int | None:
        """How many connections the client can hold at once; ``None`` if without limit, or if it does not tell."""
        return pool_size(self._client, self._library.URL(self.base_url))

    async def send(
        self,
        operation: ApiRequest[Any],
        *,
        token: Token,
        region: str,
        timeout: float | EllipsisType | None,  # noqa: ASYNC109  it is passed on to the HTTP library
        at_most: float = inf,
    ) -> RawResponse:
        """Send ``operation`` and return the whole answer, whatever its status.

        ``timeout`` is in seconds for each wait, ``None`` waits for ever, ``...`` leaves it to the client;
        ``at_most`` cuts all of them.  Raises ``TransportError`` when no usable answer came, with the HTTP
        library's own exception as its cause.
        """
        if self._client.is_closed:
            raise client_closed(operation)
        request = self._library.Request(
            operation.method,
            f"{self.base_url}{operation.target}",
            headers=request_headers(token=token.text, region=region),
            content=operation.body,
            extensions={"timeout": self._waits(timeout, at_most)},
        )
        raised_by_hook: list[Exception] = []
        seen: list[Any] = []
        twin = twin_of(self._client, self._twin_class, raised_by_hook, seen)
        try:
            response = await twin.send(request, auth=None, follow_redirects=False)
        except Exception as error:
            meaning = (
                self._meaning_of_hook(error, request)
                if any(error is noted for noted in raised_by_hook)
                else _refused_redirect(seen) or self._failure(error, operation, token)
            )
            if meaning is None:
                raised_by_hook.clear()
                raise
            # The cause's own words may be what a peer echoed; then it stays out of the chain.
            cause = None if shows(error, token.hide) else error
        else:
            return RawResponse(response.status_code, response.headers, response.content)
        try:
            if isinstance(meaning, RawResponse):
                return meaning
            raise meaning from cause
        finally:
            del meaning, cause  # or they would keep this frame, and this frame them

    def _waits(self, timeout: float | EllipsisType | None, at_most: float) -> dict[str, float | None]:
        waits: dict[str, float | None]
        waits = self._client.timeout.as_dict() if timeout is ... else dict.fromkeys(WAITS, timeout)
        if at_most == inf:
            return waits
        return {wait: at_most if seconds is None else min(seconds, at_most) for wait, seconds in waits.items()}

    def _meaning_of_hook(self, error: Any, request: Any) -> RawResponse | None:
        """Return the answer if the hook called ``raise_for_status()``: what it means is ours to tell."""
        if not isinstance(error, self._library.HTTPStatusError):
            return None
        response = error.response
        if error.request is not request or response.is_success:
            return None
        return RawResponse(response.status_code, response.headers, self._body_so_far(response))

    def _failure(self, error: Exception, operation: ApiRequest[Any], token: Token) -> TransportError | None:
        if isinstance(error, self._library.RequestError) and self._client.is_closed:
            return client_closed(operation, meanwhile=error)
        return transport_failure(error, self._library, operation, base_url=self.base_url, hide=token.hide)

    def _body_so_far(self, response: Any) -> bytes:
        try:
            body: bytes = response.content
        except self._library.ResponseNotRead:
            return b""
        return body


def own_client() -> AbstractAsyncContextManager[Client]:
    """Return a client of our own, to be entered and so closed by the caller."""
    import httpx  # not above, since a user of httpx2 does without it

    return httpx.AsyncClient(timeout=DEFAULT_TIMEOUT)


def _library_of(thing: object, kind: str) -> Any:
    """Return the library that ``thing`` is a ``kind`` of, if any."""
    for name in LIBRARIES:
        library = sys.modules.get(name)
        if isinstance(library, ModuleType) and isinstance(thing, getattr(library, kind, ())):
            return library
    return None


def _refused_redirect(seen: list[Any]) -> RawResponse | None:
    """Return the answer that points to an address which the library cannot read, and so raises an error about."""
    answer = seen[-1] if seen else None
    if answer is None or not answer.has_redirect_location:
        return None
    return RawResponse(answer.status_code, answer.headers, b"")
