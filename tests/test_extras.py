"""Without the extra that it needs, a part of the package says which one to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "missing", "words"),
    [
        ("netless_rooms.emulator", "starlette", "pip install 'netless-rooms[emulator]'"),
        ("netless_rooms.emulator", "uvicorn", "pip install 'netless-rooms[emulator]'"),
        ("netless_rooms.demo", "rich.console", "pip install 'netless-rooms[cli,emulator]'"),
    ],
)
def test_a_missing_extra_is_named(module: str, missing: str, words: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import {module}"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 1
    assert words in ran.stderr.splitlines()[-1]


def test_the_core_needs_no_extra() -> None:
    extras = {
        "starlette",
        "uvicorn",
        "trio",
        "httpx_aiohttp",
    }  # rich is imported by httpx itself where it is there
    code = f"import sys, netless_rooms; print({extras!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "set()\n", "")
