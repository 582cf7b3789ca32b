"""The walk over aiohttp, through the transport that the extra ``aiohttp`` installs."""

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from netless_rooms import AsyncRooms, NotFoundError
from netless_rooms.emulator import Emulator
from samples import UUID


@pytest.mark.asyncio
async def test_the_walk_and_the_errors_are_the_same_over_aiohttp(emulator: Emulator) -> None:
    async with emulator.serve() as base_url, httpx.AsyncClient(transport=AiohttpTransport()) as client:
        rooms = AsyncRooms(client, token=emulator.token(), region="sg", base_url=base_url)
        assert [room.uuid async for room in rooms.walk(page_size=6)] == list(emulator.uuids())
        with pytest.raises(NotFoundError, match="room not found"):
            await rooms.get(UUID)
