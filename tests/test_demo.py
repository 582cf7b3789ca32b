"""The demo, as a new user sees it: piped, in a terminal, and when something is wrong."""

import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import pytest

from netless_rooms import AsyncRooms
from netless_rooms.emulator import Emulator
from shell import Ran, Shell, Stream

Shown = Callable[..., Ran]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Return what runs the demo with fewer rooms."""

    def run(room_count: int, *, out: Stream | None = None) -> Ran:
        monkeypatch.setattr("netless_rooms.cli.commands.demo.ROOMS", room_count)
        return Shell(Emulator(), transport=httpx.AsyncHTTPTransport())("demo", out=out)

    return run


def test_the_demo_tells_in_plain_lines_what_it_saw(shown: Shown) -> None:
    ran = shown(6_000)
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
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
    assert "✗" not in ran.out


@pytest.mark.parametrize(
    ("method", "right", "wrong"),
    [
        ("walk", "walked 10 rooms", "disabled it, and found it"),
        ("pages", "disabled it, and found it", "walked 0 rooms"),
    ],
)
def test_the_demo_says_what_is_wrong_in_any_encoding(
    method: str, right: str, wrong: str, shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_: AsyncRooms) -> AsyncGenerator[Any, None]:
        if False:
            yield

    monkeypatch.setattr(AsyncRooms, method, nothing)
    ran = shown(10, out=Stream(encoding="ascii"))
    assert ran.code == 1
    assert f"ok: {right}" in ran.out
    assert f"wrong: {wrong}" in ran.out
    assert "Some results are wrong" in ran.out


def test_the_demo_runs_as_a_process() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = [sys.executable, "-P", "-m", "netless_rooms", "demo"]
    ran = subprocess.run(words, capture_output=True, env=environment, encoding="ascii", check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "ok: walked 25,000 rooms" in ran.stdout
