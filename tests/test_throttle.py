"""The pace under a rate limit: pure decisions, then whole runs against limited services.  Time is virtual."""

from collections.abc import Awaitable, Callable
from math import floor, inf
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field

from fake_services import hexes
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, RateLimitedError, RetryPolicy
from netless_rooms._api.throttle import MAX_HOLD, MEMORY, Throttle
from netless_rooms._retries import is_rate_limited
from virtual_time import VirtualTime


def limit(throttle: Throttle, now: float, retry_after: float | None = None, sent_at: float | None = None) -> None:
    throttle.observe(sent_at=now if sent_at is None else sent_at, now=now, limited=True, retry_after=retry_after)


def accept(throttle: Throttle, now: float) -> None:
    throttle.observe(sent_at=now, now=now, limited=False, retry_after=None)


def sends(throttle: Throttle, start: float, end: float) -> list[float]:
    """Send whenever it is allowed, and return when."""
    times, now = [], start
    while now < end:
        wait = throttle.delay(now)
        times += [now] * (wait == 0)
        now += wait
        if wait == 0:
            now += 0.001
    return times


@pytest.mark.parametrize(
    ("status", "retry_after", "limited"),
    [
        (429, None, True),
        (429, 1.0, True),
        (503, 1.0, True),
        (503, None, False),
        (500, 1.0, False),
    ],
)
def test_a_rate_limit_is_429_or_503_with_a_time(status: int, retry_after: float | None, *, limited: bool) -> None:
    assert is_rate_limited(status, retry_after) is limited


def test_nothing_is_delayed_without_a_limit() -> None:
    throttle = Throttle()
    for now in (0.0, 0.0, 0.1):
        assert throttle.delay(now) == 0
        accept(throttle, now)


def test_a_limit_holds_back_every_request_until_the_stated_time() -> None:
    throttle = Throttle()
    limit(throttle, 5.0, 3.0)
    assert [throttle.delay(now) for now in (5.0, 7.5, 8.0)] == [3.0, 0.5, 0.0]
    assert throttle.delay(8.0) > 0


def test_later_limits_lengthen_a_hold_and_never_shorten_it() -> None:
    throttle = Throttle()
    limit(throttle, 1.0, 5.0, sent_at=0.0)
    limit(throttle, 2.0, 1.0, sent_at=0.0)
    assert throttle.delay(2.0) == 4.0
    limit(throttle, 3.0, 7.0, sent_at=0.0)
    assert throttle.delay(3.0) == 7.0


def test_holds_double_while_nothing_is_accepted_and_begin_anew_after() -> None:
    throttle, now, holds = Throttle(), 0.0, []
    for _ in range(6):
        limit(throttle, now)
        holds.append(throttle.delay(now))
        now += holds[-1]
    assert holds == [1.0, 2.0, 4.0, 8.0, MAX_HOLD, MAX_HOLD]
    limit(throttle, now, 1.0)
    assert throttle.delay(now) == MAX_HOLD  # the service keeps saying a second, and that was not enough
    accept(throttle, now)
    now += MAX_HOLD
    limit(throttle, now)
    assert throttle.delay(now) == 1.0


def test_the_first_rate_is_what_was_accepted_in_a_second() -> None:
    throttle = Throttle()
    for now in (0.0, 0.5, 0.6, 0.7, 0.8, 0.9):
        accept(throttle, now)
    limit(throttle, 1.2, 1.0)
    times = sends(throttle, 2.2, 12.2)
    assert 40 < len(times) <= 50  # five a second, less a tenth in the beginning


def test_a_response_that_was_overtaken_by_a_limit_counts_for_the_first_rate() -> None:
    throttle = Throttle()
    limit(throttle, 0.2, 1.0, sent_at=0.1)
    for _ in range(5):
        throttle.observe(sent_at=0.1, now=0.2, limited=False, retry_after=None)
    assert 40 < len(sends(throttle, 1.2, 11.2)) <= 50


def test_a_limit_after_one_request_lets_the_rate_double() -> None:
    throttle = Throttle()
    accept(throttle, 0.0)
    limit(throttle, 0.0, 1.0)
    assert len(sends(throttle, 1.0, 5.0)) == pytest.approx(sum(2**second for second in range(4)) / 0.7, abs=4)
    accept(throttle, 5.0)
    limit(throttle, 5.0, 1.0)
    assert len(sends(throttle, 6.0, 7.0)) == pytest.approx(2**4 / 1.2 * 0.9, abs=1)


def test_a_rejection_of_an_earlier_request_does_not_slow_down_twice() -> None:
    rates = []
    for rejections in (1, 5):
        throttle = Throttle()
        for _ in range(10):
            accept(throttle, 0.0)
        for _ in range(rejections):
            limit(throttle, 0.5, 1.0, sent_at=0.1)
        rates.append(len(sends(throttle, 1.5, 11.5)))
    assert rates[0] == rates[1]


def test_a_rate_falls_at_a_limit_and_grows_past_it_until_it_is_forgotten() -> None:
    throttle = Throttle()
    for _ in range(10):
        accept(throttle, 0.0)
    limit(throttle, 0.0, 0.0)
    counts = [len(sends(throttle, start, start + 1)) for start in (0.0, 19.5, 39.5, 59.0)]
    assert counts == [10, 10, 11, 18]
    assert len(sends(throttle, MEMORY + 0.1, MEMORY + 0.2)) >= 100  # as fast as this test sends


# Whole runs


@define
class LimitedService:
    """Accepts so many requests a second: in windows, or with a bucket that holds ``burst`` of them."""

    limit: int
    retry_after: str | None = "1"
    status: int = 429
    burst: int | None = None
    seconds: float = 0.05
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
        await anyio.sleep(self.seconds / 2)
        is_accepted = self.accepts(anyio.current_time())
        self.total += 1
        self.rejected += not is_accepted
        await anyio.sleep(self.seconds / 2)
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


async def elapsed(work: Callable[[], Awaitable[Any]]) -> float:
    began = anyio.current_time()
    await work()
    return anyio.current_time() - began


SERVICES = {
    "windows": lambda: LimitedService(5),
    "windows without a time": lambda: LimitedService(5, None),
    "503 with a time": lambda: LimitedService(5, status=503),
    "20 a second": lambda: LimitedService(20),
    "bucket": lambda: LimitedService(5, burst=5),
    "two a second": lambda: LimitedService(2, None, burst=1),
}


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("name", SERVICES)
def test_many_calls_under_a_steady_limit_all_succeed_at_its_pace(name: str, loop: str) -> None:
    service = SERVICES[name]()

    async def disable() -> None:
        async with service.rooms().disable_many(hexes(60)) as outcomes:
            assert [outcome.error async for outcome in outcomes] == [None] * 60

    assert VirtualTime().run(loop, elapsed, disable) <= 1.3 * 60 / service.limit
    assert service.rejected < 25


def test_shards_under_a_steady_limit_read_every_room_at_its_pace() -> None:
    service = LimitedService(5, uuids=hexes(300))

    async def scan() -> None:
        async with service.rooms().scan(shards=4, page_size=6) as scanned:
            assert sorted([room.uuid async for room in scanned]) == service.uuids

    seconds = VirtualTime().run("asyncio", elapsed, scan)
    assert seconds <= 1.3 * (service.total - service.rejected) / 5 + 1


def test_calls_of_one_object_wait_together_for_a_limit() -> None:
    service = LimitedService(5)

    async def get() -> None:
        rooms = service.rooms()
        async with anyio.create_task_group() as group:
            for uuid in hexes(40):
                group.start_soon(rooms.get, uuid)

    assert VirtualTime().run("asyncio", elapsed, get) <= 1.3 * 40 / 5 + 1


def test_a_limit_without_an_end_raises_at_the_deadline_and_one_attempt_is_never_repeated() -> None:
    async def get(service: LimitedService, retry: RetryPolicy) -> tuple[float, int]:
        began = anyio.current_time()
        with pytest.raises(RateLimitedError):
            await service.rooms(retry).get("a")
        return anyio.current_time() - began, service.rejected

    seconds, rejected = VirtualTime().run("asyncio", get, LimitedService(0, None), RetryPolicy(deadline=60))
    assert 60 - MAX_HOLD - 8 < seconds <= 60  # the next wait, of a hold and jitter, would end later
    assert 4 < rejected < 12
    assert VirtualTime().run("asyncio", get, LimitedService(0), ONCE) == (0.05, 1)
    assert VirtualTime().run("asyncio", get, LimitedService(0, "31"), RetryPolicy()) == (0.05, 1)
