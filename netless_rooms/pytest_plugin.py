"""The pytest plugin: fixtures and a marker for tests of code that uses ``netless_rooms``.

pytest finds it by itself.  The fixtures are plain functions that return objects, and so work alike on anyio's
plugin, pytest-asyncio and Trio, and in tests that are not asynchronous.  Since pytest imports this module in every
run of everybody who has the package, the emulator is imported only when a fixture is asked for: it needs the extra
``emulator``, and takes its time.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import pytest

from netless_rooms._client import AsyncRooms
from netless_rooms._retries import RetryPolicy
from netless_rooms._validation import check_time
from netless_rooms.models import Region

if TYPE_CHECKING:
    from netless_rooms.emulator import Emulator, Fault, RecordedRequest

__all__ = ["Clock"]

MARKER: Final = "netless_emulator"
TAKEN: Final = ("rooms", "add", "quirks", "faults", "access_key", "secret_key")
MEANING: Final = (
    f"{MARKER}(*, rooms=0, add=(), quirks=Quirks(), faults=(), access_key=..., secret_key=...): "
    "what the service of the netless_... fixtures is like: so many generated rooms, the rooms in add, each a "
    "mapping in the service's words, and what else an Emulator takes. On a function, a class or a module; each "
    "argument is taken from the marker that is closest to the test."
)

# As often as usual, and without a wait: what a test sees is what its code would see, only sooner.
AT_ONCE: Final = RetryPolicy(wait_initial=0, wait_max=0, retry_after_max=0)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MEANING)


class Clock:
    """The time that an emulator and its ``AsyncRooms`` go by: the machine's, until a test changes it.

    .. versionadded:: 0.1
    """

    def __init__(self) -> None:
        self._added = 0.0
        self._stopped: float | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self():.3f})"

    def __call__(self) -> float:
        """Return the seconds since the epoch."""
        return self._added + (time.time() if self._stopped is None else self._stopped)

    def advance(self, by: float | timedelta) -> None:
        """Let so much time pass: seconds or a ``timedelta``, 0 or more.  Nothing waits for it.

        Raises ``TypeError`` or ``ValueError`` for what is no such length of time.

        .. versionadded:: 0.1
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise TypeError(f"by must be a number of seconds or a timedelta, not {type(by).__name__}")
        if not (isfinite(seconds) and seconds >= 0):
            raise ValueError(f"by must be finite and not negative, not {by}")
        self._added += seconds

    def stop_at(self, moment: datetime) -> None:
        """Stand still at ``moment``, which must be aware, until ``advance`` or the next ``stop_at``.

        Raises ``TypeError`` or ``ValueError`` for what is no such moment.

        .. versionadded:: 0.1
        """
        self._stopped = check_time("moment", moment).timestamp()
        self._added = 0.0


@pytest.fixture
def netless_clock() -> Clock:
    """The time of the emulator and of ``netless_rooms``, in your hand: ``advance(seconds)``, ``stop_at(moment)``.

    It is the machine's until you change it.
    """
    return Clock()


@pytest.fixture
def netless_emulator(request: pytest.FixtureRequest, netless_clock: Clock) -> "Emulator":
    """A new emulator of the service for this test, as its marker ``netless_emulator`` says; without one, empty."""
    try:
        return emulator_for(request.node, netless_clock)
    except ImportError as missing:
        # No skip: a test that quietly does not run is one that nobody misses.
        pytest.fail(f"this fixture cannot be made: {missing}", pytrace=False)
    except (TypeError, ValueError) as wrong:
        pytest.fail(f"@pytest.mark.{MARKER}: {wrong}", pytrace=False)


@pytest.fixture
def netless_rooms(netless_emulator: "Emulator") -> AsyncRooms:
    """An ``AsyncRooms`` that reaches the emulator in process, as an admin, and is ready for any event loop.

    It tries again as often as usual, but never waits for it: an answer that asks to wait is raised at once.
    """
    from netless_rooms.emulator.asgi import client_of

    client = client_of(netless_emulator.app)  # has nothing open that is to be closed
    return AsyncRooms(
        client, token=netless_emulator.key, region=Region.US_SV, retry=AT_ONCE, clock=netless_emulator.clock
    )


@pytest.fixture
def netless_faults(netless_emulator: "Emulator") -> "list[Fault | None]":
    """What goes wrong with the requests to come, a list of the emulator's, to be filled by the test."""
    return netless_emulator.faults


@pytest.fixture
def netless_requests(netless_emulator: "Emulator") -> "list[RecordedRequest]":
    """What the emulator was asked: method, path, query and status of each request, never a token."""
    return netless_emulator.requests


@pytest.fixture
def netless_base_url(netless_emulator: "Emulator") -> Iterator[str]:
    """The address of the emulator, served on a port of this machine from a background thread until the test ends.

    Only a test that asks for it has a server.  The rooms are those of the other fixtures.
    """
    from anyio.from_thread import start_blocking_portal

    serving = netless_emulator.serve()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving) as base_url:
        yield base_url


def emulator_for(item: pytest.Item, clock: Clock) -> "Emulator":
    """Return the emulator that a test's markers ask for; ``TypeError`` or ``ValueError`` if they are wrong."""
    from netless_rooms.emulator import Emulator

    asked = asked_for(item)
    emulator = Emulator(clock=clock, **{name: value for name, value in asked.items() if name != "add"})
    for index, members in enumerate(asked.get("add", ())):
        if not isinstance(members, Mapping):
            raise TypeError(f"add[{index}] must be a mapping such as {{'limit': 5}}, not {type(members).__name__}")
        try:
            emulator.add_room(**members)
        except (TypeError, ValueError) as wrong:
            raise ValueError(f"add[{index}]: {wrong}") from wrong
    return emulator


def asked_for(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of all markers around a test; of one that is there twice, the closest.

    That is by where they stand: package, module, class, a class derived from it, function, parameter.
    """
    asked: dict[str, Any] = {}
    for node in item.listchain():
        for mark in node.own_markers:
            if mark.name == MARKER:
                _check_arguments(mark)
                asked |= mark.kwargs
    return asked


def _check_arguments(mark: pytest.Mark) -> None:
    if mark.args:
        raise TypeError("it takes arguments by name only, such as rooms=25")
    unknown = sorted(mark.kwargs.keys() - set(TAKEN))
    if unknown:
        raise TypeError(f"it takes {', '.join(TAKEN)}, and not {', '.join(unknown)}")
    for name in mark.kwargs.keys() & {"add", "faults"}:
        if not isinstance(mark.kwargs[name], Iterable) or isinstance(mark.kwargs[name], Mapping | str):
            raise TypeError(f"{name} must be a list, not {type(mark.kwargs[name]).__name__}")
        if isinstance(mark.kwargs[name], Iterator):
            raise TypeError(f"{name} must be a list: of an iterator, only the first test would get anything")
