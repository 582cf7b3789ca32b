"""Background work that runs while the body of an ``async with`` runs, and never outside it.

A task group wraps what the body raises in a group, and an abandoned generator that holds one breaks the cancel
scopes around it (PEP 789).  So ``BackgroundWork`` holds the task group, and what the body raises passes unchanged.
"""

from collections.abc import Callable, Coroutine
from functools import WRAPPER_ASSIGNMENTS, update_wrapper
from types import MethodType
from typing import Any, NoReturn, Self, TypeVar, cast

from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class, get_current_task
from anyio.lowlevel import checkpoint

Method = TypeVar("Method", bound=Callable[..., Any])


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

    def __aiter__(self) -> Self:
        self._check_entered()
        return self

    def __await__(self) -> NoReturn:
        self._refuse()

    def __enter__(self) -> NoReturn:
        self._refuse()

    def __exit__(self, *_: object) -> None:
        """Never called; ``with`` looks it up before it calls ``__enter__``."""


class BackgroundWork(AsyncWithOnly):
    """A mixin for objects whose ``_work`` runs beside the body of their ``async with``.

    After the body ``_leave`` runs, then what is left of ``_work`` is cancelled.  No cancel scope disturbs
    ``_leave``, so it must end by itself, and soon.  If ``_is_shielded``, no cancellation reaches ``_work`` either
    until ``_leave`` has ended; asyncio's own ``cancel()``, which no shield stops, makes it run again.
    """

    _is_shielded = False
    _is_left = False  # the body has ended
    _is_over = False  # the work has ended
    _notified: Event | None = None  # for which tasks wait

    async def _prepare(self) -> None: ...
    async def _work(self) -> None: ...
    async def _leave(self) -> None: ...

    async def __aenter__(self) -> Self:
        self._enter_once()
        await self._prepare()
        self._entered_by: object = get_current_task().coro  # an id could be used again by a later task
        self._scope = CancelScope(shield=self._is_shielded)
        self._group = create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._run_work)
        return self

    async def __aexit__(self, *raised: object) -> None:
        if get_current_task().coro is not self._entered_by:
            self._scope.cancel()
            advice = "as generators and fixtures do; use one task"
            raise RuntimeError(f"this was entered in one task and left in another, {advice}")
        self._entered_by = None
        self._is_left = True
        # What is raised from here on would replace what the body raised, so a cancel scope outside must wait.
        self._group.cancel_scope.shield = True
        try:
            await self._run_leave()
        except BaseException as error:
            if self._is_shielded and isinstance(error, get_cancelled_exc_class()):
                self._group.start_soon(self._run_leave)  # in a task that the cancel() does not reach
            else:
                self._scope.cancel()
            raise
        finally:
            await self._group.__aexit__(None, None, None)
            self._is_over = True  # also if a cancel() came before the first step of the work

    async def _run_work(self) -> None:
        try:
            with self._scope:
                await self._work()
        finally:
            self._is_over = True
            self._notify()

    async def _run_leave(self) -> None:
        # A scope of its own, because on Trio work that was cancelled cancels the group.
        with CancelScope(shield=True):
            await self._leave()
        self._scope.cancel()

    def _notify(self) -> None:
        """Let every task that waits check its predicate again."""
        if self._notified is not None:
            self._notified.set()
            self._notified = None

    async def _wait_for(self, predicate: Callable[[], object]) -> None:
        """Wait until ``predicate()`` is true; return without a checkpoint if it is already."""
        while not predicate():
            self._notified = self._notified or Event()
            await self._notified.wait()


async def let_connect() -> None:
    """Wait four steps of the event loop, until httpcore knows that the last request has taken its connection.

    It gives requests that begin together the same connection, and all but one of them then start over.
    """
    for _ in range(4):
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
