"""The walk through ``AsyncRooms``: what the cursor decides, over requests."""

import gc
from contextlib import aclosing, suppress
from itertools import product
from typing import Any

import anyio
import httpx
import pytest

from fakes import answer, listing, room
from http_clients import OpenRooms
from netless_rooms import AsyncRooms, DecodeError, PaginationError, RoomsError, TransportError
from netless_rooms.emulator import Emulator, Quirks
from selection import exhaustive, on_both_loops

pytestmark = pytest.mark.anyio

OPEN_QUESTIONS: dict[str, list[Any]] = {
    "cursor": ["inclusive", "exclusive"],
    "order": ["uuid", "creation"],
    "page_cap": [None, 2, 7],
    "short_pages": [False, True],
    "envelope": [False, True],
}
ALL_QUIRKS = [Quirks(**dict(zip(OPEN_QUESTIONS, each, strict=True))) for each in product(*OPEN_QUESTIONS.values())]
QUIRKS = [Quirks(), Quirks(cursor="exclusive", order="creation", page_cap=7), *exhaustive(ALL_QUIRKS)]


@pytest.mark.parametrize("quirks", QUIRKS, ids=repr)
async def test_a_walk_is_exact_under_every_quirk(quirks: Quirks, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=41, quirks=quirks)
    uuids = list(emulator.uuids())
    async with open_rooms(emulator) as rooms:
        for page_size in (1, 2, 40, 1000):
            assert [room.uuid async for room in rooms.walk(page_size=page_size)] == uuids
            pages = [page async for page in rooms.pages(page_size=page_size, after=uuids[9])]
            assert [room.uuid for page in pages for room in page] == uuids[10:]
            assert all(1 <= len(page) <= page_size for page in pages)


@pytest.mark.parametrize("count", [0, 1, 1000, *exhaustive([999, 1001, 1999, 2000])])
async def test_a_walk_is_exact_around_full_pages(count: int, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=count)
    async with open_rooms(emulator) as rooms:
        assert [room.uuid async for room in rooms.walk()] == list(emulator.uuids())


@pytest.mark.parametrize("order", ["uuid", *exhaustive(["creation"])])
async def test_rooms_may_be_disabled_and_created_in_the_loop(order: Any, open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=30, quirks=Quirks(order=order))
    uuids = list(emulator.uuids())
    walked = []
    async with open_rooms(emulator) as rooms:
        async for found in rooms.walk(page_size=4):
            walked.append(found.uuid)
            if found.uuid in uuids:
                await rooms.disable(found.uuid)
                await rooms.create()
        assert [found.uuid async for found in rooms.walk() if found.is_ban] == uuids
    assert [uuid for uuid in walked if uuid in uuids] == uuids
    assert len(walked) == len(set(walked))


HIDING = [pytest.param(*each) for each in product(["inclusive", "exclusive"], ["uuid", "creation"], [0, 1, 29])]


@pytest.mark.parametrize(
    ("cursor", "order", "kept"), [("inclusive", "uuid", 1), ("exclusive", "uuid", 1), *exhaustive(HIDING)]
)
async def test_no_room_is_lost_where_disabled_rooms_leave_the_list(
    cursor: Any, order: Any, kept: int, open_rooms: OpenRooms
) -> None:
    emulator = Emulator(quirks=Quirks(order=order, cursor=cursor, disabled="hidden"))
    for _ in range(30):
        emulator.add_room()
    uuids, walked = list(emulator.uuids()), []
    async with open_rooms(emulator) as rooms:
        with suppress(PaginationError):  # the end cannot always be told from a cursor that has left the list
            async for found in rooms.walk(page_size=4):
                walked.append(found.uuid)
                if uuids.index(found.uuid) != kept:
                    await rooms.disable(found.uuid)
        assert walked == uuids
        assert [found.uuid async for found in rooms.walk()] == [uuids[kept]]


async def test_max_rooms_ends_the_walk_and_limits_the_page(rooms: AsyncRooms, emulator: Emulator) -> None:
    uuids = list(emulator.uuids())
    for most, requests in [(0, 0), (1, 1), (4, 1), (5, 1), (7, 2), (25, 5), (26, 8)]:
        emulator.requests.clear()
        assert [found.uuid async for found in rooms.walk(max_rooms=most, page_size=5)] == uuids[:most]
        assert len(emulator.requests) == requests
    emulator.requests.clear()
    assert [found.uuid async for found in rooms.walk(max_rooms=3)] == uuids[:3]
    assert [request.query for request in emulator.requests] == ["limit=3"]


async def test_a_walk_begins_at_a_room_or_after_it(rooms: AsyncRooms, emulator: Emulator) -> None:
    uuids = list(emulator.uuids())
    assert [found.uuid async for found in rooms.walk(begin_uuid=uuids[20])] == uuids[20:]
    assert [found.uuid async for found in rooms.walk(after=uuids[20])] == uuids[21:]
    assert [found.uuid async for found in rooms.walk(after=uuids[-1])] == []


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"begin_uuid": "a", "after": "b"}, ValueError, "begin_uuid or after, not both"),
        ({"begin_uuid": ""}, ValueError, "begin_uuid"),
        ({"after": "../x"}, ValueError, "after"),
        ({"page_size": 0}, ValueError, "page_size must be 1 to 1000"),
        ({"page_size": 1001}, ValueError, "page_size must be 1 to 1000"),
        ({"page_size": True}, TypeError, "page_size"),
    ],
)
async def test_a_wrong_argument_is_refused_at_the_call(
    rooms: AsyncRooms, emulator: Emulator, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        rooms.walk(**arguments)
    with pytest.raises(error, match=words):
        rooms.pages(**arguments)
    with pytest.raises(ValueError, match="max_rooms must be 0 or more"):
        rooms.walk(max_rooms=-1)
    assert emulator.requests == []


async def test_a_list_that_breaks_the_contract_is_an_error_with_a_checkpoint(open_rooms: OpenRooms) -> None:
    async with open_rooms(listing(lambda _, limit: ["a", "b", "c"][:limit])) as rooms:
        walked = []
        with pytest.raises(
            PaginationError, match="GET /v5/rooms: the page from b on has that room in place 1"
        ) as caught:
            async for found in rooms.walk(page_size=2):
                walked.append(found.uuid)
    assert walked == ["a", "b"]
    assert caught.value.checkpoint == "b"


@pytest.mark.parametrize("fault", [httpx.ReadError("cut"), answer([room("a"), room("c", isBan="no")])], ids=repr)
@pytest.mark.parametrize("at", [0, 2, *exhaustive([1, 3])])
async def test_a_walk_that_failed_resumes_from_its_checkpoint(
    fault: Exception | httpx.Response, at: int, open_rooms: OpenRooms
) -> None:
    uuids = [f"{n:04}" for n in range(10)]
    good = listing(lambda begin, limit: [uuid for uuid in uuids if uuid >= (begin or "")][:limit])
    requests = 0

    def script(request: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        if requests != at + 1:
            return good(request)
        if isinstance(fault, Exception):
            raise fault
        return fault

    walked = []
    async with open_rooms(script) as rooms:
        with pytest.raises((TransportError, DecodeError)) as caught:
            async for found in rooms.walk(page_size=3):
                walked.append(found.uuid)
        assert isinstance(caught.value, RoomsError)
        checkpoint = caught.value.checkpoint
        assert checkpoint == (walked[-1] if walked else None)
        walked += [found.uuid async for found in rooms.walk(after=checkpoint, page_size=3)]
    assert walked == uuids


async def test_a_walk_that_fails_at_once_resumes_where_it_was_to_begin(
    open_rooms: OpenRooms,
) -> None:
    async with open_rooms(lambda _: httpx.Response(503)) as rooms:
        walks = [rooms.walk(after="b"), rooms.walk(begin_uuid="b"), rooms.walk()]
        for walk, checkpoint in zip(walks, ["b", None, None], strict=True):
            with pytest.raises(RoomsError) as caught:
                await anext(walk)
            assert caught.value.checkpoint == checkpoint


@on_both_loops
async def test_leaving_a_walk_early_sends_no_more_and_raises_what_the_body_raised(
    rooms: AsyncRooms, emulator: Emulator
) -> None:
    async with aclosing(rooms.walk(page_size=3)) as walk:
        async for _ in walk:
            break
    with pytest.raises(ZeroDivisionError):
        async with aclosing(rooms.pages(page_size=3)) as pages:
            async for _ in pages:
                raise ZeroDivisionError
    assert len(emulator.requests) == 2
    assert len(await rooms.list()) == 25


# Trio itself warns about any generator that is not closed; what matters is that nothing else goes wrong.
@pytest.mark.filterwarnings("ignore:Async generator 'netless_rooms:ResourceWarning")
@on_both_loops
async def test_a_walk_that_is_never_closed_is_collected_without_trouble(rooms: AsyncRooms) -> None:
    async for _room in rooms.walk(page_size=3):
        break
    gc.collect()
    await anyio.lowlevel.checkpoint()
    assert len(await rooms.list()) == 25
