"""Pytest plugin: fixtures and a marker for tests of code that uses ``netless_rooms``.

pytest loads it by itself.  The fixtures are plain functions that return objects, so they work with anyio's plugin,
pytest-asyncio and Trio, and in synchronous tests.  pytest imports this module in every run where the package is
installed, so the emulator, which needs the extra ``emulator``, is imported only when a fixture is used.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

import pytest

from netless_rooms._client import AsyncRooms
from netless_rooms._retries import RetryPolicy
from netless_rooms._validation import check_time, check_type
from netless_rooms.models import Region

if TYPE_CHECKING:
    from netless_rooms.emulator import Emulator, Fault, RecordedRequest

__all__ = ["Clock"]

MARKER: Final = "netless_emulator"
ARGUMENTS: Final = ("rooms", "add", "quirks", "faults", "access_key", "secret_key")


def pytest_configure(config: pytest.Config) -> None:
    about = (
        f"{MARKER}(*, rooms=0, add=(), quirks=Quirks(), faults=(), access_key=..., secret_key=...): "
        "configure the service of the netless_... fixtures: rooms is a number of generated rooms, add has further "
        "rooms, each a mapping with the service's names, and the rest are arguments of Emulator. Use it on a "
        "function, a class or a module; each argument is taken from the marker closest to the test."
    )
    config.addinivalue_line("markers", about)


class Clock:
    """The clock of an emulator and its ``AsyncRooms``: this machine's, until a test changes it."""

    _added: float = 0.0
    _stopped: float | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(now={self():.3f})"

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        return self._added + (time.time() if self._stopped is None else self._stopped)

    def advance(self, by: float | timedelta) -> None:
        """Move the clock forward by seconds or a ``timedelta``, 0 or more.  Nothing sleeps.

        Raises ``TypeError`` for another type, ``ValueError`` if it is negative or not finite.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        check_type("by", seconds, (int, float), "a number of seconds or a timedelta")
        if not (isfinite(seconds) and seconds >= 0):
            raise ValueError(f"by must be finite and not negative, not {by}")
        self._added += seconds

    def stop_at(self, moment: datetime) -> None:
        """Stop the clock at ``moment``, an aware ``datetime``, until ``advance`` or the next ``stop_at``.

        Raises ``TypeError`` for another type, ``ValueError`` without a time zone.
        """
        self._stopped, self._added = check_time("moment", moment).timestamp(), 0.0


@pytest.fixture
def netless_clock() -> Clock:
    """The clock of the emulator and of ``netless_client``: call ``advance(seconds)`` or ``stop_at(moment)``."""
    return Clock()


@pytest.fixture
def netless_emulator(request: pytest.FixtureRequest, netless_clock: Clock) -> "Emulator":
    """A new emulator of the service, configured by the test's marker ``netless_emulator``; empty without one."""
    try:
        return emulator_for(request.node, netless_clock)
    except ImportError as error:
        # Not a skip, because a skipped test would go unnoticed.
        pytest.fail(f"this fixture cannot be made: {error}", pytrace=False)
    except (TypeError, ValueError) as error:
        pytest.fail(f"@pytest.mark.{MARKER}: {error}", pytrace=False)


@pytest.fixture
def netless_client(netless_emulator: "Emulator") -> AsyncRooms:
    """An ``AsyncRooms`` that reaches the emulator in process, with an admin token, on any event loop.

    It retries as often as the default policy, without delays.  A response with a ``Retry-After`` is not retried.
    """
    from netless_rooms.emulator.asgi import client_of

    emulator, retry = netless_emulator, RetryPolicy(wait_initial=0, wait_max=0, retry_after_max=0)
    client = client_of(emulator.app)  # holds nothing open that must be closed
    return AsyncRooms(client, token=emulator.key, region=Region.US_SV, retry=retry, clock=emulator.clock)


@pytest.fixture
def netless_faults(netless_emulator: "Emulator") -> "list[Fault | None]":
    """The emulator's list of faults for the next requests, empty or from the marker, for the test to fill."""
    return netless_emulator.faults


@pytest.fixture
def netless_requests(netless_emulator: "Emulator") -> "list[RecordedRequest]":
    """The requests to the emulator: method, path, query and status of each, never a token."""
    return netless_emulator.requests


@pytest.fixture
def netless_base_url(netless_emulator: "Emulator") -> Iterator[str]:
    """The address of the emulator, served in a background thread on a port of this machine until the test ends."""
    from anyio.from_thread import start_blocking_portal

    serving = netless_emulator.serve()
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving) as base_url:
        yield base_url


def emulator_for(item: pytest.Item, clock: Clock) -> "Emulator":
    """Return the emulator for a test's markers; raise ``TypeError`` or ``ValueError`` if they are wrong."""
    from netless_rooms.emulator import Emulator

    arguments: dict[str, Any] = {}
    # From package, module, class, derived class and function to parameter: the last one wins.
    for mark in (mark for node in item.listchain() for mark in node.own_markers if mark.name == MARKER):
        arguments |= _check_arguments(mark)
    added = arguments.pop("add", ())
    emulator = Emulator(clock=clock, **arguments)
    for index, members in enumerate(added):
        if not isinstance(members, Mapping):
            raise TypeError(f"add[{index}] must be a mapping such as {{'limit': 5}}, not {type(members).__name__}")
        try:
            emulator.add_room(**members)
        except (TypeError, ValueError) as error:
            raise ValueError(f"add[{index}]: {error}") from error
    return emulator


def _check_arguments(mark: pytest.Mark) -> Mapping[str, Any]:
    """Return the arguments of a marker, after a check of what the emulator does not check."""
    if mark.args:
        raise TypeError("it takes arguments by name only, such as rooms=25")
    if unknown := sorted(mark.kwargs.keys() - {*ARGUMENTS}):
        raise TypeError(f"it takes {', '.join(ARGUMENTS)}, and not {', '.join(unknown)}")
    for name in mark.kwargs.keys() & {"add", "faults"}:
        value = mark.kwargs[name]
        if not isinstance(value, Iterable) or isinstance(value, Mapping | str):
            raise TypeError(f"{name} must be a list, not {type(value).__name__}")
        if isinstance(value, Iterator):
            raise TypeError(f"{name} must be a list: an iterator would be empty after the first test")
    return mark.kwargs
