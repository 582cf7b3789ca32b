"""Options that several commands share: settings, filters, formats, and how a scan goes through the list."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from attrs import asdict, frozen
from cyclopts import Group, Parameter, Token, validators

from netless_rooms._auth.tokens import AccessKey
from netless_rooms._client import AsyncRooms
from netless_rooms._listing.scan import MAX_PREFETCH, MAX_SHARDS
from netless_rooms._validation import DEFAULT_BASE_URL, MAX_PAGE_SIZE, check_uuid
from netless_rooms.cli.errors import OVER_HTTP, CommandError, ExitCode, redact_message
from netless_rooms.cli.export import Format, format_time
from netless_rooms.cli.output import say
from netless_rooms.models import Room

FILTERS: Final = Group("Filters", sort_key=50)
SETTINGS: Final = Group("Settings, default NETLESS_TOKEN, NETLESS_REGION and so on", sort_key=99)
KEY: Final = Group("Access key, default NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY", sort_key=99)
SECRETS: Final = ("token", "secret_key")


def _check_uuid(_: object, value: str | None) -> None:
    if value is not None:
        check_uuid("it", value)


Uuid = Annotated[str, Parameter(validator=_check_uuid)]
PageSize = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_PAGE_SIZE))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0))]
FormatFlag = Annotated[
    Format | None,
    Parameter(
        name="--format",
        metavar="table|jsonl|csv",
        show_choices=False,
        help="Default: table in a terminal, else jsonl.",
    ),
]


@Parameter(name="*")
@frozen(kw_only=True)
class ScanOptions:
    """How to go through the list; the rooms are the same whatever they are."""

    shards: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=1, lte=MAX_SHARDS), help="Ranges of the list scanned at once; 1."
        ),
    ] = 1
    prefetch: Annotated[
        int,
        Parameter(
            validator=validators.Number(gte=0, lte=MAX_PREFETCH), help="Pages buffered ahead, per shard; 1."
        ),
    ] = 1
    page_size: Annotated[PageSize, Parameter(help="Rooms per request; 1000.")] = MAX_PAGE_SIZE


DEFAULT_OPTIONS: Final = ScanOptions()


def parse_time(_: object, tokens: Sequence[Token]) -> datetime:
    """Return the time that an argument names; one without an offset is in UTC, a date is its first moment."""
    text = tokens[0].value
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("use a date or a time such as 2024-01-31 or 2024-01-31T08:00+02:00") from None
    if time.utcoffset() is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("that time is out of range") from None


Time = Annotated[datetime, Parameter(converter=parse_time, metavar="TIME")]


def _check_filters(_: object, filters: "Filters") -> None:
    """Reject what no room can match, which would only be seen when the whole list has been read."""
    after, before = filters.created_after, filters.created_before
    if after is not None and before is not None and after >= before:
        raise ValueError("--created-after must be earlier than --created-before")


@Parameter(name="*", group=FILTERS, validator=_check_filters)
@frozen(kw_only=True)
class Filters:
    """The filters that were given; a room must match all."""

    banned: Annotated[bool | None, Parameter(negative="--not-banned", help="Disabled, or not.")] = None
    recording: Annotated[bool | None, Parameter(negative="--not-recording", help="Recorded, or not.")] = None
    created_after: Annotated[Time | None, Parameter(help="Created at this time or later; default UTC.")] = None
    created_before: Annotated[Time | None, Parameter(help="Created before this time.")] = None
    team: Annotated[str | None, Parameter(help="With this team_uuid.")] = None
    app: Annotated[str | None, Parameter(help="With this app_uuid.")] = None

    def match(self, room: Room) -> bool:
        """Whether ``room`` is wanted."""
        return (
            (self.banned is None or room.is_ban is self.banned)
            and (self.recording is None or room.is_record is self.recording)
            and (self.created_after is None or room.created_at >= self.created_after)
            and (self.created_before is None or room.created_at < self.created_before)
            and (self.team is None or room.team_uuid == self.team)
            and (self.app is None or room.app_uuid == self.app)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the filters that were given, ready for JSON and without secrets."""
        given = asdict(self, filter=lambda _, value: value is not None)
        return {name: _to_json(value) for name, value in given.items()}


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return format_time(value)
    return redact_message(value) if isinstance(value, str) else value


NO_FILTERS: Final = Filters()


@Parameter(name="*", group=SETTINGS)
@frozen(kw_only=True, repr=False)
class Settings:
    """The settings that were given as flags."""

    token: Annotated[str | None, Parameter(help="A token of the project or of one room.")] = None
    access_key: Annotated[str | None, Parameter(help="The access key of the project.")] = None
    secret_key: Annotated[str | None, Parameter(help="Its secret key.")] = None
    region: Annotated[str | None, Parameter(help="The data centre, such as us-sv.")] = None
    base_url: Annotated[str | None, Parameter(help="The address of the service.")] = None


@Parameter(name="*", group=KEY)
@frozen(kw_only=True, repr=False)
class KeyFlags:
    """The settings that were given as flags to a command that needs only the access key."""

    access_key: Annotated[str | None, Parameter(help="The access key of the project.")] = None
    secret_key: Annotated[str | None, Parameter(help="Its secret key.")] = None


FROM_ENVIRONMENT: Final = Settings()
KEY_FROM_ENVIRONMENT: Final = KeyFlags()


@asynccontextmanager
async def open_rooms(settings: Settings) -> AsyncIterator[AsyncRooms]:
    """Open the rooms of these settings; ``CommandError`` if one is missing or wrong."""
    token = _token(settings)
    region = _setting(settings, "region")
    if token is None or region is None:
        missing = ["NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"] * (token is None)
        missing += ["NETLESS_REGION, such as us-sv"] * (region is None)
        raise CommandError(
            ExitCode.SETTINGS,
            f"set {'; and '.join(missing)} (without an account: `netless-rooms emulate` prints settings to try)",
        )
    _warn_of_secrets(settings)
    async with AsyncExitStack() as stack:
        try:
            rooms = await stack.enter_async_context(
                AsyncRooms.open(token=token, region=region, base_url=base_url_of(settings))
            )
        except ValueError as error:
            raise CommandError(ExitCode.SETTINGS, str(error).replace(OVER_HTTP, "")) from None
        yield rooms


def base_url_of(settings: Settings) -> str:
    """Return the address of the service."""
    return _setting(settings, "base_url") or DEFAULT_BASE_URL


def access_key_of(flags: KeyFlags) -> AccessKey | None:
    """Return the access key; ``None`` if neither a flag nor the environment has one."""
    settings = Settings(**asdict(flags))
    _warn_of_secrets(settings)
    return _access_key(settings)


def from_environment(name: str) -> str | None:
    """Return a setting's environment variable; an empty one counts as not set."""
    return os.environ.get(f"NETLESS_{name.upper()}") or None


def _setting(settings: Settings, name: str) -> str | None:
    flag: str | None = getattr(settings, name)
    return flag if flag is not None else from_environment(name)


def _token(settings: Settings) -> AccessKey | str | None:
    """Return the token or the access key: flags override environment variables; both kinds at once conflict."""
    if settings.token is not None and (settings.access_key is not None or settings.secret_key is not None):
        raise CommandError(ExitCode.USAGE, "use --token, or --access-key and --secret-key, not both")
    if settings.token is not None:
        return settings.token
    if settings.access_key is None and settings.secret_key is None:
        token = from_environment("token")
        if token is not None and from_environment("secret_key") is not None:
            raise CommandError(
                ExitCode.SETTINGS, "NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset one of them"
            )
        if token is not None:
            return token
    return _access_key(settings)


def _access_key(settings: Settings) -> AccessKey | None:
    access_key, secret_key = _setting(settings, "access_key"), _setting(settings, "secret_key")
    if access_key is None and secret_key is None:
        return None
    if access_key is None or secret_key is None:
        missing = "NETLESS_ACCESS_KEY" if access_key is None else "NETLESS_SECRET_KEY"
        raise CommandError(ExitCode.SETTINGS, f"incomplete access key: also set {missing}")
    try:
        return AccessKey(access_key, secret_key)
    except ValueError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None


def _warn_of_secrets(settings: Settings) -> None:
    for name in SECRETS:
        if getattr(settings, name) is not None:
            say(
                f"warning: --{name.replace('_', '-')} is visible to other users of this machine and stays in the "
                f"shell's history; set NETLESS_{name.upper()} instead"
            )
