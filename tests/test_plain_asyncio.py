"""What a user of plain asyncio does: pytest-asyncio for the loop, respx for the answers."""

import asyncio
from contextlib import aclosing

import httpx
import pytest
import respx

from fakes import TOKEN, room
from netless_rooms import AsyncRooms

pytestmark = pytest.mark.asyncio

SERVICE = "https://api.netless.link"


@respx.mock(base_url=SERVICE)
async def test_a_native_cancel_in_the_middle_of_a_walk_is_clean(respx_mock: respx.Router) -> None:
    respx_mock.get("/v5/rooms").respond(200, json=[room("a"), room("b")])
    between = asyncio.Event()

    async def walk(rooms: AsyncRooms) -> None:
        async with aclosing(rooms.walk()) as found:
            async for _ in found:
                between.set()
                await asyncio.Event().wait()

    async with httpx.AsyncClient() as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg")
        task = asyncio.create_task(walk(rooms))
        await between.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(await rooms.list()) == 2
    assert len(asyncio.all_tasks()) == 1


@respx.mock(base_url=SERVICE)
async def test_a_walk_forgotten_after_break_is_collected_by_the_loop(respx_mock: respx.Router) -> None:
    respx_mock.get("/v5/rooms").respond(200, json=[room("a"), room("b")])
    async with httpx.AsyncClient() as client:
        async for found in AsyncRooms(client, token=TOKEN, region="sg").walk():
            assert found.uuid == "a"
            break
        await asyncio.sleep(0)
    assert respx_mock.calls.call_count == 1
