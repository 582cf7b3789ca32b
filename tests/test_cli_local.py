"""The commands that need no account: ``token``, ``emulate``, ``demo``."""

import json
import shlex
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from netless_rooms import Role, TokenKind, verify_token
from netless_rooms.emulator import Emulator
from samples import UUID
from shell import KEY, Shell, Stream

SECRET = KEY["NETLESS_SECRET_KEY"]


@pytest.fixture
def shell() -> Shell:
    return Shell(Emulator(), environment=dict(KEY))


# token


@pytest.mark.parametrize(
    ("arguments", "kind", "uuid", "lifetime", "seconds"),
    [
        (["sdk", "--role", "writer"], TokenKind.SDK, None, ["--lifetime", "90s"], 90),
        (["room", UUID, "--role", "writer"], TokenKind.ROOM, UUID, ["--lifetime", "2h"], 7_200),
        (["task", UUID, "--role", "writer"], TokenKind.TASK, UUID, ["--lifetime", "7d"], 604_800),
        (["sdk", "--role", "writer"], TokenKind.SDK, None, ["--lifetime", "999999m"], 59_999_940),
        (["sdk", "--role", "writer"], TokenKind.SDK, None, [], 600),
    ],
)
def test_a_token_has_the_kind_the_role_and_the_lifetime_of_its_flags(
    arguments: list[str], kind: TokenKind, uuid: str | None, lifetime: list[str], seconds: int, shell: Shell
) -> None:
    before = datetime.now(UTC)
    ran = shell("token", *arguments, *lifetime)
    told = verify_token(ran.out.removesuffix("\n"), SECRET)
    assert (told.kind, told.uuid, told.role) == (kind, uuid, Role.WRITER)
    assert told.expires_at is not None
    before -= timedelta(milliseconds=1)  # to which a token is exact
    assert before <= told.expires_at - timedelta(seconds=seconds) <= datetime.now(UTC)
    assert SECRET not in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--role"),
        (["--role", "boss"], "take admin, writer or reader"),
        (["--role", "reader", "--lifetime", "soon"], "such as 10m"),
        (["--role", "reader", "--lifetime", "0s"], "take 1 to 999999 and s, m, h or d"),
        (["--role", "reader", "--lifetime", "1000000s"], "take 1 to 999999 and s, m, h or d"),
        (["--role", "reader", "--token", "hush"], "Unknown option: --token"),
        (["--role", "reader", "--region", "hush"], "Unknown option: --region"),
    ],
)
@pytest.mark.parametrize("kind", [["sdk"], ["room", UUID], ["task", UUID]], ids=lambda kind: kind[0])
def test_a_token_needs_a_role_and_a_lifetime_and_no_other_setting(
    kind: list[str], arguments: list[str], words: str, shell: Shell
) -> None:
    said = shell.fails(2, "token", *kind, *arguments)
    assert words in said
    assert "hush" not in said


def test_a_token_needs_a_key(shell: Shell) -> None:
    shell.environment = {"NETLESS_TOKEN": "t"}
    said = shell.fails(3, "token", "sdk", "--role", "admin")
    assert said == "set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY, which tokens are made from"


def test_a_token_is_read_and_its_signature_checked(shell: Shell) -> None:
    token = shell("token", "room", UUID, "--role", "reader").out
    told = json.loads(shell("token", "read", typed=token).out)
    assert (told["kind"], told["role"], told["uuid"]) == ("room", "reader", UUID)
    assert (told["is_expired"], told["signature"]) == (False, "right")
    shell.environment["NETLESS_SECRET_KEY"] = "another"
    assert json.loads(shell("token", "read", typed=token).out)["signature"] == "wrong"


def test_a_token_of_the_environment_is_read_if_none_is_piped_in(shell: Shell) -> None:
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=timedelta(hours=-1))}
    assert json.loads(shell("token", "read", typed="\n").out)["kind"] == "sdk"
    ticket = Shell(shell.emulator)("token", "room", UUID, "--role", "reader").out
    assert json.loads(shell("token", "read", typed=ticket).out)["kind"] == "room"
    shell.terminals = frozenset({"stdin", "stdout"})
    out = shell("token", "read", typed=ticket).out
    assert "kind        sdk\n" in out
    assert "is_expired  yes\n" in out
    assert "signature   not checked\n" in out
    shell.environment = {"NETLESS_TOKEN": shell.emulator.token(lifetime=None)}
    out = shell("token", "read").out
    assert "expires_at  -\n" in out
    assert "is_expired  no\n" in out


class Undecodable(Stream):
    """What is piped in is not UTF-8."""

    def read(self, _: int | None = None) -> str:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no")


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("hush\n", 4, "malformed token"),
        ("", 3, "pipe a token in, or set NETLESS_TOKEN"),
        (Undecodable(), 4, "what is piped in is no token"),
    ],
    ids=["malformed", "nothing", "undecodable"],
)
def test_input_that_is_not_a_token_is_told(typed: str | Stream, code: int, words: str, shell: Shell) -> None:
    assert shell.fails(code, "token", "read", typed=typed).startswith(words)


# emulate


@pytest.fixture
def quirks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Press Ctrl-C as soon as the emulator serves, and note its quirks."""
    noted: list[Any] = []
    sleep, made = anyio.sleep_forever, Emulator.__init__

    def note(emulator: Emulator, *, rooms: int, quirks: Any) -> None:
        noted.append(quirks)
        made(emulator, rooms=rooms, quirks=quirks)

    async def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        await sleep()

    monkeypatch.setattr(Emulator, "__init__", note)
    monkeypatch.setattr("anyio.sleep_forever", interrupted)
    return noted


def test_emulate_prints_what_to_set_until_ctrl_c(shell: Shell, quirks: list[Any]) -> None:
    words = ["page_cap=2", "envelope=true", "short_pages=false", "cursor=exclusive"]
    flags = [flag for word in words for flag in ("--quirk", word)]
    ran = shell("emulate", "--rooms", 3, "--port", 0, "--host", "localhost", *flags)
    assert ran.code == 130
    exports = [shlex.split(line) for line in ran.out.splitlines()]
    assert [each[0] for each in exports] == ["export"] * 4
    settings = dict(each[1].split("=", 1) for each in exports)
    assert settings.pop("NETLESS_BASE_URL").startswith("http://127.0.0.1:")
    assert settings == {**KEY, "NETLESS_REGION": "us-sv"}
    assert ran.err.startswith("netless-rooms: 3 rooms on http://127.0.0.1:")
    assert ran.err.endswith("Ctrl-C ends it\n")
    assert [(each.page_cap, each.envelope, each.short_pages, each.cursor) for each in quirks] == [
        (2, True, False, "exclusive")
    ]


@pytest.mark.parametrize(
    ("host", "warns"),
    [("127.0.0.1", False), ("0.0.0.0", True), ("service", True)],  # noqa: S104  nothing listens
)
def test_emulate_warns_where_others_can_reach_it(
    host: str, warns: bool, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object, **__: object) -> None:
        raise RuntimeError("the emulator cannot listen there")

    monkeypatch.setattr("netless_rooms.emulator.Emulator.serve", taken)
    ran = shell("emulate", "--host", host)
    warning = (
        "netless-rooms: warning: others can reach it, its key is known to everybody, and nothing is encrypted"
    )
    assert ran.code == 3
    assert ran.err.splitlines() == [warning] * warns + ["netless-rooms: the emulator cannot listen there"]


@pytest.mark.parametrize(
    ("quirk", "words"),
    [
        ("colour=red", "there is no quirk 'colour': take one of cursor, order,"),
        ("cursor=true", "cursor must be one of 'inclusive', 'exclusive', not 'true'"),
        ("short_pages=maybe", "write short_pages=true or short_pages=false"),
        ("envelope", "write envelope=true or envelope=false"),
        ("page_cap=many", "write page_cap=NUMBER, such as page_cap=50"),
        ("page_cap=10000", "write page_cap=NUMBER, such as page_cap=50"),
        ("page_cap=0", "page_cap must be 1 to 1000, not 0"),
    ],
)
def test_emulate_refuses_unknown_quirks(quirk: str, words: str, shell: Shell) -> None:
    assert shell.fails(2, "emulate", "--quirk", quirk).startswith(words)


@pytest.mark.parametrize(
    ("command", "missing", "words"),
    [
        ("emulate", "uvicorn", "emulator]'"),
        ("demo", "uvicorn", "emulator]'"),
        ("demo", "rich.progress", "the demo needs extras: pip install 'netless-rooms[cli,emulator]'"),
    ],
)
def test_a_missing_extra_is_told_in_a_line(
    command: str, missing: str, words: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("netless_rooms.emulator", "netless_rooms.demo"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert words in shell.fails(3, command)
