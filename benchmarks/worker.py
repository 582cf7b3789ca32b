"""A process that runs one contender for each line it reads, and prints what that took; started by ``measure``."""

import asyncio
import gc
import json
import sys
from hashlib import sha256
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

STATUS: Final = Path("/proc/self/status")


async def main(name: str, arguments: dict[str, Any]) -> None:
    """Run the contender once for each line on standard input; the first line printed says that it is ready."""
    import contenders

    async with getattr(contenders, name)(**arguments) as work:
        print(flush=True)
        for _ in sys.stdin:  # blocks the loop, on which nothing should happen between two rounds
            gc.collect()
            wall, cpu = perf_counter(), process_time()
            uuids = await work()
            wall, cpu = perf_counter() - wall, process_time() - cpu
            digest = sha256("".join(sorted(uuids)).encode()).hexdigest()
            print(json.dumps([wall, cpu, peak_memory(), digest]), flush=True)


def peak_memory() -> float:
    """Return the peak memory of this process in MiB; 0 where the system does not tell."""
    # Not getrusage: for a child it begins with the memory of the parent.
    lines = STATUS.read_text("utf-8").splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
