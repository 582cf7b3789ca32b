"""The emulator on a socket of this machine: the server's life, and each fault byte by byte."""

import json
import logging
import socket
import threading
from collections.abc import Callable
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, Final

import anyio
import httpx
import pytest
import uvicorn
from anyio.abc import SocketStream

from http_clients import CLIENTS, Switch
from netless_rooms.emulator import (
    BadRoom,
    Closed,
    Cut,
    Emulator,
    Failure,
    Fault,
    GatewayPage,
    Hang,
    NoFault,
    Slow,
    server,
)
from selection import exhaustive, on_both_loops

pytestmark = pytest.mark.anyio

NO_CERTIFICATES: Final = SSLContext(PROTOCOL_TLS_CLIENT)  # reading them takes longer than most tests


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "netless-rooms-emulator"]


@pytest.fixture
def servers_running() -> Callable[[], int]:
    """Return what counts the servers of the test; there may be one for all tests besides."""
    others = len(threads())
    return lambda: len(threads()) - others


def client_of(emulator: Emulator, url: str) -> httpx.AsyncClient:
    headers = {"token": emulator.token(), "region": "sg"}
    return httpx.AsyncClient(base_url=url, headers=headers, verify=NO_CERTIFICATES)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))]


# The server


async def test_it_serves_for_as_long_as_the_context_lasts(
    caplog: pytest.LogCaptureFixture, servers_running: Callable[[], int]
) -> None:
    caplog.set_level(logging.INFO)
    emulator = Emulator(rooms=300)
    async with emulator.serve() as url:
        assert url.startswith("http://127.0.0.1:")
        assert all(thread.daemon for thread in threads())  # or a caller that never leaves keeps the process up
        async with client_of(emulator, url) as client:
            assert len((await client.get("/v5/rooms")).json()) == 100
            assert (await client.post("/v5/rooms", json={})).status_code == 201
            answer = await client.get("/")
            assert "server" not in answer.headers
            assert len(answer.headers.get_list("date")) == 1
    assert [request.status for request in emulator.requests] == [200, 201, 404]
    assert servers_running() == 0
    async with client_of(emulator, url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
    assert logged(caplog) == []


@on_both_loops
@pytest.mark.parametrize("started", [True, False])
async def test_it_stops_when_its_caller_is_cancelled(started: bool, servers_running: Callable[[], int]) -> None:
    with anyio.CancelScope() as scope:
        if not started:
            scope.cancel()
        async with Emulator().serve():
            assert started
            scope.cancel()
            await anyio.sleep_forever()
    assert (scope.cancelled_caught, servers_running()) == (True, 0)


async def test_it_stops_when_its_caller_fails(servers_running: Callable[[], int]) -> None:
    with pytest.raises(LookupError):
        async with Emulator().serve():
            raise LookupError
    assert servers_running() == 0


async def test_two_servers_of_one_emulator_share_its_rooms() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    emulator = Emulator()
    async with emulator.serve() as one, emulator.serve(host="::1") as other:
        assert other.startswith("http://[::1]:")
        for url in (one, other):
            async with client_of(emulator, url) as client:
                assert (await client.post("/v5/rooms", json={})).status_code == 201
    assert emulator.room_count == 2


async def test_small_answers_do_not_wait_for_acknowledgements(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket, "create_server", lambda *_, **__: listener)
        async with Emulator().serve():
            assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


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


async def test_what_breaks_in_the_server_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    emulator = Emulator()
    emulator.faults.append("503")  # type: ignore[arg-type]  # what breaks it
    logger = logging.getLogger("uvicorn.error")
    filters = list(logger.filters)
    async with emulator.serve() as url, client_of(emulator, url) as client:
        assert (await client.get("/v5/rooms")).status_code == 500
        logger.warning("another server of the process")
    assert logger.filters == filters
    said = "".join(logged(caplog))
    assert "Exception in ASGI application" in said
    assert "another server of the process" in said


# Each fault on the socket


async def connect(url: str) -> SocketStream:
    return await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))


async def ask(stream: SocketStream, emulator: Emulator, target: str = "/v5/rooms") -> None:
    headers = f"Host: here\r\nAccept-Encoding: gzip\r\nToken: {emulator.token()}\r\nRegion: sg"
    await stream.send(f"GET {target} HTTP/1.1\r\n{headers}\r\n\r\n".encode())


async def read_until(stream: SocketStream, end: bytes | None) -> bytes:
    """Read up to some bytes, or with ``None`` until the other side closes properly."""
    read = b""
    with anyio.fail_after(30):
        while end is None or not read.endswith(end):
            try:
                read += await stream.receive()
            except anyio.EndOfStream:  # and not a reset
                assert end is None
                break
    return read


async def something_asked(emulator: Emulator) -> None:
    with anyio.fail_after(30):
        while not emulator.requests:  # noqa: ASYNC110  another thread puts it there, and tells nobody
            await anyio.sleep(0.001)


async def outcome_of(client: Any) -> tuple[object, ...]:
    """Return what a client can tell of the answer to a create, or of the failure to get one."""
    async with client:
        try:
            answer = await client.post("/v5/rooms", json={})
        except Exception as error:
            return type(error).__name__, str(error)
    return answer.status_code, sorted(answer.headers.items()), answer.text


# What the adapters of aiohttp make of a connection that breaks.
OF_AIOHTTP: Final[dict[type[Fault], str]] = {Closed: "ConnectTimeout", Cut: "ReadError", Hang: "ReadTimeout"}


@pytest.mark.parametrize("library", ["httpx", *exhaustive(["httpx2", "aiohttp", "aiohttp2"])])
@pytest.mark.parametrize(
    "fault",
    [
        NoFault(),
        Failure(503, "later", 2, work_done=True),
        GatewayPage(),
        Slow(0.001, 3),
        BadRoom(limit="x"),
        Closed(work_done=True),
        Cut(5),
        Hang(work_done=True),
    ],
    ids=repr,
)
async def test_a_client_sees_the_same_on_a_socket_as_in_process(
    library: str, fault: Fault, switch: Switch
) -> None:
    near, far = (Emulator(clock=lambda: 1.6e9, faults=[fault]) for _ in range(2))
    options: dict[str, Any] = {"headers": {"token": near.token(), "region": "sg"}}
    options["timeout"] = (30, 0.01 if isinstance(fault, Hang) else 30, 30, 30)
    switch.app = far.app
    expected = await outcome_of(httpx.AsyncClient(transport=near.transport(), base_url="http://here", **options))
    seen = await outcome_of(CLIENTS[library](base_url=switch.base_url, verify=NO_CERTIFICATES, **options))
    await something_asked(far)
    if library.startswith("aiohttp") and type(fault) in OF_AIOHTTP:
        assert seen[0] == OF_AIOHTTP[type(fault)]
    else:
        assert seen == expected
    assert far.requests == near.requests
    assert far.room_count == near.room_count


async def test_a_close_sends_nothing_and_ends_the_connection(switch: Switch) -> None:
    emulator = Emulator(faults=[None, Slow(0.001, 2), Closed()])
    switch.app = emulator.app
    async with await connect(switch.base_url) as stream:
        for _ in range(2):  # slow bytes do not end it
            await ask(stream, emulator)
            answer = await read_until(stream, b"[]")
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\n[]")
        await ask(stream, emulator)
        assert await read_until(stream, None) == b""


@pytest.mark.parametrize("after", [0, 150_000])
async def test_a_cut_sends_all_that_it_says_before_the_end(switch: Switch, after: int) -> None:
    emulator = Emulator(rooms=1000, faults=[Cut(after)])
    switch.app = emulator.app
    async with await connect(switch.base_url) as stream:
        await ask(stream, emulator, "/v5/rooms?limit=1000")
        head, _, body = (await read_until(stream, None)).partition(b"\r\n\r\n")
    rooms = [emulator.room(uuid) for uuid in emulator.uuids()]
    whole = json.dumps(rooms, separators=(",", ":"), ensure_ascii=False).encode()
    assert body == whole[:after]
    assert f"\r\ncontent-length: {len(whole)}\r\n".encode() in head + b"\r\n"
    assert b"content-encoding" not in head


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_hang_does_not_keep_the_server_from_stopping(
    leaves: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(server, "STOP_WITHIN", None if leaves else 0)  # with None, until the last answer has ended
    emulator = Emulator(faults=[Hang()])
    async with emulator.serve() as url:
        stream = await connect(url)
        await ask(stream, emulator)
        await something_asked(emulator)
        if leaves:
            await stream.aclose()
    async with stream:
        if not leaves:
            assert await read_until(stream, None) == b""
    assert logged(caplog) == []
