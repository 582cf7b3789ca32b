"""No room is lost, repeated or invented, whatever goes wrong: random calls, faults, cancellations, and a model."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, aclosing, suppress
from datetime import datetime, timedelta
from math import inf
from random import Random
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast
from zlib import crc32

import anyio
import httpx
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from attrs import define, field, frozen
from hypothesis import note, stateful
from hypothesis import strategies as st

from cancelling import Stepped, running_tasks
from faulty_transport import Exchange, FaultyTransport, Unreachable
from invariants import REFUND, Ending, Meaning, Spent, check_call, is_limit, meaning_of
from netless_rooms import AsyncRooms, RetryPolicy, Room, RoomsError, errors
from netless_rooms._api.decoding import structure
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, Fault, GatewayPage, Hang, Quirks, Slow
from selection import examples, exhaustive
from virtual_time import VirtualTime

EPOCH: Final = 1_780_000_000.0  # a time after that of all generated rooms
BETWEEN: Final = 7.3  # seconds from call to call, so that new rooms land all over the list
MOST_SKEW: Final = 590  # seconds that the service's clock is ahead; with ten more, no token would be good there
PATIENCE: Final = 60.0  # real seconds, for what takes milliseconds: only a client that hangs for ever needs more
NOWHERE: Final = "00000000000011ea0000000000000000"

Result = TypeVar("Result")
Call: TypeAlias = Callable[[], Awaitable[Result]]
Loop = Literal["asyncio", "trio"]
Met: TypeAlias = Fault | Unreachable | None  # what a request meets
How = Literal["scope", "task", "time"]
Cancel = tuple[How, float]  # at a suspension by its number, or after some seconds
seeds = st.integers(0, 2**32 - 1)


@frozen
class Leg:  # one stretch of a walk
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
# Hypothesis draws which rules run, and seeds; a generator of our own draws the rest from all seeds so far, because
# Hypothesis varies earlier examples a little: three in four faults would be repetitions.
STATUSES: Final = [429, 429, 500, 502, 503, 503, 504, 400, 401, 403, 404, 501]
RETRY_AFTERS: Final = [None, None, 0, 1, 7, 29, 31, 40, "soon", 0.5]


def draw_fault(chance: Random) -> Met:
    status = chance.choice([*STATUSES, chance.randint(400, 599)])
    done = chance.random() < 0.5
    # Then nothing was done, as the service documents it; the two are time-outs of a gateway.
    refused = status < 500 and status not in {408, 499}
    makers: list[Callable[[], Met]] = [
        lambda: None,
        *2 * [lambda: Failure(status, None, chance.choice(RETRY_AFTERS), work_done=done and not refused)],
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
    how: How = chance.choice(["scope", "task", "time"])
    when = chance.choice([0, 0.05, 0.5, 3]) if how == "time" else chance.randint(1, 12)
    return None if chance.random() < 0.6 else (how, when)


def draw_leg(chance: Random) -> Leg:
    page_size, by_max_rooms = chance.choice([1, 2, 3, 4, 5, 6, 1000]), chance.random() < 0.5
    faults = [draw_fault(chance) if chance.random() < 0.3 else None for _ in range(12)]
    stop, newcomer = chance.choice([None, chance.randint(0, 12)]), chance.choice([None, chance.randint(1, 12)])
    cancel = draw_cancel(chance) if chance.random() < 0.5 else None
    return Leg(page_size, faults, stop, by_max_rooms, cancel, newcomer)


def draw_policy(chance: Random) -> RetryPolicy:
    tries, first, most = chance.randint(1, 5), chance.choice([0, 0.5]), chance.choice([0.8, 8])
    deadline, budget = chance.choice([None, 0.3, 4, 120]), chance.choice([0, 3, 1000, 1000])
    return RetryPolicy(tries, wait_initial=first, wait_max=most, deadline=deadline, budget=budget)


def draw_quirks(chance: Random) -> Quirks:
    pick: Any = chance.choice
    cursor, order = pick(["inclusive", "exclusive"]), pick(["uuid", "creation"])
    cap, short = pick([None, chance.randint(2 if cursor == "inclusive" else 1, 8)]), pick([True, False])
    others = {"envelope": pick([True, False]), "unknown_begin": pick(["seek", "bad_request", "not_found"])}
    return Quirks(cursor=cursor, order=order, page_cap=cap, short_pages=short, **others)


@define
class Outcome(Ending, Generic[Result]):
    values: list[Result] = field(factory=list)


async def make(call: Call[Result], cancel: Cancel | None, loop: Loop) -> Outcome[Result]:
    outcome: Outcome[Result] = Outcome()
    how, when = cancel or ("", 0)

    async def settle() -> None:
        try:
            outcome.values.append(await call())
        except RoomsError as error:
            outcome.error = error
        outcome.was_interrupted = False

    async def run() -> None:
        await Stepped(settle(), int(when), task.cancel)

    if how == "task" and loop == "asyncio":
        task = asyncio.create_task(run())
        with suppress(asyncio.CancelledError):
            await task
    else:
        with anyio.CancelScope() as scope:
            scope.deadline = anyio.current_time() + when if how == "time" else inf
            await (Stepped(settle(), int(when), scope.cancel) if how in {"scope", "task"} else settle())
    return outcome


class Proof(stateful.RuleBasedStateMachine):
    # Makes random calls and checks the rooms, what was returned, and the requests, as ``invariants`` says.
    loop: Loop

    def __init__(self) -> None:
        super().__init__()
        self.closing, self.spent, self.time = ExitStack(), Spent(), VirtualTime()
        self.passed = self.skew = 0.0  # skew: seconds that the service's clock is ahead
        self.history = 0
        self.banned: dict[str, bool] = {}  # every room there is, and whether it is disabled

    def clock(self) -> float:
        return EPOCH + self.passed + self.time.now

    def chance(self, seed: int) -> Random:
        self.history = crc32(f"{self.history} {seed}".encode())
        return Random(self.history)

    @stateful.initialize(seed=seeds)
    def open(self, seed: int) -> None:
        chance = self.chance(seed)
        rooms, quirks, library = chance.randint(0, 30), draw_quirks(chance), chance.choice([httpx, httpx2])
        note((rooms, quirks, library))
        self.emulator = Emulator(rooms=rooms, quirks=quirks, clock=lambda: self.clock() + self.skew)
        self.banned = {uuid: self.emulator.room(uuid)["isBan"] for uuid in self.emulator.uuids()}
        self.inclusive = quirks.cursor == "inclusive"
        self.portal = self.closing.enter_context(start_blocking_portal(self.loop, self.time.options(self.loop)))
        self.closing.callback(self.portal.call, self.portal.stop, True)  # of a client that left tasks too
        self.transport = FaultyTransport(self.emulator)
        client = library.AsyncClient(transport=self.transport, timeout=chance.choice([0.5, 5.0]), trust_env=False)
        self.closing.callback(self.portal.call, client.aclose)
        self.policy = draw_policy(chance)
        key = self.emulator.key
        self.rooms = AsyncRooms(client, token=key, region="sg", retry=self.policy, clock=self.clock)
        self.tasks = self.portal.call(running_tasks)

    def teardown(self) -> None:
        with self.closing:
            if hasattr(self, "tasks"):
                self.skew = 0.0
                assert self.do(lambda: self.rooms.list(limit=1)).error is None, "the client works in the end"

    def do(self, call: Call[Result], faults: Sequence[Met] = (), cancel: Cancel | None = None) -> Outcome[Result]:
        note((self.policy, cancel, faults))
        self.passed += BETWEEN
        self.portal.call(anyio.sleep, 200)  # longer than a rate limit is remembered
        self.transport.meets(faults)
        self.emulator.requests.clear()
        outcome: Outcome[Result] = self.portal.start_task_soon(make, call, cancel, self.loop).result(PATIENCE)
        self.spent.is_paced = any(is_limit(one) for one in self.transport.log)
        assert len(self.emulator.requests) == sum(one.was_received for one in self.transport.log)
        return outcome

    def call(self, call: Call[Result], chance: Random) -> Outcome[Result]:
        outcome = self.do(call, [draw_fault(chance) for _ in range(chance.randint(0, 6))], draw_cancel(chance))
        check_call(self.transport.log, self.policy, self.spent, outcome)
        self.check_rooms(outcome.values)
        return outcome

    def check_rooms(self, values: Sequence[object]) -> None:
        for value in values:
            for room in [value] if isinstance(value, Room) else cast("Sequence[Room]", value):
                assert room == structure(self.emulator.room(room.uuid), Room)

    @stateful.rule(seed=seeds)
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

    @stateful.rule(seed=seeds)
    def create(self, seed: int) -> None:
        chance = self.chance(seed)
        limit = chance.choice([None, chance.randint(0, 50)])
        outcome = self.call(lambda: self.rooms.create(limit=limit), chance)
        new = [uuid for uuid in self.emulator.uuids() if uuid not in self.banned]
        possible = sum(one.may_have_worked for one in self.transport.log)
        assert possible <= 1, "a create was asked again that may have been done"
        assert len(new) <= possible
        self.banned.update(dict.fromkeys(new, False))
        if outcome.values:
            assert [(room.uuid, room.limit) for room in outcome.values] == [(new[0], limit or 0)]
        elif isinstance(outcome.error, errors.CreateOutcomeUnknownError):
            # Rooms are dated to the millisecond, and by the service's clock, which never dates two backwards.
            start = outcome.error.started_at - timedelta(seconds=1)
            found = self.find(start, outcome.error.ended_at + timedelta(seconds=1 + MOST_SKEW))
            assert found.error is not None or set(new) <= {room.uuid for room in found.values[0]}
        elif not outcome.was_interrupted:
            assert new == []

    @stateful.rule(seed=seeds)
    def get(self, seed: int) -> None:
        chance = self.chance(seed)
        uuid = chance.choice(list(self.banned)) if self.banned and chance.random() < 0.9 else NOWHERE
        outcome = self.call(lambda: self.rooms.get(uuid), chance)
        assert all(room.uuid == uuid for room in outcome.values)
        assert uuid != NOWHERE or not outcome.values
        met_404 = any(one.status == 404 and one.fault is not None for one in self.transport.log)
        assert uuid == NOWHERE or met_404 or not isinstance(outcome.error, errors.NotFoundError)

    @stateful.rule(seed=seeds)
    def list_page(self, seed: int) -> None:
        chance = self.chance(seed)
        limit = chance.choice([None, chance.randint(1, 9)])
        begin_uuid = chance.choice(list(self.banned)) if self.banned and chance.random() < 0.6 else None
        outcome = self.call(lambda: self.rooms.list(begin_uuid=begin_uuid, limit=limit), chance)
        for page in outcome.values:
            there = list(self.emulator.uuids())
            first = 0 if begin_uuid is None else there.index(begin_uuid) + (not self.inclusive)
            assert [room.uuid for room in page] == there[first : first + len(page)]
            assert len(page) == len(self.transport.log[-1].rooms) <= (limit or 100)

    @stateful.precondition(lambda self: self.banned)
    @stateful.rule(seed=seeds)
    def disable_or_enable(self, seed: int) -> None:
        chance = self.chance(seed)
        uuid, is_ban = chance.choice(list(self.banned)), chance.random() < 0.5
        change = self.rooms.disable if is_ban else self.rooms.enable
        outcome = self.call(lambda: change(uuid), chance)
        now = self.emulator.room(uuid)["isBan"]
        if outcome.values:
            assert now is outcome.values[0].is_ban is is_ban
        elif not any(one.may_have_worked for one in self.transport.log):
            assert now is self.banned[uuid]
        assert now in {is_ban, self.banned[uuid]}
        self.banned[uuid] = now

    def find(self, start: datetime, end: datetime) -> Outcome[tuple[Room, ...]]:
        outcome = self.do(lambda: self.rooms.find_created_between(start, end))
        self.check_requests_of_walk(outcome)
        self.check_rooms(outcome.values)
        for rooms in outcome.values:
            times = {uuid: self.emulator.room(uuid)["createdAt"] for uuid in self.emulator.uuids()}
            wanted = {u for u, t in times.items() if start <= datetime.fromisoformat(t) <= end}
            found = [room.uuid for room in rooms]
            assert found == sorted(wanted, key=lambda uuid: (times[uuid], uuid))
        return outcome

    @stateful.rule(seed=seeds)
    def walk(self, seed: int) -> None:
        chance = self.chance(seed)
        begin = chance.choice([None, None, "begin_uuid", "after"])
        position = {begin: chance.choice(list(self.banned))} if begin is not None and self.banned else {}
        there, first, seen = list(self.emulator.uuids()), 0, list[str]()
        if begin is not None and position:  # begin_uuid is as on the wire: an exclusive cursor leaves its room out
            first = there.index(position[begin]) + (begin == "after" or not self.inclusive)
        expected = there[first:]
        for leg in [*(draw_leg(chance) for _ in range(chance.randint(0, 3))), None]:
            outcome, found, _ = self.stretch("walk", leg, seen, position)
            self.check_requests_of_walk(outcome)
            if outcome.error is not None:
                assert outcome.error.checkpoint == (found[-1].uuid if found else position.get("after"))
            place = {uuid: at for at, uuid in enumerate(self.emulator.uuids())}
            places = [place[uuid] for uuid in seen]
            assert places == sorted(set(places)), "rooms are repeated or in disorder"
            assert {uuid for uuid in expected if place[uuid] <= max(places, default=-1)} <= set(seen), "left out"
            assert not seen or places[0] >= place[expected[0]]
            if outcome.values == [True]:
                break
            if outcome.error is not None and outcome.error.checkpoint is not None:
                position = {"after": outcome.error.checkpoint}
            elif seen:
                position = {"after": seen[-1]}
        assert outcome.values == [True], "a walk without faults comes to its end"
        assert set(expected) <= set(seen), "rooms were lost"

    @stateful.rule(seed=seeds)
    def scan(self, seed: int) -> None:
        chance = self.chance(seed)
        options: dict[str, Any] = {"prefetch": chance.randint(0, 3), "shards": chance.choice([1, 2, 5])}
        there, seen, position = list(self.emulator.uuids()), list[str](), None
        for leg in [*(draw_leg(chance) for _ in range(chance.randint(0, 3))), None]:
            outcome, _, scans = self.stretch("scan", leg, seen, options | {"resume": position})
            # Requests of several ranges go at once, and some may be under way when it is left: which call took
            # from the budget, or had a refund, is unknown.
            requests = len(self.transport.log)
            most = max(self.spent.most, min(self.spent.most + requests, self.policy.budget))
            self.spent = Spent(max(0.0, self.spent.least - REFUND * requests), most)
            position = scans[0].checkpoint if scans else position
            assert outcome.error is None or outcome.error.checkpoint == position
            assert not isinstance(outcome.error, errors.PaginationError)
            assert len(seen) == len(set(seen)), "rooms are repeated"
            if outcome.values == [True]:
                break
        assert outcome.values == [True], "a scan without faults comes to its end"
        assert set(there) <= set(seen), "rooms were lost"

    def stretch(self, name: str, drawn: Leg | None, seen: list[str], options: Any) -> tuple[Any, Any, Any]:
        """Go on through the list; ``None`` is a leg without faults, with clocks that agree."""
        leg = drawn or Leg(page_size=1 + len(seen) % 5)
        most = leg.stop if leg.by_max_rooms and name == "walk" else None
        if name == "walk":
            options = options | {"max_rooms": most}
        rooms: list[Room] = []
        entered: list[Any] = []

        async def go() -> bool:
            stream = getattr(self.rooms, name)(page_size=leg.page_size, **options)
            async with aclosing(stream) if name == "walk" else stream:
                entered.append(stream)
                while most is not None or len(rooms) != leg.stop:
                    async for room in stream:
                        rooms.append(room)
                        if len(rooms) == leg.newcomer:
                            self.banned[self.emulator.add_room()] = False
                        break
                    else:
                        assert most is None or len(rooms) <= most
                        return most is None or len(rooms) < most
            return False

        skew, self.skew = self.skew, self.skew if drawn else 0.0
        outcome = self.do(go, leg.faults, leg.cancel)
        self.skew = skew
        self.check_rooms(rooms)
        seen += [room.uuid for room in rooms]
        return outcome, rooms, entered

    def check_requests_of_walk(self, ending: Ending) -> None:
        """Check the calls of a walk: a call ends with a good answer, or where something else is asked."""
        calls: list[list[Exchange]] = []
        for one in self.transport.log:
            last = calls[-1][-1] if calls else None
            if last is None or last.target != one.target or meaning_of(last) is Meaning.GOOD:
                calls.append([])
            calls[-1].append(one)
        for number, tries in enumerate(calls, 1):
            it_ended = ending if number == len(calls) else Ending(was_interrupted=False)
            check_call(tries, self.policy, self.spent, it_ended)
        assert calls or ending.error is None  # none for the walk of no rooms

    @stateful.invariant()
    def the_model_and_the_emulator_agree_and_no_task_is_left(self) -> None:
        if hasattr(self, "tasks"):
            assert {uuid: self.emulator.room(uuid)["isBan"] for uuid in self.emulator.uuids()} == self.banned
            assert self.emulator.room_count == len(self.banned)
            assert self.portal.call(running_tasks) == self.tasks


@pytest.mark.parametrize("loop", ["asyncio", *exhaustive(["trio"])])
def test_no_room_is_lost_repeated_or_invented_whatever_goes_wrong(loop: Loop) -> None:
    proof = type("Proof", (Proof,), {"loop": loop})
    stateful.run_state_machine_as_test(proof, settings=examples(12, many=700, steps=20))
