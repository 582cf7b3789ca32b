"""Scans: every room once, exact checkpoints, and nothing left running; all on virtual time."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from itertools import pairwise, product
from random import Random
from typing import Any, Final

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

from cancelling import Stepped, running_tasks
from fake_services import UNKNOWN, Service, Unknown, World, hexes, in_turn
from fakes import ONCE, TOKEN
from netless_rooms import AsyncRooms, InvalidRoom, Room, Scan, ScanMode, errors
from netless_rooms._listing.checkpoints import Checkpoint, read_checkpoint
from netless_rooms._listing.shards import next_uuid
from netless_rooms.emulator import BadRoom, Closed, Emulator, Failure, Fault, Hang, Quirks
from selection import exhaustive, is_thorough, on_both_loops

pytestmark = pytest.mark.anyio
VIRTUAL_TIME = 0.0

MODES: Final[list[Any]] = [
    {"shards": shards, "prefetch": ahead} for shards, ahead in [(1, 0), (1, 2), (4, 0), (4, 1)]
]
SEEDS: Final = range(20 if is_thorough() else 4)

in_every_mode = pytest.mark.parametrize("options", [MODES[-1], *exhaustive(MODES[:-1])], ids=repr)
WAYS: Final = [("asyncio", "scope"), ("asyncio", "task"), ("trio", "scope")]


@asynccontextmanager
async def rooms_of(transport: httpx.AsyncBaseTransport, *hooks: Any, **options: Any) -> AsyncIterator[AsyncRooms]:
    """Open rooms over ``transport``; afterwards no task and no request may be left."""
    before, on = await running_tasks(), {"request": [*hooks]}
    async with httpx.AsyncClient(transport=transport, event_hooks=on, timeout=5, trust_env=False) as client:
        usual: dict[str, Any] = {"token": TOKEN, "region": "sg", "retry": ONCE}
        with anyio.fail_after(1_000_000):  # virtual seconds: what would hang forever fails at once
            yield AsyncRooms(client, **(usual | options))
        assert await running_tasks() == before
        assert getattr(transport, "under_way", 0) == 0


async def uuids_of(scan: Scan[Any], most: int | None = None, seen: list[str] | None = None) -> list[str]:
    """Iterate to the end of ``scan``, or until there are ``most`` rooms in ``seen``, which gets and has them."""
    seen = [] if seen is None else seen
    if most != 0:
        async for found in scan:
            seen.append(found.uuid)
            if len(seen) == most:
                break
    return seen


async def scanned(rooms: AsyncRooms, **options: Any) -> list[str]:
    async with rooms.scan(**options) as scan:
        return await uuids_of(scan)


async def error_of(scan: Scan[Any], seen: list[str]) -> errors.RoomsError | None:
    """Iterate to the end of ``scan``, adding to ``seen``, and return what it raises."""
    try:
        await uuids_of(scan, None, seen)
    except errors.RoomsError as error:
        assert error.checkpoint == scan.checkpoint  # noqa: PT017  no error is as good
        return error
    return None


def exactly(seen: list[str], uuids: list[str]) -> bool:
    return len(seen) == len(uuids) and sorted(seen) == sorted(uuids)


READINGS: Final = [(place % 2 == 0, 1000 if place % 3 else 3, each) for place, each in enumerate(UNKNOWN)]


@pytest.mark.parametrize(("inclusive", "cap", "unknown"), READINGS)
async def test_the_mode_depends_on_an_unknown_uuid(inclusive: bool, cap: int, unknown: Unknown) -> None:
    world = World(hexes(40), inclusive=inclusive, cap=cap, unknown=unknown)
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(shards=4, page_size=7) as scan:
            assert scan.mode is (ScanMode.SHARDS if unknown == "seek" else ScanMode.SEQUENTIAL)
            seen = await uuids_of(scan)
            assert exactly(seen, world.uuids)
            assert (seen == world.uuids) is (unknown != "seek")
        known = scan.checkpoint
        async with rooms.scan(shards=3, page_size=7, split_hint=known) as scan:
            assert scan.mode is (ScanMode.SHARDS if unknown == "seek" else ScanMode.KNOWN_ROOMS)
            assert len(read_checkpoint("", scan.checkpoint, "sg").ranges) == 3
            assert repr(scan) == f"<Scan in mode {scan.mode.value!r}, 0 rooms so far>"
            assert exactly(await uuids_of(scan), world.uuids)
        parts = await rooms.split(4, split_hint=known)
        assert len(parts) == 4
        assert [uuid for part in parts for uuid in await scanned(rooms, resume=part, page_size=2)] == world.uuids


@pytest.mark.parametrize("count", [0, 1, 2, 1000, *exhaustive([3, 999, 1001])])
async def test_a_scan_is_exact_around_full_pages_and_of_hardly_any_rooms(count: int) -> None:
    world = World(hexes(count))
    async with rooms_of(Service(world)) as rooms:
        known = None
        for shards in (1, 2, 8):
            async with rooms.scan(shards=shards, split_hint=known) as scan:
                assert exactly(await uuids_of(scan), world.uuids)
            known = scan.checkpoint
            assert known.count(".") < 40
        parts = await rooms.split(8)
        assert [uuid for part in parts for uuid in await scanned(rooms, resume=part)] == world.uuids


@in_every_mode
@pytest.mark.parametrize("seed", SEEDS)
async def test_rooms_created_during_a_scan_hide_no_others(options: Any, seed: int) -> None:
    chance = Random(seed)
    world = World(hexes(30, chance), inclusive=seed % 2 == 0, cap=chance.choice([2, 3, 5, 1000]))
    before = list(world.uuids)

    def listing(begin: str | None, limit: int) -> Any:
        for _ in range(chance.randint(0, 2)):
            near = chance.choice(world.uuids)  # often the border of a range
            new = chance.choice([next_uuid(near), f"{int(near, 16) - 1:032x}", *hexes(1, chance)])
            if new not in world.uuids:
                world.add(str(new))
        return world(begin, limit)

    async with rooms_of(Service(listing)) as rooms:
        async with rooms.scan(page_size=chance.choice([1, 4, 1000]), **options) as scan:
            seen = await uuids_of(scan, chance.choice([None, 10]))
        seen += await scanned(rooms, resume=scan.checkpoint)
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


@in_every_mode
@pytest.mark.parametrize("unknown", ["seek", 404, *exhaustive(UNKNOWN)])
@pytest.mark.parametrize("seed", SEEDS)
async def test_rooms_that_leave_hide_no_others(options: Any, unknown: Any, seed: int) -> None:
    chance, inclusive = Random(seed), seed % 2 == 0
    world = World(hexes(24, chance), inclusive=inclusive, cap=chance.choice([2, 3, 1000]), unknown=unknown)
    before, seen = list(world.uuids), []

    async def disable_some(scan: Scan[Room]) -> None:
        stop = chance.choice([None, 1, 7])
        async for found in scan:
            seen.append(found.uuid)
            if chance.random() < 0.8:
                world.uuids.remove(found.uuid)
            if stop == len(seen):
                return

    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(page_size=2) as scan:
            await uuids_of(scan)
        known = chance.choice([None, scan.checkpoint])
        try:
            async with rooms.scan(page_size=chance.choice([1, 3, 1000]), split_hint=known, **options) as scan:
                await disable_some(scan)
            async with rooms.scan(resume=scan.checkpoint, page_size=3) as scan:
                await disable_some(scan)
            seen += await scanned(rooms, resume=scan.checkpoint)
        except errors.RoomsError:
            pass  # not quiet
        else:
            # An exclusive cursor and one that left the list look the same where both return nothing.
            assert exactly(seen, before) or (not inclusive and unknown == "empty")
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(("unknown", "inclusive"), [("empty", True), ("ignored", True), ("ignored", False)])
async def test_a_cursor_that_left_is_no_end_and_no_start(unknown: Any, inclusive: bool) -> None:
    words = "empty, though" if unknown == "empty" else "starts again with 0000"
    world = World(hexes(12), inclusive=inclusive, unknown=unknown)
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(page_size=2, prefetch=0) as scan:
            seen = await uuids_of(scan, 7)
        world.uuids.remove(seen[6])
        async with rooms.scan(resume=scan.checkpoint, page_size=2) as resumed:
            for _ in range(2):
                with pytest.raises(errors.PaginationError, match=f"from {seen[6]} on .*{words}"):
                    await anext(resumed)
            world.add(seen[6])
            assert seen + await uuids_of(resumed) == world.uuids


async def test_an_end_without_rooms_is_proven_by_the_first_room() -> None:
    one, two = hexes(2)
    for world, requests in [
        (World([one], inclusive=False), [None, one, one, None, one]),
        (World([one, two], inclusive=False), [None, two, two, None, one]),
        (World([one, two]), [None, two, two]),
        (World([], inclusive=False), [None, None]),
    ]:
        service = Service(world)
        async with rooms_of(service) as rooms:
            assert await scanned(rooms) == world.uuids
        assert service.asked == requests


LIES: Final[dict[str, Callable[[World, str, int], Any]]] = {
    "starts again": lambda world, _, limit: world(None, limit),
    "nothing": lambda *_: [],
    "cursor alone": lambda world, begin, _: world(begin, 1),
    "skips the border": lambda world, begin, limit: world(begin, 1) + world(world.uuids[31], limit - 1),
    "backwards": lambda world, begin, limit: world(begin, 1) + world(begin, limit)[:0:-1],
    "room before": lambda world, begin, limit: world(world.uuids[world.uuids.index(begin) - 1], limit),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("mode", [ScanMode.SHARDS, ScanMode.KNOWN_ROOMS])
async def test_a_wrong_answer_makes_no_hole(lie: str, mode: ScanMode) -> None:
    # Wrong is what follows some rooms of the second range, once or always; all other answers are right.
    world = World(hexes(40), cap=8, unknown="seek" if mode is ScanMode.SHARDS else 404)
    service = Service(world)
    lies: list[str] = []

    def lying(begin: str | None, limit: int) -> Any:
        if begin is not None and world.uuids[10] <= begin <= world.uuids[19]:
            lies.append(begin)
            return LIES[lie](world, begin, limit)
        return world(begin, limit)

    async with rooms_of(service) as rooms:
        async with rooms.scan() as scan:
            await uuids_of(scan)
        seen: list[str] = []
        async with rooms.scan(shards=4, page_size=5, split_hint=scan.checkpoint) as scan:
            assert scan.mode is mode
            service.listing = lying
            raised = [await error_of(scan, seen) for _ in range(3)]
            assert any(raised) or not lies
            assert all(isinstance(error, errors.PaginationError | None) for error in raised)
            assert len(seen) == len(set(seen)) < 40 or not lies
            service.listing = world
            assert exactly(seen + await uuids_of(scan), world.uuids)


AT: Final = [(401, 0), (403, 1), (401, 2), (403, 2), (429, 4), (502, 2), (503, 3), (504, 4)]


@pytest.mark.parametrize(("status", "at"), [*AT, *((None, at) for at in range(5))])
async def test_a_probe_refused_for_an_unrelated_reason_is_an_error(status: int | None, at: int) -> None:
    world = World(hexes(40))
    refusal = httpx.Response(status) if status else httpx.ReadError("cut")
    async with rooms_of(Service(in_turn(world, *[None] * at, refusal))) as rooms:
        with pytest.raises(errors.StatusError if status else errors.TransportError) as caught:
            await scanned(rooms, shards=4)
        assert (getattr(caught.value, "status", None), caught.value.checkpoint) == (status, None)
        assert exactly(await scanned(rooms, shards=4), world.uuids)


@pytest.mark.parametrize("at", [1, 3, *exhaustive([2, 4])])
async def test_a_list_that_seeks_only_sometimes_is_not_split(at: int) -> None:
    world = World(hexes(40))
    for instead in (httpx.Response(400), httpx.Response(500), httpx.Response(200, json=None), [], hexes(40)[:9]):
        service = Service(in_turn(world, *[None] * at, instead))
        async with rooms_of(service) as rooms, rooms.scan(shards=4) as scan:
            assert scan.mode is ScanMode.SEQUENTIAL or instead == []  # which may be right after the last room
            assert exactly(await uuids_of(scan), world.uuids)


async def test_only_a_list_with_a_gap_to_probe_is_split() -> None:
    low = hexes(4)
    after = str(next_uuid(low[0]))
    with_gap = [[*low[:2], "x" * 32], sorted([*low, after])]  # another uuid after it, a gap after two rooms
    others = [[], ["a"], ["a", "b", "c"], [low[0], after], ["x", "f" * 32], [low[3]]]
    others += [[f"f{n}{low[0][2:]}" for n in range(4)]]  # all in the last part
    for uuids, inclusive in product([*with_gap, *others], (True, False)):
        async with rooms_of(Service(World(uuids, inclusive=inclusive))) as rooms, rooms.scan(shards=9) as scan:
            assert exactly(await uuids_of(scan), uuids)
            assert scan.mode is (ScanMode.SHARDS if uuids in with_gap else ScanMode.SEQUENTIAL)
    emulator = Emulator(rooms=41, quirks=Quirks(order="creation"))
    opened = rooms_of(emulator.transport(), token=emulator.key)
    async with opened as rooms, rooms.scan(shards=9, page_size=9) as scan:
        assert scan.mode is ScanMode.SEQUENTIAL
        assert await uuids_of(scan) == list(emulator.uuids())
        assert read_checkpoint("", scan.checkpoint, "sg").samples == ()


async def test_a_checkpoint_samples_few_rooms_spread_over_what_was_scanned() -> None:
    uuids, resume = hexes(1000), None
    async with rooms_of(Service(World(uuids))) as rooms:
        for count in (3, 501, 496):
            async with rooms.scan(page_size=3, shards=2, resume=resume) as scan:
                await uuids_of(scan, count)
            resume = scan.checkpoint
    samples = read_checkpoint("", scan.checkpoint, "sg").samples
    places = [uuids.index(uuid) for uuid in samples]
    assert len(places) == 16
    assert all(60 <= other - one <= 66 for one, other in pairwise(places))


@in_every_mode
@on_both_loops
async def test_a_scan_resumes_exactly_from_every_position(options: dict[str, Any]) -> None:
    world = World(hexes(18), cap=5)
    world.invalid = {uuid: {"isBan": "no"} for uuid in world.uuids[2::6]}
    readable = [uuid for uuid in world.uuids if uuid not in world.invalid]
    options = options | {"page_size": 4, "on_invalid": "skip"}
    async with rooms_of(Service(world)) as rooms:
        for most in range(len(readable) + 1):
            async with rooms.scan(**options) as scan:
                seen = await uuids_of(scan, most)
                inside = scan.checkpoint
            assert scan.checkpoint == inside
            async with rooms.scan(**options, resume=scan.checkpoint) as resumed:
                assert (resumed.checkpoint, resumed.mode) == (scan.checkpoint, scan.mode)
                seen += await uuids_of(resumed)
            assert exactly(seen, readable)
            assert exactly([str(room.uuid) for room in scan.skipped + resumed.skipped], list(world.invalid))
            assert await scanned(rooms, resume=resumed.checkpoint) == []


async def test_a_checkpoint_holds_no_secret_and_is_refused_for_another_account_or_region() -> None:
    world, other = World(hexes(24)), World(hexes(24))
    other.invalid = {uuid: {"teamUUID": "another"} for uuid in other.uuids}
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(shards=3) as scan:
            team = (await anext(scan)).team_uuid
            await uuids_of(scan, 4)
        known = scan.checkpoint
        assert not any(secret in known for secret in (team, TOKEN))
        world.unknown = 404  # cannot be split
        (shard,) = await rooms.split(4)
        assert await scanned(rooms, resume=shard) == world.uuids
    another = pytest.raises(errors.CheckpointError, match="the checkpoint is of another account")
    async with rooms_of(Service(other)) as rooms:
        with another:
            await rooms.split(2, split_hint=known)
        for options in ({"shards": 2, "split_hint": known}, {"resume": shard}, {"resume": known}):
            with another as caught:
                await scanned(rooms, **options)
        assert caught.value.checkpoint == known
        other.uuids.clear()
        with another:
            await scanned(rooms, resume=known)


async def test_the_account_is_known_from_readable_rooms_only_and_unknown_without_rooms() -> None:
    world = World([], cap=2)
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan() as scan:
            start = scan.checkpoint
            assert await uuids_of(scan) == []
        world.uuids = hexes(24)
        assert await scanned(rooms, resume=scan.checkpoint) == []
        assert await scanned(rooms, resume=start) == world.uuids
        assert exactly(await scanned(rooms, shards=3, split_hint=start), world.uuids)
        async with rooms.scan(page_size=2, on_invalid="skip") as scan:
            await uuids_of(scan, 5)
        for invalid in ({uuid: {"isBan": 5} for uuid in world.uuids[:2]}, {world.uuids[0]: {"teamUUID": "guest"}}):
            world.invalid = invalid
            assert await scanned(rooms, resume=scan.checkpoint) == world.uuids[5:]


async def test_a_wrong_argument_is_refused_at_the_call_and_a_scan_that_is_not_entered_has_no_mode() -> None:
    service, known = Service(World([])), str(Checkpoint(region="sg"))
    async with rooms_of(service, region="eu") as eu:
        wrong: list[tuple[dict[str, Any], str]] = [
            *(({"page_size": size}, "page_size must be 1 to 1000") for size in (0, 1001)),
            *(({"prefetch": ahead}, "prefetch must be 0 to 100") for ahead in (-1, 101)),
            *(({"shards": shards}, "shards must be 1 to 1000") for shards in (0, 1001)),
            ({"on_invalid": "ignore"}, "on_invalid must be one of 'raise', 'skip', 'yield'"),
            ({"resume": hexes(1)[0]}, "resume must be a checkpoint"),
            ({"resume": known, "split_hint": known}, "give resume or split_hint, not both"),
            ({"resume": known}, "resume is of the region 'sg'"),
            ({"split_hint": known}, "split_hint is of the region 'sg'"),
        ]
        for options, words in wrong:
            with pytest.raises(ValueError, match=words):
                eu.scan(**options)
        for shards, words in ((0, "shards must be 1"), (2, "split_hint is of the region 'sg'")):
            with pytest.raises(ValueError, match=words):
                await eu.split(shards, split_hint=known)
        scan = eu.scan(shards=1000, prefetch=100, page_size=1000)
        assert repr(scan) == "<Scan not entered, 0 rooms so far>"
        with pytest.raises(TypeError, match="must be entered first"):
            scan.mode  # noqa: B018
    assert service.asked == []


@pytest.mark.parametrize("prefetch", [0, 2, *exhaustive([1, 5])])
@on_both_loops
async def test_exactly_prefetch_pages_are_requested_ahead(prefetch: int) -> None:
    service = Service(World(hexes(60), cap=6), seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(prefetch=prefetch, page_size=5) as scan:
        await anyio.sleep(9)
        assert len(service.asked) == prefetch
        for place in range(60):
            await anext(scan)
            await anyio.sleep(0.3)
            expected = place // 5 + 1 + prefetch
            assert min(12, expected) <= len(service.asked) <= expected + 2 * (expected > 12)


async def test_each_concurrent_range_has_its_own_pages_ahead_and_shards_limit_requests() -> None:
    service = Service(World(hexes(100)), seconds=0.1)
    async with rooms_of(service) as rooms:
        async with rooms.scan(shards=4, prefetch=1, page_size=5) as scan:
            probes = len(service.asked)
            for page in range(6):
                await uuids_of(scan, 5 if page else 0)
                await anyio.sleep(9)
                assert (scan.page_count, len(service.asked)) == (page, probes + 4 + page)
                assert service.most_at_once <= 4
        assert exactly(await scanned(rooms, shards=5, page_size=4, prefetch=3), hexes(100))
        assert service.most_at_once == 5
        (line,) = await rooms.split(1)
        service.asked.clear()
        async with rooms.scan(resume=line, shards=8, prefetch=2, page_size=5):
            await anyio.sleep(9)
        assert len(service.asked) == 2  # one range has fewer than eight


@pytest.mark.parametrize("fault", [Failure(503), Closed(), BadRoom(-1, isBan="perhaps"), *exhaustive([Hang()])])
@in_every_mode
async def test_a_scan_that_failed_continues_and_resumes_exactly(fault: Fault, options: Any) -> None:
    on_entering: set[str | None] = set()
    for at in range(99):
        emulator = Emulator(rooms=20)
        uuids, seen = list(emulator.uuids()), list[str]()
        emulator.faults[:] = [None] * at + [fault]
        async with rooms_of(emulator.transport(), token=emulator.key) as rooms:
            try:
                async with rooms.scan(page_size=6, **options) as scan:
                    if error := await error_of(scan, seen):
                        assert exactly(seen + await scanned(rooms, resume=error.checkpoint), uuids)
                    assert exactly(seen + await uuids_of(scan), uuids)
            except errors.RoomsError as error:
                on_entering.add(error.checkpoint)
        if emulator.faults:
            break
    assert at > 5
    assert on_entering <= {None}


@on_both_loops
async def test_an_error_is_raised_after_the_rooms_before_it_and_retried_on_demand() -> None:
    world = World(hexes(10))
    service = Service(in_turn(world, None, httpx.Response(503)), seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(page_size=5, prefetch=3) as scan:
        await anyio.sleep(5)
        assert await uuids_of(scan, 5) == world.uuids[:5]
        with pytest.raises(errors.ServerError) as caught:
            await anext(scan)
        assert caught.value.checkpoint == scan.checkpoint
        await anyio.sleep(5)
        assert len(service.asked) == 2
        assert await uuids_of(scan) == world.uuids[5:]


async def test_an_outage_of_all_ranges_is_raised_once_for_each_attempt() -> None:
    world = World(hexes(100))
    service = Service(world, seconds=0.1)
    async with rooms_of(service) as rooms, rooms.scan(shards=5, page_size=5) as scan:
        seen = await uuids_of(scan, 7)
        service.listing = lambda *_: httpx.Response(503)
        asked = []
        for _ in range(13):
            with pytest.raises(errors.ServerError):
                await uuids_of(scan, None, seen)  # at first of the pages ahead
            await anyio.sleep(1)
            asked.append(len(service.asked))
        assert asked[-1] == asked[-4] + 3 * 5
        service.listing = world
        assert exactly(seen + await uuids_of(scan), world.uuids)


@pytest.mark.parametrize("error", [KeyError("k"), StopAsyncIteration(), ExceptionGroup("g", [ValueError()])])
async def test_what_a_hook_raises_is_raised_unchanged(error: Exception) -> None:
    world, left = World(hexes(20)), [None, None, error]

    async def hook(_: httpx.Request) -> None:
        if left and (raised := left.pop(0)):
            raise raised

    async with rooms_of(Service(world), hook) as rooms, rooms.scan(page_size=5) as scan:
        seen = await uuids_of(scan, 10)
        with pytest.raises(Exception) as caught:  # noqa: PT011  may be wrapped
            await anext(scan)
        assert error in (caught.value, caught.value.__cause__)
        assert seen + await uuids_of(scan) == world.uuids


@in_every_mode
@pytest.mark.parametrize("wrong", [{"isBan": "no"}, {"uuid": ...}, {"x": ["\ud83d"]}], ids=repr)
@pytest.mark.parametrize("places", [[3, 4, 5], [23], *exhaustive([[0], [10], list(range(0, 22, 2))])], ids=repr)
async def test_unreadable_rooms_are_skipped_or_in_place(options: Any, wrong: Any, places: list[int]) -> None:
    has_uuid = "uuid" not in wrong
    world = World(hexes(24), cap=7)
    world.invalid = {world.uuids[place]: wrong for place in places}
    readable = [uuid for uuid in world.uuids if uuid not in world.invalid]
    both = [uuid if has_uuid or uuid in readable else "None" for uuid in world.uuids]
    async with rooms_of(Service(world)) as rooms:
        with pytest.raises(errors.DecodeError):
            await scanned(rooms, page_size=5, **options)
        async with rooms.scan(page_size=5, on_invalid="skip", **options) as scan:
            if places == [23] and not has_uuid:
                with pytest.raises(errors.PaginationError, match="only rooms whose uuid cannot be read"):
                    await uuids_of(scan)
                return
            assert exactly(await uuids_of(scan), readable)
            assert (scan.room_count, scan.skipped_count) == (len(readable), len(places))
            assert exactly([str(room.uuid) for room in scan.skipped], sorted(both[place] for place in places))
        seen = []
        async with rooms.scan(page_size=5, on_invalid="yield", **options) as mixed:
            async for found in mixed:
                if isinstance(found, InvalidRoom):
                    assert found.document["teamUUID"] == "RMmxxxxx5aw"
                seen.append(str(found.uuid))
            assert (mixed.room_count, mixed.skipped_count) == (24, 0)
        assert exactly(seen, both)


async def test_a_skipped_room_is_done_and_at_most_a_thousand_are_kept() -> None:
    world = World(hexes(1017))
    world.invalid = {uuid: {"limit": "many"} for uuid in world.uuids[10:]}
    async with rooms_of(Service(in_turn(world, None, None, httpx.Response(503)))) as rooms:
        async with rooms.scan(on_invalid="skip") as scan:
            with pytest.raises(errors.ServerError) as caught:
                await uuids_of(scan)
        assert scan.skipped_count == 1007
        assert [room.uuid for room in scan.skipped] == world.uuids[10:1010]
        async with rooms.scan(on_invalid="skip", resume=caught.value.checkpoint) as resumed:
            assert await uuids_of(resumed) == []
        assert resumed.skipped_count == 0


async def test_iterating_again_continues_after_the_last_room_and_after_the_block_is_an_error() -> None:
    world = World(hexes(30))
    async with rooms_of(Service(world)) as rooms:
        async with rooms.scan(page_size=7, shards=2) as scan:
            seen: list[str] = []
            for most in (3, 0, 1, 10, 7):
                seen += await uuids_of(scan, most)
            async with aclosing(found.uuid async for found in scan) as each:
                seen.append(await anext(each))
            seen.append((await anext(aiter(scan))).uuid)
            seen += await uuids_of(scan)
            assert exactly(seen, world.uuids)
            assert await uuids_of(scan) == []
        assert await uuids_of(scan) == []
        async with rooms.scan(page_size=7) as scan:
            await uuids_of(scan, 7)
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"this scan was left; resume .* scan\(resume="):
                await uuids_of(scan)
        assert len(await scanned(rooms, resume=scan.checkpoint)) == 23


@on_both_loops
async def test_a_task_that_waits_while_the_scan_is_left_sees_no_end() -> None:
    async def iterate(scan: Scan[Room]) -> None:
        with pytest.raises(RuntimeError, match="this scan was left"):
            await uuids_of(scan)

    opened = rooms_of(Service(World(hexes(20)), seconds=9))
    async with opened as rooms, anyio.create_task_group() as tasks, rooms.scan() as scan:
        tasks.start_soon(iterate, scan)
        await anyio.sleep(1)
        with pytest.raises(RuntimeError, match="iterate in one task at a time"):
            await anext(scan)


@pytest.mark.parametrize(("seconds", "waits", "cancelled"), [(0.0, 0.0, 0), (1.0, 0.9, 0), (1.2, 1.0, 1)])
@on_both_loops
async def test_leaving_waits_one_second_for_open_requests(seconds: float, waits: float, cancelled: int) -> None:
    service = Service(World(hexes(20)), seconds=seconds)
    async with rooms_of(service) as rooms:
        for leave_by in ("end", "error", "scope"):
            service.cancelled = 0
            with suppress(ZeroDivisionError), anyio.CancelScope() as scope:
                async with rooms.scan(page_size=5):
                    await anyio.sleep(0.1)
                    began = anyio.current_time()  # virtual
                    if leave_by == "error":
                        raise ZeroDivisionError
                    if leave_by == "scope":
                        scope.cancel()
                        await checkpoint()
            assert anyio.current_time() - began == pytest.approx(waits)
            assert service.cancelled == cancelled


@on_both_loops
async def test_leaving_sends_nothing_more_and_is_clean_at_once() -> None:
    service = Service(World(hexes(20), inclusive=False), seconds=0.1)
    async with rooms_of(service) as rooms:
        for most in range(1, 21):
            async with rooms.scan(page_size=5, prefetch=3) as scan:
                await uuids_of(scan, most)
                await checkpoint()
                requests = len(service.asked)
            assert len(service.asked) == requests
        assert service.cancelled == 0
        service.seconds = 0.0
        for options in MODES:
            async with rooms.scan(**options):
                pass
        rooms.scan()  # never entered


@in_every_mode
async def test_rooms_that_were_returned_are_not_kept(options: dict[str, Any]) -> None:
    references: list[weakref.ref[Room]] = []
    async with rooms_of(Service(World(hexes(100)))) as rooms, rooms.scan(page_size=10, **options) as scan:
        async for found in scan:
            references.append(weakref.ref(found))
            assert sum(each() is not None for each in references) <= 11
    assert (len(references), sum(each() is not None for each in references) <= 1) == (100, True)


async def interrupted(work: Callable[[], Any], step: int, way: str) -> bool:
    """Run ``work``, cancelled at its ``step``-th suspension or turn; return whether that was reached."""
    reached = False

    def interrupt() -> None:
        nonlocal reached
        reached = True
        scope.cancel() if way == "scope" else task.cancel()

    if way == "scope":
        with anyio.CancelScope() as scope:
            await Stepped(work(), step, interrupt)
        return reached

    async def run() -> None:
        await Stepped(work(), step if way == "task" else 0, interrupt)

    task = asyncio.create_task(run())
    if way == "turn":  # of the loop: the task may be about to run then
        for _ in range(step):
            await asyncio.sleep(0)
        reached = task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    return reached


@in_every_mode
@pytest.mark.parametrize(("anyio_backend", "way"), WAYS, indirect=["anyio_backend"])
async def test_a_cancelled_scan_leaves_no_task_and_is_exact(options: Any, way: str) -> None:
    world = World(hexes(12), cap=5)
    service = Service(world)
    async with rooms_of(service) as rooms:
        before = await running_tasks()
        step, reached = 0, True
        while reached:
            step += 1
            seen: list[str] = []
            scans: list[Scan[Room]] = []

            async def work(seen: list[str] = seen, scans: list[Scan[Room]] = scans) -> None:
                async with rooms.scan(page_size=4, **options) as scan:
                    scans.append(scan)
                    service.seconds = 0.3
                    async for found in scan:
                        seen.append(found.uuid)
                        await checkpoint()

            reached = await interrupted(work, step, way)
            assert (await running_tasks(), service.under_way) == (before, 0)
            service.seconds = 0.0
            if scans:
                assert exactly(seen + await scanned(rooms, resume=scans[0].checkpoint), world.uuids)
        assert step > 10


@pytest.mark.parametrize("options", [MODES[-2], MODES[-1], *exhaustive(MODES[:-2])], ids=repr)
@pytest.mark.parametrize(("anyio_backend", "way"), [*WAYS, ("asyncio", "turn")], indirect=["anyio_backend"])
async def test_a_scan_continues_after_a_cancelled_wait(options: Any, way: str) -> None:
    world = World(hexes(12), cap=5)
    async with rooms_of(Service(world, seconds=0.0 if way == "turn" else 0.3)) as rooms:
        for step in range(1, 40):
            seen: list[str] = []
            async with rooms.scan(page_size=4, **options) as scan:
                work = partial(uuids_of, scan, None, seen)
                reached = [await interrupted(work, step + further, way) for further in range(3)]
                await work()
            assert exactly(seen, world.uuids)
            if not any(reached):
                break


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)  # nobody can raise the exception of Trio
async def test_a_request_cancelled_from_elsewhere_is_an_error_and_a_timeout_around_the_block_a_timeout() -> None:
    world = World(hexes(6))
    async with rooms_of(Service(in_turn(world, None, asyncio.CancelledError()))) as rooms:
        seen: list[str] = []
        async with rooms.scan(page_size=4) as scan:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="something cancelled a request of it"):
                    await uuids_of(scan, None, seen)
        assert seen + await scanned(rooms, resume=scan.checkpoint) == world.uuids
    async with rooms_of(Service(world, seconds=1)) as rooms:
        for seconds in (0.5, 1.0, 1.5, 2.5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(seconds):
                    await scanned(rooms, page_size=2)
            await checkpoint()  # nothing of the cancellation is left


@on_both_loops
async def test_no_request_begins_after_leaving_while_the_end_is_confirmed() -> None:
    emulator, confirming, asked = Emulator(rooms=3, quirks=Quirks(cursor="exclusive")), anyio.Event(), list[str]()
    inner = emulator.transport()

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["limit"])
        if asked[-1] == "999":
            confirming.set()
            await anyio.wait_all_tasks_blocked()
        return await inner.handle_async_request(request)

    async with rooms_of(httpx.MockTransport(answer), token=emulator.key, clock=emulator.clock) as rooms:
        async with rooms.scan() as scan:
            assert len([await anext(scan) for _ in range(3)]) == 3
            await confirming.wait()
        assert asked[-1] == "999"


async def test_the_requests_of_shards_and_of_bulk_calls_begin_one_after_the_other() -> None:
    emulator, beginning, repeated = Emulator(rooms=3000), 0, 0
    inner = emulator.transport()

    async def connect(request: httpx.Request) -> httpx.Response:
        nonlocal beginning, repeated
        repeated += beginning > 0  # before the one before has its connection: httpcore makes it start over
        beginning += 1
        await checkpoint()  # for the locks of the connection and of its state
        await checkpoint()
        beginning -= 1
        return await inner.handle_async_request(request)

    opened = rooms_of(httpx.MockTransport(connect), token=emulator.key, clock=emulator.clock)
    async with opened as rooms, rooms.scan(shards=8, page_size=100) as scan:
        repeated = 0  # before that the list was split, by requests that begin together
        uuids = await uuids_of(scan)
        async with rooms.get_many(uuids[:50]) as outcomes:
            assert (len(uuids), len([each async for each in outcomes])) == (3000, 50)
    assert repeated == 0
