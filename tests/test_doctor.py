"""The doctor reports the true behaviour of a service, under every reading of what is undocumented."""

import json
from itertools import product
from typing import Any

import attrs
import httpx
import pytest

from fake_services import Service, World, hexes, in_turn
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, Region, RetryPolicy, Role, StatusError, TransportError
from netless_rooms._doctor.checks import Finding
from netless_rooms._doctor.probes import MAX_PAGES, NO_ROOM, examine
from netless_rooms.cli.commands.doctor import QUIRKS as EMULATED
from netless_rooms.cli.commands.doctor import emulation
from netless_rooms.emulator import Emulator, Failure, Quirks
from selection import exhaustive
from shell import Shell

pytestmark = pytest.mark.anyio

QUIRKS = [
    Quirks(),
    Quirks(page_cap=7),
    Quirks(cursor="exclusive", page_cap=1),
    Quirks(cursor="exclusive", order="creation", page_cap=2, unknown_begin="bad_request"),
    Quirks(page_cap=50, short_pages=True),
    Quirks(envelope=True, unknown_begin="not_found"),
    Quirks(disabled="hidden", regions="apart", cursor="exclusive", short_pages=True),
]
ANSWERS = (["inclusive", "exclusive"], ["uuid", "creation"], [None, 2, 7, 50], [False, True])
BEGINS: list[Any] = ["seek", "bad_request", "not_found"]
NAMES = ("cursor", "order", "page_cap", "short_pages", "unknown_begin")
PRODUCT = [Quirks(**dict(zip(NAMES, each, strict=True))) for each in product(*ANSWERS, BEGINS)]


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


@pytest.mark.parametrize("quirks", [*QUIRKS, *exhaustive(PRODUCT)], ids=repr)
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


@pytest.mark.parametrize(("count", "cap"), [(999, "unknown"), (1000, "none"), (1001, "none")])
async def test_a_page_of_a_thousand_rooms_shows_that_there_is_no_cap(count: int, cap: str) -> None:
    emulator = Emulator(rooms=count)
    found = await answers_of(emulator)
    assert (found["page_cap"], found["short_pages"], found["disabled"]) == (cap, "no", "listed")
    # A full first page is enough of the list.
    assert emulator.requests[1].query.endswith("&limit=1000" if count < 1000 else "&limit=5")


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


# What the emulator has no quirk for

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


async def test_rooms_that_cannot_be_read_are_described_by_their_paths_alone() -> None:
    world = World(UUIDS, invalid={UUIDS[3]: {"isBan": "Rumpelstilzchen"}, UUIDS[69]: {"uuid": 7}})
    found = await found_of(Service(world))
    assert (found["fields"].verdict, found["walk"].verdict) == ("unreadable", "breaks")
    assert found["fields"].evidence == "2 of 70 rooms cannot be read: .isBan, .uuid"
    assert "Rumpel" not in repr(found)


async def test_a_room_whose_uuid_cannot_be_read_is_not_asked_from() -> None:
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


async def test_an_opaque_token_that_is_echoed_as_a_name_is_not_shown() -> None:
    opaque = "Opaque-6f1d9c27-Token"
    echo = httpx.Response(200, json=[room(UUIDS[0]) | {opaque: 1}], headers={opaque: "1"})
    found = await found_of(httpx.MockTransport(lambda _: echo), token=opaque)
    assert found["fields"].evidence.endswith(": NETLESS…")
    assert found["headers"].evidence.endswith(", NETLESS…")


async def test_other_regions_are_compared() -> None:
    service = Service(World(UUIDS))

    class Regions(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            is_ours = request.headers["region"] == "eu"
            return await service.handle_async_request(request) if is_ours else elsewhere

    for elsewhere, verdict in (
        (answer([room(uuid) for uuid in UUIDS[:5]]), "shared"),
        (answer([room(uuid) for uuid in UUIDS[1:6]]), "apart"),
        (httpx.Response(503), "unknown"),
        (answer(None), "unknown"),  # no list
        (httpx.Response(302, headers={"location": "https://elsewhere.example/"}), "unknown"),
    ):
        assert (await answers_of(Regions(), region="eu"))["regions"] == verdict, elsewhere


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
    for off, verdict in ((0, "right"), (29, "right"), (29.5, "ahead"), (-30, "right"), (-30.5, "behind")):
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


# Failures


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


# The command


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(rooms=130, quirks=Quirks(cursor="exclusive", page_cap=50, short_pages=False)))


def test_the_report_is_the_same_for_people_and_as_json(shell: Shell) -> None:
    *others, emulated = [json.loads(line) for line in shell("doctor").out.splitlines()]
    printed = shell("doctor", "--format", "table").out
    assert printed.count("\n\n") == 1
    for finding in others:
        if finding["question"] not in {"requests", "token"}:  # with figures of the moment
            assert all(words in " ".join(printed.split()) for words in finding.values())
    assert emulated["evidence"] == "netless-rooms emulate --quirk cursor=exclusive --quirk page_cap=50"
    assert printed.splitlines()[-1] == emulated["evidence"]


def test_the_report_shows_no_room_and_no_secret(shell: Shell) -> None:
    key, rooms = shell.emulator.key, [shell.emulator.room(uuid) for uuid in shell.emulator.uuids()]
    secrets = [key.access_key, key.secret_key, "NETLESSSDK_", *(room["uuid"] for room in rooms)]
    secrets += [room["teamUUID"] for room in rooms] + [room["name"] for room in rooms if room.get("name")]
    for format in ("table", "jsonl", "csv"):  # noqa: A001
        report = shell("doctor", "--format", format).out
        assert [secret for secret in secrets if secret in report] == []


@pytest.mark.parametrize("quirks", [QUIRKS[3], QUIRKS[5], *exhaustive(PRODUCT[::7])], ids=repr)
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


def test_every_quirk_of_the_emulator_is_covered() -> None:
    not_seen_by_reading = {"missing_region", "unknown_region", "record_default", "created_name"}
    names = {each.name for each in attrs.fields(Quirks)} - not_seen_by_reading
    assert set(EMULATED) == names
    assert emulation([]).evidence == "netless-rooms emulate"
