"""Faults: what the application sends, what a client in process sees, the queue, and wrong arguments."""

import copy
import json
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from math import inf, nan
from typing import Any, Final

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, field

from http_clients import CLIENTS
from netless_rooms.emulator import BadRoom, Closed, Cut, Emulator, Failure, GatewayPage, Hang, Quirks, Slow
from netless_rooms.emulator.faults import Fault, NoFault, parse_fault
from selection import exhaustive, on_both_loops
from virtual_time import VirtualTime


@define
class Played:
    """What the application sends to one request, and when."""

    status: int | None = None
    headers: dict[str, str] = field(factory=dict)
    pieces: list[bytes] = field(factory=list)
    ended: bool = False
    raised: str = ""
    times: list[float] = field(factory=list)


async def play(emulator: Emulator, method: str, path: str, body: bytes, leaves: bool, scope: Any) -> Played:
    """Ask under a server that cannot close a connection; a client that leaves does so at once."""
    played, asked = Played(raised="nothing for ten minutes"), [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if not asked and not leaves:
            await anyio.sleep_forever()
        return asked.pop() if asked else {"type": "http.disconnect"}

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
    return VirtualTime().run(loop, play, emulator, method, path, body, leaves, asked)


def statuses(emulator: Emulator) -> list[int | None]:
    return [request.status for request in emulator.requests]


NOT_FOUND: Final = b'{"message":"room not found"}'
CLOSED: Final = "Server disconnected without sending a response."
CUT: Final = "peer closed connection without sending complete message body (received {} bytes, expected 28)"
MOMENT: Final = datetime(2015, 10, 21, 9, 28, tzinfo=timezone(timedelta(hours=2)))
RETRY_AFTER: dict[Any, str] = {0: "0", 120: "120", 0.05: "0.05", "soon": "soon", "": ""}
RETRY_AFTER |= {MOMENT: "Wed, 21 Oct 2015 07:28:00 GMT"}
CUTS: dict[Fault, int] = {Cut(0): 0, Cut(): 1, Cut(5): 5, Cut(28): 27}


@pytest.mark.parametrize(
    ("fault", "pieces", "retry_after"),
    [
        (NoFault(), [NOT_FOUND], None),
        (Failure(429), [b'{"message":"Too Many Requests"}'], None),
        (Failure(599), [b'{"message":"Unknown"}'], None),
        (Failure(500, ""), [b'{"message":""}'], None),
        *((Failure(503, "late", given), [b'{"message":"late"}'], sent) for given, sent in RETRY_AFTER.items()),
        (Slow(10, 1), [NOT_FOUND], None),
        (Slow(10, 3), [NOT_FOUND[:9], NOT_FOUND[9:18], NOT_FOUND[18:]], None),
        (Slow(0, 99), [bytes([byte]) for byte in NOT_FOUND], None),
        *((fault, [NOT_FOUND[:length]], None) for fault, length in CUTS.items()),
        (BadRoom(limit=0), [NOT_FOUND], None),
    ],
    ids=repr,
)
@on_both_loops
def test_each_fault_changes_only_what_it_is_about(
    fault: Fault, pieces: list[bytes], retry_after: str | None, anyio_backend: str
) -> None:
    emulator = Emulator(clock=lambda: 1.6e9, faults=[fault])
    answer = played(emulator, path="/v5/rooms/none", loop=anyio_backend)
    cut, sent = isinstance(fault, Cut), len(b"".join(pieces))
    headers = {"content-type": "application/json", "date": "Sun, 13 Sep 2020 12:26:40 GMT"}
    headers |= {} if retry_after is None else {"retry-after": retry_after}
    assert answer.headers == headers | {"vary": "Origin", "content-length": str(28 if cut else sent)}
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
def test_a_close_raises_where_the_server_cannot_close_and_silence_lasts_until_the_client_leaves(
    anyio_backend: str,
) -> None:
    emulator, closed = Emulator(faults=[Closed(), Closed(), Hang(), Hang(), Slow(60)]), Played(raised=CLOSED)
    ask = partial(played, emulator, loop=anyio_backend)
    assert [ask(), ask(state={})] == [closed, closed]
    assert ask() == Played(raised="nothing for ten minutes")
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
    changed, created, got = (
        played(emulator, "PATCH", path, body=b'{"isBan":true}'),
        played(emulator, "POST"),
        played(emulator, "GET", path),
    )
    bodies = [json.loads(answer.pieces[0])["body"] for answer in (changed, created, got)]
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


@pytest.mark.parametrize("library", ["httpx", *exhaustive(["httpx2"])])
@pytest.mark.parametrize(
    ("fault", "seen", "seconds"),
    [
        (Closed(), f"RemoteProtocolError('{CLOSED}')", 0),
        (Cut(5), f"RemoteProtocolError('{CUT.format(5)}')", 0),
        (Hang(), "ReadTimeout('')", 30),
        (Slow(31, 2), "ReadTimeout('')", 30),
        (Slow(29, 2), "<Response [404 Not Found]>", 58),  # each piece restarts the read timeout
    ],
    ids=repr,
)
def test_a_broken_connection_is_the_librarys_own_error(
    library: str, fault: Fault, seen: str, seconds: float
) -> None:
    emulator, time = Emulator(faults=[fault]), VirtualTime()
    headers = {"token": emulator.token(), "region": "sg"}

    async def ask() -> Any:
        async with CLIENTS[library](transport=emulator.transport(), headers=headers, timeout=30) as client:
            try:
                return await client.get("http://emulated/v5/rooms/none")
            except Exception as error:
                return error

    answer = time.run("asyncio", ask)
    assert (repr(answer), time.now) == (seen, seconds)
    assert type(answer).__module__ == library


@pytest.mark.anyio
@on_both_loops
async def test_a_client_without_a_timeout_waits_until_it_is_cancelled() -> None:
    emulator = Emulator(faults=[Hang()])

    async def lose_patience() -> None:
        while not emulator.requests:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()

    client = httpx.AsyncClient(transport=emulator.transport(), timeout=None)  # noqa: S113  that is the point
    async with client, anyio.create_task_group() as group:
        group.start_soon(lose_patience)
        pytest.fail(f"answered with {await client.get('http://emulated/v5/rooms')}")
    assert statuses(emulator) == [None]


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


FAULTS = [NoFault(on="get"), Failure(400, "later", 0, on="create"), Failure(599, retry_after=MOMENT), Slow(0, 1)]
FAULTS += [GatewayPage(200, on="list"), GatewayPage(400), GatewayPage(599), Closed(work_done=True), Cut(0)]
FAULTS += [Hang(on="set-ban"), BadRoom(1, isBan=[], limit=...)]


def test_a_fault_is_a_value() -> None:
    for fault in FAULTS:
        assert pickle.loads(pickle.dumps(fault)) == copy.deepcopy(fault) == fault  # noqa: S301  it is ours
        assert hash(copy.copy(fault)) == hash(fault)
        with pytest.raises(AttributeError):
            fault.on = None  # type: ignore[misc]  # that is the point


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


def test_a_wrong_argument_is_refused() -> None:
    wrong: list[Any] = [
        (BadRoom, ValueError, "needs a member to change"),
        (made(BadRoom, limit=nan), ValueError, "not JSON compliant"),
        (made(BadRoom, created_at=7), ValueError, "names of the service: createdAt, not created_at"),
        (made(Closed, True), TypeError, "positional"),
        *((made(kind, work_done=0), TypeError, "work_done must be a bool, not int") for kind in UNDONE),
        (made(parse_fault, ""), ValueError, "a fault is one of NoFault, Failure, .*, such as Failure=503,on=list"),
        (made(parse_fault, "Failure"), TypeError, "required positional argument: 'status'"),
        (made(parse_fault, "Cut=9,before=1"), TypeError, "unexpected keyword argument 'before'"),
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


def test_a_fault_is_read_from_text() -> None:
    text = 'Failure=429,message=slow, please,retry_after="2",on=list'
    assert parse_fault(text) == Failure(429, "slow, please", "2", on="list")
    assert parse_fault("Slow=0.5,pieces=2") == Slow(0.5, 2)
    assert parse_fault("Closed,work_done=true,on=create") == Closed(work_done=True, on="create")
    assert parse_fault("BadRoom=-1,isBan=perhaps,limit=...") == BadRoom(-1, isBan="perhaps", limit=...)
    assert parse_fault("NoFault") == NoFault()
