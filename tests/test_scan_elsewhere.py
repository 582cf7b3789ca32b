"""Shards, checkpoints and errors in another process, which shares nothing with this one."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from netless_rooms import AsyncRooms, DecodeError
from netless_rooms.emulator import Emulator, GatewayPage, NoFault
from other_process import scan_all

pytestmark = pytest.mark.anyio


async def test_shards_are_scanned_and_resumed_in_another_process() -> None:
    emulator = Emulator(rooms=300)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        async with emulator.serve() as url:
            async with AsyncRooms.open(token=emulator.key, region="us-sv", base_url=url) as rooms:
                shards = await rooms.split(2)

            def scanned(checkpoint: str) -> list[str]:
                return process.submit(scan_all, checkpoint, url, emulator.key).result()

            parts = [scanned(shard) for shard in shards]
            assert parts[0] + parts[1] == list(emulator.uuids())
            # The first request checks the account; then one page is returned and the next fails.
            emulator.faults += [NoFault(), NoFault(), GatewayPage(200)]
            with pytest.raises(DecodeError) as caught:
                scanned(shards[1])
            assert caught.value.checkpoint is not None
            assert scanned(caught.value.checkpoint) == parts[1][100:]
