"""Work beside a body ends with the body, and a context manager that is not entered says how it is used."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from traceback import extract_tb
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from cancelling import running_tasks
from netless_rooms import AsyncRooms
from netless_rooms import _tasks as background_module
from netless_rooms._tasks import Notifier, background
from netless_rooms.emulator import Emulator
from selection import on_both_loops

pytestmark = pytest.mark.anyio


@on_both_loops
@pytest.mark.parametrize("raising", ["nothing", "body", "leave"])
async def test_work_is_cancelled_after_the_body_and_after_leave(raising: str) -> None:
    events = []

    def happens(name: str) -> None:
        events.append(name)
        if name == raising:
            raise ZeroDivisionError

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            happens("work")

    async def leave() -> None:
        await anyio.lowlevel.checkpoint()
        happens("leave")

    before = await running_tasks()
    with pytest.raises(ZeroDivisionError) if raising != "nothing" else nullcontext():
        async with background(work, leave):
            await anyio.lowlevel.checkpoint()
            happens("body")
    assert events == ["body", "leave", "work"]
    assert await running_tasks() == before


@on_both_loops
async def test_a_cancellation_from_outside_disturbs_neither_leave_nor_what_the_body_raises() -> None:
    left = []

    async def leave() -> None:
        for _ in range(9):
            await anyio.lowlevel.checkpoint()
        left.append(True)

    with pytest.raises(ZeroDivisionError), anyio.CancelScope() as scope:
        async with background(anyio.sleep_forever, leave):
            await anyio.lowlevel.checkpoint()
            scope.cancel()  # work that has no shield is cancelled while leave waits
            raise ZeroDivisionError
    assert left == [True]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_leaving_in_another_task_is_an_error_and_ends_the_work() -> None:
    ended = anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    block = background(work, anyio.sleep_forever)

    async def enter() -> None:
        await block.__aenter__()
        await anyio.lowlevel.checkpoint()

    await asyncio.create_task(enter())
    with pytest.raises(RuntimeError, match="entered in one task and left in another"):
        await asyncio.create_task(block.__aexit__())
    await ended.wait()


notifier = Notifier()  # outside any event loop, and used in several


@on_both_loops
async def test_a_notifier_wakes_every_task_until_its_predicate_holds() -> None:
    reached, woken = 0, list[int]()

    async def wait(least: int) -> None:
        await notifier.wait_for(lambda: reached >= least)
        woken.append(least)

    async with anyio.create_task_group() as tasks:
        for least in (0, 1, 2, 2):
            tasks.start_soon(wait, least)
        for reached in range(3):
            notifier.notify()
            await anyio.wait_all_tasks_blocked()
            assert sorted(woken) == [least for least in (0, 1, 2, 2) if least <= reached]
        tasks.start_soon(wait, 9)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()


OUTCOMES = "async with rooms.{}(...) as outcomes: async for outcome in outcomes"
TO_BE_ENTERED: dict[str, Callable[[AsyncRooms], Any]] = {
    "async with rooms.scan(...) as scan: async for room in scan": lambda rooms: rooms.scan(),
    OUTCOMES.format("get_many"): lambda rooms: rooms.get_many([]),
    OUTCOMES.format("disable_many"): lambda rooms: rooms.disable_many([]),
    OUTCOMES.format("enable_many"): lambda rooms: rooms.enable_many([]),
    OUTCOMES.format("create_many"): lambda rooms: rooms.create_many(0),
}
each = pytest.mark.parametrize("use", TO_BE_ENTERED)


@each
async def test_what_is_not_entered_or_entered_twice_says_how_it_is_used(
    use: str, rooms: AsyncRooms, emulator: Emulator
) -> None:
    made = TO_BE_ENTERED[use](rooms)
    with pytest.raises(TypeError) as iterated:
        async for _ in made:
            pass
    with pytest.raises(TypeError) as awaited:
        await made
    with pytest.raises(TypeError) as opened, made:
        pass
    assert {str(each.value) for each in (iterated, awaited, opened)} == {f"this must be entered first: {use}: ..."}
    with pytest.raises(TypeError, match=f"must be entered first: {re.escape(use)}"):
        await anext(made)
    async with made:
        with pytest.raises(RuntimeError) as inside:
            await AsyncExitStack().enter_async_context(made)
    with pytest.raises(RuntimeError) as after:
        async with made:
            pass
    assert str(inside.value) == str(after.value)
    assert str(after.value).startswith("this can be entered only once; make a new one: ")
    assert use in str(after.value)
    assert {request.method for request in emulator.requests} <= {"GET"}


async def test_a_scan_that_is_not_entered_has_no_mode(rooms: AsyncRooms) -> None:
    scan = rooms.scan()
    assert repr(scan) == "<Scan not entered, 0 rooms so far>"
    with pytest.raises(TypeError, match="must be entered first"):
        scan.mode  # noqa: B018


@each
async def test_what_a_body_raises_has_no_frame_but_its_own(use: str, rooms: AsyncRooms) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        async with TO_BE_ENTERED[use](rooms):
            raise ZeroDivisionError
    assert [frame.filename for frame in extract_tb(raised.value.__traceback__)] == [__file__]


async def test_what_entering_raises_has_no_frame_of_the_context_manager() -> None:
    with pytest.raises(TypeError) as raised:
        await AsyncRooms.open(token=7, region="sg").__aenter__()  # type: ignore[arg-type]
    assert background_module.__file__ not in [frame.filename for frame in extract_tb(raised.value.__traceback__)]
