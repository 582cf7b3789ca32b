"""The pace under a rate limit: pure decisions, then whole runs against limited services.  Time is virtual."""

import random
from collections.abc import Awaitable, Callable
from math import floor, inf
from typing import Any, Final

import anyio
import httpx
import pytest
from attrs import define, field

from fake_services import hexes
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, RateLimitedError, RetryPolicy, ServerError, TimedOutError
from netless_rooms._api.throttle import MEMORY, Throttle
from netless_rooms._retries import is_rate_limited
from virtual_time import VirtualTime


def limited(*accepted: float, at: float, retry_after: float = 1.0, jitter: float = 0.0) -> Throttle:
    """Return a throttle that saw requests accepted at these times, and then a limit."""
    throttle = Throttle()
    for now in accepted:
        accept(throttle, now)
    limit(throttle, at, retry_after, jitter)
    return throttle


def accept(throttle: Throttle, now: float, sent_at: float = inf) -> None:
    throttle.accept(min(now, sent_at), now)


def limit(
    throttle: Throttle, now: float, retry_after: float = 0.0, jitter: float = 0.0, sent_at: float = inf
) -> None:
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


def test_a_rate_limit_is_429_or_503_with_a_time() -> None:
    assert is_rate_limited(RateLimitedError(None, 429))
    assert is_rate_limited(ServerError(None, 503, retry_after=0.0))
    assert not is_rate_limited(ServerError(None, 503))
    assert not is_rate_limited(ServerError(None, 500, retry_after=1.0))


def test_a_limit_holds_back_every_request_for_the_stated_time_and_later_ones_only_lengthen_it() -> None:
    throttle = limited(at=5.0, retry_after=3.0, jitter=0.4)
    for now, retry_after, sent_at, hold in ((5.0, 1.0, 4.0, 3.1), (6.0, 7.0, 4.0, 7.0), (7.0, 8.0, 7.0, 8.5)):
        limit(throttle, now, retry_after, 1.0, sent_at)
        assert throttle.hold(now) == pytest.approx(hold)


def test_holds_double_while_nothing_is_accepted_and_begin_anew_after() -> None:
    throttle, now = Throttle(), 0.0
    for hold in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        limit(throttle, now, jitter=1.0)
        assert throttle.hold(now) == hold
        now += hold
    accept(throttle, now)
    limit(throttle, now, jitter=1.0)
    assert throttle.hold(now) == 0.5


def test_turns_are_taken_one_by_one_in_the_order_of_the_tickets() -> None:
    throttle = limited(0.0, 0.0, 0.0, 0.0, at=0.0)
    tickets = [throttle.enqueue() for _ in range(3)]
    assert [throttle.wait(ticket, 1.0) for ticket in reversed(tickets)] == [0.5, 0.25, 0.0]
    throttle.dequeue(tickets[0])
    assert throttle.wait(tickets[1], 1.0) == 0.25
    assert throttle.wait(tickets[1], 1.25) == 0.0


def test_the_first_rate_is_what_was_accepted_in_a_second_even_if_the_limit_overtook_it() -> None:
    throttle = limited(0.0, 0.5, 0.6, 0.7, 0.8, at=1.2)
    accept(throttle, 1.25, sent_at=1.1)
    limit(throttle, 1.3, sent_at=1.1)
    assert sent(throttle, 2.2, 3.2) == 6  # 0.0 is too long ago, and it begins to grow


def test_a_rate_grows_fast_until_the_second_limit_then_stays_near_it_then_grows_again() -> None:
    throttle = limited(0.0, at=0.0)
    assert [sent(throttle, 1.0, 2.0), sent(throttle, 4.0, 5.0)] == [1, 12]
    accept(throttle, 5.0)
    limit(throttle, 5.0)
    limit(throttle, 5.1, sent_at=4.9)  # it was under way, so the rate falls only once
    counts = [sent(throttle, start, start + 1) for start in (5.25, 24.75, 44.75, 64.0)]
    assert counts == [13, 14, 15, 24]
    assert sent(throttle, 5.25 + MEMORY + 0.1, 5.25 + MEMORY + 0.2) >= 99  # as fast as this test sends


def test_a_clock_that_is_behind_ends_the_pacing() -> None:
    throttle = limited(999.5, at=1_000.0, retry_after=30.0)
    assert (throttle.hold(3.0), throttle.is_limiting, sent(throttle, 3.0, 3.1)) == (0.0, False, 101)
    limit(throttle, 4.0, 1.0)
    assert throttle.hold(4.0) == 1.0


# Whole runs


@define
class LimitedService:
    """Accepts so many requests a second: in windows, or with a bucket that holds ``burst`` of them."""

    limit: int = 5
    retry_after: str | None = "1"
    status: int = 429
    burst: int | None = None
    uuids: list[str] = field(factory=list)
    window: int = -1
    used: int = 0
    tokens: float = inf
    at: float = 0.0
    total: int = 0
    rejected: int = 0

    def accepts(self, now: float) -> bool:
        if self.burst is not None:
            self.tokens = min(self.burst, self.tokens + (now - self.at) * self.limit)
            self.at = now
            has_token = self.tokens > 1 - 1e-9
            self.tokens -= has_token
            return has_token
        if floor(now) != self.window:
            self.window, self.used = floor(now), 0
        self.used += 1
        return self.used <= self.limit

    async def answer(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(0.025)
        is_accepted = self.accepts(anyio.current_time())
        self.total += 1
        self.rejected += not is_accepted
        await anyio.sleep(0.025)
        if not is_accepted:
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return httpx.Response(self.status, json={"message": "too fast"}, headers=headers)
        if request.url.path == "/v5/rooms":
            query = request.url.params
            begin, count = query.get("beginUUID", ""), int(query.get("limit", 100))
            return answer([room(uuid) for uuid in self.uuids if uuid >= begin][:count])
        return answer(room(request.url.path.rpartition("/")[2], isBan=True))

    def rooms(self, retry: RetryPolicy | None = None) -> AsyncRooms:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        return AsyncRooms(client, token=TOKEN, region="us-sv", retry=retry or RetryPolicy())


def run(loop: str, work: Callable[[], Awaitable[Any]]) -> float:
    """Return how many seconds ``work`` took."""

    async def measure() -> float:
        began = anyio.current_time()
        await work()
        return anyio.current_time() - began

    random.seed(1)
    return VirtualTime().run(loop, measure)


SERVICES: Final[dict[str, Callable[[], LimitedService]]] = {
    "windows": LimitedService,
    "windows without a time": lambda: LimitedService(retry_after=None),
    "503 with a time": lambda: LimitedService(status=503),
    "bucket": lambda: LimitedService(burst=5),
    "bucket without a time": lambda: LimitedService(burst=5, retry_after=None),
    "two a second": lambda: LimitedService(2, None, burst=1),
}


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("name", SERVICES)
def test_many_calls_under_a_steady_limit_all_succeed_at_its_pace(name: str, loop: str) -> None:
    service = SERVICES[name]()

    async def disable() -> None:
        async with service.rooms(RetryPolicy(2, budget=0)).disable_many(hexes(60)) as outcomes:
            assert [outcome.error async for outcome in outcomes] == [None] * 60

    assert run(loop, disable) <= 1.3 * 60 / service.limit
    assert service.rejected < 25


def test_shards_and_single_calls_of_siblings_share_the_pace() -> None:
    service = LimitedService(burst=5, uuids=hexes(300))

    async def scan() -> None:
        async with service.rooms().scan(shards=4, page_size=6) as scanned:
            assert sorted([room.uuid async for room in scanned]) == service.uuids

    assert run("asyncio", scan) <= 1.3 * (service.total - service.rejected) / 5
    service = LimitedService(burst=5)

    async def get() -> None:
        rooms = service.rooms()
        async with anyio.create_task_group() as group:
            for uuid in hexes(40):
                group.start_soon(rooms.with_options(retry=RetryPolicy(budget=0)).get, uuid)

    assert run("trio", get) <= 1.3 * 40 / 5


def test_calls_wait_for_a_limit_until_the_deadline_and_no_longer_than_their_policy_does() -> None:
    said = "the service limits the rate of requests"

    async def wait_in_vain() -> None:
        service = LimitedService(0, None)
        with pytest.raises(RateLimitedError, match="deadline of 60 s for the whole call, and " + said):
            await service.rooms(RetryPolicy(deadline=60)).get("a")
        assert 5 < service.rejected < 15

    assert 50 < run("asyncio", wait_in_vain) < 60

    async def follow() -> None:
        service = LimitedService(0, "20")
        rooms = service.rooms(ONCE)
        with pytest.raises(RateLimitedError):
            await rooms.get("a")  # makes one attempt, so it does not wait, but others do
        with pytest.raises(TimedOutError, match=f"not be sent within .*because {said}") as caught:
            await rooms.with_options(retry=RetryPolicy(deadline=4)).get("a")
        assert (caught.value.was_sent, caught.value.attempts, service.total) == (False, (), 1)
        with pytest.raises(TimedOutError, match=said):
            await rooms.with_options(retry=RetryPolicy(retry_after_max=9)).get("a")
        assert service.total == 1
        for retry in (ONCE, RetryPolicy(retry_after_max=0)):
            with pytest.raises(RateLimitedError):
                await rooms.with_options(retry=retry).get("a")
        assert service.total == 3
        service.limit, later = 1, rooms.with_options(retry=RetryPolicy())
        await later.get("a")
        service.limit, service.retry_after = 0, "31"
        with pytest.raises(RateLimitedError, match="waits 30 s at most"):
            await later.get("a")
        service.limit = 9
        await later.get("a")  # which nothing holds back but the pace

    assert 20 < run("asyncio", follow) < 24
