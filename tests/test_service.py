"""``AsyncRooms``: its five calls, its options, and what it refuses before anything is sent."""

import asyncio
import copy
import pickle
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from inspect import iscoroutinefunction, signature
from itertools import product
from math import inf, nan
from traceback import extract_tb
from typing import Any
from unittest.mock import Mock, create_autospec

import anyio
import httpx
import pytest

from fakes import ONCE, TOKEN, answer
from netless_rooms import AccessKey, AsyncRooms, errors
from netless_rooms.emulator import Emulator, Failure
from samples import UUID

pytestmark = pytest.mark.anyio


must_not_send = Mock(side_effect=AssertionError)


def rooms_over(script: Callable[[httpx.Request], httpx.Response] = must_not_send, **options: Any) -> AsyncRooms:
    usual: dict[str, Any] = {"token": TOKEN, "region": "us-sv", "retry": ONCE}
    return AsyncRooms(httpx.AsyncClient(transport=httpx.MockTransport(script)), **usual | options)


async def test_a_wrong_argument_is_refused_before_anything_is_sent_and_so_is_a_copy() -> None:
    rooms: Any = rooms_over()
    calls: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        *((rooms.get, {"uuid": "../teams"}, ValueError), (rooms.get, {"uuid": None}, TypeError)),
        *((rooms.disable, {"uuid": "a/b"}, ValueError), (rooms.enable, {"uuid": "a?b"}, ValueError)),
        *((rooms.list, {"limit": 1001}, ValueError), (rooms.list, {"begin_uuid": ""}, ValueError)),
        *((rooms.create, {"limit": -1}, ValueError), (rooms.create, {"is_record": "no"}, TypeError)),
    ]
    for call, argument, error in calls:
        with pytest.raises(error):
            await call(**argument)
    for take in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="an HTTP client, which belongs to this process; make one in each"):
            take(rooms_over())


TIMEOUTS: list[dict[str, Any]] = [{"timeout": timeout} for timeout in (0, nan, inf, 10**400, "5", True)]


def test_a_wrong_option_is_refused_without_showing_it() -> None:
    wrong: dict[type[Exception], list[dict[str, Any]]] = {
        ValueError: [{"token": "a\r\nb"}, {"region": "us\nsv"}, {"region": TOKEN}, *TIMEOUTS[:4]],
        TypeError: [{"token": b"bytes"}, {"region": None}, {"retry": None}, {"check_token": "no"}, *TIMEOUTS[4:]],
    }
    rooms_over().with_options(timeout=1e-9)
    for error in wrong:
        for options, refuse in product(wrong[error], (rooms_over().with_options, rooms_over)):
            with pytest.raises(error, match=next(iter(options))) as caught:
                refuse(**options)
            assert "a\r" not in str(caught.value)
            assert TOKEN not in str(caught.value)
    others: list[tuple[str, Any, type[Exception], str]] = [
        ("clock", 1_700_000_000.0, TypeError, "clock must be a function, not float"),
        ("retry", 3, TypeError, "retry must be a RetryPolicy, not int"),
        ("allow_http", 1, TypeError, "allow_http"),
        *(("base_url", url, ValueError, "base_url") for url in ("http://api.netless.link", "https://[::1")),
        *(("base_url", f"https://{odd}", ValueError, "base_url cannot be read") for odd in ("999.1.1.1", "xn--a")),
    ]
    for name, value, kind, words in others:
        with pytest.raises(kind, match=words):
            rooms_over(**{name: value})
    with httpx.Client() as client, pytest.raises(TypeError, match=r"an httpx2\.AsyncClient, not Client"):
        AsyncRooms(client, token=TOKEN, region="sg")  # type: ignore[arg-type]  # that is the point


async def test_options_make_a_sibling_and_leave_the_original_alone() -> None:
    sent: list[tuple[str, str, str]] = []

    class OurRooms(AsyncRooms): ...

    def script(request: httpx.Request) -> httpx.Response:
        sent.append((request.url.path, request.headers["token"], request.headers["region"]))
        return answer([])

    client = httpx.AsyncClient(transport=httpx.MockTransport(script))
    rooms = OurRooms(client, token=TOKEN, region="us-sv", base_url="http://127.0.0.1:1/netless/")
    sibling = rooms.with_options(token="another", region="sg", timeout=2.5, retry=ONCE, check_token=False)
    assert type(sibling) is OurRooms
    assert repr(rooms) == "OurRooms(region='us-sv', base_url='http://127.0.0.1:1/netless')"
    for asked in (rooms, sibling, sibling.with_options()):
        await asked.list()
    assert sent == [("/netless/v5/rooms", *each) for each in [(TOKEN, "us-sv"), *[("another", "sg")] * 2]]


SET: dict[str, str] = {"NETLESS_ACCESS_KEY": "ak", "NETLESS_SECRET_KEY": "sk", "NETLESS_REGION": "sg"}
MISSING = "set NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"
SETTINGS: list[tuple[dict[str, str], dict[str, Any], str]] = [
    ({}, {}, f"{MISSING}; and NETLESS_REGION, such as us-sv (or pass token= and region=)"),
    *(({}, {"region": "sg"}, f"{MISSING} (or"), ({}, {"token": TOKEN}, "set NETLESS_REGION, such")),
    ({"NETLESS_ACCESS_KEY": "ak"}, {}, "incomplete access key: also set NETLESS_SECRET_KEY; and NETLESS_REGION"),
    (SET | {"NETLESS_TOKEN": TOKEN}, {}, "NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset one"),
    (SET | {"NETLESS_REGION": "eu"}, {"token": ""}, "token must be printable"),
    (SET | {"NETLESS_BASE_URL": "nowhere"}, {}, "base_url must look"),
]


async def test_a_missing_or_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment, arguments, words in SETTINGS:
        for name in (*SET, "NETLESS_TOKEN", "NETLESS_BASE_URL"):
            monkeypatch.setenv(name, environment.get(name, ""))
        with pytest.raises(errors.InvalidArgumentError) as caught:
            async with AsyncRooms.open(**arguments):
                pass
        assert str(caught.value).startswith(words)
        if not environment:
            with pytest.raises(ValueError, match=r"^set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY$"):
                AccessKey.from_env()


async def test_the_environment_and_the_clock_are_read_when_used(emulator: Emulator, monkeypatch: Any) -> None:
    keys = {"ACCESS_KEY": emulator.key.access_key, "SECRET_KEY": emulator.key.secret_key}
    async with emulator.serve() as base_url:
        for credentials in (keys, {"TOKEN": emulator.token(), "SECRET_KEY": ""}):
            for name, value in (credentials | {"BASE_URL": base_url, "REGION": "cn-hz"}).items():
                monkeypatch.setenv(f"NETLESS_{name}", value)
            async with AsyncRooms.open(timeout=9) as rooms:
                assert len(await rooms.list()) == 25
            if "TOKEN" not in credentials:
                assert AccessKey.from_env() == emulator.key
    async with AsyncRooms.open(token=TOKEN, region="sg", base_url="https://mirror.example") as rooms:
        assert repr(rooms) == "AsyncRooms(region='sg', base_url='https://mirror.example')"
    rooms, now = rooms_over(token=emulator.token(lifetime=timedelta(60))), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61 * 86_400)
    with pytest.raises(errors.TokenError, match="the token expired at"):
        await rooms.list()


async def test_open_takes_every_option_and_closes_its_client() -> None:
    emulator = Emulator(rooms=3, faults=[Failure(503)])
    options: dict[str, Any] = {"token": emulator.token(lifetime=timedelta(60)), "region": "sg", "retry": ONCE}
    options["clock"] = lambda: emulator.clock() + 86_400 * 60
    async with emulator.serve() as base_url:
        async with AsyncRooms.open(**options, base_url=base_url, check_token=False) as rooms:
            assert repr(rooms) == f"AsyncRooms(region='sg', base_url={base_url!r})"
            with pytest.raises(errors.ServerError):
                await rooms.list()
            assert len(await rooms.list()) == 3
        with pytest.raises(errors.ClientUnusableError, match="it has been closed"):
            await rooms.list()
        async with AsyncRooms.open(**options, base_url=base_url + "/") as rooms:
            with pytest.raises(errors.TokenError, match="expired"):
                await rooms.list()
    async with AsyncRooms.open(**options, base_url="http://mirror.example", allow_http=True):
        pass


USAGE = r": async with AsyncRooms\.open\(\.\.\.\) as rooms: "


async def test_open_is_of_use_once_and_within_async_with() -> None:
    opened: Any = AsyncRooms.open(token=TOKEN, region="sg")
    enter = ExitStack().enter_context
    uses: list[Callable[[Any], object]] = [lambda it: iter(it.__await__()), aiter, lambda it: it.get(UUID), enter]
    for use in uses:
        with pytest.raises((TypeError, AttributeError), match=USAGE):
            use(opened)
    with pytest.raises(ZeroDivisionError) as raised:
        async with opened:
            _ = 1 / 0
    assert [frame.filename for frame in extract_tb(raised.value.__traceback__)] == [__file__]
    with pytest.raises(RuntimeError, match="only once; make a new one: async with"):
        async with opened:
            pass


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # for its create_task()
async def test_a_loop_over_a_page_names_walk_and_a_call_is_a_coroutine_for_all_else(rooms: AsyncRooms) -> None:
    with pytest.raises(TypeError, match=r"list\(\) returns one page: await it; .* rooms.walk\(\)"):
        async for _ in rooms.list():  # type: ignore[attr-defined]  # that is the point
            pass
    with pytest.raises(TypeError, match="await it"):
        list(rooms.list())  # type: ignore[call-overload]
    async with anyio.create_task_group() as group:
        group.start_soon(rooms.list)
    assert len(await asyncio.create_task(rooms.list(limit=3))) == 3
    for method in (rooms.list, AsyncRooms.list, create_autospec(AsyncRooms).list):
        assert iscoroutinefunction(method)
    assert signature(rooms.list).parameters.keys() == {"begin_uuid", "limit"}
