"""The pytest plugin: its fixtures on every runner, its marker, and what it costs those who do not use it."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from inspect import iscoroutinefunction, isgeneratorfunction
from pathlib import Path
from typing import Any

import httpx
import pytest

from netless_rooms import AsyncRooms, RateLimitedError, ServerError, pytest_plugin
from netless_rooms.emulator import Emulator, Failure, Fault, Quirks, RecordedRequest
from netless_rooms.pytest_plugin import Clock

anyio_asks = pytest.mark.anyio

STRICT = """
[pytest]
addopts = --strict-markers --strict-config -p no:sybil -p no:cacheprovider
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

ON_EACH_RUNNER = """
import pytest
from netless_rooms import AsyncRooms
from netless_rooms.emulator import Failure

{head}

@pytest.mark.netless_emulator(rooms=3)
{mark}
async def test_it(netless_rooms, netless_emulator, netless_faults, netless_requests, netless_base_url):
    netless_faults += [Failure(503), Failure(503)]
    assert len(await netless_rooms.list()) == 3
    assert [request.status for request in netless_requests] == [503, 503, 200]
    async with AsyncRooms.open(
        token=netless_emulator.key, region="us-sv", base_url=netless_base_url
    ) as over_a_socket:
        created = await over_a_socket.create()
    assert (await netless_rooms.get(created.uuid)) == created
"""

ANYIO = "@pytest.fixture\ndef anyio_backend():\n    return {!r}"
RUNNERS = {
    "anyio on asyncio": (ANYIO.format("asyncio"), "@pytest.mark.anyio", ""),
    "anyio on Trio": (ANYIO.format("trio"), "@pytest.mark.anyio", ""),
    "pytest-asyncio, strict": ("", "@pytest.mark.asyncio", "asyncio_mode = strict"),
    "pytest-asyncio, auto": ("", "", "asyncio_mode = auto"),
    "pytest-trio": ("", "@pytest.mark.trio", ""),
    "pytest-trio, for all": ("", "", "trio_mode = true"),
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_the_fixtures_work_alike_on_every_runner(runner: str, pytester: pytest.Pytester) -> None:
    head, mark, ini = RUNNERS[runner]
    pytester.makeini(STRICT + ini)
    pytester.makepyfile(ON_EACH_RUNNER.format(head=head, mark=mark))
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_pytest_finds_the_plugin_by_itself() -> None:
    (found,) = entry_points(group="pytest11", name="netless_rooms")
    assert found.load() is pytest_plugin


def test_every_fixture_is_a_plain_function() -> None:
    fixtures = [value for name, value in vars(pytest_plugin).items() if name.startswith("netless_")]
    assert len(fixtures) == 6
    for fixture in fixtures:
        function = fixture._get_wrapped_function()
        assert not iscoroutinefunction(function)
        assert not isgeneratorfunction(function) or "base_url" in function.__name__


def test_who_does_not_use_it_does_not_import_the_emulator() -> None:
    code = (
        "import sys, netless_rooms.pytest_plugin;"
        "print({'netless_rooms.emulator', 'httpx', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


def test_the_marker_is_told_by_pytest(pytester: pytest.Pytester) -> None:
    pytester.makeini(STRICT)
    told = pytester.runpytest_inprocess("--markers")
    told.stdout.fnmatch_lines(["@pytest.mark.netless_emulator(*, rooms=0,*"])


def test_without_the_extra_a_test_fails_and_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("netless_rooms")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    pytester.makeini(STRICT)
    pytester.makepyfile("def test_it(netless_rooms):\n    pass\n\ndef test_other():\n    pass\n")
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(errors=1, passed=1)
    ran.stdout.fnmatch_lines(["*pip install 'netless-rooms[[]emulator[]]'"])


# The page about it

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "testing.md"


@pytest.mark.parametrize(("mark", "loops"), [("anyio", 2), ("asyncio", 1), ("trio", 1)])
def test_the_tests_of_the_page_pass(mark: str, loops: int, pytester: pytest.Pytester) -> None:
    told, _, _ = PAGE.read_text("utf-8").partition("## Without the plugin")
    page = "\n\n".join(re.findall(r"(?ms)^```python\n(.*?)^```$", told))
    asynchronous, others = page.count("\nasync def test_"), page.count("\ndef test_")
    if mark != "anyio":  # as the page says
        page = page.replace("\npytestmark = pytest.mark.anyio\n", "")
        page = page.replace("\nasync def test_", f"\n@pytest.mark.{mark}\nasync def test_")
    pytester.makeini(STRICT)
    pytester.makepyfile(page)
    readings = 4 - 1
    pytester.runpytest_inprocess().assert_outcomes(passed=loops * (asynchronous + readings) + others)


def test_the_page_tells_of_every_fixture_and_argument() -> None:
    told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"(?m)^\| (`.+?) \|", PAGE.read_text("utf-8")))))
    fixtures = {name for name in vars(pytest_plugin) if name.startswith("netless_")}
    assert told == fixtures | set(pytest_plugin.TAKEN)


# What the fixtures return


def test_without_a_marker_the_emulator_is_empty(netless_emulator: Emulator) -> None:
    assert netless_emulator.room_count == 0


def test_all_fixtures_are_about_one_emulator(
    netless_emulator: Emulator,
    netless_faults: list[Fault | None],
    netless_requests: list[RecordedRequest],
    netless_clock: Clock,
) -> None:
    assert netless_faults is netless_emulator.faults
    assert netless_requests is netless_emulator.requests
    assert netless_clock is netless_emulator.clock


@anyio_asks
async def test_a_retry_does_not_wait(netless_rooms: AsyncRooms, netless_faults: list[Fault | None]) -> None:
    netless_faults += [Failure(503)] * 4
    with pytest.raises(ServerError) as raised:
        await netless_rooms.list()
    assert [attempt.waited for attempt in raised.value.attempts] == [0, 0, 0, 0]


@anyio_asks
async def test_an_answer_that_asks_to_wait_is_raised_at_once(
    netless_rooms: AsyncRooms, netless_faults: list[Fault | None], netless_requests: list[RecordedRequest]
) -> None:
    netless_faults.append(Failure(429, retry_after=20))
    with pytest.raises(RateLimitedError) as raised:
        await netless_rooms.list()
    assert raised.value.retry_after == 20
    assert len(netless_requests) == 1


@anyio_asks
async def test_what_is_no_fault_is_refused_in_the_call_that_comes_to_it(
    netless_rooms: AsyncRooms, netless_faults: list[Any]
) -> None:
    netless_faults += [None, Failure(503, on="create"), 503]
    await netless_rooms.list()
    with pytest.raises(TypeError, match=r"faults must be faults or None, such as Closed\(\), not int"):
        await netless_rooms.list()


def test_a_test_without_a_loop_can_ask_the_address(netless_base_url: str, netless_emulator: Emulator) -> None:
    headers = {"token": netless_emulator.token(), "region": "sg"}
    assert httpx.post(f"{netless_base_url}/v5/rooms", headers=headers, json={}).status_code == 201
    assert netless_emulator.room_count == 1


def test_the_server_is_stopped_behind_the_test(pytester: pytest.Pytester) -> None:
    pytester.makeini(STRICT)
    pytester.makepyfile("""
        import threading
        import httpx
        import pytest

        urls = []

        def threads():
            return {thread for thread in threading.enumerate() if thread.name == "netless-rooms-emulator"}

        others = threads()  # of the tests around these

        def test_with(netless_base_url):
            urls.append(netless_base_url)
            assert httpx.get(netless_base_url).status_code == 404
            assert threads() > others

        def test_without(netless_rooms):
            assert threads() <= others
            with pytest.raises(httpx.ConnectError):
                httpx.get(urls[0])
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


# The clock


@anyio_asks
async def test_time_that_passes_ends_tokens_and_dates_rooms(
    netless_rooms: AsyncRooms, netless_clock: Clock, netless_requests: list[RecordedRequest]
) -> None:
    netless_clock.stop_at(datetime(2020, 2, 1, 8, tzinfo=UTC))
    first = await netless_rooms.create()
    netless_clock.advance(timedelta(hours=1))  # the token of the first call is of no use any more
    second = await netless_rooms.create()
    assert second.created_at - first.created_at == timedelta(hours=1)
    assert [request.status for request in netless_requests] == [201, 201]


def test_the_clock_is_the_machines_until_it_is_changed() -> None:
    clock = Clock()
    before = time.time()
    assert before <= clock() <= time.time()
    clock.advance(60)
    assert before + 60 <= clock() <= time.time() + 60


def test_a_stopped_clock_moves_only_when_it_is_told_to() -> None:
    clock = Clock()
    clock.advance(5)
    clock.stop_at(datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC))
    assert clock() == 7
    clock.advance(1.5)
    assert clock() == 8.5
    assert repr(clock) == "Clock(now=8.500)"


@pytest.mark.parametrize("by", [-1, float("nan"), float("inf"), timedelta(seconds=-1)])
def test_time_does_not_go_back_or_for_ever(by: Any) -> None:
    with pytest.raises(ValueError, match="by must be finite and not negative"):
        Clock().advance(by)


@pytest.mark.parametrize("by", ["1", True, None])
def test_time_is_a_number_or_a_timedelta(by: Any) -> None:
    with pytest.raises(TypeError, match="by must be a number of seconds or a timedelta"):
        Clock().advance(by)


def test_a_moment_has_a_time_zone() -> None:
    with pytest.raises(ValueError, match="moment must be aware"):
        Clock().stop_at(datetime(2020, 2, 1))  # noqa: DTZ001


# The marker


@pytest.mark.netless_emulator(
    rooms=2,
    add=[{"uuid": "mine", "isBan": True}, {"createdAt": "2020-02-01T08:00:00.000Z"}],
    quirks=Quirks(envelope=True),
    faults=[None, Failure(503)],
    access_key="my-access-key",
    secret_key="my-secret-key",
)
def test_a_marker_says_what_the_service_is_like(netless_emulator: Emulator) -> None:
    assert netless_emulator.room_count == 4
    assert netless_emulator.room("mine")["isBan"]
    assert netless_emulator.faults == [None, Failure(503)]
    assert netless_emulator.key.access_key == "my-access-key"


@pytest.mark.netless_emulator(rooms=1, faults=[Failure(503)])
class TestOfAClass:
    def test_its_marker_is_in_force(self, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == 1
        netless_emulator.faults.clear()

    def test_each_test_has_a_service_of_its_own(self, netless_faults: list[Fault | None]) -> None:
        assert netless_faults == [Failure(503)]

    @pytest.mark.netless_emulator(rooms=2)
    def test_an_argument_of_the_function_wins_and_the_others_stay(self, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == 2
        assert netless_emulator.faults == [Failure(503)]

    @pytest.mark.netless_emulator(rooms=2)
    @pytest.mark.parametrize(
        "count", [2, pytest.param(3, marks=pytest.mark.netless_emulator(rooms=3, faults=[]))], ids=str
    )
    def test_an_argument_of_a_parameter_wins_over_that(self, count: int, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == count
        assert len(netless_emulator.faults) == (count == 2)


@pytest.mark.netless_emulator(rooms=4)
class TestOfADerivedClass(TestOfAClass):
    def test_its_marker_is_in_force(self, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == 4
        assert netless_emulator.faults == [Failure(503)]


def test_a_marker_of_the_module_is_in_force_for_all_of_it(pytester: pytest.Pytester) -> None:
    pytester.makeini(STRICT)
    pytester.makepyfile("""
        import pytest

        pytestmark = pytest.mark.netless_emulator(rooms=5)

        def test_of_the_module(netless_emulator):
            assert netless_emulator.room_count == 5

        @pytest.mark.netless_emulator(rooms=6)
        class TestOfAClass:
            def test_of_the_class(self, netless_emulator):
                assert netless_emulator.room_count == 6
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


WRONG = {
    "25": "it takes arguments by name only, such as rooms=25",
    "room=25": "it takes rooms, add, quirks, faults, access_key, secret_key, and not room",
    "rooms=-1": "rooms must be*",
    "add={'isBan': True}": "add must be a list, not dict",
    "add=7": "add must be a list, not int",
    "add=[True]": "add[[]0[]] must be a mapping such as {'limit': 5}, not bool",
    "add=[{}, {'uuid': 7}]": "add[[]1[]]: uuid must be a string, not int",
    "add=[{'uuid': 'a'}, {'uuid': 'a'}]": "add[[]1[]]: there is a room a already",
    r"add=[{'name': '\ud800'}]": "add[[]0[]]: *",
    "add=[{'created_at': 'soon', 'is_ban': True}]": "add[[]0[]]: members are in the service's words: createdAt*",
    "faults=[503]": "faults must be faults or None, such as Closed(), not int",
    "faults=iter([None])": "faults must be a list: of an iterator, only the first test would get anything",
    "quirks='exclusive'": "quirks must be Quirks, not str",
}


def test_a_wrong_marker_is_an_error_of_one_line(pytester: pytest.Pytester) -> None:
    tests = [
        f"@pytest.mark.netless_emulator({arguments})\ndef test_{number}(netless_rooms):\n    pass\n"
        for number, arguments in enumerate(WRONG)
    ]
    pytester.makeini(STRICT)
    pytester.makepyfile("import pytest\n\n" + "\n".join(tests))
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(errors=len(WRONG))
    for number, text in enumerate(WRONG.values()):
        ran.stdout.fnmatch_lines([f"*ERROR at setup of test_{number} *", f"@pytest.mark.netless_emulator: {text}"])
    ran.stdout.no_fnmatch_line("*Traceback*")
