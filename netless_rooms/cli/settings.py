"""Where the service is and who asks: from flags, then from the environment."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Final

from attrs import asdict, frozen
from cyclopts import Group, Parameter

from netless_rooms._auth.tokens import AccessKey
from netless_rooms._client import AsyncRooms
from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.cli.exits import OVER_HTTP, CommandError, Exit
from netless_rooms.cli.terminal import say

SETTINGS: Final = Group("Settings, else from NETLESS_TOKEN, NETLESS_REGION and so on", sort_key=99)
KEY: Final = Group("The key, else from NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY", sort_key=99)
SECRETS: Final = ("token", "secret_key")


@Parameter(name="*", group=SETTINGS)
@frozen(kw_only=True, repr=False)
class Settings:
    """The settings that were given as flags."""

    token: Annotated[str | None, Parameter(help="A token of the project or of one room.")] = None
    access_key: Annotated[str | None, Parameter(help="The access key of the project.")] = None
    secret_key: Annotated[str | None, Parameter(help="Its secret key.")] = None
    region: Annotated[str | None, Parameter(help="The data centre, such as us-sv.")] = None
    base_url: Annotated[str | None, Parameter(help="Where the service is.")] = None


@Parameter(name="*", group=KEY)
@frozen(kw_only=True, repr=False)
class KeyFlags:
    """The settings that were given as flags to a command that needs nothing but the key."""

    access_key: Annotated[str | None, Parameter(help="The access key of the project.")] = None
    secret_key: Annotated[str | None, Parameter(help="Its secret key.")] = None


FROM_ENVIRONMENT: Final = Settings()
KEY_FROM_ENVIRONMENT: Final = KeyFlags()


@asynccontextmanager
async def open_rooms(settings: Settings) -> AsyncIterator[AsyncRooms]:
    """Open the rooms that the settings are about; ``CommandError`` if they do not suffice."""
    credential = _credential(settings)
    region = _setting(settings, "region")
    if credential is None or region is None:
        wanted = ["NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"] * (credential is None)
        wanted += ["NETLESS_REGION, such as us-sv"] * (region is None)
        raise CommandError(
            Exit.SETTINGS,
            f"set {'; and '.join(wanted)} (without an account: `netless-rooms emulate` prints some to try with)",
        )
    _warn_of_secrets(settings)
    base_url = base_url_of(settings)
    async with AsyncExitStack() as stack:
        try:
            rooms = await stack.enter_async_context(
                AsyncRooms.open(token=credential, region=region, base_url=base_url)
            )
        except ValueError as error:
            raise CommandError(Exit.SETTINGS, str(error).replace(OVER_HTTP, "")) from None
        yield rooms


def base_url_of(settings: Settings) -> str:
    """Return where the service is."""
    return _setting(settings, "base_url") or DEFAULT_BASE_URL


def project_key(flags: KeyFlags) -> AccessKey:
    """Return the key of the project, to make tokens with; ``CommandError`` if there is none."""
    settings = Settings(**asdict(flags))
    key = _key(settings)
    if key is None:
        raise CommandError(
            Exit.SETTINGS, "set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY, which tokens are made from"
        )
    _warn_of_secrets(settings)
    return key


def from_environment(name: str) -> str | None:
    """Return a setting's environment variable; an empty one counts as not set."""
    return os.environ.get(f"NETLESS_{name.upper()}") or None


def _setting(settings: Settings, name: str) -> str | None:
    given: str | None = getattr(settings, name)
    return given if given is not None else from_environment(name)


def _credential(settings: Settings) -> AccessKey | str | None:
    """Return what to ask with: what the flags say, or else the environment; both at once is one too many."""
    if settings.token is not None and (settings.access_key is not None or settings.secret_key is not None):
        raise CommandError(Exit.USAGE, "give --token, or --access-key and --secret-key, not both")
    if settings.token is not None:
        return settings.token
    if settings.access_key is None and settings.secret_key is None:
        token = from_environment("token")
        if token is not None and from_environment("secret_key") is not None:
            raise CommandError(
                Exit.SETTINGS,
                "NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset the one that is not to ask",
            )
        if token is not None:
            return token
    return _key(settings)


def _key(settings: Settings) -> AccessKey | None:
    access_key, secret_key = _setting(settings, "access_key"), _setting(settings, "secret_key")
    if access_key is None and secret_key is None:
        return None
    if access_key is None or secret_key is None:
        missing = "NETLESS_ACCESS_KEY" if access_key is None else "NETLESS_SECRET_KEY"
        raise CommandError(Exit.SETTINGS, f"half a key is there: set {missing} too")
    try:
        return AccessKey(access_key, secret_key)
    except ValueError as error:
        raise CommandError(Exit.SETTINGS, str(error)) from None


def _warn_of_secrets(settings: Settings) -> None:
    for name in SECRETS:
        if getattr(settings, name) is not None:
            say(
                f"warning: --{name.replace('_', '-')} is seen by other users of this machine and kept in the "
                f"shell's history; set NETLESS_{name.upper()} instead"
            )
