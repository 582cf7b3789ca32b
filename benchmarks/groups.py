"""What is measured: the groups of the page, how much of each, and their targets."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.request import urlopen

from attrs import frozen

from contenders import PAGE
from measure import Contender, Measure, Row, measure

LATENCY: Final = 50  # milliseconds of a response where the network is to count
LONG_LATENCY: Final = 200
CONCURRENCY: Final = 8
DECODINGS: Final = 50  # of one page, in a round
GROWTH: Final = (10_000, 100_000, 1_000_000)
WORKERS: Final = (1, 2, 4)
# Without what httpx imports for its command line where that is installed; a web service does without.
IMPORT: Final = "import sys; sys.modules.update(dict.fromkeys(('click', 'pygments', 'rich'))); import sys, {}"
PYTEST: Final = "import pytest; pytest.main(['-q', '-p', 'no:cacheprovider', {}])"


@frozen(kw_only=True)
class Size:
    """How much is done."""

    rounds: int
    pages: int  # of a walk without latency
    slow_rounds: int
    slow_pages: int  # of a scan in shards, with latency
    calls: int
    growth: Sequence[int]


FULL: Final = Size(rounds=20, pages=50, slow_rounds=2, slow_pages=480, calls=300, growth=GROWTH)
QUICK: Final = Size(rounds=2, pages=10, slow_rounds=1, slow_pages=48, calls=50, growth=(1_000, 10_000))


@frozen
class Target:
    """A value that must be at most, or at least, ``bound``."""

    subject: str
    bound: float
    measured: float
    at_least: bool = False
    unit: str = ""


@frozen
class Group:
    """One table; with ``is_speed`` its ratios are times as fast, else times as long."""

    title: str
    unit: str
    rows: Sequence[Row]
    targets: Sequence[Target] = ()
    by: Measure = "cpu"  # which time the ratios compare
    is_speed: bool = False
    scale: float = 1_000  # units of the times in a second
    is_plotted: bool = False


def walk(server: str, size: Size) -> Group:
    """Walk through all rooms without latency."""
    url = {"url": f"{server}/{rooms_in(size.pages)}/0"}
    contenders = [
        Contender("httpx by hand", "walk_by_hand", url),
        Contender("httpx2 by hand", "walk_by_hand", url | {"library": "httpx2"}),
        Contender("aiohttp and msgspec", "walk_by_hand", url | {"library": "aiohttp", "decoded_by": "msgspec"}),
        Contender("httpx and our decoding by hand", "walk_by_hand", url | {"decoded_by": "ours"}),
        Contender(
            "the same over aiohttp", "walk_by_hand", url | {"library": "httpx_aiohttp", "decoded_by": "ours"}
        ),
        Contender("`walk()`", "list_ours", url),
        Contender("`walk()` over httpx2", "list_ours", url | {"over": "httpx2"}),
        Contender("`walk()` over aiohttp", "list_ours", url | {"over": "aiohttp"}),
        Contender("`scan()`", "list_ours", url | {"call": "scan"}),
    ]
    rows = measure(contenders, rounds=size.rounds, units=size.pages)
    decoded, ours, over_aiohttp, scan = rows[3], rows[5], rows[7], rows[8]
    besides = [1000 * rows[0].cpu * (row.ratio - decoded.ratio) for row in (ours, scan)]  # ratios are of one round
    targets = [
        Target("CPU time of `walk()`, relative to the loop by hand on httpx", 1.0, ours.ratio),
        Target("the same over aiohttp", 0.59, over_aiohttp.ratio),
        Target("CPU time of `walk()` besides httpx and decoding", 0.25, besides[0], unit=" ms a page"),
        Target("the same of `scan()`", 0.25, besides[1], unit=" ms a page"),
    ]
    return Group("A walk through all rooms", "ms a page", rows, targets)


def decode(_: str, size: Size) -> Group:
    """Decode a page of 1,000 rooms from bytes in memory."""
    contenders = []
    for suffix, unknown in (("", False), (", unknown fields", True)):
        base = f"httpx `.json()`{suffix}"
        for title, by in (
            (base, "json"),
            (f"msgspec, structs{suffix}", "msgspec"),
            (f"netless_rooms{suffix}", "ours"),
        ):
            options = {"by": by, "times": DECODINGS, "unknown_fields": unknown}
            contenders.append(Contender(title, "decode", options, base))
    rows = measure(contenders, rounds=size.rounds, units=DECODINGS)
    targets = [
        Target("CPU time to decode a page, relative to httpx's `.json()`", 1.0, rows[2].ratio),
        Target("the same with an unknown field in each room", 5.0, rows[5].ratio),
    ]
    return Group("Decoding a page", "ms a page", rows, targets)


def get(server: str, size: Size) -> Group:
    """Get rooms, one after the other and some at a time."""
    options = {"url": f"{server}/{GROWTH[0]}/0", "count": size.calls}
    contenders = []
    for library in ("httpx", "httpx2"):
        bare = f"{library} `get` and `.json()`"
        contenders += [
            Contender(bare, "get_by_hand", options | {"library": library}, bare),
            Contender(f"`get()` over {library}", "get_ours", options | {"over": library}, bare),
        ]
    bare, options = f"httpx and `asyncio.gather`, {CONCURRENCY} at a time", options | {"concurrency": CONCURRENCY}
    contenders += [
        Contender(bare, "get_by_hand", options, bare),
        Contender(f"`get_many()`, {CONCURRENCY} at a time", "get_ours", options, bare),
    ]
    rows = measure(contenders, rounds=size.rounds, units=size.calls)
    targets = [
        Target("CPU time of `get()`, relative to a bare one of httpx", 1.05, rows[1].ratio),
        Target("the same over httpx2", 1.05, rows[3].ratio),
        Target("CPU time of `get_many()`, relative to `asyncio.gather` and a semaphore", 1.15, rows[5].ratio),
    ]
    return Group("Single rooms", "ms a call", rows, targets)


def ahead(server: str, size: Size) -> Group:
    """Fetch ahead of a consumer that is as slow as the network."""
    pages = size.slow_pages // 20
    options = {"url": f"{server}/{rooms_in(pages)}/{LATENCY}", "keep": False, "pause": LATENCY / 1000}
    contenders = [Contender("`walk()`", "list_ours", options), *scans(options, "prefetch", (0, 1, 4))]
    rows = measure(contenders, rounds=size.slow_rounds, units=pages, by="wall")
    target = Target(
        "speed of `scan(prefetch=1)`, relative to `walk()`, slow consumer", 1.75, 1 / rows[2].ratio, at_least=True
    )
    return Group("Fetching ahead", "ms a page", rows, [target], by="wall", is_speed=True)


def shards(server: str, size: Size) -> Group:
    """Scan several parts of the list at once; the walk is through a quarter of it."""
    long, short = (f"{server}/{encode_rooms(server, size.slow_pages // part)}" for part in (1, 4))
    rows, targets = [], []
    for latency, least in ((LATENCY, 8), (LONG_LATENCY, 12)):
        options, few = {"url": f"{long}/{latency}"}, (4, 8) if latency == LATENCY else ()
        walk = Contender(
            f"{latency} ms: `walk()`", "list_ours", {"url": f"{short}/{latency}"}, "", size.slow_pages // 4
        )
        contenders = [walk, *scans(options, "shards", (*few, 16, 32), f"{latency} ms: ")]
        for over in ("httpx2", "aiohttp") if few else ():
            contenders += scans(options | {"over": over}, "shards", (16, 32), f"{latency} ms, {over}: ")
        found = measure(contenders, rounds=size.slow_rounds, units=size.slow_pages, by="wall")
        sixteen, more = found[len(few) + 1 : len(few) + 3]
        rows += found
        subject = f"speed of 16 shards, relative to `walk()`, {latency} ms"
        targets += [
            Target(subject, least, 1 / sixteen.ratio, at_least=True),
            Target(f"time of 32 shards, relative to 16 shards, {latency} ms", 1, more.wall / sixteen.wall),
        ]
    return Group("Shards", "ms a page", rows, targets, by="wall", is_speed=True)


def dask(server: str, size: Size) -> Group:
    """Scan the shards of a list on several Dask workers."""
    pages, shards = size.slow_pages // 6, WORKERS[-1]
    url = f"{server}/{encode_rooms(server, pages)}/{LONG_LATENCY}"
    options = {"url": url, "shards": shards}
    contenders = [Contender(f"workers: {n}", "scan_on_dask", options | {"workers": n}) for n in WORKERS]
    rows = measure(contenders, rounds=1, units=pages, by="wall")
    title = f"{shards} shards on Dask, {LONG_LATENCY} ms (ideal: as fast as there are workers)"
    return Group(title, "ms a page", rows, by="wall", is_speed=True)


def scans(options: dict[str, Any], name: str, values: Sequence[int], prefix: str = "") -> list[Contender]:
    """Return a scan for each value of an option."""
    return [
        Contender(f"{prefix}`scan({name}={n})`", "list_ours", options | {"call": "scan", name: n}) for n in values
    ]


def growth(server: str, size: Size) -> Group:
    """Go through lists of growing length, each in a fresh process that keeps no room."""
    rows: list[Row] = []
    for count in size.growth:
        options = {"url": f"{server}/{encode_rooms(server, rooms=count)}/0"}
        ways: dict[str, tuple[str, dict[str, Any]]] = {
            "a script with httpx and json": ("export_by_hand", {}),
            "`netless-rooms scan`, JSON lines": ("export_ours", {}),
            "`netless-rooms scan --checkpoint`, JSON lines": ("export_ours", {"checkpoint": True}),
            "`netless-rooms scan`, CSV": ("export_ours", {"kind": "csv"}),
            "`walk()`": ("list_ours", {"keep": False}),
            "`scan()`": ("list_ours", {"keep": False, "call": "scan"}),
            "`scan(shards=8)`": ("list_ours", {"keep": False, "call": "scan", "shards": 8}),
        }
        contenders = [Contender(f"{way}, {count:,}", name, options | more) for way, (name, more) in ways.items()]
        rows += measure(contenders, rounds=size.slow_rounds + 1, fresh=True)
    last, many = rows[-len(ways) :], f"{size.growth[-1]:,} rooms"
    targets = [
        Target(f"CPU time of {row.title}, relative to the script", bound, row.ratio)
        for bound, row in zip((0.7, 0.7, 1.0), last[1:4], strict=True)
    ]
    for way, few, lots in list(zip(ways, rows, last, strict=False))[1:]:
        subject = f"peak memory of {way} for {many}, above that for {size.growth[0]:,}"
        targets.append(Target(subject, 6, lots.peak - few.peak, unit=" MiB"))
    by_way = [row for place in range(len(ways)) for row in rows[place :: len(ways)]]
    return Group("Lists that grow", "s", by_way, targets, scale=1, is_plotted=True)


def imports(_: str, size: Size) -> Group:
    """Import the package in fresh interpreters, and run pytest without using the plugin."""
    codes = {
        f"`import {names}`": IMPORT.format(names)
        for names in ("sys", "httpx", "netless_rooms", "httpx, netless_rooms")
    }
    codes |= {"pytest without the plugin": PYTEST.format("'-p', 'no:netless_rooms'"), "pytest": PYTEST.format("")}
    contenders = [Contender(title, "run_python", {"code": code}) for title, code in codes.items()]
    rows = measure(contenders, rounds=size.rounds)
    nothing, httpx, ours, _both, without, plugin = (row.cpu for row in rows)
    targets = [
        Target("CPU time to import netless_rooms, relative to httpx", 1.3, (ours - nothing) / (httpx - nothing)),
        Target(
            "CPU time that the unused plugin adds to a run of pytest",
            0.1,
            plugin - without,
            unit=" s",
        ),
    ]
    return Group("New interpreters", "ms", rows, targets)


def rooms_in(pages: int) -> int:
    """Return how many rooms fill so many pages, when each but the first repeats one room."""
    return PAGE + (pages - 1) * (PAGE - 1)


def encode_rooms(server: str, pages: int = 0, rooms: int = 0) -> int:
    """Let the server encode a list, so that no run waits for that; return how many rooms it has."""
    rooms = rooms or rooms_in(pages)
    with urlopen(f"{server}/{rooms}/0/v5/rooms?limit=1"):  # noqa: S310  of this machine
        return rooms


GROUPS: Final[Sequence[Callable[[str, Size], Group]]] = (walk, decode, get, ahead, shards, dask, growth, imports)
