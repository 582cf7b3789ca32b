"""Runs the examples as a user does."""

import os
import subprocess
import sys
from pathlib import Path

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
