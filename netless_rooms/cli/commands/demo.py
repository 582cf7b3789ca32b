"""The command ``demo``: the library against an emulated service over HTTP, without an account.

Starts the emulator on a local port, walks its 25,000 rooms, then creates, gets, disables and enables a room.
"""

import sys
from time import perf_counter
from typing import Final

from netless_rooms._client import AsyncRooms
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import per_second, progress, put, styled
from netless_rooms.errors import NotFoundError
from netless_rooms.models import Region

ROOMS: Final = 25_000
RED, GREEN, YELLOW = 31, 32, 33
NO_SUCH_ROOM: Final = "00000000000011ea0000000000000000"


async def demo() -> int:
    """Walk an emulated service, without an account."""
    try:
        from netless_rooms.emulator import Emulator
    except ImportError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None
    emulator, start, demonstration = Emulator(rooms=ROOMS), perf_counter(), Demonstration()
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.key, region=Region.US_SV, base_url=base_url) as rooms,
    ):
        put(f"{styled('netless_rooms demo', 1)}: a walk over HTTP, without an account\n\n")
        put(f"An emulated service with {ROOMS:,} rooms listens on {base_url}.\n\n")
        await demonstration.walk_all(rooms)
        await demonstration.change_one(rooms)
        put("\nAn error names the request, the response, and what to do next:\n")
        try:
            await rooms.get(NO_SUCH_ROOM)
        except NotFoundError as error:
            put(f"  {styled(f'{type(error).__name__}: {error}', YELLOW)}\n")
    ok = demonstration.ok
    verdict = styled("All results are as expected", GREEN) if ok else styled("Some results are wrong", RED)
    put(f"\n{verdict}: {len(emulator.requests)} requests in {perf_counter() - start:.1f} s.\n")
    put("Next: the README has ten lines to start from; docs/tutorial.md continues from there.\n")
    return ExitCode.DONE if ok else ExitCode.BUG


class Demonstration:
    """Shows results, each with a mark, and whether all of them are as expected."""

    ok = True

    def show(self, ok: bool, text: str) -> None:
        """Show one result."""
        self.ok = self.ok and ok
        has_marks = "utf" in (sys.stdout.encoding or "").lower()
        good, bad = ("✓", "✗") if has_marks else ("ok:", "wrong:")
        put(f"  {styled(good, GREEN) if ok else styled(bad, RED)} {text}\n")

    async def walk_all(self, rooms: AsyncRooms) -> None:
        """Go through the whole list."""
        start, uuids = perf_counter(), set[str]()
        disabled = received = 0
        with progress() as update:
            async for page in rooms.pages():
                uuids.update(room.uuid for room in page)
                disabled += sum(room.is_ban for room in page)
                received += len(page)
                update(f"{received:,} of {ROOMS:,} rooms", received)
        seconds = perf_counter() - start
        ok = received == len(uuids) == ROOMS
        self.show(ok, f"walked {received:,} rooms in {seconds:.1f} s: {per_second(received, seconds)}")
        self.show(ok, f"{len(uuids):,} different uuids of {ROOMS:,}, {disabled:,} of the rooms disabled")

    async def change_one(self, rooms: AsyncRooms) -> None:
        """Create a room and change it."""
        created = await rooms.create(limit=5)
        self.show(True, f"created {created.uuid} with a limit of {created.limit} writers")
        self.show(await rooms.get(created.uuid) == created, "got it: the same room")
        await rooms.disable(created.uuid)
        listed = [room.is_ban async for room in rooms.walk(begin_uuid=created.uuid, max_rooms=1)]
        self.show(listed == [True], "disabled it, and found it disabled in the list")
        self.show(not (await rooms.enable(created.uuid)).is_ban, "enabled it again")
