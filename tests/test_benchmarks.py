"""The benchmarks compare what does the same work, and their page shows each target as met or missed."""

import json
from typing import Any

import pytest

import contenders
from groups import Group, Target
from measure import Run, make_row
from report import page
from stand_in import respond, serving, uuid_at

ROOMS = 1_500  # more than a page, and the second one is short
UUIDS = [uuid_at(place, ROOMS) for place in range(ROOMS)]


@pytest.mark.asyncio
async def test_what_is_compared_returns_the_same_rooms() -> None:
    with serving() as address:
        url = f"{address}/{ROOMS}/0"
        ten = UUIDS[:: ROOMS // 10]
        compared: list[tuple[str, dict[str, Any], list[str]]] = [
            *(("walk_httpx", {}, UUIDS), ("list_ours", {}, UUIDS), ("list_ours", {"keep": False}, [f"{ROOMS}"])),
            ("list_ours", {"call": "scan", "shards": 4}, UUIDS),
            *(("get_httpx", {"count": 10}, ten), ("get_ours", {"count": 10}, ten)),
            ("get_many_ours", {"count": 10, "concurrency": 3}, ten),
        ]
        for name, options, uuids in compared:
            async with getattr(contenders, name)(url, **options) as work:
                assert sorted(await work()) == uuids


@pytest.mark.asyncio
async def test_what_is_compared_decodes_the_same_rooms() -> None:
    for by in contenders.DECODERS.keys() - {"msgspec"}:
        async with contenders.decode(by=by, times=1, unknown_fields=True) as work:
            assert await work() == [uuid_at(place, 1000) for place in range(1000)]


@pytest.mark.parametrize(
    ("target", "status", "count"),
    [
        ("", 200, 100),
        ("?limit=1000", 200, 1000),
        ("?limit=1001", 404, None),
        (f"?limit=5&beginUUID={UUIDS[-2]}", 200, 2),
        (f"/{UUIDS[7]}", 200, None),
        (f"/{'f' * 32}", 404, None),
    ],
)
def test_the_stand_in_serves_pages_and_rooms(target: str, status: int, count: int | None) -> None:
    _, (head, *parts) = respond(f"/{ROOMS}/0/v5/rooms{target}".encode())
    assert int(bytes(head).split()[1]) == status
    body = json.loads(b"".join(parts))
    assert count is None or len(body) == count


def test_the_page_shows_ratios_and_targets_met_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("report.version", lambda _: "1.0")  # not all packages that are measured are installed here
    one, other = [Run(0.02, 0.01, 9.1)], [Run(0.01, 0.005, 9.1)]
    rows = [make_row("one", one, "one", one), make_row("other", other, "one", one)]
    targets = [Target("fast", 2, 2.0, at_least=True), Target("small", 6, 6.5, unit=" MiB")]
    groups = [Group("Long", "ms", rows, targets), Group("Fast", "ms", rows, is_about_speed=True)]
    written = page(groups, is_quick=True)
    for line in (
        "| fast | at least 2 | 2.00 | met |",
        "| small | at most 6 MiB | 6.50 MiB | **missed** |",
        "| one | 20 | 10 | 1 |  | 9 |",
        "| other | 10 | 5 | 0.50 | 0.50 to 0.50 | 9 |",
        "| other | 10 | 5 | 2.00 | 2.00 to 2.00 | 9 |",
    ):
        assert line in written.splitlines()
