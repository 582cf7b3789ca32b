"""How a call is carried out: every fault as promised, never twice what must not be, and no longer than allowed."""

import asyncio
import gc
import random
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import httpx2
import pytest

from fakes import TOKEN, answer, room
from http_clients import OpenRooms
from netless_rooms import (
    AccessKey,
    AsyncRooms,
    Attempt,
    BadRequestError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    RetryPolicy,
    Room,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.emulator import Ask, Emulator
from samples import UUID

pytestmark = pytest.mark.anyio

Fault = httpx.Response | httpx.RequestError
CALLS: dict[str, Callable[[AsyncRooms], Awaitable[object]]] = {
    "get": lambda rooms: rooms.get(UUID),
    "list": lambda rooms: rooms.list(),
    "disable": lambda rooms: rooms.disable(UUID),
    "enable": lambda rooms: rooms.enable(UUID),
    "walk": lambda rooms: first_room(rooms),
}


async def first_room(rooms: AsyncRooms) -> Room:
    async with aclosing(rooms.walk(page_size=2)) as walk:
        return await anext(walk)


class Script:
    """Fails as it is told, then answers well; counts what it was asked."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = iter(faults)
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        fault = next(self.faults, None)
        if isinstance(fault, httpx.RequestError):
            raise fault
        return fault or self.good(request)

    def good(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and request.url.path == "/v5/rooms":
            return answer([room()])
        return answer(room(isBan=b"true" in request.content), 201)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Wait for nothing, and tell how long it would have been."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr("anyio.sleep", sleep)
    return waited


@pytest.fixture(autouse=True)
def largest_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the longest wait always."""
    monkeypatch.setattr("netless_rooms.calls.random", lambda: 1.0)


# Every fault as promised

PASSING: list[tuple[Fault, type[RoomsError]]] = [
    (httpx.ConnectError("refused"), TransportError),
    (httpx.ConnectTimeout("slow"), TimedOutError),
    (httpx.PoolTimeout("busy"), TimedOutError),
    (httpx.ReadTimeout("slow"), TimedOutError),
    (httpx.WriteTimeout("slow"), TimedOutError),
    (httpx.ReadError("cut"), TransportError),
    (httpx.WriteError("cut"), TransportError),
    (httpx.RemoteProtocolError("closed without an answer"), TransportError),
    (httpx.DecodingError("broken gzip"), TransportError),
    (httpx.Response(429), RateLimitedError),
    (httpx.Response(429, headers={"retry-after": "30"}), RateLimitedError),
    (httpx.Response(500, json={"message": "broken"}), ServerError),
    (httpx.Response(502, text="<html>no backend</html>"), ServerError),
    (httpx.Response(503, headers={"retry-after": "2"}), ServerError),
    (httpx.Response(504), ServerError),
]
FINAL: list[tuple[Fault, type[RoomsError]]] = [
    (httpx.Response(400, json={"message": "wrong"}), BadRequestError),
    (httpx.Response(401, json={"message": "invalid signature of token"}), UnauthorizedError),
    (httpx.Response(403), ForbiddenError),
    (httpx.Response(404), NotFoundError),
    (httpx.Response(409), StatusError),
    (httpx.Response(501), ServerError),
    (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), TransportError),
    (httpx.Response(200, text="<html>hello</html>"), DecodeError),
    (httpx.Response(204), DecodeError),
    (httpx.Response(200, content=b'[{"uuid": "cut in the mid'), DecodeError),
    (httpx.Response(429, headers={"retry-after": "3600"}), RateLimitedError),
]


@pytest.mark.parametrize("fault", [fault for fault, _ in PASSING], ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_what_may_pass_is_tried_again_until_it_has_passed(
    call: str, fault: Fault, waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(fault, fault, fault)
    async with open_rooms(script) as rooms:
        await CALLS[call](rooms.with_options(retry=RetryPolicy()))
    assert script.asked == 4
    retry_after = float(fault.headers.get("retry-after", 0)) if isinstance(fault, httpx.Response) else 0.0
    assert waits == [retry_after + drawn for drawn in (0.5, 1.0, 2.0)]


@pytest.mark.parametrize(("fault", "error"), PASSING, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_what_does_not_pass_is_raised_in_the_end_and_tells_every_try(
    call: str, fault: Fault, error: type[RoomsError], waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(*[fault] * 9)
    async with open_rooms(script) as rooms:
        with pytest.raises(error) as caught:
            await CALLS[call](rooms.with_options(retry=RetryPolicy(3)))
    assert script.asked == 3
    status = fault.status_code if isinstance(fault, httpx.Response) else None
    assert [made.status for made in caught.value.attempts] == [status] * 3
    assert [made.waited for made in caught.value.attempts] == [0.0, *waits]
    outcome = str(status or error.__name__)
    assert str(caught.value).endswith(f" (after 3 tries: {outcome}, {outcome}, {outcome})")


@pytest.mark.parametrize(("fault", "error"), FINAL, ids=repr)
@pytest.mark.parametrize("call", CALLS)
async def test_what_another_try_cannot_mend_is_raised_at_once(
    call: str, fault: Fault, error: type[RoomsError], waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(fault)
    async with open_rooms(script) as rooms:
        with pytest.raises(error) as caught:
            await CALLS[call](rooms.with_options(retry=RetryPolicy()))
    assert type(caught.value) is error
    assert (script.asked, waits) == (1, [])
    assert len(caught.value.attempts) == 1
    assert "tries" not in str(caught.value)


async def test_a_wait_that_the_service_asks_for_is_known_where_it_is_too_long(open_rooms: OpenRooms) -> None:
    async with open_rooms(Script(httpx.Response(503, headers={"retry-after": "3600"}))) as rooms:
        with pytest.raises(ServerError) as caught:
            await rooms.with_options(retry=RetryPolicy()).list()
    assert caught.value.retry_after == 3600


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("policy", "headers", "why"),
    [
        (RetryPolicy(), {"retry-after": "31"}, "the policy waits 30 s at most when asked to"),
        (
            RetryPolicy(deadline=5),
            {"retry-after": "20"},
            "it would begin after the deadline of 5 s for the whole call",
        ),
        (RetryPolicy(budget=0), {}, "too many calls fail: the budget of retries is used up"),
    ],
)
async def test_an_error_says_why_there_was_no_other_try(
    policy: RetryPolicy, headers: dict[str, str], why: str, open_rooms: OpenRooms
) -> None:
    async with open_rooms(Script(httpx.Response(503, headers=headers))) as rooms:
        with pytest.raises(ServerError) as caught:
            await rooms.with_options(retry=policy).list()
    assert caught.value.gave_up == why
    assert str(caught.value).endswith(f" (no further try, because {why})")


async def test_a_wait_may_be_asked_for_as_a_date(waits: list[float], open_rooms: OpenRooms) -> None:
    dates = {"date": "Sun, 06 Nov 1994 08:49:37 GMT", "retry-after": "Sun, 06 Nov 1994 08:49:44 GMT"}
    async with open_rooms(Script(httpx.Response(503, headers=dates))) as rooms:
        await rooms.with_options(retry=RetryPolicy(first_wait=0)).list()
    assert waits == [7.0]


# A create is never doubled

NEVER_DONE: list[Fault] = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.PoolTimeout("busy"),
    httpx.Response(429, headers={"retry-after": "1"}),
]
IN_DOUBT: list[tuple[Fault, type[RoomsError]]] = [
    *((fault, error) for fault, error in PASSING if repr(fault) not in {*map(repr, NEVER_DONE)}),
    (httpx.Response(501), ServerError),
    (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), TransportError),
    (httpx.Response(302), StatusError),
    (httpx.Response(408), StatusError),
    (httpx.Response(499), StatusError),
    (httpx.Response(201, text="<html>hello</html>"), DecodeError),
    (httpx.Response(201, content=b'{"uuid": "cut in the mid'), DecodeError),
]


@pytest.mark.parametrize("fault", NEVER_DONE, ids=repr)
async def test_a_create_that_certainly_was_not_done_is_tried_again(
    fault: Fault, waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(fault, fault)
    async with open_rooms(script) as rooms:
        await rooms.with_options(retry=RetryPolicy()).create()
    assert (script.asked, len(waits)) == (3, 2)


@pytest.mark.parametrize(("fault", "cause"), IN_DOUBT, ids=repr)
async def test_a_create_that_may_have_been_done_is_asked_once(
    fault: Fault, cause: type[RoomsError], waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(fault)
    before = datetime.now(UTC)
    async with open_rooms(script) as rooms:
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await rooms.with_options(retry=RetryPolicy()).create()
    assert (script.asked, waits) == (1, [])
    assert isinstance(caught.value.__cause__, cause)
    assert str(caught.value).count(" (") == 1  # one hint, and that is its own
    assert before <= caught.value.started_at <= caught.value.ended_at <= datetime.now(UTC)
    assert len(caught.value.attempts) == 1


async def test_a_create_in_doubt_after_refusals_tells_of_them_too(
    waits: list[float], open_rooms: OpenRooms
) -> None:
    script = Script(httpx.ConnectError("refused"), httpx.Response(429), httpx.ReadTimeout("slow"))
    async with open_rooms(script) as rooms:
        with pytest.raises(CreateOutcomeUnknownError, match="tries: TransportError, 429, TimedOutError"):
            await rooms.with_options(retry=RetryPolicy()).create()
    assert (script.asked, len(waits)) == (3, 2)


async def test_the_rooms_of_a_time_are_found(open_rooms: OpenRooms) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
    emulator = Emulator(rooms=1_200, clock=now.timestamp)
    inside = [emulator.add_room() for _ in range(3)]
    minute = timedelta(minutes=1)
    by_uuid = emulator.add_room(createdAt="2031-01-01T00:00:00.000Z")  # only the time in its uuid tells
    emulator.add_room(uuid="no-uuid-at-all", createdAt="2031-01-01T00:00:00.000Z")
    by_date = emulator.add_room(uuid="another-one", createdAt="2026-03-04T05:06:07.890Z")
    async with open_rooms(emulator) as given:
        rooms = given.with_options(token=emulator.key, check_token=False)
        found = await rooms.find_created_between(now - minute, now + minute)
        assert {room.uuid for room in found} == {*inside, by_uuid, by_date}
        assert [room.created_at for room in found] == sorted(room.created_at for room in found)
        assert {room.uuid for room in await rooms.find_created_between(now, now)} >= {by_date}
        assert await rooms.find_created_between(now + minute, now + 2 * minute) == ()


@pytest.mark.parametrize("microsecond", [890_001, 890_500, 890_999])
async def test_a_room_is_found_though_its_time_is_in_whole_milliseconds(
    microsecond: int, open_rooms: OpenRooms
) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, microsecond, tzinfo=UTC)
    emulator = Emulator(clock=now.timestamp)
    uuid = emulator.add_room()
    async with open_rooms(emulator) as given:
        rooms = given.with_options(token=emulator.key, check_token=False)
        assert [room.uuid for room in await rooms.find_created_between(now, now)] == [uuid]
        ever = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        assert len(await rooms.find_created_between(*ever)) == 1


@pytest.mark.parametrize(
    ("start", "end", "error"),
    [
        (datetime(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC), ValueError),  # noqa: DTZ001  that is the point
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2), ValueError),  # noqa: DTZ001
        (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), ValueError),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC), TypeError),
        (datetime(2026, 1, 1, tzinfo=UTC), 5, TypeError),
    ],
)
async def test_a_time_that_needs_a_guess_is_refused(
    start: Any, end: Any, error: type[Exception], rooms: AsyncRooms, emulator: Emulator
) -> None:
    with pytest.raises(error):
        await rooms.find_created_between(start, end)
    assert emulator.requests == []


# The budget


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])
async def test_an_outage_is_not_multiplied(waits: list[float], open_rooms: OpenRooms) -> None:
    script = Script(*[httpx.Response(503)] * 2_000)
    failed: list[RoomsError] = []

    async def ask(rooms: AsyncRooms) -> None:
        try:
            await rooms.get(UUID)
        except ServerError as error:
            failed.append(error)

    async with open_rooms(script) as given:
        rooms = given.with_options(retry=RetryPolicy())
        async with anyio.create_task_group() as tasks:
            for number in range(300):  # siblings share what is left
                tasks.start_soon(
                    ask, rooms.with_options(region="sg", retry=RetryPolicy(4)) if number % 2 else rooms
                )
    assert len(failed) == 300
    assert 300 < script.asked <= 375
    assert sum(len(error.attempts) for error in failed) == script.asked
    assert len(waits) == script.asked - 300


@pytest.mark.usefixtures("waits")
async def test_a_service_that_refuses_wins_the_budget_back(open_rooms: OpenRooms) -> None:
    script = Script(httpx.Response(503), *[httpx.Response(404)] * 6, httpx.Response(503))
    async with open_rooms(script) as given:
        rooms = given.with_options(retry=RetryPolicy(2, budget=1))
        for _ in range(6):
            with pytest.raises(NotFoundError):
                await rooms.get(UUID)
        await rooms.get(UUID)
    assert script.asked == 9


# What an error leaves behind


class HookError(Exception):
    """Unlike the built-in ones it can be watched."""


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(404),
        httpx.Response(503),
        httpx.Response(302, headers={"location": "http:x"}),
        httpx.Response(200),  # without a body, so unreadable
        HookError("of the application"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("deadline", [120, 0])
@pytest.mark.parametrize("call", ["get", "create"])
@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_an_error_goes_as_soon_as_nobody_wants_it(
    call: str, deadline: float, fault: Fault | HookError, library: Any
) -> None:
    """Else it would keep every frame of the call, and the token in them, until the collector comes."""

    def script(_: Any) -> Any:
        if isinstance(fault, httpx.RequestError):
            raise getattr(library, type(fault).__name__)("")
        if isinstance(fault, httpx.Response):
            return library.Response(fault.status_code, headers=dict(fault.headers))
        return library.Response(200)

    async def hook(_: Any) -> None:
        if isinstance(fault, HookError):
            raise HookError

    async def failed(rooms: AsyncRooms) -> list[weakref.ref[BaseException]]:
        try:
            await (rooms.get(UUID) if call == "get" else rooms.create())
        except (RoomsError, HookError) as error:
            return [weakref.ref(link) for link in (error, error.__cause__) if link is not None]
        raise AssertionError

    async with library.AsyncClient(
        transport=library.MockTransport(script), event_hooks={"response": [hook]}
    ) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=RetryPolicy(2, deadline=deadline))
        gc.disable()
        try:
            left = [kept() for kept in await failed(rooms)]
        finally:
            gc.enable()
    assert set(left) == {None}


@pytest.mark.usefixtures("waits")
async def test_an_error_does_not_hang_on_that_of_the_try_before(open_rooms: OpenRooms) -> None:
    async with open_rooms(Script(*[httpx.Response(503)] * 3)) as rooms:
        with pytest.raises(ServerError) as caught:
            await rooms.with_options(retry=RetryPolicy(3)).list()
    assert caught.value.__context__ is None


# The deadline


async def test_no_wait_goes_past_the_deadline(waits: list[float], open_rooms: OpenRooms) -> None:
    script = Script(*[httpx.Response(503, headers={"retry-after": "20"})] * 9)
    async with open_rooms(script) as rooms:
        with pytest.raises(ServerError):
            await rooms.with_options(retry=RetryPolicy(9, deadline=10)).list()
    assert (script.asked, waits) == (1, [])


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("call", ["list", "create"])
async def test_an_answer_that_never_ends_is_cut_at_the_deadline(call: str, library: Any) -> None:
    class Endless(library.AsyncBaseTransport):  # type: ignore[misc]  # the library is a parameter
        async def handle_async_request(self, _: Any) -> Any:
            await anyio.sleep_forever()

    policy = RetryPolicy(deadline=0.05)
    async with library.AsyncClient(transport=Endless()) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=policy)
        with pytest.raises(
            (TimedOutError, CreateOutcomeUnknownError), match=r"deadline of 0\.05 s .* passed"
        ) as caught:
            await (rooms.list() if call == "list" else rooms.create())
    assert isinstance(caught.value, CreateOutcomeUnknownError) is (call == "create")


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])  # a socket may not even connect in so little time
@pytest.mark.parametrize("call", ["list", "create"])
async def test_a_timeout_that_the_deadline_cut_speaks_of_the_deadline(call: str, open_rooms: OpenRooms) -> None:
    def script(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    async with open_rooms(script) as given:
        rooms = given.with_options(retry=RetryPolicy(deadline=0))
        with pytest.raises(
            (TimedOutError, CreateOutcomeUnknownError), match="deadline of 0 s for the whole"
        ) as caught:
            await (rooms.list() if call == "list" else rooms.create())
    assert isinstance(caught.value, CreateOutcomeUnknownError) is (call == "create")


async def test_a_token_function_that_never_ends_is_cut_at_the_deadline(
    rooms: AsyncRooms, emulator: Emulator
) -> None:
    async def get_token() -> str:
        await anyio.sleep_forever()
        raise AssertionError

    waiting = rooms.with_options(token=get_token, retry=RetryPolicy(deadline=0.05))
    with pytest.raises(TimedOutError, match="deadline") as caught:
        await waiting.create()
    assert not caught.value.was_sent
    assert (caught.value.attempts, emulator.requests) == ((), [])


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])
async def test_the_clients_own_timeouts_are_cut_to_what_is_left(open_rooms: OpenRooms) -> None:
    seen: list[dict[str, float]] = []

    def script(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"])
        return answer([])

    async with open_rooms(script, timeout=60) as given:
        rooms = given.with_options(retry=RetryPolicy(deadline=10))
        await rooms.list()
        await rooms.with_options(timeout=None).list()
        await rooms.with_options(timeout=2.5).list()
        await rooms.with_options(retry=RetryPolicy(deadline=None)).list()
    assert [{round(seconds, 1) for seconds in waits.values()} for waits in seen] == [{10.0}, {10.0}, {2.5}, {60}]


# A walk


@pytest.mark.parametrize("http_client", ["httpx", "httpx2"])
@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("bad", range(6))
@pytest.mark.parametrize("fault", [httpx.ReadError("cut"), httpx.Response(503), httpx.Response(404)], ids=repr)
async def test_a_walk_rides_over_what_passes_and_can_go_on_after_what_does_not(
    fault: Fault, bad: int, open_rooms: OpenRooms
) -> None:
    emulator = Emulator(rooms=23)
    there = list(emulator.uuids())

    for times in (1, 9):
        faults = iter([None] * bad + [fault] * times)

        def script(request: httpx.Request, faults: Iterator[Fault | None] = faults) -> httpx.Response:
            fault = next(faults, None)
            if isinstance(fault, httpx.RequestError):
                raise fault
            return fault or from_emulator(emulator, request)

        came: list[str] = []
        async with open_rooms(script) as given:
            rooms = given.with_options(token=emulator.key, retry=RetryPolicy(3))
            try:
                async for found in rooms.walk(page_size=5):
                    came.append(found.uuid)
            except (TransportError, StatusError) as error:
                checkpoint = error.checkpoint
                async with open_rooms(emulator) as again:
                    came += [found.uuid async for found in again.walk(after=checkpoint)]
        assert came == there


def from_emulator(emulator: Emulator, request: httpx.Request) -> httpx.Response:
    """Answer as ``emulator`` does."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    said = emulator.answer(
        Ask(
            method=request.method,
            path=request.url.path,
            query=request.url.query.decode(),
            headers=headers,
            body=request.content,
        )
    )
    return httpx.Response(said.status, content=said.body)


# Cancelling


# Before, anyio left a socket open whose connecting was cancelled, and the pool could wait for it.
closes_what_it_opens = pytest.mark.skipif(
    tuple(map(int, version("anyio").split(".")[:2])) < (4, 16), reason="anyio before 4.16 leaves sockets open"
)


@closes_what_it_opens
@pytest.mark.parametrize("seed", range(3))
async def test_a_small_pool_of_httpx2_outlives_any_cancelling(seed: int, emulator: Emulator) -> None:
    chance = random.Random(seed)
    limits = httpx2.Limits(max_connections=4, max_keepalive_connections=4)
    async with emulator.serve() as base_url, httpx2.AsyncClient(limits=limits) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg", base_url=base_url)

        async def ask() -> None:
            with anyio.move_on_after(chance.random() * 0.02):
                await (rooms.list() if chance.random() < 0.5 else first_room(rooms))

        for _ in range(15):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(ask)
        done: list[object] = []

        async def ask_in_peace() -> None:
            done.append(await rooms.list())

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(ask_in_peace)
    assert len(done) == 8


@closes_what_it_opens
@pytest.mark.asyncio
async def test_a_native_cancel_at_any_moment_leaves_no_task_behind(emulator: Emulator) -> None:
    chance = random.Random(7)
    async with emulator.serve() as base_url, httpx2.AsyncClient() as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg", base_url=base_url)
        for _ in range(40):
            task = asyncio.create_task(rooms.list())
            await asyncio.sleep(chance.random() * 0.01)
            task.cancel()
            await asyncio.wait([task])
        assert len(await rooms.list()) == 25
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_a_pool_without_a_free_connection_is_told_with_cause_and_cure(library: Any) -> None:
    def script(request: Any) -> Any:
        raise library.PoolTimeout("", request=request)

    async with library.AsyncClient(transport=library.MockTransport(script)) as client:
        rooms = AsyncRooms(client, token=TOKEN, region="sg", retry=RetryPolicy(1))
        with pytest.raises(
            TimedOutError, match="PoolTimeout: all connections of the client's pool are in use"
        ) as caught:
            await rooms.create()
    assert ("httpx has lost them" in str(caught.value)) is (library is httpx)
    assert not caught.value.was_sent


# What an error tells


@pytest.mark.usefixtures("waits")
async def test_an_attempt_is_a_value(open_rooms: OpenRooms) -> None:
    async with open_rooms(Script(httpx.Response(502), httpx.ReadError("cut"), httpx.Response(404))) as rooms:
        with pytest.raises(NotFoundError) as caught:
            await rooms.with_options(retry=RetryPolicy(), token=AccessKey("a", "s")).list()
    made = [(attempt.status, attempt.failure, attempt.waited) for attempt in caught.value.attempts]
    assert made == [(502, None, 0.0), (None, "TransportError", 0.5), (404, None, 1.0)]
    assert all(0 <= attempt.seconds < 5 for attempt in caught.value.attempts)
    assert caught.value.attempts[0] == Attempt(
        status=502, failure=None, seconds=caught.value.attempts[0].seconds, waited=0.0
    )
