"""Rows of output: their fields, and how they are encoded as JSON lines, CSV or a table.

JSON lines are exact and ASCII, so no name can act on a terminal; only in the document of an unreadable room,
values that a strict reader rejects are encoded otherwise.  CSV is for spreadsheets: characters that act on a
terminal are replaced, and an apostrophe is put before what a spreadsheet takes for a formula.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any, Final, Literal, TypeAlias

import msgspec
from attrs import Factory, frozen

from netless_rooms._api.decoding import format_time
from netless_rooms._auth.redaction import redact
from netless_rooms.cli.output import HIDDEN, put, say, styled, visible
from netless_rooms.models import InvalidRoom, Room

Format: TypeAlias = Literal["table", "jsonl", "csv"]
Row: TypeAlias = Mapping[str, Any]
Rooms: TypeAlias = Sequence[Room | InvalidRoom]

SIGNS: Final = "=+@\uff1d\uff0b\uff20\uff0d-"  # spreadsheets take the full-width ones too
FORMULA: Final = re.compile(rf"[\t\r]|[\s;]*[{SIGNS}]")
FORMULA_IN_PART: Final = re.compile(rf";(?=\s*[{SIGNS}])")  # the next cell, where ; separates them
NO_WIDTH: Final = 100_000  # columns of a table outside of a terminal
GAP: Final = 2  # between two columns
MIN_SHARED: Final = 8  # columns that are worth showing

encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode


@frozen(kw_only=True)
class Columns:
    """Which fields a kind of row has, in order, and those that a table shows."""

    fields: tuple[str, ...]
    shown: Mapping[str, int] = Factory(dict)  # the width of each column of a table; 0 shares what is left
    folds: bool = False  # whether the last column continues on further lines; else it ends with an ellipsis

    def widths(self, total: int) -> dict[str, int]:
        """Return the maximum width of each column that fits a table of width ``total``, the first one always."""
        left, kept = total, dict[str, int]()
        for name, width in self.shown.items():
            left -= (width or MIN_SHARED) + GAP * bool(kept)
            if kept and left < 0:
                break
            kept[name] = width
        sharing = [name for name, width in kept.items() if not width]
        left += MIN_SHARED * len(sharing)
        return {name: width or left // len(sharing) for name, width in kept.items()}


ROOM: Final = Columns(
    fields=("uuid", "team_uuid", "app_uuid", "name", "is_record", "is_ban", "created_at", "limit", "extra"),
    shown={"uuid": 32, "created_at": 19, "is_ban": 6, "limit": 5, "name": 0},
)
ROOM_OR_INVALID: Final = Columns(fields=(*ROOM.fields, "invalid"), shown={**ROOM.shown, "invalid": 0})


def room_row(room: Room | InvalidRoom) -> Row:
    """Return a room under the library's field names, or what is known of an unreadable one."""
    if isinstance(room, InvalidRoom):
        invalid = f"{room.reason} at {room.location}"
        return {"uuid": room.uuid, "invalid": invalid, "document": _strict_json(room.document)}
    return room.to_dict()


def format_for(flag: Format | None) -> Format:
    """Return the format for stdout: by default a table for people and JSON lines for programs."""
    return flag or ("table" if sys.stdout.isatty() else "jsonl")


def show(rows: Sequence[Row], columns: Columns, flag: Format | None) -> None:
    put(encode(rows, columns, format_for(flag)))


def show_one(row: Row, columns: Columns, flag: Format | None) -> None:
    """Write one row to stdout; as a table, one line per field."""
    if format_for(flag) == "table":
        width = max(map(len, columns.fields))
        put("".join(f"{name:{width}}  {_format_cell(row.get(name))}\n" for name in columns.fields))
    else:
        show([row], columns, flag)


def encode(rows: Sequence[Row], columns: Columns, kind: Format, *, header: bool = True) -> str:
    """Return the text of ``rows``; with ``header``, after the names of the columns."""
    if kind == "jsonl":
        return "".join([f"{encode_json(row)}\n" for row in rows])
    if kind == "csv":
        lines = [",".join([_encode_cell(row.get(name)) for name in columns.fields]) for row in rows]
        return _join_csv(lines, columns, header=header)
    return _encode_table(rows, columns, header=header)


def encode_rooms(rooms: Rooms, columns: Columns, kind: Format, *, header: bool = True) -> str:
    """Return what ``encode`` returns for the rows of ``rooms``, several times as fast, with no dict for a room."""
    if kind == "table" or InvalidRoom in {*map(type, rooms)}:
        return encode([room_row(room) for room in rooms], columns, kind, header=header)
    valid: Any = rooms
    times = _format_times(valid)
    if kind == "csv":
        rest = "," * (len(columns.fields) - len(ROOM.fields))
        lines = [
            f"{room.uuid if room.uuid.isalnum() else _encode_text(room.uuid)},{_encode_text(room.team_uuid)},"
            f"{_encode_text(room.app_uuid)},{_encode_text(room.name)},{'true' if room.is_record else 'false'},"
            f"{'true' if room.is_ban else 'false'},{time},{room.limit},"
            f"{_encode_cell(dict(room.extra)) if room.extra else ''}{rest}"
            for room, time in zip(valid, times, strict=True)
        ]
        return _join_csv(lines, columns, header=header)
    return "".join(
        [
            f'{{"uuid":"{room.uuid}","team_uuid":{_quote(room.team_uuid)},"app_uuid":{_quote(room.app_uuid)},'
            f'"name":{_quote(room.name)},'
            f'"is_record":{"true" if room.is_record else "false"},"is_ban":{"true" if room.is_ban else "false"},'
            f'"created_at":"{time}","limit":{room.limit},'
            f'"extra":{encode_json(dict(room.extra)) if room.extra else "{}"}}}\n'
            for room, time in zip(valid, times, strict=True)
        ]
    )


@lru_cache(64)  # rooms have the same few teams and apps
def _quote(text: str | None) -> str:
    return "null" if text is None else encode_json(text)


def _format_times(rooms: Sequence[Room]) -> list[str]:
    """Return ``format_time`` of all rooms, by msgspec: isoformat alone takes as long as all the rest of a row."""
    texts = msgspec.json.encode([room.created_at for room in rooms]).decode()[1:-1].split(",")
    return [
        f"{text[1:24]}Z" if text.endswith('000Z"') else format_time(room.created_at)  # a full second has no 000
        for room, text in zip(rooms, texts, strict=False)
    ]


def _join_csv(lines: Sequence[str], columns: Columns, *, header: bool) -> str:
    return "".join([f"{line}\n" for line in ([",".join(columns.fields)] if header else []) + [*lines]])


def _encode_cell(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, str):
        return _encode_text(value)
    return _quote_cell(FORMULA_IN_PART.sub(r"\\u003b", json.dumps(value)))  # the same JSON


@lru_cache(64)
def _encode_text(value: str | None) -> str:
    value = value or ""
    text = FORMULA_IN_PART.sub(";'", visible(value))
    return _quote_cell(f"'{text}" if FORMULA.match(value) else text)


def _quote_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def _encode_table(rows: Sequence[Row], columns: Columns, *, header: bool) -> str:
    from rich.cells import cell_len

    widths = columns.widths(get_terminal_size().columns if sys.stdout.isatty() else NO_WIDTH)
    if header and len(widths) < len(columns.shown):
        left_out = ", ".join([*columns.shown][len(widths) :])
        say(f"columns left out: {left_out}; widen the terminal, or use --format jsonl")
    # The milliseconds of a time are left out; whatever else is cut ends with an ellipsis.
    ends = {"created_at": columns.shown.get("created_at")}
    cells = [[_format_cell(row.get(name))[: ends.get(name)] for name in widths] for row in rows]
    for place, (name, width) in enumerate(widths.items()):
        if not columns.shown[name]:
            widths[name] = min(width, max([len(name), *(cell_len(each[place]) for each in cells)]))
    *fixed, last = widths.values()
    indent = sum(fixed) + GAP * len(fixed)
    names = " ".join(_fit(name, width + GAP - 1) for name, width in widths.items()).rstrip()
    lines = [styled(names, 1)] * header
    for *others, end in cells:
        start = "".join(f"{_fit(cell, width)}{' ' * GAP}" for cell, width in zip(others, fixed, strict=True))
        parts = (columns.folds and wrap(end, max(MIN_SHARED, last))) or [_fit(end, last)]
        lines += [f"{start}{parts[0]}", *(f"{' ' * indent}{part}" for part in parts[1:])]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _fit(text: str, width: int) -> str:
    from rich.cells import cell_len, set_cell_size

    return f"{set_cell_size(text, width - 1)}…" if cell_len(text) > width else set_cell_size(text, width)


def _format_cell(value: Any) -> str:
    if value is None or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))


def _strict_json(document: Any) -> Any:
    """Return ``document`` as strict JSON without tokens, NaN and its like as strings; ``None`` if it cannot be."""
    try:
        text = re.sub("[\ud800-\udfff]", HIDDEN, json.dumps(document, ensure_ascii=False))
        return json.loads(redact(text), parse_constant=str)
    except (ValueError, RecursionError):
        return None
