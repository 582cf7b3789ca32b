"""Rows of output: their fields, and how they are encoded as JSON lines, CSV or a table.

JSON lines are exact: everything outside of ASCII is escaped, so no name can act on a terminal.  Only in the
document of an unreadable room, values that a strict reader rejects are encoded otherwise.  CSV is for
spreadsheets: characters that a terminal or an editor acts on are replaced, and an apostrophe is put before what a
spreadsheet takes for a formula.
"""

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import StringIO
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from netless_rooms._auth.redaction import redact
from netless_rooms.cli.output import HIDDEN, is_terminal, put, visible
from netless_rooms.models import InvalidRoom, Room

Format: TypeAlias = Literal["table", "jsonl", "csv"]
Row: TypeAlias = Mapping[str, Any]

SIGNS: Final = "=+@\uff1d\uff0b\uff20\uff0d-"  # spreadsheets take the full-width ones too
FORMULA: Final = re.compile(rf"[\t\r{SIGNS}]|;+\s*[{SIGNS}]")
FORMULA_IN_PART: Final = re.compile(rf";(?=\s*[{SIGNS}])")  # the next cell, where ; separates them
SURROGATE: Final = re.compile("[\ud800-\udfff]")
NO_WIDTH: Final = 100_000  # columns of a table outside of a terminal
GAP: Final = 2  # between two columns


@frozen(kw_only=True)
class Columns:
    """Which fields a kind of row has, in order, and those that a table shows."""

    fields: tuple[str, ...]
    shown: Mapping[str, int]
    """The width of each column of a table; 0 shares what is left."""
    cropped: frozenset[str] = frozenset()
    """Those of them that are cut without an ellipsis, such as parts of a second."""

    def widths(self, total: int) -> dict[str, int]:
        """Return the maximum width of each column in a table of width ``total``."""
        left = total - sum(self.shown.values()) - GAP * len(self.shown)
        sharing = list(self.shown.values()).count(0)
        return {name: width or max(1, left // sharing) for name, width in self.shown.items()}


ROOM: Final = Columns(
    fields=("uuid", "team_uuid", "app_uuid", "name", "is_record", "is_ban", "created_at", "limit", "extra"),
    shown={"uuid": 32, "created_at": 19, "is_ban": 6, "limit": 5, "name": 0},
    cropped=frozenset({"created_at"}),
)
ROOM_OR_INVALID: Final = Columns(
    fields=(*ROOM.fields, "invalid"), shown={**ROOM.shown, "invalid": 0}, cropped=ROOM.cropped
)


def room_row(room: Room) -> Row:
    """Return a room under the library's field names."""
    row = {name: getattr(room, name) for name in ROOM.fields}
    return {**row, "created_at": format_time(room.created_at), "extra": dict(room.extra)}


def invalid_row(room: InvalidRoom) -> Row:
    """Return what is known of an unreadable room, and what the service sent."""
    return {
        "uuid": room.uuid,
        "invalid": f"{room.reason} at {room.path}",
        "document": _strict_json(room.document),
    }


def format_time(time: datetime) -> str:
    """Return a UTC time as ISO 8601, in milliseconds unless it is more precise."""
    precision = "microseconds" if time.microsecond % 1000 else "milliseconds"
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def format_for(flag: Format | None) -> Format:
    """Return the format for stdout: by default a table for people and JSON lines for programs."""
    return flag or ("table" if is_terminal(sys.stdout) else "jsonl")


def show(rows: Sequence[Row], columns: Columns, flag: Format | None) -> None:
    """Write ``rows`` to stdout."""
    put(encode(rows, columns, format_for(flag)))


def show_one(row: Row, columns: Columns, flag: Format | None) -> None:
    """Write one row to stdout; as a table, one line per field."""
    if format_for(flag) != "table":
        show([row], columns, flag)
        return
    width = max(map(len, columns.fields))
    put("".join(f"{name:{width}}  {_format_cell(row.get(name))}\n" for name in columns.fields))


def encode(rows: Sequence[Row], columns: Columns, format: Format, *, header: bool = True) -> str:  # noqa: A002
    """Return the text of ``rows``; with ``header``, after the names of the columns."""
    if format == "jsonl":
        return "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)
    if format == "csv":
        return _encode_csv(rows, columns.fields, header=header)
    return _encode_table(rows, columns, header=header)


def _encode_csv(rows: Sequence[Row], fields: Sequence[str], *, header: bool) -> str:
    written = StringIO()
    writer = csv.writer(written, lineterminator="\n")
    if header:
        writer.writerow(fields)
    writer.writerows([_encode_cell(row.get(name)) for name in fields] for row in rows)
    return written.getvalue()


def _encode_cell(value: Any) -> str:
    if isinstance(value, str):
        text = FORMULA_IN_PART.sub(";'", visible(value))
        return f"'{text}" if FORMULA.match(value) else text
    if value is None or value == {}:
        return ""
    return json.dumps(value)


def _encode_table(rows: Sequence[Row], columns: Columns, *, header: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_seen = is_terminal(sys.stdout)
    written = StringIO()
    console = Console(file=written, force_terminal=is_seen, width=None if is_seen else NO_WIDTH, highlight=False)
    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in columns.widths(console.width).items():
        overflow: Literal["crop", "ellipsis"] = "crop" if name in columns.cropped else "ellipsis"
        table.add_column(name, min_width=columns.shown[name], max_width=width, no_wrap=True, overflow=overflow)
    for row in rows:
        table.add_row(*(Text(_format_cell(row.get(name))) for name in columns.shown))
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def _format_cell(value: Any) -> str:
    if value is None or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))


def _strict_json(document: Any) -> Any:
    """Return ``document`` as strict JSON without tokens; ``None`` if that is not possible.

    Half a surrogate pair is replaced, and a number that JSON does not have becomes a string, such as ``"NaN"``.
    """
    try:
        text = SURROGATE.sub(HIDDEN, json.dumps(document, ensure_ascii=False))
        return json.loads(redact(text), parse_constant=str)
    except (ValueError, RecursionError):
        return None
