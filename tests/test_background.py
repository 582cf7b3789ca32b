"""Work beside a body ends with the body, and a context manager that is not entered says how it is used."""

import asyncio
import re
from contextlib import AsyncExitStack, nullcontext
from traceback import extract_tb
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from cancelling import running_tasks
from netless_rooms import AsyncRooms
from netless_rooms import _tasks as background_module
from netless_rooms._tasks import BackgroundWork
from netless_rooms.emulator import Emulator
from selection import on_both_loops

pytestmark = pytest.mark.anyio


def background(work: Any, leave: Any, *, shield: bool = False) -> BackgroundWork:
    block = BackgroundWork()
    block._work, block._leave = work, leave  # type: ignore[method-assign]  # as a subclass does
    block._is_shielded = shield
    return block


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


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # Trio cancels scopes only
async def test_leave_runs_again_when_its_task_is_cancelled_meanwhile() -> None:
    left: list[str] = []

    async def leave() -> None:
        left.append("begun")
        await anyio.lowlevel.checkpoint()
        left.append("ended")

    async def enter() -> None:
        async with background(anyio.sleep_forever, leave, shield=True):
            await anyio.lowlevel.checkpoint()

    task = asyncio.create_task(enter())
    while not (left or task.done()):
        await anyio.lowlevel.checkpoint()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == ["begun", "begun", "ended"]


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


USES = {"scan": "async with rooms.scan(...) as scan: async for room in scan"}
for many in ("get_many", "disable_many", "enable_many", "create_many"):
    USES[many] = f"async with rooms.{many}(...) as outcomes: async for outcome in outcomes"
each = pytest.mark.parametrize("name", USES)


def made_by(rooms: AsyncRooms, name: str) -> Any:
    return getattr(rooms, name)(*{"scan": (), "create_many": (0,)}.get(name, ([],)))


@each
async def test_misuse_is_an_error_that_shows_the_use(name: str, rooms: AsyncRooms, emulator: Emulator) -> None:
    made, use = made_by(rooms, name), USES[name]
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
    once = f"this can be entered only once; make a new one: {use}: ..."
    assert (str(inside.value), str(after.value)) == (once, once)
    assert {request.method for request in emulator.requests} <= {"GET"}


@each
async def test_what_a_body_or_entering_raises_has_no_frame_of_ours(name: str, rooms: AsyncRooms) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        async with made_by(rooms, name):
            raise ZeroDivisionError
    assert [frame.filename for frame in extract_tb(raised.value.__traceback__)] == [__file__]
    with pytest.raises(TypeError) as refused:
        await AsyncRooms.open(token=7, region="sg").__aenter__()  # type: ignore[arg-type]
    assert background_module.__file__ not in [frame.filename for frame in extract_tb(refused.value.__traceback__)]
