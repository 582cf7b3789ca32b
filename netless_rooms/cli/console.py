"""A console of rich on stdout, for help and the demo: what goes wrong there is told as everywhere else."""

import sys
from io import TextIOBase
from typing import IO, cast

from rich.console import Console

from netless_rooms.cli.terminal import is_terminal, put


class StdoutConsole(Console):
    """Writes to stdout in any encoding, and raises what ``put`` raises."""

    def __init__(self, *, highlight: bool = True, soft_wrap: bool = False) -> None:
        """Look at what stdout is now."""
        super().__init__(file=cast("IO[str]", _Stdout()), highlight=highlight, soft_wrap=soft_wrap)

    def on_broken_pipe(self) -> None:
        """Pass it on, where rich would end the process with another code than ours."""
        raise  # the error that rich handles when it calls this


class _Stdout(TextIOBase):
    """Stdout, whatever it is when something is written."""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has an attribute, which cannot be computed
        return sys.stdout.encoding or "utf-8"

    def isatty(self) -> bool:
        return is_terminal(sys.stdout)

    def write(self, text: str) -> int:
        put(text)
        return len(text)
