"""What another process does; it can be imported there, unlike a test."""

import anyio

from netless_rooms import AccessKey, AsyncRooms


def scan_all(checkpoint: str, url: str, key: AccessKey) -> list[str]:
    """Return the uuids that are left at ``checkpoint``."""
    return anyio.run(_scan_all, checkpoint, url, key)


async def _scan_all(checkpoint: str, url: str, key: AccessKey) -> list[str]:
    async with (
        AsyncRooms.open(token=key, region="us-sv", base_url=url) as rooms,
        rooms.scan(resume=checkpoint, page_size=100) as scan,
    ):
        return [room.uuid async for room in scan]
