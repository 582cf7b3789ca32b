"""What only a new process shows: which libraries are imported."""

import os
import subprocess
import sys


def run(code: str) -> list[str]:
    """Run ``code`` in a process of its own, which may import what tests do; return the lines it prints."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-c", code]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


IMPORTS = """
import sys
import netless_rooms
print({"starlette", "uvicorn", "rich", "trio", "cattrs", "httpx", "httpx2", "httpx_aiohttp"} & set(sys.modules))
print({"cyclopts", "netless_rooms.cli", "netless_rooms.__main__"} & set(sys.modules))
from netless_rooms.__main__ import main
assert main(["list", "--region", ""]) == 3  # before httpx is imported, which may import rich
print({"netless_rooms.cli.commands.scan", "netless_rooms.emulator", "rich.console"} & set(sys.modules))
import netless_rooms.pytest_plugin  # which imports the emulator for its fixtures only
print({"netless_rooms.emulator", "starlette", "httpx"} & set(sys.modules))
import netless_rooms.emulator
print({"trio", "httpx", "httpx2", "httpx_aiohttp"} & set(sys.modules))
"""
MISSING = """
import sys
sys.modules[{missing!r}] = None
try:
    import netless_rooms.emulator
except ImportError as error:
    print(error)
"""


def test_the_package_imports_no_extra_names_a_missing_one_and_needs_one_http_library_only() -> None:
    assert run(IMPORTS) == ["set()"] * 5
    for missing in ("starlette", "uvicorn"):
        words = "netless_rooms.emulator needs an extra: pip install 'netless-rooms[emulator]'"
        assert run(MISSING.format(missing=missing)) == [words]
    for library, other in (("httpx2", "httpx"), ("httpx", "httpx2")):
        assert run(ALONE.format(library=library, other=other)) == ["3", "False"]


ALONE = """
import sys
import anyio, {library} as library
from netless_rooms import AsyncRooms
from netless_rooms.emulator import Emulator

async def main():
    emulator = Emulator(rooms=3)
    async with library.AsyncClient(transport=emulator.transport()) as client:
        rooms = AsyncRooms(client, token=emulator.key, region="sg")
        print(len([room async for room in rooms.walk()]))

anyio.run(main)
print({other!r} in sys.modules)
"""
