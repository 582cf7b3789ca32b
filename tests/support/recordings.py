"""Recordings of the command line on a page of the documentation: each is played again, and has to look the same.

A ``console`` block has lines that begin with ``$``, each a command, and behind each what it prints.  The page has
a ``shell`` in a block above, whose emulator answers.  Commands are ``netless-rooms``, ``cat`` and ``echo $?``,
joined by pipes, with ``<`` and ``>``.  ``...`` stands for what differs each time.
"""

import doctest
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from attrs import evolve
from sybil import Example

if TYPE_CHECKING:
    from shell import Shell

FOLDER = "where the commands of this page run"  # no identifier, so no block can name it by accident
CODE = "the exit code of the last command"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
TRAILING = re.compile(r"(?m) +$")


def play(example: Example) -> None:
    """Run the commands of a block and compare what they print."""
    if FOLDER not in example.namespace:
        example.namespace[FOLDER] = TemporaryDirectory()
    for command, expected in commands(example.parsed):
        with (
            chdir(example.namespace[FOLDER].name),
            patch("netless_rooms.emulator.Emulator.serve", unserved),
            patch("anyio.sleep_forever", interrupted),
        ):
            printed = TRAILING.sub("", STYLE.sub("", pipeline(command, example.namespace)))
        if not doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS):
            raise AssertionError(f"$ {command}\nis recorded as\n{expected}\nand prints\n{printed}")


def tidy(namespace: dict[str, Any]) -> None:
    """Remove what the commands of a page have written."""
    if FOLDER in namespace:
        namespace[FOLDER].cleanup()


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command and what is recorded behind it."""
    assert text.startswith("$ "), "a console block begins with a command"
    for part in re.split(r"(?m)^\$ ", text)[1:]:
        command, _, expected = part.replace("\\\n", "").partition("\n")
        yield command, expected


def pipeline(command: str, namespace: dict[str, Any]) -> str:
    """Return what a line prints, on both streams."""
    shell: Shell = namespace["shell"]
    piped, told = "", ""
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
            namespace[CODE], piped, told = ran.code, ran.out, told + ran.err
        if target:
            Path(target).write_text(piped, "utf-8")
            piped = ""
    return piped + told


def after(sign: str, words: list[str]) -> str | None:
    """Take a redirection out of ``words`` and return its file."""
    if sign not in words:
        return None
    place = words.index(sign)
    _, file = words[place : place + 2]
    del words[place : place + 2]
    return file


@asynccontextmanager
async def unserved(_: object, *, host: str, port: int) -> AsyncIterator[str]:
    """Open no port: it may be in use where the documentation is tested."""
    yield f"http://{host}:{port}"


async def interrupted() -> None:
    """Press Ctrl-C."""
    raise KeyboardInterrupt
