"""No room is lost, repeated or invented, whatever goes wrong: random calls, faults and cancellations, and a model.

The machine makes calls of the real client over a transport on which each request meets a fault.  Then it checks
the emulator's rooms, what was returned, and the log of the transport, as ``invariants`` says.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar
from zlib import crc32

import anyio
import httpx
import httpx2
import pytest
from attrs import define, field, frozen
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cancelling import Stepped, running_tasks
from faulty_transport import Exchange, FaultyTransport, Unreachable, session
from hypothesis_profiles import count, examples
from invariants import REFUND, Ending, Meaning, Spent, check_call, is_limit, meaning_of
from netless_rooms import (
    AsyncRooms,
    CreateOutcomeUnknownError,
    NotFoundError,
    PaginationError,
    RetryPolicy,
    Room,
    RoomsError,
    Scan,
)
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, Fault, GatewayPage, Hang, Quirks, Slow
from selection import exhaustive
from virtual_time import VirtualTime

EPOCH: Final = 1_780_000_000.0  # a time after that of all generated rooms
BETWEEN: Final = 7.3  # seconds from call to call, so that new rooms land all over the list
MOST_SKEW: Final = 590  # seconds that the service's clock is ahead; with ten more, no token would be good there
PATIENCE: Final = 60.0  # real seconds, for what takes milliseconds: only a client that hangs for ever needs more
NOWHERE: Final = "00000000000011ea0000000000000000"

Result = TypeVar("Result")
Loop = Literal["asyncio", "trio"]
Met: TypeAlias = Fault | Unreachable | None  # what a request meets


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
    faults: Sequence[Met] = ()
    stop: int | None = None  # after so many rooms
    by_max_rooms: bool = False  # stop by the argument, and not by leaving
    cancel: Cancel | None = None
    newcomer: int | None = None  # behind which room another one is created


WRONG: Final[list[dict[str, Any]]] = [
    *({"isBan": "perhaps"}, {"isBan": ...}, {"limit": "many"}, {"limit": True}, {"uuid": ...}, {"uuid": "../x"}),
    *({"uuid": 5}, {"createdAt": "soon"}, {"createdAt": 1.5}, {"teamUUID": None}, {"isRecord": 0}),
]
# Hypothesis draws which rules run, and seeds; what happens then is drawn by a generator of our own, from the seeds
# of all steps so far.  Most of its examples vary earlier ones a little, so that three in four of the
# faults and arguments would be repetitions if it drew them.  A failure shows what was drawn.
STATUSES: Final = [429, 429, 500, 502, 503, 503, 504, 400, 401, 403, 404, 501]
RETRY_AFTERS: Final = [None, None, 0, 1, 7, 29, 31, 40, "soon", 0.5]


def draw_fault(chance: Random) -> Met:
    status = chance.choice([*STATUSES, chance.randint(400, 599)])
    done = chance.random() < 0.5
    # Then nothing was done, as the service documents it; the two are time-outs of a gateway.
    refused = status < 500 and status not in {408, 499}
    makers: list[Callable[[], Met]] = [
        lambda: None,
        lambda: Failure(status, None, chance.choice(RETRY_AFTERS), work_done=done and not refused),
        lambda: Failure(status, None, chance.choice(RETRY_AFTERS), work_done=done and not refused),
        lambda: Failure(chance.choice([401, 403]), "expired token"),
        lambda: GatewayPage(status, work_done=done and not refused),
        lambda: GatewayPage(200, work_done=done),
        lambda: Closed(work_done=done),
        lambda: Cut(chance.choice([0, 1, 30, 100_000])),
        lambda: Slow(chance.choice([0, 0.2, 0.9, 6]), chance.randint(1, 5)),
        lambda: Hang(work_done=done),
        lambda: BadRoom(chance.randint(-2, 3), **chance.choice(WRONG)),
        lambda: Unreachable(chance.choice(["ConnectError", "ConnectTimeout", "PoolTimeout"])),
    ]
    return chance.choice(makers)()


def draw_cancel(chance: Random) -> Cancel | None:
    if chance.random() < 0.6:
        return None
    how: Literal["scope", "task", "time"] = chance.choice(["scope", "task", "time"])
    if how == "time":
        return Cancel(how, seconds=chance.choice([0, 0.05, 0.5, 3]))
    return Cancel(how, chance.randint(1, 12))


def draw_leg(chance: Random) -> Leg:
    return Leg(
        page_size=chance.choice([1, 2, 3, 4, 5, 6, 1000]),
        faults=[draw_fault(chance) if chance.random() < 0.3 else None for _ in range(12)],
        stop=chance.choice([None, chance.randint(0, 12)]),
        by_max_rooms=chance.random() < 0.5,
        cancel=draw_cancel(chance) if chance.random() < 0.5 else None,
        newcomer=chance.choice([None, chance.randint(1, 12)]),
    )


def draw_script(chance: Random) -> list[Met]:
    return [draw_fault(chance) for _ in range(chance.randint(0, 6))]


def draw_policy(chance: Random) -> RetryPolicy:
    return RetryPolicy(
        chance.randint(1, 5),
        wait_initial=chance.choice([0, 0.5]),
        wait_max=chance.choice([0.8, 8]),
        deadline=chance.choice([None, 0.3, 4, 120]),
        budget=chance.choice([0, 3, 1000, 1000]),
    )


def draw_quirks(chance: Random) -> Quirks:
    cursor: Literal["inclusive", "exclusive"] = chance.choice(["inclusive", "exclusive"])
    return Quirks(
        cursor=cursor,
        order=chance.choice(["uuid", "creation"]),
        page_cap=chance.choice([None, chance.randint(2 if cursor == "inclusive" else 1, 8)]),
        short_pages=chance.random() < 0.5,
        envelope=chance.random() < 0.5,
        unknown_begin=chance.choice(["seek", "bad_request", "not_found"]),
    )


seeds = st.integers(0, 2**32 - 1)


# How a call is made


@define
class Outcome(Ending, Generic[Result]):
    """The result of a call: a value unless it failed or was interrupted."""

    values: list[Result] = field(factory=list)

    @property
    def value(self) -> Result:
        return self.values[0]


async def make(call: Callable[[], Awaitable[Result]], cancel: Cancel | None) -> Outcome[Result]:
    outcome: Outcome[Result] = Outcome()

    async def settle() -> None:
        try:
            outcome.values.append(await call())
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


def how_it_ended(leg: Outcome[bool]) -> str:
    if leg.values == [True]:
        return "complete"
    stopped = "cancelled" if leg.was_interrupted else "left" if leg.error is None else "ended by an error"
    return f"{stopped}, then resumed"


def is_in_doubt(ending: Ending) -> bool:
    """Whether a create that ended so may have made a room that the caller does not know."""
    return ending.was_interrupted or isinstance(ending.error, CreateOutcomeUnknownError)


def document_of(room: Room) -> dict[str, object]:
    """Return a room as the service spells it."""
    optional = {"name": room.name, "appUUID": room.app_uuid}
    return {
        "uuid": room.uuid,
        "teamUUID": room.team_uuid,
        **{name: value for name, value in optional.items() if value is not None},
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
        self.history = 0
        self.banned: dict[str, bool] = {}  # every room there is, and whether it is disabled

    def clock(self) -> float:
        return EPOCH + self.passed + self.time.now

    def chance(self, seed: int) -> Random:
        """Return what one step draws from."""
        self.history = crc32(f"{self.history} {seed}".encode())
        return Random(self.history)

    @initialize(seed=seeds)
    def open(self, seed: int) -> None:
        chance = self.chance(seed)
        rooms, quirks, library = chance.randint(0, 30), draw_quirks(chance), chance.choice([httpx, httpx2])
        note((rooms, quirks, library))
        self.emulator = Emulator(rooms=rooms, quirks=quirks, clock=lambda: self.clock() + self.skew)
        self.banned = {uuid: self.emulator.room(uuid)["isBan"] for uuid in self.emulator.uuids()}
        self.inclusive = quirks.cursor == "inclusive"
        self.portal = self.closing.enter_context(self.time.portal(self.loop))
        self.transport = FaultyTransport(self.emulator)
        client = library.AsyncClient(transport=self.transport, timeout=chance.choice([0.5, 5.0]), trust_env=False)
        self.closing.callback(self.portal.call, client.aclose)
        self.policy = draw_policy(chance)
        key = self.emulator.key
        self.rooms = AsyncRooms(client, token=key, region="sg", retry=self.policy, clock=self.clock)
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
        faults: Sequence[Met],
        cancel: Cancel | None,
    ) -> Outcome[Result]:
        """Make a call whose requests meet ``faults``."""
        cancel = self.possible(cancel)
        note((self.policy, cancel, faults))
        self.passed += BETWEEN
        self.portal.call(anyio.sleep, 200)  # longer than a rate limit is remembered
        self.transport.meets(faults)
        self.emulator.requests.clear()
        outcome: Outcome[Result] = self.portal.start_task_soon(make, call, cancel).result(PATIENCE)
        self.spent.is_paced = any(is_limit(one) for one in self.transport.log)
        assert len(self.emulator.requests) == sum(one.was_received for one in self.transport.log)
        return outcome

    def possible(self, cancel: Cancel | None) -> Cancel | None:
        """Return ``cancel``, in a way that this loop has."""
        return Cancel("scope", cancel.step) if cancel and cancel.how == "task" and self.loop == "trio" else cancel

    def call(self, name: str, call: Callable[[], Awaitable[Result]], chance: Random) -> Outcome[Result]:
        """Make a call of one operation, and check the requests it sent."""
        count("calls", name)
        outcome = self.do(call, draw_script(chance), draw_cancel(chance))
        check_call(self.transport.log, self.policy, self.spent, outcome)
        return outcome

    def check_rooms(self, rooms: Sequence[Room]) -> None:
        """Check that none is invented or out of date."""
        assert [document_of(room) for room in rooms] == [self.emulator.room(room.uuid) for room in rooms]

    def pick(self, chance: Random) -> str:
        return chance.choice(list(self.banned))

    # The world

    @rule(seed=seeds)
    def the_world_goes_on(self, seed: int) -> None:
        chance = self.chance(seed)
        self.passed += chance.choice([0, 50, 400, 539, 541, 700])
        self.skew = chance.choice([0, 0, 59, 61, 300, MOST_SKEW])
        if chance.random() < 0.5:
            is_ban = chance.random() < 0.5
            self.banned[self.emulator.add_room(isBan=is_ban)] = is_ban
        if chance.random() < 0.5:  # a sibling takes over
            self.policy = draw_policy(chance)
            self.rooms = self.rooms.with_options(retry=self.policy)

    # The calls

    @rule(seed=seeds)
    def create(self, seed: int) -> None:
        chance = self.chance(seed)
        limit = chance.choice([None, chance.randint(0, 50)])
        outcome = self.call("create", lambda: self.rooms.create(limit=limit), chance)
        new = [uuid for uuid in self.emulator.uuids() if uuid not in self.banned]
        possible = sum(one.may_have_worked for one in self.transport.log)
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
        found = self.find(start, end, (), None)
        assert found.error is not None or set(new) <= {room.uuid for room in found.value}

    @rule(seed=seeds)
    def get(self, seed: int) -> None:
        chance = self.chance(seed)
        uuid = self.pick(chance) if self.banned and chance.random() < 0.9 else NOWHERE
        outcome = self.call("get", lambda: self.rooms.get(uuid), chance)
        if not outcome.was_interrupted and outcome.error is None:
            assert outcome.value.uuid == uuid
            self.check_rooms([outcome.value])
        assert uuid != NOWHERE or not outcome.values
        met_404 = any(one.status == 404 and one.fault is not None for one in self.transport.log)
        assert uuid == NOWHERE or met_404 or not isinstance(outcome.error, NotFoundError)

    @rule(seed=seeds)
    def list_page(self, seed: int) -> None:
        chance = self.chance(seed)
        limit = chance.choice([None, chance.randint(1, 9)])
        begin_uuid = self.pick(chance) if self.banned and chance.random() < 0.6 else None
        outcome = self.call("list", lambda: self.rooms.list(begin_uuid=begin_uuid, limit=limit), chance)
        if not outcome.was_interrupted and outcome.error is None:
            page = outcome.value
            there = list(self.emulator.uuids())
            first = 0 if begin_uuid is None else there.index(begin_uuid) + (not self.inclusive)
            assert [room.uuid for room in page] == there[first : first + len(page)]
            assert len(page) == len(self.transport.log[-1].rooms) <= (limit or 100)
            self.check_rooms(page)

    @precondition(lambda self: self.banned)
    @rule(seed=seeds)
    def disable_or_enable(self, seed: int) -> None:
        chance = self.chance(seed)
        uuid, is_ban = self.pick(chance), chance.random() < 0.5
        change = self.rooms.disable if is_ban else self.rooms.enable
        outcome = self.call("disable" if is_ban else "enable", lambda: change(uuid), chance)
        now = self.emulator.room(uuid)["isBan"]
        if not outcome.was_interrupted and outcome.error is None:
            assert now is outcome.value.is_ban is is_ban
            self.check_rooms([outcome.value])
        elif not any(one.may_have_worked for one in self.transport.log):
            assert now is self.banned[uuid]
        assert now in {is_ban, self.banned[uuid]}
        self.banned[uuid] = now

    @rule(seed=seeds)
    def find_created_between(self, seed: int) -> None:
        chance = self.chance(seed)
        start = round(self.clock()) - chance.choice([chance.randint(0, 300), 300_000_000])
        since = datetime.fromtimestamp(start, UTC)
        until = since + timedelta(seconds=chance.choice([chance.randint(0, 100), 300_000_000]))
        count("calls", "find_created_between")
        self.find(since, until, draw_script(chance), draw_cancel(chance))

    def find(
        self, start: datetime, end: datetime, faults: Sequence[Met], cancel: Cancel | None
    ) -> Outcome[tuple[Room, ...]]:
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

    @rule(seed=seeds)
    def walk(self, seed: int) -> None:
        chance = self.chance(seed)
        begin = chance.choice([None, None, "begin_uuid", "after"])
        start = {begin: self.pick(chance)} if begin is not None and self.banned else {}
        there = list(self.emulator.uuids())
        first = 0
        if begin is not None and start:  # begin_uuid is as on the wire: an exclusive cursor leaves its room out
            first = there.index(start[begin]) + (begin == "after" or not self.inclusive)
        expected = there[first:]
        seen: list[str] = []
        position = start
        for _ in range(chance.randint(0, 3)):
            outcome = self.walk_leg(draw_leg(chance), position, seen)
            self.check_walk(expected, seen)
            if outcome.values == [True]:
                break
            if outcome.error is not None and outcome.error.checkpoint is not None:
                position = {"after": outcome.error.checkpoint}
            elif seen:
                position = {"after": seen[-1]}
        else:
            skew, self.skew = self.skew, 0.0
            assert self.walk_leg(Leg(page_size=1 + len(seen) % 5), position, seen).values == [True]
            self.skew = skew
        self.check_walk(expected, seen)
        assert set(expected) <= set(seen), "rooms were lost"

    def walk_leg(self, leg: Leg, position: dict[str, str], seen: list[str]) -> Outcome[bool]:
        """Walk on from ``position``, adding to ``seen``; return whether the end was reached."""
        rooms: list[Room] = []

        async def go() -> bool:
            most = leg.stop if leg.by_max_rooms else None
            async with aclosing(self.rooms.walk(max_rooms=most, page_size=leg.page_size, **position)) as walk:
                async for room in walk:
                    rooms.append(room)
                    if len(rooms) == leg.newcomer:
                        self.banned[self.emulator.add_room()] = False
                    if len(rooms) == leg.stop and most is None:
                        return False
            assert most is None or len(rooms) <= most
            return most is None or len(rooms) < most

        count("calls", "walk")
        outcome = self.do(go, leg.faults, leg.cancel)
        self.check_requests_of_walk(outcome)
        self.check_rooms(rooms)
        seen += [room.uuid for room in rooms]
        if outcome.error is not None:
            assert outcome.error.checkpoint == (rooms[-1].uuid if rooms else position.get("after"))
        count("walks", how_it_ended(outcome))
        return outcome

    def check_walk(self, expected: list[str], seen: list[str]) -> None:
        """Check that rooms were returned once, in order, and none was left out so far."""
        place = {uuid: at for at, uuid in enumerate(self.emulator.uuids())}
        places = [place[uuid] for uuid in seen]
        assert places == sorted(set(places)), "rooms are repeated or in disorder"
        if seen:
            assert {uuid for uuid in expected if place[uuid] <= places[-1]} <= set(seen), "rooms were left out"
            assert places[0] >= place[expected[0]]

    def check_requests_of_walk(self, ending: Ending) -> None:
        """Check the calls of a walk: a call ends with a good answer, or where something else is asked."""
        calls: list[list[Exchange]] = []
        for one in self.transport.log:
            last = calls[-1][-1] if calls else None
            if last is None or last.target != one.target or meaning_of(last) is Meaning.GOOD:
                calls.append([])
            calls[-1].append(one)
        for tries in calls[:-1]:
            check_call(tries, self.policy, self.spent, Ending(was_interrupted=False))
        if calls:  # none for the walk of no rooms
            check_call(calls[-1], self.policy, self.spent, ending)
        assert calls or ending.error is None

    @rule(seed=seeds)
    def scan(self, seed: int) -> None:
        chance = self.chance(seed)
        options: dict[str, Any] = {"prefetch": chance.randint(0, 3), "shards": chance.choice([1, 2, 5])}
        there = list(self.emulator.uuids())
        seen: list[str] = []
        position: str | None = None
        for leg in [*(draw_leg(chance) for _ in range(chance.randint(0, 3))), None]:
            skew = self.skew
            if leg is None:
                self.skew = 0.0
            outcome, position = self.scan_leg(leg or Leg(page_size=1 + len(seen) % 5), options, position, seen)
            self.skew = skew
            assert len(seen) == len(set(seen)), "rooms are repeated"
            assert not isinstance(outcome.error, PaginationError)
            if outcome.values == [True]:
                break
        assert outcome.values == [True], "a scan without faults comes to its end"
        assert set(there) <= set(seen), "rooms were lost"

    def scan_leg(
        self, leg: Leg, options: dict[str, Any], position: str | None, seen: list[str]
    ) -> tuple[Outcome[bool], str | None]:
        """Scan on from ``position``, adding to ``seen``; return whether the end was reached, and where it is."""
        rooms: list[Room] = []
        scans: list[Scan[Room]] = []

        async def go() -> bool:
            async with self.rooms.scan(page_size=leg.page_size, resume=position, **options) as scan:
                scans.append(scan)
                while len(rooms) != leg.stop:
                    async for room in scan:
                        rooms.append(room)
                        if len(rooms) == leg.newcomer:
                            self.banned[self.emulator.add_room()] = False
                        break
                    else:
                        return True
            return False

        count("calls", "scan")
        outcome = self.do(go, leg.faults, leg.cancel)
        # Requests of several ranges go at once, and some may be under way when it is left: which call took from
        # the budget, or had a refund, is unknown.
        requests = len(self.transport.log)
        most = max(self.spent.most, min(self.spent.most + requests, self.policy.budget))
        self.spent = Spent(max(0.0, self.spent.least - REFUND * requests), most)
        self.check_rooms(rooms)
        seen += [room.uuid for room in rooms]
        if scans:
            position = scans[0].checkpoint
        if outcome.error is not None:
            assert outcome.error.checkpoint == position
        count("scans", how_it_ended(outcome))
        return outcome, position

    @rule(seed=seeds)
    def several_at_once(self, seed: int) -> None:
        chance = self.chance(seed)
        names = chance.choices(["create", "create", "get", "list"], k=chance.randint(2, 5))
        cancel = self.possible(draw_cancel(chance))
        uuid = next(iter(self.banned), NOWHERE)
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "create": self.rooms.create,
            "get": lambda: self.rooms.get(uuid),
            "list": self.rooms.list,
        }
        outcomes: dict[int, Outcome[object]] = {}

        async def one(number: int) -> None:
            session.set(number)
            count("calls", f"{names[number]}, several at once")
            outcomes[number] = await make(calls[names[number]], cancel if number == 0 else None)

        async def all_of_them() -> None:
            async with anyio.create_task_group() as tasks:
                for number in range(len(names)):
                    tasks.start_soon(one, number)

        before = self.spent
        won = REFUND * len(names)
        self.do(all_of_them, draw_script(chance), None)
        for number, outcome in outcomes.items():
            # Which call took from the budget first is unknown, so each is checked for its own part only.
            own = Spent(max(0.0, before.least - won), max(before.most, self.policy.budget))
            check_call([one for one in self.transport.log if one.session == number], self.policy, own, outcome)
        further = (
            len(self.transport.log) - len(names) + sum(outcome.was_interrupted for outcome in outcomes.values())
        )
        most = min(before.most + max(0, further), self.policy.budget)
        self.spent = Spent(max(0.0, before.least - won), max(before.most, most))
        new = [uuid for uuid in self.emulator.uuids() if uuid not in self.banned]
        self.banned.update(dict.fromkeys(new, False))
        created = [number for number in outcomes if names[number] == "create"]
        for number in created:
            assert sum(one.may_have_worked for one in self.transport.log if one.session == number) <= 1
        values = [value for number in created for value in outcomes[number].values]
        rooms = [room for room in values if isinstance(room, Room)]
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


@pytest.mark.parametrize("loop", ["asyncio", *exhaustive(["trio"])])
def test_no_room_is_lost_repeated_or_invented_whatever_goes_wrong(loop: Loop) -> None:
    proof = type("Proof", (Proof,), {"loop": loop})
    run_state_machine_as_test(proof, settings=examples(12, many=700, steps=20))
