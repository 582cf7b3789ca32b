"""The command ``demo``: the library against an emulated service over HTTP, without an account.

Starts the emulator on a local port, walks its 25,000 rooms, then creates, gets, disables and enables a room.
"""

from contextlib import aclosing
from time import perf_counter
from typing import Final

from rich.console import Console

from netless_rooms._client import AsyncRooms
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import StdoutConsole, per_second, progress
from netless_rooms.errors import NotFoundError
from netless_rooms.models import Region, Room

ROOMS: Final = 25_000
NO_SUCH_ROOM: Final = "00000000000011ea0000000000000000"


async def demo() -> int:
    """Walk an emulated service, without an account."""
    console = StdoutConsole(highlight=False, soft_wrap=True)
    return ExitCode.DONE if await run(console, ROOMS) else ExitCode.BUG


async def run(console: Console, room_count: int) -> bool:
    """Run the demo and return whether all results are as expected."""
    try:
        from netless_rooms.emulator import Emulator
    except ImportError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None
    emulator = Emulator(rooms=room_count)
    start = perf_counter()
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.key, region=Region.US_SV, base_url=base_url) as rooms,
    ):
        console.print("[bold]netless_rooms demo[/bold]: a walk over HTTP, without an account\n")
        console.print(f"An emulated service with {room_count:,} rooms listens on {base_url}.\n")
        walked = await _walk_all(console, rooms, room_count)
        changed = await _change_one(console, rooms)
        await _fail_once(console, rooms)
    ok = walked and changed
    verdict = "[green]All results are as expected[/green]" if ok else "[red]Some results are wrong[/red]"
    console.print(f"\n{verdict}: {len(emulator.requests)} requests in {perf_counter() - start:.1f} s.")
    console.print("Next: the README has ten lines to start from; docs/tutorial.md continues from there.")
    return ok


async def _walk_all(console: Console, rooms: AsyncRooms, room_count: int) -> bool:
    start, uuids = perf_counter(), set[str]()
    disabled = received = 0
    with progress() as update:
        async for page in rooms.pages():
            uuids.update(room.uuid for room in page)
            disabled += sum(room.is_ban for room in page)
            received += len(page)
            update(f"{received:,} of {room_count:,} rooms", received)
    seconds = perf_counter() - start
    ok = received == len(uuids) == room_count
    _report(console, ok, f"walked {received:,} rooms in {seconds:.1f} s: {per_second(received, seconds)}")
    _report(console, ok, f"{len(uuids):,} different uuids of {room_count:,}, {disabled:,} of the rooms disabled")
    return ok


async def _change_one(console: Console, rooms: AsyncRooms) -> bool:
    created = await rooms.create(limit=5)
    _report(console, True, f"created {created.uuid} with a limit of {created.limit} writers")
    same = await rooms.get(created.uuid) == created
    _report(console, same, "got it: the same room")
    await rooms.disable(created.uuid)
    listed = await _find(rooms, created.uuid)
    found = listed is not None and listed.is_ban
    _report(console, found, "disabled it, and found it disabled in the list")
    enabled = not (await rooms.enable(created.uuid)).is_ban
    _report(console, enabled, "enabled it again")
    return same and found and enabled


async def _find(rooms: AsyncRooms, uuid: str) -> Room | None:
    async with aclosing(rooms.walk()) as walk:
        async for room in walk:
            if room.uuid == uuid:
                return room
    return None


async def _fail_once(console: Console, rooms: AsyncRooms) -> None:
    console.print("\nAn error names the request, the response, and what to do next:")
    try:
        await rooms.get(NO_SUCH_ROOM)
    except NotFoundError as error:
        console.print(f"  {type(error).__name__}: {error}", markup=False, style="yellow")


def _report(console: Console, ok: bool, text: str) -> None:
    good, bad = ("ok:", "wrong:") if console.options.ascii_only else ("✓", "✗")
    console.print(f"  {f'[green]{good}[/green]' if ok else f'[red]{bad}[/red]'} {text}")
