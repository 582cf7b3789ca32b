"""The only module that touches httpx and httpx2: send a request over a borrowed client, and map its exceptions.

Both libraries have the same interface, and a client comes with its library, so neither is imported here.

The request is built bare and not by the client, so none of the client's auth, cookies, default headers, query
parameters or base URL is sent, and no redirect is followed.  All else of the client applies as to any request.
"""

import re
import sys
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager, suppress
from itertools import dropwhile
from math import inf
from os import environ, getpid
from threading import get_ident
from traceback import walk_tb
from types import EllipsisType
from typing import Any, Final, Protocol
from weakref import finalize

from anyio.lowlevel import current_token

from netless_rooms import errors
from netless_rooms._api.requests import ApiRequest, request_headers
from netless_rooms._api.responses import RawResponse, excerpt, size_to_read
from netless_rooms._auth.redaction import Redact, chain, leaks
from netless_rooms._auth.tokens import Token


class Client(Protocol):
    """An ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``, by what is used of it."""

    # A union of both would be typed as anything where one of the libraries is not installed.

    @property
    def is_closed(self) -> bool: ...
    @property
    def timeout(self) -> Any: ...
    @property
    def event_hooks(self) -> Any: ...
    def send(self, request: Any, *, auth: None, follow_redirects: bool, stream: bool) -> Awaitable[Any]: ...


DEFAULT_TIMEOUT: Final = 30.0  # seconds: to connect, to send, between two reads, to wait for a free connection

# Names of exceptions, the same in both libraries.
NEVER_SENT: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
    | {"ClientConnectorError", "ConnectionTimeoutError"}  # of aiohttp
)
PERMANENT_ERRORS: Final = frozenset({"UnsupportedProtocol", "LocalProtocolError", "SSLCertVerificationError"})
TIMED_OUT: Final = frozenset({"TimeoutException", "TimeoutError"})

_POOL_IS_FULL: Final = (
    ": all connections of the client's pool are in use; keep concurrency and shards at most the client's "
    "max_connections, or allow it more connections or a longer wait for one"
)
_POOL_LEAKS: Final = (  # source: encode/httpcore, issue 1093; httpx2 has fixed it
    "; if they are not, httpx has lost them, as it does when a call is cancelled that waits for a connection or "
    "opens one, and a client of httpx2 does not"
)
# What event loops and aiohttp's session say in a RuntimeError; the libraries pass it on as it is.
_UNUSABLE: Final = re.compile("event loop|different loop|async context|is closed")

# The event loop, thread and process where a client's connections live, ``None`` if it has none, and where its
# first request is under way; by id, since a client need not be hashable.
_homes: Final[dict[int, tuple[object, int, int] | None]] = {}
_first: Final[dict[int, tuple[object, int, int]]] = {}


class Transport:
    """Sends requests to one address over one borrowed client."""

    def __init__(self, client: Client, base_url: str, max_body_size: int) -> None:
        """Refuse a client that cannot send, and an address that its library cannot parse."""
        library = _library_of(client)
        try:
            str(library.URL(base_url).host)
        except (library.InvalidURL, UnicodeError) as error:
            raise errors.InvalidArgumentError(f"base_url cannot be read: {error}") from None
        self.base_url: str = base_url
        self._client, self._library, self._max_body_size = client, library, max_body_size

    async def send(
        self,
        request: ApiRequest[Any],
        *,
        token: Token,
        region: str,
        timeout: float | EllipsisType | None,  # noqa: ASYNC109  it is passed on to the HTTP library
        max_timeout: float = inf,
    ) -> RawResponse:
        """Send ``request`` and return the response, whatever its status.

        ``timeout`` is in seconds for each wait; ``None`` waits forever, ``...`` leaves it to the client.  All are
        cut to ``max_timeout``.  Raises ``TransportError`` if no usable response came, with the HTTP library's
        exception as its cause, and ``DecodeError`` for a body above ``max_body_size`` bytes or not in gzip.  What
        a hook of the client raises passes as it is, but for the ``HTTPStatusError`` of ``raise_for_status()``.
        """
        if self._client.is_closed:
            raise _unusable("it has been closed", was_sent=False)
        http_request = self._library.Request(
            request.method,
            f"{self.base_url}{request.path_and_query}",
            headers=request_headers(token=token.text, region=region),
            content=request.body,
            extensions={"timeout": self._timeouts(timeout, max_timeout)},
        )
        key, here = id(self._client), (current_token(), get_ident(), getpid())
        if (_homes[key] if key in _homes else _first.setdefault(key, here)) not in (None, here):
            raise _unusable("it was first used on another event loop, thread or process", was_sent=False)
        try:
            response = await self._client.send(http_request, auth=None, follow_redirects=False, stream=True)
            if key not in _homes:
                finalize(self._client, _homes.pop, key, None)
                _homes[key] = None
            if "http_version" in response.extensions:  # else it did not come over a network
                _homes[key] = here
            try:
                return await _read(response, self._max_body_size)
            finally:
                await response.aclose()
        except errors.RoomsError:
            raise
        except Exception as error:
            refusal = self._refusal_in(error, http_request)
            if refusal is not None:
                return refusal
            if self._is_from_hook(error, http_request):
                raise
            http_request.headers.pop("token", None)  # the cause keeps the request, and tblib pickles both
            failure = self._failure(error, token.redact)
            # The cause may quote what a peer echoed; then it stays out of the chain.
            cause = None if leaks(error, token.redact) else error
        finally:
            _first.pop(key, None)
        try:
            raise failure from cause
        finally:
            del failure, cause  # breaks the exception, traceback, frame cycle

    def _timeouts(self, timeout: float | EllipsisType | None, max_timeout: float) -> dict[str, float | None]:
        chosen = self._client.timeout if timeout is ... else timeout
        timeouts: dict[str, float | None] = self._library.Timeout(chosen).as_dict()
        if max_timeout == inf:
            return timeouts
        return {wait: min(max_timeout, inf if each is None else each) for wait, each in timeouts.items()}

    def _refusal_in(self, error: Any, http_request: Any) -> RawResponse | None:
        """Return the response if ``error`` is of a hook that called ``raise_for_status()`` on it."""
        if not isinstance(error, self._library.HTTPStatusError) or error.request is not http_request:
            return None
        response, body = error.response, b""
        with suppress(self._library.ResponseNotRead):
            body = response.content
        return None if response.is_success else RawResponse(response.status_code, response.headers, body)

    def _is_from_hook(self, error: Exception, http_request: Any) -> bool:
        """Whether an event hook of the client raised ``error``.

        The library names the request in each error of its own.  Another exception is not of a hook if it passed
        ``handle_async_request`` of a transport, or only the library from ``send`` on, as for an odd ``Location``.
        """
        if not any(self._client.event_hooks.values()):
            return False
        if isinstance(error, self._library.RequestError):
            try:
                return error.request is not http_request
            except RuntimeError:  # it names none
                return True
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        in_transport = any(frame.f_code.co_name == "handle_async_request" for frame in frames)
        modules = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame in frames]
        own = {self._library.__name__, "idna"}
        from_send_on = dropwhile(lambda module: module not in own, modules)
        return not in_transport and not own.issuperset(from_send_on)

    def _failure(self, error: Exception, redact: Redact) -> errors.TransportError:
        """Return what an exception means; one that is not of a network may have been raised after sending too."""
        said = f"{type(error).__name__}: {excerpt(str(error), redact)}".removesuffix(": ")
        is_network = isinstance(error, (self._library.RequestError, OSError)) or _is_of_aiohttp(error)
        # httpx-aiohttp raises ``ConnectTimeout`` for every connection that broke, even after the request was read.
        cause = error.__cause__
        names = _names(cause if cause is not None and _is_of_aiohttp(cause) else error)
        was_sent = not is_network or NEVER_SENT.isdisjoint(names)
        if self._client.is_closed:  # aiohttp may fail with an AttributeError then
            return _unusable(f"it has been closed meanwhile, {type(error).__name__}", was_sent=was_sent)
        if type(error) is RuntimeError and _UNUSABLE.search(str(error)):
            return _unusable(said, was_sent=True)
        if type(error).__name__ == "PoolTimeout":
            said += _POOL_IS_FULL + (_POOL_LEAKS if self._library.__name__ == "httpx" else "")
        is_permanent = any(not PERMANENT_ERRORS.isdisjoint(_names(link)) for link in chain(error))
        kind = errors.TransportError if TIMED_OUT.isdisjoint(names) else errors.TimedOutError
        summary = f"no usable response from {self.base_url}, {said}"
        return kind(summary, was_sent=was_sent, is_transient=is_network and not is_permanent)


async def _read(response: Any, max_body_size: int) -> RawResponse:
    status, headers = response.status_code, response.headers
    if response.is_stream_consumed:  # by a hook, or it never was a stream
        return RawResponse(status, headers, await response.aread())
    left, parts, chunks = size_to_read(status, max_body_size), list[bytes](), response.aiter_raw()
    async for part in chunks:
        parts.append(part)
        left -= len(part)
        if left < 0:
            await chunks.aclose()  # not left to the garbage collector, which Trio warns about
            break
    return RawResponse(status, headers, b"".join(parts)).unpacked(max_body_size)


def _unusable(reason: str, *, was_sent: bool) -> errors.ClientUnusableError:
    summary = f"the HTTP client cannot be used here: {reason}"
    return errors.ClientUnusableError(summary, was_sent=was_sent, is_transient=False)


def _is_of_aiohttp(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def own_client() -> AbstractAsyncContextManager[Client]:
    """Return a client for the caller to close; ``ClientUnusableError`` if httpx cannot use the environment."""
    import httpx  # not above, since a user of httpx2 does without it

    try:
        return httpx.AsyncClient(timeout=DEFAULT_TIMEOUT)
    except (httpx.InvalidURL, ValueError, OSError, ImportError) as error:
        raise client_error(error) from error


def client_error(error: Exception) -> errors.ClientUnusableError:
    """Return the error for a client that could not be made; it names the variables that may be why.

    Their values, such as a proxy's password, and the library's own words stay in the ``__cause__``.
    """
    if isinstance(error, OSError):
        variables, advice = ["SSL_CERT_FILE", "SSLKEYLOGFILE"], "SSL_CERT_FILE takes certificates in PEM format"
    else:
        variables = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
        advice = "NO_PROXY takes names and plain IP addresses; SOCKS proxies need pip install 'httpx[socks]'"
    named = [each for name in variables for each in dict.fromkeys((name, name.lower())) if environ.get(each)]
    cause = f"{' or '.join(named) or 'the environment'}: {type(error).__name__}"
    summary = f"the HTTP client cannot be made because of {cause}"
    unusable = errors.ClientUnusableError(summary, was_sent=False, is_transient=False)
    unusable.hint = f"correct it or unset it; {advice}"
    return unusable


def _library_of(client: object) -> Any:
    for name in ("httpx", "httpx2"):
        library = sys.modules.get(name)
        if isinstance(client, getattr(library, "AsyncClient", ())):
            return library
    raise errors.InvalidArgumentTypeError(
        f"client must be an httpx.AsyncClient or an httpx2.AsyncClient, not {type(client).__name__}"
    )
