"""How many connections a borrowed client holds: returned where it is known, and never a reason to fail."""

from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
from httpx_aiohttp import AiohttpTransport

from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms._api.transport import Transport
from netless_rooms.emulator import Emulator
from selection import exhaustive

BASE_URL = "https://api.netless.link"


def pool_size(client: Any, base_url: str = BASE_URL) -> int | None:
    return Transport(client, base_url).pool_size


def limited(name: str, most: int | None) -> Any:
    limits = (httpx2 if name.endswith("2") else httpx).Limits(max_connections=most)
    return CLIENTS[name](verify=NO_CERTIFICATES, limits=limits)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_limit_of_a_client_is_returned(name: str) -> None:
    limits = (httpx2 if name.endswith("2") else httpx).Limits
    sizes = [
        pool_size(CLIENTS[name](verify=NO_CERTIFICATES, limits=limits(max_connections=most)))
        for most in (7, 1, None)
    ]
    assert sizes == [7, 1, None]
    assert pool_size(CLIENTS[name](verify=NO_CERTIFICATES)) == 100


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["aiohttp", *exhaustive(["aiohttp2"])])
async def test_the_limit_over_aiohttp_is_the_same_once_it_is_open(name: str) -> None:
    async with peer(lambda _: on_the_wire(b"[]")) as service:
        for most, size in ((7, 7), (None, 100)):  # aiohttp sets one of its own where none is set
            async with limited(name, most) as client:
                await client.get(service.base_url)
                assert pool_size(client, service.base_url) == size


@pytest.mark.asyncio
async def test_the_smaller_limit_of_aiohttp_counts_and_zero_is_none() -> None:
    for limit, limit_per_host, size in ((20, 5, 5), (5, 20, 5), (0, 5, 5), (20, 0, 20), (0, 0, None)):
        connector = aiohttp.TCPConnector(limit=limit, limit_per_host=limit_per_host)
        async with aiohttp.ClientSession(connector=connector) as session:
            assert pool_size(httpx.AsyncClient(transport=AiohttpTransport(client=session))) == size


def test_a_session_of_aiohttp_is_not_made_for_the_sake_of_its_limit() -> None:
    def make() -> aiohttp.ClientSession:
        raise AssertionError

    assert pool_size(httpx.AsyncClient(transport=AiohttpTransport(client=make))) is None


def test_the_limit_is_that_of_the_transport_for_the_address() -> None:
    def own(most: int, **options: Any) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=most)
        return httpx.AsyncHTTPTransport(verify=NO_CERTIFICATES, limits=limits, **options)

    mounts = {BASE_URL: own(3), "https://mirror.example": own(4, proxy="http://proxy.example")}
    client = httpx.AsyncClient(mounts=mounts, verify=NO_CERTIFICATES)
    addresses = (BASE_URL, "https://mirror.example/prefix", "https://elsewhere.example")
    assert [pool_size(client, address) for address in addresses] == [3, 4, 100]


class Failing(httpx.AsyncClient):
    def _transport_for_url(self, _: httpx.URL) -> httpx.AsyncBaseTransport:
        raise ZeroDivisionError


class Renamed(httpx.AsyncBaseTransport):
    _pool = object()


class Worded(httpx.AsyncBaseTransport):
    _pool = SimpleNamespace(_max_connections="many")


def test_whatever_is_missing_or_fails_below_the_public_names_is_no_reason_to_fail() -> None:
    assert pool_size(Failing(verify=NO_CERTIFICATES)) is None
    for transport in (
        Renamed(),
        Worded(),
        Emulator().transport(),
        httpx.MockTransport(lambda _: httpx.Response(200)),
    ):
        assert pool_size(httpx.AsyncClient(transport=transport)) is None
