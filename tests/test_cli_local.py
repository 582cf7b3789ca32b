"""The commands that ask no service: ``token``, ``emulate``, ``demo``."""

import json
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from netless_rooms import Role, TokenKind, verify_token
from netless_rooms.emulator import Emulator
from samples import UUID
from shell import KEY, Shell


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(), environment=dict(KEY))


SECRET = KEY["NETLESS_SECRET_KEY"]


# token


@pytest.mark.parametrize(
    ("arguments", "kind", "uuid"),
    [
        (["sdk"], TokenKind.SDK, None),
        (["room", UUID], TokenKind.ROOM, UUID),
        (["task", UUID], TokenKind.TASK, UUID),
    ],
)
def test_tokens_are_made_as_they_are_asked_for(
    arguments: list[str], kind: TokenKind, uuid: str | None, shell: Shell
) -> None:
    ran = shell("token", *arguments, "--role", "writer", "--lifetime", "2h")
    told = verify_token(ran.out.removesuffix("\n"), SECRET)
    assert (told.kind, told.uuid, told.role) == (kind, uuid, Role.WRITER)
    assert told.expires_at is not None
    left = told.expires_at - datetime.now(UTC)
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    assert SECRET not in ran.out + ran.err


def test_a_token_lives_ten_minutes_if_nothing_else_is_asked(shell: Shell) -> None:
    told = verify_token(shell("token", "sdk", "--role", "reader").out.strip(), SECRET)
    assert told.expires_at is not None
    assert timedelta(minutes=9) < told.expires_at - datetime.now(UTC) <= timedelta(minutes=10)


def test_a_token_needs_a_key_and_a_role(shell: Shell) -> None:
    assert "--role" in shell.fails(2, "token", "sdk")
    shell.environment = {"NETLESS_TOKEN": "t"}
    assert "set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY" in shell.fails(3, "token", "sdk", "--role", "admin")


@pytest.mark.parametrize("kind", [["sdk"], ["room", UUID], ["task", UUID]])
@pytest.mark.parametrize("flag", ["--token", "--region", "--base-url"])
def test_a_token_is_made_without_flags_that_it_does_not_need(kind: list[str], flag: str, shell: Shell) -> None:
    said = shell.fails(2, "token", *kind, "--role", "reader", flag, "hush")
    assert said.startswith(f"Unknown option: {flag}")
    assert "hush" not in said
    assert flag not in shell("token", *kind, "--help").out


def test_a_token_is_read_and_its_signature_checked(shell: Shell) -> None:
    token = shell("token", "room", UUID, "--role", "reader", "--lifetime", "7d").out
    told = json.loads(shell("token", "read", typed=token).out)
    assert (told["kind"], told["role"], told["uuid"]) == ("room", "reader", UUID)
    assert (told["is_expired"], told["signature"]) == (False, "right")
    shell.environment["NETLESS_SECRET_KEY"] = "another"
    assert json.loads(shell("token", "read", typed=token).out)["signature"] == "wrong"
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=timedelta(hours=-1))}
    shell.terminals = frozenset({"stdin", "stdout"})
    out = shell("token", "read").out
    assert "is_expired  yes" in out
    assert "signature   not checked" in out
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=None)}
    assert "expires_at  -" in shell("token", "read").out


def test_what_is_no_token_is_told(shell: Shell) -> None:
    assert "malformed token" in shell.fails(4, "token", "read", typed="hush\n")
    assert "pipe a token in" in shell.fails(3, "token", "read")


def test_a_token_of_the_environment_is_read_if_nothing_is_piped_in(shell: Shell) -> None:
    shell.environment["NETLESS_TOKEN"] = shell.emulator.token()
    assert json.loads(shell("token", "read", typed="\n").out)["signature"] == "right"
    ticket = shell("token", "room", UUID, "--role", "reader").out
    assert json.loads(shell("token", "read", typed=ticket).out)["kind"] == "room"


def test_what_is_no_text_is_no_token(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def undecodable(*_: object) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")

    monkeypatch.setattr("shell.Stream.read", undecodable)
    assert "what is piped in is no token" in shell.fails(4, "token", "read")


# emulate


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the emulator serve for as long as one look takes, and note how it was made."""
    made: list[Any] = []

    class Noted(Emulator):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(options)

    async def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("netless_rooms.emulator.Emulator", Noted)
    monkeypatch.setattr("anyio.sleep_forever", interrupted)
    return made


def test_emulate_prints_what_to_set(shell: Shell, once: list[Any]) -> None:
    ran = shell("emulate", "--rooms", 3, "--port", 0, "--quirk", "page_cap=2", "--quirk", "envelope=true")
    assert ran.code == 130
    words = [shlex.split(line) for line in ran.out.splitlines()]
    assert [each[0] for each in words] == ["export"] * 4
    settings = dict(each[1].split("=", 1) for each in words)
    assert settings.pop("NETLESS_BASE_URL").startswith("http://127.0.0.1:")
    assert settings == {**KEY, "NETLESS_REGION": "us-sv"}
    assert "3 rooms on http://127.0.0.1:" in ran.err
    assert (once[0]["quirks"].page_cap, once[0]["quirks"].envelope) == (2, True)


@pytest.mark.parametrize("host", ["0.0.0.0", "service"])  # noqa: S104  nothing listens there, as the port is taken
def test_emulate_warns_where_others_can_reach_it(host: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(*_: object, **__: object) -> None:
        raise RuntimeError("the emulator cannot listen there")

    monkeypatch.setattr("netless_rooms.emulator.Emulator.serve", taken)
    ran = shell("emulate", "--host", host)
    assert ran.code == 3
    assert ran.err.splitlines() == [
        "netless-rooms: warning: others can reach it, its key is known to everybody, and nothing is encrypted",
        "netless-rooms: the emulator cannot listen there",
    ]


def test_emulate_does_not_warn_on_this_machine(shell: Shell, once: list[Any]) -> None:
    assert once == []
    assert "warning" not in shell("emulate", "--port", 0, "--host", "localhost").err


@pytest.mark.parametrize(
    ("quirk", "words"),
    [
        ("colour=red", "there is no quirk 'colour': take one of cursor, order,"),
        ("cursor", "cursor must be one of 'inclusive', 'exclusive'"),
        ("cursor=true", "cursor must be one of 'inclusive', 'exclusive', not 'true'"),
        ("short_pages=maybe", "write short_pages=true or short_pages=false"),
        ("envelope", "write envelope=true or envelope=false"),
        ("page_cap=many", "write page_cap=NUMBER, such as page_cap=50"),
        ("page_cap=0", "page_cap must be 1 to 1000, not 0"),
    ],
)
def test_emulate_refuses_quirks_that_there_are_not(quirk: str, words: str, shell: Shell) -> None:
    assert words in shell.fails(2, "emulate", "--quirk", quirk)


@pytest.mark.parametrize("command", ["emulate", "demo"])
def test_a_missing_emulator_is_told_in_a_line(command: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("netless_rooms.emulator", "netless_rooms.demo"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "emulator]'" in shell.fails(3, command)


# demo


def test_demo_is_the_demo(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netless_rooms.demo.main", lambda: 1)
    assert shell("demo").code == 1
