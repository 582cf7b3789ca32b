"""What is compared: each opens what it needs and yields a function that does the work once.

That function returns the uuids it got, in any order, so that a run can check that all did the same work.
A contender imports its libraries itself, so that no other one carries them.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import anyio

from netless_rooms import AccessKey, AsyncRooms
from stand_in import Listing, uuid_at

PAGE: Final = 1_000  # rooms
HEADERS: Final = {"token": "NETLESSSDK_bench", "region": "us-sv"}
KEY: Final = AccessKey("bench", "secret")
WIRE_NAMES: Final = {
    "uuid": "uuid",
    "team_uuid": "teamUUID",
    "app_uuid": "appUUID",
    "name": "name",
    "is_record": "isRecord",
    "is_ban": "isBan",
    "created_at": "createdAt",
    "limit": "limit",
}
UNKNOWN_FIELD: Final = (b'"limit":', b'"theme":"dark","limit":')

Work: TypeAlias = Callable[[], Awaitable[Sequence[str]]]
Opened: TypeAlias = AsyncGenerator[Work, None]
Decode: TypeAlias = Callable[[bytes], Sequence[Any]]


@asynccontextmanager
async def open_by_hand(url: str, library: str, decoded_by: str) -> AsyncGenerator[Callable[[], Any], None]:
    """Yield a function that returns the pages, by the loop that one writes first: no checks, no retries."""
    decode = globals()[f"decode_{decoded_by}"]()
    kinds = {"aiohttp": "ClientSession", "httpx_aiohttp": "HttpxAiohttpClient"}
    client: Any = getattr(import_module(library), kinds.get(library, "AsyncClient"))(headers=HEADERS)

    async def fetch(params: dict[str, Any]) -> Any:
        if library == "aiohttp":
            async with client.get(f"{url}/v5/rooms", params=params, raise_for_status=True) as response:
                return decode(await response.read())
        response = await client.get(f"{url}/v5/rooms", params=params)
        response.raise_for_status()
        return response.json() if decoded_by == "json" else decode(response.content)

    async def pages() -> AsyncGenerator[Any, None]:
        params: dict[str, str | int] = {"limit": PAGE}
        while rooms := (await fetch(params))["beginUUID" in params :]:  # the first one was on the page before
            yield rooms
            params["beginUUID"] = rooms[-1]["uuid"] if decoded_by == "json" else rooms[-1].uuid

    async with client:
        yield pages


@asynccontextmanager
async def walk_by_hand(url: str, library: str = "httpx", decoded_by: str = "json") -> Opened:
    """Yield a walk, over dicts unless the decoding has types."""
    async with open_by_hand(url, library, decoded_by) as pages:

        async def work() -> list[str]:
            if decoded_by == "json":
                return [room["uuid"] async for page in pages() for room in page]
            return [room.uuid async for page in pages() for room in page]

        yield work


@asynccontextmanager
async def get_by_hand(url: str, count: int, library: str = "httpx", concurrency: int = 0) -> Opened:
    """Yield bare gets: one after the other, or with a semaphore and ``asyncio.gather``."""
    uuids = some_uuids(url, count)
    async with import_module(library).AsyncClient(headers=HEADERS) as client:
        permits = asyncio.Semaphore(concurrency or 1)

        async def get(uuid: str) -> str:
            async with permits:
                response = await client.get(f"{url}/v5/rooms/{uuid}")
            response.raise_for_status()
            return str(response.json()["uuid"])

        async def work() -> list[str]:
            return await asyncio.gather(*map(get, uuids)) if concurrency else [await get(uuid) for uuid in uuids]

        yield work


@asynccontextmanager
async def export_by_hand(url: str, path: str = "") -> Opened:
    """Yield a script that writes the same JSON lines as our command; it returns how many."""

    def line_of(room: Any) -> str:
        row = {field: room.get(name) for field, name in WIRE_NAMES.items()} | {"extra": {}}
        return json.dumps(row, separators=(",", ":")) + "\n"

    with TemporaryDirectory() as folder:
        file = Path(path or Path(folder, "rooms.jsonl"))
        async with open_by_hand(url, "httpx", "json") as pages:

            async def work() -> list[str]:
                with file.open("w", encoding="utf-8") as output:  # noqa: ASYNC230  as a script does
                    async for page in pages():
                        output.writelines(map(line_of, page))
                with file.open("rb") as lines:  # noqa: ASYNC230
                    return [str(sum(1 for _ in lines))]

            yield work


@asynccontextmanager
async def open_ours(url: str, over: str = "httpx") -> AsyncGenerator[AsyncRooms, None]:
    """Open the package over a client with any number of connections."""
    if over == "aiohttp":
        from httpx_aiohttp import HttpxAiohttpClient

        client: Any = HttpxAiohttpClient()
    else:
        library = import_module(over)
        limits = library.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
        client = library.AsyncClient(limits=limits)
    async with client:
        yield AsyncRooms(client, token=KEY, region="us-sv", base_url=url)


@asynccontextmanager
async def list_ours(
    url: str, call: str = "walk", *, over: str = "httpx", pause: float = 0, keep: bool = True, **options: Any
) -> Opened:
    """Yield ``walk()`` or ``scan()``.

    Without ``keep`` it returns the number of rooms only, and waits ``pause`` seconds after each thousand.
    """
    async with open_ours(url, over) as rooms:

        async def work() -> list[str]:
            count = 0
            scan: Any = rooms.scan(**options) if call == "scan" else aclosing(rooms.walk())
            async with scan as listed:
                assert "shards" not in options or listed.mode == "shards"
                if keep:  # as the loops by hand do
                    return [room.uuid async for room in listed]
                async for _ in listed:
                    count += 1
                    if pause and count % PAGE == 0:
                        await anyio.sleep(pause)
            return [f"{count}"]

        yield work


@asynccontextmanager
async def get_ours(url: str, count: int, over: str = "httpx", concurrency: int = 0) -> Opened:
    """Yield ``get()``, one after the other, or ``get_many()``."""
    uuids = some_uuids(url, count)
    async with open_ours(url, over) as rooms:

        async def work() -> list[str]:
            if not concurrency:
                return [(await rooms.get(uuid)).uuid for uuid in uuids]
            async with rooms.get_many(uuids, concurrency=concurrency) as outcomes:
                return [outcome.result().uuid async for outcome in outcomes]

        yield work


@asynccontextmanager
async def export_ours(url: str, path: str = "", kind: str = "jsonl", *, checkpoint: bool = False) -> Opened:
    """Yield our command, which writes all rooms into a file; it returns how many."""
    environment = {"NETLESS_ACCESS_KEY": "bench", "NETLESS_SECRET_KEY": "secret", "NETLESS_REGION": "us-sv"}
    with TemporaryDirectory() as folder:
        file = Path(path or Path(folder, f"rooms.{kind}"))
        command = [sys.executable, "-m", "netless_rooms", "scan", "--base-url", url, "--output", f"{file}"]
        command += [f"--checkpoint={file}.checkpoint"] if checkpoint else []

        async def work() -> list[str]:
            subprocess.run(command, env=os.environ | environment, check=True)  # noqa: ASYNC221  nothing else runs
            with file.open("rb") as lines:  # noqa: ASYNC230
                return [str(sum(1 for _ in lines) - (kind == "csv"))]

        yield work


@asynccontextmanager
async def scan_on_dask(url: str, workers: int, shards: int) -> Opened:
    """Yield a scan of each shard by some Dask worker."""
    from distributed import Client, LocalCluster

    options: Any = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    cluster: Any = LocalCluster(**options, asynchronous=True)  # type: ignore[no-untyped-call]
    async with cluster, Client(cluster, asynchronous=True) as client:  # type: ignore[no-untyped-call]

        async def work() -> list[str]:
            async with open_ours(url) as rooms:
                parts = client.map(scan_shard, await rooms.split(shards), url=url, pure=False)
            return [uuid for part in await client.gather(parts) for uuid in part]

        yield work


def scan_shard(shard: str, url: str) -> list[str]:
    """Return the uuids of a shard; runs in a worker."""

    async def scan() -> list[str]:
        async with open_ours(url) as rooms, rooms.scan(resume=shard) as listed:
            return [room.uuid async for room in listed]

    return anyio.run(scan)


def some_uuids(url: str, count: int) -> list[str]:
    """Return the uuids of ``count`` rooms that are served there, evenly spread over the list."""
    total = int(urlsplit(url).path.split("/")[1])
    return [uuid_at(place * total // count, total) for place in range(count)]


def decode_json() -> Decode:
    """Return dicts, as a response of httpx decodes them."""
    import httpx

    return lambda body: httpx.Response(200, content=body).json()


def decode_msgspec() -> Decode:
    """Return frozen structs by msgspec."""
    import msgspec

    class Room(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
        uuid: str
        team_uuid: str = msgspec.field(name="teamUUID")
        app_uuid: str | None = msgspec.field(name="appUUID", default=None)
        name: str | None = None
        is_record: bool
        is_ban: bool
        created_at: datetime
        limit: int

    return msgspec.json.Decoder(list[Room]).decode


def decode_ours() -> Decode:
    """Return our rooms, by the whole way of a response."""
    from netless_rooms._api.requests import list_rooms
    from netless_rooms._api.responses import RawResponse, parse_response

    request = list_rooms(limit=PAGE)
    return lambda body: parse_response(request, RawResponse(200, {}, body))


@asynccontextmanager
async def decode(by: str, times: int, *, unknown_fields: bool = False) -> Opened:
    """Yield the decoding of a page, ``times`` times, perhaps with a field in each room that is not documented."""
    read, body = globals()[f"decode_{by}"](), b"[" + Listing(PAGE).page(b"", PAGE) + b"]"
    if unknown_fields:
        body = body.replace(*UNKNOWN_FIELD)

    async def work() -> list[str]:
        for _ in range(times):
            rooms = read(body)
        return [room["uuid"] if isinstance(room, dict) else room.uuid for room in rooms]

    yield work


@asynccontextmanager
async def run_python(code: str) -> Opened:
    """Yield a new interpreter that runs ``code`` in a folder with an empty test."""
    with TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing(): pass", "utf-8")  # noqa: ASYNC240

        async def work() -> list[str]:
            command = [sys.executable, "-I", "-c", code]
            subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221
            return []

        yield work
