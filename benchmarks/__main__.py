"""Measure and write it down: ``nox -s bench``, with ``-- --quick`` for an impression in a minute or two."""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from groups import FULL, GROUPS, QUICK
from report import Machine, tables, write
from stand_in import serving

ROOT: Final = Path(__file__).parent.parent
NAMES: Final = [group.__name__ for group in GROUPS]


def main() -> None:
    """Measure each group that is asked for, print the tables, and write them if a folder is given."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="do less; the figures are rougher")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="measure these groups")
    parser.add_argument("--output", type=Path, help="where to write; the documentation if all is measured")
    chosen = parser.parse_args()
    is_whole = chosen.only == NAMES and not chosen.quick
    folder = chosen.output or (ROOT / "docs" / "performance" if is_whole else None)

    began = perf_counter()
    groups = []
    with serving() as server:
        for measure in GROUPS:
            if measure.__name__ in chosen.only:
                print(f"{perf_counter() - began:4.0f} s  {measure.__doc__}", file=sys.stderr, flush=True)
                groups.append(measure(server, QUICK if chosen.quick else FULL))
    machine = Machine.here()
    for name, lines in tables(machine, groups):
        print(f"\n{name}\n", *lines, sep="\n")
    if folder is not None:
        write(folder, machine, groups, is_quick=chosen.quick)
        print(f"\nwritten to {folder} in {perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
