"""Cancelling at a chosen moment, and telling what is left behind."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any

import anyio


class Stepped:
    """Runs a coroutine and calls ``interrupt`` when it suspends for the ``step``-th time."""

    def __init__(self, inner: Coroutine[Any, Any, None], step: int, interrupt: Callable[[], object]) -> None:
        self._inner = inner
        self._left = step
        self._interrupt = interrupt

    def __await__(self) -> Generator[Any, Any, None]:
        go_on, value = self._inner.send, None
        while True:
            try:
                asked = go_on(value)
            except StopIteration:
                return
            self._left -= 1
            if self._left == 0:
                self._interrupt()
            try:
                go_on, value = self._inner.send, (yield asked)
            except BaseException as thrown:  # it goes on to the inner one
                go_on, value = self._inner.throw, thrown


async def running_tasks() -> set[int]:
    current = anyio.get_current_task().id
    return {task.id for task in anyio.get_running_tasks()} - {current}
