"""Draws the pictures of the page Architecture: the floors of the house, and the way of one call.

They are drawn when the documentation is built.  Which module stands on which floor is read from the test that
holds the imports to it, so the picture cannot tell otherwise.  Colours are the theme's own, light and dark.
"""

import ast
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 432  # of both; a narrow screen shrinks that a little, and text stays legible
HOUSE: Final = Path(__file__).parent.parent / "tests" / "test_house.py"

FLOORS: Final = {
    3: ("people", "what you meet first"),
    2: ("effects", "network, clock, chance"),
    1: ("rules", "pure: from values to values"),
    0: ("words", "what all the others speak of"),
}
SHOWN: Final = {"__init__": "netless_rooms"}  # else a module is shown by its name
HIDDEN: Final = {"_version"}

STYLE: Final = """<style>
.picture { display: block; width: 100%; max-width: 540px; height: auto; margin: 1rem auto; }
.picture text { fill: var(--color-foreground-primary, #222); font: 14px var(--font-stack, sans-serif); }
.picture .name { font-weight: 600; }
.picture .says { fill: var(--color-foreground-secondary, #555); font-size: 13px; }
.picture .mono { font-family: var(--font-stack--monospace, monospace); font-size: 12px; text-anchor: middle; }
.picture .caption { fill: var(--color-foreground-secondary, #555); font-size: 11px; text-anchor: middle; }
.picture .floor { fill: var(--color-background-secondary, #f8f9fb);
  stroke: var(--color-background-border, #ccc); }
.picture .module { fill: var(--color-background-primary, #fff); stroke: var(--color-foreground-muted, #888); }
.picture .outside { stroke-dasharray: 4 3; }
.picture .stop { fill: var(--color-brand-primary, #0a4bff); }
.picture .number { fill: var(--color-background-primary, #fff); font-size: 11px; font-weight: 700;
  text-anchor: middle; }
.picture .arrow { stroke: var(--color-foreground-muted, #888); fill: none; stroke-width: 1.6; }
.picture .again { stroke: var(--color-brand-primary, #0a4bff); stroke-dasharray: 5 3; }
.picture .head { fill: var(--color-foreground-muted, #888); }
.picture .head-again { fill: var(--color-brand-primary, #0a4bff); }
</style>"""


def modules_by_floor() -> Mapping[int, list[str]]:
    """Return the modules of each floor, as the test about the house names them."""
    for node in ast.parse(HOUSE.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS":
            named: dict[int, str] = ast.literal_eval(node.value)
            return {
                floor: [name for name in names.split() if name not in HIDDEN] for floor, names in named.items()
            }
    raise LookupError(f"no FLOORS in {HOUSE.name}")


# The floors

CHARACTER: Final = 7.3  # pixels of one in the names of modules
BOX: Final = 26
GAP: Final = 8
LEFT: Final = 30


def draw_floors() -> str:
    """Return the house as an SVG: floors from top to bottom, and on each its modules."""
    parts: list[str] = []
    top = 6
    for floor, (name, says) in FLOORS.items():
        drawn, height = _floor(modules_by_floor()[floor], name, says, top)
        parts += drawn
        top += height + 12
    bottom = top - 12
    parts.append(f'<path class="arrow" d="M14 12 V{bottom - 8}"/>')
    parts.append(f'<path class="head" d="M8 {bottom - 12} L14 {bottom} L20 {bottom - 12} Z"/>')
    floors = ", ".join(name for name, _ in FLOORS.values())
    told = f"From top to bottom: {floors}. Imports point down, as the arrow does."
    return _svg("The four floors of the package and their modules", told, bottom + 6, parts)


def _floor(modules: list[str], name: str, says: str, top: int) -> tuple[list[str], int]:
    drawn: list[str] = []
    x, y = LEFT + 10.0, top + 34
    for module in modules:
        shown = SHOWN.get(module, module)
        width = CHARACTER * len(shown) + 14
        if x + width > WIDTH - 14:
            x, y = LEFT + 10.0, y + BOX + GAP
        drawn.append(f'<rect class="module" x="{x:g}" y="{y}" width="{width:g}" height="{BOX}" rx="4"/>')
        drawn.append(f'<text class="mono" x="{x + width / 2:g}" y="{y + 17}">{escape(shown)}</text>')
        x += width + GAP
    height = y + BOX + 12 - top
    return [
        f'<rect class="floor" x="{LEFT}" y="{top}" width="{WIDTH - LEFT - 6}" height="{height}" rx="6"/>',
        f'<text class="name" x="{LEFT + 10}" y="{top + 22}">{name}</text>',
        f'<text class="says" x="{LEFT + 72}" y="{top + 22}">{says}</text>',
        *drawn,
    ], height


# The way of one call.  A stop is in a lane and a row; the numbers are those of the list on the page.

OUTSIDE, EFFECTS, RULES = 0, 1, 2
LANES: Final = {OUTSIDE: "outside", EFFECTS: "effects", RULES: "rules"}
LANE_X: Final = {OUTSIDE: 12, EFFECTS: 150, RULES: 288}
LANE: Final = 122
ROW: Final = 60
STOP: Final = 42
FIRST: Final = 40

JOURNEY: Final = [
    (OUTSIDE, 0, "rooms.get(uuid)", "your program"),
    (EFFECTS, 0, "service", "takes the call"),
    (RULES, 1, "operations", "which request?"),
    (EFFECTS, 2, "calls", "try after try"),
    (EFFECTS, 3, "credentials", "which token?"),
    (RULES, 4, "grants", "is it enough?"),
    (EFFECTS, 5, "http", "the one door"),
    (EFFECTS, 6, "twin", "as your client"),
    (RULES, 7, "failures", "if no answer came"),
    (RULES, 8, "responses", "if one came"),
    (RULES, 9, "wire", "JSON to a room"),
    (RULES, 10, "retries", "another try?"),
    (OUTSIDE, 11, "Room or error", "your program"),
]
SERVICE: Final = (OUTSIDE, 6, "the service", "api.netless.link")


def draw_journey() -> str:
    """Return the way of ``rooms.get()`` as an SVG, in three lanes."""
    rows = max(row for _, row, _, _ in JOURNEY) + 1
    height = FIRST + rows * ROW
    parts = [
        f'<rect class="floor" x="{LANE_X[lane] - 7}" y="6" width="{LANE + 14}" height="{height - 12}" rx="6"/>'
        for lane in (EFFECTS, RULES)
    ]
    parts += [
        f'<text class="name" x="{LANE_X[lane] + LANE / 2:g}" y="26" text-anchor="middle">{name}</text>'
        for lane, name in LANES.items()
    ]
    parts += _arrows()
    parts += [line for number, stop in enumerate(JOURNEY, 1) for line in _stop(*stop, number)]
    parts += _stop(*SERVICE, None)
    told = "; ".join(f"{number}: {name}, {says}" for number, (_, _, name, says) in enumerate(JOURNEY, 1))
    return _svg(
        "The way of one call",
        f"{told}. The request goes from twin to the service, and the answer back.",
        height,
        parts,
    )


def _stop(lane: int, row: int, name: str, says: str, number: int | None) -> Iterator[str]:
    x, y = LANE_X[lane], FIRST + row * ROW
    kind = "module outside" if lane == OUTSIDE else "module"
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{LANE}" height="{STOP}" rx="4"/>'
    yield f'<text class="mono" x="{x + LANE / 2:g}" y="{y + 18}">{escape(name)}</text>'
    yield f'<text class="caption" x="{x + LANE / 2:g}" y="{y + 34}">{escape(says)}</text>'
    if number is not None:
        yield f'<circle class="stop" cx="{x}" cy="{y}" r="9"/>'
        yield f'<text class="number" x="{x}" y="{y + 4}">{number}</text>'


def _arrows() -> Iterator[str]:
    places = {name: (LANE_X[lane] + LANE / 2, FIRST + row * ROW) for lane, row, name, _ in [*JOURNEY, SERVICE]}
    for (_, _, name, _), (_, _, following, _) in pairwise(JOURNEY):
        yield from _arrow(places[name], places[following])
    # The line to the service and back, and the way back to another try, along the right edge.
    (x, y), (to, _) = places["twin"], places["the service"]
    middle = y + STOP / 2
    begin, end = x - LANE / 2 - 2, to + LANE / 2 + 2
    yield f'<path class="arrow" d="M{begin - 4:g} {middle:g} H{end + 4:g}"/>'
    yield _head(begin, middle, -5)  # short, since both are in the same gap
    yield _head(end, middle, 5)
    (x, y), (to, up) = places["retries"], places["calls"]
    edge = WIDTH - 6
    start, goal = x + LANE / 2, to + LANE / 2 + 2
    yield f'<path class="arrow again" d="M{start:g} {y + 30} H{edge} V{up + 21} H{goal + 6:g}"/>'
    yield _head(goal, up + 21, 8, "head-again")


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Iterator[str]:
    (x, y), (to, down) = start, end
    if y == down:  # side by side
        begin, goal = x + LANE / 2, to - LANE / 2 - 2
        yield f'<path class="arrow" d="M{begin:g} {y + STOP / 2:g} H{goal - 6:g}"/>'
        yield _head(goal, y + STOP / 2, -8)
        return
    turn = y + STOP + (ROW - STOP) / 2 - 3
    yield f'<path class="arrow" d="M{x:g} {y + STOP} V{turn:g} H{to:g} V{down - 6:g}"/>'
    yield f'<path class="head" d="M{to - 4:g} {down - 8:g} H{to + 4:g} L{to:g} {down - 1:g} Z"/>'


def _head(x: float, y: float, back: int, kind: str = "head") -> str:
    return f'<path class="{kind}" d="M{x + back:g} {y - 4:g} V{y + 4:g} L{x:g} {y:g} Z"/>'


def _svg(title: str, told: str, height: float, parts: list[str]) -> str:
    name = title.lower().replace(" ", "-")
    head = (
        f'<svg class="picture" viewBox="0 0 {WIDTH} {height:g}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-labelledby="{name}-title {name}-text">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(told)}</desc>'
    )
    return "\n".join([head, STYLE, *parts, "</svg>"])
