"""Rows on their way out: in which format, and to stdout."""

import sys
from collections.abc import Sequence
from io import StringIO
from typing import Annotated, Any, Final, Literal

from cyclopts import Parameter

from netless_rooms.cli.rows import NO_WIDTH, Columns, Format, Row, encode_csv, encode_jsonl
from netless_rooms.cli.terminal import is_terminal, put, visible

GAP: Final = 2  # between two columns

FormatFlag = Annotated[
    Format | None,
    Parameter(
        name="--format",
        metavar="table|jsonl|csv",
        show_choices=False,
        help="If not given, table in a terminal, else jsonl.",
    ),
]


def format_for(asked: Format | None) -> Format:
    """Return the format for stdout: what was asked for, else a table for people and JSON lines for programs."""
    return asked or ("table" if is_terminal(sys.stdout) else "jsonl")


def encode(rows: Sequence[Row], columns: Columns, format: Format, *, head: bool = True) -> str:  # noqa: A002
    """Return the text of ``rows``; ``head`` says whether the names of the columns come first."""
    if format == "jsonl":
        return encode_jsonl(rows)
    if format == "csv":
        return encode_csv(rows, columns.fields, head=head)
    return _table(rows, columns, head=head)


def show(rows: Sequence[Row], columns: Columns, asked: Format | None) -> None:
    """Write ``rows`` to stdout."""
    put(encode(rows, columns, format_for(asked)))


def show_one(row: Row, columns: Columns, asked: Format | None) -> None:
    """Write one row to stdout; as a table, a field to a line."""
    if format_for(asked) != "table":
        show([row], columns, asked)
        return
    width = max(map(len, columns.fields))
    put("".join(f"{name:{width}}  {spell(row.get(name))}\n" for name in columns.fields))


def spell(value: Any) -> str:
    """Return a value for people."""
    if value is None or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return visible(str(value))


def _table(rows: Sequence[Row], columns: Columns, *, head: bool) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    seen = is_terminal(sys.stdout)
    written = StringIO()
    console = Console(file=written, force_terminal=seen, width=None if seen else NO_WIDTH, highlight=False)
    table = Table(box=None, show_header=head, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name, width in columns.widths(console.width, GAP).items():
        beyond: Literal["crop", "ellipsis"] = "crop" if name in columns.cut else "ellipsis"
        table.add_column(name, min_width=columns.shown[name], max_width=width, no_wrap=True, overflow=beyond)
    for row in rows:
        table.add_row(*(Text(spell(row.get(name))) for name in columns.shown))
    console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())
