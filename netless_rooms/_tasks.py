"""Background work that runs while the body of an ``async with`` runs, and never outside it.

A task group wraps what the body raises in a group, and an abandoned generator that holds one breaks the cancel
scopes around it (PEP 789).  So ``background`` holds the task group, and an exception of the body passes unchanged.
"""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import WRAPPER_ASSIGNMENTS, update_wrapper
from types import MethodType
from typing import Any, Final, NoReturn, TypeVar, cast

from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class, get_current_task
from anyio.lowlevel import checkpoint

STEPS_TO_A_CONNECTION: Final = 4

Method = TypeVar("Method", bound=Callable[..., Any])


class Notifier:
    """Wakes the tasks that wait until something is true."""

    _notified: Event | None = None  # for which tasks wait

    def notify(self) -> None:
        """Let every waiting task check its predicate again."""
        if self._notified is not None:
            self._notified.set()
            self._notified = None

    async def wait_for(self, predicate: Callable[[], object]) -> None:
        """Wait until ``predicate()`` is true; return without a checkpoint if it is already."""
        while not predicate():
            self._notified = self._notified or Event()
            await self._notified.wait()


class AsyncWithOnly:
    """A mixin for objects that work only inside ``async with``: any other use raises and shows ``_usage``."""

    _usage: str = ""
    _was_entered: bool = False

    def _enter_once(self) -> None:
        if self._was_entered:
            raise RuntimeError(f"this can be entered only once; make a new one: {self._usage}")
        self._was_entered = True

    def _check_entered(self) -> None:
        if not self._was_entered:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise TypeError(f"this must be entered first: {self._usage}")

    def __await__(self) -> NoReturn:
        self._refuse()

    def __enter__(self) -> NoReturn:
        self._refuse()

    def __exit__(self, *_: object) -> None:
        """Never called; ``with`` looks it up before it calls ``__enter__``."""


class background(AbstractAsyncContextManager[None]):  # noqa: N801  named as in contextlib
    """Run ``work`` beside the body; after the body run ``leave``, then cancel what is left of ``work``.

    No cancel scope disturbs ``leave``, so it must end by itself, and soon.  With ``shield``, no cancellation from
    outside reaches ``work`` either until ``leave`` has ended; if asyncio's own ``cancel()`` interrupts ``leave``,
    which no shield stops, it runs again.
    """

    def __init__(
        self, work: Callable[[], Awaitable[None]], leave: Callable[[], Awaitable[None]], *, shield: bool = False
    ) -> None:
        self._work, self._leave, self._shield = work, leave, shield

    async def __aenter__(self) -> None:
        self._entered_by: object = get_current_task().coro  # an id could be used again by a later task
        self._scope = CancelScope(shield=self._shield)
        self._group = create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._run_work)

    async def __aexit__(self, *raised: object) -> None:
        if get_current_task().coro is not self._entered_by:
            self._scope.cancel()
            advice = "as generators and fixtures do; use one task"
            raise RuntimeError(f"this was entered in one task and left in another, {advice}")
        self._entered_by = None
        # What is raised from here on would replace what the body raised, so a cancel scope outside must wait.
        self._group.cancel_scope.shield = True
        try:
            await self._run_leave()
        except BaseException as error:
            if self._shield and isinstance(error, get_cancelled_exc_class()):
                self._group.start_soon(self._run_leave)  # in a task that the cancel() does not reach
            else:
                self._scope.cancel()
            raise
        finally:
            await self._group.__aexit__(None, None, None)

    async def _run_work(self) -> None:
        with self._scope:
            await self._work()

    async def _run_leave(self) -> None:
        # A scope of its own, because on Trio work that was cancelled cancels the group.
        with CancelScope(shield=True):
            await self._leave()
        self._scope.cancel()


async def let_connect() -> None:
    """Wait some steps of the event loop, until httpcore knows that the last request has taken its connection.

    It gives requests that begin together the same connection, and all but one of them then start over.
    """
    for _ in range(STEPS_TO_A_CONNECTION):
        await checkpoint()


def awaited_only(advice: str) -> Callable[[Method], Method]:
    """Return a decorator of an async method: a loop over a call raises a ``TypeError`` with ``advice``."""
    return lambda method: cast("Any", _AwaitedOnly(method, advice))


class _AwaitedOnly:
    """To ``inspect`` and to mocks it is the async function itself, by the attributes of one."""

    def __init__(self, function: Any, advice: str) -> None:
        update_wrapper(self, function, (*WRAPPER_ASSIGNMENTS, "__code__", "__defaults__", "__kwdefaults__"))
        self._function, self._advice = function, advice

    def __get__(self, instance: object, _: object = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **options: Any) -> "_Call":
        return _Call(self._function(*args, **options), self._advice)


@Coroutine.register
class _Call:
    """A coroutine for ``await``, tasks and event loops, like those of compiled code."""

    def __init__(self, call: Any, advice: str) -> None:
        self._call, self._advice = call, advice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __await__(self) -> Any:
        return self._call.__await__()

    def __aiter__(self) -> NoReturn:
        self._call.close()  # or Python warns that it was never awaited
        raise TypeError(self._advice)

    __iter__ = __aiter__
