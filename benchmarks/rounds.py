"""Side by side: each contender in a process of its own, and in each round every one of them once."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

from attrs import field, frozen

WORKER: Final = Path(__file__).with_name("worker.py")
NO_ROOMS: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of nothing


class RoomsDifferError(Exception):
    """Two contenders that were to do the same came to different rooms."""


@frozen
class Contender:
    """Something to be measured: what the table calls it, its name in ``contenders`` and what that takes."""

    title: str
    name: str
    arguments: Mapping[str, Any] = field(factory=dict)
    base: str | None = None  # the title that it is compared with; ``None`` is the group's first
    without: Sequence[str] = ()  # modules that it must not find


@frozen
class Row:
    """What came out for a contender, over all rounds."""

    title: str
    base: str
    ms: float  # the median, of one unit of work
    ratio: float  # the median of its time through the base's time in the same round
    low: float  # the middle half of these ratios lies between low and high
    high: float
    seconds: Sequence[float] = ()  # of each round


def row_of(title: str, seconds: Sequence[float], base: str, base_seconds: Sequence[float], units: int = 1) -> Row:
    """Return the row of what took ``seconds`` for so many units, beside what ``base`` took."""
    ratios = [own / others for own, others in zip(seconds, base_seconds, strict=True)]
    return Row(title, base, median(seconds) / units * 1000, median(ratios), *spread(ratios), list(seconds))


def measure(contenders: Sequence[Contender], *, rounds: int, units: int) -> list[Row]:
    """Run all contenders ``rounds`` times, after a round that does not count; the work has ``units``."""
    times: dict[str, list[float]] = {contender.title: [] for contender in contenders}
    with ExitStack() as stack:
        workers = {contender.title: stack.enter_context(Worker(contender)) for contender in contenders}
        titles = list(workers)
        for turn in range(rounds + 1):
            start = turn % len(titles)  # nobody always comes first, or always behind the same
            for title in titles[start:] + titles[:start]:
                seconds = workers[title].work()
                if turn:
                    times[title].append(seconds)
        came = {worker.rooms for worker in workers.values()} - {NO_ROOMS}
        if len(came) > 1:
            raise RoomsDifferError({title: worker.rooms for title, worker in workers.items()})
    bases = {contender.title: contender.base or contenders[0].title for contender in contenders}
    return [row_of(title, times[title], base, times[base], units) for title, base in bases.items()]


def spread(ratios: Sequence[float]) -> tuple[float, float]:
    """Return between what the middle half lies."""
    if len(ratios) == 1:
        return ratios[0], ratios[0]
    low, _, high = quantiles(ratios, n=4, method="inclusive")
    return low, high


class Worker:
    """The process of a contender."""

    def __init__(self, contender: Contender) -> None:
        self.rooms = NO_ROOMS
        arguments = [json.dumps(dict(contender.arguments)), json.dumps(list(contender.without))]
        self._process = subprocess.Popen(
            [sys.executable, WORKER, contender.name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> "Worker":
        self._line()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def work(self) -> float:
        """Let it work once and return the seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds, self.rooms = json.loads(self._line())
        return float(seconds)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()}; its own words are above")
        return line
