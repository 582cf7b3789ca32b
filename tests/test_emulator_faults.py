"""Faults: what the application sends, what a client in process sees, the queue, and wrong arguments."""

import copy
import json
import pickle
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, field

from http_clients import CLIENTS
from netless_rooms.emulator import (
    BadRoom,
    Closed,
    Cut,
    Emulator,
    Failure,
    Fault,
    GatewayPage,
    Hang,
    NoFault,
    Quirks,
    Slow,
)
from netless_rooms.emulator.faults import parse_fault
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

    async def take(self, message: Mapping[str, Any]) -> None:
        self.times.append(anyio.current_time())
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            assert len(self.headers) == len(message["headers"])
        else:
            self.pieces.append(message["body"])
            self.ended = not message.get("more_body", False)


async def play(emulator: Emulator, method: str, path: str, body: bytes, leaves: bool, scope: Any) -> Played:
    """Ask under a server that cannot close a connection; a client that leaves does so at once."""
    played, asked = Played(), [{"type": "http.request", "body": b""}, {"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if not asked and not leaves:
            await anyio.sleep_forever()
        return asked.pop() if asked else {"type": "http.disconnect"}

    headers = [(b"token", emulator.token().encode()), (b"region", b"sg")]
    request = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    with anyio.move_on_after(600):
        try:
            await emulator.app(request | scope, receive, played.take)
        except Exception as error:
            played.raised = str(error)
        return played
    played.raised = "nothing for ten minutes"
    return played


def played(
    emulator: Emulator,
    method: str = "GET",
    path: str = "/v5/rooms",
    *,
    body: bytes = b"{}",
    leaves: bool = False,
    loop: str = "asyncio",
    **scope: Any,
) -> Played:
    """Return what the application sends to one request, on a clock that nobody waits for."""
    return VirtualTime().run(loop, play, emulator, method, path, body, leaves, scope)


def statuses(emulator: Emulator) -> list[int | None]:
    return [request.status for request in emulator.requests]


# What the application sends

NOT_FOUND: Final = b'{"message":"room not found"}'
LATE: Final = b'{"message":"late"}'
CUT: Final = "peer closed connection without sending complete message body (received {} bytes, expected 28)"
HTTP_DATE: Final = "Wed, 21 Oct 2015 07:28:00 GMT"
MOMENT: Final = datetime(2015, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fault", "pieces", "retry_after"),
    [
        (NoFault(), [NOT_FOUND], None),
        (Failure(429), [b'{"message":"Too Many Requests"}'], None),
        (Failure(599), [b'{"message":"Unknown"}'], None),
        (Failure(500, ""), [b'{"message":""}'], None),
        (Failure(503, "late", 0), [LATE], "0"),
        (Failure(503, "late", 120), [LATE], "120"),
        (Failure(503, "late", 0.05), [LATE], "0.05"),
        (Failure(503, "late", 2.0), [LATE], "2"),
        (Failure(503, "late", "soon"), [LATE], "soon"),
        (Failure(503, "late", ""), [LATE], ""),
        (Failure(503, "late", MOMENT), [LATE], HTTP_DATE),
        (Failure(503, "late", MOMENT.astimezone(timezone(timedelta(hours=2)))), [LATE], HTTP_DATE),
        (Slow(10, 1), [NOT_FOUND], None),
        (Slow(10, 3), [NOT_FOUND[:9], NOT_FOUND[9:18], NOT_FOUND[18:]], None),
        (Slow(0, 99), [bytes([byte]) for byte in NOT_FOUND], None),
        (Cut(0), [b""], None),
        (Cut(), [b"{"], None),
        (Cut(5), [b'{"mes'], None),
        (Cut(28), [NOT_FOUND[:-1]], None),
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
    length, sent = len(NOT_FOUND if isinstance(fault, Cut) else b"".join(pieces)), len(b"".join(pieces))
    assert answer.headers == {
        "content-type": "application/json",
        "date": "Sun, 13 Sep 2020 12:26:40 GMT",
        "vary": answer.headers["vary"],
        "content-length": str(length),
    } | ({} if retry_after is None else {"retry-after": retry_after})
    pause = fault.pause if isinstance(fault, Slow) else 0
    assert [moment - answer.times[0] for moment in answer.times] == [pause * i for i in range(len(pieces) + 1)]
    assert (answer.pieces, answer.ended, answer.raised) == (
        (pieces, False, CUT.format(sent)) if isinstance(fault, Cut) else (pieces, True, "")
    )
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


@pytest.mark.parametrize("scope", [{}, {"state": {}}], ids=["no state", "empty state"])
def test_a_close_raises_where_the_server_cannot_close(scope: dict[str, Any]) -> None:
    emulator = Emulator(faults=[Closed()])
    answer = played(emulator, **scope)
    assert (answer.status, answer.raised) == (None, "Server disconnected without sending a response.")
    assert statuses(emulator) == [None]


@on_both_loops
def test_silence_lasts_until_the_client_leaves(anyio_backend: str) -> None:
    emulator = Emulator(faults=[Hang(), Hang(), Slow(60)])
    assert played(emulator, loop=anyio_backend) == Played(raised="nothing for ten minutes")
    assert played(emulator, loop=anyio_backend, leaves=True) == Played()
    slow = played(emulator, loop=anyio_backend, leaves=True)
    assert (slow.status, slow.pieces, slow.raised) == (200, [], "")


BAD_ROOMS: list[tuple[BadRoom, Callable[[dict[str, Any], dict[str, Any]], list[Any]]]] = [
    (BadRoom(isBan="perhaps", colour=None), lambda one, two: [one | {"isBan": "perhaps", "colour": None}, two]),
    (BadRoom(1, uuid=..., x=...), lambda one, two: [one, {key: two[key] for key in two if key != "uuid"}]),
    (BadRoom(-2, limit=-1), lambda one, two: [one | {"limit": -1}, two]),
    (BadRoom(2, limit=-1), lambda one, two: [one, two]),
    (BadRoom(-3, limit=-1), lambda one, two: [one, two]),
]


@pytest.mark.parametrize(("fault", "listed"), BAD_ROOMS)
def test_a_bad_room_of_a_page_changes_nothing_else(fault: BadRoom, listed: Callable[..., list[Any]]) -> None:
    emulator = Emulator(rooms=2, quirks=Quirks(envelope=True), faults=[fault])
    rooms = [emulator.room(uuid) for uuid in emulator.uuids()]
    expected = json.dumps(listed(*rooms), ensure_ascii=False, separators=(",", ":")).encode()
    assert played(emulator).pieces == [b'{"status":200,"body":%b}' % expected]
    assert [emulator.room(uuid) for uuid in emulator.uuids()] == rooms


def test_a_bad_room_is_good_in_the_service() -> None:
    emulator = Emulator(rooms=1, faults=[BadRoom(isBan="no"), BadRoom(-1, uuid=5), BadRoom(1, limit=...)])
    uuid = next(emulator.uuids())
    before, path = emulator.room(uuid), f"/v5/rooms/{uuid}"
    changed = played(emulator, "PATCH", path, body=b'{"isBan":true}')
    created, got = played(emulator, "POST"), played(emulator, "GET", path)
    assert json.loads(changed.pieces[0]) == before | {"isBan": "no"}
    assert json.loads(created.pieces[0])["uuid"] == 5
    assert json.loads(got.pieces[0]) == emulator.room(uuid) == before | {"isBan": True}
    assert (emulator.room_count, emulator.faults) == (2, [])


MAKERS: list[tuple[Any, int | None]] = [
    (partial(Failure, 503), 503),
    (GatewayPage, 502),
    (Closed, None),
    (Hang, None),
]


@pytest.mark.parametrize(
    ("fault", "status", "count"),
    [
        *((fault, 201, 1) for fault in (NoFault(), Cut(), Slow(1), BadRoom(limit=1))),
        *((make(), status, 0) for make, status in MAKERS),
        *((make(work_done=True), status, 1) for make, status in MAKERS),
    ],
    ids=repr,
)
def test_the_work_is_done_where_its_answer_is_sent_or_it_is_asked_for(
    fault: Fault, status: int | None, count: int
) -> None:
    emulator = Emulator(faults=[fault])
    played(emulator, "POST")
    assert (fault.work_done, statuses(emulator), emulator.room_count) == (count == 1, [status], count)


# What a client in process sees


@pytest.mark.parametrize("library", ["httpx", *exhaustive(["httpx2"])])
@pytest.mark.parametrize(
    ("fault", "seen", "seconds"),
    [
        (Closed(), "RemoteProtocolError('Server disconnected without sending a response.')", 0),
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


# The queue


def test_each_request_takes_the_first_entry_that_is_for_it() -> None:
    given = [Failure(500, on="set-ban"), Failure(501, on="list"), None, Failure(502), Closed(on="create"), None]
    emulator = Emulator(faults=given)
    for method, path, left in [
        ("GET", "/v5/rooms", 5),
        ("GET", "/v5/rooms", 4),
        ("PATCH", "/v5/rooms/none", 3),
        ("PATCH", "/v5/rooms/none", 2),
        ("DELETE", "/v5/rooms", 1),
        ("GET", "/v5/rooms/none", 1),
        ("PUT", "/nowhere", 1),
        ("POST", "/v5/rooms", 0),
        ("POST", "/v5/rooms", 0),
    ]:
        played(emulator, method, path)
        assert len(emulator.faults) == left
    assert statuses(emulator) == [501, 200, 500, 502, 405, 404, 404, None, 201]
    assert len(given) == 6
    emulator.faults += [NoFault(on="list"), Failure(429, on="list")]
    played(emulator, headers=[])
    played(emulator, headers=[])
    assert statuses(emulator)[-2:] == [401, 429]


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Closed(), r"several, as in faults=\[Closed\(\)\], not Closed"),
        ([Closed], r"such as Closed\(\), not the class Closed"),
        ([None, 503], r"such as Closed\(\), not int"),
    ],
)
def test_a_queue_of_anything_else_is_refused(faults: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Emulator(faults=faults)


def test_faults_and_rooms_are_counted_once_whichever_thread_asks() -> None:
    emulator = Emulator(clock=lambda: 0.0, faults=iter([Failure(503), None] * 20))

    def ask() -> None:
        for _ in range(10):
            played(emulator, "POST")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that two threads meet where nothing keeps them apart
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(map(str, statuses(emulator))) == ["201"] * 20 + ["503"] * 20
    assert (emulator.faults, emulator.room_count, len(set(emulator.uuids()))) == ([], 20, 20)


# What a fault is made with


@pytest.mark.parametrize(
    "fault",
    [
        NoFault(on="get"),
        Failure(400, "later", 0, on="create"),
        Failure(599, retry_after=MOMENT),
        GatewayPage(200, on="list"),
        GatewayPage(400),
        GatewayPage(599),
        Closed(work_done=True),
        Cut(0),
        Slow(0, 1),
        Hang(on="set-ban"),
        BadRoom(1, isBan=[], limit=...),
    ],
    ids=repr,
)
def test_a_fault_is_a_value(fault: Fault) -> None:
    assert pickle.loads(pickle.dumps(fault)) == copy.deepcopy(fault) == fault  # noqa: S301  it is ours
    assert hash(copy.copy(fault)) == hash(fault)
    with pytest.raises(AttributeError):
        fault.on = None  # type: ignore[misc]  # that is the point


made: Any = partial  # not typed, since nearly every argument below is wrong

WRONG: list[tuple[Callable[..., object], type[Exception], str]] = [
    (made(Failure, 399), ValueError, "status must be an int from 400 to 599, not 399"),
    (made(Failure, 600), ValueError, "status must be an int from 400 to 599, not 600"),
    (made(Failure, "503"), TypeError, "status must be an int from 400 to 599, not str"),
    (made(Failure, 503, b"no"), TypeError, "message must be a str or None, not bytes"),
    (
        made(Failure, 503, retry_after=-1),
        ValueError,
        "printable ASCII, not -1",
    ),
    (
        made(Failure, 503, retry_after=float("nan")),
        ValueError,
        "printable ASCII, not nan",
    ),
    (
        made(Failure, 503, retry_after=True),
        TypeError,
        "printable ASCII, not bool",
    ),
    (
        made(Failure, 503, retry_after=[]),
        TypeError,
        "printable ASCII, not list",
    ),
    (made(Failure, 503, retry_after="1\r\n2"), ValueError, r"printable ASCII, not '1\\r\\n2'"),
    (made(Failure, 503, retry_after=" 1"), ValueError, "printable ASCII, not ' 1'"),
    (made(Failure, 503, retry_after="\u00e9"), ValueError, "printable ASCII, not '\u00e9'"),
    (made(Failure, 503, retry_after=datetime(2030, 1, 1)), ValueError, "an aware datetime"),  # noqa: DTZ001
    (made(Failure, 503, work_done=1), TypeError, "work_done must be a bool, not int"),
    (
        made(Failure, 503, on="walk"),
        ValueError,
        "'set-ban', 'sdk-token', 'room-token' or None, not 'walk'",
    ),
    (made(GatewayPage, 399), ValueError, "status must be 200 or an int from 400 to 599, not 399"),
    (made(GatewayPage, 600), ValueError, "status must be 200 or an int from 400 to 599, not 600"),
    (made(GatewayPage, 200.0), TypeError, "status must be 200 or an int from 400 to 599, not float"),
    (made(GatewayPage, work_done=None), TypeError, "work_done must be a bool, not NoneType"),
    (made(Closed, work_done="no"), TypeError, "work_done must be a bool, not str"),
    (made(Closed, True), TypeError, "positional"),
    (made(Cut, -1), ValueError, "after must be an int from 0, not -1"),
    (made(Cut, 0.5), TypeError, "after must be an int from 0, not float"),
    (made(Slow, float("inf")), ValueError, "pause must be a number of seconds, finite and not negative, not inf"),
    (made(Slow, "1"), TypeError, "pause must be a number of seconds, finite and not negative, not str"),
    (made(Slow, 1, 0), ValueError, "pieces must be an int from 1, not 0"),
    (made(Slow, 1, True), TypeError, "pieces must be an int from 1, not bool"),
    (made(Hang, work_done=0), TypeError, "work_done must be a bool, not int"),
    (made(BadRoom), ValueError, "needs a member to change"),
    (made(BadRoom, "0", isBan=1), TypeError, "index must be an int, not str"),
    (made(BadRoom, limit=float("nan")), ValueError, "not JSON compliant"),
    (made(BadRoom, name="\ud800"), ValueError, "surrogates not allowed"),
    (made(BadRoom, name={1}), TypeError, "not JSON serializable"),
    (made(BadRoom, created_at=7), ValueError, "names of the service: createdAt, not created_at"),
]


@pytest.mark.parametrize(("make", "kind", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_a_wrong_argument_is_refused_where_it_stands(
    make: Callable[..., object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        make()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Failure=503", Failure(503)),
        ('Failure=429,message=slow, please,retry_after="2",on=list', Failure(429, "slow, please", "2", on="list")),
        ("Slow=0.5,pieces=2", Slow(0.5, 2)),
        ("Closed,work_done=true,on=create", Closed(work_done=True, on="create")),
        ("BadRoom=-1,isBan=perhaps,limit=...", BadRoom(-1, isBan="perhaps", limit=...)),
        ("NoFault", NoFault()),
    ],
)
def test_a_fault_is_read_from_text(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", ValueError, "a fault is one of NoFault, Failure, .*, such as Failure=503,on=list"),
        ("Failure", TypeError, "required positional argument: 'status'"),
        ("Cut=9,before=1", TypeError, "unexpected keyword argument 'before'"),
        ("Cut=many", TypeError, "after must be an int from 0, not str"),
    ],
)
def test_a_text_that_names_no_fault_is_refused(text: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        parse_fault(text)
