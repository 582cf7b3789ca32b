"""The command line as a process: signals, pipes, terminals, shells, and what it imports.

These are slow.  Whatever does not need a process is tested in this one, by way of ``shell``.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from netless_rooms.emulator import Emulator, Hang
from selection import exhaustive
from shell import EVERYTHING, Shell, uuids_in

COMMAND = [sys.executable, "-P", "-m", "netless_rooms"]
BASH = shutil.which("bash") or ""
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes are others there")


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=2_500)


@pytest.fixture
def environment(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Return an environment in which the emulator is reached over a socket."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator.serve()) as url:
        yield {**os.environ, **EVERYTHING, "NETLESS_BASE_URL": url, "NETLESS_TOKEN": ""}


def run(words: list[str], out: int = subprocess.PIPE, **options: Any) -> tuple[int, str | None, str]:
    ran = subprocess.run(words, stdout=out, stderr=subprocess.PIPE, encoding="utf-8", check=False, **options)
    return ran.returncode, ran.stdout, ran.stderr


def test_the_library_imports_no_command_line_and_a_command_only_what_it_needs() -> None:
    code = """if True:
        import sys, netless_rooms
        print({"cyclopts", "netless_rooms.cli", "netless_rooms.__main__"} & {*sys.modules})
        from netless_rooms.__main__ import main
        main(["list"])  # before httpx is imported, which may import rich
        print({"netless_rooms.cli.commands.scan", "netless_rooms.emulator", "rich.console"} & {*sys.modules})
    """
    _, out, err = run([sys.executable, "-P", "-c", code], env={**os.environ, "NETLESS_REGION": ""})
    assert (out, "NETLESS_REGION" in err) == ("set()\nset()\n", True)


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
    words = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, "list", "--limit", "2"]
    said = "netless-rooms: the output cannot be written: stdout is closed\n"
    assert run(words, env=environment) == (10, "", said)
    words[2] = '("$@"; echo $? >&2) | true'
    assert run(words, env=environment) == (0, "", "141\n")


@unix
def test_rows_go_where_stdout_leads_while_a_terminal_shows_progress(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    words = [*COMMAND, "scan", "--checkpoint", str(tmp_path / "c")]
    primary, secondary = os.openpty()
    with (tmp_path / "rows").open("w") as rows:
        process = subprocess.Popen(words, env=environment, stdin=secondary, stdout=rows, stderr=secondary)
    os.close(secondary)
    seen = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(primary, 1 << 16):
            seen += piece
    os.close(primary)
    assert process.wait(timeout=60) == 0
    assert uuids_in(tmp_path / "rows") == list(emulator.uuids())
    looked_for = b"rooms a second", b"2,500 rooms written", next(emulator.uuids()).encode()
    assert [words in seen for words in looked_for] == [True, True, False]


@pytest.mark.skipif(not BASH, reason="there is no bash")
@pytest.mark.parametrize("command", ["scan --checkpoint c", *exhaustive(["scan"])])
def test_an_unbuffered_stdout_that_is_full_takes_whole_rows_or_none(
    command: str, environment: dict[str, str], emulator: Emulator, tmp_path: Path
) -> None:
    line = f"{shlex.join(COMMAND)} {command} --page-size 200 >> out"
    options: dict[str, Any] = {"env": {**environment, "PYTHONUNBUFFERED": "1"}, "cwd": tmp_path}
    said = "netless-rooms: the output cannot be written: File too large\n"
    assert run([BASH, "-c", f"ulimit -f 300; {line}"], **options) == (10, "", said)
    kept = uuids_in(tmp_path / "out")
    assert kept == list(emulator.uuids())[: len(kept)]
    if "--checkpoint" in command:
        assert run([BASH, "-c", line], **options) == (0, "", "")
        assert uuids_in(tmp_path / "out") == list(emulator.uuids())


@pytest.mark.skipif(not BASH, reason="there is no bash")
@pytest.mark.exhaustive
def test_completion_works_on_a_new_account_that_is_set_up_as_its_page_says(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent.joinpath("docs", "reference", "command-line.md").read_text("utf-8")
    block = page.partition("\n## Shell completion\n")[2].partition("```sh\n")[2].partition("```")[0]
    script = f"""
        netless-rooms() {{ "$PYTHON" -P -m netless_rooms "$@"; }}
        {block}
        source ~/.local/share/bash-completion/completions/netless-rooms
        COMP_LINE='netless-rooms scan --created-' COMP_POINT=29 COMP_CWORD=2 COMP_WORDS=($COMP_LINE)
        how=$(complete -p netless-rooms); how=${{how##*-F }}; ${{how%% *}} || test "${{COMPREPLY[*]}}"
        echo "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHON": sys.executable}
    code, out, err = run([BASH, "-ec", script], env=environment)
    assert (code, str(out).split(), err) == (0, ["--created-after", "--created-before"], "")
    assert [file.stat().st_size > 0 for file in tmp_path.rglob("*netless-rooms*")] == [True] * 3
