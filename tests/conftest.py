"""Fixtures: an emulator, a client that reaches it in process, and ``AsyncRooms`` over that client."""

from collections.abc import AsyncIterator

import httpx
import pytest

from netless_rooms import AsyncRooms, Region
from netless_rooms.emulator import Emulator


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run every asynchronous test on both event loops."""
    loop: str = request.param
    return loop


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=25)


@pytest.fixture
async def client(emulator: Emulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        yield client


@pytest.fixture
def rooms(client: httpx.AsyncClient, emulator: Emulator) -> AsyncRooms:
    return AsyncRooms(client, token=emulator.token(), region=Region.US_SV)
