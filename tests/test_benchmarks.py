"""The benchmarks compare what does the same work, and their page shows each target as met or missed."""

import json
from pathlib import Path
from typing import Any

import pytest

import contenders
from groups import Group, Target
from measure import Contender, Run, make_row, measure
from report import page
from stand_in import respond, serving, uuid_at

ROOMS = 1_500  # more than a page, and the second one is short
UUIDS = [uuid_at(place, ROOMS) for place in range(ROOMS)]


@pytest.mark.asyncio
async def test_what_is_compared_returns_the_same_rooms(tmp_path: Path) -> None:
    with serving() as address:
        url = f"{address}/{ROOMS}/0"
        ten, count = UUIDS[:: ROOMS // 10], [f"{ROOMS}"]
        exported = [{"path": f"{tmp_path / name}"} for name in ("by_hand", "ours.jsonl")]
        compared: list[tuple[str, dict[str, Any], list[str]]] = [
            *(("walk_by_hand", {}, UUIDS), ("walk_by_hand", {"decoded_by": "ours"}, UUIDS)),
            *(("list_ours", {}, UUIDS), ("list_ours", {"keep": False}, count)),
            ("list_ours", {"call": "scan", "shards": 4}, UUIDS),
            *(("get_by_hand", {"count": 10}, ten), ("get_by_hand", {"count": 10, "concurrency": 3}, ten)),
            *(("get_ours", {"count": 10}, ten), ("get_ours", {"count": 10, "concurrency": 3}, ten)),
            *(("export_by_hand", exported[0], count), ("export_ours", exported[1], count)),
            ("export_ours", {"kind": "csv", "checkpoint": True}, count),
        ]
        for name, options, uuids in compared:
            async with getattr(contenders, name)(url, **options) as work:
                assert sorted(await work()) == uuids
    by_hand, ours = (Path(each["path"]).read_bytes() for each in exported)  # noqa: ASYNC240
    assert by_hand == ours


def test_what_is_compared_decodes_the_same_rooms_and_is_measured_in_rounds() -> None:
    options = {"times": 1, "unknown_fields": True}
    each_one = [Contender(by, "decode", options | {"by": by}) for by in ("json", "msgspec", "ours")]
    rows = measure(each_one, rounds=3)
    assert [(row.title, row.base) for row in rows] == [(each.title, "json") for each in each_one]
    assert all(row.low <= row.ratio <= row.high for row in rows)


def test_the_stand_in_serves_rooms_and_pages_from_a_uuid_or_the_next() -> None:
    for target, first, count in [
        *(("", UUIDS[0], 100), ("?limit=1000", UUIDS[0], 1000)),
        *((f"?limit=5&beginUUID={begin}", UUIDS[-2], 2) for begin in (UUIDS[-2], f"{UUIDS[-3][:-1]}d")),
    ]:
        _, (_, *parts) = respond(f"/{ROOMS}/0/v5/rooms{target}".encode())
        served = json.loads(b"".join(parts))
        assert (served[0]["uuid"], len(served)) == (first, count)


def test_the_page_shows_ratios_and_targets_met_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.version", lambda _: "1.0")  # not all packages that are measured are installed here
    one, other = Contender("one", "", units=1), Contender("other", "", units=1)
    runs = {"one": [Run(0.02, 0.01, 9.1)], "other": [Run(0.01, 0.005, 9.1)]}
    rows = [make_row(each, runs[each.title], one, runs["one"], "cpu") for each in (one, other)]
    targets = [Target("fast", 2, 2.0, at_least=True), Target("small", 6, 6.5, unit=" MiB")]
    groups = [
        Group("Long", "ms", rows, targets),
        Group("Fast", "s", rows, by="wall", is_speed=True, scale=1, is_plotted=True),
    ]
    written = page(groups, is_quick=True)
    for line in (
        "| fast | at least 2 | 2.00 | met |",
        "| small | at most 6 MiB | 6.50 MiB | **missed** |",
        "| one | 20 | 10 | 1 |  |",
        "| other | 10 | 5 | 0.50 |  |",
        "| other | 0.01 | 0.005 | 2.00 |  | 9 |",
        "one    ####### 0.02",
        "other  #### 0.01",
    ):
        assert line in written.splitlines()
