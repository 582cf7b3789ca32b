"""Which token goes with a call, how long it is kept, and when another one is got."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from math import inf, nan
from operator import methodcaller
from traceback import format_exception
from typing import Any

import anyio
import httpx
import pytest
from attrs import define, field

from fakes import ONCE
from netless_rooms import AccessKey, AsyncRooms, Role, TokenError, TokenKind, errors, read_token, verify_token
from netless_rooms._auth.providers import Provider, TokenSource, make_provider
from netless_rooms._auth.tokens import Token, issue_token
from netless_rooms.emulator import Emulator
from samples import UUID, room_document
from selection import on_both_loops

pytestmark = pytest.mark.anyio
KEY = AccessKey("ak-of-the-project", "sk-4cf1be07d9a25e38")
NOW = 1_600_000_000.0
LAST = 253_402_300_799.999  # the end of the year 9999
EXPIRED = "expired token"


@define
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@define
class Service:  # answers with the next status and reason, then with success, and never to an expired token
    refusals: list[tuple[int, str]] = field(factory=list)
    expired: set[str] = field(factory=set)
    tokens: list[str] = field(factory=list)  # that came

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers["token"])
        if self.tokens[-1] in self.expired:
            return httpx.Response(401, json={"message": EXPIRED})
        if self.refusals:
            status, reason = self.refusals.pop(0)
            return httpx.Response(status, json={"message": reason})
        if request.method != "GET":
            return httpx.Response(201, json=room_document(isBan=b"true" in request.content))
        return httpx.Response(200, json=[] if request.url.path == "/v5/rooms" else room_document())


@define
class Source:  # a token function that returns these texts one after another, the last one forever
    texts: list[Any]
    calls: int = 0

    async def __call__(self) -> Any:
        await anyio.lowlevel.checkpoint()
        self.calls += 1
        text = self.texts[min(self.calls, len(self.texts)) - 1]
        if isinstance(text, Exception):
            raise text
        return text


@asynccontextmanager
async def rooms_over(service: Any, token: TokenSource, **options: Any) -> AsyncIterator[AsyncRooms]:
    over = httpx.MockTransport(service) if isinstance(service, Service) else service.transport()
    with anyio.fail_after(10):
        async with httpx.AsyncClient(transport=over) as client:
            yield AsyncRooms(client, token=token, region="sg", **{"clock": Clock(), "retry": ONCE, **options})


async def at_once(*calls: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(call)


async def token_from(provider: Provider) -> Token:
    return await provider.token_for(Role.WRITER)


def sdk_token(*, ends: float | None = None, role: Role = Role.ADMIN) -> str:
    return issue_token(KEY, TokenKind.SDK, None, role, None if ends is None else round(ends * 1000)).text


CALLED = (("disable", UUID), ("list",), ("get", UUID), ("create",), ("enable", UUID))
CALLS: list[Any] = [methodcaller(*call) for call in CALLED]
BOTH = None
GONE, BAD = (401, EXPIRED), (401, "invalid")
UNAUTHORIZED, RAISED = [errors.UnauthorizedError, None], [TokenError, None]
RENEWALS: list[tuple[Any, list[tuple[int, str]], list[Any], str]] = [
    *((BOTH, [(status, EXPIRED)], [None, None], "abb") for status in (400, 401, 403)),
    (BOTH, [GONE, (400, EXPIRED)], [errors.StatusError, None], "abc"),
    *((BOTH, [GONE, BAD], UNAUTHORIZED, "abc"), (BOTH, [GONE, (500, "no")], [errors.ServerError, None], "abb")),
    *((BOTH, [BAD], UNAUTHORIZED, "ab"), (BOTH, [(400, "no")], [errors.StatusError, None], "aa")),
    (BOTH, [(403, "no")], [errors.ForbiddenError, None], "aa"),
    (BOTH, [(500, "no")], [errors.ServerError, None], "aa"),
    (["a", "a", "b"], [GONE, GONE], UNAUTHORIZED, "aab"),
    (["a", sdk_token(ends=NOW), "b"], [GONE], RAISED, "ab"),
    (["a", sdk_token(role=Role.READER), "b"], [GONE], RAISED, "ab"),
    *((["a", OSError("vault"), "b"], [GONE], RAISED, "ab"), ("a", [GONE], UNAUTHORIZED, "aa")),
]
INVALID = "returned an invalid token: it must be"
SHOWN = f"s3cret {sdk_token()}"
CAUSED = LookupError("vault")
CAUSED.__cause__ = ValueError(SHOWN)
NO_TOKENS: list[tuple[Any, str, bool]] = [
    (Source([("s3cret", 5)]), f"{INVALID} a string, not tuple", False),
    (Source(["s3crét"]), f"{INVALID} printable ASCII without spaces or line breaks, and not empty", False),
    *((Source([ValueError("it")]), "raised ValueError", True), (lambda: "s3" + "cret", "is not async", False)),
    (lambda: {"a": "b"}["no"], "raised KeyError", True),  # at once
    (Source([LookupError(SHOWN)]), "raised LookupError", False),
    (Source([CAUSED]), "raised LookupError", False),
]


async def test_what_is_no_token_is_refused_at_once_and_not_shown() -> None:
    coroutine = Source([])()
    async with rooms_over(Service(), "something") as rooms:
        for token, words in [
            *((odd, "a string, an AccessKey or an async function, not") for odd in (None, b"s3cret", coroutine)),
            *((odd, "printable ASCII") for odd in ("", "s3cret\n", "s3cret token", "s3crét")),
            ("\u200bs3cret", r"without the invisible character U\+200B$"),
            ('"s3cret"', "without quotation marks around it$"),
        ]:
            error = ValueError if isinstance(token, str) else TypeError
            with pytest.raises(error, match=f"^token must be {words}") as caught:
                rooms.with_options(token=token)  # type: ignore[arg-type]  # that is the point
            assert "s3cr" not in repr(caught.value)
    coroutine.close()


async def test_a_key_signs_a_token_of_the_least_role_and_the_calls_of_a_role_share_it() -> None:
    service = Service()
    async with rooms_over(service, KEY) as rooms:
        for call in CALLS:
            await call(rooms)
    assert [service.tokens.index(token) for token in service.tokens] == [0, 1, 1, 1, 0]
    roles = [Role.ADMIN, *[Role.WRITER] * 3, Role.ADMIN]
    for info, role in zip(map(read_token, service.tokens), roles, strict=True):
        assert (info.kind, info.access_key, info.role, info.uuid) == (TokenKind.SDK, KEY.access_key, role, None)
        assert info.expires_at == datetime.fromtimestamp(NOW + 600, UTC)


async def test_a_signed_token_lasts_ten_minutes_by_a_clock_that_can_be_right() -> None:
    last = (LAST - 600, round(LAST * 1000))
    for now, ms in [(NOW + 0.25, 1_600_000_600_250), (0.0019, 600_001), (-600.0, 0), last]:
        text = (await token_from(make_provider(KEY, Clock(now)))).text
        expires = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
        assert verify_token(text, KEY.secret_key).expires_at == expires
    for wrong in (nan, inf, -600.001, LAST - 599.9):
        provider = make_provider(KEY, clock := Clock(wrong))
        words = f"no token can be issued, because this machine's clock shows {wrong!r} s since 1970; correct it"
        with pytest.raises(TokenError, match=f"^{words}$"):
            await token_from(provider)
        clock.now = NOW
        await token_from(provider)


async def test_a_token_is_kept_until_less_than_a_minute_is_left_or_the_clock_was_set_back() -> None:
    for source in (KEY, Source([sdk_token(ends=NOW + 600), sdk_token(ends=NOW + 1200)])):
        clock = Clock()
        provider = make_provider(source, clock)
        times = (0.0, 300.0, 540.0, 540.001, 1080.0)
        tokens = []
        for passed in times:
            clock.now = NOW + passed
            tokens.append((await token_from(provider)).text)
        assert [times[tokens.index(token)] for token in tokens] == [0.0, 0.0, 0.0, 540.001, 540.001]
    provider = make_provider(KEY, clock)
    ahead = await token_from(provider)
    clock.now -= 0.001
    assert await token_from(provider) is await token_from(provider) is not ahead


@on_both_loops
async def test_tasks_that_need_a_token_at_once_share_it() -> None:
    of_key, of_function, source = Service(), Service(expired={"old"}), Source(["old", "new", "newer"])
    sources: list[tuple[Service, TokenSource]] = [(of_key, KEY), (of_function, source)]
    for service, token in sources:
        async with rooms_over(service, token) as rooms:
            await at_once(*[rooms.list] * 20, *[partial(rooms.disable, UUID)] * 20)
    assert len(of_key.tokens) == 2 * 20
    assert len(set(of_key.tokens)) == 2  # one for each role
    assert sorted(of_function.tokens) == ["new"] * 2 * 20 + ["old"] * 2 * 20
    assert source.calls == 2


async def test_an_expired_token_is_renewed_once() -> None:
    for texts, refusals, raised, tokens in RENEWALS:
        one: TokenSource = "a" if texts == "a" else Source(texts or ["a", "b", "c"])
        for source in (KEY, one) if texts is BOTH else (one,):
            service = Service(list(refusals))
            async with rooms_over(service, source) as rooms:
                for error in raised:
                    with pytest.raises(error) if error else nullcontext():
                        await rooms.disable(UUID)
            different = list(dict.fromkeys(service.tokens))
            assert "".join("abc"[different.index(token)] for token in service.tokens) == tokens


async def test_a_refusal_spares_the_token_of_the_other_role_and_a_late_one_the_new_token() -> None:
    for source in (KEY, Source(["old", "new", "newer"]), Source(["same"])):
        provider = make_provider(source, Clock())
        admin, old = await provider.token_for(Role.ADMIN), await token_from(provider)
        provider.drop(old)
        new = await token_from(provider)
        provider.drop(old)
        assert await token_from(provider) is new is not old
        assert (await provider.token_for(Role.ADMIN) is admin) is (source is KEY)


async def test_siblings_share_the_tokens_unless_their_source_differs_and_the_clock_always() -> None:
    for source in (KEY, Source([sdk_token(), sdk_token()])):
        service = Service()
        async with rooms_over(service, source, clock=Clock(NOW + 5)) as rooms:
            await rooms.with_options(region="eu").with_options(timeout=9).list()
            await rooms.list()
            await rooms.with_options(check_token=False).list()
            await rooms.with_options(token=KEY).list()
        shared, also, again, other = service.tokens
        assert shared == also == again != other
        assert read_token(other).expires_at == datetime.fromtimestamp(NOW + 605, UTC)


async def test_a_call_that_the_token_does_not_permit_is_not_sent_unless_it_is_left_to_the_service() -> None:
    emulator = Emulator(clock=lambda: NOW)
    emulator.add_room(uuid=UUID)
    late = Clock(NOW + 3600)  # for which the emulator's token has expired
    expired = r"expired at 2020-09-13 13:26:40 UTC, 0:00:00 ago by this machine's"
    for role, clock, words in ((Role.READER, Clock(), "a reader token permits none"), (Role.ADMIN, late, expired)):
        sent = len(emulator.requests)
        async with rooms_over(emulator, emulator.token(role), clock=clock) as rooms:
            for call in CALLS:
                with pytest.raises(TokenError, match=words):
                    await call(rooms)
            assert len(emulator.requests) == sent
            for call in CALLS:
                with pytest.raises(errors.ForbiddenError) if role is Role.READER else nullcontext():
                    await call(rooms.with_options(check_token=False))


async def test_whatever_can_be_called_and_awaited_is_a_function_that_is_called_only_for_a_call() -> None:
    source = Source(["something"])
    async with rooms_over(Service(), source) as rooms:
        with pytest.raises(ValueError, match=r"^uuid must"):
            await rooms.get("")
    assert source.calls == 0
    for function in (source, source.__call__, partial(source), lambda: source()):
        assert (await token_from(make_provider(function, Clock()))).text == "something"
    short = [sdk_token(ends=NOW + 59.999) for _ in range(3)]  # used, and asked for again each time
    provider = make_provider(Source(short), Clock())
    assert [(await token_from(provider)).text for _ in short] == short
    for endless in ("something", sdk_token()):
        provider = make_provider(Source([endless, "better"]), clock := Clock())
        first, clock.now = await token_from(provider), 1e10
        assert (await token_from(provider)).text == first.text == endless


@on_both_loops
async def test_a_failure_of_the_function_reaches_every_waiting_task_and_the_next_call_asks_again() -> None:
    fault = LookupError("s3cret of the vault")
    source = Source([fault, "something"])
    provider = make_provider(source, Clock())
    caught: list[TokenError] = []

    async def ask() -> None:
        with pytest.raises(TokenError, match=r"^no token, because the token function raised Look\w+$") as error:
            await token_from(provider)
        caught.append(error.value)

    await at_once(*[ask] * 6)
    assert (source.calls, len({*map(id, caught)}), {error.__cause__ for error in caught}) == (1, 6, {fault})
    assert (await token_from(provider)).text == "something"
    assert source.calls == 2


async def test_a_function_without_a_token_costs_no_request_and_shows_no_secret() -> None:
    for source, words, has_cause in NO_TOKENS:
        async with rooms_over(service := Service(), source) as rooms:
            with pytest.raises(TokenError) as caught:
                await rooms.list()
        assert str(caught.value) == f"GET /v5/rooms: no token, because the token function {words}"
        assert (caught.value.__cause__ is not None) is has_cause
        assert "s3cr" not in "".join(format_exception(caught.value))
        assert service.tokens == []


@on_both_loops
async def test_a_function_that_needs_its_own_token_fails_instead_of_waiting_for_itself() -> None:
    async def through_another() -> str:
        return str(await rooms.list())

    for call in (
        CALLS[1],
        lambda rooms: at_once(rooms.with_options(region="eu").list),
        lambda rooms: rooms.with_options(token=through_another).list(),
    ):
        service = Service()
        caught: list[str] = []

        async def source(call: Any = call) -> str:
            await anyio.wait_all_tasks_blocked()
            await call(rooms)
            return "something"

        async def ask(caught: list[str] = caught) -> None:
            with pytest.raises(TokenError, match=r"^GET /v5/rooms: no token, because .* function raised") as error:
                await rooms.list()
            caught.append("".join(format_exception(error.value)))

        async with rooms_over(service, source) as rooms:
            for _ in range(2):
                await at_once(ask, ask)
        assert ["makes a call that needs its own token" in text for text in caught] == [True] * 4
        assert service.tokens == []


@on_both_loops
async def test_a_function_may_use_the_token_of_another_and_its_tasks_may_make_calls_later() -> None:
    service, there = Service(), anyio.Event()

    async def later() -> None:
        await there.wait()
        service.expired.add("old")  # so that a token is asked for once more
        await rooms.list()

    async def source() -> str:
        if "old" in service.tokens:
            return "new"
        group.start_soon(later)
        await rooms.with_options(token=Source(["inner"])).list()
        return "old"

    async with rooms_over(service, source) as rooms, anyio.create_task_group() as group:
        await at_once(rooms.list, rooms.list)
        there.set()
    assert service.tokens == ["inner", "old", "old", "old", "new"]


@on_both_loops
async def test_cancelling_the_task_that_asks_lets_another_one_ask() -> None:
    got: list[str] = []
    calls = count(1)

    async def source() -> str:
        await (anyio.sleep_forever() if next(calls) == 1 else anyio.lowlevel.checkpoint())
        return "something"

    async def take() -> None:
        got.append((await token_from(provider)).text)

    provider = make_provider(source, Clock())
    async with anyio.create_task_group() as group, anyio.create_task_group() as first:
        for tasks in (first, first, *[group] * 5):
            tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
        first.cancel_scope.cancel()
    assert got == ["something"] * 5
    assert next(calls) == 3
