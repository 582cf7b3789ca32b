"""The web service, called as a browser calls it."""

import logging
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from commands import start, watch_clients
from netless_rooms import AsyncRooms, ClientUnusableError, Role, TokenKind, verify_token
from netless_rooms.emulator import BadRoom, Closed, Emulator, Failure, Fault, GatewayPage, Hang, Quirks
from settings import for_emulator
from web_service import State, create_app, decode_cursor, encode_cursor, state_of, status_and_detail

pytestmark = pytest.mark.anyio
ROOM = "37875f5089c611eaa629dbb375b5adfc"
ONE_ROOM = pytest.mark.netless_emulator(add=[{"uuid": ROOM}])


@pytest.fixture
def app(netless_emulator: Emulator, netless_client: AsyncRooms) -> FastAPI:
    """The application over rooms that never wait."""
    app = create_app(for_emulator(netless_emulator))
    state = State(netless_client, netless_emulator.key)
    app.dependency_overrides[state_of] = lambda: state
    return app


def browser_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_of(app) as browser:
        yield browser


@ONE_ROOM
async def test_who_opens_or_knows_a_room_gets_a_ticket_for_it(browser: Any, netless_emulator: Emulator) -> None:
    for path in ("/rooms", f"/rooms/{ROOM}/tokens"):
        for role in ("writer", "reader"):
            answer = await browser.post(path, json={"role": role})
            assert answer.status_code == 201
            assert answer.headers["cache-control"] == "no-store"
            join_info = answer.json()
            assert set(join_info) == {"uuid", "room_token", "role", "expires_at"}
            assert netless_emulator.room(join_info["uuid"])["isBan"] is False
            assert (join_info["uuid"] == ROOM) is ("tokens" in path)
            info = verify_token(join_info["room_token"], netless_emulator.key.secret_key)
            assert (info.kind, info.uuid, info.role) == (TokenKind.ROOM, join_info["uuid"], Role[role.upper()])
            assert info.expires_at == datetime.fromisoformat(join_info["expires_at"])
            assert info.expires_at - datetime.now(UTC) <= timedelta(minutes=10)


@ONE_ROOM
async def test_who_opens_a_room_draws_and_nobody_becomes_an_admin(browser: Any, netless_emulator: Any) -> None:
    for path in ("/rooms", f"/rooms/{ROOM}/tokens"):
        assert (await browser.post(path, json={"role": "admin"})).status_code == 422
    assert netless_emulator.requests == []
    assert (await browser.post("/rooms")).json()["role"] == "writer"
    assert (await browser.post(f"/rooms/{ROOM}/tokens")).json()["role"] == "reader"


@pytest.mark.netless_emulator(add=[{"uuid": ROOM, "isBan": True, "createdAt": "2020-02-01T08:00:00.000Z"}])
async def test_a_closed_room_is_shown_and_gives_no_tickets(browser: httpx.AsyncClient) -> None:
    shown = (await browser.get(f"/rooms/{ROOM}")).json()
    assert shown == {"uuid": ROOM, "is_open": False, "created_at": "2020-02-01T08:00:00Z"}
    assert (await browser.post(f"/rooms/{ROOM}/tokens")).status_code == 409


@pytest.mark.netless_emulator(rooms=29, quirks=Quirks(short_pages=True))
async def test_who_follows_the_cursor_sees_every_room_once(browser: Any, netless_emulator: Emulator) -> None:
    for limit in (1, 7, 29, 200):
        pages = [page async for page in each_page(browser, limit)]
        assert [room["uuid"] for page in pages for room in page] == list(netless_emulator.uuids())
        assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert 0 < len(pages[-1]) <= limit


async def each_page(browser: httpx.AsyncClient, limit: int) -> AsyncIterator[list[dict[str, Any]]]:
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = (await browser.get("/rooms", params=params)).raise_for_status().json()
        yield page["rooms"]
        if page["next"] is None:
            return
        params["cursor"] = page["next"]


NO_CURSORS = ["", "x", "!!!!", "YWZ0ZXI", "YWZ0ZXIg", "YmVmb3JlIDE", "YWZ0ZXIg\u00e9", "_w", "YWZ0ZXIgYSBi"]
NO_UUIDS = ["NETLESSROOM_abc", "a%20b", "%C3%A9", ROOM * 5, "..%2F.."]


async def test_no_cursor_and_no_uuid_is_asked_for(browser: httpx.AsyncClient, netless_emulator: Emulator) -> None:
    for cursor in NO_CURSORS:
        answer = await browser.get("/rooms", params={"cursor": cursor})
        assert (answer.status_code, answer.json()) == (400, {"detail": "no such cursor"})
    for path in NO_UUIDS:
        assert (await browser.get(f"/rooms/{path}")).status_code in {404, 422}
    assert netless_emulator.requests == []
    assert (await browser.get("/rooms")).json() == {"rooms": [], "next": None}
    assert decode_cursor(encode_cursor(ROOM)) == ROOM
    assert ROOM not in encode_cursor(ROOM)


FAILURES: list[tuple[Fault, int, str | None]] = [
    (Failure(404), 404, None),
    *((Failure(429, retry_after=7), 429, "7"), (Failure(429), 429, None)),
    *((Failure(503, retry_after=2), 503, "2"), (Failure(503), 503, None)),
    *((GatewayPage(504), 504, None), (GatewayPage(502), 502, None), (Failure(500), 502, None)),
    *((Hang(), 504, None), (Closed(), 502, None), (BadRoom(isBan="perhaps"), 502, None)),
    *((Failure(status), 500, None) for status in (400, 401, 403)),  # a mistake of ours
]


@pytest.mark.netless_emulator(add=[{"uuid": ROOM}], secret_key="do-not-tell")
async def test_an_error_is_answered_with_a_status_of_ours_and_shows_no_secret(
    app: FastAPI, browser: httpx.AsyncClient, netless_emulator: Emulator, netless_client: AsyncRooms, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = ""
    for fault, status, wait in FAILURES:
        netless_emulator.faults[:] = [fault] * 4  # as often as is tried
        timeout = 0.01 if isinstance(fault, Hang) else 10
        rooms = netless_client.with_options(timeout=timeout)
        app.dependency_overrides[state_of] = partial(State, rooms, netless_emulator.key)
        answer = await browser.get(f"/rooms/{ROOM}")
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, wait), fault
        assert set(answer.json()) == {"detail"}
        shown += answer.text + str(answer.headers)
    netless_emulator.faults.clear()
    shown += (await browser.post("/rooms")).text
    assert len(caplog.records) > len(FAILURES)
    for secret in ("do-not-tell", "NETLESSSDK_"):
        assert secret not in shown + caplog.text
    assert "NETLESSROOM_" not in caplog.text
    assert status_and_detail(ClientUnusableError("closed"))[0] == 500  # a mistake of ours too


async def test_an_open_that_is_in_doubt_is_not_repeated(browser: Any, netless_emulator: Emulator) -> None:
    faults: list[tuple[Fault, int]] = [(Closed(work_done=True), 502), (Failure(503), 503)]
    for number, (fault, status) in enumerate(faults, 1):
        netless_emulator.faults.append(fault)
        answer = await browser.post("/rooms")
        assert answer.status_code == status
        assert "may have been created" in answer.json()["detail"]
        assert len(netless_emulator.requests) == number


@ONE_ROOM
async def test_the_log_has_what_the_visitor_does_not_see(browser: Any, netless_emulator: Any, caplog: Any) -> None:
    netless_emulator.faults.append(Failure(403, "token access role writer forbidden"))
    assert "token" not in (await browser.get(f"/rooms/{ROOM}")).text
    (record,) = [record for record in caplog.records if record.name == "web_service"]
    assert record.levelno == logging.ERROR
    assert "token access role writer forbidden" in record.getMessage()


async def test_the_one_client_is_closed_when_the_service_ends(netless_emulator: Any, monkeypatch: Any) -> None:
    opened = watch_clients(monkeypatch)
    app = create_app(for_emulator(netless_emulator))
    assert opened == []
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        for _ in range(3):
            assert (await browser.post("/rooms")).status_code == 201
        (client,) = opened
        assert not client.is_closed
    assert client.is_closed
    assert netless_emulator.room_count == 3


def test_the_command_serves_until_ctrl_c(tmp_path: Path) -> None:
    service = start("web_service.py", "--emulator", "--port", "0", cwd=tmp_path)
    assert service.stderr is not None
    info = ""
    with service:
        try:
            for line in service.stderr:
                info += line
                if running_on := re.search(r"running on (http://\S+)", line):
                    break
            assert running_on, info
            opened = httpx.post(f"{running_on[1]}/rooms")
            page = httpx.get(f"{running_on[1]}/rooms", params={"limit": 200}).json()
        finally:
            service.send_signal(signal.SIGINT)
        info += "".join(service.communicate())
    assert opened.status_code == 201
    assert len(page["rooms"]) == 200
    assert service.returncode == 0, info
    assert "Traceback" not in info
    assert "NETLESS" not in info
