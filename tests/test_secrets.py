"""No token comes to light: not in an error, its chain, a traceback, a log record or a repr."""

import logging
import pickle
import traceback

import httpx
import pytest

from netless_rooms import AsyncRooms, RoomsError
from netless_rooms.emulator import Emulator
from scripted import TOKEN, room, scripted

pytestmark = pytest.mark.anyio

ECHO = f"what is {TOKEN}?"
FAULTS: list[httpx.Response | httpx.RequestError] = [
    httpx.ReadTimeout(ECHO),
    httpx.ConnectError("refused"),
    httpx.Response(302, headers={"location": f"https://elsewhere.example/{TOKEN}?token={TOKEN}"}),
    httpx.Response(401, json={"message": ECHO}),
    httpx.Response(403, text=ECHO),
    httpx.Response(401, json={"message": f"cannot decode {TOKEN.partition('_')[2]}"}),
    httpx.Response(500, json={"msg": ECHO, "token": TOKEN}),
    httpx.Response(200, text=ECHO),
    httpx.Response(200, json=ECHO),
    httpx.Response(200, json=room(isBan=TOKEN)),
    httpx.Response(200, json=room(uuid=TOKEN)),
    httpx.Response(200, json={**room(), TOKEN: [[], []]}),
]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("call", ["create", "get", "walk"])
async def test_no_error_shows_the_token(
    fault: httpx.Response | httpx.RequestError, call: str, caplog: pytest.LogCaptureFixture
) -> None:
    def script(_: httpx.Request) -> httpx.Response:
        if isinstance(fault, httpx.RequestError):
            raise fault
        return fault

    async def ask(rooms: AsyncRooms) -> None:
        if call == "walk":
            assert [found async for found in rooms.walk()] == []
        await (rooms.create() if call == "create" else rooms.get("a"))

    caplog.set_level(logging.DEBUG, logger="netless_rooms")
    async with scripted(script) as rooms:
        try:
            await ask(rooms)
        except RoomsError as error:
            own = [str(error), repr(error), repr(vars(error)), repr(error.args)]
            if isinstance(fault, httpx.Response):  # the HTTP library's own words are its own
                own += traceback.format_exception(error)
                own.append(repr(pickle.dumps(error)))
            assert not [text for text in own if TOKEN.partition("_")[2] in text]
    assert TOKEN not in caplog.text


async def test_the_emulator_records_no_token() -> None:
    emulator = Emulator(rooms=1)
    token = emulator.token()
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=token, region="sg")
        await rooms.list()
        await client.get(f"https://api.netless.link/v5/rooms?token={token}", headers={"token": token})
    assert len(emulator.requests) == 2
    assert token not in repr(emulator.requests) + repr(emulator) + repr(rooms) + repr(vars(emulator))
