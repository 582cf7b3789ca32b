"""The commands that need no account: ``token``, ``emulate``, ``demo``."""

import json
import shlex
import sys
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import anyio
import httpx
import pytest

from fakes import TOKEN
from netless_rooms import Role, TokenKind, verify_token
from netless_rooms.emulator import Closed, Emulator, Failure, Hang, Quirks
from samples import UUID
from shell import KEY, Shell, Stream, interrupt

SECRET = KEY["NETLESS_SECRET_KEY"]


def test_a_token_has_the_kind_the_role_and_the_lifetime_of_its_flags(shell: Shell) -> None:
    shell.environment = dict(KEY)
    for flags, kind, uuid, seconds in (
        ("sdk --lifetime 90s", TokenKind.SDK, None, 90),
        (f"room {UUID} --lifetime 2h", TokenKind.ROOM, UUID, 7_200),
        (f"task {UUID} --lifetime 7d", TokenKind.TASK, UUID, 604_800),
        ("sdk --lifetime 999999m", TokenKind.SDK, None, 59_999_940),
        ("sdk", TokenKind.SDK, None, 600),
    ):
        before = datetime.now(UTC) - timedelta(milliseconds=1)  # to which a token is exact
        ran = shell("token", *flags.split(), "--role", "writer")
        info = verify_token(ran.out.removesuffix("\n"), SECRET)
        assert (info.kind, info.uuid, info.role) == (kind, uuid, Role.WRITER)
        assert info.expires_at is not None
        assert before <= info.expires_at - timedelta(seconds=seconds) <= datetime.now(UTC)
        assert SECRET not in ran.out + ran.err


def test_a_token_needs_a_role_and_a_lifetime_and_no_other_setting(shell: Shell) -> None:
    for flags, words in {
        "": "--role",
        "--role boss": 'Invalid value "boss" for --role. Choose from: "admin", "writer", "reader"',
        "--role reader --lifetime 0s": "use 1 to 999999 and s, m, h or d, such as 10m",
        "--role reader --lifetime 1000000s": "use 1 to 999999 and s, m, h or d",
        "--role reader --token hush": "Unknown option: --token",
    }.items():
        for kind in (["sdk"], ["room", UUID], ["task", UUID]):
            said = shell.fails(2, "token", *kind, *flags.split())
            assert (words in said, "hush" in said) == (True, False)


def test_a_token_is_read_from_the_input_or_the_environment_and_checked(shell: Shell) -> None:
    token = shell("token", "room", UUID, "--role", "reader").out
    shell.environment["NETLESS_SECRET_KEY"] = "another"
    assert json.loads(shell("token", "read", typed=token).out)["signature"] == "invalid"
    shell.environment = {"NETLESS_TOKEN": "t"}
    said = shell.fails(3, "token", "sdk", "--role", "admin")
    assert said == "set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY: tokens are signed with them"
    assert shell.fails(4, "token", "read", typed="hush\n").startswith("malformed token")
    assert shell.fails(4, "token", "read", typed=b"\xff\xfa") == "the input is not a token"
    shell.environment = {}
    assert shell.fails(3, "token", "read") == "pipe a token in, or set NETLESS_TOKEN"
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=timedelta(hours=-1))}
    assert json.loads(shell("token", "read", typed=token).out)["kind"] == "room"
    row = json.loads(shell("token", "read", typed="\n").out)
    assert (row["kind"], row["is_expired"], row["signature"]) == ("sdk", True, "not checked")
    shell.terminals = frozenset({"stdin", "stdout"})
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=None)}
    assert "expires_at  -\nis_expired  no\n" in shell("token", "read", typed=token).out


def test_emulate_prints_what_to_set_but_shows_no_set_secret(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = anyio.sleep_forever

    async def interrupted() -> None:
        interrupt()
        await sleep()

    monkeypatch.setattr("anyio.sleep_forever", interrupted)
    monkeypatch.setattr("netless_rooms.emulator.Emulator", made := Mock(wraps=Emulator))
    flags = "--quirk page_cap=2 --quirk envelope=true --quirk short_pages=false --quirk cursor=exclusive "
    flags += "--fault Failure=503,on=list --fault Hang --rooms 3 --port 0 --host localhost"
    ran = shell("emulate", *flags.split())
    assert ran.code == 130
    quirks = Quirks(page_cap=2, envelope=True, short_pages=False, cursor="exclusive")
    key = {"access_key": KEY["NETLESS_ACCESS_KEY"], "secret_key": SECRET}
    made.assert_called_once_with(rooms=3, quirks=quirks, faults=[Failure(503, on="list"), Hang()], **key)
    settings = dict(shlex.split(line)[1].split("=", 1) for line in ran.out.splitlines())
    base_url = settings.pop("NETLESS_BASE_URL")
    assert settings == {**KEY, "NETLESS_REGION": "us-sv"}
    assert ran.err.startswith(f"netless-rooms: 3 rooms on {base_url}; run")
    out = shell("emulate", "--port", 0, "--access-key", "mine", "--secret-key", "my own secret").out
    assert "export NETLESS_ACCESS_KEY=mine\nexport NETLESS_SECRET_KEY='my own secret'\n" in out
    shell.environment = {"NETLESS_ACCESS_KEY": "mine", "NETLESS_SECRET_KEY": "my own secret"}
    ran = shell("emulate", "--port", 0)
    assert "export NETLESS_ACCESS_KEY=mine\nexport NETLESS_REGION" in ran.out
    assert "my own secret" not in ran.out + ran.err


def test_emulate_logs_its_requests(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def call() -> None:
        async with httpx.AsyncClient(transport=shell.emulator.transport()) as client:
            await client.get("https://service.example/v5/rooms?limit=2")
            with pytest.raises(httpx.TransportError):
                await client.get("https://service.example/v5/rooms")

    monkeypatch.setattr("anyio.sleep_forever", call)
    monkeypatch.setattr("netless_rooms.emulator.Emulator", Mock(return_value=shell.emulator))
    shell.emulator.faults += [None, Closed()]
    said = ["GET /v5/rooms?limit=2: 401", "GET /v5/rooms: no response"]
    assert shell("emulate", "--port", 0, "-v").err.splitlines()[1:] == [f"netless-rooms: {line}" for line in said]


def test_emulate_warns_where_others_can_reach_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for flag in ("--quirk", "--host", "--fault"):
        assert TOKEN not in shell("emulate", flag, TOKEN).err
    error = "the emulator cannot listen there"
    monkeypatch.setattr("netless_rooms.emulator.Emulator.serve", Mock(side_effect=RuntimeError(error)))
    warning = "warning: other machines can reach it, its key may be public, and nothing is encrypted"
    for host, said in {"127.0.0.1": [error], "0.0.0.0": [warning, error], "service": [warning, error]}.items():  # noqa: S104
        ran = shell("emulate", "--host", host)
        assert (ran.code, ran.err.splitlines()) == (3, [f"netless-rooms: {line}" for line in said])


@pytest.mark.parametrize("command", ["emulate", "demo"])
def test_a_missing_extra_is_named(command: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "netless_rooms.emulator", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'netless-rooms[emulator]'" in shell.fails(3, command)
    shell.environment.clear()
    assert "account: pip install 'netless-rooms[emulator]', then `netless" in shell.fails(3, "list")


def test_the_demo_says_in_plain_lines_what_it_saw(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netless_rooms.cli.commands.demo.ROOMS", 6_000)
    shell.transport = httpx.AsyncHTTPTransport()
    ran = shell("demo", out=Stream(encoding="ascii"))
    assert (ran.code, ran.err, "\x1b" in ran.out) == (0, "", False)
    for step in ("walked 6,000 rooms", "disabled it: is_ban is True", "enabled it: is_ban is False", "NotFound"):
        assert f"  {step}" in ran.out
