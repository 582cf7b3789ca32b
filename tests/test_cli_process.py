"""The command line as a process of its own: signals, pipes, terminals, shells, and what it imports."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from anyio.from_thread import start_blocking_portal

from netless_rooms.cli.journal import read_standing
from netless_rooms.emulator import Emulator, Hang
from shell import EVERYTHING, Shell

COMMAND = [sys.executable, "-P", "-m", "netless_rooms"]
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes are others there")


@pytest.fixture
def emulator() -> Emulator:
    return Emulator(rooms=3_000)


@pytest.fixture
def environment(emulator: Emulator) -> Iterator[dict[str, str]]:
    """Return an environment in which the emulator is reached over a socket."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(emulator.serve()) as url:
        yield {**os.environ, **EVERYTHING, "NETLESS_BASE_URL": url, "NETLESS_TOKEN": ""}


def started(
    environment: dict[str, str], *arguments: object, out: IO[str] | int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    words = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(words, env=environment, stdout=out, stderr=subprocess.PIPE, encoding="utf-8")


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, out, err


def test_the_package_runs_as_a_command(environment: dict[str, str]) -> None:
    code, out, err = ended(started(environment, "list", "--limit", 2))
    assert (code, len(out.splitlines()), err) == (0, 2, "")


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_a_missing_extra_is_told_in_a_line(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from netless_rooms.__main__ import main; sys.exit(main([]))"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == "netless-rooms needs an extra: pip install 'netless-rooms[cli]'\n"


def test_the_library_does_not_import_the_command_line() -> None:
    parts = {"cyclopts", "netless_rooms.cli", "netless_rooms.__main__"}
    code = f"import sys, netless_rooms; print({parts} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from netless_rooms.__main__ import main; main(['--help']); "
        "print({'netless_rooms.cli.scan', 'netless_rooms.cli.rooms', 'netless_rooms.demo'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert ran.stdout.endswith("set()\n")


@unix
def test_a_scan_that_is_killed_again_and_again_loses_and_doubles_nothing(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    checkpoint, output = tmp_path / "c", tmp_path / "o.jsonl"
    arguments = ["scan", "--checkpoint", checkpoint, "--output", output, "--page-size", 500, "--prefetch", 0]
    for _ in range(3):
        emulator.faults[:] = [None, None, None, Hang()]  # so that it is somewhere in the list
        rooms = rooms_at(checkpoint)
        process = started(environment, *arguments)
        while rooms_at(checkpoint) == rooms:
            assert process.poll() is None
        process.kill()
        assert ended(process)[0] == -signal.SIGKILL
    emulator.faults.clear()
    assert ended(started(environment, *arguments)) == (0, "", "")
    assert [json.loads(line)["uuid"] for line in output.read_text().splitlines()] == list(emulator.uuids())


def rooms_at(checkpoint: Path) -> int:
    standing = read_standing(checkpoint)
    return 0 if standing is None else standing.rooms


@unix
def test_ctrl_c_ends_a_scan_quietly_and_it_goes_on(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    output, arguments = tmp_path / "o", ["scan", "--checkpoint", tmp_path / "c"]
    emulator.faults[:] = [None, Hang()]
    with output.open("a") as file:
        process = started(environment, *arguments, out=file)
        while len(emulator.requests) < 2 or not output.stat().st_size:
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        code, _, err = ended(process)
        assert (code, err) == (
            130,
            "netless-rooms: stopped: 1,000 rooms kept; give the same command again to go on\n",
        )
        code, _, err = ended(started(environment, *arguments, out=file))
        assert (code, err) == (0, "")
    assert [json.loads(line)["uuid"] for line in output.read_text().splitlines()] == list(emulator.uuids())


@unix
def test_a_checkpoint_does_not_vouch_for_what_is_in_a_pipe(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    code, out, err = ended(started(environment, "scan", "--checkpoint", tmp_path / "c"))
    assert (code, out) == (2, "")
    assert "--checkpoint needs --output FILE: nobody can tell" in err
    assert not (tmp_path / "c").exists()
    assert emulator.requests == []


@unix
@pytest.mark.parametrize("command", ["scan", "demo", "--help"])
def test_a_reader_that_goes_away_is_no_error_to_talk_of(command: str, environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = started(environment, command, out=writing)
    os.close(writing)
    assert process.stderr is not None
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


@unix
def test_ctrl_c_ends_the_emulator_which_can_be_used_by_copy_and_paste() -> None:
    process = started(dict(os.environ), "emulate", "--port", 0, "--rooms", 3)
    assert process.stdout is not None
    exports = [process.stdout.readline() for _ in range(4)]
    script = f"{''.join(exports)}exec {' '.join(COMMAND)} scan"
    ran = subprocess.run(["/bin/sh", "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, len(ran.stdout.splitlines()), ran.stderr) == (0, 3, "")
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (130, "")
    assert "Ctrl-C ends it" in err
    assert "Traceback" not in err


@unix
def test_a_real_terminal_gets_a_table_and_progress(environment: dict[str, str], tmp_path: Path) -> None:
    assert "created_at" in seen_in_terminal({**environment, "COLUMNS": "90"}, "list", "--limit", "3")
    seen = seen_in_terminal(environment, "scan", "--output", str(tmp_path / "o"))
    assert "3,000 rooms written" in seen


@unix
@pytest.mark.parametrize("spelling", ["jsonl", "csv"])
def test_rows_go_where_stdout_leads_while_a_terminal_shows_progress(
    spelling: str, emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "rows").open("w") as rows:
        seen = seen_in_terminal(environment, "scan", "--format", spelling, out=rows)
    written = (tmp_path / "rows").read_text().splitlines()
    assert len(written) == 3_000 + (spelling == "csv")
    assert "rooms a second" in seen
    assert "3,000 rooms written" in seen
    assert next(emulator.uuids()) not in seen


@unix
def test_rows_go_through_a_pipe_while_a_terminal_shows_progress(environment: dict[str, str]) -> None:
    seen = seen_in_terminal(environment, "scan", script='"$@" | wc -l >&2')
    assert "rooms a second" in seen
    assert seen.split()[-1] == "3000"


@unix
def test_a_report_goes_where_stdout_leads_while_a_terminal_shows_progress(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    some = list(emulator.uuids())[:20]
    with (tmp_path / "report").open("w") as report:
        seen = seen_in_terminal(environment, "disable", "--yes", *some, out=report)
    written = (tmp_path / "report").read_text().splitlines()
    assert sorted(json.loads(line)["uuid"] for line in written) == sorted(some)
    assert "20 rooms disabled" in seen
    assert some[0] not in seen


@unix
def test_rows_that_a_checkpoint_vouches_for_are_where_stdout_leads(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "rows").open("w") as rows:
        seen_in_terminal(environment, "scan", "--checkpoint", str(tmp_path / "c"), out=rows)
    written = (tmp_path / "rows").read_text().splitlines()
    assert [json.loads(line)["uuid"] for line in written] == list(emulator.uuids())


def seen_in_terminal(
    environment: dict[str, str], *arguments: str, out: IO[str] | None = None, script: str = '"$@"'
) -> str:
    """Return all that a command writes to a terminal; ``out`` takes its stdout, ``script`` runs it in a shell."""
    words = ["/bin/sh", "-c", script, "sh", *COMMAND, *arguments]
    primary, secondary = os.openpty()
    process = subprocess.Popen(words, env=environment, stdin=secondary, stdout=out or secondary, stderr=secondary)
    os.close(secondary)
    seen = b""
    try:
        while piece := os.read(primary, 1 << 16):
            seen += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(primary)
    assert process.wait(timeout=60) == 0
    return seen.decode()


@unix
def test_ctrl_c_at_the_question_does_nothing(emulator: Emulator, environment: dict[str, str]) -> None:
    primary, secondary = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "disable", "a", "b"],
        env=environment,
        stdin=secondary,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    question = "Disable 2 rooms? [y/N] "
    assert process.stderr.read(len(question)) == question
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "", "")
    assert emulator.requests == []
    os.close(primary)
    os.close(secondary)


BASH = shutil.which("bash") or ""


@pytest.mark.skipif(not BASH, reason="there is no bash")
def test_bash_completes_commands_and_flags(tmp_path: Path) -> None:
    script = tmp_path / "completion.bash"
    script.write_text(Shell(Emulator())("completion", "bash").out)
    assert "disable" in completed(script, "netless-rooms", "dis")
    assert completed(script, "netless-rooms", "scan", "--created-") == {"--created-after", "--created-before"}
    assert completed(script, "netless-rooms", "token", "") >= {"sdk", "room", "task", "read"}


@pytest.mark.skipif(not BASH, reason="there is no bash")
def test_completion_is_set_up_on_a_new_account_as_its_page_says(tmp_path: Path) -> None:
    page = Path(__file__).parent.parent.joinpath("docs", "howto", "command-line.md").read_text("utf-8")
    block = page.partition("\n## Complete in a shell\n")[2].partition("```sh\n")[2].partition("```")[0]
    script = f'netless-rooms() {{ "$PYTHON" -P -m netless_rooms "$@"; }}\n{block}'
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHON": sys.executable}
    ran = subprocess.run(
        [BASH, "-ec", script], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [file.stat().st_size > 0 for file in tmp_path.rglob("*netless-rooms*")] == [True] * 3


def completed(script: Path, *words: str) -> set[str]:
    """Return what bash offers behind the last of ``words``."""
    typed = " ".join(f"'{word}'" for word in words)
    code = (
        f"source '{script}'; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; COMP_LINE='{' '.join(words)}'; "
        "COMP_POINT=${#COMP_LINE}; how=$(complete -p netless-rooms); how=${how##*-F }; ${how%% *}; "
        "printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    ran = subprocess.run([BASH, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert ran.stderr == ""
    return {line.strip() for line in ran.stdout.splitlines()}


@unix
@pytest.mark.parametrize(
    ("closed", "code", "printed", "told"),
    [
        ("<&-", 0, 2, ""),
        ("2>&-", 0, 2, ""),
        (">&-", 10, 0, "netless-rooms: the output cannot be written: stdout is closed\n"),
    ],
)
def test_a_stream_that_is_closed_is_no_fault_of_the_program(
    environment: dict[str, str], closed: str, code: int, printed: int, told: str
) -> None:
    words = ["sh", "-c", f'"$@" {closed}', "sh", *COMMAND, "list", "--limit", "2"]
    ran = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, len(ran.stdout.splitlines()), ran.stderr) == (code, printed, told)


@unix
def test_from_a_stdin_that_is_closed_come_no_rooms_as_from_an_empty_pipe(
    environment: dict[str, str], emulator: Emulator
) -> None:
    words = ["sh", "-c", '"$@" <&-', "sh", *COMMAND, "disable", "--yes"]
    ran = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert emulator.requests == []
