"""Where the rooms are: what every example here reads first.

From the environment, as the command line of the package does: ``NETLESS_ACCESS_KEY``, ``NETLESS_SECRET_KEY``,
``NETLESS_REGION``, and ``NETLESS_BASE_URL`` if it is not the usual one.  Or, with ``--emulator``, from an emulator
in the same process, for which no account is needed.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from netless_rooms import AccessKey, AsyncRooms, Region, RetryPolicy

if TYPE_CHECKING:
    from netless_rooms.emulator import Emulator

NEEDED = ("NETLESS_ACCESS_KEY", "NETLESS_SECRET_KEY", "NETLESS_REGION")
USUAL_BASE_URL = "https://api.netless.link"
LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10)
TIMEOUT = httpx.Timeout(5, pool=10)  # seconds; to wait for one's turn is no failure, so it may take longer


class SettingsError(Exception):
    """A setting is missing or wrong; the text says which, and what to do."""


@dataclass(frozen=True)
class Settings:
    """A project and how to reach it.  Its repr shows no secret."""

    key: AccessKey
    region: str
    base_url: str = USUAL_BASE_URL
    transport: httpx.AsyncBaseTransport | None = None
    """What requests go over instead of the network."""

    def __post_init__(self) -> None:
        """Refuse a wrong region or address now, and not at the first request."""
        try:
            self.rooms(httpx.AsyncClient(transport=httpx.AsyncBaseTransport()))
        except ValueError as wrong:
            raise SettingsError(f"NETLESS_REGION or NETLESS_BASE_URL is wrong: {wrong}") from None

    def open_client(self) -> httpx.AsyncClient:
        """Return an HTTP client: one for the whole program, which closes it in the end."""
        return httpx.AsyncClient(transport=self.transport, limits=LIMITS, timeout=TIMEOUT)

    def rooms(self, client: httpx.AsyncClient, *, deadline: float = 120) -> AsyncRooms:
        """Return the rooms over a client; ``deadline`` is in seconds for each call, with all its tries."""
        patience = RetryPolicy(deadline=deadline)
        return AsyncRooms(client, token=self.key, region=self.region, base_url=self.base_url, retry=patience)


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of the real service."""
    missing = [name for name in NEEDED if not environ.get(name)]
    if missing:
        raise SettingsError(f"set {', '.join(missing)} in the environment, or try it out with --emulator")
    try:
        key = AccessKey(environ["NETLESS_ACCESS_KEY"], environ["NETLESS_SECRET_KEY"])
    except ValueError as wrong:
        raise SettingsError(f"NETLESS_ACCESS_KEY or NETLESS_SECRET_KEY is wrong: {wrong}") from None
    return Settings(key, environ["NETLESS_REGION"], environ.get("NETLESS_BASE_URL") or USUAL_BASE_URL)


def of_emulator(emulator: "Emulator") -> Settings:
    """Return the settings for an emulator in this process."""
    return Settings(emulator.key, Region.US_SV, transport=emulator.transport())


def add_arguments(parser: ArgumentParser) -> None:
    """Let an example take ``--emulator``."""
    parser.add_argument("--emulator", action="store_true", help="use an emulated service; needs no account")


def chosen(arguments: Namespace, *, rooms: int) -> Settings:
    """Return the settings that the arguments ask for; an emulator has so many rooms."""
    if not arguments.emulator:
        return from_environment()
    try:
        from netless_rooms.emulator import Emulator  # here, for it needs an extra that the real service does not
    except ImportError as missing:
        raise SettingsError(f"--emulator cannot be used: {missing}") from None
    return of_emulator(Emulator(rooms=rooms))
