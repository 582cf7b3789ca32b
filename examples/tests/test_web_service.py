"""The web service, called as a browser calls it."""

import logging
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from commands import start
from netless_rooms import AsyncRooms, ClientUnusableError, Role, TokenKind, verify_token
from netless_rooms.emulator import (
    BadRoom,
    Closed,
    Emulator,
    Failure,
    Fault,
    GatewayPage,
    Hang,
    Quirks,
    RecordedRequest,
)
from settings import Settings, for_emulator
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


# Rooms and tokens


@pytest.mark.parametrize("role", ["writer", "reader"])
async def test_who_opens_a_room_gets_a_ticket_for_it(app: FastAPI, netless_emulator: Emulator, role: str) -> None:
    async with browser_of(app) as browser:
        answer = await browser.post("/rooms", json={"role": role})
    assert answer.status_code == 201
    check_ticket(answer, netless_emulator, role)


@ONE_ROOM
@pytest.mark.parametrize("role", ["writer", "reader"])
async def test_who_knows_a_room_gets_a_ticket_for_it(app: FastAPI, netless_emulator: Emulator, role: str) -> None:
    async with browser_of(app) as browser:
        answer = await browser.post(f"/rooms/{ROOM}/tokens", json={"role": role})
    assert answer.status_code == 201
    assert answer.json()["uuid"] == ROOM
    check_ticket(answer, netless_emulator, role)


def check_ticket(answer: httpx.Response, emulator: Emulator, role: str) -> None:
    join_info = answer.json()
    assert set(join_info) == {"uuid", "room_token", "role", "expires_at"}
    assert emulator.room(join_info["uuid"])["isBan"] is False
    info = verify_token(join_info["room_token"], emulator.key.secret_key)
    assert (info.kind, info.uuid, info.role) == (TokenKind.ROOM, join_info["uuid"], Role[role.upper()])
    assert info.expires_at == datetime.fromisoformat(join_info["expires_at"])
    assert info.expires_at - datetime.now(UTC) <= timedelta(minutes=10)
    assert answer.headers["cache-control"] == "no-store"


@ONE_ROOM
async def test_without_a_word_about_it_who_opens_a_room_draws_and_who_comes_later_looks_on(app: FastAPI) -> None:
    async with browser_of(app) as browser:
        assert (await browser.post("/rooms")).json()["role"] == "writer"
        assert (await browser.post(f"/rooms/{ROOM}/tokens")).json()["role"] == "reader"


@ONE_ROOM
async def test_nobody_becomes_an_admin(app: FastAPI, netless_requests: list[RecordedRequest]) -> None:
    async with browser_of(app) as browser:
        assert (await browser.post("/rooms", json={"role": "admin"})).status_code == 422
        assert (await browser.post(f"/rooms/{ROOM}/tokens", json={"role": "admin"})).status_code == 422
    assert netless_requests == []


@pytest.mark.netless_emulator(add=[{"uuid": ROOM, "isBan": True, "createdAt": "2020-02-01T08:00:00.000Z"}])
async def test_a_closed_room_is_shown_and_gives_no_tickets(app: FastAPI) -> None:
    async with browser_of(app) as browser:
        shown = (await browser.get(f"/rooms/{ROOM}")).json()
        assert shown == {"uuid": ROOM, "is_open": False, "created_at": "2020-02-01T08:00:00Z"}
        assert (await browser.post(f"/rooms/{ROOM}/tokens")).status_code == 409


# Pages

READINGS = [
    Quirks(),
    Quirks(cursor="exclusive"),
    Quirks(short_pages=True),
    Quirks(order="creation", page_cap=3),
    Quirks(unknown_begin="not_found", envelope=True),
]
of_each_reading = pytest.mark.parametrize(
    "reading",
    [pytest.param(quirks, marks=pytest.mark.netless_emulator(quirks=quirks)) for quirks in READINGS],
    ids=range(len(READINGS)),
)


@of_each_reading
@pytest.mark.netless_emulator(rooms=29)
@pytest.mark.parametrize("limit", [1, 7, 29, 200])
async def test_who_follows_the_cursor_sees_every_room_once(
    app: FastAPI, netless_emulator: Emulator, limit: int, reading: Quirks
) -> None:
    async with browser_of(app) as browser:
        pages = [page async for page in each_page(browser, limit)]
    assert [room["uuid"] for page in pages for room in page] == list(netless_emulator.uuids()), reading
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


@pytest.mark.netless_emulator(rooms=29)
async def test_rooms_that_change_meanwhile_do_not_make_the_pages_skip(
    app: FastAPI, netless_emulator: Emulator, netless_client: AsyncRooms
) -> None:
    at_first = list(netless_emulator.uuids())
    view = []
    async with browser_of(app) as browser:
        async for page in each_page(browser, 4):
            view += [room["uuid"] for room in page]
            await netless_client.disable(page[-1]["uuid"])
            await netless_client.create()
    assert set(at_first) <= set(view)
    assert len(view) == len(set(view))


async def each_page(browser: httpx.AsyncClient, limit: int) -> AsyncIterator[list[dict[str, Any]]]:
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = (await browser.get("/rooms", params=params)).raise_for_status().json()
        yield page["rooms"]
        if page["next"] is None:
            return
        params["cursor"] = page["next"]


async def test_of_no_rooms_there_is_one_empty_page(app: FastAPI) -> None:
    async with browser_of(app) as browser:
        assert (await browser.get("/rooms")).json() == {"rooms": [], "next": None}


NO_CURSORS = ["", "x", "!!!!", "YWZ0ZXI", "YWZ0ZXIg", "YmVmb3JlIDE", "YWZ0ZXIg\u00e9", "_w", "YWZ0ZXIgYSBi"]


@pytest.mark.parametrize("cursor", NO_CURSORS)
async def test_a_cursor_that_is_none_is_refused(
    app: FastAPI, cursor: str, netless_requests: list[RecordedRequest]
) -> None:
    async with browser_of(app) as browser:
        answer = await browser.get("/rooms", params={"cursor": cursor})
    assert answer.status_code == 400
    assert answer.json() == {"detail": "no such cursor"}
    assert netless_requests == []


async def test_a_cursor_is_read_as_it_was_written() -> None:
    assert decode_cursor(encode_cursor(ROOM)) == ROOM
    assert ROOM not in encode_cursor(ROOM)


# Errors

FAILURES = {
    "no such room": (Failure(404), 404, None),
    "too many, and how long to wait": (Failure(429, retry_after=7), 429, "7"),
    "too many": (Failure(429), 429, None),
    "busy, and how long to wait": (Failure(503, retry_after=2), 503, "2"),
    "busy": (Failure(503), 503, None),
    "a gateway that waits in vain": (GatewayPage(504), 504, None),
    "a gateway that reaches nobody": (GatewayPage(502), 502, None),
    "a fault of the service": (Failure(500), 502, None),
    "no answer in time": (Hang(), 504, None),
    "a connection that is closed": (Closed(), 502, None),
    "an answer that cannot be read": (BadRoom(isBan="perhaps"), 502, None),
    "a wrong token": (Failure(401), 500, None),
    "a token that is not enough": (Failure(403), 500, None),
    "a request that is not understood": (Failure(400), 500, None),
}


@pytest.mark.parametrize("name", FAILURES)
@ONE_ROOM
async def test_an_error_is_answered_with_a_status_of_ours(
    name: str,
    app: FastAPI,
    netless_emulator: Emulator,
    netless_client: AsyncRooms,
    netless_faults: list[Fault | None],
) -> None:
    fault, status, wait = FAILURES[name]
    netless_faults += [fault] * 4  # as often as is tried
    if isinstance(fault, Hang):
        state = State(netless_client.with_options(timeout=0.01), netless_emulator.key)
        app.dependency_overrides[state_of] = lambda: state
    async with browser_of(app) as browser:
        answer = await browser.get(f"/rooms/{ROOM}")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == wait
    assert set(answer.json()) == {"detail"}


@pytest.mark.parametrize(("fault", "status"), [(Closed(work_done=True), 502), (Failure(503), 503)])
async def test_an_open_that_is_in_doubt_is_said_to_be_and_is_not_repeated(
    app: FastAPI,
    netless_faults: list[Fault | None],
    netless_requests: list[RecordedRequest],
    fault: Fault,
    status: int,
) -> None:
    netless_faults.append(fault)
    async with browser_of(app) as browser:
        answer = await browser.post("/rooms")
    assert answer.status_code == status
    assert "may have been created" in answer.json()["detail"]
    assert len(netless_requests) == 1


async def test_a_mistake_of_the_program_is_not_blamed_on_the_line() -> None:
    assert status_and_detail(ClientUnusableError("closed"))[0] == 500


@pytest.mark.parametrize("path", ["nowhere", "NETLESSROOM_abc", ROOM.upper(), ROOM + "0", "..%2F.."])
async def test_what_cannot_name_a_room_is_not_asked_for(
    app: FastAPI, path: str, netless_requests: list[RecordedRequest]
) -> None:
    async with browser_of(app) as browser:
        assert (await browser.get(f"/rooms/{path}")).status_code in {404, 422}
    assert netless_requests == []


@pytest.mark.netless_emulator(add=[{"uuid": ROOM}], secret_key="do-not-tell")
async def test_no_secret_is_in_an_answer_or_in_the_log(
    app: FastAPI, caplog: pytest.LogCaptureFixture, netless_faults: list[Fault | None]
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = []
    async with browser_of(app) as browser:
        for fault, _, _ in FAILURES.values():
            if not isinstance(fault, Hang):
                netless_faults += [fault] * 4
                answers.append(await browser.get(f"/rooms/{ROOM}"))
                netless_faults.clear()
        answers.append(await browser.post("/rooms"))
    info = "".join([answer.text + str(answer.headers) for answer in answers])
    assert len(caplog.records) > len(FAILURES)
    for secret in ("do-not-tell", "NETLESSSDK_"):
        assert secret not in info + caplog.text
    assert "NETLESSROOM_" not in caplog.text


@ONE_ROOM
async def test_the_log_has_what_the_visitor_does_not_see(
    app: FastAPI, caplog: pytest.LogCaptureFixture, netless_faults: list[Fault | None]
) -> None:
    netless_faults.append(Failure(403, "token access role writer forbidden"))
    async with browser_of(app) as browser:
        answer = await browser.get(f"/rooms/{ROOM}")
    assert "token" not in answer.text
    (record,) = [record for record in caplog.records if record.name == "web_service"]
    assert record.levelno == logging.ERROR
    assert "token access role writer forbidden" in record.getMessage()


# The client


@dataclass(frozen=True)
class Counting(Settings):
    """Settings that keep the clients which were opened."""

    opened: list[httpx.AsyncClient] = field(default_factory=list)

    def open_client(self) -> httpx.AsyncClient:
        self.opened.append(super().open_client())
        return self.opened[-1]


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with app.router.lifespan_context(app), browser_of(app) as browser:
        yield browser


async def test_there_is_one_client_and_it_is_closed_when_the_service_ends(netless_emulator: Emulator) -> None:
    chosen = Counting(netless_emulator.key, "us-sv", transport=netless_emulator.transport())
    app = create_app(chosen)
    assert chosen.opened == []
    async with running(app) as browser:
        for _ in range(3):
            assert (await browser.post("/rooms")).status_code == 201
        (client,) = chosen.opened
        assert not client.is_closed
    assert client.is_closed
    assert netless_emulator.room_count == 3


# The command


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
