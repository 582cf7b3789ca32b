"""The figures as drawings: SVG in the colours of the page, light or dark."""

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from math import log2
from typing import Final, TypeAlias

from attrs import frozen

from groups import Group, Growth
from rounds import Row

WIDTH: Final = 432  # a narrow screen shrinks that a little, and text stays legible
HEAD: Final = 24  # for the title
LABELS: Final = 216  # of the width
BAR: Final = 16
SEQUENTIAL: Final = 26
OURS: Final = "netless_rooms"
HEIGHT: Final = 252
LEFT, RIGHT, TOP, BOTTOM = 62, 396, 34, 204  # of what is between the axes

STYLE: Final = """
    .plot { display: block; width: 100%; max-width: 540px; height: auto; margin: 1rem auto; overflow: visible; }
    .plot text { fill: var(--color-foreground-primary, #555); font: 12px var(--font-stack, sans-serif); }
    .plot .title { fill: var(--color-foreground-secondary, #555); text-anchor: middle; }
    .plot .end { text-anchor: end; }
    .plot .middle { text-anchor: middle; }
    .plot .theirs { fill: var(--color-foreground-muted, #888); }
    .plot .ours { fill: var(--color-brand-primary, #2a5adf); }
    .plot .line { fill: none; stroke: var(--color-brand-primary, #2a5adf); stroke-width: 2; }
    .plot .second { fill: none; stroke: var(--color-foreground-muted, #888); stroke-width: 2; }
    .plot .axis { fill: none; stroke: var(--color-foreground-muted, #888); stroke-width: 1; }
    .plot .ideal { fill: none; stroke: var(--color-foreground-muted, #888); stroke-dasharray: 4 4; }
"""

Points: TypeAlias = Sequence[tuple[float, float]]


def plots(groups: Sequence[Group]) -> Iterator[tuple[str, str]]:
    """Yield the name of each drawing and the drawing."""
    for group in groups:
        if group.key in {"walk", "decode"}:
            yield group.key, bars(group.key, "Milliseconds for a page of 1,000 rooms", group.rows)
        elif group.key == "shards":
            yield group.key, shard_lines(group.rows)
        elif group.key == "growth":
            yield group.key, growth_lines(group.growth)


def bars(name: str, title: str, rows: Sequence[Row]) -> str:
    """Draw a bar for each row, ours in colour."""
    longest = max(row.ms for row in rows)
    room = WIDTH - LABELS - 46
    body = []
    for place, row in enumerate(rows):
        top = HEAD + 6 + place * SEQUENTIAL
        width = max(1.0, row.ms / longest * room)
        side = "ours" if row.title.startswith(OURS) else "theirs"
        label = escape(row.title.replace("`", ""))
        body += [
            f'<text class="end" x="{LABELS - 8}" y="{top + 13}">{label}</text>',
            f'<rect class="{side}" x="{LABELS}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LABELS + width + 6:.1f}" y="{top + 13}">{row.ms:.3g}</text>',
        ]
    told = "; ".join(f"{row.title}: {row.ms:.3g}" for row in rows)
    return drawing(name, title, told, HEAD + 12 + len(rows) * SEQUENTIAL, body)


def shard_lines(rows: Sequence[Row]) -> str:
    """Draw how many times as fast as a walk so many shards are, and what as many times would be."""
    found = [(re.fullmatch(r"`scan\(shards=(\d+)\)`", row.title), 1 / row.ratio) for row in rows]
    measured = [(float(shards[1]), times) for shards, times in found if shards]  # those over httpx
    counts = [shards for shards, _ in measured]
    plane = Plane((counts[0], counts[-1]), (counts[0], counts[-1]), log2)
    body = [
        *plane.axes(
            "shards",
            [(count, f"{count:g}") for count in counts],
            [(count, f"{count:g} times") for count in counts],
        ),
        plane.line("ideal", [(count, count) for count in counts]),
        plane.line("line", measured),
    ]
    told = "; ".join(f"{shards:g} shards: {times:.1f} times" for shards, times in measured)
    return drawing("shards", "Times as fast as a walk, by shards", told, HEIGHT, body)


def growth_lines(rows: Sequence[Growth]) -> str:
    """Draw the peak of the process by the length of the list."""
    counts = sorted({float(row.rooms) for row in rows})
    highest = max(row.process for row in rows)
    plane = Plane((counts[0], counts[-1]), (0, highest * 1.25), float)
    levels = [(0.0, "0"), (highest, f"{highest:.0f} MiB")]
    body = list(plane.axes("rooms", [(count, f"{count:,.0f}") for count in counts], levels))
    ways = [(way, [(row.rooms, row.process) for row in rows if row.way == way]) for way in ("scan", "walk")]
    lower, _ = min(ways, key=lambda way: way[1][-1][1])
    for (way, points), style in zip(ways, ("second", "line"), strict=True):
        body += [plane.line(style, points), plane.name(f"{way}()", points[-1], above=way != lower)]
    told = "; ".join(f"{row.way} of {row.rooms:,} rooms: {row.process:.1f} MiB" for row in rows)
    return drawing("growth", "Peak memory of the process, by rooms", told, HEIGHT, body)


@frozen
class Plane:
    """Where a point lies: across by its logarithm, upwards by ``up``."""

    across: tuple[float, float]
    upwards: tuple[float, float]
    up: Callable[[float], float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where in the drawing."""
        low, high = map(log2, self.across)
        bottom, top = map(self.up, self.upwards)
        rises = (self.up(y) - bottom) / (top - bottom)
        return LEFT + (log2(x) - low) / (high - low) * (RIGHT - LEFT), BOTTOM - rises * (BOTTOM - TOP)

    def line(self, style: str, points: Points) -> str:
        """Draw from point to point."""
        places = " ".join("{:.1f},{:.1f}".format(*self.place(x, y)) for x, y in points)
        return f'<polyline class="{style}" points="{places}"/>'

    def name(self, words: str, end: tuple[float, float], *, above: bool) -> str:
        """Say what a line is, at its end."""
        x, y = self.place(*end)
        return f'<text class="end" x="{x:.1f}" y="{y + (-8 if above else 18):.1f}">{words}</text>'

    def axes(
        self, what: str, across: Sequence[tuple[float, str]], upwards: Sequence[tuple[float, str]]
    ) -> Iterator[str]:
        """Draw both axes, with words at their places, and what is counted below."""
        yield f'<text class="middle" x="{(LEFT + RIGHT) / 2:g}" y="{BOTTOM + 40}">{what}</text>'
        yield f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
        for value, words in across:
            x, _ = self.place(value, self.upwards[0])
            yield f'<text class="middle" x="{x:.1f}" y="{BOTTOM + 20}">{words}</text>'
        for value, words in upwards:
            _, y = self.place(self.across[0], value)
            yield f'<text class="end" x="{LEFT - 8}" y="{y + 4:.1f}">{words}</text>'


def drawing(name: str, title: str, told: str, height: int, body: Sequence[str]) -> str:
    """Return the whole drawing; what it shows is told in words too."""
    lines = "\n  ".join(body)
    return f"""\
<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-title {name}-text" \
xmlns="http://www.w3.org/2000/svg">
  <title id="{name}-title">{escape(title)}</title>
  <desc id="{name}-text">{escape(told.replace("`", ""))}</desc>
  <style>{STYLE}  </style>
  <text class="title" x="{WIDTH // 2}" y="15">{escape(title)}</text>
  {lines}
</svg>
"""
