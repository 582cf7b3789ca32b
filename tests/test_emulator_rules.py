"""The four calls and their bodies, rule by rule; the other rules stand in the other files of the emulator."""

import ast
import itertools
import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from netless_rooms.emulator import RULES, Answer, Ask, Emulator, Quirks

PAGE_MEMBERS = ["uuid", "teamUUID", "appUUID", "isRecord", "isBan", "createdAt", "limit"]


def ask(emulator: Emulator, method: str, path: str, *, body: object = b"", region: str | None = "sg") -> Answer:
    headers = {"token": emulator.token()} | ({} if region is None else {"region": region})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return emulator.answer(Ask(method=method, path=path, headers=headers, body=raw))


def refused(answer: Answer, status: int) -> bool:
    return answer.status == status and list(json.loads(answer.body)) == ["message"]


def test_every_rule_is_named_by_a_test_and_no_test_names_another() -> None:
    named: list[str] = []
    for path in Path(__file__).parent.glob("test_emulator_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for names in re.findall(r"^Rules?: (.*)\.$", ast.get_docstring(node) or "", re.MULTILINE):
                    named += names.split(", ")
    assert sorted(set(named)) == sorted(rule.name for rule in RULES)


def test_every_rule_has_one_name_and_a_sentence() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.text.endswith(".") and rule.status in {"documented", "assumed"} for rule in RULES)


def test_every_quirk_belongs_to_one_rule() -> None:
    quirks = [rule.quirk for rule in RULES if rule.quirk is not None]
    assert sorted(quirks) == sorted(Quirks.__annotations__)


def test_create_answers_with_the_new_room() -> None:
    """Rules: create, room-members."""
    emulator = Emulator(clock=lambda: 1_610_952_989.432)
    answer = ask(emulator, "POST", "/v5/rooms", body={"isRecord": True, "limit": 3})
    room = json.loads(answer.body)
    assert answer.status == 201
    assert list(room) == PAGE_MEMBERS
    assert (room["isRecord"], room["isBan"], room["limit"]) == (True, False, 3)
    assert room["createdAt"] == "2021-01-18T06:56:29.432Z"
    assert emulator.room(room["uuid"]) == room
    assert emulator.room_count == 1


def test_create_without_members_is_not_recorded_and_has_no_limit() -> None:
    """Rule: create-defaults."""
    room = json.loads(ask(Emulator(), "POST", "/v5/rooms", body={}).body)
    assert (room["isRecord"], room["limit"]) == (False, 0)


def test_created_rooms_have_version_1_uuids_of_their_time() -> None:
    """Rules: room-uuid, room-uuid-time."""
    emulator = Emulator(clock=lambda: 1_600_000_000.5)
    rooms = [json.loads(ask(emulator, "POST", "/v5/rooms", body={}).body) for _ in range(3)]
    uuids = [UUID(room["uuid"]) for room in rooms]
    assert [uuid.hex for uuid in uuids] == [room["uuid"] for room in rooms]
    assert {uuid.version for uuid in uuids} == {1}
    assert uuids[0].time < uuids[1].time < uuids[2].time
    assert {(uuid.time - 0x01B21DD213814000) // 10_000 for uuid in uuids} == {1_600_000_000_500}
    assert {room["createdAt"] for room in rooms} == {"2020-09-13T12:26:40.500Z"}


def test_created_uuids_go_on_when_the_clock_goes_back_or_a_uuid_is_taken() -> None:
    now = [1000.0]
    emulator = Emulator(clock=lambda: now[0])
    first = emulator.add_room()
    now[0] = 0.0
    second = emulator.add_room()
    assert UUID(first).time < UUID(second).time
    third = emulator.add_room()
    follower = Emulator(clock=lambda: 1000.0)
    follower.add_room(uuid=second)
    assert follower.add_room() == third


def test_get_answers_with_the_room() -> None:
    """Rule: get."""
    emulator = Emulator(rooms=20)
    for uuid in [*emulator.uuids(), emulator.add_room(colour="red")]:
        answer = ask(emulator, "GET", f"/v5/rooms/{uuid}")
        assert (answer.status, json.loads(answer.body)) == (200, emulator.room(uuid))


@pytest.mark.parametrize("made", ["generated", "created"])
def test_set_ban_answers_with_the_changed_room(made: str) -> None:
    """Rules: set-ban, set-ban-again."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids()) if made == "generated" else emulator.add_room(name="白板")
    before = emulator.room(uuid)
    for is_ban in (True, True, False, False, True):
        answer = ask(emulator, "PATCH", f"/v5/rooms/{uuid}", body={"isBan": is_ban})
        assert (answer.status, json.loads(answer.body)) == (201, before | {"isBan": is_ban})
        assert emulator.room(uuid)["isBan"] is is_ban


def test_a_room_that_is_disabled_from_the_start_can_be_enabled() -> None:
    emulator = Emulator(rooms=100)
    uuid = next(uuid for uuid in emulator.uuids() if emulator.room(uuid)["isBan"])
    ask(emulator, "PATCH", f"/v5/rooms/{uuid}", body={"isBan": False})
    assert emulator.room(uuid)["isBan"] is False
    assert sum(emulator.room(uuid)["isBan"] for uuid in emulator.uuids()) > 0


def test_failures_tell_their_reason() -> None:
    """Rule: failure-message."""
    answer = ask(Emulator(), "GET", "/v5/rooms/none")
    assert answer.body == b'{"message":"room not found"}'


def test_a_uuid_that_names_no_room_is_not_found() -> None:
    """Rule: no-room."""
    emulator = Emulator(rooms=3)
    uuid = next(emulator.uuids())
    for other in (
        "f" * 32,
        uuid[:-1],
        uuid.upper(),
        f"{uuid[:-1]}0",
        "-1",
        "+1234567",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ):
        assert refused(ask(emulator, "GET", f"/v5/rooms/{other}"), 404)
        assert refused(ask(emulator, "PATCH", f"/v5/rooms/{other}", body={"isBan": True}), 404)


@pytest.mark.parametrize(
    "path", ["/", "/v5", "/v4/rooms", "/v5/room", "/v5/rooms//", "/v5/rooms/a/", "/v5/rooms/a/b"]
)
def test_an_unknown_path_is_not_found_even_without_a_token(path: str) -> None:
    """Rule: no-path."""
    assert refused(Emulator().answer(Ask(method="GET", path=path)), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v5/rooms", ("GET", "POST")),
        ("PATCH", "/v5/rooms/", ("GET", "POST")),
        ("HEAD", "/v5/rooms/a", ("GET", "PATCH")),
        ("get", "/v5/rooms/a", ("GET", "PATCH")),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(method: str, path: str, allow: tuple[str, ...]) -> None:
    """Rule: no-method."""
    answer = Emulator().answer(Ask(method=method, path=path))
    assert refused(answer, 405)
    assert answer.allow == allow


@pytest.mark.parametrize("region", [None, "", "  "])
def test_a_request_without_a_region_is_refused(region: str | None) -> None:
    """Rule: region."""
    assert refused(ask(Emulator(), "GET", "/v5/rooms", region=region), 400)


def test_every_region_has_the_same_rooms() -> None:
    """Rules: region-any, region-same."""
    emulator = Emulator(rooms=5)
    bodies = {ask(emulator, "GET", "/v5/rooms", region=region).body for region in ("us-sv", "gb-lon", "moon")}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b'"{}"',
        b"{} {}",
        b'{"x":NaN}',
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"[" * 200_000,
        "{}".encode("utf-16"),
        b'{"limit":' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes) -> None:
    """Rules: body-object, refused-unchanged."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    before = emulator.room(uuid)
    assert refused(ask(emulator, "POST", "/v5/rooms", body=body), 400)
    assert refused(ask(emulator, "PATCH", f"/v5/rooms/{uuid}", body=body), 400)
    assert (emulator.room_count, emulator.room(uuid)) == (1, before)


@pytest.mark.parametrize(
    ("member", "wrong"),
    [
        *itertools.product(["isRecord"], [None, 0, 1, "true", []]),
        *itertools.product(["limit"], [None, -1, True, 1.0, "3", 2**53, []]),
    ],
)
def test_create_takes_the_documented_types_only(member: str, wrong: object) -> None:
    """Rule: body-exact."""
    emulator = Emulator()
    assert refused(ask(emulator, "POST", "/v5/rooms", body={member: wrong}), 400)
    assert emulator.room_count == 0


@pytest.mark.parametrize(
    "body", [{}, {"isban": True}, {"isBan": None}, {"isBan": 0}, {"isBan": 1}, {"isBan": "true"}, {"isBan": []}]
)
def test_set_ban_takes_a_boolean_only_and_needs_it(body: object) -> None:
    """Rules: body-exact, body-ban-required."""
    emulator = Emulator(rooms=1)
    assert refused(ask(emulator, "PATCH", f"/v5/rooms/{next(emulator.uuids())}", body=body), 400)


def test_unknown_members_are_ignored() -> None:
    """Rule: body-unknown."""
    emulator = Emulator()
    answer = ask(emulator, "POST", "/v5/rooms", body={"uuid": "mine", "isBan": True, "x": "\ud800"})
    assert answer.status == 201
    assert emulator.room(next(emulator.uuids())) | {"isBan": False} == json.loads(answer.body)


def test_a_body_is_the_bare_room_unless_an_envelope_is_asked_for() -> None:
    """Rule: bare."""
    bare, wrapped = Emulator(rooms=2), Emulator(rooms=2, quirks=Quirks(envelope=True))
    for path in ("/v5/rooms", f"/v5/rooms/{next(bare.uuids())}", "/nowhere"):
        plain = ask(bare, "GET", path)
        assert json.loads(ask(wrapped, "GET", path).body) == {
            "status": plain.status,
            "body": json.loads(plain.body),
        }
