"""The pytest plugin: its fixtures with every async plugin, its clock and its marker."""

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from netless_rooms import AsyncRooms, RateLimitedError, ServerError, pytest_plugin
from netless_rooms.emulator import Emulator, Failure, Quirks, RecordedRequest
from netless_rooms.pytest_plugin import Clock
from selection import exhaustive

STRICT = """
[pytest]
addopts = --strict-markers --strict-config -p no:sybil -p no:cacheprovider -p no:randomly
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""


def test_without_the_extra_a_test_fails_and_says_what_to_install(pytester: Any, monkeypatch: Any) -> None:
    for name in [name for name in sys.modules if name.startswith("netless_rooms")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    pytester.makeini(STRICT)
    pytester.makepyfile("def test_it(netless_client):\n    pass\n\ndef test_other():\n    pass\n")
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(errors=1, passed=1)
    ran.stdout.fnmatch_lines(["*pip install 'netless-rooms[[]emulator[]]'"])


PAGE = Path(__file__).parent.parent / "docs" / "howto" / "testing.md"
PLUGINS = [("anyio", "", 2), ("", "asyncio_mode = auto", 1), ("", "trio_mode = true", 1)]
PLUGINS += exhaustive(pytest.param(name, "", 1) for name in ("asyncio", "trio"))


@pytest.mark.parametrize(("mark", "ini", "loops"), PLUGINS)
def test_the_page_passes_with_every_async_plugin(mark: str, ini: str, loops: int, pytester: Any) -> None:
    about, _, _ = PAGE.read_text("utf-8").partition("## Without the plugin")
    page = "\n\n".join(re.findall(r"(?ms)^```python\n(.*?)^```$", about))
    asynchronous, others = page.count("\nasync def test_"), page.count("\ndef test_")
    if mark != "anyio":  # as the page says
        page = page.replace("\npytestmark = pytest.mark.anyio\n", "")
        page = page.replace("\nasync def test_", f"\n{mark and f'@pytest.mark.{mark}'}\nasync def test_")
    pytester.makeini(STRICT + ini)
    pytester.makepyfile(page)
    readings = 4 - 1
    pytester.runpytest_inprocess().assert_outcomes(passed=loops * (asynchronous + readings) + others)


def test_the_page_names_every_fixture_and_argument(pytestconfig: pytest.Config) -> None:
    page = PAGE.parent.parent.joinpath("reference", "fixtures.md").read_text("utf-8")
    rows = re.findall(r"(?m)^\| `.*?\||^The marker .+", page)
    named = set(re.findall(r"`(\w+)`", "".join(rows)))
    fixtures = {name for name in vars(pytest_plugin) if name.startswith("netless_")}
    (marker,) = [line for line in pytestconfig.getini("markers") if line.startswith("netless_emulator(")]
    assert named == fixtures | {"netless_emulator", *re.findall(r"(\w+)=", marker)}


@pytest.mark.anyio
@pytest.mark.netless_emulator(faults=[*4 * [Failure(503)], Failure(429, retry_after=20)])
async def test_retries_do_not_wait(netless_client: AsyncRooms, netless_requests: list[RecordedRequest]) -> None:
    with pytest.raises(ServerError) as failed:
        await netless_client.list()
    assert [attempt.waited for attempt in failed.value.attempts] == [0, 0, 0, 0]
    with pytest.raises(RateLimitedError) as refused:
        await netless_client.list()
    assert refused.value.retry_after == 20
    assert [request.status for request in netless_requests] == [503, 503, 503, 503, 429]


@pytest.mark.anyio
async def test_time_that_passes_expires_tokens(
    netless_client: AsyncRooms, netless_clock: Clock, netless_requests: Any
) -> None:
    netless_clock.stop_at(datetime(2020, 2, 1, 8, tzinfo=UTC))
    first = await netless_client.create()
    netless_clock.advance(timedelta(hours=1))  # the token of the first call has expired
    second = await netless_client.create()
    assert second.created_at - first.created_at == timedelta(hours=1)
    assert [request.status for request in netless_requests] == [201, 201]


def test_the_clock_runs_until_it_is_stopped_and_takes_a_finite_time(monkeypatch: Any) -> None:
    clock = Clock()
    monkeypatch.setattr("time.time", lambda: 100.0)
    clock.advance(60)
    clock.advance(0)
    assert clock() == 160
    monkeypatch.setattr("time.time", lambda: 200.0)
    assert clock() == 260
    clock.stop_at(datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC))
    assert clock() == 7
    clock.advance(1.5)
    wrong: list[Any] = [-0.5, timedelta(seconds=-1), float("inf"), "1", True]
    for by in wrong:
        with pytest.raises(TypeError if isinstance(by, str | bool) else ValueError, match="by must be "):
            clock.advance(by)
    with pytest.raises(ValueError, match="moment must be aware"):
        clock.stop_at(datetime(2020, 2, 1))  # noqa: DTZ001
    assert repr(clock) == "Clock(now=8.500)"


@pytest.mark.netless_emulator(
    rooms=2,
    add=[{"uuid": "mine", "isBan": True}, {"createdAt": "2020-02-01T08:00:00.000Z"}],
    quirks=Quirks(envelope=True),
    faults=[None, Failure(503)],
    access_key="my-access-key",
    secret_key="my-secret-key",
)
class TestOfAClass:
    def test_the_marker_says_what_the_service_is_like_for_each_test_anew(self, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == 4
        assert netless_emulator.room("mine")["isBan"]
        assert netless_emulator.faults == [None, Failure(503)]
        key = netless_emulator.key
        assert (key.access_key, key.secret_key) == ("my-access-key", "my-secret-key")
        netless_emulator.faults.clear()

    @pytest.mark.netless_emulator(rooms=0)
    @pytest.mark.parametrize("count", [2, pytest.param(5, marks=pytest.mark.netless_emulator(rooms=3, faults=[]))])
    def test_the_closest_marker_wins_for_each_argument(self, count: int, netless_emulator: Emulator) -> None:
        assert netless_emulator.room_count == count
        assert netless_emulator.faults == ([None, Failure(503)] if count == 2 else [])


WRONG = {
    "25": "it takes arguments by name only, such as rooms=25",
    "room=25": "it takes rooms, add, quirks, faults, access_key, secret_key, and not room",
    "rooms=-1": "rooms must be*",
    "add={'isBan': True}": "add must be a list, not dict",
    "add='ab'": "add must be a list, not str",
    "add=7": "add must be a list, not int",
    "add=[True]": "add[[]0[]] must be a mapping such as {'limit': 5}, not bool",
    "add=[{}, {'uuid': 7}]": "add[[]1[]]: uuid must be a string, not int",
    "add=[{'uuid': 'a'}, {'uuid': 'a'}]": "add[[]1[]]: there is a room a already",
    "faults=[503]": "faults must be faults or None, such as Closed(), not 503",
    "faults=iter([None])": "faults must be a list: an iterator would be empty after the first test",
    "quirks='exclusive'": "quirks must be Quirks, not str",
}


def test_a_wrong_marker_is_an_error_of_one_line(pytester: pytest.Pytester) -> None:
    tests = [
        f"@pytest.mark.netless_emulator({arguments})\ndef test_{number}(netless_client):\n    pass\n"
        for number, arguments in enumerate(WRONG)
    ]
    pytester.makeini(STRICT)
    pytester.makepyfile("import pytest\n\n" + "\n".join(tests))
    ran = pytester.runpytest_inprocess()
    ran.assert_outcomes(errors=len(WRONG))
    for number, text in enumerate(WRONG.values()):
        ran.stdout.fnmatch_lines([f"*ERROR at setup of test_{number} *", f"@pytest.mark.netless_emulator: {text}"])
    ran.stdout.no_fnmatch_line("*Traceback*")
