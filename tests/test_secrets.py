"""No text of ours shows a token or a secret: no error, traceback, log record, local variable or repr."""

import logging
import pickle
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from traceback import format_exception, walk_tb
from typing import Any, Final
from unittest.mock import AsyncMock, Mock

import pytest
from httpx import ConnectError, ReadTimeout, RemoteProtocolError, RequestError, Response

import netless_rooms
from fakes import ONCE, TOKEN, room
from http_clients import OpenClient, OpenRooms
from netless_rooms import AccessKey, AsyncRooms, Role, RoomsError
from netless_rooms.emulator import Emulator

pytestmark = pytest.mark.anyio
PACKAGE: Final = str(Path(netless_rooms.__file__).parent)
SECRET: Final = TOKEN.partition("_")[2]
ECHO: Final = f"what is {TOKEN}?"
KEY: Final = AccessKey("access", "the-secret-of-the-key")
ELSEWHERE: Final = "https://elsewhere.example/"
EXPIRED: Final = "expired token"
ECHOES: Final[list[Response | RequestError]] = [
    *(ReadTimeout(ECHO), RemoteProtocolError(f"illegal status line: bytearray(b'{SECRET}')")),
    Response(302, headers={"location": f"{ELSEWHERE}{TOKEN}?token={TOKEN}"}),
    *(Response(401, json={"message": words}) for words in (ECHO, f"cannot decode {SECRET}")),
    Response(401, json={"message": EXPIRED}, headers={"date": TOKEN}),
    *(Response(status, text=ECHO) for status in (403, 200)),  # a page of a gateway; a success that is not JSON
    Response(429, json={"message": ECHO}, headers={"retry-after": TOKEN}),
    Response(500, json={"msg": ECHO, "token": TOKEN}),
    *(Response(200, json=odd) for odd in (ECHO, room(isBan=TOKEN), room(uuid=TOKEN), [room(isBan=TOKEN)])),
    Response(200, json={**room(isBan=1), TOKEN: [[], []]}),
]
QUIET: Final[list[Response | RequestError]] = [
    *(ReadTimeout("slow"), ConnectError("refused")),
    *(Response(401, json={"message": EXPIRED}), Response(302, headers={"location": ELSEWHERE})),
    *(Response(200, text="no JSON"), Response(200, json=room(isBan="no"))),
]


async def first_scanned(shards: int, rooms: AsyncRooms) -> object:
    async with rooms.scan(shards=shards) as scan:
        return await anext(scan)


CALLS: Final[list[Callable[[AsyncRooms], Awaitable[object]]]] = [
    *(AsyncRooms.create, lambda rooms: rooms.get("a"), lambda rooms: anext(rooms.walk())),
    *(partial(first_scanned, shards) for shards in (1, 3)),
]


@pytest.mark.parametrize("fault", [*ECHOES, *QUIET], ids=repr)
async def test_no_text_of_ours_shows_the_token(fault: Any, caplog: Any, open_rooms: OpenRooms) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with open_rooms(Mock(side_effect=[fault] * 9)) as rooms:
        for call in CALLS:
            with pytest.raises(RoomsError) as caught:
                await call(rooms)
            error = caught.value
            shown += [str(error), repr(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
            shown += format_exception(error)
            shown += [repr(link.request.headers) for link in chain(error) if isinstance(link, RequestError)]
            if fault in QUIET:  # the locals of an answer that echoes the token hold that answer
                frames = [frame for link in chain(error) for frame, _ in walk_tb(link.__traceback__)]
                shown += [repr(frame.f_locals) for frame in frames if PACKAGE in frame.f_code.co_filename]
    assert len(shown) > 40
    assert not [text for text in shown if SECRET in text]
    assert SECRET not in caplog.text


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that a traceback shows as its reason."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


async def test_no_repr_or_record_shows_a_secret(open_client: OpenClient, emulator: Emulator) -> None:
    async with open_client(emulator) as client:
        for token in (TOKEN, KEY, AsyncMock(return_value=TOKEN)):
            rooms = AsyncRooms(client, token=token, region="sg", check_token=False, retry=ONCE)
            session = rooms._session
            await session.provider.token_for(Role.WRITER)  # which it holds then
            shown = repr([rooms, session, session.provider, session.transport, KEY])
            assert not [secret for secret in (SECRET, KEY.secret_key, "NETLESS") if secret in shown]
        emulator.requests.clear()
        good = emulator.token()
        rooms = AsyncRooms(client, token=good, region="sg")
        await rooms.list()
        await client.get(f"https://api.netless.link/v5/rooms?token={good}", headers={"token": good})
    assert len(emulator.requests) == 2
    assert good not in repr(emulator.requests) + repr(emulator) + repr(rooms) + repr(vars(emulator))
