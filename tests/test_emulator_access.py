"""Who may do what in the emulator."""

import json
from datetime import timedelta

import pytest

from netless_rooms.emulator import Ask, Emulator
from netless_rooms.tokens import AccessKey, Role

HOUR = timedelta(hours=1)


def statuses(emulator: Emulator, token: str, uuid: str) -> dict[str, int]:
    """What the four calls answer to a token."""
    headers = {"token": token, "region": "sg"}
    calls = {
        "create": Ask(method="POST", path="/v5/rooms", headers=headers, body=b"{}"),
        "list": Ask(method="GET", path="/v5/rooms", headers=headers),
        "get": Ask(method="GET", path=f"/v5/rooms/{uuid}", headers=headers),
        "set-ban": Ask(method="PATCH", path=f"/v5/rooms/{uuid}", headers=headers, body=b'{"isBan":true}'),
    }
    return {name: emulator.answer(call).status for name, call in calls.items()}


def refusal(emulator: Emulator, token: str | None, uuid: str = "") -> tuple[int, str]:
    headers = {"region": "sg"} | ({} if token is None else {"token": token})
    answer = emulator.answer(Ask(method="GET", path=f"/v5/rooms/{uuid}", headers=headers))
    return answer.status, json.loads(answer.body)["message"]


def test_an_sdk_admin_may_do_everything() -> None:
    """Rule: may-sdk-admin."""
    emulator = Emulator(rooms=1)
    assert statuses(emulator, emulator.token(), next(emulator.uuids())) == {
        "create": 201, "list": 200, "get": 200, "set-ban": 201,
    }  # fmt: skip


def test_an_sdk_writer_may_not_disable() -> None:
    """Rule: may-sdk-writer."""
    emulator = Emulator(rooms=1)
    assert statuses(emulator, emulator.token(Role.WRITER), next(emulator.uuids())) == {
        "create": 201, "list": 200, "get": 200, "set-ban": 403,
    }  # fmt: skip


def test_a_room_admin_may_get_and_disable_that_room() -> None:
    """Rules: may-room-admin, may-room-list."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    assert statuses(emulator, emulator.room_token(uuid), uuid) == {
        "create": 403, "list": 403, "get": 200, "set-ban": 201,
    }  # fmt: skip


def test_a_room_writer_may_only_get_that_room() -> None:
    """Rules: may-room-writer, may-room-list."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    assert statuses(emulator, emulator.room_token(uuid, Role.WRITER), uuid) == {
        "create": 403, "list": 403, "get": 200, "set-ban": 403,
    }  # fmt: skip


def test_a_reader_may_do_nothing() -> None:
    """Rule: may-reader."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    for token in (emulator.token(Role.READER), emulator.room_token(uuid, Role.READER)):
        assert set(statuses(emulator, token, uuid).values()) == {403}
    assert refusal(emulator, emulator.token(Role.READER)) == (403, "token access role reader forbidden")


@pytest.mark.parametrize("role", Role)
def test_a_task_token_may_do_nothing(role: Role) -> None:
    """Rule: may-task."""
    emulator = Emulator(rooms=1)
    uuid = next(emulator.uuids())
    assert set(statuses(emulator, emulator.key.task_token(uuid, role=role, lifetime=HOUR), uuid).values()) == {403}


def test_a_room_token_opens_no_other_room() -> None:
    """Rule: may-other-room."""
    emulator = Emulator(rooms=2)
    mine, other = emulator.uuids()
    assert refusal(emulator, emulator.room_token(mine), other) == (403, "token access room forbidden")
    assert refusal(emulator, emulator.room_token(mine), "none") == (403, "token access room forbidden")
    assert refusal(emulator, emulator.room_token("none"), "none") == (404, "room not found")


def test_a_token_is_required() -> None:
    """Rule: token."""
    assert refusal(Emulator(), None)[0] == 401
    assert refusal(Emulator(), "")[0] == 401


@pytest.mark.parametrize(
    "token", ["NETLESSSDK_", "NETLESSSDK_YWs9", "Bearer x", "\xe9", "é白\ud800", "{0}, {0}", " {0}"]
)
def test_a_malformed_token_is_refused(token: str) -> None:
    """Rule: token-format."""
    emulator = Emulator()
    assert refusal(emulator, token.replace("{0}", emulator.token())) == (401, "invalid format of token")


def test_a_token_of_another_access_key_is_refused() -> None:
    """Rule: token-team."""
    emulator = Emulator(access_key="mine", secret_key="secret")
    token = AccessKey("other", "secret").sdk_token(role=Role.ADMIN, lifetime=HOUR)
    assert refusal(emulator, token) == (401, "token access team forbidden")


def test_a_wrongly_signed_token_is_refused() -> None:
    """Rule: token-signature."""
    emulator = Emulator(access_key="mine", secret_key="secret")
    token = AccessKey("mine", "guess").sdk_token(role=Role.ADMIN, lifetime=HOUR)
    assert refusal(emulator, token) == (401, "invalid signature of token")


def test_a_token_ends_at_the_moment_that_it_names() -> None:
    """Rule: token-expired."""
    now = [1_000_000.0]
    emulator = Emulator(clock=lambda: now[0])
    token, forever = emulator.token(lifetime=timedelta(seconds=60)), emulator.token(lifetime=None)
    now[0] += 59.999
    assert refusal(emulator, token, "none") == (404, "room not found")
    now[0] += 0.001
    assert refusal(emulator, token, "none") == (401, "expired token")
    now[0] += 1e9
    assert refusal(emulator, forever, "none") == (404, "room not found")
    assert refusal(emulator, emulator.token(lifetime=timedelta(0))) == (401, "expired token")


def test_the_key_of_an_emulator_makes_tokens_that_it_accepts() -> None:
    emulator = Emulator(access_key="ключ", secret_key="секрет")
    token = emulator.key.sdk_token(role=Role.WRITER, lifetime=None)
    assert refusal(emulator, token, "none") == (404, "room not found")
    assert emulator.key == AccessKey("ключ", "секрет")


def test_no_secret_and_no_token_is_in_a_repr_or_a_record() -> None:
    emulator = Emulator(rooms=7, secret_key="very-secret")
    token = emulator.token()
    asked = Ask(method="GET", path=f"/v5/rooms/{token}", query=f"token={token}&limit=2", headers={"token": token})
    emulator.answer(asked)
    shown = f"{emulator!r} {emulator.key!r} {emulator.requests!r}"
    assert "very-secret" not in shown
    assert token not in shown
    assert token not in repr(Ask(method="GET", path="/", headers={"token": token}))
    assert repr(emulator) == "<Emulator of 7 rooms, 1 requests>"
    assert emulator.requests[0].query.endswith("&limit=2")
    emulator.answer(Ask(method="GET", path="/", query=f"x=%20&token={token.replace('_', '%5f')}"))
    assert emulator.requests[1].query.startswith("x= &token=")
    assert token[20:] not in repr(emulator.requests[1])
