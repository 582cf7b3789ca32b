"""A shell for tests: runs the command line in this process, against an emulator, as if somebody had typed it."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

import httpx
from attrs import define, field, frozen

from netless_rooms.__main__ import main
from netless_rooms.emulator import Emulator

KEY = {"NETLESS_ACCESS_KEY": "emulated-access-key", "NETLESS_SECRET_KEY": "emulated-secret-key"}
EVERYTHING = {**KEY, "NETLESS_REGION": "us-sv"}


class Stream(io.StringIO):
    """A stream that can be a terminal."""

    encoding = "utf-8"

    def __init__(self, text: str = "", *, is_terminal: bool = False) -> None:
        super().__init__(text)
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@frozen
class Ran:
    """What became of a command."""

    code: int
    out: str
    err: str


@define
class Shell:
    """Has an environment, and terminals or pipes at both ends of a command."""

    emulator: Emulator
    environment: dict[str, str] = field(factory=EVERYTHING.copy)
    terminals: frozenset[str] = frozenset()
    """Which of ``stdin``, ``stdout`` and ``stderr`` are terminals."""
    transport: httpx.AsyncBaseTransport | None = None

    def __call__(self, *arguments: object, typed: str = "", out: Any = None) -> Ran:
        """Run a command with ``typed`` or piped in; ``out`` may be another stream for its output."""
        written = out or Stream(is_terminal="stdout" in self.terminals)
        told = Stream(is_terminal="stderr" in self.terminals)
        with self._around(typed), redirect_stdout(written), redirect_stderr(told):
            code = main([str(each) for each in arguments])
        return Ran(code, written.getvalue(), told.getvalue())

    def fails(self, code: int, *arguments: object, typed: str = "") -> str:
        """Run a command that fails with ``code`` and says so in one line, and return that line."""
        ran = self(*arguments, typed=typed)
        assert (ran.code, ran.out, ran.err.count("\n")) == (code, "", 1), ran
        return ran.err.removeprefix("netless-rooms: ").rstrip()

    @contextmanager
    def _around(self, typed: str) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(patch.dict("os.environ", {"COLUMNS": "100", **self.environment}))
            for name in set(EVERYTHING) | {"NETLESS_TOKEN", "NETLESS_BASE_URL"}:
                if name not in self.environment:
                    stack.enter_context(_without(name))
            stack.enter_context(patch("sys.stdin", Stream(typed, is_terminal="stdin" in self.terminals)))
            stack.enter_context(patch("netless_rooms.http.own_client", self._client))
            yield

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport or self.emulator.transport())


@contextmanager
def _without(name: str) -> Iterator[None]:
    with patch.dict("os.environ"):
        os.environ.pop(name, None)
        yield


class Stopping(httpx.AsyncBaseTransport):
    """Something happens while a request is under way."""

    def __init__(self, emulator: Emulator, at: int, happens: Callable[[], object]) -> None:
        self._inner = emulator.transport()
        self._left = at
        self._happens = happens

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if self._left == 0:
            self._happens()
        return await self._inner.handle_async_request(request)


def lines(*texts: str) -> str:
    """Return lines to be piped in."""
    return "".join(f"{text}\n" for text in texts)
