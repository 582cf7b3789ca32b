"""How a call is carried out, on virtual time: retries, doubt, budget, deadlines, cancelling."""

import gc
import logging
import random
import re
import weakref
from collections import deque
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import methodcaller
from typing import Any, Final

import anyio
import httpx
import pytest

from fakes import TOKEN, answer, room
from netless_rooms import AccessKey, AsyncRooms, RetryPolicy, errors
from netless_rooms.emulator import Emulator
from netless_rooms.errors import CreateOutcomeUnknownError, TimedOutError
from samples import UUID
from selection import on_both_loops

pytestmark = pytest.mark.anyio
KEY: Final = AccessKey("a", "s")
VIRTUAL_TIME: Final = 1_000.0  # the loop's time at first, since no loop of the real world begins at 0
EPOCH: Final = 1_780_000_000.0  # the same in seconds since 1970
SILENT: Final = "no answer within the read timeout"
STUCK: Final = "no answer, whatever the timeouts"


class Service(httpx.AsyncBaseTransport):
    """Meets each request with the next step of a script, then answers as documented."""

    def __init__(self, *script: httpx.Response | Exception | str | float) -> None:
        self.script = deque(script)
        self.times: list[float] = []
        self.timeouts: list[set[float | None]] = []
        self.tokens: list[str] = []

    @property
    def waits(self) -> Any:
        return pytest.approx([after - before for before, after in pairwise(self.times)])

    async def handle_async_request(self, request: Any) -> Any:
        self.times.append(anyio.current_time())
        self.timeouts.append({seconds and round(seconds, 6) for seconds in request.extensions["timeout"].values()})
        self.tokens.append(request.headers["token"])
        step = self.script.popleft() if self.script else 0.0
        if step == STUCK:
            await anyio.sleep_forever()
        if step == SILENT:
            await anyio.sleep(request.extensions["timeout"]["read"])
            raise httpx.ReadTimeout("")
        if isinstance(step, Exception):
            raise type(step)(str(step))
        if isinstance(step, float):
            await anyio.sleep(step)
            is_list = request.method == "GET" and request.url.path == "/v5/rooms"
            step = answer([room()]) if is_list else answer(room(isBan=b"true" in request.content), 201)
        assert isinstance(step, httpx.Response)
        return httpx.Response(step.status_code, headers=dict(step.headers), content=step.content)

    def rooms(self, *, timeout: float = 5, **options: Any) -> AsyncRooms:
        client = httpx.AsyncClient(transport=self, timeout=timeout)
        settings: dict[str, Any] = {"token": TOKEN, "region": "sg"}
        return AsyncRooms(client, clock=lambda: EPOCH + anyio.current_time() - VIRTUAL_TIME, **settings | options)


async def failure(call: Awaitable[object]) -> Any:
    try:
        await call
    except errors.RoomsError as error:
        return error
    return None


CALLS: dict[str, Any] = {name: methodcaller(name) for name in ("create", "list")}
CALLS |= {name: methodcaller(name, UUID) for name in ("get", "disable", "enable")}
ABSENT: Final = httpx.Response(404)
REFUSED: Final = httpx.ConnectError("refused")
CUT: Final = httpx.ReadError("cut")
BUSY: Final = httpx.Response(503, text="<html>no backend</html>")
LIMITED: Final = httpx.Response(429, headers={"retry-after": "10"})
REDIRECT: Final = httpx.Response(302, headers={"location": "https://elsewhere.example/"})
UNREADABLE: Final = httpx.Response(201, text="<html>hello</html>")
EXPIRED: Final = httpx.Response(401, json={"message": "expired token"})
TRANSIENT: Final = [("get", CUT, 0), ("list", REFUSED, 0), ("disable", BUSY, 0), ("enable", LIMITED, 10)]
NOT_DONE: Final = [("create", REFUSED, 0), ("create", httpx.PoolTimeout("busy"), 0), ("create", LIMITED, 10)]


@pytest.mark.parametrize(("call", "fault", "asked_for"), [*TRANSIENT, *NOT_DONE], ids=repr)
async def test_a_failure_that_passes_is_retried(call: str, fault: Any, asked_for: float) -> None:
    service = Service(fault, fault, fault)
    random.seed(1)
    await CALLS[call](service.rooms())
    drawn = random.Random(1)
    bounds = (0.25, 0.5, 1) if fault is LIMITED else (0.5, 1, 2)
    assert service.waits == [asked_for + drawn.random() * bound for bound in bounds]


async def test_the_last_error_is_raised_and_lists_every_attempt() -> None:
    service = Service(httpx.Response(502), CUT, SILENT, BUSY)
    error = await failure(service.rooms().list())
    assert [str(attempt) for attempt in error.attempts] == ["502", "TransportError", "TimedOutError", "503"]
    assert [attempt.seconds for attempt in error.attempts] == pytest.approx([0, 0, 5, 0])
    first, second, third, fourth = (attempt.waited for attempt in error.attempts)
    assert (first, service.waits) == (0, [second, third, 5 + fourth])
    assert str(error).endswith(" (after 4 attempts: 502, TransportError, TimedOutError, 503)")
    assert (type(error), error.stop_reason) == (errors.ServerError, None)
    assert error.__context__ is None  # not the error of the attempt before


PERMANENT: Final[list[tuple[str, httpx.Response, type[errors.RoomsError]]]] = [
    ("get", EXPIRED, errors.UnauthorizedError),  # there is no other token
    ("get", httpx.Response(401, json={"message": "invalid signature of token"}), errors.UnauthorizedError),
    *(("get", ABSENT, errors.NotFoundError), ("get", httpx.Response(501), errors.ServerError)),
    *(("get", REDIRECT, errors.TransportError), ("get", UNREADABLE, errors.DecodeError)),
    *(("create", ABSENT, errors.NotFoundError), ("create", httpx.Response(400), errors.BadRequestError)),
    *(("create", httpx.Response(status), errors.StatusError) for status in (407, 409, 498)),  # nor in doubt
]


@pytest.mark.parametrize(("call", "fault", "kind"), PERMANENT, ids=repr)
async def test_a_permanent_failure_is_raised_at_once(call: str, fault: Any, kind: type[errors.RoomsError]) -> None:
    service = Service(fault)
    error = await failure(CALLS[call](service.rooms()))
    assert (type(error), len(service.times), len(error.attempts)) == (kind, 1, 1)
    assert "attempts" not in str(error)


async def test_retry_after_may_be_a_date_which_counts_from_the_clock() -> None:
    service = Service(httpx.Response(503, headers={"retry-after": "Thu, 28 May 2026 20:26:47 GMT"}))
    await service.rooms(retry=RetryPolicy(wait_initial=0)).list()
    assert service.waits == [7]


async def test_each_request_and_each_retry_is_one_line_in_the_log(caplog: Any, monkeypatch: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="netless_rooms")
    monkeypatch.setattr("netless_rooms._api.session.random", lambda: 0.5)
    rooms = Service(0.0, EXPIRED, 0.0, CUT, STUCK).rooms(token=KEY)
    refused = "the service answered 401: expired token; if the token is fresh, this machine's clock is wrong"
    with anyio.move_on_after(1):
        for limit in range(1, 4):
            await failure(rooms.list(limit=limit))
    records = [record for record in caplog.records if record.name == "netless_rooms"]
    lines = [f"{record.levelname} {record.getMessage()}".replace("GET /v5/rooms?limit=", "") for record in records]
    assert [re.sub(r"in \d\.\d{3} s, attempt", "in _ s,", line) for line in lines] == [
        *("DEBUG 1: 200 in _ s, 1", "DEBUG 2: 401 in _ s, 1"),
        *(f"INFO 2: retry in 0.000 s, because {refused}", "DEBUG 2: 200 in _ s, 2"),
        "DEBUG 3: TransportError in _ s, 1",
        "INFO 3: retry in 0.250 s, because no usable response from https://api.netless.link, ReadError: cut",
        "DEBUG 3: interrupted in _ s, 2",
    ]


DOUBTFUL: Final = [
    *((CUT, errors.TransportError), (SILENT, TimedOutError)),
    *((REDIRECT, errors.TransportError), (UNREADABLE, errors.DecodeError)),
    *((httpx.Response(status), errors.StatusError) for status in (399, 408, 499)),
    *((httpx.Response(status), errors.ServerError) for status in (500, 501, 503)),
]


@pytest.mark.parametrize(("fault", "cause"), DOUBTFUL, ids=repr)
async def test_a_create_that_may_have_had_an_effect_is_not_repeated(fault: Any, cause: Any) -> None:
    service = Service(REFUSED, fault)
    error = await failure(service.rooms(retry=RetryPolicy(wait_initial=0)).create())
    assert (type(error), type(error.__cause__)) == (CreateOutcomeUnknownError, cause)
    assert str(error).startswith("POST /v5/rooms: cannot tell whether a room was created: ")
    assert str(error).count("/v5/rooms") == 1
    assert str(error).count(" (") == 2  # its own hint and the attempts: the hint of the cause is left out
    assert (len(service.times), len(error.attempts)) == (2, 2)
    took = timedelta(seconds=5 if fault == SILENT else 0)  # the last attempt
    assert error.ended_at - error.started_at == took
    assert error.started_at == datetime.fromtimestamp(EPOCH, UTC)


async def test_a_create_in_doubt_is_not_repeated_with_another_token() -> None:
    expired = {"message": "expired token"}
    for outside, body in ((408, expired), (200, {"status": 499, "body": expired})):
        service = Service(*[httpx.Response(outside, json=body)] * 2)
        error = await failure(service.rooms(token=KEY).create())
        assert (type(error), len(service.times)) == (CreateOutcomeUnknownError, 1)
        await service.rooms(token=KEY).list()  # which is safe to repeat
        assert len(service.times) == 3


async def test_rooms_are_found_by_when_they_were_created_and_wrong_times_refused() -> None:
    async def found(start: datetime, end: datetime) -> list[str]:
        async with httpx.AsyncClient(transport=emulator.transport()) as client:
            rooms = AsyncRooms(client, token=emulator.key, region="us-sv", check_token=False)
            between = await rooms.find_created_between(start, end)
        assert list(between) == sorted(between, key=lambda room: room.created_at)
        return [room.uuid for room in between]

    now = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
    emulator = Emulator(rooms=30, clock=now.timestamp)
    by_uuid = emulator.add_room(createdAt="2031-01-01T00:00:00.000Z")  # only the time in its uuid tells
    emulator.add_room(uuid="no-uuid-at-all", createdAt="2031-01-01T00:00:00.000Z")
    by_date = emulator.add_room(uuid="another-one", createdAt="2026-03-04T05:06:07.890Z")
    minute = timedelta(minutes=1)
    assert {*await found(now - minute, now + minute)} == {by_uuid, by_date}
    assert by_date in await found(now, now)
    assert not await found(now + minute, now + 2 * minute)
    for microsecond in (890_001, 890_999):
        now = now.replace(microsecond=microsecond)
        emulator = Emulator(clock=now.timestamp)
        uuid = emulator.add_room()  # its time is in whole milliseconds
        for start, end in ((now, now), (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))):
            assert await found(start, end) == [uuid]
    service, day, naive = Service(), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)  # noqa: DTZ001
    before = day - timedelta(1)
    for start, end, why in ((naive, day, "^start must"), (day, naive, "^end must"), (day, before, "not be after")):
        with pytest.raises(ValueError, match=why):
            await service.rooms().find_created_between(start, end)
    assert service.times == []


async def test_an_outage_is_not_multiplied() -> None:
    service = Service(*[BUSY] * 99)
    rooms = service.rooms(retry=RetryPolicy(budget=10))
    sibling = rooms.with_options(region="eu", retry=RetryPolicy(3, budget=10))  # they share what is left
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(failure, rooms.get(UUID))
            tasks.start_soon(failure, sibling.get(UUID))
    assert len(service.times) == 50


async def test_the_deadline_holds_for_all_attempts_together() -> None:
    service = Service(SILENT, SILENT, SILENT)
    with pytest.raises(TimedOutError, match=r"GET .*: the deadline of 12 s for the whole call passed") as caught:
        await service.rooms(retry=RetryPolicy(9, wait_initial=0, deadline=12)).list()
    assert service.timeouts == [{5}, {5}, {2}]
    assert service.waits == [5, 5]
    assert anyio.current_time() == pytest.approx(VIRTUAL_TIME + 12)
    assert isinstance(caught.value.__cause__, TimedOutError)  # the client's own timeout
    assert (caught.value.was_sent, len(caught.value.attempts)) == (True, 3)
    with pytest.raises(TimedOutError, match="ReadTimeout") as caught:  # before the deadline
        await Service(SILENT).rooms(retry=RetryPolicy(1, deadline=5.001)).list()
    assert "whole call" not in str(caught.value)
    await Service(10.09).rooms(retry=RetryPolicy(deadline=10)).list()  # just after it is early enough
    with pytest.raises(TimedOutError):
        await Service(10.11).rooms(retry=RetryPolicy(deadline=10)).list()


@pytest.mark.parametrize("deadline", [0, 10])
@pytest.mark.parametrize("silence", [SILENT, STUCK])
@on_both_loops
async def test_an_endless_request_or_token_function_is_cut_at_the_deadline(silence: str, deadline: float) -> None:
    for call, error in (("list", TimedOutError), ("create", CreateOutcomeUnknownError)):
        began = anyio.current_time()
        rooms = Service(silence).rooms(timeout=60, retry=RetryPolicy(deadline=deadline))
        with pytest.raises(error, match=rf"deadline of {deadline} s for the whole call passed") as caught:
            await CALLS[call](rooms)
        took = max(deadline, 0.001) + (0.1 if silence == STUCK else 0)  # the transport has 0.1 s to end by itself
        assert anyio.current_time() - began == pytest.approx(took)
        assert len(caught.value.attempts) == 1
    service = Service()
    with pytest.raises(TimedOutError, match="deadline") as caught:
        await service.rooms(token=anyio.sleep_forever, retry=RetryPolicy(deadline=deadline)).create()
    assert (caught.value.was_sent, caught.value.attempts, service.times) == (False, (), [])


@pytest.mark.parametrize("fault", [REFUSED, CUT, SILENT, BUSY, REDIRECT, UNREADABLE, ABSENT], ids=repr)
async def test_an_error_is_freed_without_the_garbage_collector(fault: Any) -> None:
    """Else it would keep every frame of the call, and the token in them, until the collector runs."""

    async def failed(call: str, policy: RetryPolicy) -> list[weakref.ref[BaseException]]:
        error = await failure(CALLS[call](Service(fault, fault).rooms(retry=policy)))
        # Python 3.12 keeps this frame in the traceback, so a variable would keep the error.
        kept = [weakref.ref(each) for each in (error, error.__cause__) if each is not None]
        del error
        return kept

    gc.disable()
    try:
        for call in ("get", "create"):
            for deadline in (120, 0):
                left = [kept() for kept in await failed(call, RetryPolicy(2, deadline=deadline))]
                assert set(left) == {None}
    finally:
        gc.enable()


@on_both_loops
@pytest.mark.parametrize("step", [STUCK, httpx.Response(503, headers={"retry-after": "20"})], ids=repr)
async def test_a_cancelled_call_sends_nothing_more_and_disturbs_no_other(step: Any) -> None:
    service = Service(step)
    rooms = service.rooms()
    with anyio.move_on_after(10) as scope:
        await rooms.list()
    await anyio.sleep(100)
    assert (scope.cancelled_caught, len(service.times)) == (True, 1)
    await rooms.list()
