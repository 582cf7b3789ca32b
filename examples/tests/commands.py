"""Runs the examples as a user does."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from settings import Settings

EXAMPLES = Path(__file__).parent.parent


def environment(**settings: str) -> dict[str, str]:
    """Return this environment with no other settings of the service than these."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("NETLESS_")}
    return {**others, **settings, "PYTHONUNBUFFERED": "1"}


def start(name: str, *arguments: str, cwd: Path, **settings: str) -> subprocess.Popen[str]:
    """Start an example in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=cwd,
        env=environment(**settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def watch_clients(monkeypatch: pytest.MonkeyPatch) -> list[httpx.AsyncClient]:
    """Return the clients that an example opens from now on."""
    opened: list[httpx.AsyncClient] = []
    open_client = Settings.open_client

    def watched(chosen: Settings) -> httpx.AsyncClient:
        opened.append(open_client(chosen))
        return opened[-1]

    monkeypatch.setattr(Settings, "open_client", watched)
    return opened
