"""Which token goes with a call, how long it is kept, and when another one is got."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial
from math import inf, nan
from random import Random
from traceback import format_exception
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field

from fakes import ONCE
from netless_rooms import (
    AccessKey,
    AsyncRooms,
    ForbiddenError,
    Role,
    Room,
    ServerError,
    StatusError,
    TokenError,
    TokenKind,
    UnauthorizedError,
    verify_token,
)
from netless_rooms.credentials import LIFETIME, SPARE, TokenSource, credentials_of
from netless_rooms.emulator import Emulator
from netless_rooms.operations import Operation, ban_room, create_room, get_room, list_rooms
from netless_rooms.signing import EPOCH, LAST_MS, mint
from samples import UUID, room_document

pytestmark = pytest.mark.anyio

KEY = AccessKey("ak-of-the-project", "sk-4cf1be07d9a25e38")
NOW = 1_600_000_000.0
LIST, GET, CREATE = list_rooms(), get_room(UUID), create_room()
DISABLE, ENABLE = ban_room(UUID, is_ban=True), ban_room(UUID, is_ban=False)
EXPIRED = "expired token"
MOST_SECONDS = 10  # a task that waits for ever fails its test


@define
class Clock:
    """A clock that stands until it is moved."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@define
class Service:
    """Answers each request with the next status and reason, then with success; keeps the tokens that came.

    The tokens in ``expired`` it refuses in any case.
    """

    refusals: list[tuple[int, str]] = field(factory=list)
    expired: set[str] = field(factory=set)
    tokens: list[str] = field(factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers["token"])
        if self.tokens[-1] in self.expired:
            return httpx.Response(401, json={"message": EXPIRED})
        if self.refusals:
            status, reason = self.refusals.pop(0)
            return httpx.Response(status, json={"message": reason})
        if request.method == "PATCH":
            return httpx.Response(201, json=room_document(isBan=b"true" in request.content))
        return httpx.Response(200, json=[] if request.url.path == "/v5/rooms" else room_document())


@define
class Source:
    """A token function that gives these texts one after another, the last one for ever; counts its calls."""

    texts: list[Any]
    calls: int = 0

    async def __call__(self) -> Any:
        await anyio.lowlevel.checkpoint()
        self.calls += 1
        text = self.texts[min(self.calls, len(self.texts)) - 1]
        if isinstance(text, Exception):
            raise text
        return text


class Recording(httpx.AsyncBaseTransport):
    """Passes everything on to an emulator, and keeps the tokens that came."""

    def __init__(self, emulator: Emulator) -> None:
        self.tokens: list[str] = []
        self._inner = emulator.transport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers["token"])
        return await self._inner.handle_async_request(request)


@asynccontextmanager
async def rooms_over(
    transport: httpx.AsyncBaseTransport | Service, token: TokenSource, **options: Any
) -> AsyncIterator[AsyncRooms]:
    over = httpx.MockTransport(transport) if isinstance(transport, Service) else transport
    with anyio.fail_after(MOST_SECONDS):
        async with httpx.AsyncClient(transport=over) as client:
            yield AsyncRooms(client, token=token, region="sg", **{"clock": Clock(), "retry": ONCE, **options})


def sdk_token(*, ends: float | None, nonce: str = "n", role: Role = Role.ADMIN) -> str:
    return mint(
        TokenKind.SDK,
        access_key=KEY.access_key,
        secret_key=KEY.secret_key,
        role=role,
        uuid=None,
        expires_at_ms=None if ends is None else int(ends * 1000),
        nonce=nonce,
    )


def role_of(token: str) -> Role:
    return verify_token(token, KEY.secret_key).role


# A token as it is


async def test_a_token_goes_with_every_call_as_it_was_given() -> None:
    for text in ("something", sdk_token(ends=0), sdk_token(ends=None, role=Role.READER)):
        credentials = credentials_of(text, Clock())
        for operation in (LIST, GET, CREATE, DISABLE):
            token = await credentials.token_for(operation)
            assert token.text == text
            credentials.drop(token)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_token_that_was_given_cannot_be_replaced_so_its_end_is_the_end(status: int) -> None:
    service = Service([(status, EXPIRED)])
    async with rooms_over(service, "something") as rooms:
        with pytest.raises(StatusError, match=EXPIRED) as caught:
            await rooms.list()
        assert caught.value.status == status
        assert await rooms.list() == await rooms.list()
    assert service.tokens == ["something"] * 3


@pytest.mark.parametrize("token", [None, 5, 1.5, b"s3cret", ["s3cret"], ("s3cret", "s3cret"), ...])
async def test_a_token_of_another_type_is_refused_at_once_and_not_shown(token: Any) -> None:
    words = f"^token must be a string, an AccessKey or an async function, not {type(token).__name__}$"
    with pytest.raises(TypeError, match=words):
        credentials_of(token, Clock())
    async with httpx.AsyncClient() as client:
        with pytest.raises(TypeError, match=words):
            AsyncRooms(client, token=token, region="sg")
    if token is not ...:  # in an option that is "not given"
        async with rooms_over(Service(), "something") as rooms:
            with pytest.raises(TypeError, match=words):
                rooms.with_options(token=token)


@pytest.mark.parametrize("token", ["", " ", "s3cret\n", "s3cret token", "s3crét"])
async def test_a_token_that_cannot_stand_in_a_header_is_refused_at_once_and_not_shown(token: str) -> None:
    with pytest.raises(ValueError, match=r"^token must be printable ASCII") as caught:
        credentials_of(token, Clock())
    assert "s3cr" not in repr(caught.value)


async def test_what_a_function_gives_is_no_function() -> None:
    coroutine: Any = Source(["something"])()
    with pytest.raises(TypeError, match=r"an async function, not coroutine$"):
        credentials_of(coroutine, Clock())
    coroutine.close()


async def test_credentials_show_neither_token_nor_secret() -> None:
    text = sdk_token(ends=None)
    for source in (text, KEY, Source([text])):
        credentials = credentials_of(source, Clock())
        await credentials.token_for(LIST)
        shown = repr(credentials)
        assert KEY.secret_key not in shown
        if not isinstance(source, Source):
            assert "NETLESS" not in shown


# Tokens from a key


@pytest.mark.parametrize(
    ("operation", "role"),
    [
        (CREATE, Role.WRITER),
        (GET, Role.WRITER),
        (LIST, Role.WRITER),
        (DISABLE, Role.ADMIN),
        (ENABLE, Role.ADMIN),
    ],
)
async def test_a_key_makes_a_genuine_token_of_the_least_role_for_ten_minutes(
    operation: Operation[Any], role: Role
) -> None:
    token = await credentials_of(KEY, Clock()).token_for(operation)
    told = verify_token(token.text, KEY.secret_key)
    assert (told.kind, told.access_key, told.role, told.uuid) == (TokenKind.SDK, KEY.access_key, role, None)
    assert told.expires_at == EPOCH + timedelta(seconds=NOW + 600)
    assert token.told == told
    assert token.seconds_left(NOW) == 600


async def test_the_lifetime_is_counted_from_the_millisecond_of_the_clock() -> None:
    last = LAST_MS // 1000
    for now, ends in (
        (NOW + 0.25, NOW + 600.25),
        (0.0, 600.0),
        (0.0019, 600.001),
        (-600.0, 0.0),
        (last - 600.0, last),
    ):
        told = (await credentials_of(KEY, Clock(now)).token_for(LIST)).told
        assert told is not None
        assert told.expires_at == EPOCH + timedelta(seconds=ends)


async def test_a_made_token_is_used_until_less_than_a_minute_is_left() -> None:
    assert timedelta(minutes=10) == LIFETIME
    assert SPARE == 60
    clock = Clock()
    credentials = credentials_of(KEY, clock)
    first = await credentials.token_for(LIST)
    for passed in (0.0, 300.0, 539.999, 540.0):
        clock.now = NOW + passed
        assert await credentials.token_for(LIST) is first
    clock.now = NOW + 540.001
    second = await credentials.token_for(LIST)
    assert second.text != first.text
    assert second.seconds_left(NOW + 540) == pytest.approx(600, abs=0.01)
    clock.now = NOW + 1080
    assert await credentials.token_for(LIST) is second
    clock.now = NOW + 5000
    third = await credentials.token_for(LIST)
    assert third.seconds_left(NOW + 5000) == 600


async def test_each_role_has_a_token_of_its_own_that_its_calls_share() -> None:
    credentials = credentials_of(KEY, Clock())
    writers = [await credentials.token_for(operation) for operation in (CREATE, GET, LIST, get_room("other"))]
    admins = [
        await credentials.token_for(operation) for operation in (DISABLE, ENABLE, ban_room("b", is_ban=True))
    ]
    assert [token is writers[0] for token in writers] == [True] * 4
    assert [token is admins[0] for token in admins] == [True] * 3
    assert (role_of(writers[0].text), role_of(admins[0].text)) == (Role.WRITER, Role.ADMIN)


async def test_a_writers_call_never_takes_the_token_that_an_admins_call_left_behind() -> None:
    credentials = credentials_of(KEY, Clock())
    await credentials.token_for(DISABLE)
    assert role_of((await credentials.token_for(LIST)).text) == Role.WRITER


async def test_a_hundred_tasks_at_once_make_one_token_per_role() -> None:
    emulator = Emulator(rooms=1, access_key=KEY.access_key, secret_key=KEY.secret_key)
    transport = Recording(emulator)
    uuid = next(emulator.uuids())
    async with rooms_over(transport, KEY, clock=emulator.clock) as rooms, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(rooms.list)
            group.start_soon(rooms.disable, uuid)
    assert len(transport.tokens) == 100
    assert sorted(role_of(token) for token in set(transport.tokens)) == [Role.ADMIN, Role.WRITER]


async def test_dropping_a_token_makes_another_one_and_spares_that_of_the_other_role() -> None:
    credentials = credentials_of(KEY, Clock())
    writer, admin = await credentials.token_for(LIST), await credentials.token_for(DISABLE)
    credentials.drop(writer)
    fresh = await credentials.token_for(LIST)
    assert fresh.text != writer.text
    assert await credentials.token_for(DISABLE) is admin
    credentials.drop(writer)  # once more, by a task that had it too
    assert await credentials.token_for(LIST) is fresh


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_made_token_that_expired_is_replaced_once_and_the_call_made_once_more(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "netless_rooms")
    service = Service([(status, EXPIRED)])
    async with rooms_over(service, KEY) as rooms:
        assert (await rooms.get(UUID)).uuid == UUID
        assert len(service.tokens) == 2
        await rooms.get(UUID)
    first, second, third = service.tokens
    assert first != second == third
    assert [role_of(token) for token in service.tokens] == [Role.WRITER] * 3
    said = [record.getMessage() for record in caplog.records]
    assert [(f": {status} in " in text, text.rpartition(", ")[2]) for text in said] == [
        (True, "attempt 1"),
        (False, "attempt 2"),
        (False, "attempt 1"),
    ]


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_second_refusal_of_the_fresh_token_is_the_end(status: int) -> None:
    service = Service([(status, EXPIRED)] * 9)
    async with rooms_over(service, KEY) as rooms:
        for asked in (2, 4):
            with pytest.raises(StatusError, match=EXPIRED) as caught:
                await rooms.disable(UUID)
            assert caught.value.status == status
            assert len(service.tokens) == asked
    assert len(set(service.tokens)) == 4


@pytest.mark.parametrize(
    ("second", "error"),
    [
        ((401, "invalid signature of token"), UnauthorizedError),
        ((403, "no"), ForbiddenError),
        ((500, "broken"), ServerError),
    ],
)
async def test_another_failure_of_the_second_try_is_what_the_call_raises(
    second: tuple[int, str], error: type[StatusError]
) -> None:
    service = Service([(401, EXPIRED), second])
    async with rooms_over(service, KEY) as rooms:
        with pytest.raises(error, match=second[1]):
            await rooms.list()
    assert len(service.tokens) == 2


async def test_a_create_that_was_refused_for_an_expired_token_is_made_once_more() -> None:
    clock = Clock()
    emulator = Emulator(access_key=KEY.access_key, secret_key=KEY.secret_key, clock=lambda: clock.now + 100)
    async with rooms_over(emulator.transport(), KEY, clock=clock) as rooms:
        await rooms.list()
        clock.now += 520
        await rooms.create()
    assert [request.status for request in emulator.requests] == [200, 401, 201]
    assert emulator.room_count == 1


async def test_a_token_that_the_service_does_not_accept_is_not_used_again_but_the_call_not_repeated() -> None:
    service = Service([(401, "invalid signature of token")])
    async with rooms_over(service, KEY) as rooms:
        with pytest.raises(UnauthorizedError, match="invalid signature"):
            await rooms.list()
        assert len(service.tokens) == 1
        await rooms.list()
    assert len(set(service.tokens)) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
async def test_any_other_failure_says_nothing_about_the_token(status: int) -> None:
    service = Service([(status, "no")])
    async with rooms_over(service, KEY) as rooms:
        with pytest.raises(StatusError):
            await rooms.list()
        await rooms.list()
    assert len(service.tokens) == 2
    assert len(set(service.tokens)) == 1


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        ({}, True),
        ({"region": "eu"}, True),
        ({"timeout": 5}, True),
        ({"check_token": False}, True),
        ({"token": KEY}, False),
        ({"token": AccessKey("another", "project")}, False),
    ],
)
async def test_siblings_share_the_made_tokens_unless_they_are_given_another_source(
    changes: dict[str, Any], *, shared: bool
) -> None:
    service = Service()
    async with rooms_over(service, KEY) as rooms:
        sibling = rooms.with_options(**changes)
        await sibling.list()
        await rooms.list()
        await sibling.with_options(timeout=9).list()
    assert service.tokens[0] == service.tokens[2]
    assert (service.tokens[0] == service.tokens[1]) is shared


async def test_siblings_go_by_the_same_clock() -> None:
    service, clock = Service(), Clock(NOW)
    async with rooms_over(service, "something", clock=clock) as rooms:
        await rooms.with_options(token=KEY).list()
    assert verify_token(service.tokens[0], KEY.secret_key).expires_at == EPOCH + timedelta(seconds=NOW + 600)


# Clocks that are wrong


@pytest.mark.parametrize("now", [nan, inf, -inf, -1e12, -600.001, 1e300, LAST_MS / 1000 - 599])
@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda rooms: rooms.list(), "GET", "/v5/rooms"),
        (lambda rooms: rooms.create(), "POST", "/v5/rooms"),
        (lambda rooms: first_room(rooms), "GET", "/v5/rooms?limit=1000"),
    ],
    ids=["list", "create", "walk"],
)
async def test_no_token_is_made_by_a_clock_that_cannot_be_right(
    call: Callable[[AsyncRooms], Awaitable[object]], method: str, path: str, now: float
) -> None:
    service = Service()
    async with rooms_over(service, KEY, clock=Clock(now)) as rooms:
        with pytest.raises(TokenError) as caught:
            await call(rooms)
    assert str(caught.value) == (
        f"{method} {path}: no token can be made, because this machine's clock says {now!r} s since 1970; "
        "set it right"
    )
    assert (caught.value.method, caught.value.path) == (method, path)
    assert service.tokens == []


async def first_room(rooms: AsyncRooms) -> Room | None:
    async with aclosing(rooms.walk()) as walk:
        return await anext(walk, None)


async def test_a_clock_that_went_wrong_and_was_put_right_makes_tokens_again() -> None:
    clock = Clock()
    credentials = credentials_of(KEY, clock)
    await credentials.token_for(LIST)
    for wrong in (inf, 1e300):
        clock.now = wrong
        with pytest.raises(TokenError, match="set it right"):
            await credentials.token_for(LIST)
    clock.now = NOW + 550
    assert (await credentials.token_for(LIST)).seconds_left(NOW + 550) == 600


async def test_a_clock_far_behind_is_told_when_the_fresh_token_is_refused_too() -> None:
    clock = Clock()
    emulator = Emulator(access_key=KEY.access_key, secret_key=KEY.secret_key, clock=lambda: clock.now + 3600)
    async with rooms_over(emulator.transport(), KEY, clock=clock) as rooms:
        with pytest.raises(UnauthorizedError) as caught:
            await rooms.list()
    told = "expired token; this machine's clock is 1:00:00 behind the service's, set it right"
    assert told in str(caught.value)
    assert [request.status for request in emulator.requests] == [401, 401]


async def test_a_clock_far_ahead_is_told_when_the_service_calls_a_token_expired() -> None:
    clock = Clock()
    emulator = Emulator(clock=lambda: clock.now - 3600)
    text = emulator.token(lifetime=timedelta(seconds=-1))
    async with rooms_over(emulator.transport(), text, clock=clock, check_token=False) as rooms:
        with pytest.raises(UnauthorizedError) as caught:
            await rooms.list()
    told = "expired token; this machine's clock is 1:00:00 ahead of the service's, set it right"
    assert told in str(caught.value)
    assert [request.status for request in emulator.requests] == [401]


async def test_clocks_that_agree_are_not_mentioned() -> None:
    clock = Clock()
    emulator = Emulator(clock=clock)
    text = emulator.token(lifetime=timedelta(seconds=-1))
    async with rooms_over(emulator.transport(), text, clock=clock, check_token=False) as rooms:
        with pytest.raises(UnauthorizedError, match=EXPIRED) as caught:
            await rooms.list()
    assert "clock" not in str(caught.value)


async def test_a_token_that_only_this_machine_takes_for_expired_is_not_sent() -> None:
    clock = Clock(NOW + 3600)
    emulator = Emulator(rooms=3, clock=lambda: NOW)
    async with rooms_over(emulator.transport(), emulator.token(), clock=clock) as rooms:
        with pytest.raises(TokenError, match=r"expired at 2020-09-13 13:26:40 UTC, 0:00:00 ago by this machine's"):
            await rooms.list()
        assert emulator.requests == []
        assert len(await rooms.with_options(check_token=False).list()) == 3
        clock.now -= 0.001
        assert len(await rooms.list()) == 3


# Tokens from a function


async def test_a_hundred_tasks_at_once_call_the_function_once() -> None:
    service, source = Service(), Source([sdk_token(ends=NOW + 600)])
    async with rooms_over(service, source) as rooms, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(rooms.list)
            group.start_soon(rooms.disable, UUID)
    assert source.calls == 1
    assert service.tokens == source.texts * 100


async def test_the_function_is_not_called_before_a_token_is_needed() -> None:
    source = Source(["something"])
    async with rooms_over(Service(), source) as rooms:
        rooms.walk()
        with pytest.raises(ValueError, match=r"^uuid must"):
            await rooms.get("")
    assert source.calls == 0


async def test_what_the_function_returned_is_kept_until_less_than_a_minute_is_left() -> None:
    clock, source = Clock(), Source([sdk_token(ends=NOW + 600, nonce="1"), sdk_token(ends=NOW + 1200, nonce="2")])
    credentials = credentials_of(source, clock)
    first = await credentials.token_for(LIST)
    assert first.text == source.texts[0]
    for passed in (0.0, 300.0, 539.999, 540.0):
        clock.now = NOW + passed
        assert await credentials.token_for(DISABLE) is first
    assert source.calls == 1
    clock.now = NOW + 540.001
    assert (await credentials.token_for(LIST)).text == source.texts[1]
    assert source.calls == 2


async def test_a_token_with_less_than_a_minute_is_used_and_asked_for_again_each_time() -> None:
    service, clock = Service(), Clock()
    source = Source([sdk_token(ends=NOW + 59.999, nonce=str(number)) for number in range(3)])
    async with rooms_over(service, source, clock=clock) as rooms:
        for _ in range(3):
            await rooms.list()
    assert service.tokens == source.texts


async def test_a_token_that_ended_before_it_came_is_not_sent_and_another_asked_for() -> None:
    service = Service()
    source = Source([sdk_token(ends=NOW), sdk_token(ends=NOW + 600)])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(TokenError, match="expired at"):
            await rooms.list()
        assert service.tokens == []
        await rooms.list()
    assert service.tokens == source.texts[1:]


async def test_an_unreadable_token_is_kept_until_it_is_refused() -> None:
    service, clock = Service(), Clock()
    source = Source(["something", "better"])
    async with rooms_over(service, source, clock=clock) as rooms:
        for _ in range(3):
            await rooms.list()
            clock.now += 1e9
        service.refusals.append((401, EXPIRED))
        await rooms.list()
        await rooms.list()
    assert service.tokens == ["something"] * 4 + ["better"] * 2
    assert source.calls == 2


async def test_a_token_without_an_end_is_kept() -> None:
    clock, source = Clock(), Source([sdk_token(ends=None)])
    credentials = credentials_of(source, clock)
    token = await credentials.token_for(LIST)
    clock.now += 1e9
    assert await credentials.token_for(LIST) is token
    assert source.calls == 1


async def test_a_function_is_asked_anew_after_a_refusal_but_the_call_is_not_repeated() -> None:
    service, source = Service([(401, "token access team forbidden")]), Source(["something", "better"])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(UnauthorizedError):
            await rooms.list()
        assert (service.tokens, source.calls) == (["something"], 1)
        await rooms.list()
    assert service.tokens == ["something", "better"]


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500, 503])
async def test_a_function_is_not_asked_anew_after_any_other_failure(status: int) -> None:
    service, source = Service([(status, "no")]), Source(["something"])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(StatusError):
            await rooms.list()
        await rooms.list()
    assert source.calls == 1


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize("text", ["something", sdk_token(ends=NOW + 600)], ids=["opaque", "sdk"])
async def test_the_same_token_once_more_is_tried_once_more_and_then_it_is_the_end(text: str, status: int) -> None:
    service, source = Service([(status, EXPIRED)] * 9), Source([text])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(StatusError, match=EXPIRED):
            await rooms.list()
        assert (service.tokens, source.calls) == ([text] * 2, 2)
        del service.refusals[:]
        await rooms.list()
    assert source.calls == 3


async def test_a_token_that_expired_for_a_hundred_tasks_is_asked_for_once() -> None:
    service, source = Service(expired={"old"}), Source(["old", "new", "newer"])
    async with rooms_over(service, source) as rooms, anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(rooms.list)
    assert sorted(service.tokens) == ["new"] * 100 + ["old"] * 100
    assert source.calls == 2


async def test_the_second_token_is_looked_at_as_the_first_one_was() -> None:
    service, source = Service([(401, EXPIRED)]), Source(["something", sdk_token(ends=None, role=Role.READER)])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(TokenError, match="not sent, because a reader's token"):
            await rooms.list()
    assert service.tokens == ["something"]


@pytest.mark.parametrize("texts", [["old", "new", "newer"], ["same"]], ids=["another", "the same"])
async def test_the_refusal_of_an_old_token_leaves_the_new_one_in_place(texts: list[str]) -> None:
    source = Source(texts)
    credentials = credentials_of(source, Clock())
    old = await credentials.token_for(LIST)
    credentials.drop(old)
    new = await credentials.token_for(LIST)
    credentials.drop(old)
    assert await credentials.token_for(LIST) is new
    assert source.calls == 2


async def test_siblings_share_the_function_s_token_unless_they_are_given_another_source() -> None:
    service, source, other = Service(), Source(["something"]), Source(["else"])
    async with rooms_over(service, source) as rooms:
        await rooms.list()
        await rooms.with_options(region="eu", timeout=5).list()
        await rooms.with_options(token=other).list()
        await rooms.with_options(token=source).list()
    assert service.tokens == ["something", "something", "else", "something"]
    assert (source.calls, other.calls) == (2, 1)


@pytest.mark.parametrize(
    "wrap", [lambda source: source, lambda source: source.__call__, partial, lambda source: lambda: source()]
)
async def test_whatever_can_be_called_and_awaited_is_a_function(wrap: Callable[[Source], Any]) -> None:
    token = await credentials_of(wrap(Source(["something"])), Clock()).token_for(LIST)
    assert token.text == "something"


async def test_no_error_shows_the_token_that_the_function_gave() -> None:
    opaque = "opaque:7f3a9c51:e8d2b640"
    service = Service([(401, f"no such token: {opaque}")])
    async with rooms_over(service, Source([opaque])) as rooms:
        with pytest.raises(UnauthorizedError, match="no such token: NETLESS…") as caught:
            await rooms.list()
    assert "7f3a9c51" not in repr(vars(caught.value))


# Functions that fail


async def test_a_failure_of_the_function_reaches_every_waiting_task_and_the_next_call_asks_again() -> None:
    fault = LookupError("s3cret of the vault")
    source = Source([fault, "something"])
    credentials = credentials_of(source, Clock())
    caught: list[TokenError] = []

    async def ask(operation: Operation[Any]) -> None:
        with pytest.raises(TokenError) as failure:
            await credentials.token_for(operation)
        caught.append(failure.value)

    with anyio.fail_after(MOST_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask, LIST)
                group.start_soon(ask, DISABLE)
    assert source.calls == 1
    assert len({id(error) for error in caught}) == 10
    assert {error.__cause__ for error in caught} == {fault}
    assert sorted(map(str, caught)) == [
        *["GET /v5/rooms: no token, because the token function raised LookupError"] * 5,
        *[f"PATCH /v5/rooms/{UUID}: no token, because the token function raised LookupError"] * 5,
    ]
    assert {(error.method, error.path) for error in caught} == {
        ("GET", "/v5/rooms"),
        ("PATCH", f"/v5/rooms/{UUID}"),
    }
    assert (await credentials.token_for(LIST)).text == "something"
    assert source.calls == 2


async def test_a_function_that_fails_costs_no_request() -> None:
    service = Service()
    async with rooms_over(service, Source([TimeoutError()])) as rooms:
        for call in (rooms.list, rooms.create, partial(rooms.get, UUID)):
            with pytest.raises(TokenError, match=r": no token, because the token function raised TimeoutError$"):
                await call()
    assert service.tokens == []


async def test_a_function_that_fails_to_renew_is_what_the_call_raises() -> None:
    service, source = Service([(401, EXPIRED)]), Source(["something", OSError("vault")])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(TokenError, match="raised OSError") as caught:
            await rooms.list()
    assert isinstance(caught.value.__cause__, OSError)
    assert service.tokens == ["something"]


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "it must be a string, not NoneType"),
        (b"s3cret", "it must be a string, not bytes"),
        (5, "it must be a string, not int"),
        (KEY, "it must be a string, not AccessKey"),
        (("s3cret", 5), "it must be a string, not tuple"),
        ("", "it must be printable ASCII without spaces or line breaks, and not empty"),
        ("s3cret\n", "it must be printable ASCII without spaces or line breaks, and not empty"),
        ("s3cret\r\nregion: eu", "it must be printable ASCII without spaces or line breaks, and not empty"),
        ("s3crét", "it must be printable ASCII without spaces or line breaks, and not empty"),
    ],
    ids=range(9),
)
async def test_a_function_that_returns_no_token_is_told_so_without_showing_what_it_returned(
    returned: Any, words: str
) -> None:
    service, source = Service(), Source([returned, "something"])
    async with rooms_over(service, source) as rooms:
        with pytest.raises(TokenError) as caught:
            await rooms.list()
        error = caught.value
        assert str(error) == (
            f"GET /v5/rooms: no token, because the token function returned what is no token: {words}"
        )
        assert error.__cause__ is None
        assert "s3cr" not in "".join(format_exception(error))
        assert service.tokens == []
        await rooms.list()
    assert service.tokens == ["something"]


async def test_a_function_that_is_not_async_is_told_so_without_showing_what_it_returned() -> None:
    secret = "-".join(["s3cret", "token"])
    service = Service()
    source: Any = lambda: secret  # noqa: E731  what a user would write
    async with rooms_over(service, source) as rooms:
        with pytest.raises(TokenError) as caught:
            await rooms.list()
    assert str(caught.value) == "GET /v5/rooms: no token, because the token function is not async"
    assert caught.value.__cause__ is None
    assert secret not in "".join(format_exception(caught.value))
    assert service.tokens == []


async def test_a_failure_before_anything_is_awaited_is_a_failure_of_the_function() -> None:
    def source() -> Awaitable[str]:
        raise LookupError

    with pytest.raises(TokenError, match="the token function raised LookupError") as caught:
        await credentials_of(source, Clock()).token_for(LIST)
    assert isinstance(caught.value.__cause__, LookupError)


async def test_a_failure_that_shows_a_token_is_not_told_any_further() -> None:
    text = sdk_token(ends=NOW)
    underneath = LookupError("vault")
    underneath.__cause__ = ValueError(text)
    for fault in (LookupError(f"{text} is too old"), LookupError({"old": [text]}), underneath):
        with pytest.raises(TokenError, match=r"the token function raised LookupError$") as caught:
            await credentials_of(Source([fault]), Clock()).token_for(LIST)
        assert caught.value.__cause__ is None
        assert text not in "".join(format_exception(caught.value))


# Functions that make calls themselves


async def inside(rooms: AsyncRooms) -> None:
    await rooms.list()


async def inside_a_sibling(rooms: AsyncRooms) -> None:
    await rooms.with_options(region="eu").get(UUID)


async def inside_another_task(rooms: AsyncRooms) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(rooms.list)


async def inside_after_another(rooms: AsyncRooms) -> None:
    await rooms.with_options(token=Source(["another"]), check_token=False).list()
    await rooms.list()


@pytest.mark.parametrize("call", [inside, inside_a_sibling, inside_another_task, inside_after_another])
async def test_a_function_that_needs_its_own_token_fails_instead_of_waiting_for_itself(
    call: Callable[[AsyncRooms], Awaitable[None]],
) -> None:
    service = Service()

    async def source() -> str:
        await call(rooms)
        return "something"

    async with rooms_over(service, source) as rooms:
        for _ in range(2):
            with pytest.raises(TokenError, match="the token function raised") as caught:
                await rooms.list()
            told = "".join(format_exception(caught.value))
            assert "no token, because the token function makes a call that needs its own token" in told
    assert set(service.tokens) <= {"another"}


async def test_a_function_that_needs_its_own_token_fails_for_every_waiting_task() -> None:
    service = Service()
    caught: list[TokenError] = []

    async def source() -> str:
        await anyio.wait_all_tasks_blocked()
        await rooms.list()
        return "something"

    async def ask() -> None:
        with pytest.raises(TokenError) as failure:
            await rooms.list()
        caught.append(failure.value)

    async with rooms_over(service, source) as rooms, anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert {str(error) for error in caught} == {
        "GET /v5/rooms: no token, because the token function raised TokenError"
    }
    assert len(caught) == 5


async def test_a_function_may_make_calls_with_another_token() -> None:
    service = Service()

    async def source() -> str:
        await rooms.with_options(token="another").list()
        return "something"

    async with rooms_over(service, source) as rooms:
        await rooms.list()
    assert service.tokens == ["another", "something"]


async def test_a_function_may_wait_for_the_token_of_another_function() -> None:
    service = Service()
    asked, go = anyio.Event(), anyio.Event()

    async def inner_source() -> str:
        asked.set()
        await go.wait()
        return "inner"

    async def outer_source() -> str:
        await inner.list()
        return "outer"

    async with rooms_over(service, outer_source) as outer, anyio.create_task_group() as group:
        inner = outer.with_options(token=inner_source)
        group.start_soon(inner.list)
        await asked.wait()
        group.start_soon(outer.list)
        await anyio.wait_all_tasks_blocked()
        go.set()
    assert sorted(service.tokens) == ["inner", "inner", "outer"]


async def test_a_task_that_the_function_began_may_make_calls_once_the_token_is_there() -> None:
    service = Service()
    there = anyio.Event()

    async def later() -> None:
        await there.wait()
        service.expired.add("old")  # so that a token is asked for once more
        await rooms.list()

    async def source() -> str:
        if not service.tokens:
            group.start_soon(later)
            return "old"
        return "new"

    async with rooms_over(service, source) as rooms, anyio.create_task_group() as group:
        await rooms.list()
        there.set()
    assert service.tokens == ["old", "old", "new"]


# Tasks that are cancelled


async def test_cancelling_the_task_that_asks_lets_another_one_ask() -> None:
    asked: list[anyio.Event] = []
    got: list[str] = []

    async def source() -> str:
        asked.append(anyio.Event())
        if len(asked) == 1:
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()
        return "something"

    credentials = credentials_of(source, Clock())

    async def wait() -> None:
        got.append((await credentials.token_for(LIST)).text)

    with anyio.fail_after(MOST_SECONDS):
        async with anyio.create_task_group() as group, anyio.create_task_group() as first:
            first.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            for _ in range(9):
                group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert (len(asked), got) == (1, [])
            first.cancel_scope.cancel()
    assert (len(asked), got) == (2, ["something"] * 9)


async def test_cancelling_every_task_that_asks_leaves_nothing_behind() -> None:
    calls = 0

    async def source() -> str:
        nonlocal calls
        calls += 1
        if calls < 4:
            await anyio.sleep_forever()
        return "something"

    credentials = credentials_of(source, Clock())
    for _ in range(3):
        async with anyio.create_task_group() as group:
            group.start_soon(credentials.token_for, LIST)
            group.start_soon(credentials.token_for, LIST)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
    with anyio.fail_after(MOST_SECONDS):
        assert (await credentials.token_for(LIST)).text == "something"
    assert calls == 4


async def test_cancelling_a_task_that_waits_disturbs_no_other() -> None:
    calls = 0
    go = anyio.Event()

    async def source() -> str:
        nonlocal calls
        calls += 1
        await go.wait()
        return "something"

    credentials = credentials_of(source, Clock())
    got: list[str] = []

    async def wait() -> None:
        got.append((await credentials.token_for(LIST)).text)

    with anyio.fail_after(MOST_SECONDS):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            async with anyio.create_task_group() as second:
                second.start_soon(wait)
                group.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                second.cancel_scope.cancel()
            go.set()
    assert (calls, got) == (1, ["something"] * 2)


@pytest.mark.parametrize("seed", range(8))
async def test_one_task_asks_at_a_time_however_many_are_cancelled_or_refused(seed: int) -> None:
    random = Random(seed)
    asking: list[int] = [0, 0]  # tasks now, and at most
    ends: list[str] = []

    async def pause(longest: int) -> None:
        for _ in range(random.randrange(longest)):
            await anyio.lowlevel.checkpoint()

    async def source() -> str:
        asking[:] = asking[0] + 1, max(asking[0] + 1, asking[1])
        try:
            await pause(5)
        finally:
            asking[0] -= 1
        if random.random() < 0.5:
            raise LookupError
        return "something"

    credentials = credentials_of(source, Clock())

    async def use() -> None:
        await pause(40)
        with anyio.CancelScope() as scope:
            if random.random() < 0.3:
                scope.cancel()
            try:
                token = await credentials.token_for(LIST)
                await pause(5)
                credentials.drop(token)
                ends.append("used")
            except TokenError:
                ends.append("failed")
        if scope.cancelled_caught:
            ends.append("cancelled")

    with anyio.fail_after(MOST_SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(use)
    assert asking == [0, 1]
    assert len(ends) == 200


# Walks


async def test_a_walk_goes_on_when_the_service_calls_its_token_expired() -> None:
    clock = Clock()
    emulator = Emulator(
        rooms=50, access_key=KEY.access_key, secret_key=KEY.secret_key, clock=lambda: clock.now + 100
    )
    transport = Recording(emulator)
    walked: list[str] = []
    async with rooms_over(transport, KEY, clock=clock) as rooms:
        async for room in rooms.walk(page_size=20):
            walked.append(room.uuid)
            if len(walked) == 30:
                clock.now += 520
    assert walked == list(emulator.uuids())
    assert [request.status for request in emulator.requests] == [200, 200, 401, 200, 200, 200]
    assert emulator.requests[2].query == emulator.requests[3].query
    assert len(set(transport.tokens)) == 2


async def test_a_walk_over_hours_makes_new_tokens_before_the_old_ones_end() -> None:
    clock = Clock()
    emulator = Emulator(rooms=200, access_key=KEY.access_key, secret_key=KEY.secret_key, clock=clock)
    transport = Recording(emulator)
    async with rooms_over(transport, KEY, clock=clock) as rooms:
        walked = []
        async for page in rooms.pages(page_size=10):
            walked += [room.uuid for room in page]
            clock.now += 539
    assert walked == list(emulator.uuids())
    assert {request.status for request in emulator.requests} == {200}
    assert len(set(transport.tokens)) > 10


async def test_a_walk_that_gets_no_token_any_more_says_where_to_go_on() -> None:
    clock = Clock()
    emulator = Emulator(rooms=50, clock=clock)
    uuids = list(emulator.uuids())
    good = emulator.token(lifetime=timedelta(seconds=600))
    source = Source([good, LookupError("vault"), good])
    walked: list[str] = []
    async with rooms_over(emulator.transport(), source, clock=clock) as rooms:
        with pytest.raises(TokenError, match="raised LookupError") as caught:
            async for room in rooms.walk(page_size=20):
                walked.append(room.uuid)
                clock.now = NOW + 550
        assert walked == uuids[:20]
        assert caught.value.checkpoint == uuids[19]
        walked += [room.uuid async for room in rooms.walk(after=caught.value.checkpoint)]
    assert walked == uuids


async def test_a_walk_whose_token_ends_says_where_to_go_on() -> None:
    clock = Clock()
    emulator = Emulator(rooms=50, clock=clock)
    uuids = list(emulator.uuids())
    async with rooms_over(emulator.transport(), emulator.token(), clock=clock) as rooms:
        with pytest.raises(TokenError, match="expired at") as caught:
            async for room in rooms.walk(page_size=20):
                if room.uuid == uuids[39]:
                    clock.now += 3600
        assert caught.value.checkpoint == uuids[39]
        with pytest.raises(TokenError) as caught:
            await anext(rooms.walk(after=uuids[3]))
        assert caught.value.checkpoint == uuids[3]
        with pytest.raises(TokenError) as caught:
            await first_room(rooms)
        assert caught.value.checkpoint is None
    assert [request.status for request in emulator.requests] == [200, 200]


# What a token lacks


CALLS: dict[str, Callable[[AsyncRooms], Awaitable[object]]] = {
    "create": lambda rooms: rooms.create(),
    "get": lambda rooms: rooms.get(UUID),
    "list": lambda rooms: rooms.list(),
    "disable": lambda rooms: rooms.disable(UUID),
    "enable": lambda rooms: rooms.enable(UUID),
    "walk": first_room,
}


@pytest.mark.parametrize("call", CALLS)
async def test_a_call_that_cannot_succeed_is_not_sent_unless_it_is_left_to_the_service(call: str) -> None:
    emulator = Emulator()
    async with rooms_over(emulator.transport(), emulator.token(Role.READER), clock=emulator.clock) as rooms:
        with pytest.raises(TokenError, match=r"not sent, because a reader's token may make none of the calls"):
            await CALLS[call](rooms)
        assert emulator.requests == []
        with pytest.raises(ForbiddenError, match="token access role reader forbidden"):
            await CALLS[call](rooms.with_options(check_token=False))
    assert [request.status for request in emulator.requests] == [403]


@pytest.mark.parametrize("call", CALLS)
async def test_a_key_is_enough_for_every_call(call: str) -> None:
    emulator = Emulator(access_key=KEY.access_key, secret_key=KEY.secret_key)
    emulator.add_room(uuid=UUID)
    async with rooms_over(emulator.transport(), KEY, clock=emulator.clock) as rooms:
        assert await CALLS[call](rooms) is not None


async def test_two_functions_that_need_each_other_fail_instead_of_waiting(emulator: Emulator) -> None:
    around: dict[str, AsyncRooms] = {}

    async def first() -> str:
        await around["second"].list()
        raise AssertionError

    async def second() -> str:
        await around["first"].list()
        raise AssertionError

    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        around |= {
            name: AsyncRooms(client, token=source, region="sg")
            for name, source in {"first": first, "second": second}.items()
        }
        with anyio.fail_after(5), pytest.raises(TokenError, match="the token function raised TokenError"):
            await around["first"].list()


async def test_a_token_that_is_not_enough_is_asked_for_anew_the_next_time(emulator: Emulator) -> None:
    roles = iter([Role.READER, Role.WRITER])

    async def get_token() -> str:
        return emulator.token(next(roles))

    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=get_token, region="sg")
        with pytest.raises(TokenError, match="a reader's token"):
            await rooms.list()
        assert len(await rooms.list()) == 25


async def test_a_token_that_was_made_by_a_clock_ahead_is_not_kept_once_the_clock_is_right() -> None:
    now = 1_800_000_000.0
    made = credentials_of(AccessKey("ak", "sk"), lambda: now)
    first = await made.token_for(list_rooms())
    now -= 86_400
    second = await made.token_for(list_rooms())
    assert second is not first
    assert second.seconds_left(now) == pytest.approx(600, abs=0.01)
    assert await made.token_for(list_rooms()) is second
