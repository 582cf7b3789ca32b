"""Fixtures: an emulator, and clients of every HTTP library that reach it or a script."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import settings

from contract_targets import from_variables
from fakes import ONCE, TOKEN
from http_clients import HTTP_CLIENTS, Answering, Client, OpenClient, OpenRooms, Switch, client_of, serving
from hypothesis_profiles import THOROUGH, is_thorough, table
from netless_rooms import AsyncRooms, Region
from netless_rooms.emulator import Emulator
from selection import exhaustive

# How long an example takes depends on what else the machine does.
settings.register_profile("default", deadline=None)
# For the proof of reliability, which takes many examples then, and not for the run before each commit.
settings.register_profile(THOROUGH, derandomize=False, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is opt-in: the cross products, and requests to the real service."""
    parser.addoption("--exhaustive", action="store_true", help="run the cross products and many examples too")
    parser.addoption("--live", action="store_true", help="hold the contract against the service itself too")


def pytest_configure(config: pytest.Config) -> None:
    """Select the examples; for a live run, check the settings and show no arguments, which may hold the token."""
    settings.load_profile(THOROUGH if config.getoption("--exhaustive") else "default")
    if config.getoption("--live"):
        config.option.tbstyle, config.option.showlocals = "short", False
        try:
            from_variables()
        except ValueError as lacking:
            raise pytest.UsageError(f"--live: {lacking}") from None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what a thorough run has tried."""
    if is_thorough():
        failed = sum(len(terminalreporter.getreports(outcome)) for outcome in ("failed", "error"))
        terminalreporter.section("what was tried")
        for line in table(failed):
            terminalreporter.write_line(line)


@pytest.fixture(params=["asyncio", *exhaustive(["trio"])])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run an asynchronous test on asyncio; ``on_both_loops`` is for those that depend on the loop."""
    loop: str = request.param
    return loop


@pytest.fixture(params=[HTTP_CLIENTS[0], *exhaustive(HTTP_CLIENTS[1:])])
def http_client(request: pytest.FixtureRequest) -> str:
    """Run a test over httpx; ``over_every_http_client`` is for what the HTTP library decides."""
    name: str = request.param
    return name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out aiohttp on Trio, where it does not run, and exhaustive tests unless they are asked for."""
    items[:] = [item for item in items if not is_aiohttp_on_trio(item)]
    if not config.getoption("--exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]


def is_aiohttp_on_trio(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    ids = item.callspec.id.split("-")
    return item.callspec.params.get("anyio_backend") == "trio" and any(part.startswith("aiohttp") for part in ids)


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
    with serving() as switch:
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
