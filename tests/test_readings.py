"""What pages tell about how the service lists, case by case, without asking anybody."""

from datetime import UTC, datetime, timedelta

import pytest

from netless_rooms._auth.tokens import Role, TokenInfo, TokenKind
from netless_rooms._doctor import findings, readings
from netless_rooms._doctor.readings import Page
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms.models import Room
from samples import UUID

LISTED = ["a", "b", "c", "d", None, "f"]
NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "answered", "told"),
    [
        (1, ["b", "c"], "inclusive"),
        (1, ["c", "d"], "exclusive"),
        (1, ["a", "b"], "ignored"),
        (1, ["z"], "unknown"),
        (1, [None], "unknown"),
        (1, [], "unknown"),
        (0, ["a", "b"], "unknown"),
        (0, [], "unknown"),
        (5, [], "exclusive"),
        (5, ["f"], "inclusive"),
        (None, [], "unknown"),
    ],
)
def test_a_page_from_a_room_on_tells_the_cursor(place: int | None, answered: list[str | None], told: str) -> None:
    assert readings.cursor(LISTED, place, answered).answer == told


def test_a_page_from_the_last_room_but_one_tells_the_cursor_too() -> None:
    assert readings.cursor(["a", "b", "c"], 1, ["c"]).answer == "exclusive"


def test_a_uuid_that_comes_back_in_another_spelling_is_the_same() -> None:
    dashed = f"{UUID[:8]}-{UUID[8:12]}-{UUID[12:16]}-{UUID[16:20]}-{UUID[20:]}".upper()
    assert readings.cursor(["a", UUID], 1, [dashed]).answer == "inclusive"


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (["c"], "seek"),
        (["a"], "start"),
        ([], "nothing"),
        (["z"], "unknown"),
        ([None], "unknown"),
        (None, "unreadable"),
        (400, "bad_request"),
        (404, "not_found"),
        (403, "refused"),
        (500, "refused"),
    ],
)
def test_a_begin_that_names_no_room_is_told_by_what_came(
    answered: list[str | None] | int | None, told: str
) -> None:
    assert readings.unknown_begin(LISTED, 1, answered).answer == told


@pytest.mark.parametrize(
    ("first", "pages", "count", "told"),
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
def test_lengths_of_pages_tell_what_limits_them(
    first: int, pages: list[tuple[int, int]], count: int, told: tuple[str, str]
) -> None:
    later = [Page(*page) for page in pages]
    cap, short = readings.pages(Page(1000, first), later, count=count, is_whole=first == count < 1000)
    assert (cap.answer, short.answer) == told


@pytest.mark.parametrize(
    ("uuids", "days", "told"),
    [
        ("abc", (2, 0, 1), "uuid"),
        ("abc", (0, 0, 0), "uuid"),
        ("bac", (0, 1, 1), "creation"),
        ("abc", (0, 1, 1), "uuid or creation"),
        ("bac", (0, 0, 0), "other"),
        ("cba", (2, 1, 0), "other"),
        ("aab", (1, 0, 2), "other"),
        ("a", (0,), "unknown"),
    ],
)
def test_rooms_tell_their_order(uuids: str, days: tuple[int, ...], told: str) -> None:
    rooms = [
        Room(uuid=uuid, team_uuid="t", is_record=False, is_ban=False, created_at=created, limit=0)
        for uuid, created in zip(uuids, (NEW_YEAR + timedelta(day) for day in days), strict=True)
    ]
    assert readings.order(rooms).answer == told


def test_what_else_can_be_done_than_to_scan_in_one_line_hangs_on_the_order() -> None:
    def meant(order: str, cursor: str = "inclusive") -> str:
        return readings.shards(8, 1, ScanMode.SEQUENTIAL, order=order, cursor=cursor).means

    assert "split_hint=scan.checkpoint" in meant("uuid")
    assert "only a list in the order of uuids" in meant("creation")
    assert "more rooms" in meant("unknown")
    assert meant("uuid", "ignored") == ""
    assert readings.shards(8, 5, ScanMode.SHARDS, order="uuid", cursor="inclusive").answer == "5"


@pytest.mark.parametrize(
    ("own", "elsewhere", "told", "seen"),
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
def test_first_pages_tell_whether_regions_are_apart(
    own: list[str | None] | int, elsewhere: dict[str, list[str | None] | int | None], told: str, seen: str
) -> None:
    finding = readings.regions(own, "us-sv", elsewhere)
    assert (finding.answer, finding.seen) == (told, seen)


def test_one_room_is_told_as_one() -> None:
    assert readings.unknown_begin(["a"], None, None).seen == "too few to tell: 1 room"
    assert readings.unknown_begin([], None, None).seen == "too few to tell: 0 rooms"


@pytest.mark.parametrize(
    ("role", "expires_at", "can_renew", "answer", "seen", "means"),
    [
        (Role.ADMIN, None, False, "sdk admin", "which never ends", "it may make all calls"),
        (Role.WRITER, NEW_YEAR, False, "sdk writer", "which ends at 2025-01-01 00:00:00 UTC", "neither disable"),
        (Role.WRITER, None, True, "sdk writer", "which never ends", "other calls get their own"),
    ],
)
def test_a_token_tells_what_it_may_do(
    role: Role, expires_at: datetime | None, can_renew: bool, answer: str, seen: str, means: str
) -> None:
    told = TokenInfo(kind=TokenKind.SDK, access_key="a", role=role, uuid=None, expires_at=expires_at, nonce="n")
    finding = findings.token(told, can_renew=can_renew)
    assert (finding.answer, finding.seen) == (answer, f"one of the project, {seen}")
    assert means in finding.means


@pytest.mark.parametrize(
    ("status", "reason", "answer", "seen"),
    [
        (404, "no", "404", "for a room that there is not, as documented, with a reason"),
        (400, None, "400", "for a room that there is not, not 404 as documented, without a reason"),
        (None, None, "unknown", "for a room that there is not, no failure came"),
    ],
)
def test_a_failure_is_held_against_the_documentation(
    status: int | None, reason: str | None, answer: str, seen: str
) -> None:
    finding = findings.failure(status, reason)
    assert (finding.answer, finding.seen) == (answer, seen)
