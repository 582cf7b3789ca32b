"""The demo, as a new user sees it: piped, in a terminal, and when something is wrong."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from functools import partial

import httpx
import pytest

from netless_rooms import AsyncRooms, Room, RoomPage, demo
from netless_rooms.emulator import Emulator
from selection import exhaustive
from shell import Ran, Shell, Stream

Shown = Callable[..., Ran]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """Return what runs the demo with fewer rooms."""
    main = demo.main

    def run(room_count: int, *, in_terminal: bool = False, out: Stream | None = None) -> Ran:
        monkeypatch.setattr("netless_rooms.demo.main", partial(main, room_count))
        terminals = frozenset({"stdout"} if in_terminal else ())
        return Shell(Emulator(), terminals=terminals, transport=httpx.AsyncHTTPTransport())("demo", out=out)

    return run


def test_the_demo_tells_in_plain_lines_what_it_saw(shown: Shown) -> None:
    ran = shown(6_000)
    assert (ran.code, ran.err) == (0, "")
    assert "\x1b" not in ran.out
    assert re.findall(r"(?m)^  (5,\d\d\d|6,000) of 6,000 rooms, .* rooms a second$", ran.out)
    for step in (
        "✓ walked 6,000 rooms in ",
        "✓ 6,000 different uuids of 6,000, ",
        "✓ created ",
        "✓ got it: the same room\n",
        "✓ disabled it, and found it disabled in the list\n",
        "✓ enabled it again\n",
        "NotFoundError: GET /v5/rooms/",
        "All as it should be: ",
    ):
        assert step in ran.out
    assert "✗" not in ran.out


def test_the_demo_draws_a_bar_in_a_terminal(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = AsyncRooms.pages

    def warning(rooms: AsyncRooms) -> AsyncGenerator[RoomPage, None]:
        sys.stderr.write("a warning\n")
        return pages(rooms)

    monkeypatch.setattr(AsyncRooms, "pages", warning)
    ran = shown(1_500, in_terminal=True)
    assert (ran.code, ran.err) == (0, "a warning\n")
    assert "rooms a second" in ran.out
    assert "━" in ran.out
    assert "a warning" not in ran.out
    assert capsys.readouterr() == ("", "")


def test_the_demo_says_what_is_wrong_in_any_encoding(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: AsyncRooms) -> AsyncGenerator[Room, None]:
        if False:
            yield

    monkeypatch.setattr(AsyncRooms, "walk", nothing)
    ran = shown(10, out=Stream(encoding="ascii"))
    assert ran.code == 1
    assert "ok: walked 10 rooms" in ran.out
    assert "wrong: disabled it" in ran.out
    assert "Something is not as it should be" in ran.out


def test_the_demo_compares_how_many_rooms_came(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: AsyncRooms) -> AsyncGenerator[RoomPage, None]:
        if False:
            yield

    monkeypatch.setattr(AsyncRooms, "pages", nothing)
    ran = shown(10)
    assert ran.code == 1
    assert "✗ walked 0 rooms" in ran.out
    assert "✗ 0 different uuids of 10" in ran.out
    assert "✓ enabled it again" in ran.out


def test_the_module_of_the_demo_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netless_rooms.demo.main", lambda: 7)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(demo.__file__, run_name="__main__")
    assert ended.value.code == 7


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✓"), *exhaustive([pytest.param("ascii", "ok:")])])
def test_the_demo_runs_as_a_process(encoding: str, mark: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "netless_rooms.demo"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        encoding=encoding,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{mark} walked 25,000 rooms" in ran.stdout
