"""Fixtures: an emulator, and clients of every HTTP library that reach it or a script."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest

from fakes import ONCE, TOKEN
from http_clients import Answering, Client, OpenClient, OpenRooms, scripted
from netless_rooms import AsyncRooms, Region
from netless_rooms.emulator import Emulator
from selection import exhaustive
from shell import Shell


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """Let tests and their processes hear Ctrl-C, which they do not if whoever runs them has turned it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=25)


@pytest.fixture
def shell(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(emulator)


@pytest.fixture(params=[httpx, *exhaustive([httpx2])], ids=lambda library: library.__name__)
def open_client(request: pytest.FixtureRequest) -> OpenClient:
    """Return what makes a client that gets its answers from a script or an emulator, whatever host it asks."""
    library: Any = request.param

    def opened(answering: Answering, **options: Any) -> Client:
        transport = answering.transport() if isinstance(answering, Emulator) else scripted(library, answering)
        client: Client = library.AsyncClient(transport=transport, **options)
        return client

    return opened


@pytest.fixture
def open_rooms(open_client: OpenClient) -> OpenRooms:
    """Return what opens rooms that get their answers from a script or an emulator, and ask only once."""

    @asynccontextmanager
    async def opened(answering: Answering, **options: Any) -> AsyncIterator[AsyncRooms]:
        token = answering.token() if isinstance(answering, Emulator) else TOKEN
        async with open_client(answering, **options) as client:
            yield AsyncRooms(client, token=token, region=Region.US_SV, retry=ONCE)

    return opened


@pytest.fixture
async def rooms(emulator: Emulator, open_rooms: OpenRooms) -> AsyncIterator[AsyncRooms]:
    async with open_rooms(emulator) as rooms:
        yield rooms
