"""Interpreters that do one thing and end: for what memory a walk takes, and how long an import."""

import asyncio
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from contenders import ours

STATUS: Final = Path("/proc/self/status")
# What httpx imports for a command line of its own where it finds it, as here, and a web service does without.
NOT_FOUND: Final = ("click", "pygments", "rich")
TIMED_IMPORT: Final = """
import sys
from time import perf_counter as now
sys.modules.update(dict.fromkeys({not_found}))
began = now()
import {modules}
print(now() - began)
"""


async def go_through(way: str, url: str, *, traced: bool) -> dict[str, float]:
    """Count the rooms by ``walk`` or ``scan`` and keep none; return the count, seconds and the peak in MiB."""
    count = 0
    async with ours(url) as rooms:
        await rooms.list(limit=1)  # connects, and lets the server print its rooms
        if traced:
            tracemalloc.start()
        began = perf_counter()
        if way == "walk":
            async for _ in rooms.walk():
                count += 1
        else:
            async with rooms.scan() as scan:
                async for _ in scan:
                    count += 1
        seconds = perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1] / 2**20 if traced else peak_of_process()
    return {"rooms": count, "seconds": seconds, "peak": peak}


def peak_of_process() -> float:
    """Return the most memory that this process had, in MiB."""
    # Not getrusage: what it tells of a child begins with the memory of the parent.
    for line in STATUS.read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise NotImplementedError(f"no VmHWM in {STATUS}")


def in_fresh_process(way: str, url: str, *, traced: bool) -> dict[str, float]:
    """Run ``go_through`` in a new process."""
    ran = _run([__file__, way, url, "traced" if traced else "plain"])
    result: dict[str, float] = json.loads(ran)
    return result


def import_seconds(modules: str) -> float:
    """Return how long a new interpreter takes to import ``modules``."""
    return float(_run(["-I", "-c", TIMED_IMPORT.format(modules=modules, not_found=NOT_FOUND)]))


def _run(arguments: list[Any]) -> str:
    return subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, check=True, text=True).stdout


if __name__ == "__main__":
    print(json.dumps(asyncio.run(go_through(sys.argv[1], sys.argv[2], traced=sys.argv[3] == "traced"))))
