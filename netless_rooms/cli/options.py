"""Options that several commands share: settings, filters, formats, and how a scan goes through the list."""

import gc
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from time import time
from typing import Annotated, Any, Final, Literal, TypeAlias

from attrs import asdict, evolve, frozen
from cyclopts import Group, Parameter, Token, validators

from netless_rooms._api.decoding import format_time
from netless_rooms._auth.environment import find_key, find_settings
from netless_rooms._auth.tokens import AccessKey
from netless_rooms._client import AsyncRooms
from netless_rooms._listing.scan import MAX_PREFETCH, MAX_SHARDS, Scan
from netless_rooms._validation import MAX_PAGE_SIZE, check_uuid
from netless_rooms.cli.errors import CommandError, ExitCode, redact_message
from netless_rooms.cli.export import Format
from netless_rooms.cli.output import count, say, shown_log
from netless_rooms.errors import InvalidArgumentError
from netless_rooms.models import InvalidRoom, Room

FILTERS: Final = Group("Filters", sort_key=50)
SETTINGS: Final = Group("Settings, by flags or else by NETLESS_REGION, NETLESS_TOKEN and so on", sort_key=99)
KEY: Final = Group("Access key, by flags or else by NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY", sort_key=99)
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Uuid = Annotated[str, Parameter(converter=lambda _, tokens: check_uuid("a uuid", tokens[0].value))]
PageSize = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_PAGE_SIZE))]
KnownRegion: TypeAlias = Literal["us-sv", "sg", "in-mum", "eu", "cn-hz"]  # for completion
Shards = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=MAX_SHARDS))]
Prefetch = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=MAX_PREFETCH))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
NotNegative = Annotated[int, Parameter(validator=validators.Number(gte=0))]
FORMAT_HELP: Final = "Default: table in a terminal, else jsonl."
FORMATS: Final = Parameter(alias="-f", metavar="table|jsonl|csv", show_choices=False, help=FORMAT_HELP)
FormatFlag = Annotated[Format | None, FORMATS]
VerboseFlag = Annotated[bool, Parameter(alias="-v", negative="", help="Log each request and retry on stderr.")]


def unreadable(choices: str) -> Parameter:
    return Parameter(help="What to do with unreadable rooms.", metavar=choices, show_choices=False)


@Parameter(name="*")
@frozen(kw_only=True)
class ScanOptions:
    """How to go through the list; the rooms are the same whatever they are."""

    shards: Annotated[Shards, Parameter(help="Ranges of the list scanned at once; default 1.")] = 1
    prefetch: Annotated[Prefetch, Parameter(help="Pages buffered ahead, per shard; default 1.")] = 1
    page_size: Annotated[PageSize, Parameter(help="Rooms per request; default 1000.")] = MAX_PAGE_SIZE


def seen(scan: Scan[Any]) -> tuple[str, int]:
    return f"{count(scan.room_count, 'room')} in {count(scan.page_count, 'page')}", scan.room_count


def parse_duration(text: str) -> timedelta | None:
    """Return the length of time that ``text`` names, such as ``7d``; ``None`` if it names none."""
    found = re.fullmatch("([1-9][0-9]{0,5})([smhd])", text)
    return found and timedelta(seconds=int(found[1]) * SECONDS[found[2]])


def parse_time(_: object, tokens: Sequence[Token]) -> datetime | timedelta:
    """Return the time that an argument names, in UTC by default, or how long ago it is."""
    ago = parse_duration(text := tokens[0].value)
    try:
        time = datetime.now(UTC) - ago if ago else datetime.fromisoformat(text)
        utc = time.replace(tzinfo=UTC) if time.utcoffset() is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is out of range") from None
    except ValueError:
        usage = "use 2024-01-31, 2024-01-31T08:00+02:00, or 7d for 7 days ago"
        raise ValueError(f"{text!r} is not a time: {usage}") from None
    return ago or utc


TO_JSON: Final[dict[type, Callable[[Any], Any]]] = {
    datetime: format_time,
    timedelta: lambda value: f"{value.total_seconds():.0f}s",
    str: redact_message,
}
Time = Annotated[datetime | timedelta, Parameter(converter=parse_time, metavar="TIME")]


def _check_filters(_: object, filters: "Filters") -> None:
    """Reject what no room can match, which would only be seen when the whole list has been read."""
    given = filters.since(time())
    if None not in (given.created_after, given.created_before) and given.created_after >= given.created_before:
        raise ValueError("--created-after must be earlier than --created-before")


@Parameter(name="*", group=FILTERS, validator=_check_filters, negative_bool="not-")
@frozen(kw_only=True)
class Filters:
    """The filters that were given; a room must match all."""

    banned: Annotated[bool | None, Parameter(help="Only disabled, or only enabled, rooms.")] = None
    recording: Annotated[bool | None, Parameter(help="Only recorded, or only unrecorded, rooms.")] = None
    created_after: Annotated[Time | None, Parameter(help="Since 2024-01-31, say, or 7d ago; default UTC.")] = None
    created_before: Annotated[Time | None, Parameter(help="Created before this time.")] = None
    team: Annotated[str | None, Parameter(help="With this team_uuid.")] = None
    app: Annotated[str | None, Parameter(help="With this app_uuid.")] = None

    def since(self, start: float) -> Any:
        """Return them with times in place of lengths of time before ``start``, in seconds since the epoch."""
        now = datetime.fromtimestamp(start, UTC)
        ago = asdict(self, filter=lambda _, value: isinstance(value, timedelta))
        return evolve(self, **{name: now - value for name, value in ago.items()})

    def select(self, rooms: list[Any]) -> list[Any]:
        """Return the rooms that are wanted; unreadable ones are.  Call ``since`` before."""
        if self == NO_FILTERS:
            return rooms
        return [room for room in rooms if isinstance(room, InvalidRoom) or self._match(room)]

    def _match(self, room: Room) -> bool:
        after: Any = self.created_after
        before: Any = self.created_before
        return (
            (self.banned is None or room.is_ban is self.banned)
            and (self.recording is None or room.is_record is self.recording)
            and (after is None or room.created_at >= after)
            and (before is None or room.created_at < before)
            and (self.team is None or room.team_uuid == self.team)
            and (self.app is None or room.app_uuid == self.app)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the filters that were given, ready for JSON and without secrets."""
        given = asdict(self, filter=lambda _, value: value is not None)
        return {name: TO_JSON.get(type(value), bool)(value) for name, value in given.items()}


@Parameter(name="*", group=KEY)
@frozen(kw_only=True, repr=False)
class KeyFlags:
    """The settings that were given as flags to a command that needs only the access key."""

    access_key: Annotated[str | None, Parameter(help="The access key of the project.")] = None
    secret_key: Annotated[str | None, Parameter(help="Its secret key.")] = None


@Parameter(name="*", group=SETTINGS)
@frozen(kw_only=True, repr=False)
class Settings(KeyFlags):
    token: Annotated[str | None, Parameter(help="A token of the project or of one room.")] = None
    region: Annotated[KnownRegion | str | None, Parameter(alias="-r", help="The data centre.")] = None
    base_url: Annotated[str | None, Parameter(help="The address of the service.")] = None
    verbose: VerboseFlag = False


DEFAULT_OPTIONS: Final = ScanOptions()
NO_FILTERS: Final = Filters()
FROM_ENVIRONMENT: Final = Settings()
KEY_FROM_ENVIRONMENT: Final = KeyFlags()


@asynccontextmanager
async def open_rooms(settings: Settings) -> AsyncIterator[AsyncRooms]:
    """Open the rooms of these settings; ``CommandError`` if one is missing or wrong."""
    key = settings.access_key, settings.secret_key
    if settings.token is not None and key != (None, None):
        raise CommandError(ExitCode.USAGE, "use --token, or --access-key and --secret-key, not both")
    async with AsyncExitStack() as stack:
        if settings.verbose:
            stack.enter_context(shown_log())
        # Rooms form no cycles, and Python would look for some after every few hundred of them.
        stack.callback(gc.set_threshold, *gc.get_threshold())
        gc.set_threshold(50_000)  # objects; some ten pages
        try:
            token, region = find_settings(settings.token, settings.region, *key)
            _warn_of_secrets(settings)
            opening = AsyncRooms.open(token=token, region=region, base_url=settings.base_url)
            rooms = await stack.enter_async_context(opening)
        except InvalidArgumentError as error:
            text = error.summary.replace("; allow_http=True permits it", "")
            if error.hint:  # settings are missing
                extra = "" if find_spec("uvicorn") else "pip install 'netless-rooms[emulator]', then "
                text += f" (without an account: {extra}`netless-rooms emulate` prints settings to try)"
            raise CommandError(ExitCode.SETTINGS, text) from None
        yield rooms


def access_key_of(flags: KeyFlags) -> AccessKey | None:
    """Return the access key; ``None`` if neither a flag nor the environment has one."""
    _warn_of_secrets(flags)
    try:
        return find_key(flags.access_key, flags.secret_key)
    except InvalidArgumentError as error:
        raise CommandError(ExitCode.SETTINGS, error.summary) from None


def _warn_of_secrets(settings: KeyFlags) -> None:
    for name in ("token", "secret_key"):
        if getattr(settings, name, None) is not None:
            seen_by = "is visible to other users of this machine and stays in the shell's history"
            say(f"warning: --{name.replace('_', '-')} {seen_by}; set NETLESS_{name.upper()} instead")
