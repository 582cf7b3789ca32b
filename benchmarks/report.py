"""The page of figures, in Markdown."""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from groups import Group, Target
from measure import Row

PACKAGES: Final = (
    *("netless-rooms", "httpx", "httpx2", "httpcore", "aiohttp", "httpx-aiohttp", "anyio", "attrs", "cattrs"),
    *("msgspec", "pydantic", "openai", "uvloop"),
)
CPUINFO: Final = Path("/proc/cpuinfo")


def page(groups: Sequence[Group], *, is_quick: bool) -> str:
    """Return the whole page: the machine, all targets, and a table for each group."""
    lines = ["A quick run; the figures are rough." if is_quick else "A full run.", "", *machine(), ""]
    lines += ["## Targets", "", *target_table([target for group in groups for target in group.targets])]
    for group in groups:
        lines += ["", f"## {group.title}", "", *table(group)]
    return "\n".join(lines) + "\n"


def machine() -> Iterator[str]:
    """Yield what it ran on."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    yield f"- {processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.release()}"
    yield f"- {platform.python_implementation()} {platform.python_version()}, {packages}"


def processor() -> str:
    """Return the name of the processor."""
    lines = CPUINFO.read_text("utf-8").splitlines() if CPUINFO.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine() or sys.platform)


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
    """Yield the rows of a group: wall and CPU time of the client, the ratio of wall times, and peak memory."""
    yield f"| | {group.unit} | CPU | times as {'fast' if group.is_about_speed else 'long'} | middle half | MiB |"
    yield "|---|--:|--:|--:|--:|--:|"
    for row in group.rows:
        ratio, middle = ratio_cells(row, is_about_speed=group.is_about_speed)
        yield f"| {row.title} | {row.ms:.3g} | {row.cpu_ms:.3g} | {ratio} | {middle} | {row.peak:.0f} |"


def ratio_cells(row: Row, *, is_about_speed: bool) -> tuple[str, str]:
    """Return the ratio and its spread; no spread for a base."""
    if row.title == row.base:
        return "1", ""
    ratio, low, high = row.ratio, row.low, row.high
    if is_about_speed:
        ratio, low, high = 1 / ratio, 1 / high, 1 / low
    return f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"
