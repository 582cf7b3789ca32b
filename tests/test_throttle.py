"""The pace under a rate limit: pure decisions, then whole runs against limited services.  Time is virtual."""

import random
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, Final

import anyio
import httpx
import pytest
from attrs import define, field

from fakes import ONCE
from netless_rooms import AsyncRooms, RateLimitedError, RetryPolicy, TimedOutError
from netless_rooms._api.throttle import MEMORY, Throttle
from netless_rooms.emulator import Emulator
from virtual_time import VirtualTime


def limited(*accepted: float, at: float, retry_after: float = 1.0, jitter: float = 0.0) -> Throttle:
    throttle = Throttle()
    for now in accepted:
        throttle.accept(now, now)
    limit(throttle, at, retry_after, jitter)
    return throttle


def limit(throttle: Throttle, now: float, retry_after: float = 0, jitter: float = 0, sent_at: float = inf) -> None:
    error = RateLimitedError(None, 429, retry_after=retry_after)
    throttle.observe(error, min(now, sent_at), now, jitter=jitter, policy=RetryPolicy())


def sent(throttle: Throttle, start: float, end: float) -> int:
    """Send whenever it is allowed, and return how often."""
    count, now = 0, start
    while now < end:
        ticket = throttle.enqueue()
        wait = throttle.wait(ticket, now)
        throttle.dequeue(ticket)
        count += wait == 0
        now += wait or 0.001
    return count


def test_a_limit_holds_back_every_request_for_the_stated_time_and_later_ones_only_lengthen_it() -> None:
    throttle = limited(at=5.0, retry_after=3.0, jitter=0.4)
    for now, retry_after, sent_at, hold in ((5.0, 1.0, 4.0, 3.1), (6.0, 7.0, 4.0, 7.0), (7.0, 8.0, 7.0, 8.5)):
        limit(throttle, now, retry_after, 1.0, sent_at)
        assert throttle.hold(now) == pytest.approx(hold)


def test_holds_double_while_nothing_is_accepted_and_begin_anew_after() -> None:
    throttle, now = Throttle(), 0.0
    for hold in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 0.5):
        if hold == 0.5:
            throttle.accept(now, now)
        limit(throttle, now, jitter=1.0)
        assert throttle.hold(now) == hold
        now += hold


def test_turns_are_taken_one_by_one_in_the_order_of_the_tickets() -> None:
    throttle = limited(0.0, 0.0, 0.0, 0.0, at=0.0)
    tickets = [throttle.enqueue() for _ in range(3)]
    assert [throttle.wait(ticket, 1.0) for ticket in reversed(tickets)] == [0.5, 0.25, 0.0]
    throttle.dequeue(tickets[0])
    assert throttle.wait(tickets[1], 1.0) == 0.25
    assert throttle.wait(tickets[1], 1.25) == 0.0


def test_the_first_rate_is_what_was_accepted_in_a_second_even_if_the_limit_overtook_it() -> None:
    throttle = limited(0.0, 0.5, 0.6, 0.7, 0.8, at=1.2)
    throttle.accept(1.1, 1.25)
    limit(throttle, 1.3, sent_at=1.1)
    assert sent(throttle, 2.2, 3.2) == 6  # 0.0 is too long ago, and it begins to grow


def test_a_rate_grows_fast_until_the_second_limit_then_stays_near_it_then_grows_again() -> None:
    throttle = limited(0.0, at=0.0)
    assert [sent(throttle, 1.0, 2.0), sent(throttle, 4.0, 5.0)] == [1, 12]
    throttle.accept(5.0, 5.0)
    limit(throttle, 5.0)
    limit(throttle, 5.1, sent_at=4.9)  # it was under way, so the rate falls only once
    counts = [sent(throttle, start, start + 1) for start in (5.25, 24.75, 44.75, 64.0)]
    assert counts == [13, 14, 15, 24]
    throttle.accept(65.0, 65.0)
    limit(throttle, 65.0)
    assert sent(throttle, 65.25, 66.25) == 22  # a tenth below that limit
    assert sent(throttle, 65.25 + MEMORY + 0.1, 65.25 + MEMORY + 0.2) >= 99  # as fast as this test sends


def test_a_clock_that_is_behind_ends_the_pacing() -> None:
    throttle = limited(999.5, at=1_000.0, retry_after=30.0)
    assert (throttle.hold(3.0), throttle.is_limiting, sent(throttle, 3.0, 3.1)) == (0.0, False, 101)
    limit(throttle, 4.0, 1.0)
    assert throttle.hold(4.0) == 1.0


@define(eq=False, slots=False)
class LimitedService(httpx.AsyncBaseTransport):
    """Accepts so many requests a second, from a bucket that holds ``burst`` of them."""

    limit: float = 5
    burst: int = 5
    retry_after: str | None = "1"
    status: int = 429
    emulator: Emulator = field(factory=lambda: Emulator(rooms=60))
    tokens: float = inf
    at: float = 0.0
    accepted: int = 0
    rejected: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.05)
        now = anyio.current_time()
        self.tokens, self.at = min(self.burst, self.tokens + (now - self.at) * self.limit), now
        if self.tokens > 1 - 1e-9:
            self.tokens, self.accepted = self.tokens - 1, self.accepted + 1
            return await self.emulator.transport().handle_async_request(request)
        self.rejected += 1
        return httpx.Response(self.status, headers={"Retry-After": self.retry_after} if self.retry_after else {})

    def rooms(self, retry: RetryPolicy | None = None) -> AsyncRooms:
        client = httpx.AsyncClient(transport=self)
        return AsyncRooms(client, token=self.emulator.token(), region="sg", retry=retry or RetryPolicy())


SLOW: Final[dict[str, Any]] = {"limit": 2, "burst": 1, "retry_after": None}


def run(loop: str, work: Callable[[], Awaitable[Any]]) -> float:
    async def measure() -> float:
        began = anyio.current_time()
        await work()
        return anyio.current_time() - began

    random.seed(1)
    return VirtualTime().run(loop, measure)


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("limits", [{}, {"retry_after": None}, {"status": 503}, SLOW], ids=repr)
def test_many_calls_under_a_steady_limit_all_succeed_at_its_pace(limits: dict[str, Any], loop: str) -> None:
    service = LimitedService(**limits)

    async def disable() -> None:
        async with service.rooms(RetryPolicy(2, budget=0)).disable_many(service.emulator.uuids()) as outcomes:
            assert [outcome.error async for outcome in outcomes] == [None] * 60

    assert run(loop, disable) <= 1.3 * 60 / service.limit
    assert service.rejected < 25


def test_shards_and_single_calls_of_siblings_share_the_pace() -> None:
    scanned, called = LimitedService(emulator=Emulator(rooms=300)), LimitedService()

    async def scan() -> None:
        async with scanned.rooms().scan(shards=4, page_size=6) as scan:
            assert sorted([room.uuid async for room in scan]) == sorted(scanned.emulator.uuids())

    async def get() -> None:
        rooms = called.rooms()
        async with anyio.create_task_group() as group:
            for uuid in list(called.emulator.uuids())[:40]:
                group.start_soon(rooms.with_options(retry=RetryPolicy(budget=0)).get, uuid)

    for loop, calls, service in (("asyncio", scan, scanned), ("trio", get, called)):
        assert run(loop, calls) <= 1.3 * service.accepted / 5


def test_calls_wait_for_a_limit_until_the_deadline_and_no_longer_than_their_policy_does() -> None:
    async def wait_in_vain() -> None:
        with pytest.raises(RateLimitedError, match="whole call, and the service limits the rate") as caught:
            await LimitedService(0, 0, None).rooms(RetryPolicy(deadline=60)).get("a")
        assert 5 < len(caught.value.attempts) < 15

    assert 50 < run("asyncio", wait_in_vain) < 60

    async def follow() -> None:
        service = LimitedService(0, 0, "20")
        rooms = service.rooms(ONCE)
        with pytest.raises(RateLimitedError):
            await rooms.list()  # makes one attempt, so it does not wait, but others do
        for retry in (RetryPolicy(deadline=4), RetryPolicy(retry_after_max=9)):
            with pytest.raises(TimedOutError, match="because the service limits the rate") as caught:
                await rooms.with_options(retry=retry).list()
            assert (caught.value.was_sent, caught.value.attempts, service.rejected) == (False, (), 1)
        for retry in (ONCE, RetryPolicy(retry_after_max=0)):
            with pytest.raises(RateLimitedError):
                await rooms.with_options(retry=retry).list()
        service.burst, service.limit, later = 1, 1, rooms.with_options(retry=RetryPolicy())
        await later.list()
        service.tokens, service.limit, service.retry_after = 0, 0, "31"
        with pytest.raises(RateLimitedError, match="waits 30 s at most"):
            await later.list()
        service.tokens = 1
        await later.list()  # which nothing holds back but the pace

    assert 20 < run("asyncio", follow) < 24
