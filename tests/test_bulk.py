"""Many calls at once: each input is accounted for, however it ends.  Time is virtual, except over a socket."""

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any, Literal

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from fakes import ONCE, TOKEN, answer, room
from http_clients import OpenRooms
from hypothesis_profiles import examples
from netless_rooms import (
    AsyncRooms,
    CreateOutcomeUnknownError,
    NotFoundError,
    Outcome,
    Outcomes,
    RetryPolicy,
    TooManyFailuresError,
    TransportError,
)
from netless_rooms.bulk import LONGEST_DRAIN, LONGEST_PULL
from netless_rooms.emulator import Closed, Emulator
from netless_rooms.outcomes import CONCURRENCY
from samples import UUID
from virtual_time import VirtualTime

pytestmark = pytest.mark.anyio

in_real_time = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
on_asyncio = pytest.mark.parametrize(
    "anyio_backend", [("asyncio", VirtualTime().options("asyncio"))], ids=["asyncio"]
)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run every asynchronous test on both event loops, where waiting takes no time."""
    return request.param, VirtualTime().options(request.param)


@define(eq=False)
class Service:
    """Answers after some seconds, and notes when it was asked what."""

    seconds: Callable[[str], float] = lambda _: 1.0
    failing: frozenset[str] = frozenset()
    status: int = 404
    begun: list[tuple[float, str]] = field(factory=list)
    ended: list[str] = field(factory=list)
    most: int = 0
    _running: int = 0
    _made: int = 0

    @property
    def asked(self) -> list[str]:
        """Return which rooms it was asked about, in order; of creates, the rooms to be."""
        return [uuid for _, uuid in self.begun]

    @property
    def times(self) -> list[float]:
        """Return when it was asked, from the first time on."""
        return [time - self.begun[0][0] for time, _ in self.begun]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        uuid = request.url.path.rpartition("/")[2]
        if request.method == "POST":
            uuid = f"new{self._made}"
            self._made += 1
        self.begun.append((anyio.current_time(), uuid))
        self._running += 1
        self.most = max(self.most, self._running)
        try:
            await anyio.sleep(self.seconds(uuid))
        finally:
            self._running -= 1
        self.ended.append(uuid)
        if uuid in self.failing:
            return answer({"message": "no"}, self.status)
        return answer(room(uuid, isBan=b"true" in request.content))

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[AsyncRooms]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(self.answer), **options) as client:
            yield AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def rooms(service: Service) -> AsyncIterator[AsyncRooms]:
    async with service.open() as rooms:
        yield rooms


@define(slots=False)
class Pulled:
    """An async iterable that counts what was pulled."""

    uuids: Iterable[str]
    ends: Exception | None = None
    seconds: float = 0.0
    count: int = 0

    def __attrs_post_init__(self) -> None:
        self._left = iter(self.uuids)

    def __aiter__(self) -> "Pulled":
        return self

    async def __anext__(self) -> str:
        await anyio.sleep(self.seconds)
        for uuid in self._left:
            self.count += 1
            return uuid
        raise self.ends or StopAsyncIteration


def some(count: int) -> list[str]:
    return [f"r{index}" for index in range(count)]


async def taken(outcomes: Outcomes[Any]) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


async def running_tasks() -> set[int]:
    return {task.id for task in anyio.get_running_tasks()}


# What comes out


@in_real_time
async def test_every_room_is_disabled_enabled_got_and_created(open_rooms: OpenRooms) -> None:
    emulator = Emulator(rooms=25)
    uuids = list(emulator.uuids())
    async with open_rooms(emulator) as rooms:
        for many, banned in ((rooms.disable_many, True), (rooms.get_many, True), (rooms.enable_many, False)):
            async with many(uuids) as outcomes:
                came = await taken(outcomes)
            assert [outcome.uuid for outcome in sorted(came, key=lambda one: one.index)] == uuids
            assert [outcome.result().uuid for outcome in came] == [outcome.uuid for outcome in came]
            assert all(outcome.result().is_ban is banned for outcome in came)
        async with rooms.create_many(12, limit=3, is_record=True) as created:
            came = await taken(created)
    assert sorted(outcome.index for outcome in came) == list(range(12))
    assert {outcome.uuid for outcome in came} == {*emulator.uuids()} - {*uuids}
    assert {(outcome.result().limit, outcome.result().is_record) for outcome in came} == {(3, True)}


@in_real_time
async def test_over_a_socket_no_more_connections_are_used_than_the_pool_holds(emulator: Emulator) -> None:
    limits = httpx.Limits(max_connections=2)
    async with (
        emulator.serve() as url,
        httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(30, pool=0.001)) as client,
    ):
        rooms = AsyncRooms(client, token=emulator.token(), region="sg", retry=ONCE, base_url=url)
        async with rooms.get_many(emulator.uuids()) as outcomes:
            assert [outcome.error for outcome in await taken(outcomes)] == [None] * 25


async def test_outcomes_come_as_the_calls_end(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda uuid: {"a": 3.0, "b": 1.0, "c": 2.0}[uuid]
    async with rooms.get_many(["a", "b", "c"]) as outcomes:
        came = await taken(outcomes)
    assert [(outcome.index, outcome.uuid) for outcome in came] == [(1, "b"), (2, "c"), (0, "a")]


async def test_a_call_that_fails_is_an_outcome_and_stops_no_other(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r3", "r7"})
    async with rooms.get_many(some(20)) as outcomes:
        came = await taken(outcomes)
    failed = {outcome.uuid: outcome for outcome in came if outcome.error is not None}
    assert failed.keys() == {"r3", "r7"}
    assert all(outcome.room is None for outcome in failed.values())
    with pytest.raises(NotFoundError) as caught:
        failed["r3"].result()
    assert caught.value is failed["r3"].error
    assert len(came) == 20


async def test_a_uuid_that_is_there_twice_is_asked_for_twice(service: Service, rooms: AsyncRooms) -> None:
    async with rooms.get_many(["a", "b", "a"]) as outcomes:
        came = await taken(outcomes)
    assert sorted((outcome.index, outcome.uuid) for outcome in came) == [(0, "a"), (1, "b"), (2, "a")]
    assert sorted(service.asked) == ["a", "a", "b"]


@pytest.mark.parametrize("uuids", [[], (), set(), iter(()), Pulled([])], ids=repr)
async def test_no_input_is_no_outcome(service: Service, rooms: AsyncRooms, uuids: Any) -> None:
    async with rooms.get_many(uuids) as outcomes:
        assert await taken(outcomes) == []
    async with rooms.create_many(0) as created:
        assert await taken(created) == []
    assert service.begun == []


async def test_what_an_event_hook_raises_is_an_error_and_its_words_are_not_shown(service: Service) -> None:
    async def hook(request: httpx.Request) -> None:
        raise LookupError(request.headers["token"])

    async with service.open(event_hooks={"request": [hook]}) as rooms, rooms.get_many(["a"]) as outcomes:
        (outcome,) = await taken(outcomes)
    assert isinstance(outcome.error, LookupError)
    assert repr(outcome) == "Outcome(index=0, uuid='a', room=None, error=LookupError)"
    assert TOKEN not in repr([outcome, outcomes])


async def test_a_repr_tells_the_error_of_ours_and_counts(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"a"})
    async with rooms.get_many(["a", "b"], concurrency=1) as outcomes:
        outcome = await anext(outcomes)
        assert repr(outcome) == f"Outcome(index=0, uuid='a', room=None, error={outcome.error!r})"
        assert repr(outcomes) == "Outcomes(done=1, failed=1, total=2)"


@pytest.mark.parametrize("both", [False, True])
async def test_an_outcome_has_either_a_room_or_an_error(both: bool, rooms: AsyncRooms) -> None:
    found = await rooms.get("a")
    with pytest.raises(ValueError, match="either a room or an error"):
        Outcome(index=0, uuid="a", room=found if both else None, error=LookupError() if both else None)


async def test_counts_are_those_of_what_came_out(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r1", "r2"})
    told = []
    async with rooms.get_many(some(4), concurrency=1) as outcomes:
        assert (outcomes.done, outcomes.failed, outcomes.total) == (0, 0, 4)
        async for _ in outcomes:
            told.append((outcomes.done, outcomes.failed))
    assert told == [(1, 0), (2, 1), (3, 2), (4, 2)]
    async with rooms.get_many(Pulled(["a"])) as unknown, rooms.create_many(3) as created:
        assert (unknown.total, created.total) == (None, 3)


# What goes in


@pytest.mark.parametrize(
    ("uuids", "error", "says"),
    [
        (UUID, TypeError, "give a list of uuids, not one"),
        (None, TypeError, "uuids must be an iterable or an async iterable, not NoneType"),
        (["a", "b", ""], ValueError, r"uuids\[2\] must be letters"),
        (["a", 5], TypeError, r"uuids\[1\] must be a string, not int"),
        (b"abc", TypeError, r"uuids\[0\] must be a string, not int"),
        ({"a": 1, "../b": 2}, ValueError, r"uuids\[1\] must be letters"),
        ([TOKEN], ValueError, r"uuids\[0\] must not be or hold a token"),
    ],
)
async def test_wrong_uuids_are_refused_by_the_call_itself(
    service: Service, rooms: AsyncRooms, uuids: Any, error: type[Exception], says: str
) -> None:
    for many in (rooms.get_many, rooms.disable_many, rooms.enable_many):
        with pytest.raises(error, match=says) as caught:
            many(uuids)
        assert TOKEN not in str(caught.value)
    assert service.begun == []


@pytest.mark.parametrize(
    ("terms", "error", "says"),
    [
        ({"concurrency": 0}, ValueError, "concurrency must be 1 or more, not 0"),
        ({"concurrency": True}, TypeError, "concurrency must be an integer, not bool"),
        ({"concurrency": None}, TypeError, "concurrency must be an integer, not NoneType"),
        ({"rate": 0}, ValueError, "rate must be above 0"),
        ({"rate": -1.5}, ValueError, "rate must be above 0"),
        ({"rate": float("nan")}, ValueError, "rate must be above 0"),
        ({"rate": float("inf")}, ValueError, "rate must be above 0"),
        ({"rate": "5"}, TypeError, "rate must be a number of calls a second or None, not str"),
        ({"rate": True}, TypeError, "rate must be a number of calls a second or None, not bool"),
        ({"max_failures": 0}, ValueError, "max_failures must be 1 or more, not 0"),
        ({"max_failures": 1.0}, TypeError, "max_failures must be an integer, not float"),
    ],
)
async def test_wrong_terms_are_refused_by_the_call_itself(
    rooms: AsyncRooms, terms: dict[str, Any], error: type[Exception], says: str
) -> None:
    for many in (rooms.get_many, rooms.disable_many, rooms.enable_many):
        with pytest.raises(error, match=says):
            many(["a"], **terms)
    with pytest.raises(error, match=says):
        rooms.create_many(1, **terms)


async def test_a_wrong_count_or_room_is_refused_by_the_call_itself(rooms: AsyncRooms) -> None:
    wrong: list[tuple[Any, Any]] = [(-1, {}), ("3", {}), (True, {}), (1, {"limit": -1}), (1, {"is_record": 1})]
    for count, options in wrong:
        with pytest.raises((TypeError, ValueError), match=r"count|limit|is_record"):
            rooms.create_many(count, **options)


async def test_an_iterable_that_fails_is_told_by_the_call_itself(rooms: AsyncRooms) -> None:
    def failing() -> Iterator[str]:
        yield "a"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        rooms.get_many(failing())


async def test_the_input_may_change_after_the_call(rooms: AsyncRooms) -> None:
    uuids = some(3)
    many = rooms.get_many(uuids)
    uuids.clear()
    async with many as outcomes:
        assert len(await taken(outcomes)) == 3


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_call_itself_needs_no_event_loop(service: Service, loop: str) -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(service.answer))
    many = AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE).get_many(some(3))

    async def enter() -> int:
        async with client, many as outcomes:
            return len(await taken(outcomes))

    assert VirtualTime().run(loop, enter) == 3


@pytest.mark.parametrize(
    ("uuids", "ends", "error", "says"),
    [
        ([*some(11), "no uuid", "r12"], None, ValueError, r"uuids\[11\] must be letters"),
        ([*some(11), 5, "r12"], None, TypeError, r"uuids\[11\] must be a string, not int"),
        (some(11), LookupError("no more"), LookupError, "no more"),
    ],
)
async def test_trouble_with_an_async_iterable_comes_behind_all_outcomes(
    service: Service,
    rooms: AsyncRooms,
    uuids: list[Any],
    ends: Exception | None,
    error: type[Exception],
    says: str,
) -> None:
    came = []
    async with rooms.get_many(Pulled(uuids, ends), concurrency=4) as outcomes:
        with pytest.raises(error, match=says):
            async for outcome in outcomes:
                came.append(str(outcome.uuid))
        assert sorted(came) == sorted(some(11)) == sorted(service.ended)
        with pytest.raises(error, match=says):
            await anext(outcomes)
    assert (outcomes.not_attempted, outcomes.undelivered, outcomes.in_doubt) == ((), (), ())


async def test_an_async_generator_that_is_left_is_the_callers_to_go_on_with(
    service: Service, rooms: AsyncRooms
) -> None:
    async def uuids() -> AsyncGenerator[str, None]:
        for uuid in some(10):
            yield uuid

    async with aclosing(uuids()) as source:
        async with rooms.get_many(source, concurrency=2) as outcomes:
            await anext(outcomes)
        before = set(service.asked) | set(outcomes.not_attempted)
        async with rooms.get_many(source) as rest:
            after = {outcome.uuid for outcome in await taken(rest)}
    assert before | after == set(some(10))
    assert before & after == set()


# How many at once, and how fast


@pytest.mark.parametrize(
    ("terms", "most"), [({}, CONCURRENCY), ({"concurrency": 1}, 1), ({"concurrency": 30}, 20)]
)
async def test_so_many_calls_run_at_once_and_no_more(
    service: Service, rooms: AsyncRooms, terms: dict[str, Any], most: int
) -> None:
    for source in (some(20), Pulled(some(20))):
        async with rooms.get_many(source, **terms) as outcomes:
            assert len(await taken(outcomes)) == 20
        assert service.most == most
    async with rooms.create_many(20, **terms) as created:
        await taken(created)
    assert service.most == most


@pytest.mark.parametrize(("size", "concurrency", "most"), [(3, 8, 3), (3, 2, 2), (None, 8, 8)])
async def test_no_more_calls_run_at_once_than_the_pool_holds(
    service: Service, size: int | None, concurrency: int, most: int
) -> None:
    class Pool(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await service.answer(request)

    pool = Pool(verify=SSLContext(PROTOCOL_TLS_CLIENT), limits=httpx.Limits(max_connections=size))
    async with httpx.AsyncClient(transport=pool) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE)
        async with rooms.get_many(some(20), concurrency=concurrency) as outcomes:
            assert len(await taken(outcomes)) == 20
    assert service.most == most


async def test_calls_wait_for_a_caller_who_is_slow(service: Service, rooms: AsyncRooms) -> None:
    uuids = Pulled(some(20))
    async with rooms.get_many(uuids, concurrency=3) as outcomes:
        for begun in (3, 4, 5):
            await anyio.sleep(100)
            assert service.asked == some(begun)
            assert uuids.count == begun
            await anext(outcomes)
        await anyio.sleep(100)
        assert len(await taken(outcomes)) == 17


async def test_outcomes_are_not_kept_once_they_came_out(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset(some(500))
    alive: set[int] = set()
    most = 0
    gc.collect()
    gc.disable()  # so it is not the collector that lets them go
    try:
        async with rooms.get_many(Pulled(some(1000))) as outcomes:
            async for outcome in outcomes:
                alive.add(outcome.index)
                weakref.finalize(outcome, alive.discard, outcome.index)
                most = max(most, len(alive))
        assert outcomes.done == 1000
    finally:
        gc.enable()
    assert most <= 2


async def test_there_may_be_more_calls_than_python_recurses(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda _: 0.0
    count = 2 * sys.getrecursionlimit()
    async with rooms.create_many(count, concurrency=50) as outcomes:
        came = {outcome.index async for outcome in outcomes}
    assert came == set(range(count))
    assert service.most == 50


async def test_calls_begin_evenly_at_the_rate(service: Service, rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(6), rate=4) as outcomes:
        assert len(await taken(outcomes)) == 6
    assert service.times == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


async def test_a_rate_is_not_made_up_for_after_a_pause(service: Service, rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(6), rate=2, concurrency=2) as outcomes:
        await anyio.sleep(10.25)  # two have begun, and wait to be taken
        assert len(await taken(outcomes)) == 6
    gaps = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    assert gaps == [0.5, 9.75, 0.5, 0.5, 0.5]


async def test_a_rate_holds_though_the_iterable_takes_its_time(service: Service, rooms: AsyncRooms) -> None:
    async with rooms.get_many(Pulled(some(4), seconds=0.25), rate=2) as outcomes:
        assert len(await taken(outcomes)) == 4
    assert service.times == [0.0, 0.5, 1.0, 1.5]


async def test_tries_again_are_not_held_to_the_rate(service: Service, rooms: AsyncRooms) -> None:
    service.failing, service.status, service.seconds = frozenset({"r0"}), 503, lambda _: 0.0
    twice = rooms.with_options(retry=RetryPolicy(2, first_wait=0))
    async with twice.get_many(some(2), rate=0.1) as outcomes:
        assert len(await taken(outcomes)) == 2
    assert service.asked == ["r0", "r0", "r1"]
    assert service.times == [0.0, 0.0, 10.0]


async def test_leaving_does_not_wait_for_the_rate(rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(3), rate=0.001) as outcomes:
        await anext(outcomes)
        before = anyio.current_time()
    assert anyio.current_time() == before
    assert outcomes.not_attempted == ("r1", "r2")


# After so many failures


async def test_no_call_begins_after_so_many_failures(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r1", "r4", "r5"})
    service.seconds = lambda uuid: 1.0 + int(uuid[1:]) / 100
    came = []
    async with rooms.get_many(some(100), concurrency=3, max_failures=2) as outcomes:
        with pytest.raises(TooManyFailuresError) as caught:
            async for outcome in outcomes:
                came.append(outcome)
        assert sorted(str(outcome.uuid) for outcome in came) == some(7) == sorted(service.asked)
        with pytest.raises(TooManyFailuresError):
            await anext(outcomes)
    error = caught.value
    assert (error.failed, error.attempted, error.total) == (3, 7, 100)
    assert str(error) == (
        "3 of 7 calls failed, and 93 of 100 were not attempted "
        "(mend what the failures are about, then go on with outcomes.not_attempted)"
    )
    assert error.__cause__ is next(outcome.error for outcome in came if outcome.uuid == "r5")
    assert outcomes.not_attempted == tuple(some(100)[7:])
    assert (outcomes.undelivered, outcomes.in_doubt) == ((), ())


async def test_too_many_failures_of_an_unknown_number_are_told(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r0"})
    service.seconds = lambda uuid: 1.0 if uuid == "r0" else 9.0
    uuids = Pulled(some(100))
    async with rooms.get_many(uuids, concurrency=2, max_failures=1) as outcomes:
        assert (await anext(outcomes)).uuid == "r0"
        assert (await anext(outcomes)).uuid == "r1"
        with pytest.raises(TooManyFailuresError, match="1 of 2 calls failed, and no more were pulled") as caught:
            await anext(outcomes)
    assert caught.value.total is None
    assert uuids.count == 2  # nothing was pulled while the other call went on


async def test_fewer_failures_are_none_too_many(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r1", "r4"})
    async with rooms.get_many(some(20), max_failures=3) as outcomes:
        assert len(await taken(outcomes)) == 20


async def test_too_many_failures_are_told_even_if_all_was_attempted(service: Service, rooms: AsyncRooms) -> None:
    service.failing = frozenset({"r2"})
    async with rooms.get_many(some(3), max_failures=1) as outcomes:
        with pytest.raises(TooManyFailuresError, match="0 of 3 were not attempted"):
            await taken(outcomes)
    assert outcomes.done == 3


async def test_an_idle_iterable_is_not_waited_for_after_too_many_failures(
    service: Service, rooms: AsyncRooms
) -> None:
    service.failing = frozenset({"r1"})

    async def idle() -> AsyncGenerator[str, None]:
        for uuid in some(2):
            yield uuid
        await anyio.sleep_forever()

    async with aclosing(idle()) as source, rooms.get_many(source, max_failures=1) as outcomes:
        with pytest.raises(TooManyFailuresError):
            await taken(outcomes)
    assert outcomes.done == 2


async def test_trouble_with_the_iterable_is_told_before_too_many_failures(
    service: Service, rooms: AsyncRooms
) -> None:
    service.failing = frozenset({"r0", "r1"})
    async with rooms.get_many(Pulled(some(2), LookupError("no more")), max_failures=1) as outcomes:
        with pytest.raises(LookupError, match="no more"):
            await taken(outcomes)
    assert outcomes.failed == 2


# Creates


async def test_a_create_in_doubt_is_an_outcome_and_is_not_repeated() -> None:
    emulator = Emulator(faults=[None, Closed(work_done=True)])
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg")
        async with rooms.create_many(3, concurrency=1) as outcomes:
            first, second, third = await taken(outcomes)
    assert isinstance(second.error, CreateOutcomeUnknownError)
    assert isinstance(second.error.__cause__, TransportError)
    assert (second.index, second.uuid) == (1, None)
    assert {first.uuid, third.uuid} < {*emulator.uuids()}
    assert emulator.room_count == len(emulator.requests) == 3


# Leaving


class OfTheBodyError(Exception): ...


async def leave_by_break(many: Any, held: list[Outcomes[Any]]) -> None:
    async with many as outcomes:
        held.append(outcomes)
        async for _ in outcomes:
            break


async def leave_by_an_error(many: Any, held: list[Outcomes[Any]]) -> None:
    with pytest.raises(OfTheBodyError):
        async with many as outcomes:
            held.append(outcomes)
            async for _ in outcomes:
                raise OfTheBodyError


async def leave_by_a_scope(many: Any, held: list[Outcomes[Any]]) -> None:
    with anyio.CancelScope() as scope:
        async with many as outcomes:
            held.append(outcomes)
            await anext(outcomes)
            scope.cancel()
            await anext(outcomes)
    assert scope.cancelled_caught


async def leave_by_a_time_limit(many: Any, held: list[Outcomes[Any]]) -> None:
    with pytest.raises(TimeoutError):
        with anyio.fail_after(1.5):
            async with many as outcomes:
                held.append(outcomes)
                await anext(outcomes)
                await anyio.sleep_forever()


LEAVING = [(leave_by_break, 3), (leave_by_an_error, 3), (leave_by_a_scope, 3), (leave_by_a_time_limit, 4)]


@pytest.mark.parametrize(("leave", "begun"), LEAVING)
async def test_who_leaves_begins_nothing_and_waits_for_what_is_in_flight(
    service: Service,
    rooms: AsyncRooms,
    leave: Callable[[Any, list[Outcomes[Any]]], Awaitable[None]],
    begun: int,
) -> None:
    service.seconds = lambda uuid: 1.0 if uuid == "r0" else 10.0
    tasks = await running_tasks()
    held: list[Outcomes[Any]] = []
    began = anyio.current_time()
    await leave(rooms.disable_many(some(9), concurrency=3), held)
    (outcomes,) = held
    assert anyio.current_time() - began == (10.0 if begun == 3 else 11.0)
    assert sorted(service.asked) == sorted(service.ended) == some(begun)
    assert outcomes.done == 1
    assert sorted(str(outcome.uuid) for outcome in outcomes.undelivered) == some(begun)[1:]
    assert all(outcome.result().is_ban for outcome in outcomes.undelivered)
    assert outcomes.not_attempted == tuple(some(9)[begun:])
    assert outcomes.in_doubt == ()
    await anyio.sleep(100)
    assert len(service.asked) == begun
    assert await running_tasks() == tasks


@on_asyncio
async def test_a_native_cancellation_leaves_as_any_other(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda uuid: 1.0 if uuid == "r0" else 10.0
    others = asyncio.all_tasks()
    held: list[Outcomes[Any]] = []

    async def run() -> None:
        async with rooms.get_many(some(9), concurrency=3) as outcomes:
            held.append(outcomes)
            await taken(outcomes)

    task = asyncio.create_task(run())
    await anyio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (outcomes,) = held
    assert sorted(service.ended) == some(4)
    assert sorted(str(outcome.uuid) for outcome in outcomes.undelivered) == ["r1", "r2", "r3"]
    assert outcomes.not_attempted == tuple(some(9)[4:])
    assert asyncio.all_tasks() == others


async def test_calls_that_do_not_end_are_cut_and_in_doubt(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda uuid: 1000.0 if uuid in {"r1", "r3"} else 1.0
    async with rooms.get_many(some(9), concurrency=5) as outcomes:
        await anext(outcomes)
        left = anyio.current_time()
    assert anyio.current_time() - left == LONGEST_DRAIN
    assert outcomes.in_doubt == ("r1", "r3")
    assert len(outcomes.undelivered) == 2
    assert outcomes.not_attempted == ("r5", "r6", "r7", "r8")


async def test_a_create_that_is_cut_is_in_doubt_by_its_position(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda uuid: 1.0 if uuid == "new0" else 1000.0
    async with rooms.create_many(5, concurrency=2) as outcomes:
        first = await anext(outcomes)
    assert {first.index, *outcomes.in_doubt} == {0, 1}
    assert outcomes.not_attempted == (2, 3, 4)
    assert service.asked == ["new0", "new1"]


@on_asyncio
async def test_cancelling_once_more_does_not_lengthen_the_drain(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda _: 1000.0
    held: list[Outcomes[Any]] = []

    async def run() -> None:
        async with rooms.get_many(some(9), concurrency=2) as outcomes:
            held.append(outcomes)
            await taken(outcomes)

    task = asyncio.create_task(run())
    for _ in range(4):
        await anyio.sleep(1)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert anyio.current_time() - service.begun[0][0] == 1 + LONGEST_DRAIN
    assert held[0].in_doubt == ("r0", "r1")
    assert held[0].not_attempted == tuple(some(9)[2:])


async def test_what_has_not_begun_when_somebody_leaves_does_not_begin(service: Service, rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(5)) as outcomes:
        pass
    assert outcomes.not_attempted == tuple(some(5))
    async with rooms.get_many(some(5)) as outcomes:
        # Long enough for the calls to have tasks, which have not had their first step.
        while not len(await running_tasks()) > 3:
            await anyio.lowlevel.checkpoint()
        if service.begun:  # on Trio, tasks of one batch run in any order
            return
    assert outcomes.not_attempted == tuple(some(5))
    with pytest.raises(RuntimeError, match="stopped"):
        await anext(outcomes)
    assert service.begun == []


async def test_nothing_begins_where_all_is_cancelled_already(service: Service, rooms: AsyncRooms) -> None:
    for count in (3, 30):
        uuids = Pulled(some(count))
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with rooms.get_many(uuids) as outcomes, rooms.get_many(some(count)) as others:
                await anext(outcomes)
        assert scope.cancelled_caught
        assert outcomes.not_attempted == tuple(some(uuids.count))
        assert others.not_attempted == tuple(some(count))
    assert service.begun == []


async def test_nothing_begins_after_a_cancellation_that_the_body_is_shielded_from(
    service: Service, rooms: AsyncRooms
) -> None:
    came = []
    with anyio.CancelScope() as scope:
        async with rooms.get_many(some(9), concurrency=2) as outcomes:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
                scope.cancel()
                with pytest.raises(RuntimeError, match="stopped: see undelivered, not_attempted and in_doubt"):
                    async for outcome in outcomes:
                        came.append(outcome.uuid)
    assert sorted(map(str, came)) == sorted(service.asked) == some(2)
    assert outcomes.not_attempted == tuple(some(9)[2:])


async def test_a_pull_under_way_goes_on_for_a_while_when_the_calls_have_ended(
    service: Service, rooms: AsyncRooms
) -> None:
    service.seconds = lambda _: 9.0
    # The second pull begins with the first call; the last of the three takes longer than it may.
    for seconds, ends, left in ((5.0, 9.0, ("r1",)), (13.0, 13.0, ("r1",)), (50.0, 9.0 + LONGEST_PULL, ())):
        uuids = Pulled(some(9), seconds=seconds)
        began = anyio.current_time()
        async with rooms.get_many(uuids, concurrency=3) as outcomes:
            await anyio.sleep(seconds + 2.0)
        assert anyio.current_time() - began == seconds + ends
        assert outcomes.not_attempted == left
        assert outcomes.iterable_was_cut is (left == ())
        assert [outcome.uuid for outcome in outcomes.undelivered] == ["r0"]


@pytest.mark.parametrize("reaction", ["ends", "raises", "brings"])
async def test_what_an_iterable_does_when_it_is_cut_says_nothing_of_what_it_has_left(
    reaction: str, service: Service, rooms: AsyncRooms
) -> None:
    async def idle() -> AsyncGenerator[str, None]:
        yield "r0"
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if reaction == "raises":
                raise LookupError("cut") from None
            if reaction == "brings":
                yield "r1"  # and never mind that Python has another opinion

    service.failing = frozenset({"r0"})
    async with aclosing(idle()) as source:
        with pytest.raises(TooManyFailuresError):
            async with rooms.get_many(source, max_failures=1) as outcomes:
                await taken(outcomes)
    assert outcomes.iterable_was_cut is (reaction != "brings")
    assert outcomes.not_attempted == (("r1",) if reaction == "brings" else ())


@pytest.mark.parametrize("how", ["failures", "break", "cancel"])
async def test_a_generator_goes_on_behind_what_it_was_asked_for(
    how: str, service: Service, rooms: AsyncRooms
) -> None:
    async def slow() -> AsyncGenerator[str, None]:
        for uuid in some(12):
            await anyio.sleep(0.5)
            yield uuid

    service.failing = frozenset({"r3"})
    seen = []
    async with aclosing(slow()) as source:
        with anyio.CancelScope() as scope, suppress(TooManyFailuresError):
            async with rooms.get_many(source, concurrency=3, max_failures=1) as outcomes:
                async for outcome in outcomes:
                    seen.append(str(outcome.uuid))
                    if how == "cancel" and len(seen) == 2:
                        scope.cancel()
                    if how == "break" and len(seen) == 2:
                        break
        rest = [uuid async for uuid in source]
    undelivered = [str(outcome.uuid) for outcome in outcomes.undelivered]
    assert not outcomes.iterable_was_cut
    assert [*seen, *undelivered, *outcomes.not_attempted, *rest] == some(12)
    assert outcomes.not_attempted


async def test_an_error_of_the_iterable_does_not_change_how_one_leaves(
    rooms: AsyncRooms,
) -> None:
    async with rooms.get_many(Pulled(some(3), LookupError("no more"))) as outcomes:
        await anyio.sleep(100)
    assert len(outcomes.undelivered) == 3


@on_asyncio
async def test_a_call_whose_task_is_cancelled_by_others_is_in_doubt(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda _: 5.0
    mine = asyncio.all_tasks()
    came = []
    async with rooms.get_many(some(9), concurrency=3) as outcomes:
        before = asyncio.all_tasks()
        await anyio.sleep(1)
        call, *_ = asyncio.all_tasks() - before
        call.cancel()
        with pytest.raises(RuntimeError, match="stopped"):
            async for outcome in outcomes:
                came.append(str(outcome.uuid))
    assert len(outcomes.in_doubt) == 1
    assert sorted([*came, *outcomes.in_doubt]) == some(3)
    assert outcomes.not_attempted == tuple(some(9)[3:])
    assert asyncio.all_tasks() == mine


@on_asyncio
# Python says so of every task that is cancelled before its first step.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("steps", range(12))
async def test_cancelling_every_task_there_is_loses_nothing_and_ends(rooms: AsyncRooms, steps: int) -> None:
    others = asyncio.all_tasks()
    held: list[Outcomes[Any]] = []
    came: list[Outcome] = []

    async def run() -> None:
        async with rooms.get_many(some(9), concurrency=3) as outcomes:
            held.append(outcomes)
            async for outcome in outcomes:
                came.append(outcome)

    task = asyncio.create_task(run())
    for _ in range(steps):
        await asyncio.sleep(0)
    for one in asyncio.all_tasks() - others:
        one.cancel()
    with anyio.fail_after(1000):
        await asyncio.wait([task])
    assert asyncio.all_tasks() == others
    for outcomes in held:
        assert_all_accounted_for(outcomes, some(9), came)
    del task
    gc.collect()  # what never began, or it would be collected in a test that expects no warning


# Iterating


async def test_the_end_stays_the_end(rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(2)) as outcomes:
        assert len(await taken(outcomes)) == 2
        assert await taken(outcomes) == []
    assert await taken(outcomes) == []


async def test_whoever_left_is_told_where_to_look(service: Service, rooms: AsyncRooms) -> None:
    service.seconds = lambda uuid: 1000.0 if uuid == "b" else 1.0
    courses: list[tuple[list[str], int]] = [(["a", "a"], 9), (["a", "b"], 9), (["a", "a"], 1)]
    for uuids, concurrency in courses:  # left are: an outcome, a doubt, an input
        async with rooms.get_many(uuids, concurrency=concurrency) as outcomes:
            await anext(outcomes)
        with pytest.raises(RuntimeError, match="stopped: see undelivered, not_attempted and in_doubt"):
            await taken(outcomes)
        assert outcomes.done == 1


async def test_who_waits_for_an_outcome_can_be_cancelled_though_it_is_there(rooms: AsyncRooms) -> None:
    async with rooms.get_many(some(3)) as outcomes:
        await anyio.sleep(100)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(outcomes)
        assert scope.cancelled_caught
        assert (outcomes.done, len(outcomes.undelivered)) == (0, 3)
        assert len(await taken(outcomes)) == 3


async def test_several_tasks_may_take_outcomes(rooms: AsyncRooms) -> None:
    came: list[list[str | None]] = []

    async def take(outcomes: Outcomes[str]) -> None:
        mine = [outcome.uuid async for outcome in outcomes]
        came.append(mine)

    async with rooms.get_many(some(40)) as outcomes, anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(take, outcomes)
    assert len(came) == 4
    assert sorted(str(uuid) for mine in came for uuid in mine) == sorted(some(40))


async def test_what_was_not_attempted_can_be_handed_to_another_call(service: Service, rooms: AsyncRooms) -> None:
    left: tuple[str, ...] = tuple(some(50))
    came: list[str | None] = []
    while left:
        async with rooms.disable_many(left) as outcomes:
            async for outcome in outcomes:
                came.append(outcome.uuid)
                if outcomes.done == 6:
                    break
        came += [outcome.uuid for outcome in outcomes.undelivered]
        left = outcomes.not_attempted
    assert sorted(map(str, came)) == sorted(some(50)) == sorted(service.asked)


# However it ends


@frozen
class Course:
    """One way that it may go."""

    uuids: list[str]
    by_pulls: bool
    pull_seconds: float
    ends: bool  # the iterable, by an error
    seconds: list[float]
    failing: frozenset[str]
    terms: dict[str, Any]
    how: Literal["to the end", "break", "error", "scope", "task"]
    after: int  # so many outcomes; of a cancellation, steps of the loop
    time: float


durations = st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0, 200.0])
courses = st.builds(
    Course,
    uuids=st.integers(0, 12).map(some),
    by_pulls=st.booleans(),
    pull_seconds=st.sampled_from([0.0, 0.5]),
    ends=st.booleans(),
    seconds=st.lists(durations, min_size=12, max_size=12),
    failing=st.frozensets(st.sampled_from(some(12)), max_size=5),
    terms=st.fixed_dictionaries(
        {},
        optional={
            "concurrency": st.integers(1, 5),
            "rate": st.sampled_from([0.5, 2.0, 50]),
            "max_failures": st.integers(1, 3),
        },
    ),
    how=st.sampled_from(["to the end", "break", "error", "scope", "task"]),
    after=st.integers(0, 12),
    time=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0]),
)


def assert_all_accounted_for(outcomes: Outcomes[Any], inputs: list[str], came: list[Outcome]) -> None:
    """Assert that each of ``inputs`` is in one place."""
    finished = [*came, *outcomes.undelivered]
    assert all(outcome.uuid == inputs[outcome.index] for outcome in finished)
    places = [*(outcome.uuid for outcome in finished), *outcomes.not_attempted, *outcomes.in_doubt]
    assert sorted(places) == sorted(inputs)
    assert list(outcomes.not_attempted) == [uuid for uuid in inputs if uuid in outcomes.not_attempted]
    assert list(outcomes.in_doubt) == [uuid for uuid in inputs if uuid in outcomes.in_doubt]
    assert outcomes.done == len(came)
    assert outcomes.failed == sum(outcome.error is not None for outcome in came)


@define(eq=False)
class Journey:
    """A course, and what was seen on the way."""

    course: Course
    came: list[Outcome] = field(factory=list)
    held: list[Outcomes[str]] = field(factory=list)
    left: float = 0.0

    async def go(self, rooms: AsyncRooms, uuids: Any) -> None:
        """Take outcomes until the course says otherwise."""
        async with rooms.get_many(uuids, **self.course.terms) as outcomes:
            self.held.append(outcomes)
            try:
                async for outcome in outcomes:
                    self.came.append(outcome)
                    if len(self.came) == self.course.after:
                        if self.course.how == "break":
                            break
                        if self.course.how == "error":
                            raise OfTheBodyError
            finally:
                self.left = anyio.current_time()

    async def cancelled_by_a_scope(self, go: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(go)
            await self.after_a_while()
            group.cancel_scope.cancel()

    async def cancelled_as_a_task(self, go: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(go())
        await self.after_a_while()
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def after_a_while(self) -> None:
        await anyio.sleep(self.course.time)
        for _ in range(self.course.after):
            await anyio.lowlevel.checkpoint()


async def follow(course: Course) -> None:
    """Go that way, and look at what is left behind."""
    rooms: AsyncRooms
    service = Service(seconds=lambda uuid: course.seconds[int(uuid[1:])], failing=course.failing)
    source = Pulled(course.uuids, LookupError() if course.ends else None, course.pull_seconds)
    journey = Journey(course)
    tasks = await running_tasks()

    async def go() -> None:
        with suppress(TooManyFailuresError, LookupError, OfTheBodyError):
            await journey.go(rooms, source if course.by_pulls else course.uuids)

    async with service.open() as rooms:
        if course.how == "scope":
            await journey.cancelled_by_a_scope(go)
        elif course.how == "task":
            await journey.cancelled_as_a_task(go)
        else:
            await go()
    assert await running_tasks() == tasks
    for outcomes in journey.held:
        assert anyio.current_time() - journey.left < LONGEST_DRAIN + 0.001  # floats are added up
        inputs = course.uuids[: source.count] if course.by_pulls else course.uuids
        assert_all_accounted_for(outcomes, inputs, journey.came)
        begun = [outcome.uuid for outcome in (*journey.came, *outcomes.undelivered)] + [*outcomes.in_doubt]
        assert sorted(map(str, begun)) == sorted(service.asked)
        assert service.most <= course.terms.get("concurrency", CONCURRENCY)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@examples(300, many=5000)
@given(course=courses)
def test_every_input_is_in_one_place_however_it_ends(loop: Literal["asyncio", "trio"], course: Course) -> None:
    if course.how == "task" and loop == "trio":
        course = evolve(course, how="scope")
    VirtualTime().run(loop, follow, course)
