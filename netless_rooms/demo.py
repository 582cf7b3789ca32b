"""The main job on real HTTP, without an account: ``python -m netless_rooms.demo``.

Starts the emulator on a port of this machine, walks its 25,000 rooms, and takes one room through its life.
Needs the extras ``emulator`` and ``cli``.
"""

import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Final, Protocol

import anyio

try:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.text import Text

    from netless_rooms.cli.console import StdoutConsole
except ImportError as _missing:
    raise ImportError("the demo needs extras: pip install 'netless-rooms[cli,emulator]'") from _missing

from netless_rooms._client import AsyncRooms
from netless_rooms.emulator import Emulator
from netless_rooms.errors import NotFoundError
from netless_rooms.models import Region, Room

ROOMS: Final = 25_000
REPORT_EVERY: Final = 5_000  # rooms between two lines when there is no terminal to draw in
NO_SUCH_ROOM: Final = "00000000000011ea0000000000000000"


class Advance(Protocol):
    """Tells that so many rooms came."""

    def __call__(self, rooms: int) -> None: ...


async def run(console: Console, room_count: int) -> bool:
    """Run the demo and tell whether all that it saw is as it should be."""
    emulator = Emulator(rooms=room_count)
    began = perf_counter()
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.key, region=Region.US_SV, base_url=base_url) as rooms,
    ):
        console.print("[bold]netless_rooms demo[/bold]: the main job, on real HTTP, without an account\n")
        console.print(f"An emulated service with {room_count:,} rooms listens on {base_url}.\n")
        walked = await _walk_all(console, rooms, room_count)
        lived = await _live_one_life(console, rooms)
        await _fail_once(console, rooms)
    ok = walked and lived
    seconds = perf_counter() - began
    verdict = "[green]All as it should be[/green]" if ok else "[red]Something is not as it should be[/red]"
    console.print(f"\n{verdict}: {len(emulator.requests)} requests in {seconds:.1f} s.")
    console.print("Now yours: the README has ten lines to start from, docs/tutorial.md goes on from there.")
    return ok


async def _walk_all(console: Console, rooms: AsyncRooms, room_count: int) -> bool:
    began = perf_counter()
    uuids: set[str] = set()
    disabled = came = 0
    with _progress(console, room_count) as advance:
        async for page in rooms.pages():
            uuids.update(room.uuid for room in page)
            disabled += sum(room.is_ban for room in page)
            came += len(page)
            advance(len(page))
    seconds = perf_counter() - began
    ok = came == len(uuids) == room_count
    _say(console, ok, f"walked {came:,} rooms in {seconds:.1f} s: {came / seconds:,.0f} rooms a second")
    _say(console, ok, f"{len(uuids):,} different uuids of {room_count:,}, {disabled:,} of the rooms disabled")
    return ok


async def _live_one_life(console: Console, rooms: AsyncRooms) -> bool:
    created = await rooms.create(limit=5)
    _say(console, True, f"created {created.uuid} for {created.limit} writers at once")
    same = await rooms.get(created.uuid) == created
    _say(console, same, "got it: the same room")
    await rooms.disable(created.uuid)
    listed = await _find(rooms, created.uuid)
    found = listed is not None and listed.is_ban
    _say(console, found, "disabled it, and found it disabled in the list")
    enabled = not (await rooms.enable(created.uuid)).is_ban
    _say(console, enabled, "enabled it again")
    return same and found and enabled


async def _find(rooms: AsyncRooms, uuid: str) -> Room | None:
    async with aclosing(rooms.walk()) as walk:
        async for room in walk:
            if room.uuid == uuid:
                return room
    return None


async def _fail_once(console: Console, rooms: AsyncRooms) -> None:
    console.print("\nAn error says who asked what, what came back, and what to do:")
    try:
        await rooms.get(NO_SUCH_ROOM)
    except NotFoundError as error:
        console.print(f"  {type(error).__name__}: {error}", markup=False, style="yellow")


def _say(console: Console, ok: bool, text: str) -> None:
    good, bad = ("ok:", "wrong:") if console.options.ascii_only else ("✓", "✗")
    console.print(f"  {f'[green]{good}[/green]' if ok else f'[red]{bad}[/red]'} {text}")


@contextmanager
def _progress(console: Console, room_count: int) -> Iterator[Advance]:
    """Show how far the walk is: a bar in a terminal, now and then a line elsewhere."""
    if console.is_terminal:
        columns = (TextColumn("  walking"), BarColumn(), MofNCompleteColumn(), _RoomsPerSecond())
        # Redirecting, rich would draw what others write to a stderr that leads to a file.
        with Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as progress:
            task = progress.add_task("walk", total=room_count)
            yield lambda rooms: progress.advance(task, rooms)
        return
    came, began = 0, perf_counter()

    def advance(rooms: int) -> None:
        nonlocal came
        before, came = came, came + rooms
        if before // REPORT_EVERY < came // REPORT_EVERY:
            rate = came / (perf_counter() - began)
            console.print(f"  {came:,} of {room_count:,} rooms, {rate:,.0f} rooms a second")

    yield advance


class _RoomsPerSecond(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} rooms a second")


def main(room_count: int = ROOMS) -> int:
    """Run the demo on this terminal; return the exit code."""
    console = StdoutConsole(highlight=False, soft_wrap=True)
    return 0 if anyio.run(run, console, room_count) else 1


if __name__ == "__main__":
    from netless_rooms.__main__ import main as command

    sys.exit(command(["demo"]))
