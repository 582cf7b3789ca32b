"""The benchmarks compare what does the same work."""

from pathlib import Path
from typing import Any

import pytest

import contenders
from measure import Contender, measure
from stand_in import serving, uuid_at

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
