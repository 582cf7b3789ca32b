"""What a run leaves behind: the figures as JSON, and tables of them in Markdown."""

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from groups import Group, Growth, Target
from plots import plots
from rounds import Row

PACKAGES: Final = (
    "netless-rooms",
    "httpx",
    "httpx2",
    "httpcore",
    "aiohttp",
    "httpx-aiohttp",
    "anyio",
    "attrs",
    "cattrs",
    "msgspec",
    "orjson",
    "pydantic",
    "openai",
    "uvloop",
)


@frozen(kw_only=True)
class Machine:
    """What it ran on, and with what."""

    processor: str
    cores: int
    system: str
    python: str
    versions: dict[str, str]

    @classmethod
    def here(cls) -> "Machine":
        """Return this one."""
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            system=f"{platform.system()} {platform.release()}",
            python=f"{platform.python_implementation()} {platform.python_version()}",
            versions={package: version(package) for package in PACKAGES},
        )


def write(folder: Path, machine: Machine, groups: Sequence[Group], *, is_quick: bool) -> None:
    """Write ``results.json``, a table for each group, one of the targets and one of the machine, and the plots."""
    folder.mkdir(parents=True, exist_ok=True)
    results = {"is_quick": is_quick, "machine": asdict(machine), "groups": [asdict(group) for group in groups]}
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name, lines in tables(machine, groups):
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n", "utf-8")
    for name, drawing in plots(groups):
        (folder / f"{name}.svg").write_text(drawing, "utf-8")


def tables(machine: Machine, groups: Sequence[Group]) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield the name and the lines of each table."""
    yield "machine", machine_table(machine)
    yield "targets", target_table([target for group in groups for target in group.targets])
    for group in groups:
        yield group.key, growth_table(group.growth) if group.growth else ratio_table(group)


def machine_table(machine: Machine) -> Iterator[str]:
    """Yield what it ran on."""
    yield "| | |"
    yield "|---|---|"
    yield f"| processor | {machine.processor}, {machine.cores} cores |"
    yield f"| system | {machine.system} |"
    yield f"| Python | {machine.python} |"
    yield f"| packages | {', '.join(f'{name} {number}' for name, number in machine.versions.items())} |"


def target_table(targets: Iterable[Target]) -> Iterator[str]:
    """Yield what was aimed at and what came out."""
    yield "| what | target | measured | |"
    yield "|---|--:|--:|---|"
    for target in targets:
        bound = f"at {'least' if target.at_least else 'most'} {target.bound:g}{target.unit}"
        yield f"| {target.what} | {bound} | {target.measured:.2f}{target.unit} | {verdict(target)} |"


def verdict(target: Target) -> str:
    """Return it in a word."""
    return "met" if target.is_met else "**missed**"


def ratio_table(group: Group) -> Iterator[str]:
    """Yield the rows of a group; with several bases, each row under its own."""
    several = len({row.base for row in group.rows}) > 1
    told = "times as fast" if group.is_about_speed else "times as long"
    yield f"| | {group.unit} | {told}{'' if several else f' as {group.rows[0].base}'} | middle half |"
    yield "|---|--:|--:|--:|"
    for row in group.rows:
        ratio, middle = ratio_cells(row, is_about_speed=group.is_about_speed)
        yield f"| {row.title} | {row.ms:.3g} | {ratio} | {middle} |"


def ratio_cells(row: Row, *, is_about_speed: bool) -> tuple[str, str]:
    """Return the ratio and its spread; none for what is itself compared with."""
    if row.title == row.base:
        return "1", ""
    ratio, low, high = row.ratio, row.low, row.high
    if is_about_speed:
        ratio, low, high = 1 / ratio, 1 / high, 1 / low
    return f"{ratio:.2f}", f"{low:.2f} to {high:.2f}"


def growth_table(rows: Iterable[Growth]) -> Iterator[str]:
    """Yield what a list of so many rooms costs."""
    yield "| | rooms | µs a room | peak of the process, MiB | peak of Python's objects, MiB |"
    yield "|---|--:|--:|--:|--:|"
    for row in rows:
        peaks = f"{row.process:.1f} | {row.traced:.1f}"
        yield f"| `{row.way}()` | {row.rooms:,} | {row.microseconds:.2f} | {peaks} |"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine() or sys.platform
