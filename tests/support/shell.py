"""A shell for tests: runs the command line in this process, against an emulator."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

import httpx
from attrs import define, field, frozen

from netless_rooms.__main__ import main
from netless_rooms.emulator import Emulator

KEY = {"NETLESS_ACCESS_KEY": "emulated-access-key", "NETLESS_SECRET_KEY": "emulated-secret-key"}
EVERYTHING = {**KEY, "NETLESS_REGION": "us-sv"}
FULL = OSError(28, "No space left on device")


class Stream(io.StringIO):
    """A standard stream: a terminal, a file descriptor, or one whose writes fail."""

    encoding = "utf-8"
    is_terminal = False
    descriptor: int | None = None
    error: OSError | None = None

    def __init__(self, text: str = "", **traits: Any) -> None:
        super().__init__(text)
        self.__dict__.update(traits)

    def isatty(self) -> bool:
        return self.is_terminal

    def fileno(self) -> int:
        return super().fileno() if self.descriptor is None else self.descriptor

    def write(self, text: str) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


@frozen
class Ran:
    """The result of a command."""

    code: int
    out: str
    err: str


@define
class Shell:
    """Runs commands with an environment and standard streams of its own."""

    emulator: Emulator
    environment: dict[str, str] = field(factory=EVERYTHING.copy)
    terminals: frozenset[str] = frozenset()
    """Which of ``stdin``, ``stdout`` and ``stderr`` are terminals."""
    closed: frozenset[str] = frozenset()
    """Which of them are closed."""
    transport: httpx.AsyncBaseTransport | None = None

    def __call__(self, *arguments: object, typed: str | Stream = "", out: Stream | None = None) -> Ran:
        """Run a command; ``typed`` is its input, or a stream of it, and ``out`` another stream for its output."""
        streams = {
            "stdin": typed if isinstance(typed, Stream) else self._stream("stdin", typed),
            "stdout": out or self._stream("stdout"),
            "stderr": self._stream("stderr"),
        }
        given = {name: None if name in self.closed else stream for name, stream in streams.items()}
        with (
            patch.dict(os.environ, self._variables(), clear=True),
            patch("netless_rooms._api.transport.own_client", self._client),
            patch("sys.stdin", given["stdin"]),
            redirect_stdout(given["stdout"]),
            redirect_stderr(given["stderr"]),
        ):
            code = main([str(each) for each in arguments])
            for name in self.closed:
                getattr(sys, name).close()  # what the command line has put in its place
        return Ran(code, streams["stdout"].getvalue(), streams["stderr"].getvalue())

    def fails(self, code: int, *arguments: object, typed: str | Stream = "", out: Stream | None = None) -> str:
        """Run a command that fails with ``code`` and one line on stderr, and return that line."""
        ran = self(*arguments, typed=typed, out=out)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
        return ran.err.removeprefix("netless-rooms: ").rstrip()

    def _stream(self, name: str, text: str = "") -> Stream:
        return Stream(text, is_terminal=name in self.terminals)

    def _variables(self) -> dict[str, str]:
        ours = {*EVERYTHING, "NETLESS_TOKEN", "NETLESS_BASE_URL"}
        others = {name: value for name, value in os.environ.items() if name not in ours}
        return {**others, "COLUMNS": "100", **self.environment}

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport or self.emulator.transport())


class Stopping(httpx.AsyncBaseTransport):
    """Reaches an emulator, and lets something happen before the ``at``-th request."""

    def __init__(self, emulator: Emulator, at: int, happens: Callable[[], object]) -> None:
        self._inner = emulator.transport()
        self._at = at
        self._happens = happens
        self._count = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._count += 1
        if self._count == self._at:
            self._happens()
        return await self._inner.handle_async_request(request)


def lines(*texts: str) -> str:
    """Return lines to be piped in."""
    return "".join(f"{text}\n" for text in texts)
