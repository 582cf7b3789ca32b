"""What the command ``doctor`` finds out: the truth, under every reading of what nobody published."""

import json
from itertools import product
from typing import Any

import attrs
import httpx
import pytest

from fake_services import Service, World, hexes, in_turn
from fakes import ONCE, TOKEN, answer, room
from netless_rooms import AsyncRooms, RateLimitedError, Region, RetryPolicy, Role, StatusError, TransportError
from netless_rooms.cli.doctor import SWITCHES, USUAL, emulation
from netless_rooms.emulator import Emulator, Failure, Quirks
from netless_rooms.probes import MOST_PAGES, NOWHERE, examine
from shell import Shell

anyio_asks = pytest.mark.anyio

OPEN_QUESTIONS: dict[str, list[Any]] = {
    "cursor": ["inclusive", "exclusive"],
    "order": ["uuid", "creation"],
    "page_cap": [None, 2, 7, 50],
    "short_pages": [False, True],
    "unknown_begin": ["seek", "bad_request", "not_found"],
}
QUIRKS = [
    *(Quirks(**dict(zip(OPEN_QUESTIONS, answers, strict=True))) for answers in product(*OPEN_QUESTIONS.values())),
    Quirks(cursor="exclusive", page_cap=1),
    Quirks(envelope=True),
    Quirks(envelope=True, unknown_begin="not_found"),
    Quirks(regions="apart"),
    Quirks(regions="apart", cursor="exclusive", order="creation", page_cap=50, unknown_begin="bad_request"),
    Quirks(disabled="hidden"),
    Quirks(disabled="hidden", regions="apart", cursor="exclusive", short_pages=True),
]


async def asked(transport: httpx.AsyncBaseTransport, **options: Any) -> dict[str, str]:
    """Return the answers of the doctor."""
    async with httpx.AsyncClient(transport=transport) as client:
        usual: dict[str, Any] = {"token": TOKEN, "region": Region.US_SV, "retry": ONCE}
        found = await examine(AsyncRooms(client, **usual | options), lambda _: None)
    return {finding.name: finding.answer for finding in found}


async def asked_of(emulator: Emulator, **options: Any) -> dict[str, str]:
    return await asked(emulator.transport(), token=emulator.token(Role.WRITER), clock=emulator.clock, **options)


def expected(quirks: Quirks, *, count: int, sees_disabled: bool) -> dict[str, str]:
    """Return what can be known of a service with so many rooms, fewer than a thousand."""
    is_capped = quirks.page_cap is not None and quirks.page_cap < count and not quirks.short_pages
    return {
        "cursor": quirks.cursor,
        "order": quirks.order,
        "page_cap": str(quirks.page_cap) if is_capped else "unknown",
        "short_pages": "yes" if quirks.short_pages else "no",
        "unknown_begin": quirks.unknown_begin,
        "envelope": "yes" if quirks.envelope else "no",
        "regions": quirks.regions,
        "disabled": "listed" if quirks.disabled == "listed" and sees_disabled else "unknown",
    }


@anyio_asks
@pytest.mark.parametrize("quirks", QUIRKS, ids=repr)
async def test_the_truth_is_told_of_every_quirk_by_reading_only(quirks: Quirks) -> None:
    emulator = Emulator(rooms=130, quirks=quirks)
    found = await asked_of(emulator)
    sees_disabled = found["disabled"] == "listed"  # there are few, and only some rooms are looked at
    assert {name: found[name] for name in USUAL} == expected(quirks, count=130, sees_disabled=sees_disabled)
    assert found["walk"] == "works"
    splits = quirks.order == "uuid" and quirks.unknown_begin == "seek"
    assert found["shards"] == ("8" if splits else "line")
    assert {request.method for request in emulator.requests} == {"GET"}
    assert int(found["requests"]) == len(emulator.requests) < 3 * MOST_PAGES + 30


@anyio_asks
@pytest.mark.parametrize(("count", "cap"), [(999, "unknown"), (1000, "none"), (1001, "none"), (2500, "none")])
async def test_a_page_of_a_thousand_rooms_shows_that_there_is_no_cap(count: int, cap: str) -> None:
    found = await asked_of(Emulator(rooms=count))
    assert (found["page_cap"], found["short_pages"], found["disabled"]) == (cap, "no", "listed")


@anyio_asks
@pytest.mark.parametrize("cursor", ["inclusive", "exclusive"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 6, 7])
async def test_what_few_rooms_cannot_tell_is_unknown(cursor: Any, count: int) -> None:
    emulator = Emulator(rooms=count, quirks=Quirks(cursor=cursor))
    found = await asked_of(emulator)
    # From the only room on it comes again, or nothing does, which a cursor that is ignored would not do.
    assert found["cursor"] == (cursor if count > 1 or (count and cursor == "exclusive") else "unknown")
    assert found["order"] == ("uuid" if count > 2 else "unknown" if count < 2 else "uuid or creation")
    assert found["unknown_begin"] == ("seek" if count > 1 else "unknown")
    assert (found["page_cap"], found["short_pages"]) == ("unknown", "no" if count > 6 else "unknown")
    assert (found["failure"], found["walk"]) == ("404", "works")
    assert found["regions"] == ("shared" if count else "unknown")


# What the emulator has no quirk for


@anyio_asks
@pytest.mark.parametrize("is_inclusive", [True, False])
@pytest.mark.parametrize(
    ("unknown", "told"),
    [("seek", "seek"), ("empty", "nothing"), ("ignored", "start"), ("null", "unreadable"), (500, "refused")],
)
async def test_the_truth_is_told_of_what_a_begin_may_do_that_names_no_room(
    unknown: Any, told: str, is_inclusive: bool
) -> None:
    found = await asked(Service(World(hexes(70), inclusive=is_inclusive, unknown=unknown)))
    assert (found["unknown_begin"], found["cursor"]) == (told, "inclusive" if is_inclusive else "exclusive")
    assert found["shards"] == ("8" if unknown == "seek" else "line")


@anyio_asks
async def test_a_cursor_that_is_ignored_breaks_the_walk_and_is_told() -> None:
    uuids = hexes(70)
    found = await asked(Service(lambda _, limit: uuids[: min(limit, 25)]))
    assert (found["cursor"], found["walk"], found["shards"]) == ("ignored", "breaks", "line")
    assert (found["page_cap"], found["short_pages"]) == ("unknown", "unknown")


@anyio_asks
async def test_a_limit_that_is_ignored_is_told() -> None:
    uuids = hexes(70)
    found = await asked(Service(lambda begin, _: uuids[uuids.index(begin) :] if begin in uuids else uuids))
    assert (found["page_cap"], found["short_pages"]) == ("ignored", "unknown")


@anyio_asks
async def test_a_list_in_no_order_is_told() -> None:
    found = await asked(Service(World(hexes(70)[::-1])))
    assert (found["order"], found["walk"], found["shards"]) == ("other", "works", "line")


@anyio_asks
async def test_rooms_that_cannot_be_read_are_told_by_their_places_alone() -> None:
    uuids = hexes(70)
    service = Service(World(uuids, invalid={uuids[3]: {"isBan": "Rumpelstilzchen"}, uuids[69]: {"uuid": 7}}))
    async with httpx.AsyncClient(transport=service) as client:
        found = await examine(AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE), lambda _: None)
    fields = next(finding for finding in found if finding.name == "fields")
    assert (fields.answer, fields.seen) == ("unreadable", "of 70 rooms, 2 cannot be read: .isBan, .uuid")
    assert next(finding for finding in found if finding.name == "walk").answer == "breaks"
    assert "Rumpel" not in repr(found)


@anyio_asks
async def test_fields_that_are_new_are_named() -> None:
    emulator = Emulator()
    emulator.add_room(colour="red", hue="a")
    assert (await asked_of(emulator))["fields"] == "new"


@anyio_asks
@pytest.mark.parametrize(
    ("elsewhere", "told"),
    [
        (hexes(5), "shared"),
        (hexes(7)[1:], "apart"),
        ([], "apart"),
        (httpx.Response(403, json={}), "unknown"),
        (answer(None), "unknown"),
    ],
)
async def test_the_truth_is_told_of_other_regions(elsewhere: Any, told: str) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v5/rooms":
            return httpx.Response(404, json={"message": "no"})
        if request.headers["region"] == "eu" or not isinstance(elsewhere, list):
            world = World(hexes(5))
            said = world(request.url.params.get("beginUUID"), int(request.url.params["limit"]))
            return answer(said) if request.headers["region"] == "eu" else elsewhere
        return answer([room(uuid) for uuid in elsewhere])

    assert (await asked(httpx.MockTransport(answers), region="eu"))["regions"] == told


@anyio_asks
@pytest.mark.parametrize(
    ("got", "told"),
    [
        (httpx.Response(404, json={"message": "no"}), "404"),
        (httpx.Response(404, text="<html>"), "404"),
        (httpx.Response(400, json={"msg": "no"}), "400"),
        (answer(room()), "unknown"),
    ],
)
async def test_the_truth_is_told_of_a_room_that_there_is_not(got: httpx.Response, told: str) -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v5/rooms":
            return answer([])
        assert request.url.path == f"/v5/rooms/{NOWHERE}"
        return got

    assert (await asked(httpx.MockTransport(answers)))["failure"] == told


@anyio_asks
@pytest.mark.parametrize(
    ("off", "told"), [(0, "right"), (29, "right"), (-31, "behind"), (31, "ahead"), (86_400, "ahead")]
)
async def test_a_clock_that_is_off_is_told(off: float, told: str) -> None:
    emulator = Emulator(rooms=3)
    now = emulator.clock() // 1 + 0.5
    emulator.clock = lambda: now
    token = emulator.token(lifetime=None)
    found = await asked(emulator.transport(), token=token, clock=lambda: now + off)
    assert found["clock"] == told


@anyio_asks
async def test_headers_are_named_and_only_figures_of_limits_are_shown() -> None:
    headers = {"X-RateLimit-Limit": "600", "X-RateLimit-Scope": "alice", "X-Request-Id": "8231", "Via": TOKEN}

    def answers(request: httpx.Request) -> httpx.Response:
        listed = request.url.path == "/v5/rooms"
        return httpx.Response(200 if listed else 404, content=b"[]" if listed else b"", headers=headers)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as client:
        found = await examine(AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE), lambda _: None)
    told = next(finding for finding in found if finding.name == "headers")
    assert told.answer == "with limits"
    assert told.seen == "content-length, via, x-ratelimit-limit=600, x-ratelimit-scope, x-request-id"
    assert {finding.answer for finding in found if finding.name == "clock"} == {"unknown"}


@anyio_asks
async def test_a_flood_of_names_is_cut() -> None:
    emulator = Emulator()
    emulator.add_room(**{f"field{number:03}": TOKEN for number in range(500)}, **{TOKEN: 1})
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        found = await examine(AsyncRooms(client, token=emulator.key, region="sg"), lambda _: None)
    told = next(finding.seen for finding in found if finding.name == "fields")
    assert told.endswith("field018, and 481 more")
    assert TOKEN not in repr(found)


@anyio_asks
async def test_faults_that_pass_are_ridden_out() -> None:
    emulator = Emulator(rooms=130, faults=[Failure(503), None, Failure(500)] * 5)
    patience = RetryPolicy(first_wait=0, longest_wait=0)
    assert (await asked_of(emulator, retry=patience))["walk"] == "works"


@anyio_asks
@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.parametrize("at", [0, 1, 2, 5, 8, 9, 14, 17])
async def test_what_is_refused_for_another_reason_is_an_error_and_no_finding(at: int, status: int) -> None:
    emulator = Emulator(rooms=130, faults=[*[None] * at, Failure(status)])
    with pytest.raises(StatusError) as raised:
        await asked_of(emulator)
    assert raised.value.status == status


@anyio_asks
@pytest.mark.parametrize("fault", [Failure(403), Failure(503), Failure(404)])
async def test_a_region_that_serves_no_list_is_told(fault: Failure) -> None:
    emulator = Emulator(rooms=130)
    emulator.faults += [*[None] * 10, fault]
    found = await asked_of(emulator)
    assert found["regions"] == "shared"
    emulator.faults += [*[None] * 10, Failure(429)]
    with pytest.raises(RateLimitedError):
        await asked_of(emulator)


@anyio_asks
@pytest.mark.parametrize("region", ["us-sv", "eu"])
async def test_a_region_that_points_elsewhere_is_told_and_one_that_is_out_of_reach_is_an_error(
    region: str,
) -> None:
    world = World(hexes(7))
    lost = False

    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/v5/rooms":
            return httpx.Response(404)
        if request.headers["region"] == "sg":
            if lost:
                raise httpx.ReadError("gone")
            return httpx.Response(302, headers={"location": "https://elsewhere.example/"})
        return answer(world(request.url.params.get("beginUUID"), int(request.url.params["limit"])))

    transport = httpx.MockTransport(answers)
    assert (await asked(transport, region=region))["regions"] == "shared"
    lost = True
    with pytest.raises(TransportError):
        await asked(transport, region=region)


@anyio_asks
async def test_rooms_of_other_regions_are_told_where_there_are_none() -> None:
    found = await asked_of(Emulator(rooms=130, quirks=Quirks(regions="apart")), region="sg")
    assert (found["regions"], found["cursor"]) == ("apart", "unknown")


@anyio_asks
async def test_rooms_that_are_created_meanwhile_are_taken_for_no_region_and_no_cap() -> None:
    emulator = Emulator(rooms=4, quirks=Quirks(order="creation"))
    created = 0

    async def create(_: httpx.Request) -> None:
        nonlocal created
        created += 1
        emulator.add_room()

    async with httpx.AsyncClient(transport=emulator.transport(), event_hooks={"request": [create]}) as client:
        token = emulator.token(Role.WRITER)
        found = await examine(AsyncRooms(client, token=token, region="sg", retry=ONCE), lambda _: None)
    told = {finding.name: finding.answer for finding in found}
    assert (told["regions"], told["page_cap"], told["requests"]) == ("shared", "unknown", str(created))


@anyio_asks
async def test_uuids_that_cannot_be_read_are_told_as_the_reason() -> None:
    uuids = hexes(70)
    service = Service(World(uuids, invalid={uuid: {"uuid": 7} for uuid in uuids}))
    async with httpx.AsyncClient(transport=service) as client:
        found = await examine(AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE), lambda _: None)
    told = {finding.name: finding.seen for finding in found}
    assert told["cursor"] == told["unknown_begin"]
    assert "too few uuids can be read" in told["cursor"]
    assert told["disabled"] == "none of 0 rooms"


@anyio_asks
async def test_a_failure_that_looks_like_an_envelope_is_none() -> None:
    def answers(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v5/rooms":
            return answer([])
        return httpx.Response(404, json={"status": 404, "message": "no"})

    assert (await asked(httpx.MockTransport(answers)))["envelope"] == "no"


@anyio_asks
async def test_a_line_that_breaks_is_an_error_and_no_finding() -> None:
    with pytest.raises(TransportError):
        await asked(Service(in_turn(World(hexes(70)), None, None, httpx.ConnectError("gone"))))


# The command


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(rooms=130, quirks=Quirks(cursor="exclusive", page_cap=50, short_pages=False)))


def test_the_report_is_the_same_for_people_and_as_json(shell: Shell) -> None:
    found = [json.loads(line) for line in shell("doctor").out.splitlines()]
    printed = shell("doctor", "--format", "table").out
    table = " ".join(printed.split())
    *others, emulated = found
    for finding in others:
        if finding["name"] not in {"requests", "token"}:  # with figures of the moment
            assert all(told in table for told in finding.values())
    assert emulated["seen"] == "netless-rooms emulate --quirk cursor=exclusive --quirk page_cap=50"
    assert printed.splitlines()[-1] == emulated["seen"]


def test_the_report_shows_no_room_and_no_secret(shell: Shell) -> None:
    key, rooms = shell.emulator.key, [shell.emulator.room(uuid) for uuid in shell.emulator.uuids()]
    for format in ("table", "jsonl", "csv"):  # noqa: A001
        report = shell("doctor", "--format", format).out
        secrets = [key.access_key, key.secret_key, "NETLESSSDK_", *(room["uuid"] for room in rooms)]
        secrets += [room["teamUUID"] for room in rooms] + [room["name"] for room in rooms if room.get("name")]
        assert [secret for secret in secrets if secret in report] == []


@pytest.mark.parametrize("quirks", QUIRKS[::7], ids=repr)
def test_what_it_says_to_emulate_is_found_to_be_the_same_again(quirks: Quirks) -> None:
    def told(quirks: Quirks) -> list[Any]:
        return [
            (row["name"], row["answer"], row["seen"] if row["name"] == "emulate" else "")
            for row in map(json.loads, Shell(Emulator(rooms=130, quirks=quirks))("doctor").out.splitlines())
            if row["name"] in USUAL or row["name"] == "emulate"
        ]

    first = told(quirks)
    words = first[-1][2].split(" --quirk ")[1:]
    values: dict[str, Any] = {"true": True}
    again = {
        name: values.get(value, int(value) if value.isdecimal() else value)
        for name, value in (word.split("=") for word in words)
    }
    assert told(Quirks(**again)) == first


def test_a_list_that_cannot_be_walked_has_an_exit_code(shell: Shell) -> None:
    shell.transport = Service(lambda *_: hexes(70)[:25])
    ran = shell("doctor", "--format", "table")
    assert (ran.code, ran.err) == (6, "")
    assert "as usual, for want of an answer or of a switch, in cursor, page_cap" in ran.out


def test_a_token_that_may_not_list_is_refused_before_anything_is_asked(shell: Shell) -> None:
    del shell.environment["NETLESS_SECRET_KEY"], shell.environment["NETLESS_ACCESS_KEY"]
    shell.environment["NETLESS_TOKEN"] = shell.emulator.room_token("a")
    assert "a room token is for that room" in shell.fails(4, "doctor")
    assert shell.emulator.requests == []


@pytest.mark.parametrize(
    ("role", "answer", "means"),
    [(Role.ADMIN, "sdk admin", "may make all calls"), (Role.WRITER, "sdk writer", "neither disable nor enable")],
)
def test_what_the_token_may_do_is_told(role: Role, answer: str, means: str, shell: Shell) -> None:
    del shell.environment["NETLESS_SECRET_KEY"], shell.environment["NETLESS_ACCESS_KEY"]
    shell.environment["NETLESS_TOKEN"] = shell.emulator.token(role, lifetime=None)
    told = json.loads(shell("doctor").out.splitlines()[0])
    assert (told["answer"], told["seen"]) == (answer, "one of the project, which never ends")
    assert means in told["means"]


def test_progress_says_what_is_asked(shell: Shell) -> None:
    shell.terminals = frozenset({"stderr"})
    assert "asking" in shell("doctor").err


def test_every_switch_of_the_emulator_is_told_of() -> None:
    names = {each.name for each in attrs.fields(Quirks)}
    assert set(USUAL) == set(SWITCHES) == names
    assert emulation([]).seen == "netless-rooms emulate"
