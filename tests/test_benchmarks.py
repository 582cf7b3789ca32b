"""The benchmarks compare what does the same work, and their page shows the figures of one whole run."""

import json
import re
from pathlib import Path
from typing import Final

import pytest
from cattrs import structure

from contenders import CONTENDERS
from decoders import DECODERS, uuid_of
from groups import GROUPS, Group, Target
from netless_rooms.emulator import Emulator, Request
from plots import plots
from report import Machine, tables
from rounds import Row
from stand_in import answer, serving

FOLDER: Final = Path(__file__).parent.parent / "docs" / "performance"
ROOMS: Final = 1_500  # more than a page, and the second one is short

emulator = Emulator(rooms=ROOMS)
UUIDS: Final = list(emulator.uuids())


@pytest.mark.parametrize("query", ["", "limit=1000", "limit=1001", f"limit=2&beginUUID={UUIDS[-2][:-1]}"])
def test_the_server_answers_as_the_emulator_does(query: str) -> None:
    for path in ("/v5/rooms", f"/v5/rooms/{UUIDS[7]}", f"/v5/rooms/{'f' * 32}"):
        ask = Request(method="GET", path=path, query=query, headers={"token": emulator.token(), "region": "sg"})
        expected = emulator.respond(ask)
        _, (head, *parts) = answer(f"/{ROOMS}/0{path}?{query}".encode())
        assert int(bytes(head).split()[1]) == expected.status
        assert expected.status != 200 or json.loads(b"".join(parts)) == json.loads(expected.body)


@pytest.mark.asyncio
async def test_what_is_compared_returns_the_same_rooms() -> None:
    with serving() as address:
        what = {"url": f"{address}/{ROOMS}/0"}
        for name, options in [("walk_httpx", {}), ("walk_ours", {}), ("scan_ours", {"shards": 4})]:
            async with CONTENDERS[name](**what, **options) as work:
                assert sorted(await work()) == UUIDS
        for name, options in [("get_httpx", {}), ("get_ours", {}), ("get_many_ours", {"concurrency": 3})]:
            async with CONTENDERS[name](**what, count=10, **options) as work:
                assert sorted(await work()) == UUIDS[:: ROOMS // 10]


def test_what_is_compared_decodes_the_same_rooms() -> None:
    page = b"".join(answer(f"/{ROOMS}/0/v5/rooms?limit=1000".encode())[1][1:])
    for way in ("httpx", "json", "ours"):
        assert [uuid_of(room) for room in DECODERS[way]()(page)] == UUIDS[:1000]


def test_tables_show_ratios_and_targets_met_or_missed() -> None:
    rows = [Row("one", "one", 10.0, 1.0, 1.0, 1.0), Row("other", "one", 5.0, 0.5, 0.4, 0.625)]
    targets = [Target("fast", 2, 2.0, at_least=True), Target("small", 6, 6.5, unit=" MiB")]
    machine = Machine(processor="CPU", cores=2, system="Linux", python="CPython", versions={"httpx": "1"})
    groups = [Group("walk", "ms", rows, targets=targets), Group("shards", "ms", rows, is_about_speed=True)]
    written = {name: list(lines)[-2:] for name, lines in tables(machine, groups)}
    assert written["walk"] == ["| one | 10 | 1 |  |", "| other | 5 | 0.50 | 0.40 to 0.62 |"]
    assert written["shards"][-1] == "| other | 5 | 2.00 | 1.60 to 2.50 |"
    met, missed = "| fast | at least 2 | 2.00 | met |", "| small | at most 6 MiB | 6.50 MiB | **missed** |"
    assert written["targets"] == [met, missed]


def test_the_page_shows_all_of_one_whole_run_and_nothing_else() -> None:
    results = json.loads((FOLDER / "results.json").read_text("utf-8"))
    assert not results["is_quick"]
    groups = structure(results["groups"], list[Group])
    assert [group.key for group in groups] == [group.__name__ for group in GROUPS]
    expected = {f"{name}.svg": drawn for name, drawn in plots(groups)}
    for name, lines in tables(structure(results["machine"], Machine), groups):
        expected[f"{name}.md"] = "\n".join(lines) + "\n"
    assert {file.name: file.read_text("utf-8") for file in FOLDER.iterdir() if file.suffix != ".json"} == expected
    page = FOLDER.with_suffix(".md").read_text("utf-8")
    assert set(re.findall(r"\bperformance/([\w.]+)", page)) == set(expected)
