"""The doctor reports the true behaviour of a service; its verdicts also case by case, without a request."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import httpx
import pytest

from fake_services import Service, World, hexes, in_turn
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, Region, RetryPolicy, Role, StatusError, TokenInfo, TokenKind, TransportError
from netless_rooms._doctor import checks
from netless_rooms._doctor.checks import TABLE, Finding, PageSize, finding
from netless_rooms._doctor.probes import MAX_PAGES, NO_ROOM, examine
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms.cli.commands.doctor import QUIRKS as EMULATED
from netless_rooms.cli.commands.doctor import emulation
from netless_rooms.emulator import Emulator, Failure, Quirks
from netless_rooms.models import Room
from samples import DASHED, UUID
from shell import Shell

pytestmark = pytest.mark.anyio
QUIRKS = [
    *(Quirks(), Quirks(page_cap=7), Quirks(cursor="exclusive", page_cap=1)),
    Quirks(cursor="exclusive", order="creation", page_cap=2, unknown_begin="bad_request"),
    *(Quirks(page_cap=50, short_pages=True), Quirks(envelope=True, unknown_begin="not_found")),
    Quirks(disabled="hidden", regions="apart", cursor="exclusive", short_pages=True),
]


async def found_of(source: Emulator | httpx.AsyncBaseTransport, **options: Any) -> dict[str, Finding]:
    usual: dict[str, Any] = {"token": TOKEN, "region": Region.US_SV, "retry": ONCE}
    if isinstance(source, Emulator):
        usual |= {"token": source.token(Role.WRITER), "clock": source.clock}
    transport = source.transport() if isinstance(source, Emulator) else source
    async with httpx.AsyncClient(transport=transport) as client:
        findings = await examine(AsyncRooms(client, **usual | options), lambda _: None)
    return {finding.question: finding for finding in findings}


async def answers_of(source: Emulator | httpx.AsyncBaseTransport, **options: Any) -> dict[str, str]:
    return {name: finding.verdict for name, finding in (await found_of(source, **options)).items()}


@pytest.mark.parametrize("quirks", QUIRKS, ids=repr)
async def test_every_quirk_is_found_with_read_only_requests(quirks: Quirks) -> None:
    emulator = Emulator(rooms=130, quirks=quirks)
    found = await answers_of(emulator)
    is_capped = quirks.page_cap is not None and quirks.page_cap < 130 and not quirks.short_pages
    sees_disabled = found["disabled"] == "listed"  # there are few, and only some rooms are looked at
    assert {name: found[name] for name in EMULATED} == {
        "cursor": quirks.cursor,
        "order": quirks.order,
        "page_cap": str(quirks.page_cap) if is_capped else "unknown",
        "short_pages": "yes" if quirks.short_pages else "no",
        "unknown_begin": quirks.unknown_begin,
        "envelope": "yes" if quirks.envelope else "no",
        "regions": quirks.regions,
        "disabled": "listed" if quirks.disabled == "listed" and sees_disabled else "unknown",
    }
    splits = quirks.order == "uuid" and quirks.unknown_begin == "seek"
    assert (found["walk"], found["shards"]) == ("works", "8" if splits else "sequential")
    assert {request.method for request in emulator.requests} == {"GET"}
    assert int(found["requests"]) == len(emulator.requests) < 3 * MAX_PAGES + 30


@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 7])
@pytest.mark.parametrize("cursor", ["inclusive", "exclusive"])
async def test_what_few_rooms_cannot_tell_is_unknown(count: int, cursor: Any) -> None:
    findings = await found_of(Emulator(rooms=count, quirks=Quirks(cursor=cursor)))
    found = {name: finding.verdict for name, finding in findings.items()}
    # From the only room on it comes again, or nothing does, which a cursor that is ignored would not do.
    assert found["cursor"] == (cursor if count > 1 or (count and cursor == "exclusive") else "unknown")
    assert found["order"] == ("uuid" if count > 2 else "unknown" if count < 2 else "uuid or creation")
    assert found["unknown_begin"] == ("seek" if count > 1 else "unknown")
    assert (found["page_cap"], found["short_pages"]) == ("unknown", "no" if count > 6 else "unknown")
    assert (found["failure"], found["walk"]) == ("404", "works")
    assert findings["walk"].evidence == f"walk() returned {count} {'room' if count == 1 else 'rooms'}, each once"
    assert (found["regions"], found["fields"]) == (("shared", "known") if count else ("unknown", "unknown"))


UUIDS = hexes(70)


async def test_a_list_that_no_quirk_makes_is_described() -> None:
    services: list[tuple[Any, dict[str, str]]] = [
        (World(UUIDS, unknown="null"), {"unknown_begin": "unreadable"}),
        (World(UUIDS, unknown=500), {"unknown_begin": "refused", "cursor": "inclusive", "shards": "sequential"}),
        (lambda _, limit: UUIDS[: min(limit, 25)], {"cursor": "ignored", "walk": "breaks", "page_cap": "unknown"}),
        (lambda begin, _: UUIDS[UUIDS.index(begin) if begin in UUIDS else 0 :], {"page_cap": "ignored"}),
    ]
    for service, answers in services:
        found = await answers_of(Service(service))
        assert {name: found[name] for name in answers} == answers


async def test_rooms_that_cannot_be_read_are_described_by_their_paths_and_not_asked_from() -> None:
    world = World(UUIDS, invalid={UUIDS[3]: {"isBan": "Rumpelstilzchen"}, UUIDS[69]: {"uuid": 7}})
    found = await found_of(Service(world))
    assert (found["fields"].verdict, found["walk"].verdict) == ("unreadable", "breaks")
    assert found["fields"].evidence == "2 of 70 rooms cannot be read: .isBan, .uuid"
    assert "Rumpel" not in repr(found)
    found = await found_of(Service(World(UUIDS, invalid={uuid: {"uuid": 7} for uuid in UUIDS})))
    assert found["cursor"].evidence == found["unknown_begin"].evidence
    assert "too few uuids can be read" in found["cursor"].evidence
    assert found["disabled"].evidence == "none of 0 rooms"
    beside = await answers_of(Service(World(UUIDS, invalid={uuid: {"uuid": 7} for uuid in UUIDS[3::2]})))
    assert (beside["cursor"], beside["unknown_begin"]) == ("inclusive", "seek")


async def test_new_fields_are_named_up_to_a_bound_and_show_no_token() -> None:
    emulator = Emulator()
    emulator.add_room(**{f"field{number:03}": TOKEN for number in range(500)}, **{TOKEN: 1})
    found = await found_of(emulator)
    assert found["fields"].verdict == "new"
    assert found["fields"].evidence.endswith("field018, and 481 more")
    assert TOKEN not in repr(found)
    opaque = "Opaque-6f1d9c27-Token"
    echo = httpx.Response(200, json=[room(UUIDS[0]) | {opaque: 1}], headers={opaque: "1"})
    found = await found_of(httpx.MockTransport(lambda _: echo), token=opaque)
    assert found["fields"].evidence.endswith(": NETLESS…")
    assert found["headers"].evidence.endswith(", NETLESS…")


async def test_other_regions_are_compared() -> None:
    class Regions(Service):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await super().handle_async_request(request) if request.headers["region"] == "eu" else elsewhere

    for elsewhere, verdict in (
        *((answer([room(uuid) for uuid in UUIDS[place:][:5]]), ("shared", "apart")[place]) for place in (0, 1)),
        *((httpx.Response(503), "unknown"), (answer(None), "unknown")),  # no list
        (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), "unknown"),
    ):
        assert (await answers_of(Regions(World(UUIDS)), region="eu"))["regions"] == verdict, elsewhere


async def test_rooms_created_meanwhile_are_not_mistaken_for_a_region_or_a_cap() -> None:
    emulator = Emulator(rooms=4, quirks=Quirks(order="creation"))

    class Creating(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            emulator.add_room()
            return await emulator.transport().handle_async_request(request)

    found = await answers_of(Creating(), token=emulator.key, clock=emulator.clock)
    count = str(len(emulator.requests))
    assert (found["regions"], found["page_cap"], found["requests"]) == ("shared", "unknown", count)


async def test_the_response_for_a_missing_room_is_described() -> None:
    def script(request: httpx.Request) -> httpx.Response:
        assert request.url.path in ("/v5/rooms", f"/v5/rooms/{NO_ROOM}")
        return answer([]) if request.url.path == "/v5/rooms" else got

    for got, verdict in ((answer({"status": 400, "message": "no"}, 400), "400"), (answer(room()), "unknown")):  # noqa: B007  the script reads it
        found = await answers_of(httpx.MockTransport(script))
        # A failure may look like an envelope.
        assert (found["failure"], found["envelope"]) == (verdict, "no")


async def test_a_clock_that_is_off_is_reported() -> None:
    emulator = Emulator(rooms=3)
    now = emulator.clock() // 1 + 0.5
    emulator.clock = lambda: now
    for off, verdict in ((0, "ok"), (29, "ok"), (29.5, "ahead"), (-30, "ok"), (-30.5, "behind")):
        found = await answers_of(emulator, token=emulator.token(lifetime=None), clock=lambda off=off: now + off)
        assert found["clock"] == verdict, off


async def test_headers_are_named_and_only_figures_of_limits_are_shown() -> None:
    headers = {"X-RateLimit-Limit": "600", "X-RateLimit-Scope": "alice", "X-Request-Id": "8231", "Via": TOKEN}

    def script(request: httpx.Request) -> httpx.Response:
        listed = request.url.path == "/v5/rooms"
        return httpx.Response(200 if listed else 404, content=b"[]" if listed else b"", headers=headers)

    found = await found_of(httpx.MockTransport(script))
    assert found["headers"].verdict == "with limits"
    names = "content-length, via, x-ratelimit-limit=600, x-ratelimit-scope, x-request-id"
    assert found["headers"].evidence == names
    assert found["clock"].verdict == "unknown"


async def test_a_failure_is_retried_or_an_error_and_not_a_finding() -> None:
    emulator = Emulator(rooms=130, faults=[Failure(503), None, Failure(500)] * 5)
    assert (await answers_of(emulator, retry=RetryPolicy(wait_initial=0, wait_max=0)))["walk"] == "works"
    for at, status in [(0, 429), (2, 502), (8, 401), (8, 504), (9, 503), (10, 429), (14, 503), (17, 429)]:
        with pytest.raises(StatusError) as raised:
            await answers_of(Emulator(rooms=130, faults=[*[None] * at, Failure(status)]))
        assert raised.value.status == status
    for at in (2, 10):
        with pytest.raises(TransportError):
            await answers_of(Service(in_turn(World(UUIDS), *[None] * at, httpx.ConnectError("gone"))))


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(rooms=130, quirks=Quirks(cursor="exclusive", page_cap=50, short_pages=False)))


def test_the_report_is_the_same_for_people_and_as_json_and_shows_no_secret(shell: Shell) -> None:
    *others, emulated = [json.loads(line) for line in shell("doctor").out.splitlines()]
    printed = shell("doctor", "--format", "table").out
    assert printed.count("\n\n") == 1
    for each in others:
        if each["question"] not in {"requests", "token"}:  # with figures of the moment
            assert all(words in " ".join(printed.split()) for words in each.values())
    assert emulated["evidence"] == "netless-rooms emulate --quirk cursor=exclusive --quirk page_cap=50"
    assert printed.splitlines()[-1] == emulated["evidence"]
    key, rooms = shell.emulator.key, [shell.emulator.room(uuid) for uuid in shell.emulator.uuids()]
    secrets = [key.access_key, key.secret_key, "NETLESSSDK_", *(room["uuid"] for room in rooms)]
    secrets += [room["teamUUID"] for room in rooms] + [room["name"] for room in rooms if room.get("name")]
    for format in ("table", "jsonl", "csv"):  # noqa: A001
        report = shell("doctor", "--format", format).out
        assert [secret for secret in secrets if secret in report] == []


@pytest.mark.parametrize("quirks", [QUIRKS[3], QUIRKS[5]], ids=repr)
def test_the_emulated_service_gets_the_same_report(quirks: Quirks) -> None:
    def report(quirks: Quirks) -> list[Any]:
        rows = map(json.loads, Shell(Emulator(rooms=130, quirks=quirks))("doctor").out.splitlines())
        shown = [(row["question"], row["verdict"], row["evidence"]) for row in rows]
        return [row if row[0] == "emulate" else row[:2] for row in shown if row[0] in {*EMULATED, "emulate"}]

    first = report(quirks)
    words = [word.split("=") for word in first[-1][2].split(" --quirk ")[1:]]
    again: dict[str, Any] = {name: int(word) if word.isdecimal() else word for name, word in words}
    again |= {name: True for name, word in again.items() if word == "true"}
    assert report(Quirks(**again)) == first


def test_a_list_that_cannot_be_walked_has_an_exit_code_and_progress_is_shown(shell: Shell) -> None:
    shell.transport = Service(lambda *_: UUIDS[:25])
    ran = shell("doctor", "--format", "table")
    assert (ran.code, ran.err) == (6, "")
    shell.terminals = frozenset({"stderr"})
    assert "walking and splitting the list" in shell("doctor").err
    assert "default behaviour, because unknown or without a quirk: cursor, page_cap" in ran.out


def test_a_token_that_may_not_list_is_refused_before_anything_is_sent(shell: Shell) -> None:
    del shell.environment["NETLESS_SECRET_KEY"], shell.environment["NETLESS_ACCESS_KEY"]
    shell.environment["NETLESS_TOKEN"] = shell.emulator.room_token("a")
    assert "a room token is for that room" in shell.fails(4, "doctor")
    assert shell.emulator.requests == []


def test_every_quirk_of_the_emulator_is_covered_and_every_row_of_the_table_filled_in() -> None:
    not_seen_by_reading = {"missing_region", "unknown_region", "record_default", "created_name"}
    assert set(EMULATED) == {each.name for each in attrs.fields(Quirks)} - not_seen_by_reading
    assert emulation([]).evidence == "netless-rooms emulate"
    names = "token expiry refusal seconds offset rooms names invalid lengths cap count status documented pages"
    values: dict[str, Any] = dict.fromkeys([*names.split(), "error", "shards", "ranges"], 1)
    for row in TABLE:
        found = finding(*row.split(": ", 1), **values)
        assert found.evidence
        assert not {"{", "}", ":"} & {*found.verdict}


NEW_YEAR = datetime(2025, 1, 1, tzinfo=UTC)


def uuids(letters: str) -> list[str | None]:
    """Return a uuid for each letter; ``?`` is one that cannot be read."""
    return [None if letter == "?" else letter for letter in letters]


LISTED = uuids("abcd?f")


def test_a_page_from_a_room_shows_the_cursor_or_what_an_unknown_begin_does() -> None:
    cases: list[tuple[str, list[tuple[Any, str]]]] = [
        *(("inclusive", [(1, "bc"), (5, "f")]), ("exclusive", [(1, "cd"), (5, "")]), ("ignored", [(1, "ab")])),
        ("unknown", [(1, "z"), (1, "?"), (1, ""), (0, "ab"), (0, ""), (None, "")]),
    ]
    for verdict, seen in cases:
        for place, uuid_letters in seen:
            assert checks.cursor(LISTED, place, uuids(uuid_letters)).verdict == verdict, (place, uuid_letters)
    assert checks.cursor(["a", "b", "c"], 1, ["c"]).verdict == "exclusive"
    assert checks.cursor(["a", UUID], 1, [DASHED]).verdict == "inclusive"
    pages: list[list[str | None] | int | None] = [["c"], ["a"], [], ["z"], [None], None, 400, 404, 403, 500]
    verdicts = "seek start nothing unknown unknown unreadable bad_request not_found refused refused"
    assert " ".join(checks.unknown_begin(LISTED, 1, page).verdict for page in pages) == verdicts
    for few, words in ((["a"], "1 room"), ([], "0 rooms")):
        assert checks.unknown_begin(few, None, None).evidence == f"too few to tell: {words}"


def test_lengths_of_pages_show_what_limits_them() -> None:
    cases: list[tuple[int, list[Any], int, Any]] = [
        *((1000, [(20, 20)], 1000, ("none", "no")), (1000, [(20, 19), (20, 20)], 1000, ("none", "yes"))),
        *((1000, [], 1000, ("none", "unknown")), (999, [(20, 20)], 999, ("unknown", "no"))),
        *((50, [(20, 20)], 120, ("unknown", "no")), (50, [(20, 20), (1000, 50)], 120, ("50", "no"))),
        *((50, [(20, 20), (1000, odd)], 120, ("unknown", "yes")) for odd in (49, 51)),
        *((50, [], 51, ("unknown", "unknown")), (7, [(20, 7)], 30, ("7", "no"))),
        *((7, [(7, 7)], 30, ("unknown", "no")), (30, [(20, 7)], 30, ("unknown", "yes"))),
        *((1001, [], 1001, ("ignored", "unknown")), (30, [(20, 30)], 30, ("ignored", "unknown"))),
        (0, [], 0, ("unknown", "unknown")),
    ]
    for first, pages, count, verdicts in cases:
        sizes = [PageSize(*page) for page in [(1000, first), *pages]]
        found = checks.page_sizes(sizes, is_whole=first == count < 1000, count=count)
        assert tuple(each.verdict for each in found) == verdicts


def test_rooms_show_their_order() -> None:
    usual: dict[str, Any] = {"team_uuid": "t", "is_record": False, "is_ban": False, "limit": 0}
    cases: list[tuple[str, str, tuple[int, ...]]] = [
        *(("uuid", "abc", (2, 0, 1)), ("uuid", "abc", (0, 0, 0)), ("creation", "bac", (0, 1, 1))),
        *(("uuid or creation", "abc", (0, 1, 1)), ("unknown", "a", (0,))),
        *(("other", "bac", (0, 0, 0)), ("other", "cba", (2, 1, 0)), ("other", "aab", (1, 0, 2))),
    ]
    for verdict, uuids, days in cases:
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


def test_first_pages_show_whether_regions_are_apart() -> None:
    cases: list[tuple[Any, Any, str, str]] = [
        (["a"], {"sg": ["a", "b"], "eu": ["a"]}, "apart", "the same rooms in eu; other rooms in sg"),
        (["a", "b"], {"sg": [], "eu": 403}, "apart", "none in sg; no list in eu"),
        ([], {"sg": ["a"], "eu": []}, "apart", "no rooms in us-sv; other rooms in sg; none in eu"),
        ([], {"sg": [], "eu": None}, "unknown", "no rooms in us-sv; none in sg; no list in eu"),
        ([None], {"sg": [None]}, "apart", "other rooms in sg"),
        (503, {"sg": ["a"]}, "apart", "no rooms in us-sv; other rooms in sg"),
    ]
    for own, others, verdict, evidence in cases:
        found = checks.regions(own, "us-sv", others)
        assert (found.verdict, found.evidence) == (verdict, evidence)


def test_a_token_shows_what_it_may_do() -> None:
    for role, end, can_renew, seen, means in [
        (Role.ADMIN, None, False, "admin that never expires", "it may make all calls"),
        (Role.WRITER, NEW_YEAR, False, "writer that expires at 2025-01-01 00:00:00 UTC", "not disable or enable"),
        (Role.WRITER, None, True, "writer that never expires", "other calls get their own"),
    ]:
        info = TokenInfo(kind=TokenKind.SDK, access_key="a", role=role, uuid=None, expires_at=end, nonce="n")
        found = checks.token(info, can_renew=can_renew)
        assert (found.verdict, found.evidence) == (f"sdk {seen.split()[0]}", f"sdk {seen}")
        assert means in found.meaning
