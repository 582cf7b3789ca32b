"""Rows of output: what stands in them, and how they are spelled as JSON lines, CSV or a table.

JSON lines are exact: everything outside of ASCII is escaped, so nothing in a name can act on a terminal.  Only in
the document of an unreadable room, what a strict reader would stop at is spelled otherwise.  CSV is for
spreadsheets: what a terminal or an editor would act on is replaced, and a text that a spreadsheet would take for a
formula gets an apostrophe in front.
"""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from netless_rooms._auth.redaction import redact
from netless_rooms.cli.terminal import HIDDEN, visible
from netless_rooms.models import InvalidRoom, Room

Format: TypeAlias = Literal["table", "jsonl", "csv"]
Row: TypeAlias = Mapping[str, Any]

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r")
HALF: Final = re.compile("[\ud800-\udfff]")  # of a surrogate pair
NO_WIDTH: Final = 100_000  # columns of a table that nobody sees in a terminal


@frozen(kw_only=True)
class Columns:
    """Which fields a kind of row has: all of them, in their order, and those that people see in a table."""

    fields: tuple[str, ...]
    shown: Mapping[str, int]
    """The width of each column of a table; 0 shares what is left."""
    cut: frozenset[str] = frozenset()
    """Those of them in which what is beyond the width is of no interest, such as parts of a second."""

    def widths(self, total: int, gap: int) -> dict[str, int]:
        """Return the most that each column of a table may take, if all together get ``total``."""
        left = total - sum(self.shown.values()) - gap * len(self.shown)
        sharing = list(self.shown.values()).count(0)
        return {name: width or max(1, left // sharing) for name, width in self.shown.items()}


ROOM: Final = Columns(
    fields=("uuid", "team_uuid", "app_uuid", "name", "is_record", "is_ban", "created_at", "limit", "extra"),
    shown={"uuid": 32, "created_at": 19, "is_ban": 6, "limit": 5, "name": 0},
    cut=frozenset({"created_at"}),
)
ROOM_OR_INVALID: Final = Columns(
    fields=(*ROOM.fields, "invalid"),
    shown={**ROOM.shown, "invalid": 0},
    cut=ROOM.cut,
)


def room_row(room: Room) -> Row:
    """Return a room under our field names."""
    return {
        "uuid": room.uuid,
        "team_uuid": room.team_uuid,
        "app_uuid": room.app_uuid,
        "name": room.name,
        "is_record": room.is_record,
        "is_ban": room.is_ban,
        "created_at": spell_time(room.created_at),
        "limit": room.limit,
        "extra": dict(room.extra),
    }


def invalid_row(room: InvalidRoom) -> Row:
    """Return what is known of a room that cannot be read, and what the service sent."""
    return {
        "uuid": room.uuid,
        "invalid": f"{room.reason} at {room.path}",
        "document": _calm(room.document),
    }


def spell_time(moment: datetime) -> str:
    """Return a UTC time as ISO 8601, in milliseconds unless it is finer."""
    fineness = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=fineness).replace("+00:00", "Z")


def encode_jsonl(rows: Sequence[Row]) -> str:
    """Return a line of JSON for each row, in ASCII."""
    return "".join(f"{json.dumps(row, separators=(',', ':'))}\n" for row in rows)


def encode_csv(rows: Sequence[Row], fields: Sequence[str], *, head: bool) -> str:
    """Return a line for each row, and a line of names before them with ``head``."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    if head:
        writer.writerow(fields)
    writer.writerows([_cell(row.get(name)) for name in fields] for row in rows)
    return written.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        calm = visible(value)
        return f"'{calm}" if value.startswith(FORMULAS) else calm
    if value is None or value == {}:
        return ""
    return json.dumps(value)


def _calm(document: Any) -> Any:
    """Return ``document`` as strict JSON with no token in it; ``None`` if it cannot be had so.

    Half a surrogate pair is replaced, and what is no number in JSON is a text, such as ``"NaN"``.
    """
    try:
        spelled = HALF.sub(HIDDEN, json.dumps(document, ensure_ascii=False))
        return json.loads(redact(spelled), parse_constant=str)
    except (ValueError, RecursionError):
        return None
