"""No room is lost, doubled or invented, whatever goes wrong: random calls, faults and cancellations, and a model.

The machine makes calls of the real client over a line on which each request meets a fault, and looks afterwards at
the emulator's rooms, at what came out, and at the log of the line.  ``promises`` says what that log may hold.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Generic, Literal, TypeVar

import anyio
import httpx
import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from attrs import define, field, frozen
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from figures import count, examples
from line import Line, Unreachable, caller
from netless_rooms import AsyncRooms, CreateOutcomeUnknownError, NotFoundError, RetryPolicy, Room, RoomsError
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, Fault, GatewayPage, Hang, Quirks, Slow
from promises import WON_BACK, Ending, Spent, check_call
from virtual_time import VirtualTime

EPOCH: Final = 1_780_000_000.0  # a time after that of all generated rooms
BETWEEN: Final = 7.3  # seconds from call to call, so that new rooms land all over the list
MOST_SKEW: Final = 590  # seconds that the service's clock is ahead; with ten more, no token would be good there
PATIENCE: Final = 60.0  # real seconds, for what takes milliseconds: only a client that hangs for ever needs more
NOWHERE: Final = "00000000000011ea0000000000000000"

Result = TypeVar("Result")
Loop = Literal["asyncio", "trio"]


# What may happen


@frozen
class Cancel:
    """Cancel a call at its ``step``-th suspension, or after some seconds."""

    how: Literal["scope", "task", "time"]
    step: int = 0
    seconds: float = 0.0


@frozen
class Leg:
    """One stretch of a walk."""

    page_size: int = 1000
    faults: Sequence[Fault | Unreachable | None] = ()
    stop: int | None = None  # after so many rooms
    by_max_rooms: bool = False  # stop by the argument, and not by leaving
    by_pages: bool = False
    cancel: Cancel | None = None
    newcomer: int | None = None  # behind which room another one is created


WRONG: Final[list[dict[str, object]]] = [
    {"isBan": "perhaps"},
    {"isBan": ...},
    {"limit": "many"},
    {"limit": True},
    {"uuid": ...},
    {"uuid": "../x"},
    {"uuid": 5},
    {"createdAt": "soon"},
    {"createdAt": 1.5},
    {"teamUUID": None},
    {"isRecord": 0},
]
statuses = st.sampled_from([429, 429, 500, 502, 503, 503, 504, 400, 401, 403, 404, 501]) | st.integers(400, 599)
retry_afters = st.sampled_from([None, None, 0, 1, 7, 29, 31, 40, "soon", 0.5])


def undone_if_refused(make: Callable[..., Fault]) -> st.SearchStrategy[Fault]:
    """Failures; one with 4xx has done nothing, as the service documents it, but for time-outs of a gateway."""

    def build(status: int, *, done: bool) -> Fault:
        return make(status, done and (status >= 500 or status in {408, 499}))

    return st.builds(build, statuses, done=st.booleans())


failures = st.builds(
    lambda failure, retry_after: Failure(failure.status, None, retry_after, work_done=failure.work_done),
    undone_if_refused(lambda status, done: Failure(status, work_done=done)),
    retry_afters,
)
faults: st.SearchStrategy[Fault | Unreachable | None] = st.one_of(
    st.none(),
    failures,
    failures,
    st.sampled_from([Failure(401, "expired token"), Failure(403, "expired token")]),
    undone_if_refused(lambda status, done: GatewayPage(status, work_done=done)),
    st.builds(GatewayPage, st.just(200), work_done=st.booleans()),
    st.builds(Closed, work_done=st.booleans()),
    st.builds(Cut, st.sampled_from([0, 1, 30, 100_000])),
    st.builds(Slow, st.sampled_from([0, 0.2, 0.9, 6]), st.integers(1, 5)),
    st.builds(Hang, work_done=st.booleans()),
    st.builds(lambda index, members: BadRoom(index, **members), st.integers(-2, 3), st.sampled_from(WRONG)),
    st.sampled_from(["ConnectError", "ConnectTimeout", "PoolTimeout"]).map(Unreachable),
)
scripts = st.lists(faults, max_size=6)
cancels: st.SearchStrategy[Cancel | None] = st.one_of(
    st.none(),
    st.none(),
    st.builds(Cancel, st.sampled_from(["scope", "task"]), st.integers(1, 12)),
    st.builds(Cancel, st.just("time"), seconds=st.sampled_from([0, 0.05, 0.5, 3])),
)
policies = st.builds(
    RetryPolicy,
    st.integers(1, 5),
    first_wait=st.sampled_from([0, 0.5]),
    longest_wait=st.sampled_from([0.8, 8]),
    deadline=st.sampled_from([None, 0.3, 4, 120]),
    budget=st.sampled_from([0, 3, 1000, 1000]),
)
quirks = st.builds(
    lambda cap, **others: Quirks(
        page_cap=cap if others["cursor"] == "exclusive" else cap and max(2, cap), **others
    ),
    st.none() | st.integers(1, 8),
    cursor=st.sampled_from(["inclusive", "exclusive"]),
    order=st.sampled_from(["uuid", "creation"]),
    short_pages=st.booleans(),
    envelope=st.booleans(),
    unknown_begin=st.sampled_from(["seek", "bad_request", "not_found"]),
)
legs = st.builds(
    Leg,
    st.integers(1, 6) | st.just(1000),
    scripts,
    st.none() | st.integers(0, 12),
    st.booleans(),
    st.booleans(),
    cancels,
    st.none() | st.integers(1, 12),
)
picks = st.integers(0, 10_000)


# How a call is made


@define
class Outcome(Ending, Generic[Result]):
    """What came of a call; the value is there if no error is and nothing interrupted it."""

    came: list[Result] = field(factory=list)

    @property
    def value(self) -> Result:
        return self.came[0]


class Stepped:
    """Runs a coroutine and calls ``interrupt`` when it suspends for the ``step``-th time."""

    def __init__(self, inner: Coroutine[Any, Any, None], step: int, interrupt: Callable[[], object]) -> None:
        self._inner = inner
        self._left = step
        self._interrupt = interrupt

    def __await__(self) -> Generator[Any, Any, None]:
        go_on, value = self._inner.send, None
        while True:
            try:
                asked = go_on(value)
            except StopIteration:
                return
            self._left -= 1
            if self._left == 0:
                self._interrupt()
            try:
                go_on, value = self._inner.send, (yield asked)
            except BaseException as thrown:  # it goes on to the inner one
                go_on, value = self._inner.throw, thrown


async def make(call: Callable[[], Awaitable[Result]], cancel: Cancel | None) -> Outcome[Result]:
    outcome: Outcome[Result] = Outcome()

    async def settle() -> None:
        try:
            outcome.came.append(await call())
        except RoomsError as error:
            outcome.error = error
        outcome.was_interrupted = False

    if cancel is None:
        await settle()
    elif cancel.how == "time":
        with anyio.move_on_after(cancel.seconds):
            await settle()
    elif cancel.how == "scope":
        with anyio.CancelScope() as scope:
            await Stepped(settle(), cancel.step, scope.cancel)
    else:

        async def run() -> None:
            await Stepped(settle(), cancel.step, task.cancel)

        task = asyncio.create_task(run())
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
    if outcome.was_interrupted:
        assert cancel is not None
        count("cancellations", {"scope": "by a scope", "task": "of the task", "time": "after a time"}[cancel.how])
    return outcome


def is_in_doubt(ending: Ending) -> bool:
    """Whether a create that ended so may have made a room that nobody was told of."""
    return ending.was_interrupted or isinstance(ending.error, CreateOutcomeUnknownError)


async def running_tasks() -> set[int]:
    """Return which tasks there are beside this one."""
    current = anyio.get_current_task().id
    return {task.id for task in anyio.get_running_tasks()} - {current}


def document_of(room: Room) -> dict[str, object]:
    """Return a room as the service spells it."""
    origin = {} if room.name is None else {"name": room.name}
    if room.app_uuid is not None:
        origin["appUUID"] = room.app_uuid
    return {
        "uuid": room.uuid,
        "teamUUID": room.team_uuid,
        **origin,
        "isRecord": room.is_record,
        "isBan": room.is_ban,
        "createdAt": room.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "limit": room.limit,
        **room.extra,
    }


# The machine


class Proof(RuleBasedStateMachine):
    """Makes random calls and knows what must come of them."""

    loop: Loop

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.passed = 0.0
        self.skew = 0.0  # seconds that the service's clock is ahead
        self.spent = Spent()
        self.time = VirtualTime()
        self.banned: dict[str, bool] = {}  # every room there is, and whether it is disabled

    def clock(self) -> float:
        return EPOCH + self.passed + self.time.now

    @initialize(
        rooms=st.integers(0, 30),
        quirks=quirks,
        policy=policies,
        library=st.sampled_from([httpx, httpx2]),
        patience=st.sampled_from([0.5, 5.0]),
    )
    def open(self, rooms: int, quirks: Quirks, policy: RetryPolicy, library: Any, patience: float) -> None:
        self.emulator = Emulator(rooms=rooms, quirks=quirks, clock=lambda: self.clock() + self.skew)
        self.banned = {uuid: self.emulator.room(uuid)["isBan"] for uuid in self.emulator.uuids()}
        self.inclusive = quirks.cursor == "inclusive"
        self.portal: BlockingPortal = self.closing.enter_context(
            start_blocking_portal(self.loop, self.time.options(self.loop))
        )
        self.line = Line(self.emulator)
        client = library.AsyncClient(transport=self.line, timeout=patience, trust_env=False)
        self.closing.callback(self.portal.call, client.aclose)
        self.policy = policy
        self.rooms = AsyncRooms(client, token=self.emulator.key, region="sg", retry=policy, clock=self.clock)
        self.tasks = self.portal.call(running_tasks)
        count("machines", f"on {self.loop}, with {library.__name__}")

    def teardown(self) -> None:
        with self.closing:
            if hasattr(self, "tasks"):
                self.skew = 0.0
                outcome = self.do(lambda: self.rooms.list(limit=1), (), None)
                assert outcome.error is None, "the client works in the end"

    def do(
        self,
        call: Callable[[], Awaitable[Result]],
        faults: Sequence[Fault | Unreachable | None],
        cancel: Cancel | None,
    ) -> Outcome[Result]:
        """Make a call whose requests meet ``faults``."""
        if cancel is not None and cancel.how == "task" and self.loop == "trio":
            cancel = Cancel("scope", cancel.step)
        self.passed += BETWEEN
        self.line.meets(faults)
        self.emulator.requests.clear()
        outcome: Outcome[Result] = self.portal.start_task_soon(make, call, cancel).result(PATIENCE)
        assert len(self.emulator.requests) == sum(one.was_received for one in self.line.log)
        return outcome

    def call(
        self,
        name: str,
        call: Callable[[], Awaitable[Result]],
        faults: Sequence[Fault | Unreachable | None],
        cancel: Cancel | None,
    ) -> Outcome[Result]:
        """Make a call of one operation, and check what went over the line."""
        count("calls", name)
        outcome = self.do(call, faults, cancel)
        check_call(self.line.log, self.policy, self.spent, outcome)
        return outcome

    def check_rooms(self, rooms: Sequence[Room]) -> None:
        """Check that none is invented or out of date."""
        assert [document_of(room) for room in rooms] == [self.emulator.room(room.uuid) for room in rooms]

    def pick(self, pick: int) -> str:
        uuids = list(self.banned)
        return uuids[pick % len(uuids)]

    # The world

    @rule(seconds=st.sampled_from([1, 50, 400, 539, 541, 700]))
    def time_passes(self, seconds: int) -> None:
        self.passed += seconds

    @rule(skew=st.sampled_from([0, 0, 59, 61, 300, MOST_SKEW]))
    def the_clocks_drift_apart(self, skew: int) -> None:
        self.skew = skew

    @rule(is_ban=st.booleans())
    def somebody_else_creates(self, is_ban: bool) -> None:
        self.passed += BETWEEN
        self.banned[self.emulator.add_room(isBan=is_ban)] = is_ban

    @rule(policy=policies)
    def a_sibling_takes_over(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self.rooms = self.rooms.with_options(retry=policy)

    # The calls

    @rule(limit=st.none() | st.integers(0, 50), faults=scripts, cancel=cancels)
    def create(self, limit: int | None, faults: list[Fault | Unreachable | None], cancel: Cancel | None) -> None:
        outcome = self.call("create", lambda: self.rooms.create(limit=limit), faults, cancel)
        new = [uuid for uuid in self.emulator.uuids() if uuid not in self.banned]
        possible = sum(one.may_have_worked for one in self.line.log)
        assert possible <= 1, "a create was asked again that may have been done"
        assert len(new) <= possible
        self.banned.update(dict.fromkeys(new, False))
        if outcome.was_interrupted:
            count("creates", "cancelled, room there" if new else "cancelled, no room")
        elif outcome.error is None:
            assert [outcome.value.uuid] == new
            assert outcome.value.limit == (limit or 0)
            self.check_rooms([outcome.value])
            count("creates", "returned")
        elif isinstance(outcome.error, CreateOutcomeUnknownError):
            count("creates", "in doubt, room there" if new else "in doubt, no room")
            self.settle(outcome.error, new)
        else:
            assert new == []
            count("creates", "failed for certain")

    def settle(self, error: CreateOutcomeUnknownError, new: list[str]) -> None:
        """Find out about a create in doubt, as its error says."""
        # Rooms are dated to the millisecond, and by the service's clock, which never dates two rooms backwards.
        start, end = error.started_at - timedelta(seconds=1), error.ended_at + timedelta(seconds=1 + MOST_SKEW)
        found = self.call_listing("find_created_between", start, end, (), None)
        assert found.error is not None or set(new) <= {room.uuid for room in found.value}

    @rule(pick=picks, faults=scripts, cancel=cancels)
    def get(self, pick: int, faults: list[Fault | Unreachable | None], cancel: Cancel | None) -> None:
        uuid = self.pick(pick) if self.banned and pick else NOWHERE
        outcome = self.call("get", lambda: self.rooms.get(uuid), faults, cancel)
        if not outcome.was_interrupted and outcome.error is None:
            assert outcome.value.uuid == uuid
            self.check_rooms([outcome.value])
        assert uuid != NOWHERE or not outcome.came
        assert uuid == NOWHERE or faults or not isinstance(outcome.error, NotFoundError)

    @rule(begin=st.none() | picks, limit=st.none() | st.integers(1, 9), faults=scripts, cancel=cancels)
    def list_page(
        self, begin: int | None, limit: int | None, faults: list[Fault | Unreachable | None], cancel: Cancel | None
    ) -> None:
        begin_uuid = self.pick(begin) if begin is not None and self.banned else None
        outcome = self.call("list", lambda: self.rooms.list(begin_uuid=begin_uuid, limit=limit), faults, cancel)
        if not outcome.was_interrupted and outcome.error is None:
            page = outcome.value
            there = list(self.emulator.uuids())
            first = 0 if begin_uuid is None else there.index(begin_uuid) + (not self.inclusive)
            assert [room.uuid for room in page] == there[first : first + len(page)]
            assert len(page) == len(self.line.log[-1].rooms) <= (limit or 100)
            self.check_rooms(page)

    @precondition(lambda self: self.banned)
    @rule(pick=picks, is_ban=st.booleans(), faults=scripts, cancel=cancels)
    def disable_or_enable(
        self, pick: int, is_ban: bool, faults: list[Fault | Unreachable | None], cancel: Cancel | None
    ) -> None:
        uuid = self.pick(pick)
        change = self.rooms.disable if is_ban else self.rooms.enable
        outcome = self.call("disable" if is_ban else "enable", lambda: change(uuid), faults, cancel)
        now = self.emulator.room(uuid)["isBan"]
        if not outcome.was_interrupted and outcome.error is None:
            assert now is outcome.value.is_ban is is_ban
            self.check_rooms([outcome.value])
        elif not any(one.may_have_worked for one in self.line.log):
            assert now is self.banned[uuid]
        assert now in {is_ban, self.banned[uuid]}
        self.banned[uuid] = now

    @rule(
        start=st.integers(0, 300) | st.just(300_000_000),
        length=st.integers(0, 100) | st.just(300_000_000),
        faults=scripts,
        cancel=cancels,
    )
    def find_created_between(
        self, start: int, length: int, faults: list[Fault | Unreachable | None], cancel: Cancel | None
    ) -> None:
        since = datetime.fromtimestamp(round(self.clock()) - start, UTC)
        self.call_listing("find_created_between", since, since + timedelta(seconds=length), faults, cancel)

    def call_listing(
        self,
        name: str,
        start: datetime,
        end: datetime,
        faults: Sequence[Fault | Unreachable | None],
        cancel: Cancel | None,
    ) -> Outcome[tuple[Room, ...]]:
        count("calls", name)
        outcome = self.do(lambda: self.rooms.find_created_between(start, end), faults, cancel)
        self.check_requests_of_walk(outcome)
        if not outcome.was_interrupted and outcome.error is None:
            self.check_rooms(outcome.value)
            times = {uuid: self.emulator.room(uuid)["createdAt"] for uuid in self.emulator.uuids()}
            wanted = {u for u, t in times.items() if start <= datetime.fromisoformat(t) <= end}
            found = [room.uuid for room in outcome.value]
            assert len(found) == len(set(found))
            assert set(found) == wanted
            assert found == sorted(found, key=lambda uuid: (times[uuid], uuid))
        return outcome

    @rule(
        begin=st.none() | st.tuples(st.sampled_from(["begin_uuid", "after"]), picks),
        legs=st.lists(legs, max_size=3),
    )
    def walk(self, begin: tuple[str, int] | None, legs: list[Leg]) -> None:
        start = {begin[0]: self.pick(begin[1])} if begin is not None and self.banned else {}
        there = list(self.emulator.uuids())
        first = 0
        if begin is not None and start:  # begin_uuid is as on the wire: an exclusive cursor leaves its room out
            first = there.index(start[begin[0]]) + (begin[0] == "after" or not self.inclusive)
        expected = there[first:]
        came: list[str] = []
        position = start
        for leg in legs:
            outcome = self.walk_leg(leg, position, came)
            self.check_walk(expected, came)
            if outcome.came == [True]:
                break
            if outcome.error is not None and outcome.error.checkpoint is not None:
                position = {"after": outcome.error.checkpoint}
            elif came:
                position = {"after": came[-1]}
        else:
            skew, self.skew = self.skew, 0.0
            assert self.walk_leg(Leg(page_size=1 + len(came) % 5), position, came).came == [True]
            self.skew = skew
        self.check_walk(expected, came)
        assert set(expected) <= set(came), "rooms were lost"

    def walk_leg(self, leg: Leg, position: dict[str, str], came: list[str]) -> Outcome[bool]:
        """Walk on from ``position``, adding to ``came``; return whether the end was reached."""
        rooms: list[Room] = []

        async def go() -> bool:
            most = leg.stop if leg.by_max_rooms and not leg.by_pages else None
            async with aclosing(self.rooms_of(leg, position, most)) as walk:
                async for room in walk:
                    rooms.append(room)
                    if len(rooms) == leg.newcomer:
                        self.banned[self.emulator.add_room()] = False
                    if len(rooms) == leg.stop and most is None:
                        return False
            assert most is None or len(rooms) <= most
            return most is None or len(rooms) < most

        count("calls", "pages" if leg.by_pages else "walk")
        outcome = self.do(go, leg.faults, leg.cancel)
        self.check_requests_of_walk(outcome)
        self.check_rooms(rooms)
        came += [room.uuid for room in rooms]
        if outcome.error is not None:
            assert outcome.error.checkpoint == (rooms[-1].uuid if rooms else position.get("after"))
        stopped = (
            "cancelled" if outcome.was_interrupted else "left" if outcome.error is None else "ended by an error"
        )
        count("walks", "complete" if outcome.came == [True] else f"{stopped}, then gone on")
        return outcome

    async def rooms_of(self, leg: Leg, position: dict[str, str], most: int | None) -> AsyncGenerator[Room, None]:
        options: dict[str, Any] = {"page_size": leg.page_size, **position}
        if not leg.by_pages:
            async with aclosing(self.rooms.walk(max_rooms=most, **options)) as walk:
                async for room in walk:
                    yield room
            return
        async with aclosing(self.rooms.pages(**options)) as pages:
            async for page in pages:
                assert 1 <= len(page) <= leg.page_size
                for room in page:
                    yield room

    def check_walk(self, expected: list[str], came: list[str]) -> None:
        """Check that rooms came once, in order, and none was left out so far."""
        place = {uuid: at for at, uuid in enumerate(self.emulator.uuids())}
        places = [place[uuid] for uuid in came]
        assert places == sorted(set(places)), "rooms came twice or in disorder"
        if came:
            assert {uuid for uuid in expected if place[uuid] <= places[-1]} <= set(came), "rooms were left out"
            assert places[0] >= place[expected[0]]

    def check_requests_of_walk(self, ending: Ending) -> None:
        """Check the calls of a walk: no two that follow each other ask the same."""
        calls = [list(tries) for _, tries in groupby(self.line.log, attrgetter("target"))]
        for tries in calls[:-1]:
            check_call(tries, self.policy, self.spent, Ending(was_interrupted=False))
        if calls:  # none for the walk of no rooms
            check_call(calls[-1], self.policy, self.spent, ending)
        assert calls or ending.error is None

    @rule(
        names=st.lists(st.sampled_from(["create", "create", "get", "list"]), min_size=2, max_size=5),
        faults=scripts,
        cancel=cancels,
    )
    def several_at_once(
        self, names: list[str], faults: list[Fault | Unreachable | None], cancel: Cancel | None
    ) -> None:
        uuid = next(iter(self.banned), NOWHERE)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": self.rooms.create,
            "get": lambda: self.rooms.get(uuid),
            "list": self.rooms.list,
        }
        outcomes: dict[int, Outcome[object]] = {}

        async def one(number: int) -> None:
            caller.set(number)
            count("calls", f"{names[number]}, several at once")
            outcomes[number] = await make(calls[names[number]], cancel if number == 0 else None)

        async def all_of_them() -> None:
            async with anyio.create_task_group() as tasks:
                for number in range(len(names)):
                    tasks.start_soon(one, number)

        if cancel is not None and cancel.how == "task" and self.loop == "trio":
            cancel = Cancel("scope", cancel.step)
        before = self.spent
        won = WON_BACK * len(names)
        self.do(all_of_them, faults, None)
        for number, outcome in outcomes.items():
            # Who took from the budget first cannot be told from here, so each call is only held to its own part.
            own = Spent(max(0.0, before.least - won), max(before.most, self.policy.budget))
            check_call([one for one in self.line.log if one.caller == number], self.policy, own, outcome)
        further = len(self.line.log) - len(names) + sum(outcome.was_interrupted for outcome in outcomes.values())
        most = min(before.most + max(0, further), self.policy.budget)
        self.spent = Spent(max(0.0, before.least - won), max(before.most, most))
        new = [uuid for uuid in self.emulator.uuids() if uuid not in self.banned]
        self.banned.update(dict.fromkeys(new, False))
        created = [number for number in outcomes if names[number] == "create"]
        for number in created:
            assert sum(one.may_have_worked for one in self.line.log if one.caller == number) <= 1
        came = [came for number in created for came in outcomes[number].came]
        rooms = [room for room in came if isinstance(room, Room)]
        self.check_rooms(rooms)
        assert len({room.uuid for room in rooms}) == len(rooms)
        assert {room.uuid for room in rooms} <= set(new)
        in_doubt = [number for number in created if is_in_doubt(outcomes[number])]
        assert len(rooms) <= len(new) <= len(rooms) + len(in_doubt)

    # What holds always

    @invariant()
    def the_model_and_the_emulator_agree(self) -> None:
        if hasattr(self, "tasks"):
            there = {uuid: self.emulator.room(uuid)["isBan"] for uuid in self.emulator.uuids()}
            assert there == self.banned
            assert self.emulator.room_count == len(there)

    @invariant()
    def no_task_is_left_behind(self) -> None:
        if hasattr(self, "tasks"):
            assert self.portal.call(running_tasks) == self.tasks


class ProofOnAsyncio(Proof):
    loop: Loop = "asyncio"


class ProofOnTrio(Proof):
    loop: Loop = "trio"


@pytest.mark.parametrize("proof", [ProofOnAsyncio, ProofOnTrio])
def test_no_room_is_lost_doubled_or_invented_whatever_goes_wrong(proof: type[Proof]) -> None:
    run_state_machine_as_test(proof, settings=examples(65, many=1_500, steps=20))
