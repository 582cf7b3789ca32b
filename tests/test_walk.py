"""The walk through ``AsyncRooms``: what the cursor decides, over requests."""

import gc
from contextlib import aclosing, suppress
from itertools import product
from typing import Any

import anyio
import httpx
import pytest

from fakes import answer, room
from http_clients import OpenRooms
from netless_rooms import AsyncRooms, PaginationError, RoomsError
from netless_rooms.emulator import Emulator, Quirks
from selection import exhaustive, on_both_loops

pytestmark = pytest.mark.anyio

CURSORS = ["inclusive", "exclusive"]
ALL = product(CURSORS, ["uuid", "creation"], [None, 2, 7], [False, True], [False, True])
SOME: list[Any] = [("inclusive", "uuid", None, False, False), ("exclusive", "creation", 7, False, False)]


@pytest.mark.parametrize("quirks", [*SOME, *exhaustive(ALL)], ids=repr)
async def test_a_walk_is_exact_under_every_quirk(quirks: Any, open_rooms: OpenRooms) -> None:
    names = ("cursor", "order", "page_cap", "short_pages", "envelope")
    emulator = Emulator(rooms=41, quirks=Quirks(**dict(zip(names, quirks, strict=True))))
    uuids = list(emulator.uuids())
    async with open_rooms(emulator) as rooms:
        for page_size in (1, 2, 40, 1000):
            assert [room.uuid async for room in rooms.walk(page_size=page_size)] == uuids
            pages = [page async for page in rooms.pages(page_size=page_size, after=uuids[9])]
            assert [room.uuid for page in pages for room in page] == uuids[10:]
            assert all(1 <= len(page) <= page_size for page in pages)


@pytest.mark.parametrize("cursor", CURSORS)
async def test_rooms_that_leave_hide_no_room(cursor: Any, open_rooms: OpenRooms) -> None:
    emulator = Emulator(quirks=Quirks(cursor=cursor, disabled="hidden"))
    for _ in range(30):
        emulator.add_room()
    uuids, walked = list(emulator.uuids()), []
    async with open_rooms(emulator) as rooms:
        with suppress(PaginationError):  # the end cannot always be told from a cursor that has left the list
            async for found in rooms.walk(page_size=4):
                walked.append(found.uuid)
                if found.uuid != uuids[1]:
                    await rooms.disable(found.uuid)
        assert walked == uuids
        assert [found.uuid async for found in rooms.walk()] == [uuids[1]]


async def test_a_walk_begins_and_ends_as_told_or_refuses_the_call(rooms: AsyncRooms, emulator: Emulator) -> None:
    uuids = list(emulator.uuids())
    assert [found.uuid async for found in rooms.walk(begin_uuid=uuids[20])] == uuids[20:]
    assert [found.uuid async for found in rooms.walk(after=uuids[20])] == uuids[21:]
    assert [found.uuid async for found in rooms.walk(after=uuids[-1])] == []
    for most, requests in [(0, 0), (1, 1), (4, 1), (5, 1), (7, 2), (25, 5), (26, 8)]:
        emulator.requests.clear()
        assert [found.uuid async for found in rooms.walk(max_rooms=most, page_size=5)] == uuids[:most]
        assert len(emulator.requests) == requests
        assert most == 0 or emulator.requests[0].query == f"limit={min(most, 5)}"
    emulator.requests.clear()
    with pytest.raises(ValueError, match="max_rooms must be 0 or more"):
        rooms.walk(max_rooms=-1)
    wrong: list[dict[str, Any]] = [{"begin_uuid": ""}, {"after": "../x"}, {"page_size": 0}, {"page_size": 1001}]
    for call in (rooms.walk, rooms.pages):
        with pytest.raises(ValueError, match="begin_uuid or after, not both"):
            call(begin_uuid="a", after="b")
        for arguments in wrong:
            with pytest.raises(ValueError, match=f"{''.join(arguments)} must be"):
                call(**arguments)
    assert emulator.requests == []


async def test_the_error_of_a_walk_says_where_to_resume(open_rooms: OpenRooms) -> None:
    async with open_rooms(lambda _: httpx.Response(503)) as rooms:
        for walk, checkpoint in [(rooms.walk(after="b"), "b"), (rooms.walk(begin_uuid="b"), None)]:
            with pytest.raises(RoomsError) as caught:
                await anext(walk)
            assert caught.value.checkpoint == checkpoint
    walked = []
    async with open_rooms(lambda _: answer([room("a"), room("b")])) as rooms:
        with pytest.raises(PaginationError, match="GET /v5/rooms") as caught:
            async for found in rooms.walk():
                walked.append(found.uuid)
    assert (caught.value.checkpoint, walked) == ("b", ["a", "b"])


# Trio itself warns about any generator that is not closed; what matters is that nothing else goes wrong.
@pytest.mark.filterwarnings("ignore:Async generator 'netless_rooms:ResourceWarning")
@on_both_loops
async def test_leaving_a_walk_early_sends_no_more_and_harms_nothing(rooms: AsyncRooms, emulator: Emulator) -> None:
    async with aclosing(rooms.walk(page_size=3)) as walk:
        await anext(walk)
    with pytest.raises(ZeroDivisionError):
        async with aclosing(rooms.pages(page_size=3)) as pages:
            async for _ in pages:
                raise ZeroDivisionError
    async for _ in rooms.walk(page_size=3):  # never closed
        break
    gc.collect()
    await anyio.lowlevel.checkpoint()
    assert len(emulator.requests) == 3
    assert len(await rooms.list()) == 25
