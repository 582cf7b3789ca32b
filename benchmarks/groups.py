"""What is measured: the groups of the table, how much of each, and the targets that they are held against."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from attrs import frozen

from contenders import PAGE
from fresh import import_seconds, in_fresh_process
from rounds import Contender, Row, measure, row_of

NEW_IN_A_PAGE: Final = PAGE - 1  # the first room of a page is the last one of the page before
LATENCY: Final = 50  # milliseconds that an answer takes where the network is to count
CONCURRENCY: Final = 8
SHARDS: Final = (1, 2, 4, 8, 16, 32)
GROWTH: Final = (10_000, 100_000, 1_000_000)
WAYS: Final = ("walk", "scan")
PLAIN: Final = ("msgspec", "orjson")  # what the plain package must not find
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
    repeats: int  # of what runs in fresh interpreters


FULL: Final = Size(rounds=15, pages=60, slow_rounds=3, slow_pages=200, calls=1_000, growth=GROWTH, repeats=3)
QUICK: Final = Size(rounds=5, pages=20, slow_rounds=1, slow_pages=64, calls=200, growth=GROWTH[:2], repeats=1)


@frozen
class Target:
    """Something that is to be at most, or at least, so much."""

    what: str
    bound: float
    measured: float
    at_least: bool = False
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


@frozen
class Growth:
    """A list of so many rooms: the time of one, and the most memory, of the process and of Python's objects."""

    way: str
    rooms: int
    microseconds: float
    process: float  # MiB
    traced: float


@frozen
class Group:
    """One table; ``unit`` says what the milliseconds are of."""

    key: str
    unit: str
    rows: Sequence[Row] = ()
    growth: Sequence[Growth] = ()
    targets: Sequence[Target] = ()
    is_about_speed: bool = False  # whether the ratios are better told as how many times as fast


BY_HAND, BY_HAND2, OPENAI = "httpx by hand", "httpx2 by hand", "openai-python's paginator"
PLAINLY, FAST = "netless_rooms, plain", "netless_rooms[speedups]"


def walkers(address: str) -> list[Contender]:
    """Return all ways to go through the rooms that are served at ``address``."""
    url = {"url": address}
    return [
        Contender(BY_HAND, "walk_httpx", url),
        Contender(OPENAI, "walk_openai", url),
        Contender("httpx, orjson, cattrs by hand", "walk_cattrs", url),
        Contender("aiohttp, msgspec by hand", "walk_msgspec", url),
        Contender(BY_HAND2, "walk_httpx", url | {"library": "httpx2"}),
        Contender(PLAINLY, "walk_ours", url, without=PLAIN),
        Contender(FAST, "walk_ours", url),
        Contender(f"{FAST}, by pages", "pages_ours", url),
        Contender(f"{FAST} over httpx2", "walk_ours", url | {"over": "httpx2"}),
        Contender(f"{FAST} over aiohttp", "walk_ours", url | {"over": "aiohttp"}),
        Contender("a socket that decodes nothing", "walk_nothing", url),
    ]


def walk(server: str, size: Size) -> Group:
    """Walk through all rooms without latency, so that only the client counts."""
    url = f"{server}/{rooms_in(size.pages)}/0"
    rows = measure(walkers(url), rounds=size.rounds, units=size.pages)
    ours, openai = by_title(rows, FAST), by_title(rows, OPENAI)
    times_openai = row_of(OPENAI, openai.seconds, FAST, ours.seconds).ratio
    targets = [
        Target("time of `walk()`, compared with the loop by hand on httpx", 1.0, ours.ratio),
        Target("speed of `walk()`, compared with openai-python's paginator", 12, times_openai, at_least=True),
    ]
    return Group("walk", "ms a page", rows, targets=targets)


def decode(_: str, size: Size) -> Group:
    """Decode a page of 1,000 rooms from its bytes."""

    def contender(title: str, way: str, without: Sequence[str] = (), new_in: str | None = None) -> Contender:
        what = {"way": way, "times": DECODINGS, "new_in": new_in}
        return Contender(title, "decode", what, without=without)

    rows = measure(
        [
            contender("httpx `.json()`", "httpx"),
            contender("`json.loads`", "json"),
            contender("orjson", "orjson"),
            contender("orjson and cattrs", "cattrs"),
            contender("pydantic, strict", "pydantic"),
            contender("msgspec, structs", "msgspec"),
            contender("msgspec, classes of attrs", "msgspec and attrs"),
            contender(PLAINLY, "ours", PLAIN),
            contender(FAST, "ours"),
            contender(f"{FAST}, new in one", "ours", new_in="one"),
            contender(f"{FAST}, new in each", "ours", new_in="each"),
        ],
        rounds=size.rounds,
        units=DECODINGS,
    )
    target = Target("time to decode a page, compared with httpx's `.json()`", 1.0, by_title(rows, FAST).ratio)
    return Group("decode", "ms a page", rows, targets=[target])


def get(server: str, size: Size) -> Group:
    """Get one room, and the next, without latency."""
    calls = size.calls // 2
    what = {"url": f"{server}/{GROWTH[0]}/0", "count": calls}
    bare, bare2 = "httpx `get` and `.json()`", "httpx2 `get` and `.json()`"
    over2 = f"{FAST} over httpx2"
    rows = measure(
        [
            Contender(bare, "get_httpx", what),
            Contender(PLAINLY, "get_ours", what, without=PLAIN),
            Contender(FAST, "get_ours", what),
            Contender(bare2, "get_httpx", what | {"library": "httpx2"}, base=bare2),
            Contender(over2, "get_ours", what | {"over": "httpx2"}, base=bare2),
        ],
        rounds=size.rounds,
        units=calls,
    )
    targets = [
        Target("time of `get()`, compared with a bare one of httpx", 1.10, by_title(rows, FAST).ratio),
        Target(
            "time of `get()` over httpx2, compared with a bare one of httpx2", 1.10, by_title(rows, over2).ratio
        ),
    ]
    return Group("get", "ms a call", rows, targets=targets)


def ahead(server: str, size: Size) -> Group:
    """Look ahead, for a consumer that takes as long as the network."""
    pages = size.slow_pages // 8
    what = {"url": f"{server}/{rooms_in(pages)}/{LATENCY}", "pause": LATENCY / 1000}
    rows = measure(
        [
            Contender("`walk()`", "walk_ours", what),
            Contender("`scan(prefetch=0)`", "scan_ours", what | {"prefetch": 0}),
            Contender("`scan(prefetch=1)`", "scan_ours", what | {"prefetch": 1}),
            Contender("`scan(prefetch=4)`", "scan_ours", what | {"prefetch": 4}),
        ],
        rounds=size.slow_rounds,
        units=pages,
    )
    target = Target(
        "speed of `scan(prefetch=1)`, compared with `walk()`, where the consumer is as slow as the network",
        1.75,
        1 / rows[2].ratio,
        at_least=True,
    )
    return Group("ahead", "ms a page", rows, targets=[target], is_about_speed=True)


def shards(server: str, size: Size) -> Group:
    """Scan several parts of the list at once."""
    what = {"url": f"{server}/{rooms_in(size.slow_pages)}/{LATENCY}"}
    scans = [Contender(f"`scan(shards={n})`", "scan_ours", what | {"shards": n}) for n in SHARDS]
    others = [
        Contender(f"`scan(shards={n})` over {over}", "scan_ours", what | {"shards": n, "over": over})
        for over in ("httpx2", "aiohttp")
        for n in SHARDS[-2:]
    ]
    walked = Contender("`walk()`", "walk_ours", what)
    rows = measure([walked, *scans, *others], rounds=size.slow_rounds, units=size.slow_pages)
    sixteen = rows[1 + SHARDS.index(16)]
    target = Target("speed of `scan(shards=16)`, compared with `walk()`", 8, 1 / sixteen.ratio, at_least=True)
    return Group("shards", "ms a page", rows, targets=[target], is_about_speed=True)


def many(server: str, size: Size) -> Group:
    """Get many rooms, some at a time."""
    rows: list[Row] = []
    for latency, rounds in ((0, size.rounds), (LATENCY, size.slow_rounds)):
        what = {
            "url": f"{server}/{GROWTH[0]}/{latency}",
            "count": size.calls,
            "concurrency": CONCURRENCY,
        }
        contenders = [
            Contender(f"httpx and `asyncio.gather`, {latency} ms", "gather_httpx", what),
            Contender(f"`get_many()`, {latency} ms", "get_many_ours", what),
        ]
        rows += measure(contenders, rounds=rounds, units=size.calls)
    return Group("many", "ms a call", rows)


def growth(server: str, size: Size) -> Group:
    """Go through lists of growing length, in fresh processes."""
    rows = []
    for way in WAYS:
        for rooms in size.growth:
            url = f"{server}/{rooms}/0"
            plain = [in_fresh_process(way, url, traced=False) for _ in range(size.repeats)]
            traced = in_fresh_process(way, url, traced=True)
            if any(run["rooms"] != rooms for run in (*plain, traced)):
                raise ValueError(f"{way} brought {plain} of {rooms} rooms")
            seconds, peak = (median(run[key] for run in plain) for key in ("seconds", "peak"))
            rows.append(Growth(way, rooms, seconds / rooms * 1e6, peak, traced["peak"]))
    few, most = size.growth[0], size.growth[-1]
    of = {(row.way, row.rooms): row for row in rows}
    more = max(
        max(of[way, most].process - of[way, few].process, of[way, most].traced - of[way, few].traced)
        for way in WAYS
    )
    target = Target(f"memory for {most:,} rooms, above that for {few:,}", 6, more, unit=" MiB")
    return Group("growth", "", growth=rows, targets=[target])


def imports(_: str, size: Size) -> Group:
    """Import, in fresh interpreters."""
    both = "`import httpx, netless_rooms`"
    what = {"`import httpx`": "httpx", "`import netless_rooms`": "netless_rooms", both: "httpx, netless_rooms"}
    times: dict[str, list[float]] = {title: [] for title in what}
    for turn in range(size.rounds + 1):
        for title, modules in what.items():
            seconds = import_seconds(modules)
            if turn:
                times[title].append(seconds)
    first = next(iter(what))
    rows = [row_of(title, seconds, first, times[first]) for title, seconds in times.items()]
    targets = [
        Target("time to import netless_rooms, compared with httpx", 1.4, rows[1].ratio),
        Target("time to import httpx and netless_rooms, compared with httpx", 1.4, rows[2].ratio),
    ]
    return Group("imports", "ms", rows, targets=targets)


def by_title(rows: Sequence[Row], title: str) -> Row:
    """Return a row by its title."""
    return next(row for row in rows if row.title == title)


def rooms_in(pages: int) -> int:
    """Return how many rooms fill so many pages, when each but the first repeats one room."""
    return PAGE + (pages - 1) * NEW_IN_A_PAGE


GROUPS: Final[Sequence[Callable[[str, Size], Group]]] = (
    walk,
    decode,
    get,
    ahead,
    shards,
    many,
    growth,
    imports,
)
