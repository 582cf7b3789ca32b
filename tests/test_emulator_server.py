"""The emulator on a socket of this machine: the server's life, and each fault byte by byte."""

import logging
import socket
import threading
from typing import Any

import anyio
import httpx
import pytest
import uvicorn

from http_clients import NO_CERTIFICATES
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, GatewayPage, Hang, Slow, server
from netless_rooms.emulator.faults import Fault, NoFault
from selection import on_both_loops

pytestmark = pytest.mark.anyio


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "netless-rooms-emulator"]


def client_of(emulator: Emulator, url: str) -> httpx.AsyncClient:
    headers = {"token": emulator.token(), "region": "sg"}
    return httpx.AsyncClient(base_url=url, headers=headers, verify=NO_CERTIFICATES, timeout=60)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))]


async def test_it_serves_for_as_long_as_the_context_lasts(caplog: pytest.LogCaptureFixture) -> None:
    """Rule: body-size."""
    caplog.set_level(logging.INFO)
    emulator = Emulator(rooms=300)
    async with emulator.serve() as url:
        assert url.startswith("http://127.0.0.1:")
        assert all(thread.daemon for thread in threads())  # or a caller that never leaves keeps the process up
        async with client_of(emulator, url) as client:
            assert len((await client.get("/v5/rooms")).json()) == 100
            assert (await client.post("/v5/rooms", json={})).status_code == 201
            assert (await client.post("/v5/rooms", content=b" " * 3_000_000)).status_code == 413
            answer = await client.get("/")
            assert "server" not in answer.headers
            assert len(answer.headers.get_list("date")) == 1
    assert [request.status for request in emulator.requests] == [200, 201, 413, 404]
    assert not threads()
    async with client_of(emulator, url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/")
    assert logged(caplog) == []


@on_both_loops
async def test_it_stops_when_its_caller_is_cancelled_or_fails() -> None:
    for started in (True, False):
        with anyio.CancelScope() as scope:
            if not started:
                scope.cancel()
            async with Emulator().serve():
                assert started
                scope.cancel()
                await anyio.sleep_forever()
        assert (scope.cancelled_caught, threads()) == (True, [])
    with pytest.raises(LookupError):
        async with Emulator().serve():
            raise LookupError
    assert not threads()


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


async def test_a_failed_start_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"cannot listen on 127.0.0.1 port {port}: "):
            async with Emulator().serve(port=port):
                pass

    async def startup(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    with pytest.raises(RuntimeError, match="did not start"):
        async with Emulator().serve():
            pass
    assert not threads()


async def test_a_client_that_sends_no_request_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket, "create_server", lambda *_, **__: listener)
        async with Emulator().serve() as url, client_of(Emulator(), url) as client:
            assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # or answers are late
            await client.get("/v5/rooms")
            async with await anyio.connect_tcp(*listener.getsockname()) as stream:
                await stream.send(b"GET /v5/rooms HT")
                with anyio.fail_after(30), pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            await client.get("/v5/rooms")  # on the connection of before, which has had a request


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


async def something_asked(emulator: Emulator) -> None:
    with anyio.fail_after(30):
        while not emulator.requests:  # noqa: ASYNC110  another thread puts it there, and tells nobody
            await anyio.sleep(0.001)


async def outcome_of(client: Any, method: str, target: str) -> tuple[object, ...]:
    """Return what a client can tell of the answer, or of the failure to get one."""
    async with client:
        try:
            answer = await client.request(method, target, json={})
        except Exception as error:
            return type(error).__name__, str(error)
    return answer.status_code, sorted(answer.headers.items()), answer.text


FAULTS = [NoFault(), Failure(503, "later", 2, work_done=True), GatewayPage(), Slow(0.001, 3), BadRoom(limit="x")]
FAULTS += [Closed(work_done=True), Hang(work_done=True)]


@pytest.mark.parametrize("fault", [*FAULTS, Cut(0), Cut(150_000)], ids=repr)  # more than a socket takes at once
async def test_a_client_sees_the_same_on_a_socket_as_without(fault: Fault) -> None:
    near, far = (Emulator(rooms=1000, clock=lambda: 1.6e9, faults=[fault]) for _ in range(2))
    options: dict[str, Any] = {"headers": {"token": near.token(), "region": "sg"}}
    options["timeout"] = (30, 0.01 if isinstance(fault, Hang) else 30, 30, 30)
    asked = ("GET", "/v5/rooms?limit=1000") if isinstance(fault, Cut) else ("POST", "/v5/rooms")
    in_process = httpx.AsyncClient(transport=near.transport(), base_url="http://here", **options)
    async with far.serve() as url:
        on_a_socket = httpx.AsyncClient(base_url=url, verify=NO_CERTIFICATES, **options)
        expected, seen = await outcome_of(in_process, *asked), await outcome_of(on_a_socket, *asked)
        await something_asked(far)
    assert seen == expected
    assert (far.requests, far.room_count) == (near.requests, near.room_count)


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_hang_does_not_keep_the_server_from_stopping(leaves: bool, caplog: Any, monkeypatch: Any) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(server, "STOP_WITHIN", None if leaves else 0)  # with None, until the last answer has ended
    emulator, seen = Emulator(faults=[Hang()]), []
    scope = anyio.CancelScope()

    async def wait(url: str) -> None:
        with scope:
            seen.append(await outcome_of(client_of(emulator, url), "GET", "/v5/rooms"))

    async with anyio.create_task_group() as group, emulator.serve() as url:
        group.start_soon(wait, url)
        await something_asked(emulator)
        if leaves:
            scope.cancel()
    closed = ("RemoteProtocolError", "Server disconnected without sending a response.")
    assert seen == ([] if leaves else [closed])
    assert logged(caplog) == []
