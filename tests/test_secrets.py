"""No token comes to light: not in an error, its chain, a traceback, a log record, a local variable or a repr."""

import logging
import pickle
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest

import netless_rooms
from fakes import TOKEN, answer, room
from http_clients import Client, OpenClient, OpenRooms
from netless_rooms import AccessKey, AsyncRooms, RoomsError, TransportError
from netless_rooms.emulator import Emulator

pytestmark = pytest.mark.anyio

PACKAGE = str(Path(netless_rooms.__file__).parent)
SECRET = TOKEN.partition("_")[2]
ECHO = f"what is {TOKEN}?"
FAULTS: list[httpx.Response | httpx.RequestError] = [
    httpx.ReadTimeout(ECHO),
    httpx.RemoteProtocolError(f"illegal status line: bytearray(b'{SECRET}')"),
    httpx.ConnectError("refused"),
    httpx.Response(302, headers={"location": f"https://elsewhere.example/{TOKEN}?token={TOKEN}"}),
    httpx.Response(401, json={"message": ECHO}),
    httpx.Response(401, json={"message": "expired token"}, headers={"date": TOKEN}),
    httpx.Response(403, text=ECHO),
    httpx.Response(401, json={"message": f"cannot decode {SECRET}"}),
    httpx.Response(429, json={"message": ECHO}, headers={"retry-after": TOKEN}),
    httpx.Response(500, json={"msg": ECHO, "token": TOKEN}),
    httpx.Response(200, text=ECHO),
    httpx.Response(200, json=ECHO),
    httpx.Response(200, json=room(isBan=TOKEN)),
    httpx.Response(200, json=room(uuid=TOKEN)),
    httpx.Response(200, json={**room(isBan=1), TOKEN: [[], []]}),
]
CALLS: dict[str, Callable[[AsyncRooms], Awaitable[object]]] = {
    "create": lambda rooms: rooms.create(),
    "get": lambda rooms: rooms.get("a"),
    "walk": lambda rooms: anext(rooms.walk()),
    "scan": lambda rooms: first_of_scan(rooms, shards=1),
    "scan in shards": lambda rooms: first_of_scan(rooms, shards=3),
}


async def first_of_scan(rooms: AsyncRooms, shards: int) -> object:
    async with rooms.scan(shards=shards) as scan:
        return await anext(scan)


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_no_error_shows_the_token(
    fault: httpx.Response | httpx.RequestError, call: str, caplog: pytest.LogCaptureFixture, open_rooms: OpenRooms
) -> None:
    def script(_: httpx.Request) -> httpx.Response:
        if isinstance(fault, httpx.RequestError):
            raise fault
        return fault

    caplog.set_level(logging.DEBUG)
    async with open_rooms(script) as rooms:
        with pytest.raises(RoomsError) as caught:
            await CALLS[call](rooms)
    error = caught.value
    texts = [str(error), repr(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    texts += traceback.format_exception(error)
    assert not [text for text in texts if SECRET in text]
    assert SECRET not in caplog.text


QUIET_FAULTS = [
    httpx.ReadTimeout("slow"),
    httpx.Response(401, json={"message": "expired token"}),
    httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
    httpx.Response(200, text="no JSON"),
    httpx.Response(200, json=room(isBan="no")),
]


@pytest.mark.parametrize("fault", QUIET_FAULTS, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_no_local_variable_of_ours_shows_the_token(
    fault: httpx.Response | httpx.RequestError, call: str, open_rooms: OpenRooms
) -> None:
    def script(_: httpx.Request) -> httpx.Response:
        if isinstance(fault, httpx.RequestError):
            raise fault
        return fault

    async with open_rooms(script) as rooms:
        with pytest.raises(RoomsError) as caught:
            await CALLS[call](rooms)
    seen = [repr(value) for link in chain(caught.value) for value in locals_of_ours(link)]
    assert len(seen) > 10
    assert not [text for text in seen if SECRET in text]


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that a traceback would tell as its reason."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def locals_of_ours(error: BaseException) -> Iterator[object]:
    """Yield the local variables of the package's own frames, as a tool that reports errors records them."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename.startswith(PACKAGE):
            yield from frame.f_locals.values()


async def test_a_cause_is_left_out_only_if_it_echoes_the_token(open_rooms: OpenRooms) -> None:
    faults = iter([httpx.ReadError("cut"), httpx.ReadError(f"cut after {SECRET}")])

    def script(_: httpx.Request) -> httpx.Response:
        raise next(faults)

    async with open_rooms(script) as rooms:
        with pytest.raises(TransportError, match="ReadError: cut") as kept:
            await rooms.list()
        with pytest.raises(TransportError, match="ReadError: cut after NETLESS…") as left_out:
            await rooms.list()
    assert type(kept.value.__cause__).__name__ == "ReadError"
    assert list(chain(left_out.value)) == [left_out.value]
    assert left_out.value.__context__ is None


async def test_each_request_is_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture, open_rooms: OpenRooms
) -> None:
    answers: Iterator[httpx.Response | httpx.RequestError] = iter(
        [answer([]), answer({"message": "expired token"}, 401), answer([room()]), httpx.ReadError("cut")]
    )

    def script(_: httpx.Request) -> httpx.Response:
        said = next(answers)
        if isinstance(said, httpx.RequestError):
            raise said
        return said

    caplog.set_level(logging.DEBUG, logger="netless_rooms")
    async with open_rooms(script) as given:
        rooms = given.with_options(token=AccessKey("a", "s"))
        await rooms.list(limit=5)
        await rooms.list()
        with pytest.raises(TransportError):
            await rooms.list()
    lines = [record.getMessage() for record in caplog.records if record.name == "netless_rooms"]
    assert [re.sub(r"\d+\.\d{3} s", "_ s", line) for line in lines] == [
        "GET /v5/rooms?limit=5: 200 in _ s, attempt 1",
        "GET /v5/rooms: 401 in _ s, attempt 1",
        "GET /v5/rooms: 200 in _ s, attempt 2",
        "GET /v5/rooms: TransportError in _ s, attempt 1",
    ]
    assert {record.levelno for record in caplog.records if record.name == "netless_rooms"} == {logging.DEBUG}


async def test_nothing_of_ours_shows_a_token_or_a_key(open_client: OpenClient, emulator: Emulator) -> None:
    key = AccessKey("access", "the-secret-of-the-key")

    async def get_token() -> str:
        return TOKEN

    async with open_client(emulator) as client:
        for token in (TOKEN, key, get_token):
            rooms = AsyncRooms(client, token=token, region="sg", check_token=False)
            with pytest.raises(RoomsError):
                await rooms.list()
            caller = rooms._caller
            shown = repr([rooms, caller, caller.credentials, caller.sender])
            assert SECRET not in shown
            assert "the-secret-of-the-key" not in shown


async def test_the_emulator_records_no_token(client: Client, emulator: Emulator) -> None:
    token = emulator.token()
    rooms = AsyncRooms(client, token=token, region="sg")
    await rooms.list()
    await client.get(f"https://api.netless.link/v5/rooms?token={token}", headers={"token": token})
    assert len(emulator.requests) == 2
    assert token not in repr(emulator.requests) + repr(emulator) + repr(rooms) + repr(vars(emulator))
