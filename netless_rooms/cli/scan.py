"""The command ``scan``: all rooms, and on from where it stopped."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from attrs import asdict
from cyclopts import Parameter

from netless_rooms._client import AsyncRooms
from netless_rooms._listing.scan import Scan
from netless_rooms.cli.arguments import USUAL_WAY, Way
from netless_rooms.cli.exits import CommandError, Exit, code_of, told
from netless_rooms.cli.filters import ALL, Filters
from netless_rooms.cli.output import FormatFlag, format_for
from netless_rooms.cli.progress import Pace, Tell, count, progress
from netless_rooms.cli.recording import Recorder, recording
from netless_rooms.cli.rows import ROOM, ROOM_OR_INVALID, Format
from netless_rooms.cli.settings import FROM_ENVIRONMENT, Settings, base_url_of, open_rooms
from netless_rooms.cli.terminal import is_terminal, say
from netless_rooms.errors import DecodeError, RoomsError


async def scan(
    *,
    checkpoint: Annotated[Path | None, Parameter(help="Go on from this file, and keep it up to date.")] = None,
    output: Annotated[
        Path | None, Parameter(help="Write here, as CSV if it ends in .csv; else to stdout.")
    ] = None,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    on_invalid: Annotated[
        Literal["raise", "skip", "yield"],
        Parameter(help="What to do with unreadable rooms.", metavar="raise|skip|yield", show_choices=False),
    ] = "raise",
    way: Way = USUAL_WAY,
    filters: Filters = ALL,
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Show all rooms, each exactly once."""
    chosen = _format(format, output)
    is_wide = on_invalid == "yield" and chosen != "jsonl"
    asked = {
        "format": chosen,
        "output": output and str(output.resolve()),
        "base_url": base_url_of(settings),
        "on_invalid": "yield" if is_wide else None,
        **filters.spelled(),
    }
    with recording(
        checkpoint, output, asked, filters=filters, columns=ROOM_OR_INVALID if is_wide else ROOM, format=chosen
    ) as recorder:
        if recorder.standing.ended:
            say(f"{checkpoint} is of a scan that has ended, with {_came(recorder)}: remove it to scan anew")
            return
        async with open_rooms(settings) as rooms:
            await _record(rooms, recorder, checkpoint, on_invalid=on_invalid, **asdict(way))
    _sum_up(recorder)


async def _record(rooms: AsyncRooms, recorder: Recorder, checkpoint: Path | None, **options: Any) -> None:
    """Take all rooms, and say how to go on if that fails."""
    try:
        scanning = rooms.scan(resume=recorder.standing.scan, **options)
    except ValueError as error:  # everything else was checked before
        raise CommandError(Exit.FILE, str(error).replace("resume", str(checkpoint), 1)) from None
    try:
        with progress(is_wanted=recorder.has_file or not is_terminal(sys.stdout)) as tell:
            async with scanning as scan:
                await _take_all(scan, recorder, tell)
    except RoomsError as error:
        raise CommandError(code_of(error), f"{told(error)}; {_how_to_go_on(error, recorder)}") from error
    except anyio.get_cancelled_exc_class():
        if checkpoint is not None:
            say(f"stopped: {_how_to_go_on(None, recorder)}")
        raise


async def _take_all(scan: Scan[Any], recorder: Recorder, tell: Tell) -> None:
    pace, pages = Pace(), 0
    try:
        async for room in scan:
            recorder.take(room)
            if scan.page_count != pages:  # the first room of a page: the page before it is complete
                pages = scan.page_count
                recorder.keep(scan)
                tell(pace.figures(scan.room_count, pages))
    except (RoomsError, anyio.get_cancelled_exc_class()):
        recorder.keep(scan)
        raise
    recorder.keep(scan, ended=True)
    tell(pace.figures(scan.room_count, pages))


def _how_to_go_on(error: RoomsError | None, recorder: Recorder) -> str:
    if not recorder.has_checkpoint:
        return "with --checkpoint FILE it could be gone on with"
    skip = ", with --on-invalid skip to leave out what cannot be read" if isinstance(error, DecodeError) else ""
    return f"{_came(recorder)} kept; give the same command again to go on{skip}"


def _came(recorder: Recorder) -> str:
    standing = recorder.standing
    came = count(standing.rooms, "room")
    return came if standing.written == standing.rooms else f"{came} seen and {standing.written:,} of them"


def _sum_up(recorder: Recorder) -> None:
    if recorder.standing.skipped:
        say(f"{count(recorder.standing.skipped, 'room')} could not be read and were left out")
    if is_terminal(sys.stderr):
        say(f"{_came(recorder)} written")


def _format(asked: Format | None, output: Path | None) -> Format:
    if output is None:
        return format_for(asked)
    if asked == "table":
        raise CommandError(Exit.USAGE, "a table is for people: write --format jsonl or csv to a file")
    return asked or ("csv" if output.suffix.lower() == ".csv" else "jsonl")
