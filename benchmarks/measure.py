"""Run contenders side by side: each in a process of its own, and every one of them once in each round."""

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
# What httpx imports for its command line where that is installed; a web service does without.
NOT_FOUND: Final = ("click", "pygments", "rich")
TIMED_IMPORT: Final = """
import sys
from time import perf_counter, process_time
sys.modules.update(dict.fromkeys({not_found}))
wall, cpu = perf_counter(), process_time()
import {modules}
print([perf_counter() - wall, process_time() - cpu])
"""


@frozen
class Contender:
    """What is measured: its title in the table, its name in ``contenders``, and the arguments of that."""

    title: str
    name: str
    arguments: Mapping[str, Any] = field(factory=dict)
    base: str | None = None  # the title that it is compared with; ``None`` is the first of the group


@frozen
class Run:
    """One run: seconds of wall time and of the client's CPU, and the peak memory of its process in MiB."""

    wall: float
    cpu: float
    peak: float = 0
    digest: str = ""  # of the uuids


@frozen
class Row:
    """The result of a contender, over all rounds."""

    title: str
    base: str
    ms: float  # median wall time of one unit of work
    cpu_ms: float
    peak: float  # memory of the process, in MiB
    ratio: float  # median of its wall time divided by the base's wall time in the same round
    low: float  # the middle half of these ratios lies between low and high
    high: float


def make_row(title: str, runs: Sequence[Run], base: str, base_runs: Sequence[Run], units: int = 1) -> Row:
    """Return the row of ``runs`` of so many units each, compared with the runs of ``base``."""
    ratios = [own.wall / other.wall for own, other in zip(runs, base_runs, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    wall, cpu = median(run.wall for run in runs), median(run.cpu for run in runs)
    peak = max(run.peak for run in runs)
    return Row(title, base, wall / units * 1000, cpu / units * 1000, peak, median(ratios), low, high)


def measure(contenders: Sequence[Contender], *, rounds: int, units: int) -> list[Row]:
    """Run all contenders ``rounds`` times, after a round that does not count; each run is of ``units``."""
    runs: dict[str, list[Run]] = {contender.title: [] for contender in contenders}
    with ExitStack() as stack:
        workers = {contender.title: stack.enter_context(Worker(contender)) for contender in contenders}
        titles = list(workers)
        for turn in range(rounds + 1):
            start = turn % len(titles)  # no contender is always first, or always after the same one
            for title in titles[start:] + titles[:start]:
                run = workers[title].run()
                if turn:
                    runs[title].append(run)
    digests = {title: all_runs[-1].digest for title, all_runs in runs.items()}
    if len(set(digests.values())) > 1:
        raise ValueError(f"the contenders returned different rooms: {digests}")
    bases = {contender.title: contender.base or contenders[0].title for contender in contenders}
    return [make_row(title, runs[title], base, runs[base], units) for title, base in bases.items()]


class Worker:
    """The process of a contender."""

    def __init__(self, contender: Contender) -> None:
        self._process = subprocess.Popen(
            [sys.executable, WORKER, contender.name, json.dumps(dict(contender.arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> "Worker":
        self._line()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.__exit__(None, None, None)

    def run(self) -> Run:
        """Let it work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Run(*json.loads(self._line()))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with {self._process.wait()}; its own error is above")
        return line


def import_once(modules: str) -> Run:
    """Import ``modules`` in a new interpreter."""
    code = TIMED_IMPORT.format(modules=modules, not_found=NOT_FOUND)
    ran = subprocess.run([sys.executable, "-I", "-c", code], stdout=subprocess.PIPE, check=True, text=True)
    return Run(*json.loads(ran.stdout))
