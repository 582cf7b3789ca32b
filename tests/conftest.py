"""Fixtures: an emulator, and clients of every HTTP library that reach it or a script."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from fakes import ONCE, TOKEN
from http_clients import HTTP_CLIENTS, Answering, Client, OpenClient, OpenRooms, Switch, client_of
from netless_rooms import AsyncRooms, Region
from netless_rooms.emulator import Emulator
from netless_rooms.emulator.server import serve_app
from selection import exhaustive


@pytest.fixture(params=[HTTP_CLIENTS[0], *exhaustive(HTTP_CLIENTS[1:])])
def http_client(request: pytest.FixtureRequest) -> str:
    """Run a test over httpx; ``test_conformance`` has what the HTTP library decides."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True, scope="session")
def ctrl_c() -> Iterator[None]:
    """Let tests and their processes hear Ctrl-C, which they do not if whoever runs them has turned it off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=25)


@pytest.fixture(scope="session")
def switch() -> Iterator[Switch]:
    """Serve on a socket whatever a test wants to be served there."""
    switch = Switch()
    server = serve_app(switch, host="127.0.0.1", port=0)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(server) as switch.base_url:
        yield switch


@pytest.fixture
def open_client(http_client: str, request: pytest.FixtureRequest) -> OpenClient:
    """Return what makes a client that gets its answers from a script or an emulator."""
    return partial(client_of, http_client, request.getfixturevalue("switch") if http_client == "aiohttp" else None)


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
async def client(emulator: Emulator, open_client: OpenClient) -> AsyncIterator[Client]:
    async with open_client(emulator) as client:
        yield client


@pytest.fixture
def rooms(client: Client, emulator: Emulator) -> AsyncRooms:
    return AsyncRooms(client, token=emulator.token(), region=Region.US_SV, retry=ONCE)
