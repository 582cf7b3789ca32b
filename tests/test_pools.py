"""How many connections a borrowed client holds: told where it can be, and never in the way."""

from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from httpx_aiohttp import AiohttpTransport

from http_clients import CLIENTS
from netless_rooms.emulator import Emulator
from netless_rooms.http import Sender

BASE_URL = "https://api.netless.link"

both_libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def pool_size(client: Any, base_url: str = BASE_URL) -> int | None:
    return Sender(client, base_url).pool_size


def limited(of: str, most: int | None) -> Any:
    library = httpx2 if of.endswith("2") else httpx
    return CLIENTS[of](limits=library.Limits(max_connections=most))


@pytest.mark.parametrize("of", CLIENTS)
def test_the_limit_of_a_client_is_told(of: str) -> None:
    assert pool_size(limited(of, 7)) == 7
    assert pool_size(limited(of, None)) is None
    assert pool_size(CLIENTS[of]()) == 100


@pytest.mark.asyncio
@pytest.mark.parametrize("of", ["aiohttp", "aiohttp2"])
async def test_the_limit_over_aiohttp_is_the_same_once_it_is_open(of: str, emulator: Emulator) -> None:
    async with emulator.serve() as base_url:
        for most, told in ((7, 7), (None, 100)):  # aiohttp sets one of its own where none is set
            async with limited(of, most) as client:
                await client.get(base_url)
                assert pool_size(client, base_url) == told


@pytest.mark.asyncio
async def test_the_smaller_limit_of_aiohttp_counts_and_none_is_none() -> None:
    for limit, for_each_host, told in ((20, 5, 5), (5, 20, 5), (0, 5, 5), (20, 0, 20), (0, 0, None)):
        connector = aiohttp.TCPConnector(limit=limit, limit_per_host=for_each_host)
        async with aiohttp.ClientSession(connector=connector) as session:
            transport = AiohttpTransport(client=session)
            assert pool_size(httpx.AsyncClient(transport=transport)) == told


def test_a_session_of_aiohttp_is_not_made_for_the_sake_of_its_limit() -> None:
    def make() -> aiohttp.ClientSession:
        raise AssertionError

    assert pool_size(httpx.AsyncClient(transport=AiohttpTransport(client=make))) is None


@both_libraries
def test_the_limit_is_that_of_the_transport_for_the_address(library: Any) -> None:
    mounts = {
        "https://api.netless.link": library.AsyncHTTPTransport(limits=library.Limits(max_connections=3)),
        "https://mirror.example": library.AsyncHTTPTransport(
            proxy="http://proxy.example", limits=library.Limits(max_connections=4)
        ),
    }
    client = library.AsyncClient(mounts=mounts)
    assert pool_size(client) == 3
    assert pool_size(client, "https://mirror.example/prefix") == 4
    assert pool_size(client, "https://elsewhere.example") == 100


@both_libraries
def test_what_has_no_connections_tells_of_none(library: Any) -> None:
    for transport in (Emulator().transport(), library.MockTransport(lambda _: None), library.AsyncBaseTransport()):
        assert pool_size(library.AsyncClient(transport=transport)) is None


@both_libraries
def test_whatever_is_missing_or_fails_below_the_public_names_is_no_trouble(library: Any) -> None:
    class Odd(library.AsyncClient):  # type: ignore[misc]  # the library is a parameter
        def _transport_for_url(self, _: Any) -> Any:
            raise ZeroDivisionError

    class Renamed(library.AsyncBaseTransport):  # type: ignore[misc]
        _pool = object()

    class Worded(library.AsyncBaseTransport):  # type: ignore[misc]
        class _pool:  # noqa: N801  the name there
            _max_connections = "many"

    assert pool_size(Odd()) is None
    assert pool_size(library.AsyncClient(transport=Renamed())) is None
    assert pool_size(library.AsyncClient(transport=Worded())) is None
