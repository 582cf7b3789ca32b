"""What an exception of a transport means.  Pure, and told by the names that both libraries have for it."""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from netless_rooms._api.requests import ApiRequest
from netless_rooms._api.responses import Hide, excerpt
from netless_rooms.errors import ClientUnusableError, TimedOutError, TransportError

NEVER_SENT: Final = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "ClientConnectorError",  # of aiohttp, and the next one too
        "ConnectionTimeoutError",
    }
)
# Another try cannot help.
PERMANENT_ERRORS: Final = frozenset({"UnsupportedProtocol", "LocalProtocolError", "SSLCertVerificationError"})
TIMED_OUT: Final = frozenset({"TimeoutException", "TimeoutError"})

POOL_IS_FULL: Final = (
    "all connections of the client's pool are in use, so make fewer calls at once, or allow it more connections "
    "or a longer wait for one"
)
# Source: encode/httpcore, issue 1093, which its continuation has mended.
POOL_HAS_LOST: Final = (
    "; if they are not, httpx has lost them, as it does when a call is cancelled that waits for a connection or "
    "opens one, and a client of httpx2 does not"
)

# What event loops and aiohttp's session say in a RuntimeError; the libraries pass it through as it is.
_UNUSABLE: Final = re.compile("event loop|different loop|async context|is closed")


def transport_failure(
    error: Exception, library: ModuleType, operation: ApiRequest[Any], *, base_url: str, hide: Hide
) -> TransportError | None:
    """Return what the failure of a transport means; ``None`` if it is none of a network."""
    said = f"{type(error).__name__}: {excerpt(str(error), hide)}".removesuffix(": ")
    asked: dict[str, Any] = {"method": operation.method, "path": operation.target}
    if type(error) is RuntimeError and _UNUSABLE.search(str(error)):
        return ClientUnusableError(f"the HTTP client cannot be used here: {said}", is_transient=False, **asked)
    if not (isinstance(error, library.RequestError | OSError) or _is_of_aiohttp(error)):
        return None
    if type(error).__name__ == "PoolTimeout":
        said += f": {POOL_IS_FULL}" + (POOL_HAS_LOST if library.__name__ == "httpx" else "")
    names = _names(_telling(error))
    kind = TransportError if TIMED_OUT.isdisjoint(names) else TimedOutError
    return kind(
        f"no usable answer from {base_url}, {said}",
        was_sent=NEVER_SENT.isdisjoint(names),
        is_transient=PERMANENT_ERRORS.isdisjoint(name for link in _chain(error) for name in _names(link)),
        **asked,
    )


def client_closed(operation: ApiRequest[Any], *, meanwhile: Exception | None = None) -> ClientUnusableError:
    """Return the error for a client that has been closed, before the call or ``meanwhile``, as that shows."""
    during = "" if meanwhile is None else f" meanwhile, {type(meanwhile).__name__}"
    return ClientUnusableError(
        f"the HTTP client cannot be used here: it has been closed{during}",
        method=operation.method,
        path=operation.target,
        was_sent=meanwhile is not None and NEVER_SENT.isdisjoint(_names(_telling(meanwhile))),
        is_transient=False,
    )


def _telling(error: Exception) -> BaseException:
    """Return which of an error and its cause tells what happened.

    httpx-aiohttp says ``ConnectTimeout`` for every connection that broke, even after the request was read.
    """
    cause = error.__cause__
    return cause if cause is not None and _is_of_aiohttp(cause) else error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_of_aiohttp(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
