"""The walk through ``AsyncRooms``, on both event loops and over every HTTP library."""

import gc
from contextlib import aclosing, suppress
from itertools import product
from typing import Any

import anyio
import httpx
import pytest
from fake_lists import GoodService

from fakes import answer, listing, room
from http_clients import OpenRooms
from netless_rooms import AsyncRooms, DecodeError, PaginationError, RoomsError, TransportError
from netless_rooms.emulator import Emulator, Quirks

pytestmark = pytest.mark.anyio

OPEN_QUESTIONS: dict[str, list[Any]] = {
    "cursor": ["inclusive", "exclusive"],
    "order": ["uuid", "creation"],
    "page_cap": [None, 2, 7],
    "short_pages": [False, True],
    "envelope": [False, True],
}
QUIRKS = [
    Quirks(**dict(zip(OPEN_QUESTIONS, answers, strict=True))) for answers in product(*OPEN_QUESTIONS.values())
]


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])  # a socket adds nothing here but time
@pytest.mark.parametrize("quirks", QUIRKS, ids=repr)
async def test_walk_is_exact_under_every_quirk(quirks: Quirks, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=41, quirks=quirks)
    there = list(emulator.uuids())
    async with open_rooms(emulator) as rooms:
        for page_size in (1, 2, 40, 1000):
            assert [room.uuid async for room in rooms.walk(page_size=page_size)] == there
            pages = [page async for page in rooms.pages(page_size=page_size, after=there[9])]
            assert [room.uuid for page in pages for room in page] == there[10:]
            assert all(1 <= len(page) <= page_size for page in pages)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 1999, 2000])
async def test_walk_is_exact_around_full_pages(count: int, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=count)
    async with open_rooms(emulator) as rooms:
        assert [room.uuid async for room in rooms.walk()] == list(emulator.uuids())


@pytest.mark.parametrize("order", ["uuid", "creation"])
async def test_rooms_may_be_disabled_and_created_in_the_loop(order: Any, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=30, quirks=Quirks(order=order))
    there = list(emulator.uuids())
    came = []
    async with open_rooms(emulator) as rooms:
        async for found in rooms.walk(page_size=4):
            came.append(found.uuid)
            if found.uuid in there:
                await rooms.disable(found.uuid)
                await rooms.create()
        disabled = [found.uuid async for found in rooms.walk() if found.is_ban]
    assert [uuid for uuid in came if uuid in there] == there
    assert len(came) == len(set(came))
    assert disabled == there


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(order=order, cursor=cursor, disabled="hidden")
        for order in ("uuid", "creation")
        for cursor in ("inclusive", "exclusive")
    ],
    ids=repr,
)
@pytest.mark.parametrize("kept", [0, 1, 29])
async def test_no_room_is_lost_where_disabling_takes_rooms_out_of_the_list(
    kept: int, quirks: Quirks, open_rooms: OpenRooms
) -> None:
    emulator = Emulator(quirks=quirks)
    for _ in range(30):
        emulator.add_room()
    there, came = list(emulator.uuids()), []
    async with open_rooms(emulator) as rooms:
        with suppress(PaginationError):  # at the end, which cannot always be told from a cursor that has gone
            async for found in rooms.walk(page_size=4):
                came.append(found.uuid)
                if there.index(found.uuid) != kept:
                    await rooms.disable(found.uuid)
        assert came == there
        assert [found.uuid async for found in rooms.walk()] == [there[kept]]


async def test_walk_over_a_socket_is_exact(emulator: Emulator) -> None:
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.token(), region="sg", base_url=base_url) as rooms,
    ):
        assert [found.uuid async for found in rooms.walk(page_size=6)] == list(emulator.uuids())


async def test_max_rooms_stops_the_walk_and_asks_for_no_more(rooms: AsyncRooms, emulator: Emulator) -> None:
    there = list(emulator.uuids())
    for most in (0, 1, 4, 5, 25, 26):
        emulator.requests.clear()
        assert [found.uuid async for found in rooms.walk(max_rooms=most, page_size=5)] == there[:most]
        if most <= 5:
            assert len(emulator.requests) == (0 if most == 0 else 1)
    assert [found.uuid async for found in rooms.walk(max_rooms=7, page_size=5)] == there[:7]
    emulator.requests.clear()
    assert len([found async for found in rooms.walk(max_rooms=3)]) == 3
    assert [asked.query for asked in emulator.requests] == ["limit=3"]


async def test_walk_begins_at_a_room_or_behind_it(rooms: AsyncRooms, emulator: Emulator) -> None:
    there = list(emulator.uuids())
    assert [found.uuid async for found in rooms.walk(begin_uuid=there[20])] == there[20:]
    assert [found.uuid async for found in rooms.walk(after=there[20])] == there[21:]
    assert [found.uuid async for found in rooms.walk(after=there[-1])] == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"begin_uuid": "a", "after": "b"}, ValueError),
        ({"begin_uuid": ""}, ValueError),
        ({"after": "../x"}, ValueError),
        ({"page_size": 0}, ValueError),
        ({"page_size": 1001}, ValueError),
        ({"page_size": True}, TypeError),
        ({"page_size": "5"}, TypeError),
    ],
)
async def test_a_wrong_argument_is_refused_at_the_call(
    rooms: AsyncRooms, emulator: Emulator, arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        rooms.walk(**arguments)
    with pytest.raises(error):
        rooms.pages(**arguments)
    with pytest.raises(ValueError, match="max_rooms must be 0 or more"):
        rooms.walk(max_rooms=-1)
    assert emulator.requests == []


async def test_a_list_that_cannot_be_walked_is_an_error_with_a_checkpoint(open_rooms: OpenRooms) -> None:
    async with open_rooms(listing(lambda _, limit: ["a", "b", "c"][:limit])) as rooms:
        came = []
        with pytest.raises(PaginationError, match="GET /v5/rooms: asked from b on, it came in place 1") as caught:
            async for found in rooms.walk(page_size=2):
                came.append(found.uuid)
    assert came == ["a", "b"]
    assert caught.value.checkpoint == "b"


async def test_no_walk_ends_quietly_on_a_list_that_jumps_back_late(open_rooms: OpenRooms) -> None:
    uuids = [f"{n:04}" for n in range(50)]
    ring = GoodService([*uuids, *uuids])
    async with open_rooms(listing(ring)) as rooms:
        came = []
        with pytest.raises(PaginationError):
            async for found in rooms.walk(page_size=7):
                came.append(found.uuid)
    assert came == uuids[: len(came)]
    assert len(came) >= 42
    assert ring.requests < 30


@pytest.mark.parametrize("fault", [httpx.ReadError("cut"), answer([room("a"), room("c", isBan="no")])], ids=repr)
@pytest.mark.parametrize("at", range(4))
async def test_a_walk_that_failed_goes_on_from_its_checkpoint(
    fault: Exception | httpx.Response, at: int, open_rooms: OpenRooms
) -> None:
    good = listing(GoodService([f"{n:04}" for n in range(10)]))
    asked = 0

    def script(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == at + 1:
            if isinstance(fault, Exception):
                raise fault
            return fault
        return good(request)

    came = []
    checkpoint = None
    async with open_rooms(script) as rooms:
        with pytest.raises((TransportError, DecodeError)) as caught:
            async for found in rooms.walk(page_size=3):
                came.append(found.uuid)
        assert isinstance(caught.value, RoomsError)
        checkpoint = caught.value.checkpoint
        assert checkpoint == (came[-1] if came else None)
        came += [found.uuid async for found in rooms.walk(after=checkpoint, page_size=3)]
    assert came == [f"{n:04}" for n in range(10)]


async def test_leaving_a_walk_early_leaves_nothing_behind(rooms: AsyncRooms, emulator: Emulator) -> None:
    async with aclosing(rooms.walk(page_size=3)) as walk:
        async for _ in walk:
            break
    with pytest.raises(ZeroDivisionError):
        async with aclosing(rooms.pages(page_size=3)) as pages:
            async for _ in pages:
                raise ZeroDivisionError
    assert len(emulator.requests) == 2
    assert len(await rooms.list()) == 25


# Trio itself warns about any generator that is forgotten; what matters is that nothing else goes wrong.
@pytest.mark.filterwarnings("ignore:Async generator 'netless_rooms:ResourceWarning")
async def test_a_forgotten_walk_is_collected_without_trouble(rooms: AsyncRooms) -> None:
    for _ in range(3):
        async for _room in rooms.walk(page_size=3):
            break
        gc.collect()
        await anyio.lowlevel.checkpoint()
    assert len(await rooms.list()) == 25


async def test_a_cancelled_walk_leaves_a_usable_client(emulator: Emulator) -> None:
    waiting = anyio.Event()
    inside = emulator.transport()

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.params.get("beginUUID"):
                waiting.set()
                await anyio.sleep_forever()
            return await inside.handle_async_request(request)

    came = []
    async with httpx.AsyncClient(transport=Hanging()) as client:
        rooms = AsyncRooms(client, token=emulator.token(), region="sg")

        async def walk() -> None:
            async with aclosing(rooms.walk(page_size=3)) as walk:
                async for found in walk:
                    came.append(found.uuid)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(walk)
            await waiting.wait()
            tasks.cancel_scope.cancel()
        assert came == list(emulator.uuids())[:3]
        assert len(await rooms.list()) == 25


async def test_many_walks_share_one_client(rooms: AsyncRooms, emulator: Emulator) -> None:
    came: list[list[str]] = []

    async def walk(page_size: int) -> None:
        came.append([found.uuid async for found in rooms.walk(page_size=page_size)])

    async with anyio.create_task_group() as tasks:
        for page_size in range(1, 9):
            tasks.start_soon(walk, page_size)
    assert came == [list(emulator.uuids())] * 8


async def test_a_walk_that_fails_before_its_first_room_goes_on_where_it_was_to_begin(
    open_rooms: OpenRooms,
) -> None:
    async with open_rooms(lambda _: httpx.Response(503)) as rooms:
        for walk, checkpoint in [
            (rooms.walk(after="b"), "b"),
            (rooms.walk(begin_uuid="b"), None),
            (rooms.walk(), None),
        ]:
            with pytest.raises(RoomsError) as caught:
                await anext(walk)
            assert caught.value.checkpoint == checkpoint
