"""The settings of every example.

They come from the environment, as on the command line of the package: ``NETLESS_ACCESS_KEY``,
``NETLESS_SECRET_KEY``, ``NETLESS_REGION``, and optionally ``NETLESS_BASE_URL``.  With ``--emulator`` they lead to
an emulator in the same process, which needs no account.
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
DEFAULT_BASE_URL = "https://api.netless.link"
LIMITS = httpx.Limits(max_connections=10, max_keepalive_connections=10)
TIMEOUT = httpx.Timeout(5, pool=10)  # seconds; waiting for a connection may take longer


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it and the remedy."""


@dataclass(frozen=True)
class Settings:
    """A project and its address.  The repr shows no secret."""

    key: AccessKey
    region: str
    base_url: str = DEFAULT_BASE_URL
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network."""

    def __post_init__(self) -> None:
        """Refuse a wrong region or address before the first request."""
        try:
            self.rooms(httpx.AsyncClient(transport=httpx.AsyncBaseTransport()))
        except ValueError as wrong:
            raise SettingsError(f"NETLESS_REGION or NETLESS_BASE_URL is wrong: {wrong}") from None

    def open_client(self) -> httpx.AsyncClient:
        """Return an HTTP client for the whole program, which must close it."""
        return httpx.AsyncClient(transport=self.transport, limits=LIMITS, timeout=TIMEOUT)

    def rooms(self, client: httpx.AsyncClient, *, deadline: float = 120) -> AsyncRooms:
        """Return the rooms over a client; ``deadline`` is the seconds for each call with its retries."""
        retry = RetryPolicy(deadline=deadline)
        return AsyncRooms(client, token=self.key, region=self.region, base_url=self.base_url, retry=retry)


def from_env(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings for the real service."""
    missing = [name for name in NEEDED if not environ.get(name)]
    if missing:
        raise SettingsError(f"set {', '.join(missing)} in the environment, or use --emulator")
    try:
        key = AccessKey(environ["NETLESS_ACCESS_KEY"], environ["NETLESS_SECRET_KEY"])
    except ValueError as wrong:
        raise SettingsError(f"NETLESS_ACCESS_KEY or NETLESS_SECRET_KEY is wrong: {wrong}") from None
    return Settings(key, environ["NETLESS_REGION"], environ.get("NETLESS_BASE_URL") or DEFAULT_BASE_URL)


def for_emulator(emulator: "Emulator") -> Settings:
    """Return the settings for an emulator in this process."""
    return Settings(emulator.key, Region.US_SV, transport=emulator.transport())


def add_arguments(parser: ArgumentParser) -> None:
    """Add ``--emulator``."""
    parser.add_argument("--emulator", action="store_true", help="use the emulator; no account needed")


def chosen(arguments: Namespace, *, rooms: int) -> Settings:
    """Return the settings that the arguments select; an emulator has ``rooms`` rooms."""
    if not arguments.emulator:
        return from_env()
    try:
        from netless_rooms.emulator import Emulator  # needs an extra that the real service does not
    except ImportError as missing:
        raise SettingsError(f"--emulator cannot be used: {missing}") from None
    return for_emulator(Emulator(rooms=rooms))
