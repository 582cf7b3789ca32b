"""How far it is, on stderr, as long as a person looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TypeAlias

from netless_rooms.cli.terminal import is_terminal

Tell: TypeAlias = Callable[[str], None]


@contextmanager
def progress(*, is_wanted: bool = True) -> Iterator[Tell]:
    """Give what shows a line of progress; it shows nothing unless stderr is a terminal, or if it is not wanted."""
    if not (is_wanted and is_terminal(sys.stderr)):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    # What rich redirects it writes to the terminal: rows are to go where stdout leads, whatever stderr is.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task("asking ...")
        yield lambda text: bar.update(task, description=text)


class Pace:
    """Counts the seconds, for figures."""

    def __init__(self) -> None:
        self._began = perf_counter()

    @property
    def seconds(self) -> float:
        """How long it has been."""
        return perf_counter() - self._began

    def figures(self, rooms: int, pages: int) -> str:
        """Return rooms, pages and rooms a second for people."""
        rate = rooms / max(self.seconds, 0.001)
        return f"{count(rooms, 'room')} in {count(pages, 'page')}, {rate:,.0f} rooms a second"


def count(number: int, what: str) -> str:
    """Return a number of things for people."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
