"""Many calls at once: every input is accounted for, however it ends.  Time is virtual."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing, nullcontext, suppress
from math import inf, nan
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, evolve, field, frozen

from cancelling import running_tasks
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, Outcome, Outcomes, RetryPolicy
from netless_rooms.emulator import Closed, Emulator
from netless_rooms.errors import CreateOutcomeUnknownError, NotFoundError, TooManyFailuresError, TransportError
from samples import UUID
from selection import is_thorough, on_both_loops
from virtual_time import VirtualTime

pytestmark = pytest.mark.anyio
VIRTUAL_TIME = 0.0
DRAIN = 30.0  # seconds that the calls in flight get when the body is left
PULL = 5.0  # seconds that an async iterable gets after them
STOPPED = "stopped: see unread, not_attempted and in_doubt"


@define(eq=False)
class Service:
    seconds: Callable[[str], float] = lambda _: 1.0
    failing: Iterable[str] = ()
    status: int = 404
    uuids: list[str] = field(factory=list)
    times: list[float] = field(factory=list)
    ended: list[str] = field(factory=list)
    running: int = 0
    most: int = 0  # at the same time

    @property
    def rooms(self) -> AsyncRooms:
        return rooms_over(httpx.MockTransport(self.answer), TOKEN)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        uuid = f"new{len(self.uuids)}" if request.method == "POST" else request.url.path.rpartition("/")[2]
        self.uuids.append(uuid)
        self.times.append(anyio.current_time())
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(self.seconds(uuid))
        finally:
            self.running -= 1
        self.ended.append(uuid)
        if uuid in self.failing:
            return answer({"message": "no"}, self.status)
        return answer(room(uuid, isBan=b"true" in request.content))


def rooms_over(transport: httpx.AsyncBaseTransport, token: Any) -> AsyncRooms:
    return AsyncRooms(httpx.AsyncClient(transport=transport), token=token, region="us-sv", retry=ONCE)


@pytest.fixture
def service() -> Service:
    return Service()


@define
class Pulled:
    uuids: list[str]
    raises: Exception | None = None
    seconds: float = 0.0
    count: int = 0

    def __aiter__(self) -> "Pulled":
        return self

    async def __anext__(self) -> str:
        await anyio.sleep(self.seconds)
        if self.count == len(self.uuids):
            raise self.raises or StopAsyncIteration
        self.count += 1
        return self.uuids[self.count - 1]


def some(count: int) -> list[str]:
    return [f"r{index}" for index in range(count)]


def names(outcomes: Iterable[Outcome]) -> list[str]:
    return sorted(str(outcome.uuid) for outcome in outcomes)


async def taken(outcomes: Outcomes[Any]) -> list[Outcome]:
    return [outcome async for outcome in outcomes]


async def test_rooms_are_disabled_got_enabled_and_created_and_a_create_in_doubt_is_not_repeated() -> None:
    emulator = Emulator(rooms=12)
    uuids = list(emulator.uuids())
    rooms = rooms_over(emulator.transport(), emulator.key)
    for many, banned in ((rooms.disable_many, True), (rooms.get_many, True), (rooms.enable_many, False)):
        async with many(uuids) as outcomes:
            came = await taken(outcomes)
        assert [outcome.uuid for outcome in sorted(came, key=lambda one: one.index)] == uuids
        assert all((one.result().uuid, one.result().is_ban) == (one.uuid, banned) for one in came)
    async with rooms.create_many(3, limit=3, is_record=True) as created:
        came = await taken(created)
    assert sorted(outcome.index for outcome in came) == [0, 1, 2]
    assert {outcome.uuid for outcome in came} == {*emulator.uuids()} - {*uuids}
    assert {(outcome.result().limit, outcome.result().is_record) for outcome in came} == {(3, True)}
    assert await taken(created) == []  # the end stays the end
    emulator = Emulator(faults=[None, Closed(work_done=True)])
    rooms = rooms_over(emulator.transport(), emulator.key).with_options(retry=RetryPolicy())
    async with rooms.create_many(3, concurrency=1) as outcomes:
        first, second, third = await taken(outcomes)
    assert isinstance(second.error, CreateOutcomeUnknownError)
    assert isinstance(second.error.__cause__, TransportError)
    assert (second.index, second.uuid) == (1, None)
    assert {first.uuid, third.uuid} < {*emulator.uuids()}
    assert emulator.room_count == len(emulator.requests) == 3


async def test_outcomes_come_as_calls_end_and_a_repeated_uuid_is_requested_again(service: Service) -> None:
    service.seconds = lambda uuid: {"a": 3.0, "b": 1.0, "c": 2.0}[uuid]
    async with service.rooms.get_many(["a", "b", "c", "a"]) as outcomes:
        first, second, *others = [(outcome.index, outcome.uuid) for outcome in await taken(outcomes)]
    assert (first, second, sorted(others)) == ((1, "b"), (2, "c"), [(0, "a"), (3, "a")])
    assert sorted(service.uuids) == ["a", "a", "b", "c"]


async def test_a_failed_call_is_an_outcome_that_is_counted_and_stops_no_other(service: Service) -> None:
    service.failing = {"r1"}
    counts, came = [], []
    async with service.rooms.get_many(some(3), concurrency=1) as outcomes:
        assert (outcomes.done, outcomes.failed, outcomes.total) == (0, 0, 3)
        async for outcome in outcomes:
            came.append(outcome)
            counts.append((outcomes.done, outcomes.failed))
        assert repr(outcomes) == "Outcomes(done=3, failed=1, total=3)"
    assert counts == [(1, 0), (2, 1), (3, 1)]
    assert came[0].result() is came[0].room
    with pytest.raises(NotFoundError) as caught:
        came[1].result()
    assert caught.value is came[1].error
    assert repr(came[1]) == f"Outcome(index=1, uuid='r1', room=None, error={caught.value!r})"
    foreign = Outcome(index=0, uuid="a", error=LookupError(TOKEN))  # as a hook may raise it
    assert repr(foreign) == "Outcome(index=0, uuid='a', room=None, error=LookupError)"
    for both in ((None, None), (came[0].room, LookupError())):
        with pytest.raises(ValueError, match="either a room or an error"):
            Outcome(index=0, uuid="a", room=both[0], error=both[1])


async def test_outcomes_are_not_kept_after_they_were_taken(service: Service) -> None:
    service.failing = some(40)
    alive: set[int] = set()
    gc.collect()
    gc.disable()  # so that reference counts alone release them
    try:
        async with service.rooms.get_many(Pulled(some(80))) as outcomes:
            async for outcome in outcomes:
                alive.add(outcome.index)
                weakref.finalize(outcome, alive.discard, outcome.index)
                assert len(alive) <= 2
    finally:
        gc.enable()


EACH = {"get_many": ["a"], "disable_many": ["a"], "enable_many": ["a"], "create_many": 1}
WRONG: list[tuple[str, Any, dict[str, Any], type[Exception], str]] = [
    ("get_many", UUID, {}, TypeError, "uuids must be several"),
    ("get_many", None, {}, TypeError, "uuids must be an iterable or an async iterable, not NoneType"),
    ("get_many", ["a", "b", ""], {}, ValueError, r"uuids\[2\] must be letters"),
    ("get_many", b"abc", {}, TypeError, r"uuids\[0\] must be a string, not int"),
    ("get_many", [TOKEN], {}, ValueError, r"uuids\[0\] must not be or contain a token"),
    ("get_many", (1 / 0 for _ in "a"), {}, ZeroDivisionError, "division by zero"),
    ("create_many", -1, {}, ValueError, "count must be 0 or more"),
    ("create_many", True, {}, TypeError, "count must be an integer"),
    ("create_many", 1, {"limit": -1}, ValueError, "limit"),
    ("create_many", 1, {"is_record": 1}, TypeError, "is_record"),
    *(
        (many, given, {name: value}, error, f"{name} must be {says}")
        for many, given in EACH.items()
        for name, value, error, says in [
            ("concurrency", 0, ValueError, "1 or more, not 0"),
            ("concurrency", None, TypeError, "an integer, not NoneType"),
            *(("rate", rate, ValueError, "above 0 and finite") for rate in (0, nan, inf)),
            ("rate", "5", TypeError, "a number of calls a second or None, not str"),
            ("rate", True, TypeError, "a number of calls a second or None, not bool"),
            ("max_failures", 0, ValueError, "1 or more, not 0"),
            ("max_failures", 1.0, TypeError, "an integer, not float"),
        ]
    ),
]


def test_the_call_itself_refuses_wrong_arguments_and_reads_the_uuids_without_a_loop(service: Service) -> None:
    for many, value, options, error, says in WRONG:
        with pytest.raises(error, match=says) as caught:
            getattr(service.rooms, many)(value, **options)
        assert TOKEN not in str(caught.value)
    uuids = some(3)
    outcomes = service.rooms.get_many(uuids)
    uuids.clear()
    assert (outcomes.done, outcomes.total, outcomes.not_attempted) == (0, 3, tuple(some(3)))

    async def enter() -> list[Outcome]:
        async with outcomes:
            return await taken(outcomes)

    assert names(VirtualTime().run("asyncio", enter)) == some(3)


@pytest.mark.parametrize(("options", "most"), [({}, 8), ({"concurrency": 1}, 1), ({"concurrency": 30}, 20)])
async def test_concurrency_is_the_most_calls_at_once(service: Service, options: dict[str, Any], most: int) -> None:
    rooms = service.rooms
    for count in (20, 0):
        many: list[Any] = [rooms.get_many(uuids, **options) for uuids in (some(count), Pulled(some(count)))]
        for each in [*many, rooms.create_many(count, **options)]:
            service.most = 0
            async with each as outcomes:
                assert len(await taken(outcomes)) == count
            assert outcomes.total == (None if each is many[1] else count)
            assert service.most == min(most, count)


async def test_calls_wait_for_a_slow_caller(service: Service) -> None:
    uuids = Pulled(some(20))
    async with service.rooms.get_many(uuids, concurrency=3) as outcomes:
        for begun in (3, 4, 5):
            await anyio.sleep(100)
            assert (service.uuids, uuids.count) == (some(begun), begun)
            await anext(outcomes)
        await anyio.sleep(100)
        assert len(await taken(outcomes)) == 17


@pytest.mark.parametrize(("rate", "pull", "pause"), [(4, 0, 0), (4, 0.125, 0), (2, 0, 10.25)])
async def test_calls_begin_at_the_rate(service: Service, rate: int, pull: float, pause: float) -> None:
    evenly, without_burst = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25], [0.0, 0.5, 10.25, 10.75, 11.25, 11.75]
    uuids: Any = Pulled(some(6), seconds=pull) if pull else some(6)
    async with service.rooms.get_many(uuids, rate=rate, concurrency=2 if pause else 8) as outcomes:
        await anyio.sleep(pause)
        assert len(await taken(outcomes)) == 6
    assert [time - service.times[0] for time in service.times] == (without_burst if pause else evenly)


async def test_retries_are_not_held_to_the_rate(service: Service) -> None:
    service.failing, service.status, service.seconds = {"r0"}, 503, lambda _: 0.0
    twice = service.rooms.with_options(retry=RetryPolicy(2, wait_initial=0))
    async with twice.get_many(some(2), rate=0.1) as outcomes:
        assert len(await taken(outcomes)) == 2
    first, *others = service.times
    assert (service.uuids, others) == (["r0", "r0", "r1"], [first, first + 10])


async def test_no_call_begins_and_nothing_is_pulled_or_waited_for_after_max_failures(service: Service) -> None:
    service.failing = {"r1", "r4", "r5"}
    service.seconds = lambda uuid: 1.0 + int(uuid[1:]) / 100
    came = []
    async with service.rooms.get_many(some(100), concurrency=3, max_failures=2) as outcomes:
        with pytest.raises(TooManyFailuresError) as caught:
            async for outcome in outcomes:
                came.append(outcome)
        assert names(came) == some(7) == sorted(service.uuids)
        with pytest.raises(TooManyFailuresError):
            await anext(outcomes)
    error = caught.value
    assert (error.failed, error.attempted, error.total) == (3, 7, 100)
    assert str(error).startswith("3 of 7 calls failed, and 93 of 100 were not attempted")
    assert error.__cause__ is next(outcome.error for outcome in came if outcome.uuid == "r5")
    assert (outcomes.not_attempted, outcomes.unread, outcomes.in_doubt) == (tuple(some(100)[7:]), (), ())
    service.failing = {"r0"}
    service.seconds = lambda uuid: 1.0 if uuid == "r0" else 9.0
    uuids = Pulled(some(100))
    async with service.rooms.get_many(uuids, concurrency=2, max_failures=1) as outcomes:
        assert [(await anext(outcomes)).uuid for _ in range(2)] == ["r0", "r1"]
        with pytest.raises(TooManyFailuresError, match="1 of 2 calls failed, and no more were pulled") as caught:
            await anext(outcomes)
    assert (caught.value.total, uuids.count) == (None, 2)
    async with service.rooms.get_many(some(2), rate=0.001, max_failures=1) as outcomes:
        before = anyio.current_time()
        with pytest.raises(TooManyFailuresError, match="1 of 1 calls failed, and 1 of 2 were not attempted"):
            await taken(outcomes)
    assert (anyio.current_time(), outcomes.not_attempted) == (before + 1, ("r1",))
    for allowed in (2, 1):
        async with service.rooms.get_many(some(5), max_failures=allowed) as outcomes:
            with pytest.raises(TooManyFailuresError, match="0 of 5 were not") if allowed == 1 else nullcontext():
                await taken(outcomes)
        assert outcomes.done == 5


@pytest.mark.parametrize(
    ("more", "raises", "says"),
    [(["no uuid", "r12"], ValueError(), r"uuids\[11\] must be letters"), ([], LookupError("no more"), "no more")],
)
async def test_the_error_of_an_iterable_comes_last(service: Service, more: Any, raises: Any, says: str) -> None:
    came = []
    service.failing = {"r10"}  # one failure too many does not hide the error
    uuids = Pulled([*some(11), *more], raises)
    async with service.rooms.get_many(uuids, concurrency=4, max_failures=1) as outcomes:
        with pytest.raises(type(raises), match=says):
            async for outcome in outcomes:
                came.append(outcome)
        assert names(came) == sorted(some(11)) == sorted(service.ended)
        with pytest.raises(type(raises), match=says):
            await anext(outcomes)
    assert (outcomes.not_attempted, outcomes.unread, outcomes.in_doubt) == ((), (), ())
    async with service.rooms.get_many(Pulled(some(3), raises)) as outcomes:
        await anyio.sleep(100)
    assert len(outcomes.unread) == 3  # leaving raises nothing


@on_both_loops
@pytest.mark.parametrize(("seconds", "drained", "left"), [(5, 9, ("r1",)), (13, 13, ("r1",)), (50, 9 + PULL, ())])
async def test_a_pull_under_way_may_end(service: Service, seconds: float, drained: float, left: Any) -> None:
    service.seconds = lambda _: 9.0
    began = anyio.current_time()
    async with service.rooms.get_many(Pulled(some(9), seconds=seconds), concurrency=3) as outcomes:
        await anyio.sleep(seconds + 2.0)  # the second pull began with the first call
    assert (anyio.current_time() - began, names(outcomes.unread)) == (seconds + drained, ["r0"])
    assert (outcomes.not_attempted, outcomes.input_cancelled) == (left, left == ())


@on_both_loops
@pytest.mark.parametrize("reaction", ["ends", "raises", "yields"])
async def test_an_idle_iterable_is_cut_after_max_failures(reaction: str, service: Service) -> None:
    async def idle() -> AsyncGenerator[str, None]:
        yield "r0"
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            if reaction == "raises":
                raise LookupError("cut") from None
            if reaction == "yields":
                yield "r1"

    service.failing = {"r0"}
    async with aclosing(idle()) as source:
        with pytest.raises(TooManyFailuresError):
            async with service.rooms.get_many(source, max_failures=1) as outcomes:
                await taken(outcomes)
    found = (outcomes.done, outcomes.input_cancelled, outcomes.not_attempted)
    assert found == ((1, False, ("r1",)) if reaction == "yields" else (1, True, ()))


@on_both_loops
@pytest.mark.parametrize("how", ["failures", "break", "cancel"])
async def test_a_generator_resumes_after_what_was_pulled(how: str, service: Service) -> None:
    async def slow() -> AsyncGenerator[str, None]:
        for uuid in some(12):
            await anyio.sleep(0.5)
            yield uuid

    service.failing = {"r3"}
    came = []
    async with aclosing(slow()) as source:
        with anyio.CancelScope() as scope, suppress(TooManyFailuresError):
            async with service.rooms.get_many(source, concurrency=3, max_failures=1) as outcomes:
                async for outcome in outcomes:
                    came.append(str(outcome.uuid))
                    if how != "failures" and len(came) == 2:
                        if how == "break":
                            break
                        scope.cancel()
        rest = [uuid async for uuid in source]
    assert (outcomes.input_cancelled, outcomes.not_attempted == ()) == (False, False)
    assert [*came, *names(outcomes.unread), *outcomes.not_attempted, *rest] == some(12)


@on_both_loops
async def test_leaving_waits_for_no_rate_and_cuts_calls_that_do_not_end_in_time(service: Service) -> None:
    async with service.rooms.get_many(some(3), rate=0.001) as outcomes:
        await anext(outcomes)
        before = anyio.current_time()
    assert (anyio.current_time(), outcomes.not_attempted) == (before, ("r1", "r2"))
    service.times.clear()
    service.seconds = lambda uuid: {"r1": 1000.0, "r2": DRAIN + 0.5, "r3": 1000.0}.get(uuid, 1.0)
    async with service.rooms.get_many(some(9), concurrency=5) as outcomes:
        await anext(outcomes)
        left = anyio.current_time()
    assert (left, anyio.current_time()) == (service.times[0] + 1, left + DRAIN)
    assert (outcomes.in_doubt, outcomes.not_attempted) == (("r1", "r3"), ("r5", "r6", "r7", "r8"))
    assert ("r2" in names(outcomes.unread), len(outcomes.unread)) == (True, 2)
    service.uuids.clear()
    service.seconds = lambda uuid: 1.0 if uuid == "new0" else 1000.0
    async with service.rooms.create_many(5, concurrency=2) as created:
        first = await anext(created)
    assert {first.index, *created.in_doubt} == {0, 1}  # by position
    assert (created.not_attempted, service.uuids) == ((2, 3, 4), ["new0", "new1"])
    with pytest.raises(RuntimeError, match=STOPPED):
        await taken(created)


@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_cancelling_a_task_again_does_not_lengthen_the_drain(service: Service) -> None:
    service.seconds = lambda uuid: 1.0 if uuid == "r0" else 1000.0
    outcomes = service.rooms.get_many(some(9), concurrency=2)

    async def run() -> None:
        async with outcomes:
            await taken(outcomes)

    task = asyncio.create_task(run())
    for _ in range(4):
        await anyio.sleep(2)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert anyio.current_time() - service.times[0] == 2 + DRAIN
    assert (outcomes.in_doubt, outcomes.not_attempted) == (("r1", "r2"), tuple(some(9)[3:]))


@on_both_loops
async def test_nothing_begins_after_a_cancellation_that_the_body_is_shielded_from(service: Service) -> None:
    came = []
    with anyio.CancelScope() as scope:
        async with service.rooms.get_many(some(9), concurrency=2) as outcomes:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.5)
                scope.cancel()
                with pytest.raises(RuntimeError, match=STOPPED):
                    async for outcome in outcomes:
                        came.append(outcome)
    assert names(came) == sorted(service.uuids) == some(2)
    assert outcomes.not_attempted == tuple(some(9)[2:])


@on_both_loops
async def test_taking_a_ready_outcome_can_be_cancelled_and_several_tasks_may_take(service: Service) -> None:
    came: list[list[Outcome]] = []

    async def take(outcomes: Outcomes[str]) -> None:
        came.append(await taken(outcomes))

    async with service.rooms.get_many(some(40)) as outcomes, anyio.create_task_group() as group:
        await anyio.sleep(100)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(outcomes)
        assert (scope.cancelled_caught, outcomes.done, len(outcomes.unread)) == (True, 0, 8)
        for _ in range(4):
            group.start_soon(take, outcomes)
    assert len(came) == 4
    assert names(outcome for mine in came for outcome in mine) == sorted(some(40))


@frozen
class Course:
    how: str
    after: int  # outcomes; for a cancellation, steps of the loop
    time: float = 0.0  # of a cancellation
    count: int = 12
    by_pulls: bool = False
    pull_seconds: float = 0.0
    raises: bool = False  # the iterable, at its end
    seconds: Sequence[float] = (1.0, 0.5, 1.0, 200.0, *8 * (1.0,))
    failing: Iterable[str] = ("r1", "r5")
    options: dict[str, Any] = field(factory=lambda: {"concurrency": 3})


async def cancelled(course: Course, go: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``go`` and cancel its scope, its task, or every task that it began; the latter two on asyncio."""

    async def wait() -> None:
        await anyio.sleep(course.time)
        for _ in range(course.after):
            await anyio.lowlevel.checkpoint()

    if course.how == "scope":
        async with anyio.create_task_group() as group:
            group.start_soon(go)
            await wait()
            group.cancel_scope.cancel()
        return
    others = asyncio.all_tasks()
    task = asyncio.create_task(go())
    await wait()
    for each in asyncio.all_tasks() - others if course.how == "every task" else [task]:
        each.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def follow(course: Course) -> None:
    service = Service(lambda uuid: course.seconds[int(uuid[1:])], course.failing)
    inputs = some(course.count)
    source = Pulled(inputs, LookupError() if course.raises else None, course.pull_seconds)
    came: list[Outcome] = []
    held: list[tuple[Outcomes[str], float, int]] = []
    tasks = await running_tasks()

    async def go() -> None:
        uuids: Any = source if course.by_pulls else inputs
        with suppress(TooManyFailuresError, LookupError):
            async with service.rooms.get_many(uuids, **course.options) as outcomes:
                try:
                    async for outcome in outcomes:
                        came.append(outcome)
                        if len(came) == course.after and course.how == "break":
                            break
                        if len(came) == course.after and course.how == "error":
                            raise LookupError
                finally:
                    held.append((outcomes, anyio.current_time(), len(service.uuids)))

    await (go() if course.how in {"to the end", "break", "error"} else cancelled(course, go))
    assert await running_tasks() == tasks
    for outcomes, left, begun in held:
        assert anyio.current_time() - left < DRAIN + 0.001  # floats are added up
        assert len(service.uuids) == begun
        inputs = inputs[: source.count] if course.by_pulls else inputs
        finished = [*came, *outcomes.unread]
        assert all(outcome.uuid == inputs[outcome.index] for outcome in finished)
        assert sorted([*names(finished), *outcomes.not_attempted, *outcomes.in_doubt]) == sorted(inputs)
        for some_of in (outcomes.not_attempted, outcomes.in_doubt):
            assert list(some_of) == [uuid for uuid in inputs if uuid in some_of]
        with pytest.raises((RuntimeError, TooManyFailuresError, LookupError, StopAsyncIteration)):
            await anext(outcomes)
        assert (outcomes.done, outcomes.failed) == (len(came), sum(one.error is not None for one in came))
        unsent = {*outcomes.in_doubt} - {*service.uuids}
        cut = {uuid for uuid in outcomes.in_doubt if course.seconds[int(uuid[1:])] < DRAIN}
        assert not unsent | cut or course.how == "every task"
        assert sorted([*names(finished), *outcomes.in_doubt]) == sorted([*service.uuids, *unsent])
        assert service.most <= course.options.get("concurrency", 8)


WAYS = {how: [Course(how, after) for after in range(1, 10)] for how in ("break", "error")}
for cancelling in ("scope", "task", "every task"):
    WAYS[cancelling] = [Course(cancelling, after, time) for time in (0.0, 0.5, 1.0) for after in range(16)]
OF_TRIO = ["break", "error", "scope"]
ON_LOOPS = [*(("asyncio", how) for how in WAYS), *(("trio", how) for how in OF_TRIO)]


# Python warns of every task that is cancelled before its first step.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("by_pulls", [False, True], ids=["list", "iterable"])
@pytest.mark.parametrize(("loop", "how"), ON_LOOPS)
def test_every_input_is_in_one_place_at_whatever_step_it_ends(loop: str, how: str, by_pulls: bool) -> None:
    for course in WAYS[how]:
        VirtualTime().run(loop, follow, evolve(course, by_pulls=by_pulls))
    gc.collect()  # or the warnings would come in another test


@pytest.mark.parametrize(("loop", "ways"), [("asyncio", [*OF_TRIO, "task"]), ("trio", OF_TRIO)])
def test_every_input_is_in_one_place_however_it_ends(loop: str, ways: list[str]) -> None:
    for seed in range(5000 if is_thorough() else 25):
        pick = Random(seed).choice
        course = Course(
            how=pick(["to the end", *ways]),
            after=pick(range(13)),
            time=pick([0.0, 0.5, 1.0, 2.0, 5.0]),
            count=pick(range(13)),
            by_pulls=pick([False, True]),
            pull_seconds=pick([0.0, 0.5]),
            raises=pick([False, True]),
            seconds=[pick([0.0, 0.0, 0.5, 1.0, 3.0, 200.0]) for _ in range(12)],
            failing={pick(some(12)) for _ in range(pick(range(6)))},
            options={"concurrency": pick(range(1, 6)), "rate": pick([None, 2]), "max_failures": pick([None, 2])},
        )
        VirtualTime().run(loop, follow, course)
