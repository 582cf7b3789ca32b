"""A process that does one contender's work when asked, and tells how long it took; started by ``rounds``."""

import asyncio
import gc
import json
import sys
from hashlib import sha256
from time import perf_counter
from typing import Any


async def main(name: str, arguments: dict[str, Any]) -> None:
    """Work once for each line on standard input; the first answer says that all is open."""
    from contenders import CONTENDERS

    async with CONTENDERS[name](**arguments) as work:
        print(flush=True)
        for _ in sys.stdin:  # blocks the loop, on which nothing is meant to go on between two rounds
            gc.collect()
            began = perf_counter()
            uuids = await work()
            seconds = perf_counter() - began
            print(json.dumps([seconds, sha256("".join(sorted(uuids)).encode()).hexdigest()]), flush=True)


if __name__ == "__main__":
    for _module in json.loads(sys.argv[3]):
        sys.modules[_module] = None  # type: ignore[assignment]  # as if it were not installed
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
