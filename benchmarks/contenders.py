"""What is set side by side: each opens what it needs and gives a function that does the work once.

The function returns the uuids that came, in any order, so that a run can tell that all did the same work.
What a contender needs is imported inside it, for no other one has to carry it.
"""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import anyio

from decoders import DECODERS, uuid_of, with_new_field
from netless_rooms import AccessKey, AsyncRooms
from netless_rooms.emulator.rooms import GeneratedRooms
from stand_in import Listing

PAGE: Final = 1_000  # rooms
HEADERS: Final = {"token": "NETLESSSDK_bench", "region": "us-sv"}
KEY: Final = AccessKey("bench", "secret")

Work: TypeAlias = Callable[[], Awaitable[Sequence[str]]]
Opened: TypeAlias = AsyncGenerator[Work, None]


# The list from its first room to its last


@asynccontextmanager
async def walk_httpx(url: str, library: str = "httpx") -> Opened:
    """Yield the loop that one writes by hand: no types, no checks, no second try."""
    async with import_module(library).AsyncClient(headers=HEADERS) as client:

        async def work() -> list[str]:
            uuids: list[str] = []
            params: dict[str, str | int] = {"limit": PAGE}
            while True:
                response = await client.get(f"{url}/v5/rooms", params=params)
                response.raise_for_status()
                rooms = response.json()
                if "beginUUID" in params:
                    rooms = rooms[1:]  # the first one came with the page before
                if not rooms:
                    return uuids
                for room in rooms:
                    uuids.append(room["uuid"])
                params["beginUUID"] = rooms[-1]["uuid"]

        yield work


@asynccontextmanager
async def walk_openai(url: str) -> Opened:
    """Yield the paginator of openai-python, which is that of every client Stainless generates."""
    from datetime import datetime

    from openai import AsyncOpenAI, BaseModel
    from openai._base_client import PageInfo
    from openai.pagination import AsyncCursorPage
    from pydantic import Field

    class Room(BaseModel):
        uuid: str
        team_uuid: str = Field(alias="teamUUID")
        app_uuid: str | None = Field(alias="appUUID", default=None)
        name: str | None = None
        is_record: bool = Field(alias="isRecord")
        is_ban: bool = Field(alias="isBan")
        created_at: datetime = Field(alias="createdAt")
        limit: int

    class Page(AsyncCursorPage[Room]):
        @classmethod
        def build(cls, *, response: object, data: Any) -> "Page":  # noqa: ARG003  as it is called
            return cls.construct(None, data=data)

        def _get_page_items(self) -> list[Room]:
            return self.data[1:] if "beginUUID" in self._options.params else self.data

        def next_page_info(self) -> PageInfo:
            return PageInfo(params={"beginUUID": self.data[-1].uuid})

    async with AsyncOpenAI(api_key="bench", base_url=url, default_headers=HEADERS) as client:
        options: Any = {"params": {"limit": PAGE}}

        async def work() -> list[str]:
            listed = client.get_api_list("/v5/rooms", model=Room, page=Page, options=options)
            return [room.uuid async for room in listed]

        yield work


@asynccontextmanager
async def walk_cattrs(url: str) -> Opened:
    """Yield the loop by hand with types: httpx, orjson and cattrs."""
    import httpx

    decode = DECODERS["cattrs"]()
    async with httpx.AsyncClient(headers=HEADERS) as client:

        async def fetch(query: str) -> bytes:
            response = await client.get(f"{url}/v5/rooms?{query}")
            response.raise_for_status()
            return response.content

        yield lambda: walked(fetch, decode)


@asynccontextmanager
async def walk_msgspec(url: str) -> Opened:
    """Yield the loop by hand of who wants it fast: aiohttp and msgspec."""
    import aiohttp

    decode = DECODERS["msgspec"]()
    async with aiohttp.ClientSession(headers=HEADERS, raise_for_status=True) as session:

        async def fetch(query: str) -> bytes:
            async with session.get(f"{url}/v5/rooms?{query}") as response:
                return await response.read()

        yield lambda: walked(fetch, decode)


async def walked(fetch: Callable[[str], Awaitable[bytes]], decode: Callable[[bytes], Sequence[Any]]) -> list[str]:
    """Go through the list by hand, with typed rooms."""
    uuids: list[str] = []
    query = f"limit={PAGE}"
    while True:
        rooms = decode(await fetch(query))
        if uuids:
            rooms = rooms[1:]
        if not rooms:
            return uuids
        for room in rooms:
            uuids.append(room.uuid)
        query = f"limit={PAGE}&beginUUID={uuids[-1]}"


@asynccontextmanager
async def walk_nothing(url: str) -> Opened:
    """Yield what only receives: a blocking socket, and of each page the last uuid."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        room_for = bytearray(PAGE * 1_000)

        async def work() -> list[str]:
            query, last = f"limit={PAGE}", b""
            while True:
                asked = f"GET {address.path}/v5/rooms?{query} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
                connection.sendall(asked.encode())
                end = receive(connection, room_for)
                at = room_for.rindex(b'{"uuid":"', 0, end) + len('{"uuid":"')
                uuid = bytes(room_for[at : at + 32])
                if uuid == last:
                    return []
                last, query = uuid, f"limit={PAGE}&beginUUID={uuid.decode()}"

        yield work


def receive(connection: socket.socket, into: bytearray) -> int:
    """Read one answer and return where it ends."""
    view, got, whole = memoryview(into), 0, 0
    while not whole or got < whole:
        came = connection.recv_into(view[got:])
        if not came:
            raise ConnectionError("the server closed the connection")
        got += came
        if not whole and (head := into.find(b"\r\n\r\n", 0, got)) >= 0:
            length = re.search(rb"Content-Length: (\d+)", view[:head])
            assert length is not None
            whole = head + 4 + int(length[1])
    return whole


# Ours


def ours(url: str, over: str = "httpx") -> AbstractAsyncContextManager[AsyncRooms]:
    """Open ours over a client of ``over``, with as many connections as it may want."""
    return _opened(url, over)


@asynccontextmanager
async def _opened(url: str, over: str) -> AsyncGenerator[AsyncRooms, None]:
    if over == "aiohttp":
        from httpx_aiohttp import HttpxAiohttpClient

        client: Any = HttpxAiohttpClient()
    else:
        library = import_module(over)
        many = library.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
        client = library.AsyncClient(limits=many)
    async with client:
        yield AsyncRooms(client, token=KEY, region="us-sv", base_url=url)


@asynccontextmanager
async def walk_ours(url: str, over: str = "httpx", pause: float = 0) -> Opened:
    """Yield ``walk()``; whoever takes the rooms waits ``pause`` seconds after each thousand."""
    async with ours(url, over) as rooms:

        async def work() -> list[str]:
            uuids: list[str] = []
            async for room in rooms.walk():
                uuids.append(room.uuid)
                if pause and len(uuids) % PAGE == 0:
                    await anyio.sleep(pause)
            return uuids

        yield work


@asynccontextmanager
async def pages_ours(url: str, over: str = "httpx") -> Opened:
    """Yield ``pages()``."""
    async with ours(url, over) as rooms:

        async def work() -> list[str]:
            return [room.uuid async for page in rooms.pages() for room in page]

        yield work


@asynccontextmanager
async def scan_ours(url: str, over: str = "httpx", prefetch: int = 1, shards: int = 1, pause: float = 0) -> Opened:
    """Yield ``scan()``; as ``walk_ours``."""
    async with ours(url, over) as rooms:

        async def work() -> list[str]:
            uuids: list[str] = []
            async with rooms.scan(prefetch=prefetch, shards=shards) as scan:
                async for room in scan:
                    uuids.append(room.uuid)
                    if pause and len(uuids) % PAGE == 0:
                        await anyio.sleep(pause)
            return uuids

        yield work


# Single rooms


@asynccontextmanager
async def get_httpx(url: str, count: int, library: str = "httpx") -> Opened:
    """Yield bare gets of the HTTP library, one behind the other."""
    uuids = some_uuids(url, count)
    async with import_module(library).AsyncClient(headers=HEADERS) as client:

        async def work() -> list[str]:
            return [(await client.get(f"{url}/v5/rooms/{uuid}")).json()["uuid"] for uuid in uuids]

        yield work


@asynccontextmanager
async def get_ours(url: str, count: int, over: str = "httpx") -> Opened:
    """Yield ``get()``, one behind the other."""
    uuids = some_uuids(url, count)
    async with ours(url, over) as api:

        async def work() -> list[str]:
            return [(await api.get(uuid)).uuid for uuid in uuids]

        yield work


@asynccontextmanager
async def gather_httpx(url: str, count: int, concurrency: int) -> Opened:
    """Yield what one writes by hand for many calls: a semaphore and ``asyncio.gather``."""
    import httpx

    uuids = some_uuids(url, count)
    async with httpx.AsyncClient(headers=HEADERS) as client:
        turn = asyncio.Semaphore(concurrency)

        async def one(uuid: str) -> str:
            async with turn:
                response = await client.get(f"{url}/v5/rooms/{uuid}")
                response.raise_for_status()
                got: str = response.json()["uuid"]
                return got

        async def work() -> list[str]:
            return await asyncio.gather(*map(one, uuids))

        yield work


@asynccontextmanager
async def get_many_ours(url: str, count: int, concurrency: int) -> Opened:
    """Yield ``get_many()``."""
    uuids = some_uuids(url, count)
    async with ours(url) as api:

        async def work() -> list[str]:
            got: list[str] = []
            async with api.get_many(uuids, concurrency=concurrency) as outcomes:
                async for outcome in outcomes:
                    assert outcome.room is not None, outcome.error
                    got.append(outcome.room.uuid)
            return got

        yield work


def some_uuids(url: str, count: int) -> list[str]:
    """Return the uuids of ``count`` of the rooms that are served there, evenly spread over the list."""
    generated = GeneratedRooms(int(urlsplit(url).path.split("/")[1]))
    return [generated.uuid(place * len(generated) // count) for place in range(count)]


# No network


@asynccontextmanager
async def decode(way: str, times: int, new_in: str | None = None) -> Opened:
    """Yield the decoding of a page of 1,000 rooms, ``times`` times, with a new field in one room or in each."""
    read, body = DECODERS[way](), b"[" + Listing(PAGE).page(b"", PAGE) + b"]"
    if new_in is not None:
        body = with_new_field(body, new_in)
    expected = [uuid_of(room) for room in read(body)]

    async def work() -> list[str]:
        for _ in range(times):
            read(body)
        return expected

    yield work


CONTENDERS: Final[dict[str, Callable[..., AbstractAsyncContextManager[Work]]]] = {
    opened.__name__: opened
    for opened in (
        walk_httpx,
        walk_openai,
        walk_cattrs,
        walk_msgspec,
        walk_nothing,
        walk_ours,
        pages_ours,
        scan_ours,
        get_httpx,
        get_ours,
        gather_httpx,
        get_many_ours,
        decode,
    )
}
