"""The command ``stats``: how many rooms were created in each month, and how many of them are disabled."""

import sys
from collections import Counter
from collections.abc import Sequence
from shutil import get_terminal_size
from time import time
from typing import Annotated, Literal

from attrs import asdict

from netless_rooms.cli import options as flags
from netless_rooms.cli.export import NO_WIDTH, Columns, Row, format_for, show
from netless_rooms.cli.output import count, progress, put, say

MONTH = Columns(fields=("month", "rooms", "banned", "banned_share"))


async def stats(
    *,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    on_invalid: Annotated[Literal["raise", "skip"], flags.unreadable("raise|skip")] = "raise",
    options: flags.ScanOptions = flags.DEFAULT_OPTIONS,
    filters: flags.Filters = flags.NO_FILTERS,
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:
    months, filters = Counter[tuple[str, bool]](), filters.since(time())
    async with flags.open_rooms(settings) as rooms:
        with progress() as update:
            async with rooms.scan(on_invalid=on_invalid, **asdict(options)) as scan:
                async for room in scan:
                    page = filters.select([room, *scan._rest_of_page()])
                    months.update([(each.created_at.isoformat()[:7], each.is_ban) for each in page])
                    update(*flags.seen(scan))
    if scan.skipped_count:
        say(f"{count(scan.skipped_count, 'unreadable room')} not counted")
    rows = [_row(month, months[month, False], months[month, True]) for month in sorted({key[0] for key in months})]
    if format_for(format) == "table":
        banned = sum(row["banned"] for row in rows)
        put(chart(rows, _row("all", months.total() - banned, banned)))
    else:
        show([{**row, "banned_share": round(row["banned_share"], 4)} for row in rows], MONTH, format)


def chart(rows: Sequence[Row], total: Row) -> str:
    """Return a line with a bar for each month, its dark part the banned rooms, and a line for all months."""
    width = get_terminal_size().columns if sys.stdout.isatty() else NO_WIDTH
    most = max([row["rooms"] for row in rows], default=1)
    max_bar = max(1, min(30, width - 35))  # cells, without those for the figures and the gap
    lines = ["month      rooms   banned   share"]
    for row in rows:
        length = max(1, round(max_bar * row["rooms"] / most))
        dark = round(length * row["banned_share"])
        lines.append(f"{_figures(row)}  {'█' * dark}{'░' * (length - dark)}")
    return "".join(f"{line}\n" for line in [*lines, _figures(total)])


def _figures(row: Row) -> str:
    return f"{row['month']:7} {row['rooms']:8,} {row['banned']:8,} {row['banned_share']:7.1%}"


def _row(month: str, others: int, banned: int) -> Row:
    total = others + banned
    return {"month": month, "rooms": total, "banned": banned, "banned_share": banned / total if total else 0.0}
