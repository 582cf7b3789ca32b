"""Faults as clients meet them: in process and on a socket, over each HTTP library, on both event loops."""

import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, Final

import anyio
import httpx
import pytest
import trio
from anyio.abc import SocketStream
from trio.testing import MockClock

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
    Quirks,
    Slow,
    server,
)
from netless_rooms.http import ConnectionClosedError

pytestmark = pytest.mark.anyio

LINES: Final = ("httpx", "httpx2", *(f"{library} on a socket" for library in CLIENTS))
URL: Final = "http://emulated"
NO_CERTIFICATES: Final = SSLContext(PROTOCOL_TLS_CLIENT)  # reading them takes longer than most tests

Connect = Callable[..., Any]


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def connect(line: str, request: pytest.FixtureRequest) -> Connect:
    """Return what makes a bare client that reaches an emulator over the line."""
    library, _, far = line.partition(" on a ")
    switch: Switch | None = request.getfixturevalue("switch") if far else None

    def connected(emulator: Emulator, **options: Any) -> Any:
        options |= {"headers": {"token": emulator.token(), "region": "sg"}, "verify": NO_CERTIFICATES}
        if switch is None:
            return CLIENTS[library](transport=emulator.transport(), base_url=URL, **options)
        switch.app = emulator.app
        return CLIENTS[library](base_url=switch.base_url, **options)

    return connected


async def error_of(client: Any, method: str = "POST", **options: Any) -> Any:
    """Return what a request ends with, in the words of who says it first.

    A create by default: aiohttp asks once more, by itself, where the connection of a GET was closed.
    """
    with pytest.raises(Exception) as caught:  # noqa: PT011  which one it is, is what is asked for
        await client.request(method, "/v5/rooms", **({"json": {}} if method == "POST" else {}), **options)
    error: Any = caught.value
    assert type(error).__module__ in {"httpx", "httpx2"}
    assert error.request.method == method
    return error


def statuses(emulator: Emulator) -> list[int | None]:
    return [request.status for request in emulator.requests]


async def something_asked(emulator: Emulator) -> None:
    with anyio.fail_after(30):
        while not emulator.requests:  # noqa: ASYNC110  another thread puts it there, and tells nobody
            await anyio.sleep(0.005)


# Each fault


@pytest.mark.parametrize("work_done", [False, True])
async def test_a_failure_is_an_answer_like_others(connect: Connect, work_done: bool) -> None:
    emulator = Emulator(clock=lambda: 1.6e9, faults=[Failure(503, "later", 2, work_done=work_done)])
    async with connect(emulator) as client:
        answer = await client.post("/v5/rooms", json={})
        await client.post("/v5/rooms", json={})
    assert (answer.status_code, answer.json()) == (503, {"message": "later"})
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers.get_list("date") == ["Sun, 13 Sep 2020 12:26:40 GMT"]
    assert statuses(emulator) == [503, 201]
    assert emulator.room_count == 1 + work_done


@pytest.mark.parametrize("work_done", [False, True])
async def test_a_gateways_page_is_html(connect: Connect, work_done: bool) -> None:
    emulator = Emulator(faults=[GatewayPage(work_done=work_done)])
    async with connect(emulator) as client:
        answer = await client.post("/v5/rooms", json={})
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")
    assert (statuses(emulator), emulator.room_count) == ([502], int(work_done))


@pytest.mark.parametrize("work_done", [False, True])
async def test_a_closed_connection_is_one_that_broke(connect: Connect, line: str, work_done: bool) -> None:
    emulator = Emulator(faults=[None, Closed(work_done=work_done)])
    async with connect(emulator) as client:
        assert (await client.post("/v5/rooms", json={})).status_code == 201
        error = await error_of(client)
        assert (await client.post("/v5/rooms", json={})).status_code == 201
    if "aiohttp" in line:
        assert type(error).__name__ == "ConnectTimeout"
        assert type(error.__cause__).__name__ == "ServerDisconnectedError"
    else:
        assert type(error).__name__ == "RemoteProtocolError"
        assert str(error) == "Server disconnected without sending a response."
    assert (statuses(emulator), emulator.room_count) == ([201, None, 201], 2 + work_done)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("after", [0, 1000, 10**9])
async def test_a_cut_page_is_one_that_broke(connect: Connect, line: str, coding: str, after: int) -> None:
    emulator = Emulator(rooms=100, faults=[Cut(after)])
    async with connect(emulator) as client:
        error = await error_of(client, "GET", headers={"accept-encoding": coding})
        whole = await client.get("/v5/rooms", headers={"accept-encoding": "identity"})
    size = len(whole.content)
    came = min(after, size - 1)
    if "aiohttp" in line:
        assert (type(error).__name__, type(error.__cause__).__name__) == ("ReadError", "ClientPayloadError")
        assert f"(received {came} of {size} bytes)" in str(error)
    else:
        assert type(error).__name__ == "RemoteProtocolError"
        assert str(error) == (
            "peer closed connection without sending complete message body "
            f"(received {came} bytes, expected {size})"
        )
    assert statuses(emulator) == [200, 200]


async def test_the_work_behind_a_cut_answer_is_done(connect: Connect) -> None:
    emulator = Emulator(faults=[Cut()])
    async with connect(emulator) as client:
        await error_of(client)
    assert (statuses(emulator), emulator.room_count) == ([201], 1)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
async def test_a_slow_answer_comes_late_and_whole(connect: Connect, coding: str) -> None:
    emulator = Emulator(rooms=100, faults=[Slow(0.01, 3), NoFault(on="list")])
    async with connect(emulator) as client:
        begun = time.perf_counter()
        slow = await client.get("/v5/rooms", headers={"accept-encoding": coding})
        assert time.perf_counter() - begun > 0.025
        fast = await client.get("/v5/rooms")
    assert (slow.status_code, slow.json()) == (200, fast.json())
    assert slow.headers["content-length"] == str(len(slow.content))
    assert statuses(emulator) == [200, 200]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize(("pause", "comes"), [(29, True), (31, False)])
def test_the_time_for_one_read_begins_anew_with_every_piece(library: str, pause: float, comes: bool) -> None:
    emulator = Emulator(faults=[Slow(pause, 2)])

    async def ask() -> None:
        async with CLIENTS[library](transport=emulator.transport(), base_url=URL, timeout=30) as client:
            if comes:
                assert (await client.get("/v5/rooms")).status_code == 401
                assert anyio.current_time() - begun == 2 * pause
            else:
                assert repr(await error_of(client, "GET")) == "ReadTimeout('')"  # as the real one, without words
                assert anyio.current_time() - begun == 30

    clock = MockClock(autojump_threshold=0)
    begun = clock.current_time()
    trio.run(ask, clock=clock)


@pytest.mark.parametrize(
    ("fault", "status", "count"),
    [(Slow(60), 201, 1), (Hang(), None, 0), (Hang(work_done=True), None, 1)],
    ids=repr,
)
async def test_a_silence_longer_than_one_read_may_take_is_a_timeout(
    connect: Connect, fault: Fault, status: int | None, count: int
) -> None:
    emulator = Emulator(faults=[fault])
    async with connect(emulator) as client:
        begun = time.perf_counter()
        error = await error_of(client, timeout=(30, 0.03, 30, 30))
        assert time.perf_counter() - begun > 0.025
        await something_asked(emulator)
    assert type(error).__name__ == "ReadTimeout"
    assert (statuses(emulator), emulator.room_count) == ([status], count)


async def test_a_client_without_a_timeout_waits_until_it_is_cancelled(connect: Connect) -> None:
    emulator = Emulator(faults=[Hang()])

    async def lose_patience() -> None:
        await something_asked(emulator)
        await anyio.sleep(0.03)
        group.cancel_scope.cancel()

    async with connect(emulator, timeout=None) as client, anyio.create_task_group() as group:
        group.start_soon(lose_patience)
        pytest.fail(f"answered with {await client.get('/v5/rooms')}")
    assert statuses(emulator) == [None]


@pytest.mark.parametrize("envelope", [False, True])
async def test_a_bad_room_is_bad_on_the_line_and_good_in_the_service(connect: Connect, envelope: bool) -> None:
    emulator = Emulator(
        rooms=9,
        quirks=Quirks(envelope=envelope),
        faults=[BadRoom(-1, limit=...), BadRoom(isBan="no", on="set-ban"), BadRoom(uuid=5, on="create")],
    )
    uuids = list(emulator.uuids())
    good = [emulator.room(uuid) for uuid in uuids]
    async with connect(emulator) as client:
        page, got, banned, created = [
            answer.json()["body"] if envelope else answer.json()
            for answer in (
                await client.get("/v5/rooms"),
                await client.get(f"/v5/rooms/{uuids[0]}"),
                await client.patch(f"/v5/rooms/{uuids[1]}", json={"isBan": True}),
                await client.post("/v5/rooms", json={}),
            )
        ]
    assert page == [*good[:-1], {name: value for name, value in good[-1].items() if name != "limit"}]
    assert got == good[0]
    assert banned == good[1] | {"isBan": "no"}
    assert created["uuid"] == 5
    assert emulator.room(uuids[1])["isBan"] is True
    assert emulator.room(uuids[-1]) == good[-1]
    assert (emulator.room_count, emulator.faults) == (10, [])


async def test_a_failure_is_spelled_as_the_quirks_say() -> None:
    emulator = Emulator(quirks=Quirks(envelope=True), faults=[Failure(500, "no"), GatewayPage(500)])
    async with httpx.AsyncClient(transport=emulator.transport(), base_url=URL) as client:
        assert (await client.get("/v5/rooms")).json() == {"status": 500, "body": {"message": "no"}}
        assert (await client.get("/v5/rooms")).text.startswith("<html>")


async def test_a_fault_does_not_ask_for_a_token_or_a_path(connect: Connect) -> None:
    emulator = Emulator(faults=[Failure(500), None, Failure(500, on="list")])
    async with connect(emulator) as client:
        assert (await client.put("/nowhere", headers={"token": ""})).status_code == 500
        assert (await client.put("/nowhere")).status_code == 404
        assert (await client.put("/nowhere")).status_code == 404
        assert (await client.get("/v5/rooms", headers={"token": ""})).status_code == 500
    assert emulator.faults == []


async def test_the_script_goes_on_where_a_test_changes_it(connect: Connect) -> None:
    emulator = Emulator(faults=[Failure(500)] * 3)
    async with connect(emulator) as client:
        assert (await client.get("/v5/rooms")).status_code == 500
        emulator.faults[:] = [None, Failure(429)]
        assert [(await client.get("/v5/rooms")).status_code for _ in range(3)] == [200, 429, 200]


@pytest.mark.parametrize("library", ["aiohttp", "aiohttp2"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_aiohttp_asks_once_more_where_a_get_was_closed(library: str, switch: Switch) -> None:
    emulator = Emulator(faults=[Closed()])
    switch.app = emulator.app
    async with CLIENTS[library](verify=NO_CERTIFICATES) as client:
        assert (await client.get(f"{switch.base_url}/v5/rooms")).status_code == 401
    assert statuses(emulator) == [None, 401]


def test_every_fault_is_taken_once_by_whichever_thread() -> None:
    emulator = Emulator(faults=[Failure(503), None] * 50)
    answered: list[int] = []

    async def ask() -> None:
        async with httpx.AsyncClient(transport=emulator.transport(), base_url=URL) as client:
            for _ in range(25):
                answered.append((await client.get("/v5/rooms")).status_code)

    threads = [threading.Thread(target=anyio.run, args=(ask,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(answered), emulator.faults) == ([401] * 50 + [503] * 50, [])


# Byte by byte, on a socket


@asynccontextmanager
async def plugged(emulator: Emulator, switch: Switch) -> AsyncIterator[SocketStream]:
    """Connect to the emulator without any HTTP library."""
    switch.app = emulator.app
    stream = await anyio.connect_tcp("127.0.0.1", int(switch.base_url.rpartition(":")[2]))
    async with stream:
        yield stream


async def ask(stream: SocketStream, emulator: Emulator, target: str = "/v5/rooms") -> None:
    headers = f"Host: here\r\nAccept-Encoding: gzip\r\nToken: {emulator.token()}\r\nRegion: sg"
    await stream.send(f"GET {target} HTTP/1.1\r\n{headers}\r\n\r\n".encode())


async def read_page(stream: SocketStream) -> bytes:
    read = b""
    with anyio.fail_after(5):
        while not read.endswith(b"]"):
            read += await stream.receive()
    return read


async def read_to_the_end(stream: SocketStream) -> bytes:
    read = b""
    with anyio.fail_after(5):
        while True:
            try:
                read += await stream.receive()
            except anyio.EndOfStream:  # and not a reset
                return read


async def test_a_close_sends_nothing_and_ends_the_connection(switch: Switch) -> None:
    emulator = Emulator(rooms=1, faults=[None, Closed()])
    async with plugged(emulator, switch) as stream:
        await ask(stream, emulator)
        assert (await read_page(stream)).startswith(b"HTTP/1.1 200 ")
        await ask(stream, emulator)
        assert await read_to_the_end(stream) == b""


@pytest.mark.parametrize("after", [0, 1, 150_000])
async def test_a_cut_sends_all_that_it_says_before_the_end(switch: Switch, after: int) -> None:
    emulator = Emulator(rooms=1000, faults=[Cut(after)])
    async with plugged(emulator, switch) as stream:
        await ask(stream, emulator, "/v5/rooms?limit=1000")
        head, _, body = (await read_to_the_end(stream)).partition(b"\r\n\r\n")
    rooms = [emulator.room(uuid) for uuid in emulator.uuids()]
    whole = json.dumps(rooms, separators=(",", ":"), ensure_ascii=False).encode()
    assert body == whole[:after]
    assert f"\r\ncontent-length: {len(whole)}\r\n".encode() in head + b"\r\n"
    assert b"content-encoding" not in head


async def test_a_connection_goes_on_behind_slow_bytes(switch: Switch) -> None:
    emulator = Emulator(faults=[Slow(0.01, 2)])
    async with plugged(emulator, switch) as stream:
        for _ in range(2):
            await ask(stream, emulator)
            answer = await read_page(stream)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\n[]")


async def test_a_hanging_answer_ends_in_silence_when_the_server_stops(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(server, "STOP_WITHIN", 0)
    emulator = Emulator(faults=[Hang()])
    async with emulator.serve() as url:
        stream = await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2]))
        await ask(stream, emulator)
        await something_asked(emulator)
    async with stream:
        assert await read_to_the_end(stream) == b""
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))] == []


@pytest.mark.parametrize("fault", [Hang(), Slow(60), Closed(), Cut(0)], ids=repr)
async def test_a_client_that_left_does_not_keep_the_server_from_stopping(
    fault: Fault, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(server, "STOP_WITHIN", 60)
    emulator = Emulator(faults=[fault])
    async with emulator.serve() as url:
        async with await anyio.connect_tcp("127.0.0.1", int(url.rpartition(":")[2])) as stream:
            await ask(stream, emulator)
            await something_asked(emulator)
        begun = time.perf_counter()
    assert time.perf_counter() - begun < 20
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "asyncio"))] == []


# In somebody else's server


async def played(emulator: Emulator, *, leave: bool = False, **scope: Any) -> list[dict[str, Any]]:
    """Return what the application sends under a server of which it knows nothing."""
    sent: list[dict[str, Any]] = []
    messages = [{"type": "http.request", "body": b""}, {"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        if not leave:
            await anyio.sleep_forever()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append({**message, "at": anyio.current_time()})

    asked = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], **scope}
    try:
        await emulator.app(asked, receive, send)
    except ConnectionClosedError as error:
        sent.append({"type": "raised", "words": str(error)})
    return sent


@pytest.mark.parametrize("scope", [{}, {"state": {}}])
async def test_where_it_cannot_close_it_raises(scope: dict[str, Any]) -> None:
    emulator = Emulator(faults=[Closed(), Cut(5)])
    start, _, raised = await played(emulator, **scope)
    assert start["status"] == 500
    assert raised["words"] == "Server disconnected without sending a response."
    start, body, raised = await played(emulator, **scope)
    assert (start["status"], body["body"], body["more_body"]) == (404, b'{"mes', True)
    assert raised["words"].endswith("(received 5 bytes, expected 26)")


@pytest.mark.parametrize(("fault", "sent"), [(Hang(), []), (Slow(60), ["http.response.start"])], ids=repr)
async def test_it_sends_nothing_more_once_the_client_has_left(fault: Fault, sent: list[str]) -> None:
    emulator = Emulator(faults=[fault])
    with anyio.fail_after(5):
        assert [message["type"] for message in await played(emulator, leave=True)] == sent


def test_slow_bytes_come_behind_the_headers_and_one_after_the_other() -> None:
    clock = MockClock(autojump_threshold=0)
    emulator = Emulator(faults=[Slow(10, 2)])
    sent = trio.run(played, emulator, clock=clock)
    assert [message.get("body") for message in sent] == [None, b'{"message":"n', b'o such path"}']
    assert [message.get("more_body") for message in sent] == [None, True, False]
    assert [message["at"] - sent[0]["at"] for message in sent] == [0, 10, 20]


async def test_the_servers_way_to_close_is_taken_where_there_is_one() -> None:
    left = anyio.Event()

    async def receive() -> dict[str, Any]:
        if emulator.requests:
            await left.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        pytest.fail(f"sent {message}")

    emulator = Emulator(faults=[Closed()])
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    with anyio.fail_after(5):
        await emulator.app({**scope, "state": {"netless_rooms.close": left.set}}, receive, send)
