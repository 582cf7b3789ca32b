"""The command line as a process: signals and pipes.

These are slow.  Whatever does not need a process is tested in this one, by way of ``shell``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from netless_rooms.emulator import Emulator, Hang
from selection import exhaustive
from shell import EVERYTHING, Shell, uuids_in

COMMAND = [sys.executable, "-P", "-m", "netless_rooms"]
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes are others there")


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=2_500)


@pytest.fixture
def environment(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Return an environment in which the emulator is reached over a socket."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator.serve()) as url:
        yield {**os.environ, **EVERYTHING, "NETLESS_BASE_URL": url, "NETLESS_TOKEN": ""}


@unix
@pytest.mark.parametrize("sent", [signal.SIGINT, *exhaustive([signal.SIGKILL])])
def test_a_scan_that_is_stopped_by_a_signal_resumes_exactly(
    sent: signal.Signals, emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "o"
    words = ["scan", "--checkpoint", str(tmp_path / "c"), "--output", str(output)]
    emulator.faults[:] = [None, Hang()]
    with subprocess.Popen([*COMMAND, *words], env=environment, stderr=subprocess.PIPE) as process:
        while len(emulator.requests) < 2 or not (output.exists() and output.stat().st_size):
            assert process.poll() is None
        process.send_signal(sent)
        _, err = process.communicate()
    said = b"netless-rooms: stopped: 1,000 rooms saved; repeat the command to resume\n"
    assert (process.returncode, err) == ((130, said) if sent == signal.SIGINT else (-sent, b""))
    shell = Shell(emulator, environment={**EVERYTHING, "NETLESS_BASE_URL": environment["NETLESS_BASE_URL"]})
    assert shell(*words).code == 0
    assert uuids_in(output) == list(emulator.uuids())


@unix
def test_a_stdout_that_nobody_reads_or_that_is_closed(environment: dict[str, str]) -> None:
    said = "netless-rooms: the output cannot be written: stdout is closed\n"
    for script, expected in {
        '"$@" >&-; echo $? >&2': f"{said}10\n",
        '("$@"; echo $? >&2) | true': "141\n",
    }.items():
        words = ["sh", "-c", script, "sh", *COMMAND, "list", "--limit", "2"]
        ran = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=True)
        assert (ran.stdout, ran.stderr) == ("", expected)
