"""Runs the recorded commands of the documentation and compares what they print.

A line of a ``console`` block that begins with ``$`` is a command: ``netless-rooms``, ``cat`` or ``echo $?``,
joined by pipes, with ``<`` and ``>``.  The lines after it are its output; ``...`` stands for what differs each
time.  The page's ``shell``, from a Python block above, runs the commands.
"""

import doctest
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, patch

from attrs import evolve
from sybil import Example

if TYPE_CHECKING:
    from shell import Shell

FOLDER = "where the commands of this page run"  # no identifier, so no block can name it by accident
CODE = "the exit code of the last command"
STYLE = re.compile(r"\x1b\[[0-9;]*m")


def play(example: Example) -> None:
    """Run the commands of a block and compare what they print."""
    if FOLDER not in example.namespace:
        example.namespace[FOLDER] = TemporaryDirectory()
    for command, expected in commands(example.parsed):
        with (
            chdir(example.namespace[FOLDER].name),
            patch("netless_rooms.emulator.Emulator.serve", unserved),
            patch("anyio.sleep_forever", AsyncMock(side_effect=KeyboardInterrupt)),
        ):
            printed = STYLE.sub("", pipeline(command, example.namespace))
        if not doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS):
            raise AssertionError(f"$ {command}\nis recorded as\n{expected}\nand prints\n{printed}")


def tidy(namespace: dict[str, Any]) -> None:
    """Remove the files that the commands of a page have written."""
    if FOLDER in namespace:
        namespace[FOLDER].cleanup()


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with its recorded output."""
    assert text.startswith("$ "), "a console block begins with a command"
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, _, expected = part.replace("\\\n", "").partition("\n")
        yield command, expected


def pipeline(command: str, namespace: dict[str, Any]) -> str:
    """Return what a command line prints, on both streams."""
    shell: Shell = namespace["shell"]
    piped, err = "", ""
    stages = [stage.strip() for stage in command.split("|")]
    for stage in stages:
        words = shlex.split(stage)
        source, target = after("<", words), after(">", words)
        typed = Path(source).read_text("utf-8") if source else piped
        if words[0] == "cat":
            piped = "".join(Path(word).read_text("utf-8") for word in words[1:]) or typed
        elif words == ["echo", "$?"]:
            piped = f"{namespace[CODE]}\n"
        else:
            assert words.pop(0) == "netless-rooms", stage
            ends = [] if typed else ["stdin"]
            ends += ["stdout"] if stage == stages[-1] and target is None else []
            ran = evolve(shell, terminals=frozenset(ends))(*words, typed=typed)
            namespace[CODE], piped, err = ran.code, ran.out, err + ran.err
        if target:
            Path(target).write_text(piped, "utf-8")
            piped = ""
    return piped + err


def after(sign: str, words: list[str]) -> str | None:
    if sign not in words:
        return None
    place = words.index(sign)
    _, file = words[place : place + 2]
    del words[place : place + 2]
    return file


@asynccontextmanager
async def unserved(_: object, *, host: str, port: int) -> AsyncIterator[str]:
    yield f"http://{host}:{port}"
