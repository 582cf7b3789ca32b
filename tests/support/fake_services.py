"""A list service for scans: read in every way that the documentation leaves open, slow, watched, and changing."""

from bisect import bisect_left
from collections.abc import Callable
from random import Random
from typing import Any, Final, Literal

import anyio
import httpx
from attrs import define, field

from fakes import answer, room

Unknown = Literal["seek", "empty", "ignored", "null", 400, 404, 500]
UNKNOWN: Final[tuple[Unknown, ...]] = ("seek", "empty", "ignored", "null", 400, 404, 500)


def hexes(count: int, chance: Random | None = None) -> list[str]:
    """Return so many uuids as the service documents them, in their order."""
    lows = chance.sample(range(1 << 32), count) if chance else [(n << 32) // count for n in range(count)]
    return [f"{low:08x}89c611eaa629dbb375b5adfc" for low in sorted(lows)]


@define(eq=False)
class World:
    """Rooms in a fixed order, and one reading of what nobody published."""

    uuids: list[str]
    inclusive: bool = True
    cap: int = 1000
    unknown: Unknown = "seek"
    invalid: dict[str, Any] = field(factory=dict)  # members of rooms that cannot be read

    def __call__(self, begin: str | None, limit: int) -> Any:
        start = 0
        if begin in self.uuids:
            start = self.uuids.index(begin) + (not self.inclusive)
        elif begin is not None:
            if isinstance(self.unknown, int):
                return httpx.Response(self.unknown, json={"message": "no such room"})
            if self.unknown == "null":
                return answer(None)
            start = {"seek": bisect_left(self.uuids, begin), "empty": len(self.uuids), "ignored": 0}[self.unknown]
        return [self.room(uuid) for uuid in self.uuids[start : start + min(limit, self.cap)]]

    def room(self, uuid: str) -> dict[str, Any]:
        return room(**({"uuid": uuid} | self.invalid.get(uuid, {})))

    def add(self, uuid: str) -> None:
        self.uuids.insert(bisect_left(self.uuids, uuid), uuid)


@define(eq=False, slots=False)
class Service(httpx.AsyncBaseTransport):
    """Answers as ``listing`` says, after so many ``seconds``, and counts."""

    listing: Callable[[str | None, int], Any]
    seconds: float = 0.0
    asked: list[str | None] = field(factory=list)
    under_way: int = 0
    most_at_once: int = 0
    cancelled: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        begin, limit = query.get("beginUUID"), int(query.get("limit", 100))
        self.asked.append(begin)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await anyio.sleep(self.seconds)
            said = self.listing(begin, limit)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if isinstance(said, httpx.Response):
            return said
        return answer([each if isinstance(each, dict) else room(each) for each in said])


def in_turn(world: World, *first: Any) -> Callable[[str | None, int], Any]:
    """Return a listing that answers its first requests otherwise; ``None`` stands for as usual."""
    left = list(first)

    def listing(begin: str | None, limit: int) -> Any:
        instead = left.pop(0) if left else None
        if isinstance(instead, BaseException):
            raise instead
        return world(begin, limit) if instead is None else instead

    return listing
