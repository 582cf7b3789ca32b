"""The emulator's ASGI application: what it sends, with and without faults, and wrong arguments of faults."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from math import inf, nan
from typing import Any, Final

import anyio
import httpx
import pytest
from attrs import define, field
from starlette.applications import Starlette
from starlette.routing import Mount

from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, GatewayPage, Hang, Quirks, Slow
from netless_rooms.emulator.faults import Fault, NoFault, parse_fault
from selection import on_both_loops
from virtual_time import VirtualTime


@define
class Played:  # what the application sends to one request, and when
    status: int | None = None
    headers: dict[str, str] = field(factory=dict)
    pieces: list[bytes] = field(factory=list)
    ended: bool = False
    raised: str = ""
    times: list[float] = field(factory=list)


async def play(emulator: Emulator, method: str, path: str, messages: Any, leaves: bool, scope: Any) -> Played:
    """Ask under a server that cannot close a connection; a client that leaves does so at once."""
    played = Played(raised="nothing for ten minutes")

    async def receive() -> Any:
        if not messages and not leaves:
            await anyio.sleep_forever()
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        played.times.append(anyio.current_time())
        if message["type"] == "http.response.start":
            played.status = message["status"]
            played.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            assert len(played.headers) == len(message["headers"])
        else:
            played.pieces.append(message["body"])
            played.ended = not message.get("more_body", False)

    headers = [(b"token", emulator.token().encode()), (b"region", b"sg")]
    request = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    with anyio.move_on_after(600):
        try:
            await emulator.app(request | scope, receive, send)
            played.raised = ""
        except Exception as error:
            played.raised = str(error)
    return played


def played(emulator: Emulator, method: str = "GET", path: str = "/v5/rooms", **asked: Any) -> Played:
    """Return what the application sends to one request, on a clock that nobody waits for."""
    loop, body, leaves = asked.pop("loop", "asyncio"), asked.pop("body", b"{}"), asked.pop("leaves", False)
    messages = asked.pop("messages", [{"type": "http.request", "body": body}])
    return VirtualTime().run(loop, play, emulator, method, path, messages, leaves, asked)


def statuses(emulator: Emulator) -> list[int | None]:
    return [request.status for request in emulator.requests]


NOT_FOUND: Final = b'{"message":"room not found"}'
CUT: Final = "peer closed connection without sending complete message body (received {} bytes, expected 28)"
MOMENT: Final = datetime(2015, 10, 21, 9, 28, tzinfo=timezone(timedelta(hours=2)))
RETRY_AFTER: dict[Any, str] = {0: "0", 120: "120", 0.05: "0.05", "soon": "soon", "": ""}
RETRY_AFTER |= {MOMENT: "Wed, 21 Oct 2015 07:28:00 GMT"}
CUTS: dict[Fault, int] = {Cut(0): 0, Cut(): 1, Cut(5): 5, Cut(28): 27}
made: Any = partial  # not typed, since nearly every argument below is wrong
UNDONE: Final = (made(Failure, 503), GatewayPage, Closed, Hang)
NO_HEADERS: list[Any] = [-1, nan, MOMENT.replace(tzinfo=None), "1\r\n2", " 1", "é"]
WRONG: list[tuple[Callable[[Any], object], str, list[Any], list[Any]]] = [
    (Failure, "status must be an int from 400 to 599", [399, 600], ["503"]),
    (made(Failure, 503), "message must be a str or None", [], [b"no"]),
    (lambda it: Failure(503, retry_after=it), "printable ASCII", NO_HEADERS, [True, []]),
    (lambda it: Failure(503, on=it), "'set-ban', 'sdk-token', 'room-token' or None", ["walk"], []),
    (GatewayPage, "status must be 200 or an int from 400 to 599", [399, 600], [200.0]),
    (Cut, "after must be an int from 0", [-1], [0.5]),
    (Slow, "pause must be a number of seconds, finite and not negative", [inf], ["1"]),
    (made(Slow, 1), "pieces must be an int from 1", [0], [True]),
    (lambda it: BadRoom(it, isBan=1), "index must be an int", [], ["0"]),
]


@pytest.mark.parametrize(
    ("fault", "pieces", "retry_after"),
    [
        *((fault, [NOT_FOUND], None) for fault in (NoFault(), Slow(10, 1), BadRoom(limit=0))),
        (Failure(429), [b'{"message":"Too Many Requests"}'], None),
        *((Failure(599), [b'{"message":"Unknown"}'], None), (Failure(500, ""), [b'{"message":""}'], None)),
        *((Failure(503, "late", given), [b'{"message":"late"}'], sent) for given, sent in RETRY_AFTER.items()),
        (Slow(10, 3), [NOT_FOUND[:9], NOT_FOUND[9:18], NOT_FOUND[18:]], None),
        (Slow(0, 99), [bytes([byte]) for byte in NOT_FOUND], None),
        *((fault, [NOT_FOUND[:length]], None) for fault, length in CUTS.items()),
    ],
    ids=repr,
)
@on_both_loops
def test_a_fault_changes_what_it_is_about(fault: Fault, pieces: Any, retry_after: Any, anyio_backend: str) -> None:
    emulator = Emulator(clock=lambda: 1.6e9, faults=[fault])
    answer = played(emulator, path="/v5/rooms/none", loop=anyio_backend)
    cut, sent = isinstance(fault, Cut), len(b"".join(pieces))
    headers = {"content-type": "application/json", "date": "Sun, 13 Sep 2020 12:26:40 GMT"}
    headers |= {} if retry_after is None else {"retry-after": retry_after}
    assert answer.headers.pop("vary", "Origin") == "Origin"  # only a newer Starlette sends it
    assert answer.headers == headers | {"content-length": str(28 if cut else sent)}
    pause = fault.pause if isinstance(fault, Slow) else 0
    assert [moment - answer.times[0] for moment in answer.times] == [pause * i for i in range(len(pieces) + 1)]
    assert (answer.pieces, answer.ended, answer.raised) == (pieces, not cut, CUT.format(sent) if cut else "")
    assert statuses(emulator) == [answer.status] == [fault.status if isinstance(fault, Failure) else 404]
    assert emulator.faults == []


def test_a_gateways_page_is_html_and_only_the_service_has_an_envelope() -> None:
    pages = {"502 Bad Gateway": GatewayPage(), "200 OK": GatewayPage(200), "599 Unknown": GatewayPage(599)}
    emulator = Emulator(quirks=Quirks(envelope=True), faults=[*pages.values(), Failure(500, "no")])
    for title, fault in pages.items():
        answer = played(emulator)
        assert (answer.status, answer.headers["content-type"], answer.ended) == (fault.status, "text/html", True)
        assert answer.pieces[0].startswith(b"<html>")
        assert f"<h1>{title}</h1>".encode() in answer.pieces[0]
    assert played(emulator).pieces == [b'{"status":500,"body":{"message":"no"}}']


@on_both_loops
def test_a_close_raises_and_silence_lasts_until_the_client_leaves(anyio_backend: str) -> None:
    emulator = Emulator(faults=[Closed(), Closed(), Hang(), Hang(), Slow(60)])
    ask = partial(played, emulator, loop=anyio_backend)
    closed = Played(raised="Server disconnected without sending a response.")
    assert [ask(), ask(state={})] == [closed, closed]
    body = {"type": "http.request", "body": b"{}"}
    assert ask(messages=[{"type": "http.request"}, body]) == Played(raised="nothing for ten minutes")
    assert ask(leaves=True) == Played()
    slow = ask(leaves=True)
    assert (slow.status, slow.pieces, slow.raised) == (200, [], "")
    assert statuses(emulator) == [None] * 4 + [200]


def test_a_bad_room_changes_nothing_else_and_is_good_in_the_service() -> None:
    faults = [BadRoom(index, isBan="no", colour=None, uuid=..., x=...) for index in (0, 1, -2, 2, -3)]
    emulator = Emulator(rooms=2, quirks=Quirks(envelope=True), faults=[*faults, BadRoom(limit=7), BadRoom(uuid=5)])
    rooms = [emulator.room(uuid) for uuid in emulator.uuids()]
    for place in (0, 1, 0, None, None):
        listed = [dict(room) for room in rooms]
        if place is not None:
            listed[place] |= {"isBan": "no", "colour": None}
            del listed[place]["uuid"]
        expected = json.dumps(listed, separators=(",", ":")).encode()
        assert played(emulator).pieces == [b'{"status":200,"body":%b}' % expected]
        assert [emulator.room(uuid) for uuid in emulator.uuids()] == rooms
    path = f"/v5/rooms/{rooms[0]['uuid']}"
    calls: list[Any] = [("PATCH", path), ("POST",), ("GET", path)]
    asked = [played(emulator, *call, body=b'{"isBan":true}') for call in calls]
    bodies = [json.loads(answer.pieces[0])["body"] for answer in asked]
    assert bodies[0] == rooms[0] | {"isBan": True, "limit": 7}
    assert bodies[1]["uuid"] == 5
    assert bodies[2] == emulator.room(rooms[0]["uuid"]) == rooms[0] | {"isBan": True}
    assert (emulator.room_count, emulator.faults) == (3, [])


def test_the_work_is_done_where_its_answer_is_sent_or_it_is_asked_for() -> None:
    makers: dict[Any, int | None] = {partial(Failure, 503): 503, GatewayPage: 502, Closed: None, Hang: None}
    cases: list[Any] = [(fault, 201, 1) for fault in (NoFault(), Cut(), Slow(1), BadRoom(limit=1))]
    cases += [(make(), status, 0) for make, status in makers.items()]
    cases += [(make(work_done=True), status, 1) for make, status in makers.items()]
    for fault, status, count in cases:
        emulator = Emulator(faults=[fault])
        played(emulator, "POST")
        assert (fault.work_done, statuses(emulator), emulator.room_count) == (count == 1, [status], count), fault


def test_each_request_takes_the_first_entry_that_is_for_it() -> None:
    given = [Failure(500, on="set-ban"), Failure(501, on="list"), None, Failure(502), Closed(on="create"), None]
    emulator = Emulator(faults=given)
    calls = ["GET /v5/rooms"] * 2 + ["PATCH /v5/rooms/none"] * 2
    calls += ["DELETE /v5/rooms", "GET /v5/rooms/none", "PUT /nowhere", "POST /v5/rooms", "POST /v5/rooms"]
    for call, left in zip(calls, (5, 4, 3, 2, 1, 1, 1, 0, 0), strict=True):
        played(emulator, *call.split())
        assert len(emulator.faults) == left
    assert statuses(emulator) == [501, 200, 500, 502, 405, 404, 404, None, 201]
    assert len(given) == 6
    emulator.faults += [NoFault(on="list"), Failure(429, on="list")]
    played(emulator, headers=[])
    played(emulator, headers=[])
    assert statuses(emulator)[-2:] == [401, 429]


def test_faults_and_rooms_are_counted_once_whichever_thread_asks() -> None:
    emulator = Emulator(clock=lambda: 0.0, faults=iter([Failure(503), None] * 20))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that two threads meet where nothing keeps them apart
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: played(emulator, "POST"), range(40)))
    finally:
        sys.setswitchinterval(interval)
    assert sorted(map(str, statuses(emulator))) == ["201"] * 20 + ["503"] * 20
    assert (emulator.faults, emulator.room_count, len(set(emulator.uuids()))) == ([], 20, 20)


def test_a_fault_is_read_from_text_and_a_wrong_argument_refused() -> None:
    wrong: list[Any] = [
        (BadRoom, ValueError, "needs a member to change"),
        (made(BadRoom, limit=nan), ValueError, "not JSON compliant"),
        (made(BadRoom, created_at=7), ValueError, "names of the service: createdAt, not created_at"),
        (made(Closed, True), TypeError, "positional"),
        *((made(kind, work_done=0), TypeError, "work_done must be a bool, not int") for kind in UNDONE),
        (made(parse_fault, ""), ValueError, "a fault is one of NoFault, Failure, .*, such as Failure=503,on=list"),
        (made(parse_fault, "Failure"), ValueError, "required positional argument: 'status'"),
        (made(parse_fault, "Cut=9,before=1"), ValueError, "unexpected keyword argument 'before'"),
        (made(Emulator, faults=Closed()), TypeError, r"several, as in faults=\[Closed\(\)\], not Closed"),
        (made(Emulator, faults=[Closed]), TypeError, r"such as Closed\(\), not <class .*Closed"),
        (made(Emulator, faults=[None, 503]), TypeError, r"such as Closed\(\), not 503"),
    ]
    for make, rule, values, of_types in WRONG:
        wrong += [(made(make, value), ValueError, re.escape(f"{rule}, not {value!r}")) for value in values]
        kinds = [(value, type(value).__name__) for value in of_types]
        wrong += [(made(make, value), TypeError, re.escape(f"{rule}, not {kind}")) for value, kind in kinds]
    for make, error, words in wrong:
        with pytest.raises(error, match=words):
            make()
    text = 'Failure=429,message=slow, please,retry_after="2",on=list'
    assert parse_fault(text) == Failure(429, "slow, please", "2", on="list")
    assert parse_fault("Slow=0.5,pieces=2") == Slow(0.5, 2)
    assert parse_fault("Closed,work_done=true,on=create") == Closed(work_done=True, on="create")
    assert parse_fault("BadRoom=-1,isBan=perhaps,limit=...") == BadRoom(-1, isBan="perhaps", limit=...)
    assert parse_fault("NoFault") == NoFault()


def client_of(emulator: Emulator) -> httpx.AsyncClient:
    common = {"token": emulator.token(), "region": "sg"}
    return httpx.AsyncClient(transport=emulator.transport(), base_url="http://emulated", headers=common)


@pytest.mark.anyio
async def test_it_serves_below_a_path_of_another_application_too() -> None:
    emulator = Emulator(rooms=2)
    mounted = httpx.ASGITransport(Starlette(routes=[Mount("/below", emulator.app)]))
    async with client_of(emulator) as client:
        listed = (await client.get("/v5/rooms/", params={"limit": 1})).json()
    async with httpx.AsyncClient(transport=mounted, headers=client.headers) as client:
        assert (await client.get("http://emulated/below/v5/rooms?limit=1")).json() == listed
    assert [request.query for request in emulator.requests] == ["limit=1"] * 2


@pytest.mark.anyio
async def test_every_answer_has_its_type_and_once_the_time_of_the_clock_the_machines_until_replaced() -> None:
    """Rules: json, date."""
    emulator, before, now = Emulator(rooms=200), datetime.now(UTC).replace(microsecond=0), [1_610_952_989.9]
    async with client_of(emulator) as client:
        date = (await client.get("/v5/rooms")).headers["date"]
    assert before <= parsedate_to_datetime(date) <= datetime.now(UTC)
    emulator.clock = lambda: now[0]
    calls = {"GET /v5/rooms?limit=200": 200, "DELETE /v5/rooms": 405, "GET /nowhere": 404, "POST /v5/rooms": 201}
    async with client_of(emulator) as client:
        for date in ("Mon, 18 Jan 2021 06:56:29 GMT", "Mon, 18 Jan 2021 06:56:39 GMT"):
            for call, status in calls.items():
                answer = await client.request(*call.split())
                assert (answer.status_code, answer.headers.get_list("date")) == (status, [date])
                assert answer.headers.get_list("content-type") == ["application/json"]
                answer.json()
            now[0] += 10
        assert answer.json()["createdAt"] == "2021-01-18T06:56:39.900Z"
        assert (await client.delete("/v5/rooms")).headers["allow"] == "GET, POST"
        assert (await client.delete("/v5/rooms/none")).headers["allow"] == "GET, PATCH"


@pytest.mark.anyio
async def test_a_browser_page_of_any_origin_may_call() -> None:
    """Rule: cors."""
    emulator, origin = Emulator(faults=[None]), {"origin": "https://a.page"}
    asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "token,region"}
    async with client_of(emulator) as client:
        preflight = await client.options("/v5/rooms/a", headers=asked | origin)
        assert preflight.status_code == 200
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "token,region"
        assert (emulator.requests, emulator.faults) == ([], [None])
        assert (await client.get("/v5/rooms", headers=origin)).headers["access-control-allow-origin"] == "*"
        assert (await client.options("/v5/rooms/a", headers=asked)).status_code == 405
        assert "access-control-allow-origin" not in (await client.get("/v5/rooms")).headers
    assert emulator.faults == []


def test_a_long_or_late_body_and_an_odd_target_or_header_are_refused_and_a_client_that_leaves_ignored() -> None:
    """Rule: body-size."""
    emulator = Emulator()
    piece = {"type": "http.request", "body": b" " * 2**19, "more_body": True}
    assert played(emulator, "POST", messages=[piece], leaves=True) == Played()
    late = played(emulator, "POST", messages=[{"type": "http.request", "body": b"{}", "more_body": True}])
    assert (late.status, late.headers["connection"], late.times) == (408, "close", [10, 10])
    assert late.pieces == [b'{"message":"the body was not complete after 10 s"}']
    assert (emulator.requests, emulator.room_count) == ([], 0)
    answer = played(emulator, "POST", messages=[piece] * 33)  # of 16.5 MiB; more would not come
    assert (answer.status, answer.headers["connection"], statuses(emulator)) == (413, "close", [413])
    emulator = Emulator(clock=lambda: 0)
    answer = played(emulator, "OPTIONS", "*")
    assert (answer.status, answer.pieces) == (404, [b'{"message":"no such path"}'])
    assert answer.headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    for tokens in ([emulator.token().encode()] * 2, [b"NETLESSSDK_\xe9"]):
        answer = played(emulator, headers=[*((b"token", each) for each in tokens), (b"region", b"sg")])
        assert (answer.status, answer.pieces) == (401, [b'{"message":"invalid format of token"}'])
