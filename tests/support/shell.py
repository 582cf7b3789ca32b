"""A shell for tests: runs the command line in this process, against an emulator."""

import io
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

import httpx
from attrs import define, field, frozen

from netless_rooms.__main__ import main
from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.emulator import Emulator

KEY = {"NETLESS_ACCESS_KEY": "emulated-access-key", "NETLESS_SECRET_KEY": "emulated-secret-key"}
EVERYTHING = {**KEY, "NETLESS_REGION": "us-sv"}
FULL = OSError(28, "No space left on device")


class Bytes(io.BytesIO):
    """The raw stream below a ``Stream``: of a file descriptor, or one whose writes fail."""

    def __init__(self, content: bytes = b"", descriptor: int | None = None, error: OSError | None = None) -> None:
        super().__init__(content)
        self.descriptor, self.error = descriptor, error

    def fileno(self) -> int:
        return super().fileno() if self.descriptor is None else self.descriptor

    def write(self, content: Any) -> int:
        if self.error is not None:
            raise self.error
        return super().write(content)


class Stream(io.TextIOWrapper):
    def __init__(self, raw: Bytes | None = None, encoding: str = "utf-8", *, is_terminal: bool = False) -> None:
        self.raw, self.is_terminal = raw or Bytes(), is_terminal
        super().__init__(self.raw, encoding=encoding)

    def isatty(self) -> bool:
        return self.is_terminal

    def getvalue(self) -> str:
        self.flush()
        return self.raw.getvalue().decode(self.encoding)


@frozen
class Ran:
    code: int
    out: str
    err: str


@define
class Shell:
    """Runs commands with an environment and standard streams of its own; some are terminals, or closed."""

    emulator: Emulator
    environment: dict[str, str] = field(factory=EVERYTHING.copy)
    terminals: frozenset[str] = frozenset()
    closed: frozenset[str] = frozenset()
    transport: httpx.AsyncBaseTransport | None = None
    client: Callable[[], Any] | None = None  # makes an HTTP client other than one that reaches the emulator
    err: Stream | None = None  # instead of the usual stderr

    def __call__(self, *arguments: object, typed: str | bytes | Stream = "", out: TextIO | None = None) -> Ran:
        """Run a command; ``typed`` is its input, or a stream of it, and ``out`` another stream for its output."""
        piped = typed.encode() if isinstance(typed, str) else typed
        stdin = piped if isinstance(piped, Stream) else self._stream("stdin", piped)
        stdout, stderr = out or self._stream("stdout"), self.err or self._stream("stderr")
        streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
        given = {name: None if name in self.closed else stream for name, stream in streams.items()}
        ours = {*EVERYTHING, "NETLESS_TOKEN", "NETLESS_BASE_URL"}
        others = {name: value for name, value in os.environ.items() if name not in ours}
        with (
            patch.dict(os.environ, {**others, "COLUMNS": "100", **self.environment}, clear=True),
            patch("netless_rooms._api.transport.own_client", self.client or self._client),
            patch("sys.stdin", given["stdin"]),
            redirect_stdout(given["stdout"]),
            redirect_stderr(given["stderr"]),
        ):
            code = main([str(each) for each in arguments])
            for name in self.closed:
                getattr(sys, name).close()  # what the command line has put in its place
        return Ran(code, *(each.getvalue() if isinstance(each, Stream) else "" for each in (stdout, stderr)))

    def fails(self, code: int, *arguments: object, **streams: Any) -> str:
        """Run a command that fails with ``code`` and one line on stderr, and return that line."""
        ran = self(*arguments, **streams)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), (arguments, ran)
        return ran.err.removeprefix("netless-rooms: ").rstrip()

    def _stream(self, name: str, content: bytes = b"") -> Stream:
        return Stream(Bytes(content), is_terminal=name in self.terminals)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport or self.emulator.transport())


class Stopping(httpx.AsyncBaseTransport):
    """Reaches an emulator, and lets something happen before the ``at``-th request."""

    def __init__(self, emulator: Emulator, at: int, happens: Callable[[], object]) -> None:
        self._inner, self._at, self._happens, self._count = emulator.transport(), at, happens, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        if self._count == self._at:
            self._happens()
        return await self._inner.handle_async_request(request)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def lines(*texts: str) -> str:
    return "".join(f"{text}\n" for text in texts)


def uuids_in(rows: str | Path) -> list[str]:
    text = rows if isinstance(rows, str) else rows.read_text()
    return [json.loads(line)["uuid"] for line in text.splitlines()]


def pretend(emulator: Emulator) -> ExitStack:
    """Let a page use "your account": until the stack is closed, settings and address lead to ``emulator``."""
    stack = ExitStack()
    stack.enter_context(patch.dict(os.environ, EVERYTHING))
    client = partial(httpx.AsyncClient, mounts={DEFAULT_BASE_URL: emulator.transport()})
    stack.enter_context(patch("netless_rooms._api.transport.own_client", client))
    return stack
