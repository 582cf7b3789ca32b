"""The demo, as a new user sees it: piped, in a terminal, and when something is wrong."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from netless_rooms import AsyncRooms
from netless_rooms.emulator import Emulator
from shell import Shell, Stream


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(), transport=httpx.AsyncHTTPTransport())


def test_the_demo_says_in_plain_lines_what_it_saw(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netless_rooms.cli.commands.demo.ROOMS", 6_000)
    ran = shell("demo")
    assert (ran.code, ran.err, "\x1b" in ran.out, "✗" in ran.out) == (0, "", False, False)
    for step in (
        "✓ walked 6,000 rooms in ",
        "✓ 6,000 different uuids of 6,000, ",
        "✓ created ",
        "✓ got it: the same room\n",
        "✓ disabled it, and found it disabled in the list\n",
        "✓ enabled it again\n",
        "NotFoundError: GET /v5/rooms/",
        "All results are as expected: ",
    ):
        assert step in ran.out


@pytest.mark.parametrize("method", ["walk", "pages"])
def test_the_demo_says_what_is_wrong_in_any_encoding(
    method: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: AsyncRooms, **__: object) -> AsyncGenerator[Any, None]:
        if False:
            yield

    monkeypatch.setattr("netless_rooms.cli.commands.demo.ROOMS", 10)
    monkeypatch.setattr(AsyncRooms, method, nothing)
    ran = shell("demo", out=Stream(encoding="ascii"))
    found = "disabled it, and found it"
    right, wrong = ("walked 10 rooms", found) if method == "walk" else (found, "walked 0 rooms")
    assert ran.code == 1
    for words in (f"ok: {right}", f"wrong: {wrong}", "Some results are wrong"):
        assert words in ran.out


def test_the_demo_runs_as_a_process() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-P", "-m", "netless_rooms", "demo"]
    ran = subprocess.run(words, capture_output=True, env=environment, encoding="ascii", check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "ok: walked 25,000 rooms" in ran.stdout
