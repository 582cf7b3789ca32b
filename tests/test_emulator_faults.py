"""Faults as values: what each makes of an answer, what it is made with, and the script; without an event loop."""

import copy
import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from netless_rooms.emulator import (
    Answer,
    Ask,
    BadRoom,
    Closed,
    Cut,
    Emulator,
    Failure,
    Fault,
    GatewayPage,
    Hang,
    NoFault,
    RecordedRequest,
    Slow,
)
from netless_rooms.emulator.access import Call
from netless_rooms.emulator.replies import Reply
from netless_rooms.emulator.script import NO_FAULT, take_fault

JSON = ("Content-Type", "application/json")
ROOM = {"uuid": "a", "isBan": False, "limit": 0}
GOOD = Answer(200, b'{"uuid":"a","isBan":false,"limit":0}')
PAGE = Answer(200, b'[{"uuid":"a","isBan":false,"limit":0},{"uuid":"b","isBan":false,"limit":0}]')
REFUSED = Answer(403, b'{"message":"no"}')

ONE_OF_EACH: list[Fault] = [
    NoFault(on="get"),
    Failure(503, "later", 2.5),
    GatewayPage(504, on="list"),
    Closed(work_done=True),
    Cut(7),
    Slow(0.1, 2),
    Hang(on="set-ban"),
    BadRoom(1, isBan=[], limit=...),
]


def reply_of(fault: Fault, answer: Answer) -> Reply:
    """What is sent with the fault, where ``answer`` is the truth; as the emulator goes about it."""
    return fault.sent(fault.said(answer if fault.work_done else None))


def body_of(fault: Fault, answer: Answer) -> Any:
    return json.loads(reply_of(fault, answer).body)


# What each makes of an answer


def test_no_fault_sends_the_answer_as_it_is() -> None:
    assert reply_of(NoFault(), GOOD) == Reply(status=200, headers=(JSON,), pieces=(GOOD.body,))
    assert NoFault().work_done


def test_a_failure_says_what_went_wrong_as_the_service_does() -> None:
    assert reply_of(Failure(429), GOOD) == Reply(
        status=429, headers=(JSON,), pieces=(b'{"message":"Too Many Requests"}',)
    )
    assert reply_of(Failure(500, "out of memory"), GOOD).body == b'{"message":"out of memory"}'
    assert reply_of(Failure(599), GOOD).body == b'{"message":"Unknown"}'
    assert reply_of(Failure(500, ""), GOOD).body == b'{"message":""}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (120, "120"),
        (0.05, "0.05"),
        (2.0, "2"),
        (10_000_000, "10000000"),
        ("soon", "soon"),
        ("-1", "-1"),
        ("", ""),
        (datetime(2015, 10, 21, 7, 28, tzinfo=UTC), "Wed, 21 Oct 2015 07:28:00 GMT"),
        (datetime(2015, 10, 21, 9, 28, tzinfo=timezone(timedelta(hours=2))), "Wed, 21 Oct 2015 07:28:00 GMT"),
    ],
)
def test_a_failure_tells_when_to_come_back(value: Any, text: str) -> None:
    assert reply_of(Failure(503, retry_after=value), GOOD).headers == (JSON, ("Retry-After", text))


def test_a_gateways_page_is_html() -> None:
    reply = reply_of(GatewayPage(504), GOOD)
    assert (reply.status, reply.headers, reply.end) == (504, (("Content-Type", "text/html"),), "complete")
    assert b"<h1>504 Gateway Timeout</h1>" in reply.body
    assert reply_of(GatewayPage(200), GOOD).status == 200
    assert reply_of(GatewayPage(), GOOD).status == 502


@pytest.mark.parametrize("work_done", [True, False])
def test_nothing_is_sent_before_a_close_or_a_hang(work_done: bool) -> None:
    assert reply_of(Closed(work_done=work_done), GOOD) == Reply(end="close")
    assert reply_of(Hang(work_done=work_done), GOOD) == Reply(end="hang")


@pytest.mark.parametrize(("after", "came"), [(0, b""), (1, b"{"), (5, b'{"mes'), (99, b'{"message":"no"')])
def test_a_cut_body_lacks_at_least_its_last_byte(after: int, came: bytes) -> None:
    assert reply_of(Cut(after), REFUSED) == Reply(
        status=403, headers=(JSON,), pieces=(came,), missing=16 - len(came), end="close"
    )
    assert Cut() == Cut(1)


@pytest.mark.parametrize(
    ("body", "count", "pieces"),
    [
        (b"[12345678]", 1, (b"[12345678]",)),
        (b"[12345678]", 3, (b"[12", b"345", b"678]")),
        (b"[]", 2, (b"[", b"]")),
        (b"[]", 100, (b"[", b"]")),
        (b"", 4, (b"",)),
    ],
)
def test_a_slow_body_comes_in_pieces_of_about_one_size(body: bytes, count: int, pieces: tuple[bytes, ...]) -> None:
    assert reply_of(Slow(0.5, count), Answer(200, body)) == Reply(
        status=200, headers=(JSON,), pieces=pieces, pause=0.5
    )


def test_a_bad_room_is_wrong_in_what_was_asked_for_and_right_in_the_rest() -> None:
    assert body_of(BadRoom(isBan="perhaps", colour=None), GOOD) == {**ROOM, "isBan": "perhaps", "colour": None}
    assert body_of(BadRoom(uuid=...), GOOD) == {"isBan": False, "limit": 0}
    assert body_of(BadRoom(1, limit=-1), PAGE) == [ROOM, {**ROOM, "uuid": "b", "limit": -1}]
    assert body_of(BadRoom(-2, limit=...), PAGE) == [{"uuid": "a", "isBan": False}, {**ROOM, "uuid": "b"}]
    assert body_of(BadRoom(never=...), PAGE) == json.loads(PAGE.body)


def test_a_bad_room_changes_no_character_of_the_rest() -> None:
    assert reply_of(BadRoom(1, isBan=True), PAGE).body == (
        b'[{"uuid":"a","isBan":false,"limit":0},{"uuid":"b","isBan":true,"limit":0}]'
    )


@pytest.mark.parametrize(
    ("index", "answer"), [(2, PAGE), (-3, PAGE), (1, GOOD), (0, REFUSED), (0, Answer(200, b"[]"))]
)
def test_an_answer_without_such_a_room_is_sent_as_it_is(index: int, answer: Answer) -> None:
    assert reply_of(BadRoom(index, isBan=None), answer) == Reply.of(answer)


def test_a_bad_room_without_an_answer_is_none() -> None:
    assert BadRoom(limit=0).said(None) is None


def test_only_faults_that_need_an_answer_do_the_work_unasked() -> None:
    assert {type(fault) for fault in ONE_OF_EACH if fault.work_done} == {NoFault, Closed, Cut, Slow, BadRoom}
    undecided: list[Callable[[bool], Fault]] = [
        lambda done: Failure(500, work_done=done),
        lambda done: GatewayPage(work_done=done),
        lambda done: Closed(work_done=done),
        lambda done: Hang(work_done=done),
    ]
    for made in undecided:
        assert (made(True).work_done, made(False).work_done) == (True, False)
        assert reply_of(made(True), GOOD) == reply_of(made(False), GOOD)


@pytest.mark.parametrize("fault", ONE_OF_EACH, ids=repr)
def test_a_fault_is_a_value(fault: Fault) -> None:
    assert pickle.loads(pickle.dumps(fault)) == copy.deepcopy(fault) == fault  # noqa: S301  it is ours
    assert hash(copy.copy(fault)) == hash(fault)
    with pytest.raises(AttributeError):
        fault.on = None  # type: ignore[misc]  # that is the point


# What it is made with

WRONG: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Failure(200), ValueError, "status must be 400 to 599, not 200"),
    (lambda: Failure(600), ValueError, "status must be 400 to 599, not 600"),
    (lambda: Failure("503"), TypeError, "status must be an int, not str"),  # type: ignore[arg-type]
    (lambda: Failure(503, b"no"), TypeError, "message must be a str or None, not bytes"),  # type: ignore[arg-type]
    (lambda: Failure(503, "\ud800"), ValueError, "surrogates not allowed"),
    (lambda: Failure(503, retry_after=-1), ValueError, "retry_after must be finite and not negative, not -1"),
    (lambda: Failure(503, retry_after=float("nan")), ValueError, "retry_after must be finite"),
    (lambda: Failure(503, retry_after=True), TypeError, "retry_after must be a number of seconds, not bool"),
    (lambda: Failure(503, retry_after=[]), TypeError, "must be a number of seconds, not list"),  # type: ignore[arg-type]
    (lambda: Failure(503, retry_after="1\r\n"), ValueError, r"cannot be sent as a header: '1\\r\\n'"),
    (lambda: Failure(503, retry_after=" 1"), ValueError, "cannot be sent as a header"),
    (lambda: Failure(503, retry_after="\u00e9"), ValueError, "cannot be sent as a header"),
    (lambda: Failure(503, retry_after=datetime(2030, 1, 1)), ValueError, "must be an aware datetime"),  # noqa: DTZ001
    (lambda: Failure(503, work_done=1), TypeError, "work_done must be a bool, not int"),  # type: ignore[arg-type]
    (lambda: Failure(503, on="walk"), ValueError, "on must be one of 'create', 'get', 'list', 'set-ban' or None"),  # type: ignore[arg-type]
    (lambda: GatewayPage(204), ValueError, "status must be 200 or 400 to 599, not 204"),
    (lambda: GatewayPage(302), ValueError, "status must be 200 or 400 to 599, not 302"),
    (lambda: GatewayPage(200.0), TypeError, "status must be an int, not float"),  # type: ignore[arg-type]
    (lambda: GatewayPage(work_done=None), TypeError, "work_done must be a bool"),  # type: ignore[arg-type]
    (lambda: Closed(work_done="no"), TypeError, "work_done must be a bool, not str"),  # type: ignore[arg-type]
    (lambda: Closed(True), TypeError, "positional"),  # type: ignore[arg-type, call-arg]
    (lambda: Cut(-1), ValueError, "after must not be negative, not -1"),
    (lambda: Cut(0.5), TypeError, "after must be an int, not float"),  # type: ignore[arg-type]
    (lambda: Slow(float("inf")), ValueError, "pause must be finite and not negative, not inf"),
    (lambda: Slow("1"), TypeError, "pause must be a number of seconds, not str"),  # type: ignore[arg-type]
    (lambda: Slow(1, 0), ValueError, "pieces must be at least 1, not 0"),
    (lambda: Slow(1, True), TypeError, "pieces must be an int, not bool"),
    (lambda: Hang(work_done=0), TypeError, "work_done must be a bool, not int"),  # type: ignore[arg-type]
    (lambda: BadRoom(), ValueError, "needs a member to change"),
    (lambda: BadRoom("0", isBan=1), TypeError, "index must be an int, not str"),  # type: ignore[arg-type]
    (lambda: BadRoom(limit=float("nan")), ValueError, "not JSON compliant"),
    (lambda: BadRoom(name="\ud800"), ValueError, "surrogates not allowed"),
    (lambda: BadRoom(name={1}), TypeError, "not JSON serializable"),
    (lambda: BadRoom(created_at=7), ValueError, "service's words: createdAt, not created_at"),
    (lambda: BadRoom(isBan=1, on="post"), ValueError, "on must be one of"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "kind", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_a_wrong_argument_is_refused_where_it_stands(
    make: Callable[[], object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        make()


# The script


def test_each_request_takes_the_first_entry_that_is_for_it() -> None:
    bans, lists, every = Failure(500, on="set-ban"), Cut(on="list"), Hang()
    script: list[Fault | None] = [bans, lists, None, every]
    assert take_fault(script, Call.LIST) is lists
    assert take_fault(script, Call.LIST) is NO_FAULT
    assert script == [bans, every]
    assert take_fault(script, Call.SET_BAN) is bans
    assert take_fault(script, Call.SET_BAN) is every
    assert take_fault(script, Call.SET_BAN) is NO_FAULT
    assert script == []


def test_what_is_for_another_call_stays() -> None:
    script: list[Fault | None] = [Closed(on="create"), NoFault(on="create"), Closed(on="create")]
    assert take_fault(script, Call.GET) is NO_FAULT
    assert take_fault(script, None) is NO_FAULT
    assert [take_fault(script, Call.CREATE) for _ in range(4)] == [
        Closed(on="create"),
        NoFault(on="create"),
        Closed(on="create"),
        NO_FAULT,
    ]


def test_what_is_none_of_the_calls_takes_what_is_for_any() -> None:
    script: list[Fault | None] = [Closed(on="get"), None, Hang()]
    assert [take_fault(script, None) for _ in range(3)] == [NO_FAULT, Hang(), NO_FAULT]
    assert script == [Closed(on="get")]


def test_the_script_is_a_list_of_the_emulators_own() -> None:
    given = [Closed(), None]
    emulator = Emulator(faults=given)
    assert emulator.faults == given
    emulator.faults.clear()
    assert given == [Closed(), None]
    assert Emulator(faults=(Hang() for _ in range(2))).faults == [Hang(), Hang()]
    assert Emulator().faults == []


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Closed(), r"several, as in faults=\[Closed\(\)\], not Closed"),
        (None, "several, .* not NoneType"),
        ([Closed], "such as Closed\\(\\), not the class Closed"),
        ([None, 503], "such as Closed\\(\\), not int"),
        ("503", "not str"),
    ],
)
def test_what_is_no_script_is_refused(faults: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        Emulator(faults=faults)


def test_asking_without_a_line_takes_nothing_from_the_script() -> None:
    emulator = Emulator(faults=[Closed()])
    ask = Ask(method="GET", path="/v5/rooms", headers={"token": emulator.token(), "region": "sg"})
    assert emulator.answer(ask).status == 200
    assert emulator.faults == [Closed()]


def test_a_record_without_a_status_shows_no_token_either() -> None:
    token = Emulator().token()
    record = RecordedRequest.of(Ask(method="GET", path=f"/{token}", query=token, headers={"token": token}), None)
    assert record.status is None
    assert token not in repr(record)
