"""The command ``stats``: how many rooms were created in each month, and how many of them are disabled."""

import sys
from collections import Counter
from shutil import get_terminal_size
from typing import Annotated, Literal

from attrs import asdict, define, field
from cyclopts import Parameter

from netless_rooms.cli.arguments import USUAL_WAY, Way
from netless_rooms.cli.filters import ALL, Filters
from netless_rooms.cli.output import FormatFlag, format_for, show
from netless_rooms.cli.progress import Pace, count, progress
from netless_rooms.cli.rows import NO_WIDTH, Columns, Row
from netless_rooms.cli.settings import FROM_ENVIRONMENT, Settings, open_rooms
from netless_rooms.cli.terminal import is_terminal, put, say
from netless_rooms.models import Room

MONTH = Columns(fields=("month", "rooms", "banned", "banned_share"), shown={})
LONGEST_BAR = 30  # cells
BESIDE_BAR = 35  # cells for the figures and the gap


@define
class Tally:
    """Rooms counted by the month of their creation; memory grows with the months, not with the rooms."""

    rooms: Counter[str] = field(factory=Counter)
    banned: Counter[str] = field(factory=Counter)

    def add(self, room: Room) -> None:
        """Count a room."""
        month = f"{room.created_at:%Y-%m}"
        self.rooms[month] += 1
        self.banned[month] += room.is_ban

    def rows(self) -> list[Row]:
        """Return a row for each month that has rooms, the earliest first."""
        return [_row(month, self.rooms[month], self.banned[month]) for month in sorted(self.rooms)]

    def total(self) -> Row:
        """Return a row for all months."""
        return _row("all", self.rooms.total(), self.banned.total())


async def stats(
    *,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    on_invalid: Annotated[
        Literal["raise", "skip"],
        Parameter(help="What to do with unreadable rooms.", metavar="raise|skip", show_choices=False),
    ] = "raise",
    way: Way = USUAL_WAY,
    filters: Filters = ALL,
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Count rooms by the month of their creation."""
    tally, pace, pages = Tally(), Pace(), 0
    async with open_rooms(settings) as rooms:
        with progress() as tell:
            async with rooms.scan(on_invalid=on_invalid, **asdict(way)) as scan:
                async for room in scan:
                    if filters.passes(room):
                        tally.add(room)
                    if scan.page_count != pages:
                        pages = scan.page_count
                        tell(pace.figures(scan.room_count, pages))
    if scan.skipped_count:
        say(f"{count(scan.skipped_count, 'room')} could not be read and are not counted")
    if format_for(format) == "table":
        put(chart(tally, get_terminal_size().columns if is_terminal(sys.stdout) else NO_WIDTH))
    else:
        show(tally.rows(), MONTH, format)


def chart(tally: Tally, width: int) -> str:
    """Return a line with a bar for each month, the banned rooms as its dark end, and a line for all."""
    rows = [*tally.rows(), tally.total()]
    most = max([row["rooms"] for row in rows[:-1]], default=1)
    longest = max(1, min(LONGEST_BAR, width - BESIDE_BAR))
    lines = ["month      rooms   banned   share"]
    lines += [_line(row, most, longest) for row in rows[:-1]]
    return "".join(f"{line.rstrip()}\n" for line in [*lines, _figures(rows[-1])])


def _line(row: Row, most: int, longest: int) -> str:
    length = max(1, round(longest * row["rooms"] / most))
    dark = round(length * row["banned_share"])
    return f"{_figures(row)}  {'█' * dark}{'░' * (length - dark)}"


def _figures(row: Row) -> str:
    return f"{row['month']:7} {row['rooms']:8,} {row['banned']:8,} {row['banned_share']:7.1%}"


def _row(month: str, rooms: int, banned: int) -> Row:
    return {
        "month": month,
        "rooms": rooms,
        "banned": banned,
        "banned_share": round(banned / rooms, 4) if rooms else 0.0,
    }
