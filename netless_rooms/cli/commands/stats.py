"""The command ``stats``: how many rooms were created in each month, and how many of them are disabled."""

import sys
from collections import Counter
from collections.abc import Iterable
from shutil import get_terminal_size
from time import time
from typing import Annotated, Literal

from attrs import asdict
from cyclopts import Parameter

from netless_rooms.cli import options as flags
from netless_rooms.cli.export import NO_WIDTH, Columns, Row, format_for, show
from netless_rooms.cli.output import count, progress, put, say
from netless_rooms.models import Room

MONTH = Columns(fields=("month", "rooms", "banned", "banned_share"), shown={})
MAX_BAR = 30  # cells
FIGURES = 35  # cells for the figures and the gap


class Tally:
    """Rooms counted by the month of their creation; memory grows with the months, not with the rooms."""

    def __init__(self) -> None:
        self._counts = Counter[tuple[str, bool]]()

    def add(self, rooms: Iterable[Room]) -> None:
        """Count rooms, of which only two fields are read."""
        self._counts.update([(room.created_at.isoformat()[:7], room.is_ban) for room in rooms])

    def rows(self) -> list[Row]:
        """Return a row for each month that has rooms, the earliest first."""
        months = sorted({month for month, _ in self._counts})
        return [_row(month, self._counts[month, False], self._counts[month, True]) for month in months]

    def total(self) -> Row:
        """Return a row for all months."""
        banned = sum(number for (_, is_ban), number in self._counts.items() if is_ban)
        return _row("all", self._counts.total() - banned, banned)


async def stats(
    *,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    on_invalid: Annotated[
        Literal["raise", "skip"],
        Parameter(help="What to do with unreadable rooms.", metavar="raise|skip", show_choices=False),
    ] = "raise",
    options: flags.ScanOptions = flags.DEFAULT_OPTIONS,
    filters: flags.Filters = flags.NO_FILTERS,
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:
    """Count rooms by the month of their creation."""
    tally, filters = Tally(), filters.since(time())
    async with flags.open_rooms(settings) as rooms:
        with progress() as update:
            async with rooms.scan(on_invalid=on_invalid, **asdict(options)) as scan:
                async for room in scan:
                    tally.add(filters.select(flags.rest_of_page(room, scan)))
                    update(*flags.seen(scan))
    if scan.skipped_count:
        say(f"{count(scan.skipped_count, 'unreadable room')} not counted")
    if format_for(format) == "table":
        put(chart(tally, get_terminal_size().columns if sys.stdout.isatty() else NO_WIDTH))
    else:
        rows = [{**row, "banned_share": round(row["banned_share"], 4)} for row in tally.rows()]
        show(rows, MONTH, format)


def chart(tally: Tally, width: int) -> str:
    """Return a line with a bar for each month, its dark part the banned rooms, and a line for all months."""
    rows = [*tally.rows(), tally.total()]
    most = max([row["rooms"] for row in rows[:-1]], default=1)
    max_bar = max(1, min(MAX_BAR, width - FIGURES))
    lines = ["month      rooms   banned   share"]
    lines += [_line(row, most, max_bar) for row in rows[:-1]]
    return "".join(f"{line.rstrip()}\n" for line in [*lines, _figures(rows[-1])])


def _line(row: Row, most: int, max_bar: int) -> str:
    length = max(1, round(max_bar * row["rooms"] / most))
    dark = round(length * row["banned_share"])
    return f"{_figures(row)}  {'█' * dark}{'░' * (length - dark)}"


def _figures(row: Row) -> str:
    return f"{row['month']:7} {row['rooms']:8,} {row['banned']:8,} {row['banned_share']:7.1%}"


def _row(month: str, others: int, banned: int) -> Row:
    total = others + banned
    return {"month": month, "rooms": total, "banned": banned, "banned_share": banned / total if total else 0.0}
