"""Event loops on which waiting takes no time: when nothing is left to do, their clock jumps to the next deadline.

So hours of waits, timeouts and deadlines can be tried, and each run of the same calls goes the same way.  Nothing
outside such a loop may be waited for with a time limit: the clock would not let it come first.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, TypeVar

import anyio
import trio
from attrs import define, frozen

Returned = TypeVar("Returned")


@define
class VirtualTime:
    """The clock of one event loop, in seconds; only waiting moves it."""

    now: float = 0.0

    def options(self, loop: str) -> dict[str, Any]:
        """Return the backend options with which anyio starts ``loop`` on this clock."""
        return {"clock": _TrioClock(self)} if loop == "trio" else {"loop_factory": lambda: _Loop(self)}

    def run(self, loop: str, function: Callable[..., Awaitable[Returned]], *args: Any) -> Returned:
        """Run ``function`` on a new loop of that kind with this clock, and return what it returns."""
        return anyio.run(function, *args, backend=loop, backend_options=self.options(loop))


@frozen
class _TrioClock(trio.abc.Clock):
    _time: VirtualTime

    def start_clock(self) -> None:
        """Do nothing: it stands until somebody waits."""

    def current_time(self) -> float:
        return self._time.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        # Trio asks only when no task can run.
        if deadline == inf:
            return inf
        self._time.now = max(self._time.now, deadline)
        return 0.0


class _Selector(selectors.DefaultSelector):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__()
        self._virtual = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._virtual.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, time: VirtualTime) -> None:
        super().__init__(_Selector(time))
        self._virtual = time

    def time(self) -> float:
        return self._virtual.now
