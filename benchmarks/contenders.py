"""What is compared: each opens what it needs and yields a function that does the work once.

That function returns the uuids it got, in any order, so that a run can check that all did the same work.
A contender imports its libraries itself, so that no other one carries them.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from importlib import import_module
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import anyio

from netless_rooms import AccessKey, AsyncRooms
from stand_in import Listing, uuid_at

PAGE: Final = 1_000  # rooms
HEADERS: Final = {"token": "NETLESSSDK_bench", "region": "us-sv"}
KEY: Final = AccessKey("bench", "secret")
UNKNOWN_FIELD: Final = (b'"limit":', b'"theme":"dark","limit":')

Work: TypeAlias = Callable[[], Awaitable[Sequence[str]]]
Opened: TypeAlias = AsyncGenerator[Work, None]
Decode: TypeAlias = Callable[[bytes], Sequence[Any]]


# The list from its first room to its last


@asynccontextmanager
async def walk_httpx(url: str, library: str = "httpx") -> Opened:
    """Yield the loop that one writes first: no types, no checks, no retries."""
    async with import_module(library).AsyncClient(headers=HEADERS) as client:

        async def work() -> list[str]:
            uuids: list[str] = []
            params: dict[str, str | int] = {"limit": PAGE}
            while True:
                response = await client.get(f"{url}/v5/rooms", params=params)
                response.raise_for_status()
                rooms = response.json()
                if "beginUUID" in params:
                    rooms = rooms[1:]  # the first one was on the page before
                if not rooms:
                    return uuids
                for room in rooms:
                    uuids.append(room["uuid"])
                params["beginUUID"] = rooms[-1]["uuid"]

        yield work


@asynccontextmanager
async def walk_openai(url: str) -> Opened:
    """Yield the paginator of openai-python, which is that of every client Stainless generates."""
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
async def walk_msgspec(url: str) -> Opened:
    """Yield a fast loop with types, by hand: aiohttp and msgspec."""
    import aiohttp

    decode = DECODERS["msgspec"]()
    async with aiohttp.ClientSession(headers=HEADERS, raise_for_status=True) as session:

        async def work() -> list[str]:
            uuids: list[str] = []
            query = f"limit={PAGE}"
            while True:
                async with session.get(f"{url}/v5/rooms?{query}") as response:
                    rooms = decode(await response.read())
                if uuids:
                    rooms = rooms[1:]
                if not rooms:
                    return uuids
                for room in rooms:
                    uuids.append(room.uuid)
                query = f"limit={PAGE}&beginUUID={uuids[-1]}"

        yield work


# Ours


@asynccontextmanager
async def open_ours(url: str, over: str) -> AsyncGenerator[AsyncRooms, None]:
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
    """Yield ``walk()`` or ``scan()``; the consumer waits ``pause`` seconds after each thousand rooms.

    Without ``keep`` it keeps no room and returns their number only.
    """
    async with open_ours(url, over) as rooms:

        async def work() -> list[str]:
            uuids: list[str] = []
            count = 0
            scan: Any = rooms.scan(**options) if call == "scan" else aclosing(rooms.walk())
            async with scan as listed:
                async for room in listed:
                    count += 1
                    if keep:
                        uuids.append(room.uuid)
                    if pause and count % PAGE == 0:
                        await anyio.sleep(pause)
            return uuids if keep else [f"{count}"]

        yield work


# Single rooms


@asynccontextmanager
async def get_httpx(url: str, count: int, library: str = "httpx") -> Opened:
    """Yield bare gets of the HTTP library, one after the other."""
    uuids = some_uuids(url, count)
    async with import_module(library).AsyncClient(headers=HEADERS) as client:

        async def work() -> list[str]:
            return [(await client.get(f"{url}/v5/rooms/{uuid}")).json()["uuid"] for uuid in uuids]

        yield work


@asynccontextmanager
async def get_ours(url: str, count: int, over: str = "httpx") -> Opened:
    """Yield ``get()``, one after the other."""
    uuids = some_uuids(url, count)
    async with open_ours(url, over) as rooms:

        async def work() -> list[str]:
            return [(await rooms.get(uuid)).uuid for uuid in uuids]

        yield work


@asynccontextmanager
async def gather_httpx(url: str, count: int, concurrency: int) -> Opened:
    """Yield many calls as one writes them by hand: a semaphore and ``asyncio.gather``."""
    import httpx

    uuids = some_uuids(url, count)
    async with httpx.AsyncClient(headers=HEADERS) as client:
        permits = asyncio.Semaphore(concurrency)

        async def get(uuid: str) -> str:
            async with permits:
                response = await client.get(f"{url}/v5/rooms/{uuid}")
                response.raise_for_status()
                got: str = response.json()["uuid"]
                return got

        async def work() -> list[str]:
            return await asyncio.gather(*map(get, uuids))

        yield work


@asynccontextmanager
async def get_many_ours(url: str, count: int, concurrency: int) -> Opened:
    """Yield ``get_many()``."""
    uuids = some_uuids(url, count)
    async with open_ours(url, "httpx") as rooms:

        async def work() -> list[str]:
            got: list[str] = []
            async with rooms.get_many(uuids, concurrency=concurrency) as outcomes:
                async for outcome in outcomes:
                    assert outcome.room is not None, outcome.error
                    got.append(outcome.room.uuid)
            return got

        yield work


def some_uuids(url: str, count: int) -> list[str]:
    """Return the uuids of ``count`` rooms that are served there, evenly spread over the list."""
    total = int(urlsplit(url).path.split("/")[1])
    return [uuid_at(place * total // count, total) for place in range(count)]


# No network


def decode_httpx() -> Decode:
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


DECODERS: Final[dict[str, Callable[[], Decode]]] = {
    "httpx": decode_httpx,
    "msgspec": decode_msgspec,
    "ours": decode_ours,
}


@asynccontextmanager
async def decode(by: str, times: int, *, unknown_fields: bool = False) -> Opened:
    """Yield the decoding of a page, ``times`` times, perhaps with a field in each room that is not documented."""
    read, body = DECODERS[by](), b"[" + Listing(PAGE).page(b"", PAGE) + b"]"
    if unknown_fields:
        body = body.replace(*UNKNOWN_FIELD)
    uuids = [room["uuid"] if isinstance(room, dict) else room.uuid for room in read(body)]

    async def work() -> list[str]:
        for _ in range(times):
            read(body)
        return uuids

    yield work
