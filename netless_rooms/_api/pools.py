"""How many connections a borrowed client can hold at once.

No library says so in public, so private names are looked up, each of which may be missing tomorrow: then nothing
is known, and no call fails of it.
"""

import sys
from typing import Any


def pool_size(client: Any, url: Any) -> int | None:
    """Return how many connections to ``url`` the client can hold at once; ``None`` if without limit, or not told.

    Over HTTP/2 one connection takes several requests, so there the pool holds at least as many requests as this.
    """
    try:
        transport = client._transport_for_url(url)
    except Exception:  # a client may do as it likes below its public names
        return None
    limits = [
        limit
        for limit in _limits(transport)
        # httpcore spells no limit as the largest size there is, and aiohttp as 0.
        if isinstance(limit, int) and 0 < limit < sys.maxsize
    ]
    return min(limits, default=None)


def _limits(transport: Any) -> tuple[Any, ...]:
    """Return what limits a transport of httpx or httpx2, or the one over aiohttp."""
    pool = getattr(transport, "_pool", None)
    if pool is not None:
        return (getattr(pool, "_max_connections", None),)
    session = getattr(transport, "client", None)
    if session is not None:
        connector = getattr(session, "connector", None)  # none yet where it is a function that makes the session
        return getattr(connector, "limit", None), getattr(connector, "limit_per_host", None)
    # The session is made for the first request, from these.
    return (getattr(getattr(transport, "limits", None), "max_connections", None),)
