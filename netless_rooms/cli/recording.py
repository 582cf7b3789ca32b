"""What keeps the rooms of a scan: rows to a sink, and where the scan stands to a checkpoint file."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import evolve

from netless_rooms._listing.scan import Scan
from netless_rooms.cli.exits import CommandError, Exit
from netless_rooms.cli.filters import Filters
from netless_rooms.cli.journal import Standing, check_same, read_standing, write_standing
from netless_rooms.cli.output import encode
from netless_rooms.cli.rows import Columns, Format, Row, invalid_row, room_row
from netless_rooms.cli.sinks import OutputFile, Sink, Stdout
from netless_rooms.cli.terminal import is_pipe
from netless_rooms.models import InvalidRoom, Room


class Recorder:
    """Takes the rooms of a scan one by one, and keeps them together with the checkpoint behind them."""

    standing: Standing
    """What is kept for certain."""

    def __init__(
        self,
        standing: Standing,
        checkpoint: Path | None,
        sink: Sink,
        filters: Filters,
        columns: Columns,
        format: Format,  # noqa: A002
    ) -> None:
        self.standing = self._begun_at = standing
        self._checkpoint = checkpoint
        self._sink = sink
        self._filters = filters
        self._columns = columns
        self._format: Format = format
        self._rows: list[Row] = []
        self._taken = 0

    @property
    def has_checkpoint(self) -> bool:
        """Whether the scan can be gone on with."""
        return self._checkpoint is not None

    @property
    def has_file(self) -> bool:
        """Whether the rows go to a file."""
        return isinstance(self._sink, OutputFile)

    def take(self, room: Room | InvalidRoom) -> None:
        """Take the room that has just come out of the scan."""
        self._taken += 1
        if isinstance(room, InvalidRoom):
            self._rows.append(invalid_row(room))
        elif self._filters.passes(room):
            self._rows.append(room_row(room))

    def keep(self, scan: Scan[Any], *, ended: bool = False) -> None:
        """Write what was taken, then the checkpoint; ``ended`` if nothing more will come.

        Nothing is kept if the last room of ``scan`` was not taken, since the checkpoint counts it as done.
        """
        if self._taken != scan.room_count:
            return
        checkpoint = scan.checkpoint
        head = self.standing.scan is None
        if self._rows or head:
            self._sink.write(encode(self._rows, self._columns, self._format, head=head))
        self.standing = evolve(
            self.standing,
            scan=checkpoint,
            ended=ended,
            size=self._sink.size,
            sum=self._sink.sum,
            rooms=self._begun_at.rooms + scan.room_count,
            written=self.standing.written + len(self._rows),
            skipped=self._begun_at.skipped + scan.skipped_count,
        )
        self._rows = []
        if self._checkpoint is not None:
            write_standing(self._checkpoint, self.standing)


@contextmanager
def recording(
    checkpoint: Path | None,
    output: Path | None,
    asked: Mapping[str, Any],
    *,
    filters: Filters,
    columns: Columns,
    format: Format,  # noqa: A002
) -> Iterator[Recorder]:
    """Give what keeps the rooms; ``CommandError`` if a file does not belong to this scan."""
    if checkpoint is not None and output is not None and checkpoint.resolve() == output.resolve():
        raise CommandError(Exit.USAGE, "--checkpoint and --output must be two files")
    if checkpoint is not None and output is None and is_pipe(sys.stdout):
        # Rows in a pipe, or in its reader's memory, may get lost, and the checkpoint would count them as done.
        raise CommandError(
            Exit.USAGE,
            "--checkpoint needs --output FILE: nobody can tell what the reader of a pipe has done with its rows",
        )
    known = None if checkpoint is None else read_standing(checkpoint)
    if checkpoint is not None and known is not None:
        check_same(checkpoint, known, asked)
    standing = known or Standing(asked=asked)
    if standing.ended:
        yield Recorder(standing, None, Stdout(), filters, columns, format)
        return
    if checkpoint is not None and known is None:
        if output is not None and output.exists():
            raise CommandError(
                Exit.FILE, f"{output} is there already, and {checkpoint} is not: remove it, or name another"
            )
        write_standing(checkpoint, standing)
    sink = Stdout() if output is None else OutputFile(output, standing, is_new=checkpoint is None)
    try:
        yield Recorder(standing, checkpoint, sink, filters, columns, format)
    finally:
        sink.close()
