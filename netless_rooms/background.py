"""Work that goes on while the body of an ``async with`` runs, and never outside it.

A task group in an ``async with`` wraps what the body raises into a group, and an abandoned generator that holds
one breaks the cancel scopes around it (PEP 789).  So the group stands in a context manager, and what the body
raises comes out as it was.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from anyio import CancelScope, create_task_group


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
