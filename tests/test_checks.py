"""The doctor's verdicts, case by case, without a request."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from netless_rooms._auth.tokens import Role, TokenInfo, TokenKind
from netless_rooms._doctor import checks
from netless_rooms._doctor.checks import TABLE, PageSize, finding
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms.models import Room
from samples import DASHED, UUID

NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def uuids(letters: str) -> list[str | None]:
    """Return a uuid for each letter; ``?`` is one that cannot be read."""
    return [None if letter == "?" else letter for letter in letters]


LISTED = uuids("abcd?f")


@pytest.mark.parametrize(
    ("verdict", "cases"),
    [
        ("inclusive", [(1, "bc"), (5, "f")]),
        ("exclusive", [(1, "cd"), (5, "")]),
        ("ignored", [(1, "ab")]),
        ("unknown", [(1, "z"), (1, "?"), (1, ""), (0, "ab"), (0, ""), (None, "")]),
    ],
)
def test_a_page_from_a_room_shows_the_cursor(verdict: str, cases: list[tuple[int | None, str]]) -> None:
    for place, page in cases:
        assert checks.cursor(LISTED, place, uuids(page)).verdict == verdict, (place, page)


def test_the_last_room_but_one_and_another_spelling_show_the_cursor_too() -> None:
    assert checks.cursor(["a", "b", "c"], 1, ["c"]).verdict == "exclusive"
    assert checks.cursor(["a", UUID], 1, [DASHED]).verdict == "inclusive"


def test_a_page_shows_what_happens_to_a_begin_that_names_no_room() -> None:
    pages: list[list[str | None] | int | None] = [["c"], ["a"], [], ["z"], [None], None, 400, 404, 403, 500]
    verdicts = "seek start nothing unknown unknown unreadable bad_request not_found refused refused"
    assert " ".join(checks.unknown_begin(LISTED, 1, page).verdict for page in pages) == verdicts
    assert checks.unknown_begin(["a"], None, None).evidence == "too few to tell: 1 room"
    assert checks.unknown_begin([], None, None).evidence == "too few to tell: 0 rooms"


@pytest.mark.parametrize(
    ("first", "pages", "count", "verdicts"),
    [
        (1000, [(20, 20)], 1000, ("none", "no")),
        (1000, [(20, 19), (20, 20)], 1000, ("none", "yes")),
        (1000, [], 1000, ("none", "unknown")),
        (999, [(20, 20)], 999, ("unknown", "no")),
        (50, [(20, 20)], 120, ("unknown", "no")),
        (50, [(20, 20), (1000, 50)], 120, ("50", "no")),
        (50, [(20, 20), (1000, 49)], 120, ("unknown", "yes")),
        (50, [(20, 20), (1000, 51)], 120, ("unknown", "yes")),
        (50, [], 51, ("unknown", "unknown")),
        (7, [(20, 7)], 30, ("7", "no")),
        (7, [(7, 7)], 30, ("unknown", "no")),
        (30, [(20, 7)], 30, ("unknown", "yes")),
        (1001, [], 1001, ("ignored", "unknown")),
        (30, [(20, 30)], 30, ("ignored", "unknown")),
        (0, [], 0, ("unknown", "unknown")),
    ],
)
def test_lengths_of_pages_show_what_limits_them(first: int, pages: Any, count: int, verdicts: Any) -> None:
    sizes = [PageSize(*page) for page in [(1000, first), *pages]]
    found = checks.page_sizes(sizes, is_whole=first == count < 1000, count=count)
    assert tuple(each.verdict for each in found) == verdicts


@pytest.mark.parametrize(
    ("verdict", "cases"),
    [
        ("uuid", [("abc", (2, 0, 1)), ("abc", (0, 0, 0))]),
        ("creation", [("bac", (0, 1, 1))]),
        ("uuid or creation", [("abc", (0, 1, 1))]),
        ("other", [("bac", (0, 0, 0)), ("cba", (2, 1, 0)), ("aab", (1, 0, 2))]),
        ("unknown", [("a", (0,))]),
    ],
)
def test_rooms_show_their_order(verdict: str, cases: list[tuple[str, tuple[int, ...]]]) -> None:
    usual: dict[str, Any] = {"team_uuid": "t", "is_record": False, "is_ban": False, "limit": 0}
    for uuids, days in cases:
        created = [NEW_YEAR + timedelta(day) for day in days]
        rooms = [Room(uuid=uuid, created_at=at, **usual) for uuid, at in zip(uuids, created, strict=True)]
        assert checks.order(rooms).verdict == verdict, (uuids, days)


def test_the_remedy_for_a_sequential_scan_depends_on_the_order() -> None:
    def meant(order: str, cursor: str = "inclusive") -> str:
        return checks.shards(1, ScanMode.SEQUENTIAL, order=order, cursor=cursor).meaning

    assert "split_hint=scan.checkpoint" in meant("uuid")
    assert "only a list in the order of uuids" in meant("creation")
    assert "more rooms" in meant("unknown")
    assert meant("uuid", "ignored") == ""
    assert checks.shards(5, ScanMode.SHARDS, order="uuid", cursor="inclusive").verdict == "5"


@pytest.mark.parametrize(
    ("own", "others", "verdict", "evidence"),
    [
        (["a", "b"], {"sg": ["a", "b"], "eu": ["a", "b"]}, "shared", "the same rooms in sg, eu"),
        (["a"], {"sg": ["a", "b"], "eu": ["a"]}, "apart", "the same rooms in eu; other rooms in sg"),
        (["a", "b"], {"sg": [], "eu": 403}, "apart", "none in sg; no list in eu"),
        ([], {"sg": ["a"], "eu": []}, "apart", "no rooms in us-sv; other rooms in sg; none in eu"),
        ([], {"sg": [], "eu": None}, "unknown", "no rooms in us-sv; none in sg; no list in eu"),
        ([None], {"sg": [None]}, "apart", "other rooms in sg"),
        (["a"], {"sg": None}, "unknown", "no list in sg"),
        (503, {"sg": ["a"]}, "apart", "no rooms in us-sv; other rooms in sg"),
    ],
)
def test_first_pages_show_whether_regions_are_apart(own: Any, others: Any, verdict: str, evidence: str) -> None:
    found = checks.regions(own, "us-sv", others)
    assert (found.verdict, found.evidence) == (verdict, evidence)


@pytest.mark.parametrize(
    ("role", "expires_at", "can_renew", "seen", "means"),
    [
        (Role.ADMIN, None, False, "admin that never expires", "it may make all calls"),
        (Role.WRITER, NEW_YEAR, False, "writer that expires at 2025-01-01 00:00:00 UTC", "not disable or enable"),
        (Role.WRITER, None, True, "writer that never expires", "other calls get their own"),
    ],
)
def test_a_token_shows_what_it_may_do(role: Role, expires_at: Any, can_renew: bool, seen: str, means: str) -> None:
    info = TokenInfo(kind=TokenKind.SDK, access_key="a", role=role, uuid=None, expires_at=expires_at, nonce="n")
    found = checks.token(info, can_renew=can_renew)
    assert (found.verdict, found.evidence) == (f"sdk {seen.split()[0]}", f"sdk {seen}")
    assert means in found.meaning


def test_a_failure_is_compared_with_the_documentation() -> None:
    for status, verdict, evidence in (
        (404, "404", "as documented, with a reason"),
        (400, "400", "other than documented, without a reason"),
        (None, "unknown", "no failure came back"),
    ):
        found = checks.failure(status, has_reason=status == 404)
        assert (found.verdict, found.evidence) == (verdict, f"for a missing room, {evidence}")


def test_every_row_of_the_table_can_be_filled_in() -> None:
    names = "token expiry refusal seconds offset rooms names invalid lengths cap count status documented pages"
    values: dict[str, Any] = dict.fromkeys([*names.split(), "error", "shards", "ranges"], 1)
    for row in TABLE:
        found = finding(*row.split(": ", 1), **values)
        assert found.evidence
        assert not {"{", "}", ":"} & {*found.verdict}
