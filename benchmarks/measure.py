"""Run contenders side by side: every one of them once in each round, so that a slow moment hits them all."""

import asyncio
import gc
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median, quantiles
from time import perf_counter, process_time
from typing import Any, Final, Literal, TypeAlias

from attrs import evolve, field, frozen

import contenders as ways

STATUS: Final = Path("/proc/self/status")
Measure: TypeAlias = Literal["cpu", "wall"]


@frozen
class Contender:
    """What is measured: its title in the table, its name in ``contenders``, and the arguments of that."""

    title: str
    name: str
    arguments: Mapping[str, Any] = field(factory=dict)
    base: str = ""  # the title that it is compared with; the first of the group if empty
    units: int = 0  # of work in a run, if not those of the group


@frozen
class Run:
    """One run: seconds of wall time and of the client's CPU, the peak memory of its process in MiB, what came."""

    wall: float
    cpu: float
    peak: float = 0
    digest: str = ""


@frozen
class Row:
    """The result of a contender: medians in seconds for one unit of work, and peak memory in MiB."""

    title: str
    base: str
    wall: float
    cpu: float
    peak: float
    ratio: float  # median of the time of a unit divided by that of the base in the same round
    low: float  # the middle half of these ratios lies between low and high
    high: float


def measure(
    contenders: Sequence[Contender], *, rounds: int, units: int = 1, by: Measure = "cpu", fresh: bool = False
) -> list[Row]:
    """Run all contenders ``rounds`` times, several after one that does not count.

    With ``fresh`` each run has a process of its own, so that its memory can be told.
    """
    chosen = [evolve(contender, units=contender.units or units) for contender in contenders]
    if fresh:
        runs: dict[str, list[Run]] = {each.title: [] for each in chosen}
        for each in rounds * chosen:
            with get_context("spawn").Pool(1) as pool:
                runs[each.title] += pool.apply(run_rounds, ([each], 1))[each.title]
    else:
        runs = run_rounds(chosen, rounds)
    for url in {each.arguments.get("url") for each in chosen}:
        if len({runs[each.title][-1].digest for each in chosen if each.arguments.get("url") == url}) > 1:
            raise ValueError(f"the contenders returned different rooms of {url}")
    bases = [next(base for base in chosen if base.title == (each.base or chosen[0].title)) for each in chosen]
    pairs = zip(chosen, bases, strict=True)
    return [make_row(each, runs[each.title], base, runs[base.title], by) for each, base in pairs]


def make_row(
    contender: Contender, runs: Sequence[Run], base: Contender, base_runs: Sequence[Run], by: Measure
) -> Row:
    """Return the row of ``runs``, compared with those of ``base`` by wall or CPU time."""
    scale = base.units / contender.units
    ratios = [scale * getattr(own, by) / getattr(other, by) for own, other in zip(runs, base_runs, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    wall, cpu = (median(getattr(run, kind) for run in runs) / contender.units for kind in ("wall", "cpu"))
    return Row(contender.title, base.title, wall, cpu, max(run.peak for run in runs), median(ratios), low, high)


def run_rounds(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Run]]:
    """Return the runs of each contender that count."""
    warm = rounds > 2  # a few rounds are those that take long

    async def run() -> dict[str, list[Run]]:
        runs: dict[str, list[Run]] = {}
        async with AsyncExitStack() as stack:
            works = [
                (each.title, await stack.enter_async_context(getattr(ways, each.name)(**each.arguments)))
                for each in contenders
            ]
            gc.freeze()  # what the libraries of all contenders hold must not slow the collector down for each
            for turn in range(rounds + warm):
                start = turn % len(works)  # no contender is always first, or always after the same one
                for title, work in works[start:] + works[:start]:
                    runs.setdefault(title, []).append(await run_once(work))
        return {title: each[warm:] for title, each in runs.items()}

    return asyncio.run(run())


async def run_once(work: ways.Work) -> Run:
    """Let a contender work once."""
    gc.collect()
    wall, cpu = perf_counter(), cpu_time()
    uuids = await work()
    wall, cpu = perf_counter() - wall, cpu_time() - cpu
    return Run(wall, cpu, peak_memory(), sha256("".join(sorted(uuids)).encode()).hexdigest())


def cpu_time() -> float:
    """Return the CPU time of this process and of its children that ended, in seconds."""
    children = getrusage(RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


def peak_memory() -> float:
    """Return the peak memory of the children that ended, or else of this process, in MiB; 0 if it is unknown."""
    if peak := getrusage(RUSAGE_CHILDREN).ru_maxrss:
        return peak / 1024
    # Not getrusage: for a child it begins with the memory of the parent.
    lines = STATUS.read_text("utf-8").splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0)
