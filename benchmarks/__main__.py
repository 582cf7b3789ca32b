"""Measure, and write the page of figures: ``nox -s bench``; ``-- --quick`` takes a minute and only prints."""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Final

from groups import FULL, GROUPS, QUICK
from report import page
from stand_in import serving

FIGURES: Final = Path(__file__).parent.parent / "docs" / "performance" / "figures.md"
NAMES: Final = [group.__name__ for group in GROUPS]


def main() -> None:
    """Measure the chosen groups and print the page; write it after a full run of all."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="do less; the figures are rough")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="measure these groups")
    chosen = parser.parse_args()

    began, groups = perf_counter(), []
    with serving() as server:
        for measure in GROUPS:
            if measure.__name__ in chosen.only:
                print(f"{perf_counter() - began:4.0f} s  {measure.__doc__}", file=sys.stderr, flush=True)
                groups.append(measure(server, QUICK if chosen.quick else FULL))
    figures = page(groups, is_quick=chosen.quick)
    print(figures)
    if chosen.only == NAMES and not chosen.quick:
        FIGURES.write_text(figures, "utf-8")
        print(f"written to {FIGURES} in {perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
