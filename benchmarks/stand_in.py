"""A service that costs next to nothing: rooms encoded once, sent over plain sockets by a process of its own.

A path begins with the number of rooms and the latency in milliseconds: ``/1000000/50/v5/rooms``.
Only what the benchmarks send is understood; nothing is checked.  It shares no code with the package.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final, cast

UUID_TAIL: Final = "89c611eaa629dbb375b5adfc"


def uuid_at(place: int, count: int) -> str:
    """Return the uuid of one of ``count`` rooms, which are evenly spread."""
    return f"{place * (2**32 // count):08x}{UUID_TAIL}"


def encode_room(place: int, count: int) -> bytes:
    """Return a room as the service's page shows it; all have the same length."""
    time = f"2021-01-18T06:{place // 60_000 % 60:02}:{place // 1000 % 60:02}.{place % 1000:03}Z"
    return (
        f'{{"uuid":"{uuid_at(place, count)}","teamUUID":"RMmXwqzk5aw","appUUID":"i54ZqT3M1AQ",'
        f'"isRecord":false,"isBan":false,"createdAt":"{time}","limit":0}},'
    ).encode()


class Listing:
    """``count`` rooms in the order of their uuids."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._width = len(encode_room(0, count))
        self._encoded = memoryview(b"".join(encode_room(place, count) for place in range(count)))

    def page(self, begin: bytes, limit: int) -> memoryview:
        """Return ``limit`` rooms, fewer at the end, without brackets: from ``begin`` or the next greater one."""
        step = 2**32 // self._count
        first = -(-(int(begin[:8] or b"0", 16) + (begin[8:] > UUID_TAIL.encode())) // step)
        last = min(first + limit, self._count)
        return self._encoded[first * self._width : max(last * self._width - 1, first * self._width)]


listing = cache(Listing)


class Connection(asyncio.Protocol):
    """One connection, kept open; requests have no body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has other base classes
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer each complete request, at once or after the latency."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            milliseconds, parts = respond(head.split(b" ", 2)[1])
            if milliseconds:
                asyncio.get_running_loop().call_later(milliseconds / 1000, self._send, parts)
            else:
                self._send(parts)

    def _send(self, parts: list[bytes | memoryview]) -> None:
        if not self._transport.is_closing():
            self._transport.writelines(parts)


def respond(target: bytes) -> tuple[int, list[bytes | memoryview]]:
    """Return the latency in milliseconds and the parts of the response: a page, or the room that is named."""
    path, _, query = target.partition(b"?")
    _, count, milliseconds, _, _, *uuid = path.split(b"/")
    rooms = listing(int(count))
    options = dict(pair.split(b"=") for pair in query.split(b"&") if pair)
    page = rooms.page(options.get(b"beginUUID", b""), int(options.get(b"limit", 100)))
    body: list[bytes | memoryview] = [rooms.page(uuid[0], 1)] if uuid else [b"[", page, b"]"]
    head = b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return int(milliseconds), [head % sum(map(len, body)), *body]


async def serve() -> None:
    """Listen on a free port, print it, and serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The pipe ends when the parent does, however that happens.
    await loop.run_in_executor(None, sys.stdin.buffer.read)


@contextmanager
def serving() -> Iterator[str]:
    """Run the service in a process of its own; yield its address, without rooms and latency."""
    with subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        # Leaving Popen closes the pipe, which ends the process.


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:  # slower, but good enough for the tests
        asyncio.run(serve())
    else:
        uvloop.run(serve())
