"""Which rooms are wanted: flags that pick rooms out of a scan, and never change how it goes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from attrs import asdict, frozen
from cyclopts import Group, Parameter, Token

from netless_rooms.cli.rows import spell_time
from netless_rooms.models import Room

FILTERS: Final = Group("Only rooms that are", sort_key=50)


def read_moment(_: object, tokens: Sequence[Token]) -> datetime:
    """Return the time that an argument names; one without an offset is in UTC, a date is its first moment."""
    text = tokens[0].value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("take a date or a time such as 2024-01-31 or 2024-01-31T08:00+02:00") from None
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("that time is too far off") from None


Moment = Annotated[datetime, Parameter(converter=read_moment, metavar="TIME")]


def _can_pass(_: object, filters: "Filters") -> None:
    """Refuse what no room can pass, which would only be seen when the whole list has been read."""
    after, before = filters.created_after, filters.created_before
    if after is not None and before is not None and after >= before:
        raise ValueError("--created-after must be before --created-before")


@Parameter(name="*", group=FILTERS, validator=_can_pass)
@frozen(kw_only=True)
class Filters:
    """The filters that were given; all have to pass."""

    banned: Annotated[bool | None, Parameter(negative="--not-banned", help="Disabled, or not.")] = None
    recording: Annotated[bool | None, Parameter(negative="--not-recording", help="Recording, or not.")] = None
    created_after: Annotated[Moment | None, Parameter(help="Created then or later; UTC unless it says.")] = None
    created_before: Annotated[Moment | None, Parameter(help="Created before then.")] = None
    team: Annotated[str | None, Parameter(help="Of this team_uuid.")] = None
    app: Annotated[str | None, Parameter(help="Of this app_uuid.")] = None

    def passes(self, room: Room) -> bool:
        """Whether ``room`` is wanted."""
        return (
            (self.banned is None or room.is_ban is self.banned)
            and (self.recording is None or room.is_record is self.recording)
            and (self.created_after is None or room.created_at >= self.created_after)
            and (self.created_before is None or room.created_at < self.created_before)
            and (self.team is None or room.team_uuid == self.team)
            and (self.app is None or room.app_uuid == self.app)
        )

    def spelled(self) -> dict[str, Any]:
        """Return the filters that were given, as JSON knows them."""
        given = asdict(self, filter=lambda _, value: value is not None)
        return {name: spell_time(value) if isinstance(value, datetime) else value for name, value in given.items()}


ALL: Final = Filters()
