"""What the benchmarks compare does the same work, on a server that answers as the emulator does."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from cattrs import structure

from contenders import CONTENDERS, some_uuids
from decoders import DECODERS, uuid_of, with_new_field
from groups import GROUPS, SHARDS, Group, Target, walkers
from netless_rooms.emulator import Ask, Emulator
from plots import plots
from report import Machine, tables
from rounds import NO_ROOMS, Row, Worker
from stand_in import Listing, answer, serving

DOCS: Final = Path(__file__).parent.parent / "docs"
ROOMS: Final = 1_500  # more than a page, and the second one is short
NEEDS: Final = {
    "walk_openai": ["openai"],
    "walk_cattrs": ["orjson"],
    "walk_msgspec": ["aiohttp", "msgspec"],
    "orjson": ["orjson"],
    "cattrs": ["orjson"],
    "pydantic": ["pydantic"],
    "msgspec": ["msgspec"],
    "msgspec and attrs": ["msgspec"],
}  # what the tests can do without

emulator = Emulator(rooms=ROOMS)
UUIDS: Final = list(emulator.uuids())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run the server without latency."""
    with serving() as address:
        yield f"{address}/{ROOMS}/0"


def skip_without(name: str) -> None:
    for module in NEEDS.get(name, []):
        pytest.importorskip(module)


# The server

BEGINS: Final = ["", UUIDS[0], UUIDS[700], UUIDS[-1], "0" * 32, "7" * 32, f"{UUIDS[3]}0", UUIDS[3][:5], "f" * 32]


@pytest.mark.parametrize("begin", BEGINS)
@pytest.mark.parametrize("limit", ["", "limit=1", "limit=2", "limit=999", "limit=1000", "limit=0", "limit=1001"])
def test_the_server_pages_as_the_emulator_does(begin: str, limit: str) -> None:
    assert_same("/v5/rooms", "&".join(filter(None, [limit, begin and f"beginUUID={begin}"])))


@pytest.mark.parametrize("uuid", [*UUIDS[::300], UUIDS[-1], "0" * 32, "f" * 32, UUIDS[0][:-1]])
def test_the_server_gets_as_the_emulator_does(uuid: str) -> None:
    assert_same(f"/v5/rooms/{uuid}", "")


def assert_same(path: str, query: str) -> None:
    asked = Ask(method="GET", path=path, query=query, headers={"token": emulator.token(), "region": "sg"})
    expected = emulator.answer(asked)
    _, (head, *parts) = answer(f"/{ROOMS}/0{path}?{query}".encode())
    status, length = int(bytes(head).split()[1]), int(bytes(head).split()[-1])
    body = b"".join(parts)
    assert status == expected.status
    assert length == len(body)
    if status == 200:
        assert json.loads(body) == json.loads(expected.body)


@pytest.mark.parametrize("count", [0, 1, 10_000, 10_001])
def test_a_list_of_any_length_is_whole(count: int) -> None:
    listing = Listing(count)
    rooms = json.loads(b"[" + listing.page(b"", count) + b"]")
    assert [room["uuid"] for room in rooms] == list(Emulator(rooms=count).uuids())


# What is compared


@pytest.mark.parametrize("contender", walkers(""), ids=lambda contender: contender.title)
@pytest.mark.asyncio
async def test_every_way_to_walk_brings_all_rooms(contender: Any, url: str) -> None:
    skip_without(contender.name)
    expected = [] if contender.name == "walk_nothing" else UUIDS
    assert await came_of(contender.name, **contender.arguments | {"url": url}) == expected


@pytest.mark.parametrize("shards", SHARDS)
@pytest.mark.asyncio
async def test_every_scan_brings_all_rooms(shards: int, url: str) -> None:
    assert sorted(await came_of("scan_ours", url=url, shards=shards)) == UUIDS


CALLS: Final = [
    ("get_httpx", {"library": "httpx"}),
    ("get_httpx", {"library": "httpx2"}),
    ("get_ours", {"over": "httpx"}),
    ("get_ours", {"over": "httpx2"}),
    ("gather_httpx", {"concurrency": 3}),
    ("get_many_ours", {"concurrency": 3}),
]


@pytest.mark.parametrize(("name", "options"), CALLS)
@pytest.mark.asyncio
async def test_every_way_to_get_rooms_brings_those_asked_for(name: str, options: Any, url: str) -> None:
    expected = some_uuids(url, 10)
    assert expected == UUIDS[:: ROOMS // 10]
    assert sorted(await came_of(name, url=url, count=10, **options)) == expected


async def came_of(name: str, **arguments: Any) -> list[str]:
    """Return what comes the second time, as in a round that counts."""
    async with CONTENDERS[name](**arguments) as work:
        first = await work()
        again = await work()
    assert sorted(first) == sorted(again)
    return list(again)


PAGE: Final = b"[" + Listing(ROOMS).page(b"", 1_000) + b"]"


@pytest.mark.parametrize("way", DECODERS)
def test_every_way_to_decode_reads_the_same_rooms(way: str) -> None:
    skip_without(way)
    rooms = DECODERS[way]()(PAGE)
    assert [uuid_of(room) for room in rooms] == UUIDS[:1_000]


@pytest.mark.parametrize(("rooms", "places"), [("one", [500]), ("each", list(range(1_000)))])
def test_a_page_has_a_new_field_in_so_many_rooms(rooms: str, places: list[int]) -> None:
    came = DECODERS["ours"]()(with_new_field(PAGE, rooms))
    assert [place for place, room in enumerate(came) if room.extra] == places
    assert [uuid_of(room) for room in came] == UUIDS[:1_000]


def test_a_worker_tells_its_time_and_what_came(url: str) -> None:
    contender = next(each for each in walkers(url) if each.name == "walk_ours")
    with Worker(contender) as worker:
        assert worker.rooms == NO_ROOMS
        assert worker.work() > 0
        assert worker.rooms != NO_ROOMS


# What is written down


def test_tables_tell_ratios_and_targets_met_or_missed() -> None:
    rows = [Row("one", "one", 10.0, 1.0, 1.0, 1.0), Row("other", "one", 5.0, 0.5, 0.4, 0.625)]
    targets = [Target("fast", 2, 2.0, at_least=True), Target("small", 6, 6.5, unit=" MiB")]
    machine = Machine(processor="CPU", cores=2, system="Linux", python="CPython", versions={"httpx": "1"})
    group = Group("walk", "ms a page", rows, targets=targets)
    slow = Group("shards", "ms a page", rows, is_about_speed=True)
    written = {name: list(lines) for name, lines in tables(machine, [group, slow])}
    assert written["walk"][-2:] == ["| one | 10 | 1 |  |", "| other | 5 | 0.50 | 0.40 to 0.62 |"]
    assert written["shards"][-1] == "| other | 5 | 2.00 | 1.60 to 2.50 |"
    assert written["targets"][-2:] == [
        "| fast | at least 2 | 2.00 | met |",
        "| small | at most 6 MiB | 6.50 MiB | **missed** |",
    ]
    ((name, drawn),) = plots([group])
    assert (name, drawn.count("<rect")) == ("walk", 2)


def test_the_page_shows_all_of_one_whole_run_and_nothing_else() -> None:
    folder = DOCS / "performance"
    results = json.loads((folder / "results.json").read_text("utf-8"))
    assert not results["is_quick"]
    groups = structure(results["groups"], list[Group])
    assert [group.key for group in groups] == [group.__name__ for group in GROUPS]
    expected = {
        f"{name}.md": "\n".join(lines) + "\n"
        for name, lines in tables(structure(results["machine"], Machine), groups)
    }
    expected |= {f"{name}.svg": drawn for name, drawn in plots(groups)}
    written = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.suffix != ".json"}
    assert written == expected
    page = (DOCS / "performance.md").read_text("utf-8")
    assert set(re.findall(r"\bperformance/([\w.]+)", page)) == set(expected)
