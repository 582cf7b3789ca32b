"""Work that goes on while the body of an ``async with`` runs, and never outside it.

A task group in an ``async with`` wraps what the body raises into a group, and an abandoned generator that holds
one breaks the cancel scopes around it (PEP 789).  So the group stands in a context manager, and what the body
raises comes out as it was.

To forget that ``async with`` is easily done, and Python's own words for it name no way out: ``ToBeEntered`` does.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar

from anyio import CancelScope, create_task_group

Arguments = ParamSpec("Arguments")
Entered = TypeVar("Entered")
Opening: TypeAlias = Callable[Arguments, AbstractAsyncContextManager[Entered]]


class ToBeEntered(AbstractAsyncContextManager[Entered]):
    """A context manager for one use, which says how it is used to whoever takes it for what it gives."""

    def __init__(self, inner: AbstractAsyncContextManager[Entered], use: str) -> None:
        self._inner = inner
        self._use = use
        self._is_entered = False

    def __aenter__(self) -> Coroutine[Any, Any, Entered]:  # no coroutine itself: no traceback has a frame of it
        if self._is_entered:
            raise RuntimeError(f"this is for one use, and was entered before; make another one: {self._use}")
        self._is_entered = True
        return self._inner.__aenter__()

    def __aexit__(self, *raised: Any) -> Coroutine[Any, Any, bool | None]:
        return self._inner.__aexit__(*raised)

    def __aiter__(self) -> NoReturn:
        raise TypeError(f"this has to be entered first: {self._use}")

    __await__ = __aiter__


def to_be_entered(use: str) -> Callable[[Opening[Arguments, Entered]], Opening[Arguments, Entered]]:
    """Let a function return its context managers as ``ToBeEntered``; ``use`` is how, as a line of Python."""

    def decorate(opening: Opening[Arguments, Entered]) -> Opening[Arguments, Entered]:
        @wraps(opening)
        def opened(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ToBeEntered[Entered]:
            return ToBeEntered(opening(*args, **kwargs), use)

        return opened

    return decorate


@asynccontextmanager
async def background(
    work: Callable[[], Awaitable[None]], leave: Callable[[], Awaitable[None]], *, shield: bool = False
) -> AsyncGenerator[None, None]:
    """Run ``work`` beside the body; behind the body run ``leave``, then cancel what is left of ``work``.

    ``leave`` runs however the body ended, and no cancellation disturbs it, so it has to come to an end by itself,
    and soon.  What cancels the body from outside cancels ``work`` too, unless there is a ``shield``.
    """
    raised: BaseException | None = None
    scope = CancelScope(shield=shield)

    async def run() -> None:
        with scope:
            await work()

    async with create_task_group() as group:
        group.start_soon(run)
        try:
            yield
        except BaseException as error:  # not lost: raised again below, when the group has ended
            raised = error
        group.cancel_scope.shield = True  # or a cancellation from outside would be raised instead of ``raised``
        try:
            await leave()
        finally:
            scope.cancel()
    if raised is not None:
        try:
            raise raised
        finally:
            del raised  # or it would keep this frame, and this frame it
