"""Scans: exact under every reading and fault, and nothing left behind, however they are left.

All on clocks that jump, so that waiting takes no time.
"""

import asyncio
import pickle
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from itertools import product
from math import inf, nan
from random import Random
from typing import Any, Final

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from cancelling import Stepped, running_tasks
from fake_services import UNKNOWN, Service, Unknown, World, hexes, in_turn
from fakes import ONCE, TOKEN
from netless_rooms import (
    AsyncRooms,
    CheckpointError,
    DecodeError,
    ForbiddenError,
    InvalidRoom,
    PaginationError,
    RateLimitedError,
    Room,
    RoomsError,
    Scan,
    ScanMode,
    ServerError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.checkpoints import behind, read_checkpoint
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, Fault, GatewayPage, Hang, Quirks, Slow
from netless_rooms.scan import DRAIN, MOST_KEPT
from virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

MODES: Final[list[dict[str, Any]]] = [
    {"shards": 1, "prefetch": 0},
    {"shards": 1, "prefetch": 2},
    {"shards": 4, "prefetch": 0},
    {"shards": 4, "prefetch": 1},
]
OPEN_QUESTIONS: Final[dict[str, list[Any]]] = {
    "cursor": ["inclusive", "exclusive"],
    "order": ["uuid", "creation"],
    "page_cap": [None, 2],
    "short_pages": [False, True],
    "unknown_begin": ["seek", "bad_request", "not_found"],
}
QUIRKS: Final = [
    Quirks(**dict(zip(OPEN_QUESTIONS, answers, strict=True))) for answers in product(*OPEN_QUESTIONS.values())
]
READINGS: Final = list(product([True, False], [1000, 3], UNKNOWN))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run every test on both event loops, on a clock that jumps."""
    return request.param, VirtualTime().options(request.param)


@pytest.fixture(params=["scope", "task"])
def how(request: pytest.FixtureRequest, anyio_backend_name: str) -> str:
    """Cancel by a scope of anyio, and on asyncio by the task's own method too."""
    if anyio_backend_name == "trio" and request.param == "task":
        pytest.skip("Trio cancels by scopes only")
    way: str = request.param
    return way


@asynccontextmanager
async def rooms_of(transport: httpx.AsyncBaseTransport, **options: Any) -> AsyncIterator[AsyncRooms]:
    """Open rooms over ``transport``, and look that nothing is left of what was done with them."""
    before = await running_tasks()
    async with httpx.AsyncClient(transport=transport, timeout=5, trust_env=False) as client:
        usual: dict[str, Any] = {"token": TOKEN, "region": "sg", "retry": ONCE}
        yield AsyncRooms(client, **(usual | options))
        assert await running_tasks() == before
        assert getattr(transport, "under_way", 0) == 0


def emulated(emulator: Emulator, **options: Any) -> Any:
    return rooms_of(emulator.transport(), token=emulator.key, clock=emulator.clock, **options)


async def uuids_of(scan: Scan[Any], most: int | None = None) -> list[str]:
    """Go through ``scan`` to its end, or until so many rooms came."""
    came: list[str] = []
    if most == 0:
        return came
    async for found in scan:
        came.append(found.uuid)
        if len(came) == most:
            break
    return came


async def scanned(rooms: AsyncRooms, **options: Any) -> list[str]:
    async with rooms.scan(**options) as scan:
        return await uuids_of(scan)


def exactly(came: list[str], there: list[str]) -> bool:
    return len(came) == len(there) and sorted(came) == sorted(there)


# Exact under every reading


@pytest.mark.parametrize("quirks", QUIRKS, ids=repr)
async def test_a_scan_is_exact_under_every_quirk(quirks: Quirks) -> None:
    emulator = Emulator(rooms=19, quirks=quirks)
    there = list(emulator.uuids())
    async with emulated(emulator) as rooms:
        for options, page_size in zip(MODES, (1000, 3, 1000, 2), strict=True):
            async with rooms.scan(page_size=page_size, **options) as scan:
                came = await uuids_of(scan)
                assert exactly(came, there)
                assert scan.room_count == len(there)
                seeks = quirks.unknown_begin == "seek" and quirks.order == "uuid"
                if options["shards"] == 1 or not seeks:
                    assert scan.mode is ScanMode.LINE
                    assert came == there
        async with rooms.scan(shards=3, known=scan.checkpoint, page_size=5) as scan:
            assert exactly(await uuids_of(scan), there)
            assert quirks.order == "uuid" or scan.mode is ScanMode.LINE
        assert await scanned(rooms, resume=scan.checkpoint) == []


@pytest.mark.parametrize(("inclusive", "cap", "unknown"), READINGS)
async def test_a_scan_says_how_it_goes_through_the_list(inclusive: bool, cap: int, unknown: Unknown) -> None:
    world = World(hexes(40), inclusive=inclusive, cap=cap, unknown=unknown)
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(shards=4, page_size=7) as scan:
            assert scan.mode is (ScanMode.SHARDS if unknown == "seek" else ScanMode.LINE)
            came = await uuids_of(scan)
            assert exactly(came, world.uuids)
            assert (came == world.uuids) is (unknown != "seek")
        known = scan.checkpoint
        async with rooms.scan(shards=3, page_size=7, known=known) as scan:
            assert scan.mode is (ScanMode.SHARDS if unknown == "seek" else ScanMode.KNOWN_ROOMS)
            assert len(read_checkpoint("", scan.checkpoint, "sg").ranges) == 3
            assert repr(scan) == f"<Scan in mode {scan.mode.value!r}, 0 rooms so far>"
            assert exactly(await uuids_of(scan), world.uuids)
        parts = await rooms.split(4, known=known)
        assert pickle.loads(pickle.dumps(parts)) == parts  # noqa: S301  our own
        assert len(parts) == 4
        came = []
        for part in parts:
            came += await scanned(rooms, resume=part, page_size=2)
        assert came == world.uuids


@pytest.mark.parametrize("count", [0, 1, 2, 3, 999, 1000, 1001])
@pytest.mark.parametrize("inclusive", [True, False])
async def test_a_scan_is_exact_around_full_pages_and_of_hardly_any_rooms(count: int, inclusive: bool) -> None:
    world = World(hexes(count), inclusive=inclusive)
    async with rooms_of(Service(world)) as rooms:
        known = None
        for shards in (1, 2, 8):
            async with rooms.scan(shards=shards, known=known) as scan:
                assert exactly(await uuids_of(scan), world.uuids)
            known = scan.checkpoint
            assert known.count(".") < 40
        parts = await rooms.split(8)
        assert [uuid for part in parts for uuid in await scanned(rooms, resume=part)] == world.uuids


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("inclusive", [True, False])
async def test_rooms_created_meanwhile_anywhere_hide_and_double_no_other(
    options: dict[str, Any], inclusive: bool
) -> None:
    for seed in range(15):
        chance = Random(seed)
        world = World(hexes(30, chance), inclusive=inclusive, cap=chance.choice([2, 3, 5, 1000]))
        there = list(world.uuids)

        def listing(begin: str | None, limit: int, world: World = world, chance: Random = chance) -> Any:
            for _ in range(chance.randint(0, 2)):
                near = chance.choice(world.uuids)  # often the border of a range
                new = chance.choice([behind(near), f"{int(near, 16) - 1:032x}", *hexes(1, chance)])
                if new not in world.uuids:
                    world.add(str(new))
            return world(begin, limit)

        async with rooms_of(Service(listing)) as rooms:
            came = []
            with suppress(PaginationError):
                async with rooms.scan(page_size=chance.choice([1, 4, 1000]), **options) as scan:
                    came += await uuids_of(scan, chance.choice([None, 10]))
                came += await scanned(rooms, resume=scan.checkpoint)
                assert set(there) <= set(came)
            assert len(came) == len(set(came))
            assert set(there) <= set(came), seed  # nothing here is an error


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize("inclusive", [True, False])
async def test_rooms_that_leave_the_list_when_they_are_disabled_hide_no_other_quietly(
    options: dict[str, Any], unknown: Unknown, inclusive: bool
) -> None:
    for seed in range(8):
        chance = Random(seed)
        world = World(hexes(24, chance), inclusive=inclusive, cap=chance.choice([2, 3, 1000]), unknown=unknown)
        there = list(world.uuids)
        came: list[str] = []
        async with rooms_of(Service(world)) as rooms:
            known = None
            if chance.random() < 0.7:
                async with rooms.scan(page_size=2) as scan:
                    await uuids_of(scan)
                known = scan.checkpoint

            async def disable_them(scan: Scan[Room], chance: Random = chance, world: World = world) -> None:
                stop = chance.choice([None, 1, 7])
                async for found in scan:
                    came.append(found.uuid)  # noqa: B023
                    if chance.random() < 0.8:
                        world.uuids.remove(found.uuid)
                    if stop == len(came):  # noqa: B023
                        return

            try:
                async with rooms.scan(page_size=chance.choice([1, 3, 1000]), known=known, **options) as scan:
                    await disable_them(scan)
                async with rooms.scan(resume=scan.checkpoint, page_size=3) as scan:
                    await disable_them(scan)
                async with rooms.scan(resume=scan.checkpoint) as scan:
                    came += await uuids_of(scan)
            except RoomsError:
                pass  # told, and so not quiet
            else:
                # An exclusive cursor and one that is gone look the same where both bring nothing.
                assert exactly(came, there) or (not inclusive and unknown == "empty"), seed
            assert len(came) == len(set(came))


async def test_a_cursor_that_is_gone_is_no_end() -> None:
    world = World(hexes(6), unknown="empty")
    async with rooms_of(Service(world)) as rooms, rooms.scan(page_size=2, prefetch=0) as scan:
        came = await uuids_of(scan, 2)
        world.uuids.remove(came[1])
        for _ in range(3):
            with pytest.raises(PaginationError, match=f"from {came[1]} on nothing came, though"):
                await anext(scan)
        world.add(came[1])
        assert came + await uuids_of(scan) == world.uuids


@pytest.mark.parametrize("inclusive", [True, False])
async def test_a_cursor_that_is_gone_is_no_start(inclusive: bool) -> None:
    world = World(hexes(12), inclusive=inclusive, unknown="ignored")
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(page_size=2) as scan:
            came = await uuids_of(scan, 7)
        world.uuids.remove(came[6])
        async with rooms.scan(resume=scan.checkpoint, page_size=2) as further:
            for _ in range(3):
                with pytest.raises(PaginationError, match=f"from {came[6]} on, it began again with {came[0]}"):
                    await anext(further)
            world.add(came[6])
            assert came + await uuids_of(further) == world.uuids


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_an_end_with_nothing_is_proven_by_the_first_room(count: int) -> None:
    world = World(hexes(count), inclusive=False)
    service = Service(world)
    async with rooms_of(service) as rooms:
        assert await scanned(rooms) == world.uuids
        assert service.asked == [None, world.uuids[-1], None, world.uuids[0]]
    service = Service(World(hexes(count)))
    async with rooms_of(service) as rooms:
        assert len(await scanned(rooms)) == count
        assert service.asked == [None, world.uuids[-1]]
    service = Service(World([], inclusive=False))
    async with rooms_of(service) as rooms:
        assert await scanned(rooms) == []
        assert service.asked == [None]


# What breaks a scan in shards


def start_again(world: World, _begin: str | None, limit: int) -> Any:
    return world(None, limit)


def nothing(_world: World, _begin: str | None, _limit: int) -> Any:
    return []


def the_cursor_alone(world: World, begin: str | None, _limit: int) -> Any:
    return world(begin, 1)


def past_the_border(world: World, begin: str | None, limit: int) -> Any:
    return [one for one in world(begin, limit) if one["uuid"] == begin or one["uuid"] > world.uuids[30]]


def from_further_on(world: World, _begin: str | None, limit: int) -> Any:
    return world(world.uuids[31], limit)


def backwards(world: World, begin: str | None, limit: int) -> Any:
    return world(begin, 1) + world(begin, limit)[:0:-1]


def the_one_before(world: World, begin: str | None, limit: int) -> Any:
    before = max((uuid for uuid in world.uuids if uuid < (begin or "")), default=None)
    return world(before, limit)


def twice(world: World, begin: str | None, limit: int) -> Any:
    return [one for one in world(begin, limit) for _ in range(2)]


@pytest.mark.parametrize(
    "lie",
    [start_again, nothing, the_cursor_alone, past_the_border, from_further_on, backwards, the_one_before, twice],
)
@pytest.mark.parametrize("page_size", [2, 5, 1000])
@pytest.mark.parametrize("mode", [ScanMode.SHARDS, ScanMode.KNOWN_ROOMS])
async def test_a_service_that_lies_makes_no_hole(
    lie: Callable[[World, str | None, int], Any], page_size: int, mode: ScanMode
) -> None:
    # It lies about what comes behind a room of the second range, once or for ever, and is right about all others.
    for last in (19, 10, 12):
        world = World(hexes(40), cap=8, unknown="seek" if mode is ScanMode.SHARDS else 404)
        service = Service(world)
        lies: list[str] = []

        def lying(begin: str | None, limit: int, world: World = world, last: int = last) -> Any:
            if begin is not None and world.uuids[10] <= begin <= world.uuids[last]:
                lies.append(begin)  # noqa: B023
                return lie(world, begin, limit)
            return world(begin, limit)

        async with rooms_of(service) as rooms:
            async with rooms.scan() as scan:
                await uuids_of(scan)
            came: list[str] = []
            async with rooms.scan(shards=4, page_size=page_size, known=scan.checkpoint) as scan:
                assert scan.mode is mode
                service.listing = lying
                was_told: list[bool] = []
                for _ in range(3):
                    try:
                        async for found in scan:
                            came.append(found.uuid)
                    except PaginationError as error:
                        was_told.append(error.checkpoint == scan.checkpoint)
                assert all(was_told)
                assert was_told or not lies
                assert len(came) == len(set(came)) < 40 or not lies
                service.listing = world
                came += await uuids_of(scan)
                assert exactly(came, world.uuids), last


async def test_a_border_that_left_the_list_is_an_error_in_every_mode() -> None:
    for unknown in UNKNOWN:
        world = World(hexes(40), unknown=unknown)
        async with rooms_of(Service(world)) as rooms:
            async with rooms.scan(page_size=3) as scan:
                await uuids_of(scan)
            parts = await rooms.split(4, known=scan.checkpoint)
            border = read_checkpoint("", parts[1], "sg").ranges[0].through
            world.uuids.remove(str(border))
            with pytest.raises(PaginationError, match=f"passes {border}, where the next range begins, without it"):
                await scanned(rooms, resume=parts[1])
            del world.uuids[world.uuids.index(hexes(40)[15]) :]
            with pytest.raises(PaginationError, match=f"ends before {border}, where the next range begins"):
                await scanned(rooms, resume=parts[1])


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (429, RateLimitedError),
        *((status, ServerError) for status in (502, 503, 504)),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2, 4])
async def test_a_probe_that_is_refused_for_another_reason_is_an_error(
    error: int, raised: type[RoomsError], at: int
) -> None:
    world = World(hexes(40))
    async with rooms_of(Service(in_turn(world, *[None] * at, httpx.Response(error)))) as rooms:
        with pytest.raises(raised) as caught:
            await scanned(rooms, shards=4)
        assert caught.value.checkpoint is None
        assert exactly(await scanned(rooms, shards=4), world.uuids)


async def test_a_probe_whose_answer_is_lost_is_an_error() -> None:
    for at in range(5):
        service = Service(in_turn(World(hexes(40)), *[None] * at, httpx.ReadError("cut")))
        async with rooms_of(service) as rooms:
            with pytest.raises(TransportError):
                await rooms.split(4)
            assert len(service.asked) <= 5
    service = Service(in_turn(World(hexes(40)), None, None, httpx.ReadError("cut")), seconds=0.1)
    async with rooms_of(service) as rooms:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(rooms._caller.sender), "pool_size", 1)
            with pytest.raises(TransportError):
                await rooms.split(40)
        assert len(service.asked) == 3


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "instead", [httpx.Response(400), httpx.Response(500), httpx.Response(200, json=None), [], hexes(40)[:9]]
)
async def test_what_seeks_only_sometimes_is_scanned_in_one_line(instead: Any, at: int) -> None:
    world = World(hexes(40))
    async with rooms_of(Service(in_turn(world, *[None] * at, instead))) as rooms, rooms.scan(shards=4) as scan:
        assert scan.mode is ScanMode.LINE or instead == []  # which may be behind the last room
        assert exactly(await uuids_of(scan), world.uuids)


@pytest.mark.parametrize(
    "uuids",
    [
        [],
        ["a"],
        ["a", "b", "c"],
        [hexes(1)[0], str(behind(hexes(1)[0]))],
        ["x", "f" * 32],
        [hexes(4)[3]],
        [f"f{n}{hexes(1)[0][2:]}" for n in range(4)],
        [*hexes(4)[:2], "x" * 32],
    ],
    ids=len,
)
async def test_what_cannot_be_probed_is_scanned_in_one_line(uuids: list[str]) -> None:
    async with rooms_of(Service(World(uuids))) as rooms, rooms.scan(shards=9) as scan:
        assert exactly(await uuids_of(scan), uuids)
        assert scan.mode is ScanMode.LINE or len(uuids) == 3


async def test_a_list_in_order_of_creation_that_seeks_is_scanned_in_one_line() -> None:
    for cap in (2, 3, None):
        for rooms_there in (5, 41, 300):
            emulator = Emulator(rooms=rooms_there, quirks=Quirks(order="creation", page_cap=cap))
            async with emulated(emulator) as rooms, rooms.scan(shards=16, page_size=9) as scan:
                assert scan.mode is ScanMode.LINE
                assert await uuids_of(scan) == list(emulator.uuids())
                assert read_checkpoint("", scan.checkpoint, "sg").known == ()


# Where to go on


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("on_invalid", ["raise", "skip"])
async def test_a_scan_goes_on_from_every_position(options: dict[str, Any], on_invalid: Any) -> None:
    world = World(hexes(24), cap=5)
    if on_invalid == "skip":
        world.invalid = {uuid: {"isBan": "no"} for uuid in world.uuids[2::6]}
    there = [uuid for uuid in world.uuids if uuid not in world.invalid]
    options = options | {"page_size": 4, "on_invalid": on_invalid}
    async with rooms_of(Service(world)) as rooms:
        for most in range(len(there) + 1):
            async with rooms.scan(**options) as scan:
                came = await uuids_of(scan, most)
                inside = scan.checkpoint
                skipped = list(scan.skipped)
            assert scan.checkpoint == inside
            async with rooms.scan(**options, resume=scan.checkpoint) as further:
                assert further.checkpoint == scan.checkpoint
                assert further.mode is scan.mode
                came += await uuids_of(further)
            assert exactly(came, there)
            skipped += further.skipped
            assert exactly([str(room.uuid) for room in skipped], list(world.invalid))
            assert await scanned(rooms, resume=further.checkpoint) == []


async def test_a_checkpoint_tells_no_secret() -> None:
    world = World(hexes(24))
    async with rooms_of(Service(world)) as rooms, rooms.scan(shards=3) as scan:
        for found in [found async for found in scan]:
            assert found.team_uuid not in scan.checkpoint
    assert TOKEN not in scan.checkpoint


@pytest.mark.parametrize("shards", [1, 3])
async def test_a_checkpoint_of_another_account_or_region_is_refused(shards: int) -> None:
    world, other = World(hexes(24)), World(hexes(24))
    other.invalid = {uuid: {"teamUUID": "another"} for uuid in other.uuids}
    async with rooms_of(Service(world)) as rooms, rooms.scan(shards=shards) as scan:
        await uuids_of(scan, 5)
    async with rooms_of(Service(other)) as rooms:
        for call in (
            lambda: scanned(rooms, resume=scan.checkpoint),
            lambda: scanned(rooms, shards=2, known=scan.checkpoint),
            lambda: rooms.split(2, known=scan.checkpoint),
        ):
            with pytest.raises(CheckpointError, match="the checkpoint is of another account"):
                await call()
        with pytest.raises(CheckpointError) as caught:
            await scanned(rooms, resume=scan.checkpoint)
        assert caught.value.checkpoint == scan.checkpoint
        other.uuids.clear()
        with pytest.raises(CheckpointError, match="another account"):
            await scanned(rooms, resume=scan.checkpoint)
        eu = rooms.with_options(region="eu")
        with pytest.raises(ValueError, match="resume is of the region 'sg'"):
            eu.scan(resume=scan.checkpoint)
        with pytest.raises(ValueError, match="known is of the region 'sg'"):
            await eu.split(3, known=scan.checkpoint)


async def test_a_list_that_cannot_be_split_has_one_shard_of_its_account() -> None:
    world, other = World(hexes(24), unknown=404), World(hexes(24))
    other.invalid = {uuid: {"teamUUID": "another"} for uuid in other.uuids}
    async with rooms_of(Service(world)) as rooms:
        (shard,) = await rooms.split(4)
        assert await scanned(rooms, resume=shard) == world.uuids
    async with rooms_of(Service(other)) as rooms:
        with pytest.raises(CheckpointError):
            await scanned(rooms, resume=shard)


async def test_only_rooms_that_can_be_read_tell_the_account() -> None:
    world = World(hexes(24), cap=2)
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(page_size=2, on_invalid="skip") as scan:
            await uuids_of(scan, 5)
        world.invalid = {uuid: {"isBan": 5} for uuid in world.uuids[:2]}
        assert await scanned(rooms, resume=scan.checkpoint) == world.uuids[5:]
        world.invalid = {world.uuids[0]: {"teamUUID": "of a guest"}}
        assert await scanned(rooms, resume=scan.checkpoint) == world.uuids[5:]


async def test_a_checkpoint_of_no_rooms_is_of_every_account() -> None:
    world = World([])
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan() as scan:
            start = scan.checkpoint
            assert await uuids_of(scan) == []
        world.uuids = hexes(24)
        assert await scanned(rooms, resume=scan.checkpoint) == []
        assert await scanned(rooms, resume=start) == world.uuids
        assert exactly(await scanned(rooms, shards=3, known=start), world.uuids)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"page_size": 0}, ValueError),
        ({"page_size": 1001}, ValueError),
        ({"page_size": True}, TypeError),
        ({"prefetch": -1}, ValueError),
        ({"prefetch": 101}, ValueError),
        ({"shards": 0}, ValueError),
        ({"shards": 1001}, ValueError),
        ({"shards": "2"}, TypeError),
        ({"on_invalid": "ignore"}, ValueError),
        ({"on_invalid": None}, ValueError),
        ({"resume": ""}, ValueError),
        ({"resume": hexes(1)[0]}, ValueError),
        ({"resume": 5}, TypeError),
        ({"known": "scan1"}, ValueError),
        ({"resume": "a", "known": "b"}, ValueError),
    ],
)
async def test_a_wrong_argument_is_refused_at_the_call(options: dict[str, Any], error: type[Exception]) -> None:
    service = Service(World([]))
    async with rooms_of(service) as rooms:
        with pytest.raises(error, match=next(iter(options))):
            rooms.scan(**options)
    assert service.asked == []


async def test_wrong_numbers_of_shards_are_refused() -> None:
    async with rooms_of(Service(World([]))) as rooms:
        for shards in (0, 1001):
            with pytest.raises(ValueError, match="shards must be 1 to 1000"):
                await rooms.split(shards)


# What is under way meanwhile


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
async def test_no_more_pages_are_ahead_than_asked_for(prefetch: int) -> None:
    service = Service(World(hexes(60), cap=6), seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(prefetch=prefetch, page_size=5) as scan:
        await anyio.sleep(9)
        assert len(service.asked) == prefetch
        for place in range(60):
            await anext(scan)
            await anyio.sleep(0.3)
            pages_begun = place // 5 + 1
            assert len(service.asked) <= pages_begun + prefetch + (pages_begun + prefetch > 12)
            assert len(service.asked) >= min(12, pages_begun + prefetch)


@pytest.mark.parametrize(("prefetch", "seconds"), [(0, 11.0), (1, 6.5), (3, 6.5)])
async def test_the_next_page_comes_while_the_caller_works_on_this_one(prefetch: int, seconds: float) -> None:
    service = Service(World(hexes(50)), seconds=0.5)  # ten pages and the end
    async with rooms_of(service) as rooms, rooms.scan(prefetch=prefetch, page_size=5) as scan:
        began = anyio.current_time()
        async for _ in scan:
            await anyio.sleep(0.1)
        assert seconds - 0.6 <= anyio.current_time() - began <= seconds + 0.6


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_ranges_share_what_may_be_ahead(prefetch: int) -> None:
    service = Service(World(hexes(200)), seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(shards=4, prefetch=prefetch, page_size=5) as scan:
        probes = len(service.asked)
        await anyio.sleep(9)
        assert len(service.asked) == probes + 4 * prefetch
        for page in range(1, 12):
            await uuids_of(scan, 5)
            await anyio.sleep(9)
            assert scan.page_count == page
            assert len(service.asked) == probes + 4 * prefetch + page
            assert service.most_at_once <= 4


async def test_fewer_ranges_than_asked_for_have_fewer_pages_ahead() -> None:
    service = Service(World(hexes(60)), seconds=0.1)
    async with rooms_of(service) as rooms:
        (line,) = await rooms.split(1)
        async with rooms.scan(resume=line, shards=8, prefetch=2, page_size=5):
            await anyio.sleep(9)
            assert len(service.asked) == 2


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_no_more_is_asked_at_once_than_the_pool_holds(limit: int) -> None:
    service = Service(World(hexes(100)), seconds=0.1)
    async with rooms_of(service) as rooms:
        sender = type(rooms._caller.sender)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sender, "pool_size", limit)
            assert exactly(await scanned(rooms, shards=5, page_size=4, prefetch=3), hexes(100))
        assert service.most_at_once == min(limit, 5)
        service.most_at_once = 0
        assert exactly(await scanned(rooms, shards=5, page_size=4, prefetch=3), hexes(100))
        assert service.most_at_once == 5


# Failures


FAULTS: Final[list[Fault]] = [
    Failure(503),
    Failure(429, retry_after=40),
    Failure(403),
    GatewayPage(200),
    Closed(),
    Closed(work_done=True),
    Cut(30),
    Hang(),
    BadRoom(-1, isBan="perhaps"),
    BadRoom(0, uuid=...),
    Slow(6.0, pieces=3),
]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("options", MODES, ids=repr)
async def test_a_scan_that_failed_goes_on_with_nothing_lost_or_doubled(fault: Fault, options: Any) -> None:
    at = 0
    while True:
        emulator = Emulator(rooms=20)
        there = list(emulator.uuids())
        async with emulated(emulator) as rooms:
            known = await rooms.split(1)
            emulator.faults[:] = [None] * at + [fault]
            came: list[str] = []
            resumed: list[str] = []
            error: RoomsError | None = None
            try:
                async with rooms.scan(page_size=6, **options) as scan:
                    for _ in range(2):
                        try:
                            async for found in scan:
                                came.append(found.uuid)
                            break
                        except RoomsError as failure:
                            assert error is None
                            error = failure
                            assert error.checkpoint == scan.checkpoint
                            copied = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
                            assert copied.checkpoint == scan.checkpoint
                            before = list(came)
                    else:
                        raise AssertionError("it failed again")
            except RoomsError as failure:  # on entering
                assert error is None
                error = failure
                assert error.checkpoint is None
            else:
                assert exactly(came, there)
            if error is not None and error.checkpoint is not None:
                resumed = before + await scanned(rooms, resume=error.checkpoint)
                assert exactly(resumed, there)
            assert len(known) == 1
        if emulator.faults:
            break
        at += 1
    assert at >= 5


async def test_a_failure_comes_behind_the_rooms_before_it() -> None:
    world = World(hexes(10))
    service = Service(in_turn(world, None, httpx.Response(503)), seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(page_size=5, prefetch=3) as scan:
        await anyio.sleep(5)
        assert len(service.asked) == 2  # what failed is not asked again unasked
        assert await uuids_of(scan, 5) == world.uuids[:5]
        with pytest.raises(ServerError) as caught:
            await anext(scan)
        assert caught.value.checkpoint == scan.checkpoint
        await anyio.sleep(5)
        assert len(service.asked) == 2
        assert await uuids_of(scan) == world.uuids[5:]


async def test_an_outage_of_all_ranges_is_told_once_each_time_it_is_tried() -> None:
    world = World(hexes(100))
    service = Service(world, seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(shards=5, page_size=5) as scan:
        came = await uuids_of(scan, 7)
        service.listing = lambda *_: httpx.Response(503)
        for _ in range(30):
            with pytest.raises(ServerError):
                async for found in scan:  # of pages that came before
                    came.append(found.uuid)
            await anyio.sleep(1)
        asked = len(service.asked)
        for _ in range(10):
            with pytest.raises(ServerError):
                await anext(scan)
            await anyio.sleep(1)
        assert len(service.asked) == asked + 10 * 5
        service.listing = world
        came += await uuids_of(scan)
    assert exactly(came, world.uuids)


@pytest.mark.parametrize("error", [KeyError("k"), StopAsyncIteration(), ExceptionGroup("g", [ValueError()])])
async def test_what_a_hook_raises_comes_out_as_it_is(error: Exception) -> None:
    raised = [error]

    async def hook(_: httpx.Request) -> None:
        if raised and len(service.asked) == 3:
            raise raised.pop()

    world = World(hexes(20))
    service = Service(world)
    async with httpx.AsyncClient(transport=service, event_hooks={"request": [hook]}, trust_env=False) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE)
        async with rooms.scan(page_size=5) as scan:
            came = await uuids_of(scan, 15)
            outcome: list[BaseException] = []
            try:
                await anext(scan)
            except Exception as caught:
                outcome.append(caught)
            assert outcome[0] is error or outcome[0].__cause__ is error
            came += await uuids_of(scan)
    assert raised == []
    assert came == world.uuids


@pytest.mark.parametrize(
    "error",
    [
        ValueError("ours"),
        StopAsyncIteration("ours"),
        StopIteration(),
        ExceptionGroup("g", [KeyError()]),
        GeneratorExit(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("shards", [1, 3])
async def test_what_the_body_raises_comes_out_as_it_is(error: BaseException, shards: int) -> None:
    service = Service(World(hexes(30)), seconds=0.2)
    async with rooms_of(service) as rooms:
        with pytest.raises(type(error)) as caught:
            async with rooms.scan(shards=shards, page_size=3, prefetch=2) as scan:
                await anext(scan)
                raise error
        assert caught.value is error
        assert error.__context__ is None


async def test_what_the_body_raises_is_not_lost_to_a_deadline() -> None:
    service = Service(World(hexes(30)), seconds=100)
    async with rooms_of(service) as rooms:
        with pytest.raises(ZeroDivisionError), anyio.move_on_after(0.5):
            async with rooms.scan(page_size=3):
                await anyio.sleep(0.3)
                raise ZeroDivisionError
        with anyio.move_on_after(0.5) as scope:
            async with rooms.scan(page_size=3):
                await checkpoint()
        assert not scope.cancelled_caught  # the body had come to its end before


# Rooms that cannot be read

WRONG: Final[list[dict[str, Any]]] = [
    *({"isBan": "no"}, {"uuid": "../x"}, {"uuid": ...}, {"limit": None}),
    *({"name": "party \ud83d"}, {"uuid": "\udfff"}, {"x": [nan]}, {"\ud83d": 1}, {"limit": -inf}),
]


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("wrong", WRONG, ids=repr)
async def test_unreadable_rooms_are_skipped_or_brought_in_their_place(options: Any, wrong: dict[str, Any]) -> None:
    has_uuid = "uuid" not in wrong
    for places in ([0], [10], [3, 4, 5], [23], list(range(0, 22, 2))):
        world = World(hexes(24), cap=7)
        world.invalid = {world.uuids[place]: wrong for place in places}
        good = [uuid for uuid in world.uuids if uuid not in world.invalid]
        async with rooms_of(Service(world)) as rooms:
            ends = has_uuid or places != [23]
            with pytest.raises(DecodeError):
                await scanned(rooms, page_size=5, **options)
            async with rooms.scan(page_size=5, on_invalid="skip", **options) as scan:
                if not ends:
                    with pytest.raises(PaginationError, match="only rooms whose uuid cannot be read"):
                        await uuids_of(scan)
                    continue
                assert exactly(await uuids_of(scan), good)
                assert (scan.room_count, scan.skipped_count) == (len(good), len(places))
                told = [room.uuid for room in scan.skipped]
                assert exactly(
                    [str(uuid) for uuid in told], list(world.invalid) if has_uuid else ["None"] * len(places)
                )
            both = []
            async with rooms.scan(page_size=5, on_invalid="yield", **options) as mixed:
                async for found in mixed:
                    if isinstance(found, InvalidRoom):
                        assert found.document["teamUUID"] == "RMmxxxxx5aw"
                    both.append(found.uuid)
                    if len(both) == 3:
                        break
                async for found in mixed:
                    both.append(found.uuid)
                assert mixed.skipped_count == 0
                assert mixed.room_count == 24
            assert exactly(
                [str(u) for u in both], [str(u) if has_uuid or u in good else "None" for u in world.uuids]
            )


async def test_only_so_many_skipped_rooms_are_kept() -> None:
    world = World(hexes(MOST_KEPT + 7))
    world.invalid = {uuid: {"limit": "many"} for uuid in world.uuids}
    async with rooms_of(Service(world)) as rooms, rooms.scan(on_invalid="skip") as scan:
        assert await uuids_of(scan) == []
        assert scan.skipped_count == MOST_KEPT + 7
        assert [room.uuid for room in scan.skipped] == world.uuids[:MOST_KEPT]


async def test_a_skipped_room_is_done_with() -> None:
    world = World(hexes(10))
    world.invalid = {uuid: {"limit": "many"} for uuid in world.uuids[5:]}
    async with rooms_of(Service(in_turn(world, None, httpx.Response(503)))) as rooms:
        async with rooms.scan(on_invalid="skip") as scan:
            with pytest.raises(ServerError) as caught:
                await uuids_of(scan)
        async with rooms.scan(on_invalid="skip", resume=caught.value.checkpoint) as further:
            assert await uuids_of(further) == []
    assert (scan.skipped_count, further.skipped_count) == (5, 0)


# Leaving, and going on


async def test_iterating_again_goes_on_behind_the_last_room() -> None:
    world = World(hexes(30))
    async with rooms_of(Service(world)) as rooms, rooms.scan(page_size=7, shards=2) as scan:
        came: list[str] = []
        for most in (3, 0, 1, 10, 7):
            came += await uuids_of(scan, most)
        async with aclosing(each_of(scan)) as each:
            came.append((await anext(each)).uuid)
        came.append((await anext(aiter(scan))).uuid)
        came += await uuids_of(scan)
        assert exactly(came, world.uuids)
        assert await uuids_of(scan) == []
        with pytest.raises(StopAsyncIteration):
            await anext(scan)
    assert await uuids_of(scan) == []  # it had ended


async def each_of(scan: Scan[Room]) -> AsyncGenerator[Room, None]:
    async for found in scan:
        yield found


@pytest.mark.parametrize("most", [0, 3, 5, 20])
async def test_iterating_behind_the_block_is_an_error_and_no_end(most: int) -> None:
    async with rooms_of(Service(World(hexes(20)))) as rooms:
        async with rooms.scan(page_size=5) as scan:
            await uuids_of(scan, most)
        left_at = scan.checkpoint
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"this scan was left; go on .* scan\(resume=scan.checkpoint\)"):
                await uuids_of(scan)
        assert scan.checkpoint == left_at
        assert len(await scanned(rooms, resume=left_at)) == 20 - most


async def test_a_task_that_waits_while_the_scan_is_left_sees_no_end() -> None:
    service = Service(World(hexes(20)), seconds=9)
    ended = []

    async def iterate(scan: Scan[Room]) -> None:
        with pytest.raises(RuntimeError, match="this scan was left"):
            await uuids_of(scan)
        ended.append(True)

    async with rooms_of(service) as rooms, anyio.create_task_group() as tasks, rooms.scan() as scan:
        tasks.start_soon(iterate, scan)
        await anyio.sleep(1)
        with pytest.raises(RuntimeError, match="iterate in one task at a time"):
            await anext(scan)
    assert ended == [True]


@pytest.mark.parametrize(("seconds", "waits", "cancelled"), [(0.5, 0.4, 0), (5, DRAIN, 1)])
async def test_leaving_waits_a_moment_for_what_is_under_way(seconds: float, waits: float, cancelled: int) -> None:
    service = Service(World(hexes(20)), seconds=seconds)
    async with rooms_of(service) as rooms:
        for leave_by in ("end", "error", "scope"):
            service.cancelled = 0
            with suppress(ZeroDivisionError), anyio.CancelScope() as scope:
                async with rooms.scan(page_size=5):
                    await anyio.sleep(0.1)
                    began = anyio.current_time()
                    if leave_by == "error":
                        raise ZeroDivisionError
                    if leave_by == "scope":
                        scope.cancel()
                        await checkpoint()
            assert anyio.current_time() - began == pytest.approx(waits)
            assert service.cancelled == cancelled


async def test_leaving_asks_for_nothing_more() -> None:
    service = Service(World(hexes(20), inclusive=False), seconds=0.1)
    async with rooms_of(service) as rooms:
        for most in range(1, 21):
            async with rooms.scan(page_size=5, prefetch=3) as scan:
                await uuids_of(scan, most)
                await checkpoint()
                asked = len(service.asked)
            assert len(service.asked) == asked
    assert service.cancelled == 0


async def test_entering_and_leaving_at_once_is_clean() -> None:
    service = Service(World(hexes(20)))
    async with rooms_of(service) as rooms:
        for options in MODES:
            async with rooms.scan(**options):
                pass
        rooms.scan()  # never entered


async def test_a_scan_inside_a_generator_is_clean_if_that_is_closed() -> None:
    service = Service(World(hexes(20)), seconds=0.1)
    async with rooms_of(service) as rooms:

        async def ours() -> AsyncGenerator[str, None]:
            async with rooms.scan(page_size=3) as scan:
                async for found in scan:
                    yield found.uuid

        for most in (1, 3, 4):
            came = []
            async with aclosing(ours()) as each:
                async for uuid in each:
                    came.append(uuid)
                    if len(came) == most:
                        break
            assert came == hexes(20)[:most]


@pytest.mark.parametrize("options", MODES, ids=repr)
async def test_a_page_that_was_gone_through_is_kept_nowhere(options: Any) -> None:
    came: list[weakref.ref[Room]] = []
    async with rooms_of(Service(World(hexes(400)))) as rooms, rooms.scan(page_size=10, **options) as scan:
        async for found in scan:
            came.append(weakref.ref(found))
            assert sum(each() is not None for each in came) <= 11
    assert len(came) == 400
    assert sum(each() is not None for each in came) <= 1


# Cancelling


async def interrupted(work: Callable[[], Any], step: int, how: str) -> bool:
    """Run ``work``, cancelled at its ``step``-th suspension; return whether that was reached."""
    reached = False

    if how == "scope":
        with anyio.CancelScope() as scope:

            def cancel() -> None:
                nonlocal reached
                reached = True
                scope.cancel()

            await Stepped(work(), step, cancel)
        return reached

    def interrupt() -> None:
        nonlocal reached
        reached = True
        task.cancel()

    async def run() -> None:
        await Stepped(work(), step, interrupt)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return reached


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("seconds", [0.0, 0.3, 7.0])
async def test_a_scan_can_be_cancelled_at_every_moment(options: Any, seconds: float, how: str) -> None:
    world = World(hexes(12), cap=5)
    service = Service(world, seconds=0.0)
    async with rooms_of(service) as rooms:
        before = await running_tasks()
        step = 0
        is_reached = True
        while is_reached:
            step += 1
            came: list[str] = []
            scans: list[Scan[Room]] = []

            async def work() -> None:
                async with rooms.scan(page_size=4, **options) as scan:
                    scans.append(scan)  # noqa: B023
                    service.seconds = seconds
                    async for found in scan:
                        came.append(found.uuid)  # noqa: B023
                        await checkpoint()

            began = anyio.current_time()
            is_reached = await interrupted(work, step, how)
            assert await running_tasks() == before
            assert service.under_way == 0
            assert anyio.current_time() - began <= (DRAIN if is_reached else 0) + 60
            service.seconds = 0.0
            if scans:
                came += await scanned(rooms, resume=scans[0].checkpoint)
                assert exactly(came, world.uuids)
        assert step > 10


@pytest.mark.parametrize("options", MODES, ids=repr)
@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_a_cancelled_wait_loses_nothing_of_the_same_scan(options: Any, seconds: float, how: str) -> None:
    world = World(hexes(12), cap=5)
    service = Service(world, seconds=seconds)
    async with rooms_of(service) as rooms:
        for step in range(1, 30):
            came: list[str] = []
            async with rooms.scan(page_size=4, **options) as scan:

                async def work(scan: Scan[Room] = scan, came: list[str] = came) -> None:
                    async for found in scan:
                        came.append(found.uuid)

                for further in range(3):
                    await interrupted(work, step + further, how)
                await work()
            assert exactly(came, world.uuids)


@pytest.mark.parametrize("options", MODES, ids=repr)
async def test_a_task_cancelled_just_as_a_page_comes_loses_nothing(options: Any, anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("only asyncio cancels a task that is about to go on")
    world = World(hexes(12), cap=5)
    async with rooms_of(Service(world)) as rooms:
        for turns, comes_first in product(range(40), (True, False)):
            came: list[str] = []
            async with rooms.scan(page_size=4, **options) as scan:

                async def work(scan: Scan[Room] = scan, came: list[str] = came) -> None:
                    async for found in scan:
                        came.append(found.uuid)

                async def cancel(task: "asyncio.Task[None]", turns: int = turns) -> None:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    task.cancel()

                if comes_first:
                    await asyncio.sleep(0)
                task = asyncio.create_task(work())
                await asyncio.gather(task, asyncio.create_task(cancel(task)), return_exceptions=True)
                await work()
            assert exactly(came, world.uuids), turns


async def test_a_wait_that_timed_out_is_no_end() -> None:
    world = World(hexes(12))
    service = Service(world, seconds=1.0)
    async with rooms_of(service) as rooms, rooms.scan(page_size=4, prefetch=0) as scan:
        came = []
        each = aiter(scan)
        timed_out = 0
        while True:
            try:
                with anyio.fail_after(0.3):
                    came.append((await anext(each)).uuid)
            except TimeoutError:
                timed_out += 1
            except StopAsyncIteration:
                break
        assert came == world.uuids
        assert timed_out > 8


@pytest.mark.parametrize("step", range(1, 6))
async def test_a_task_cancelled_again_while_it_leaves_is_clean(step: int, anyio_backend_name: str) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("Trio cancels by scopes only")
    service = Service(World(hexes(12)), seconds=60)
    async with rooms_of(service) as rooms:

        async def work() -> None:
            async with rooms.scan(shards=1, page_size=2):
                await anyio.sleep(0.1)

        task = asyncio.create_task(work())
        for _ in range(step):
            await anyio.sleep(0.06)
            task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert service.cancelled == 1


async def test_a_timeout_around_the_block_is_a_timeout(how: str) -> None:
    service = Service(World(hexes(12)), seconds=1)
    async with rooms_of(service) as rooms:
        for seconds in (0.5, 1.0, 1.5, 2.5):
            with pytest.raises(TimeoutError):
                if how == "scope":
                    with anyio.fail_after(seconds):
                        await scanned(rooms, page_size=2)
                else:
                    async with asyncio.timeout(seconds):
                        await scanned(rooms, page_size=2)
            await checkpoint()  # nothing of the cancellation is left
