"""Work beside a body: it ends with the body, however that ends.  And what is to be entered says so."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from traceback import extract_tb
from typing import Any

import anyio
import pytest

from cancelling import running_tasks
from netless_rooms import AsyncRooms
from netless_rooms import background as background_module
from netless_rooms.background import background
from netless_rooms.emulator import Emulator

pytestmark = pytest.mark.anyio


async def test_work_is_cancelled_behind_the_body_and_behind_leave() -> None:
    said = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            said.append("work")

    async def leave() -> None:
        said.append("leave")

    before = await running_tasks()
    async with background(work, leave):
        await anyio.lowlevel.checkpoint()
        said.append("body")
    assert said == ["body", "leave", "work"]
    with pytest.raises(ZeroDivisionError):
        async with background(work, leave):
            await anyio.lowlevel.checkpoint()
            raise ZeroDivisionError
    assert said == ["body", "leave", "work", "leave", "work"]
    assert await running_tasks() == before


async def test_what_leave_raises_ends_work_too() -> None:
    async def leave() -> None:
        raise ZeroDivisionError

    before = await running_tasks()
    with pytest.raises(ExceptionGroup):
        async with background(anyio.sleep_forever, leave):
            await anyio.lowlevel.checkpoint()
    assert await running_tasks() == before


# What is to be entered

OUTCOMES = "async with rooms.{}(...) as outcomes: async for outcome in outcomes"
TO_BE_ENTERED: dict[str, Callable[[AsyncRooms], Any]] = {
    "async with rooms.scan(...) as scan: async for room in scan": lambda rooms: rooms.scan(),
    "async with AsyncRooms.open(...) as rooms": lambda _: AsyncRooms.open(token="a", region="sg"),
    OUTCOMES.format("get_many"): lambda rooms: rooms.get_many([]),
    OUTCOMES.format("disable_many"): lambda rooms: rooms.disable_many([]),
    OUTCOMES.format("enable_many"): lambda rooms: rooms.enable_many([]),
    OUTCOMES.format("create_many"): lambda rooms: rooms.create_many(0),
}
each = pytest.mark.parametrize("use", TO_BE_ENTERED)


@each
async def test_what_is_not_entered_says_how_it_is_used(use: str, rooms: AsyncRooms, emulator: Emulator) -> None:
    made = TO_BE_ENTERED[use](rooms)
    with pytest.raises(TypeError) as iterated:
        async for _ in made:
            pass
    with pytest.raises(TypeError) as awaited:
        await made
    assert str(iterated.value) == str(awaited.value) == f"this has to be entered first: {use}: ..."
    async with made:
        pass
    assert {request.method for request in emulator.requests} <= {"GET"}


@each
async def test_what_is_entered_twice_says_that_it_is_for_one_use(use: str, rooms: AsyncRooms) -> None:
    made = TO_BE_ENTERED[use](rooms)
    async with made:
        with pytest.raises(RuntimeError) as inside:
            await AsyncExitStack().enter_async_context(made)
    with pytest.raises(RuntimeError) as behind:
        async with made:
            pass
    assert str(inside.value) == str(behind.value)
    assert str(behind.value).startswith("this is for one use, and was entered before")
    assert use in str(behind.value)


@each
async def test_what_a_body_raises_has_no_frame_but_its_own(use: str, rooms: AsyncRooms) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        async with TO_BE_ENTERED[use](rooms):
            raise ZeroDivisionError
    assert [frame.filename for frame in extract_tb(raised.value.__traceback__)] == [__file__]


async def test_what_entering_raises_has_no_frame_of_what_was_entered() -> None:
    with pytest.raises(TypeError) as raised:
        async with AsyncRooms.open(token=7, region="sg"):  # type: ignore[arg-type]
            pass
    assert background_module.__file__ not in [frame.filename for frame in extract_tb(raised.value.__traceback__)]
