"""A service that costs next to nothing: rooms printed once, sent over plain sockets by a process of its own.

A path begins with how many rooms there are and how many milliseconds an answer takes: ``/1000000/50/v5/rooms``.
Only what a client asks in the benchmarks is understood, and tokens are not looked at.
"""

import asyncio
import subprocess
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, cast

from netless_rooms.emulator.messages import encode_json
from netless_rooms.emulator.rooms import GeneratedRooms

PORTION: Final = 10_000  # rooms encoded at once
UUID_AT: Final = len('{"uuid":"')
UUID_LENGTH: Final = 32
REFUSED: Final = b'{"message":"not in the benchmarks"}'


class Listing:
    """``count`` rooms of the emulator, in the order of their uuids, as one piece of JSON."""

    def __init__(self, count: int) -> None:
        generated, printed, starts = GeneratedRooms(count), bytearray(), array("Q", [0])
        for first in range(0, count, PORTION):
            rooms = [generated.room(index) for index in range(first, min(first + PORTION, count))]
            for room in encode_json(rooms)[2:-2].split(b"},{"):  # a room holds no other object
                printed += b"{%b}," % room
                starts.append(len(printed))
        self._printed = memoryview(bytes(printed))
        self._starts = starts

    def page(self, begin: bytes, limit: int) -> memoryview:
        """Return ``limit`` rooms, fewer at the end, without the brackets: from ``begin`` or the next greater."""
        first = self._place(begin)
        last = min(first + limit, len(self._starts) - 1)
        return self._printed[self._starts[first] : max(self._starts[last] - 1, self._starts[first])]

    def room(self, uuid: bytes) -> memoryview | None:
        """Return the room, ``None`` if there is none."""
        found = self.page(uuid, 1)
        return found if found[UUID_AT : UUID_AT + UUID_LENGTH] == uuid else None

    def _place(self, uuid: bytes) -> int:
        return bisect_left(range(len(self._starts) - 1), uuid, key=self._uuid)

    def _uuid(self, index: int) -> bytes:
        at = self._starts[index] + UUID_AT
        return bytes(self._printed[at : at + UUID_LENGTH])


listing = cache(Listing)


class Answers(asyncio.Protocol):
    """One connection, kept open; requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its bases
        self._asked = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is complete, at once or after its time."""
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, _, self._asked = self._asked.partition(b"\r\n\r\n")
            milliseconds, parts = answer(head.split(b" ", 2)[1])
            if milliseconds:
                asyncio.get_running_loop().call_later(milliseconds / 1000, self._send, parts)
            else:
                self._send(parts)

    def _send(self, parts: list[bytes | memoryview]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(parts)


def answer(target: bytes) -> tuple[int, list[bytes | memoryview]]:
    """Return how long to wait, in milliseconds, and what to send."""
    path, _, query = target.partition(b"?")
    _, count, milliseconds, *call = path.split(b"/")
    rooms = listing(int(count))
    if call == [b"v5", b"rooms"]:
        asked = dict(pair.split(b"=") for pair in query.split(b"&") if pair)
        limit = int(asked.get(b"limit", 100))
        if 1 <= limit <= 1000:
            page = rooms.page(asked.get(b"beginUUID", b""), limit)
            return int(milliseconds), [_head(200, len(page) + 2), b"[", page, b"]"]
        return int(milliseconds), [_head(400, len(REFUSED)), REFUSED]
    room = rooms.room(call[-1])
    if room is None:
        return int(milliseconds), [_head(404, len(REFUSED)), REFUSED]
    return int(milliseconds), [_head(200, len(room)), room]


def _head(status: int, length: int) -> bytes:
    return b"HTTP/1.1 %d -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, length)


async def serve() -> None:
    """Listen on a free port of this machine, tell it, and go on until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The end of the pipe says that the parent is gone, however it went.
    await loop.run_in_executor(None, sys.stdin.buffer.read)


@contextmanager
def serving() -> Iterator[str]:
    """Run it in a process of its own; gives the address, without rooms and milliseconds."""
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        # Leaving Popen closes the pipe, and so ends the process.


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:  # a slower server will do, for the tests
        asyncio.run(serve())
    else:
        uvloop.run(serve())
