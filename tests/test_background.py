"""Work beside a body: it ends with the body, however that ends."""

import anyio
import pytest

from interrupts import running_tasks
from netless_rooms.background import background

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
