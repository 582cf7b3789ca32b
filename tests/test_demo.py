"""The demo, as a newcomer sees it: piped, in a terminal, and when something is wrong."""

import io
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from rich.console import Console

from netless_rooms import AsyncRooms, Room, RoomPage, demo


async def shown(room_count: int, **options: Any) -> tuple[bool, str]:
    written = io.StringIO()
    ok = await demo.run(Console(file=written, soft_wrap=True, highlight=False, **options), room_count)
    return ok, written.getvalue()


@pytest.mark.anyio
async def test_the_demo_tells_in_plain_lines_what_it_saw() -> None:
    ok, text = await shown(6_000)
    assert ok
    assert "\x1b" not in text
    assert "5,995 of 6,000 rooms" in text or "6,000 of 6,000 rooms" in text
    assert "✓ 6,000 different uuids of 6,000" in text
    for step in (
        "✓ created",
        "✓ got it",
        "✓ disabled it, and found it disabled in the list",
        "✓ enabled it again",
    ):
        assert step in text
    assert "NotFoundError: GET /v5/rooms/" in text
    assert "All as it should be" in text


@pytest.mark.anyio
async def test_the_demo_draws_a_bar_in_a_terminal() -> None:
    ok, text = await shown(1_500, force_terminal=True, width=100)
    assert ok
    assert "rooms a second" in text
    assert "\x1b" in text


@pytest.mark.anyio
async def test_what_others_write_to_stderr_while_the_bar_is_drawn_goes_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = AsyncRooms.pages

    def telling(rooms: AsyncRooms) -> AsyncGenerator[RoomPage, None]:
        sys.stderr.write("a warning\n")
        return pages(rooms)

    monkeypatch.setattr(AsyncRooms, "pages", telling)
    _, text = await shown(10, force_terminal=True)
    assert capsys.readouterr().err == "a warning\n"
    assert "a warning" not in text


@pytest.mark.anyio
async def test_the_demo_does_not_call_a_wrong_result_right(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: AsyncRooms) -> AsyncGenerator[Room, None]:
        if False:
            yield

    monkeypatch.setattr(AsyncRooms, "walk", nothing)
    ok, text = await shown(10)
    assert not ok
    assert "✗ disabled it" in text
    assert "Something is not as it should be" in text


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "✓"), ("ascii", "ok:")])
def test_the_demo_runs_as_a_command_in_any_encoding(encoding: str, mark: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "netless_rooms.demo"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        encoding=encoding,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{mark} walked 25,000 rooms" in ran.stdout
