"""The command ``demo``: the library against an emulated service over HTTP, without an account."""

from time import perf_counter
from typing import Final

from netless_rooms._client import AsyncRooms
from netless_rooms.cli.errors import CommandError, ExitCode
from netless_rooms.cli.output import per_second, progress, put, styled
from netless_rooms.errors import NotFoundError
from netless_rooms.models import Region

ROOMS: Final = 25_000


async def demo() -> None:
    try:
        from netless_rooms.emulator import Emulator
    except ImportError as error:
        raise CommandError(ExitCode.SETTINGS, str(error)) from None
    emulator, start = Emulator(rooms=ROOMS), perf_counter()
    async with (
        emulator.serve() as base_url,
        AsyncRooms.open(token=emulator.key, region=Region.US_SV, base_url=base_url) as rooms,
    ):
        put(f"{styled('netless_rooms demo', 1)}: a walk over HTTP, without an account\n\n")
        put(f"An emulated service with {ROOMS:,} rooms listens on {base_url}.\n\n")
        uuids, disabled, walk_start = set[str](), 0, perf_counter()
        with progress() as update:
            async for page in rooms.pages():
                uuids.update(room.uuid for room in page)
                disabled += sum(room.is_ban for room in page)
                update(f"{len(uuids):,} of {ROOMS:,} rooms", len(uuids))
        seconds = perf_counter() - walk_start
        put(f"  walked {len(uuids):,} rooms in {seconds:.1f} s: {per_second(len(uuids), seconds)}\n")
        put(f"  found {disabled:,} of them disabled\n")
        created = await rooms.create(limit=5)
        put(f"  created {created.uuid} with a limit of {created.limit} writers\n")
        await rooms.disable(created.uuid)
        put(f"  disabled it: is_ban is {(await rooms.get(created.uuid)).is_ban}\n")
        await rooms.enable(created.uuid)
        put(f"  enabled it: is_ban is {(await rooms.get(created.uuid)).is_ban}\n")
        put("\nAn error names the request, the response, and what to do next:\n")
        try:
            await rooms.get("00000000000011ea0000000000000000")
        except NotFoundError as error:
            put(f"  {styled(f'{type(error).__name__}: {error}', 33)}\n")
    put(f"\n{len(emulator.requests)} requests in {perf_counter() - start:.1f} s.\n")
    put("Next: docs/tutorial.md, which needs no account either.\n")
