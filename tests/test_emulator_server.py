"""The emulator on a socket of this machine, with callers on asyncio and Trio."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from netless_rooms.emulator import Emulator
from netless_rooms.emulator.server import serve_app

pytestmark = pytest.mark.anyio


def count_servers() -> int:
    return sum(thread.name == "netless-rooms-emulator" for thread in threading.enumerate())


@pytest.fixture
def servers_running() -> Callable[[], int]:
    """Return what counts the servers of the test; there may be one for all tests besides."""
    others = count_servers()
    return lambda: count_servers() - others


def client_of(emulator: Emulator, url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"token": emulator.token(), "region": "sg"})


async def never_answers(_: Any, receive: Any, __: Any) -> None:
    await receive()
    await anyio.sleep_forever()


async def breaks(_: Any, __: Any, ___: Any) -> None:
    raise LookupError("broken on purpose")


async def test_it_serves_for_as_long_as_the_context_lasts(
    caplog: pytest.LogCaptureFixture, servers_running: Callable[[], int]
) -> None:
    caplog.set_level(logging.DEBUG, "uvicorn")
    emulator = Emulator(rooms=300)
    async with emulator.serve() as url:
        assert url.startswith("http://127.0.0.1:")
        async with client_of(emulator, url) as client:
            assert len((await client.get("/v5/rooms")).json()) == 100
            assert (await client.post("/v5/rooms", json={})).status_code == 201
            assert "server" not in (await client.get("/")).headers
    assert [request.status for request in emulator.requests] == [200, 201, 404]
    assert servers_running() == 0
    async with client_of(emulator, url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_it_stops_when_its_caller_is_cancelled(servers_running: Callable[[], int]) -> None:
    with anyio.CancelScope() as scope:
        async with Emulator().serve():
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert servers_running() == 0


async def test_it_stops_when_its_caller_is_cancelled_before_it_started(servers_running: Callable[[], int]) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with Emulator().serve():
            pytest.fail("a cancelled caller got in")
    assert servers_running() == 0


async def test_it_stops_when_its_caller_fails(servers_running: Callable[[], int]) -> None:
    with pytest.raises(LookupError):
        async with Emulator().serve():
            raise LookupError
    assert servers_running() == 0


async def test_two_servers_of_one_emulator_share_its_rooms() -> None:
    emulator = Emulator()
    async with emulator.serve() as one, emulator.serve() as other:
        assert one != other
        async with client_of(emulator, one) as client:
            uuid = (await client.post("/v5/rooms", json={})).json()["uuid"]
        async with client_of(emulator, other) as client:
            assert (await client.get(f"/v5/rooms/{uuid}")).status_code == 200


async def test_small_answers_do_not_wait_for_acknowledgements() -> None:
    emulator = Emulator(rooms=1)
    async with emulator.serve() as url, client_of(emulator, url) as client:
        took = []
        for _ in range(15):
            begun = time.perf_counter()
            await client.get("/v5/rooms")
            took.append(time.perf_counter() - begun)
    assert median(took) < 0.03


async def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1 port {port}: "):
            async with Emulator().serve(port=port):
                pass


async def test_a_failed_start_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, servers_running: Callable[[], int]
) -> None:
    async def startup(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    with pytest.raises(RuntimeError, match="did not start"):
        async with Emulator().serve():
            pass
    assert servers_running() == 0


@pytest.mark.parametrize("anyio_backend", ["trio"])  # it waits a real second: once is enough
async def test_an_answer_under_way_does_not_keep_it_from_stopping(caplog: pytest.LogCaptureFixture) -> None:
    async with serve_app(never_answers, host="127.0.0.1", port=0) as url:
        stream = await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))
        await stream.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        await anyio.sleep(0.05)
        begun = time.perf_counter()
    await stream.aclose()
    assert time.perf_counter() - begun < 3
    assert caplog.records == []


async def test_what_breaks_in_the_server_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serve_app(breaks, host="127.0.0.1", port=0) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 500
        logging.getLogger("uvicorn.error").warning("another server of the process")
    said = [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"]
    assert any("Exception in ASGI application" in message for message in said)
    assert "another server of the process" in said


async def test_a_host_of_ip_version_6_is_in_brackets() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    emulator = Emulator()
    async with emulator.serve(host="::1") as url, client_of(emulator, url) as client:
        assert url.startswith("http://[::1]:")
        assert (await client.get("/v5/rooms")).json() == []
