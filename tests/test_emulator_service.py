"""The emulator's four calls, tokens, bodies and records, rule by rule; without an event loop."""

import ast
import json
import re
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from netless_rooms import AccessKey, Region, Role, verify_token
from netless_rooms.emulator import RULES, Emulator, Quirks, Request, Response
from netless_rooms.emulator.service import REGIONS

ROOMS, ROOM = "/v5/rooms", "/v5/rooms/{uuid}"
BAN: Final = {"isBan": True}


def ask(emulator: Emulator, method: str, path: str = ROOMS, body: object = b"", **sent: Any) -> Response:
    headers = {"token": emulator.token(), "region": "sg", **sent}
    given = {name: value for name, value in headers.items() if value is not None}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    path, _, query = path.partition("?")
    return emulator.respond(Request(method=method, path=path, query=query, headers=given, body=raw))


def refusal(emulator: Emulator, *asked: Any, **sent: Any) -> tuple[int, str]:
    answer = ask(emulator, *asked, **sent)
    ((name, words),) = json.loads(answer.body).items()
    assert name == "message"
    return answer.status, words


def refusal_of(emulator: Emulator, token: str) -> tuple[int, str]:
    return refusal(emulator, "GET", "/v5/rooms/none", token=token)


def test_every_rule_is_whole_and_named_by_a_test_and_every_quirk_has_one() -> None:
    named: set[str] = set()
    for path in Path(__file__).parent.glob("test_emulator_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for names in re.findall(r"^Rules?: ([^.]*)\.$", ast.get_docstring(node) or "", re.MULTILINE):
                    named.update(re.split(r",\s+", names))
    assert sorted(named) == sorted(rule.name for rule in RULES)
    assert all(rule.text.endswith(".") for rule in RULES)
    assert {rule.status for rule in RULES} == {"documented", "assumed"}
    assert sorted(rule.quirk for rule in RULES if rule.quirk) == sorted(Quirks.__annotations__)


def test_create_answers_with_the_new_room() -> None:
    """Rules: create, create-defaults, room-members, body-lenient, body-size."""
    emulator = Emulator(clock=lambda: 1_610_952_989.432)
    answer = ask(emulator, "POST", body={"isRecord": True, "limit": 3})
    room = json.loads(answer.body)
    assert (answer.status, emulator.room_count, emulator.room(room["uuid"])) == (201, 1, room)
    assert list(room) == ["uuid", "teamUUID", "appUUID", "isRecord", "isBan", "createdAt", "limit"]
    assert (room["isRecord"], room["isBan"], room["limit"]) == (True, False, 3)
    assert room["createdAt"] == "2021-01-18T06:56:29.432Z"
    for body in (b"", {"uuid": "mine", "isBan": True, "x": "\ud800"}):
        other = json.loads(ask(emulator, "POST", body=body).body)
        assert other == room | {"uuid": other["uuid"], "isRecord": False, "limit": 0}
        assert other["uuid"] not in {"mine", room["uuid"]}
    for limit in (0, 1, 2**53 - 1):
        assert json.loads(ask(emulator, "POST", body={"limit": limit}).body)["limit"] == limit
    for size, status in ((2**20, 201), (2**20 + 1, 413)):
        assert ask(emulator, "POST", body=b"{}".ljust(size)).status == status
    assert emulator.room_count == 7
    emulator = Emulator(quirks=Quirks(record_default="on_in_cn_hz"))
    for region, sent, expected in (("cn-hz", {}, True), ("sg", {}, False), ("cn-hz", {"isRecord": False}, False)):
        assert json.loads(ask(emulator, "POST", body=sent, region=region).body)["isRecord"] is expected


def test_created_rooms_have_version_1_uuids_of_their_time_later_than_the_last() -> None:
    """Rules: room-uuid, room-uuid-time."""
    now = [1_600_000_000.5]
    emulator = Emulator(clock=lambda: now[0])
    rooms = [emulator.room(emulator.add_room()) for _ in range(3)]
    uuids = [UUID(room["uuid"]) for room in rooms]
    assert [(uuid.hex, uuid.version) for uuid in uuids] == [(room["uuid"], 1) for room in rooms]
    assert uuids[0].time < uuids[1].time < uuids[2].time
    assert {(uuid.time - 0x01B21DD213814000) // 10_000 for uuid in uuids} == {1_600_000_000_500}
    assert {room["createdAt"] for room in rooms} == {"2020-09-13T12:26:40.500Z"}
    now[0] = 0.0
    assert UUID(emulator.add_room()).time > uuids[2].time
    follower = Emulator(clock=lambda: 1_600_000_000.5)
    follower.add_room(uuid=uuids[1].hex)
    assert follower.add_room() == uuids[2].hex


def test_get_answers_with_the_room_and_set_ban_with_the_changed_one() -> None:
    """Rules: get, set-ban, set-ban-again."""
    emulator = Emulator(rooms=100)
    by_ban = {emulator.room(uuid)["isBan"]: uuid for uuid in emulator.uuids()}
    for uuid in (emulator.add_room(name="白板"), by_ban[True], by_ban[False]):
        before = emulator.room(uuid)
        others = [emulator.room(other) for other in emulator.uuids() if other != uuid]
        for is_ban in (True, True, False, False, True):
            changed = ask(emulator, "PATCH", f"/v5/rooms/{uuid}", {"isBan": is_ban})
            got = ask(emulator, "GET", f"/v5/rooms/{uuid}")
            assert (changed.status, got.status, changed.body) == (201, 200, got.body)
            assert json.loads(got.body) == emulator.room(uuid) == before | {"isBan": is_ban}
        assert [emulator.room(other) for other in emulator.uuids() if other != uuid] == others


def test_a_body_is_the_bare_room_unless_an_envelope_is_asked_for() -> None:
    """Rules: bare, failure-message."""
    bare, wrapped = Emulator(rooms=2), Emulator(rooms=2, quirks=Quirks(envelope=True))
    for path in ("/v5/rooms", f"/v5/rooms/{next(bare.uuids())}", "/nowhere"):
        plain = ask(bare, "GET", path)
        body = json.loads(plain.body)
        assert json.loads(ask(wrapped, "GET", path).body) == {"status": plain.status, "body": body}
    assert body == {"message": "no such path"}
    assert ask(wrapped, "DELETE").allow == ("GET", "POST")


def test_every_region_has_the_same_rooms_and_one_left_out_is_refused_or_cn_hz() -> None:
    """Rules: region, region-same, region-known."""
    emulator, words = Emulator(rooms=5), "the header region must be one of us-sv, sg, in-mum, eu, cn-hz"
    assert tuple(Region) == REGIONS
    assert len({ask(emulator, "GET", region=region).body for region in REGIONS}) == 1
    assert refusal(emulator, "GET", region="us_sv") == (400, words)
    assert refusal(emulator, "GET", region=" ") == (400, "the header region is required")
    assert ask(Emulator(quirks=Quirks(unknown_region="served")), "GET", region="us_sv").status == 200
    apart = Emulator(quirks=Quirks(missing_region="cn-hz", regions="apart"))
    room = f"/v5/rooms/{json.loads(ask(apart, 'POST', region=None).body)['uuid']}"
    assert [ask(apart, "GET", room, region=region).status for region in (None, "cn-hz", "sg")] == [200, 200, 404]


def test_a_name_is_ignored_or_kept_and_a_uuid_has_several_spellings() -> None:
    """Rules: create-name, room-uuid-spelling."""
    longest, too_long = "白" * 682 + "xy", "白" * 683
    kept: list[tuple[Any, bool]] = [("kept", True), ("replaces_app_uuid", False)]
    for created_name, has_app_uuid in [("ignored", True), *kept]:
        emulator = Emulator(quirks=Quirks(created_name=created_name))
        for name, shown in ((longest, longest), ("\ud800", "?"), (None, "")):
            room = json.loads(ask(emulator, "POST", body={} if name is None else {"name": name}).body)
            assert ("appUUID" in room) is has_app_uuid
            assert room.get("name") == (None if created_name == "ignored" else shown)
        status = 201 if created_name == "ignored" else 400
        assert {ask(emulator, "POST", body={"name": name}).status for name in (too_long, 7, None)} == {status}
    emulator = Emulator(rooms=9, quirks=Quirks(unknown_begin="not_found"))
    uuids = list(emulator.uuids())
    token = emulator.room_token(uuids[4].upper())
    for spelled in (str(UUID(uuids[4])), str(UUID(uuids[4])).upper(), uuids[4].upper()):
        assert ask(emulator, "PATCH", f"/v5/rooms/{spelled}", {"isBan": True}, token=token).status == 201
        (room,) = json.loads(ask(emulator, "GET", f"/v5/rooms?limit=1&beginUUID={spelled}").body)
        assert room["uuid"] == uuids[4]


KEYS: Final = {"accessKey": "emulated-access-key", "secretAccessKey": "emulated-secret-key"}


def test_the_service_signs_tokens_or_refuses_to() -> None:
    """Rules: sdk-token, room-token, token-lifespan, sdk-token-keys, token-role."""
    emulator = Emulator(rooms=1, clock=lambda: 1.6e9)
    uuid = next(emulator.uuids())
    room_tokens = f"/v5/tokens/rooms/{uuid}"
    made = ask(emulator, "POST", "/v5/tokens/teams", {**KEYS, "role": "writer", "lifespan": 60_000}, token="")
    sdk_token = json.loads(made.body)
    wanted = {"role": "reader", "lifespan": 0}
    answer = ask(emulator, "POST", room_tokens, wanted, token=sdk_token)
    expected = (made, "sdk", Role.WRITER, 1.6e9 + 60), (answer, "room", Role.READER, None)
    for each, kind, role, seconds in expected:
        assert (each.status, sdk_token in repr(each)) == (201, False)
        info = verify_token(json.loads(each.body), emulator.key.secret_key)
        assert (info.kind, info.role, info.uuid) == (kind, role, None if kind == "sdk" else uuid)
        assert (info.expires_at and info.expires_at.timestamp()) == seconds
    assert ask(emulator, "GET", token=sdk_token).status == 200
    assert ask(emulator, "POST", room_tokens, wanted, token=json.loads(answer.body)).status == 201
    emulator = Emulator(rooms=1)
    room, lifespan = f"rooms/{next(emulator.uuids())}", f"lifespan must be an integer from 0 to {10**14}"
    keys = "accessKey and secretAccessKey must be those of the project"
    roles = "role must be admin, writer or reader"
    cases: list[Any] = [
        *(("teams", {"secretAccessKey": "x"}, 401, keys), ("teams", {"accessKey": ...}, 401, keys)),
        *(("teams", {"role": "owner"}, 400, roles), (room, {"role": 0}, 400, roles)),
        *(("teams", {"lifespan": wrong}, 400, lifespan) for wrong in (..., -1, True, 10**14 + 1)),
        (room, {"role": "admin"}, 403, "token access role writer forbidden"),
        ("rooms/none", {}, 404, "room not found"),
    ]
    for path, changed, status, words in cases:
        wanted = {**KEYS, "role": "writer", "lifespan": 0, **changed}
        body = {name: value for name, value in wanted.items() if value is not ...}
        got = refusal(emulator, "POST", f"/v5/tokens/{path}", body, token=emulator.token(Role.WRITER))
        assert got == (status, words), (path, changed)


def test_checks_are_made_in_their_order() -> None:
    """Rules: no-path, no-method, token, region, no-room."""
    emulator = Emulator(rooms=1)
    reader, admin = emulator.token(Role.READER), emulator.token()
    path = "/v5/rooms/none"
    for token, region, asked, expected in [
        ("", None, ("DELETE", "/nowhere"), (404, "no such path")),
        ("", None, ("DELETE", path), (405, "no such method on this path")),
        ("", None, ("PATCH", path), (401, "invalid format of token")),
        (reader, None, ("PATCH", path), (400, "the header region is required")),
        (reader, " ", ("PATCH", path), (400, "the header region is required")),
        (reader, "sg", ("PATCH", path), (403, "token access role reader forbidden")),
        (admin, "sg", ("PATCH", path), (400, "isBan is required and must be a boolean")),
        (admin, "sg", ("PATCH", path, {"isBan": True}), (404, "room not found")),
    ]:
        assert refusal(emulator, *asked, token=token, region=region) == expected
    assert emulator.respond(Request(method="GET", path=path)).status == 401


NO_PATHS = ("/", "/v4/rooms", "/v5/room", "/v5/rooms//", f"{ROOM}/", f"{ROOM}/b")
NO_METHODS: list[Any] = [("DELETE", ROOMS), ("PATCH", "/v5/rooms/", BAN), ("POST", ROOM, {}), ("get", ROOM)]
NO_ROOMS = ("f" * 32, "{uuid}0", "{short}", "{short}0", "{uuid}-", "-1", "+1234567", "\u0661")
TOO_MUCH = (b"[" * 200_000, b'{"limit":' + b"9" * 5000 + b"}")  # json.loads refuses them with errors of its own
NO_JSON = (b"{} {}", b'{"x":NaN}', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), *TOO_MUCH)
NO_LIMITS = (None, -1, True, 1.0, "3", 2**53)
NO_BANS: tuple[Any, ...] = (b"", {}, {"isban": True}, {"isBan": None}, {"isBan": 1})
REFUSED: dict[tuple[int, str], list[tuple[Any, ...]]] = {
    (404, "no such path"): [("GET", path) for path in NO_PATHS],
    (405, "no such method on this path"): NO_METHODS,
    (404, "room not found"): [(way, f"/v5/rooms/{uuid}", BAN) for uuid in NO_ROOMS for way in ("GET", "PATCH")],
    (400, "the body is not JSON"): [(*call, it) for it in NO_JSON for call in (("POST", ROOMS), ("PATCH", ROOM))],
    (400, "the body must be a JSON object"): [("POST", ROOMS, []), ("PATCH", ROOM, None)],
    (400, "isRecord must be a boolean"): [("POST", ROOMS, {"isRecord": wrong}) for wrong in (None, 1, "true")],
    (400, "limit must be an integer and not negative"): [("POST", ROOMS, {"limit": wrong}) for wrong in NO_LIMITS],
    (400, "isBan is required and must be a boolean"): [("PATCH", ROOM, body) for body in NO_BANS],
}


def test_a_wrong_request_is_refused_and_changes_nothing() -> None:
    """Rules: no-path, no-method, no-room, body-object, body-exact, refused-unchanged."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    before = emulator.room(uuid)
    for expected, (method, path, *body) in [(each, asked) for each in REFUSED for asked in REFUSED[each]]:
        path = path.format(uuid=uuid, short=uuid[:-1])
        assert refusal(emulator, method, path, *body) == expected, (method, path, body)
        assert (emulator.room_count, emulator.room(uuid)) == (1, before)


def test_a_token_allows_the_calls_of_its_kind_role_and_room() -> None:
    """Rules: may-sdk, may-room, may-reader, may-room-list, may-task, may-other-room."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    task = partial(emulator.key.task_token, role=Role.ADMIN, lifetime=timedelta(hours=1))
    room, token = f"/v5/rooms/{uuid}", emulator.room_token(uuid)
    calls: list[Any] = [("POST", ROOMS, {}), ("GET", ROOMS), ("GET", room), ("PATCH", room, BAN)]
    for held, name, statuses in [
        (emulator.token(), "sdk admin", [201, 200, 200, 201]),
        (emulator.token(Role.WRITER), "sdk writer", [201, 200, 200, 403]),
        (emulator.token(Role.READER), "sdk reader", [403, 403, 403, 403]),
        (token, "room admin", [403, 403, 200, 201]),
        (emulator.room_token(uuid, Role.WRITER), "room writer", [403, 403, 200, 403]),
        (emulator.room_token(uuid, Role.READER), "room reader", [403, 403, 403, 403]),
        (task(uuid), "task admin", [403, 403, 403, 403]),
    ]:
        assert [ask(emulator, *call, token=held).status for call in calls] == statuses, name
    assert refusal(emulator, "GET", token=token) == (403, "token access team forbidden")
    assert refusal_of(emulator, token) == (403, "token access room forbidden")
    assert refusal_of(emulator, task("none")) == (403, "token access room forbidden")
    assert refusal_of(emulator, emulator.room_token("none")) == (404, "room not found")


def test_a_token_that_is_malformed_or_expired_or_of_another_key_is_refused() -> None:
    """Rules: token-format, token-team, token-signature, token-expired."""
    emulator = Emulator(access_key="ключ", secret_key="секрет")
    assert emulator.key == AccessKey("ключ", "секрет")
    token = emulator.token()
    for malformed in ("", "NETLESSSDK_YWs9", "Bearer x", "é白\ud800", f"{token}, {token}", f" {token}"):
        assert refusal_of(emulator, malformed) == (401, "invalid format of token")
    expected = {("ключ", "секрет"): (404, "room not found")}
    expected |= {("other", "секрет"): (401, "token access team forbidden")}
    expected |= {("ключ", "guess"): (401, "invalid signature of token")}
    for pair, refused in expected.items():
        made = AccessKey(*pair).sdk_token(role=Role.WRITER, lifetime=None)
        assert refusal_of(emulator, made) == refused
    now = [1_000_000.0]
    emulator = Emulator(clock=lambda: now[0])
    forever, minute = emulator.token(lifetime=None), emulator.token(lifetime=timedelta(seconds=60))
    for seconds, token in ((60, minute), (3600, emulator.token()), (3600, emulator.room_token("none"))):
        now[0] = 999_999.999 + seconds
        assert refusal_of(emulator, token) == refusal_of(emulator, forever) == (404, "room not found")
        now[0] = 1_000_000 + seconds
        assert refusal_of(emulator, token) == (401, "expired token")
    now[0] += 1e9
    assert refusal_of(emulator, forever) == (404, "room not found")


def test_requests_are_recorded_in_order_without_tokens_and_take_no_fault() -> None:
    emulator = Emulator(rooms=7, secret_key="very-secret", faults=[None])
    token = emulator.token()
    headers = {"token": token, "region": "sg"}
    asked = Request(method="GET", path="/v5/rooms", query="limit=5&beginUUID=a%20b", headers=headers)
    emulator.respond(asked)
    ask(emulator, token, f"/v5/rooms/{token}?token={token}&limit=2")
    ask(emulator, "GET", f"/?x=%20&token={token.replace('_', '%5f')}")
    first, second, third = emulator.requests
    assert (first.method, first.path, first.query) == ("GET", "/v5/rooms", "limit=5&beginUUID=a%20b")
    assert (second.query[-8:], third.query[:10]) == ("&limit=2", "x= &token=")
    assert [request.status for request in emulator.requests] == [200, 405, 404]
    shown = f"{emulator!r} {emulator.key!r} {emulator.requests!r} {asked!r}"
    assert not [secret for secret in ("very-secret", token[20:]) if secret in shown]
    assert repr(emulator) == "<Emulator of 7 rooms, 3 requests>"
    assert emulator.faults == [None]
