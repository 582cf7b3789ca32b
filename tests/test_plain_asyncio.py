"""What a user of plain asyncio does: pytest-asyncio for the loop, respx for the answers."""

import asyncio
from contextlib import aclosing

import httpx
import pytest
import respx

from fakes import TOKEN, room
from netless_rooms import AsyncRooms, NotFoundError, Region
from samples import UUID

pytestmark = pytest.mark.asyncio

SERVICE = "https://api.netless.link"


@respx.mock(base_url=SERVICE, assert_all_called=True)
async def test_the_calls_ask_what_the_page_documents(respx_mock: respx.Router) -> None:
    create = respx_mock.post("/v5/rooms", json={"limit": 0}).respond(201, json=room())
    get = respx_mock.get(f"/v5/rooms/{UUID}").respond(200, json=room())
    listed = respx_mock.get("/v5/rooms", params={"beginUUID": UUID, "limit": "2"}).respond(200, json=[room()])
    disable = respx_mock.patch(f"/v5/rooms/{UUID}", json={"isBan": True}).respond(201, json=room(isBan=True))
    enable = respx_mock.patch(f"/v5/rooms/{UUID}", json={"isBan": False}).respond(201, json=room())
    async with httpx.AsyncClient() as client:
        rooms = AsyncRooms(client, token=TOKEN, region=Region.CN_HZ)
        created = await rooms.create(limit=0)
        assert await rooms.get(UUID) == created
        assert list(await rooms.list(begin_uuid=UUID, limit=2)) == [created]
        assert (await rooms.disable(UUID)).is_ban
        assert await rooms.enable(UUID) == created
    for route in (create, get, listed, disable, enable):
        asked = route.calls.last.request
        assert asked.headers["token"] == TOKEN
        assert asked.headers["region"] == "cn-hz"
        assert asked.headers["content-type"] == "application/json"


@respx.mock(base_url=SERVICE)
async def test_calls_run_side_by_side_and_fail_each_for_itself(respx_mock: respx.Router) -> None:
    respx_mock.get(f"/v5/rooms/{UUID}").respond(200, json=room())
    respx_mock.get("/v5/rooms/gone").respond(404, json={"message": "room not found"})
    async with httpx.AsyncClient() as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg")
        outcomes = await asyncio.gather(rooms.get(UUID), rooms.get("gone"), return_exceptions=True)
    assert getattr(outcomes[0], "uuid", None) == UUID
    assert isinstance(outcomes[1], NotFoundError)


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
