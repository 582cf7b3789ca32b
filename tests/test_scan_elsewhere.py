"""Shards and checkpoints in other processes, which share nothing with this one."""

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from netless_rooms import AsyncRooms, DecodeError
from netless_rooms.emulator import Emulator, GatewayPage, NoFault
from other_process import scan_all

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def processes() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=2_000)


@pytest.fixture
async def url(emulator: Emulator) -> AsyncIterator[str]:
    async with emulator.serve() as url:
        yield url


async def split(emulator: Emulator, url: str) -> tuple[str, ...]:
    async with AsyncRooms.open(token=emulator.key, region="us-sv", base_url=url) as rooms:
        return await rooms.split(4)


async def test_shards_that_others_scan_are_the_whole_list(
    processes: Executor, emulator: Emulator, url: str
) -> None:
    shards = await split(emulator, url)
    parts = processes.map(scan_all, shards, [url] * 4, [emulator.key] * 4)
    assert [uuid for part in parts for uuid in part] == list(emulator.uuids())


async def test_an_error_brings_its_checkpoint_home(processes: Executor, emulator: Emulator, url: str) -> None:
    shard = (await split(emulator, url))[1]
    whole = processes.submit(scan_all, shard, url, emulator.key).result()
    # The first request is about the account; then a page comes, and no other.
    emulator.faults += [NoFault(), NoFault(), GatewayPage(200)]
    with pytest.raises(DecodeError) as caught:
        processes.submit(scan_all, shard, url, emulator.key).result()
    assert caught.value.checkpoint is not None
    assert processes.submit(scan_all, caught.value.checkpoint, url, emulator.key).result() == whole[100:]
