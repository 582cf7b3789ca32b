"""The page of figures, in Markdown."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from math import log10
from pathlib import Path
from typing import Final

from groups import Group, Target

PACKAGES: Final = (
    *("netless-rooms", "httpx", "httpx2", "httpcore", "aiohttp", "httpx-aiohttp", "anyio", "attrs", "cattrs"),
    *("msgspec", "uvloop", "distributed", "pytest"),
)
CPUINFO: Final = Path("/proc/cpuinfo")
BAR: Final = 12  # characters for a factor of ten in a plot


def page(groups: Sequence[Group], *, is_quick: bool) -> str:
    """Return the whole page: the machine, all targets, and a table for each group."""
    lines = ["A quick run; the figures are rough." if is_quick else "A full run.", "", *machine(), ""]
    lines += ["## Targets", "", *target_table([target for group in groups for target in group.targets])]
    for group in groups:
        lines += ["", f"## {group.title}", "", *table(group), *(plots(group) if group.is_plotted else ())]
    return "\n".join(lines) + "\n"


def machine() -> Iterator[str]:
    """Yield what it ran on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    lines = CPUINFO.read_text("utf-8").splitlines() if CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(names, platform.machine())
    yield f"- {processor}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"
    yield f"- {platform.python_implementation()} {platform.python_version()}, {packages}"


def target_table(targets: Sequence[Target]) -> Iterator[str]:
    """Yield each target with its bound, the measured value, and whether the bound is met."""
    yield "| target | bound | measured | |"
    yield "|---|--:|--:|---|"
    for target in targets:
        bound = f"at {'least' if target.at_least else 'most'} {target.bound:g}{target.unit}"
        is_met = target.measured >= target.bound if target.at_least else target.measured <= target.bound
        verdict = "met" if is_met else "**missed**"
        yield f"| {target.subject} | {bound} | {target.measured:.2f}{target.unit} | {verdict} |"


def table(group: Group) -> Iterator[str]:
    """Yield the rows of a group: wall and CPU time of the client, the ratio of one of them, and peak memory."""
    heading = f"{'wall' if group.by == 'wall' else 'CPU'}: times as {'fast' if group.is_speed else 'long'}"
    yield f"| | {group.unit} | CPU | {heading} | middle half |" + (" MiB |" if group.is_plotted else "")
    yield "|---|--:|--:|--:|--:|" + ("--:|" if group.is_plotted else "")
    for row in group.rows:
        ratios = (row.ratio, row.low, row.high)
        ratio, low, high = (1 / row.ratio, 1 / row.high, 1 / row.low) if group.is_speed else ratios
        middle = "" if low == high else f"{low:.2f} to {high:.2f}"
        cells = [row.title, f"{row.wall * group.scale:.3g}", f"{row.cpu * group.scale:.3g}"]
        cells += ["1", ""] if row.title == row.base else [f"{ratio:.2f}", middle]
        cells += [f"{row.peak:.0f}"] if group.is_plotted else []
        yield f"| {' | '.join(cells)} |"


def plots(group: Group) -> Iterator[str]:
    """Yield bars of the seconds, the CPU seconds and the memory of each row, on a scale of powers of ten."""
    width = max(len(row.title) for row in group.rows)
    for name, figure in (("Seconds", "wall"), ("Seconds of CPU", "cpu"), ("MiB", "peak")):
        figures = [getattr(row, figure) for row in group.rows]
        least = min(figures) / 2
        yield from ("", f"{name}; a bar that is {BAR} characters longer is ten times as much:", "", "```text")
        for row, value in zip(group.rows, figures, strict=True):
            yield f"{row.title:{width}}  {'#' * round(BAR * log10(value / least))} {value:.3g}"
        yield "```"
