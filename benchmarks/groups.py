"""What is measured: the groups of the page, how much of each, and their targets."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from attrs import frozen

from contenders import PAGE
from measure import Contender, Row, Worker, import_once, make_row, measure

LATENCY: Final = 50  # milliseconds of a response where the network is to count
CONCURRENCY: Final = 8
SHARDS: Final = (1, 2, 4, 8, 16, 32)
GROWTH: Final = (10_000, 100_000, 1_000_000)
DECODINGS: Final = 50  # of one page, in a round


@frozen(kw_only=True)
class Size:
    """How much is done."""

    rounds: int
    pages: int  # of a walk without latency
    slow_rounds: int
    slow_pages: int  # of a walk with latency
    calls: int
    growth: Sequence[int]


FULL: Final = Size(rounds=15, pages=60, slow_rounds=3, slow_pages=200, calls=1_000, growth=GROWTH)
QUICK: Final = Size(rounds=5, pages=20, slow_rounds=1, slow_pages=64, calls=200, growth=GROWTH[:2])


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
    """One table: its title, the unit of its times, its rows, and its targets."""

    title: str
    unit: str
    rows: Sequence[Row]
    targets: Sequence[Target] = ()
    is_about_speed: bool = False  # whether ratios are shown as times as fast


BY_HAND, OPENAI, OURS = "httpx by hand", "openai-python's paginator", "netless_rooms"


def walk(server: str, size: Size) -> Group:
    """Walk through all rooms without latency."""
    url = {"url": f"{server}/{rooms_in(size.pages)}/0"}
    rows = measure(
        [
            Contender(BY_HAND, "walk_httpx", url),
            Contender(OPENAI, "walk_openai", url),
            Contender("aiohttp and msgspec by hand", "walk_msgspec", url),
            Contender("httpx2 by hand", "walk_httpx", url | {"library": "httpx2"}),
            Contender(OURS, "list_ours", url),
            Contender(f"{OURS} over httpx2", "list_ours", url | {"over": "httpx2"}),
            Contender(f"{OURS} over aiohttp", "list_ours", url | {"over": "aiohttp"}),
        ],
        rounds=size.rounds,
        units=size.pages,
    )
    openai, ours = by_title(rows, OPENAI), by_title(rows, OURS)
    targets = [
        Target("time of `walk()`, relative to the loop by hand on httpx", 1.0, ours.ratio),
        Target("speed of `walk()`, relative to openai-python's paginator", 12, openai.ms / ours.ms, at_least=True),
    ]
    return Group("A walk through all rooms", "ms a page", rows, targets)


def decode(_: str, size: Size) -> Group:
    """Decode a page of 1,000 rooms from bytes in memory."""

    def contender(title: str, by: str, base: str | None = None, **options: bool) -> Contender:
        return Contender(title, "decode", {"by": by, "times": DECODINGS, **options}, base)

    base, unknown = "httpx `.json()`, unknown fields", f"{OURS}, unknown fields"
    rows = measure(
        [
            contender("httpx `.json()`", "httpx"),
            contender("msgspec, structs", "msgspec"),
            contender(OURS, "ours"),
            contender(base, "httpx", base, unknown_fields=True),
            contender(unknown, "ours", base, unknown_fields=True),
        ],
        rounds=size.rounds,
        units=DECODINGS,
    )
    targets = [
        Target("time to decode a page, relative to httpx's `.json()`", 1.0, by_title(rows, OURS).ratio),
        Target("the same with an unknown field in each room", 5.0, by_title(rows, unknown).ratio),
    ]
    return Group("Decoding a page", "ms a page", rows, targets)


def get(server: str, size: Size) -> Group:
    """Get one room after the other, without latency."""
    calls = size.calls // 2
    options = {"url": f"{server}/{GROWTH[0]}/0", "count": calls}
    contenders = []
    for library in ("httpx", "httpx2"):
        bare = f"{library} `get` and `.json()`"
        contenders += [
            Contender(bare, "get_httpx", options | {"library": library}, bare),
            Contender(f"{OURS} over {library}", "get_ours", options | {"over": library}, bare),
        ]
    rows = measure(contenders, rounds=size.rounds, units=calls)
    targets = [
        Target(f"time of `get()`, relative to a bare one of {library}", 1.10, row.ratio)
        for library, row in (("httpx", rows[1]), ("httpx2", rows[3]))
    ]
    return Group("One room", "ms a call", rows, targets)


def many(server: str, size: Size) -> Group:
    """Get many rooms, some at a time."""
    rows: list[Row] = []
    for latency, rounds in ((0, size.rounds), (LATENCY, size.slow_rounds)):
        options = {"url": f"{server}/{GROWTH[0]}/{latency}", "count": size.calls, "concurrency": CONCURRENCY}
        contenders = [
            Contender(f"httpx and `asyncio.gather`, {latency} ms", "gather_httpx", options),
            Contender(f"`get_many()`, {latency} ms", "get_many_ours", options),
        ]
        rows += measure(contenders, rounds=rounds, units=size.calls)
    return Group(f"Many rooms, {CONCURRENCY} at a time", "ms a call", rows)


def ahead(server: str, size: Size) -> Group:
    """Fetch ahead of a consumer that is as slow as the network."""
    pages = size.slow_pages // 8
    options = {"url": f"{server}/{rooms_in(pages)}/{LATENCY}", "pause": LATENCY / 1000}
    contenders = [Contender("`walk()`", "list_ours", options), *scans(options, "prefetch", (0, 1, 4))]
    rows = measure(contenders, rounds=size.slow_rounds, units=pages)
    speed = 1 / by_title(rows, "`scan(prefetch=1)`").ratio
    target = Target("speed of `scan(prefetch=1)`, relative to `walk()`, slow consumer", 1.75, speed, at_least=True)
    return Group("Fetching ahead", "ms a page", rows, [target], is_about_speed=True)


def shards(server: str, size: Size) -> Group:
    """Scan several parts of the list at once."""
    options = {"url": f"{server}/{rooms_in(size.slow_pages)}/{LATENCY}"}
    contenders = [Contender("`walk()`", "list_ours", options), *scans(options, "shards", SHARDS)]
    for over in ("httpx2", "aiohttp"):
        contenders += scans(options | {"over": over}, "shards", SHARDS[-2:], f" over {over}")
    rows = measure(contenders, rounds=size.slow_rounds, units=size.slow_pages)
    speed = 1 / by_title(rows, "`scan(shards=16)`").ratio
    target = Target("speed of `scan(shards=16)`, relative to `walk()`", 8, speed, at_least=True)
    return Group("Shards", "ms a page", rows, [target], is_about_speed=True)


def scans(options: dict[str, Any], name: str, values: Sequence[int], suffix: str = "") -> list[Contender]:
    """Return a scan for each value of an option."""
    return [
        Contender(f"`scan({name}={n})`{suffix}", "list_ours", options | {"call": "scan", name: n}) for n in values
    ]


def growth(server: str, size: Size) -> Group:
    """Go through lists of growing length, each in a fresh process that keeps no room."""
    rows, targets = [], []
    for call in ("walk", "scan"):
        for count in size.growth:
            options = {"url": f"{server}/{count}/0", "call": call, "keep": False}
            title = f"`{call}()` of {count:,} rooms"
            with Worker(Contender(title, "list_ours", options)) as worker:
                runs = [worker.run(), worker.run()][1:]  # in the first one, the server encodes its rooms
            rows.append(make_row(title, runs, title, runs, count))
        more = rows[-1].peak - rows[-len(size.growth)].peak
        subject = f"peak memory of `{call}()` of {size.growth[-1]:,} rooms, above that of {size.growth[0]:,}"
        targets.append(Target(subject, 6, more, unit=" MiB"))
    return Group("Lists that grow", "ms a room", rows, targets)


def imports(_: str, size: Size) -> Group:
    """Import the package in fresh interpreters."""
    modules = {f"`import {names}`": names for names in ("httpx", "netless_rooms", "httpx, netless_rooms")}
    for names in modules.values():
        import_once(names)  # writes the bytecode
    runs = {title: [import_once(names) for _ in range(size.rounds)] for title, names in modules.items()}
    base = next(iter(runs))
    rows = [make_row(title, each, base, runs[base]) for title, each in runs.items()]
    targets = [Target(f"time of {row.title}, relative to httpx", 1.4, row.ratio) for row in rows[1:]]
    return Group("Importing", "ms", rows, targets)


def by_title(rows: Sequence[Row], title: str) -> Row:
    """Return the row with a title."""
    return next(row for row in rows if row.title == title)


def rooms_in(pages: int) -> int:
    """Return how many rooms fill so many pages, when each but the first repeats one room."""
    return PAGE + (pages - 1) * (PAGE - 1)


GROUPS: Final[Sequence[Callable[[str, Size], Group]]] = (walk, decode, get, many, ahead, shards, growth, imports)
