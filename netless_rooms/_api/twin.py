"""What sends in the place of a borrowed client, so that the client stays as it is.

Sending marks a client as opened and keeps the cookies that come back.  Both happen to a twin instead, made for one
request, which has the same of everything else: transport, connections, timeouts, hooks.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

Hook: TypeAlias = Callable[[Any], Awaitable[Any]]


class _Unnoticed:
    """Comes before the client's class, so that this hears nothing of a class below it, and registers none."""

    def __init_subclass__(cls) -> None: ...


def twin_class(kind: type, cookies: type) -> type:
    """Return a class like ``kind`` that keeps no cookies, and whose end does nothing.

    A twin that closes its transport when it ends would close yours.  ``cookies`` is the library's class of them.
    """
    # To look for some is a tenth of what a call costs.
    none = type(cookies.__name__, (cookies,), {"extract_cookies": lambda *_: None})
    changes: dict[str, Any] = {"cookies": property(lambda _: none(), lambda *_: None)}
    if hasattr(kind, "__del__"):
        changes["__del__"] = lambda _: None
    return type(kind.__name__, (_Unnoticed, kind), changes)


def twin_of(client: object, kind: type, raised_by_hook: list[Exception], seen: list[Any]) -> Any:
    """Return a twin of ``client`` that is a ``kind``, as ``twin_class`` makes it.

    What its event hooks raise is added to ``raised_by_hook``, and the answer to ``seen``.
    """
    # Not by copy(): a class may have rules of its own for copying, and none is meant here.
    twin: Any = object.__new__(kind)
    vars(twin).update(vars(client))
    twin.event_hooks = _noting(raised_by_hook, seen, twin.event_hooks)
    return twin


def _noting(raised: list[Exception], seen: list[Any], hooks: Mapping[str, list[Hook]]) -> dict[str, list[Hook]]:
    """Return the same hooks, but what they raise is noted in ``raised``, and the answer in ``seen``."""

    async def see(response: Any) -> None:
        seen.append(response)

    def noting(hook: Hook) -> Hook:
        async def run(about: Any) -> None:
            try:
                await hook(about)
            except Exception as error:
                raised.append(error)
                raise

        return run

    noted = {event: [noting(hook) for hook in each] for event, each in hooks.items()}
    return noted | {"response": [*noted.get("response", []), see]}
