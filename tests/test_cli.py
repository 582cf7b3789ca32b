"""The command line as a whole: help, settings, formats, errors and exit codes; and the commands for one room."""

import csv
import json
import os
import re
import runpy
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import anyio
import anyio.lowlevel
import httpx
import pytest

import netless_rooms.__main__
from fakes import TOKEN, answer, room
from netless_rooms import AsyncRooms, Room, __version__
from netless_rooms._api.transport import client_error, own_client
from netless_rooms.cli.export import ROOM, ROOM_OR_INVALID, Format, encode, encode_rooms, room_row
from netless_rooms.emulator import Closed, Emulator, Failure, Hang
from samples import UUID
from shell import EVERYTHING, FULL, KEY, Bytes, Shell, Stopping, Stream, interrupt

COMMANDS = "create get list scan stats disable enable token doctor emulate demo completion".split()  # noqa: SIM905


@pytest.mark.parametrize("page", ["", *COMMANDS, *(f"token {name}" for name in ("read", "room", "sdk", "task"))])
def test_help_fits_a_screen_and_says_what_each_flag_is_for(page: str, shell: Shell) -> None:
    shell.environment["COLUMNS"] = "80"
    ran = shell(*page.split(), "--help")
    lines = ran.out.splitlines()
    assert (ran.code, ran.err, shell("help", *page.split()).out) == (0, "", ran.out)
    assert [line for line in lines if line != line.rstrip()] == []
    assert sum(line.startswith("Example: netless-rooms ") for line in lines) == 1
    assert lines[0].startswith(f"Usage: netless-rooms {page}".rstrip())
    assert len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80
    flags = [line.strip() for line in lines if line.startswith("  --") and "--access-key  --" not in line]
    assert [flag for flag in flags if not re.search(r"\S  +\S", flag)] == []


def test_help_lists_commands_in_order_and_flags_in_groups_and_completion_knows_them(shell: Shell) -> None:
    help_page = shell("--help").out
    assert (help_page, "\x1b" in help_page) == (shell().out, False)
    assert [line.split()[0] for line in help_page.splitlines()[8:]] == [*COMMANDS, "--help,", "--version,"]
    lines = shell("scan", "--help").out.splitlines()
    assert "  --format, -f table|jsonl|csv   Default: table in a terminal, else jsonl." in lines
    filters = lines[lines.index("Filters:") + 1]
    assert filters == "  --banned, --not-banned        Only disabled, or only enabled, rooms."
    assert lines[-1] == "  --access-key  --secret-key  --token  --region, -r  --base-url  --verbose, -v"
    shell.terminals = frozenset({"stdout"})
    assert "\x1b[1m" in shell().out
    for script in (shell("completion", name).out for name in ("bash", "fish", "zsh")):
        for word in ("disable", "checkpoint", "created-after", "csv", "in-mum"):
            assert word in script


def test_the_version_and_a_missing_extra(monkeypatch: pytest.MonkeyPatch, capsys: Any, shell: Shell) -> None:
    assert [shell(each).out for each in ("-V", "version")] == [f"{__version__}\n"] * 2
    monkeypatch.setattr("sys.argv", ["netless-rooms", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(netless_rooms.__main__.__file__, run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")
    for missing in ("cyclopts", "rich"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, missing, None)
            assert shell.fails(3) == "netless-rooms needs an extra: pip install 'netless-rooms[cli]'"


def test_a_wrong_argument_is_reported_in_a_line(shell: Shell) -> None:
    for words, commands in {
        'Unknown command "gte". Did you mean "get"': ["gte a", "help gte"],
        'Unknown command "\ufffd[2J".': ["\x1b[2J"],
        'Command "get" parameter UUID requires an argument; see --help': ["get"],
        "a uuid must be letters, digits": ["get a;b", "list --begin-uuid a;b"],
        "too many arguments, from 'b'; see --help": ["get a b c"],
        "too many arguments, from 'true'": ["scan true"],
        "Unknown option: --fromat. Did you mean --format?; see --help": ["get a --fromat=x"],
        "Unknown option: --typo; see --help": ["list --typo", "--typo"],
        "Unknown option: --tokn; see --help": ["get a --tokn=x"],
        "use --format jsonl; see --help": ["list --json"],
        "rooms cannot be deleted: use disable": ["delete a", "rm"],
        "Must be >= 0": ["create --limit -1"],
        "Must be > 0": ["disable a --rate 0"],
        "Must be >= 1": ["list --limit 0", "scan --shards 0", "enable a --concurrency 0"],
        ">= 1; see --help": ["enable a --max-failures 0"],
        "Must be <= 1000": ["list --limit 1001", "scan --shards 1001"],
        "Must be <= 100": ["scan --prefetch 101"],
        "Must be <= 65535": ["emulate --port 65536"],
        'unable to convert "many"': ["list --limit many"],
        "--limit conflicts with another flag or is repeated": ["list --limit 1 --limit 2"],
        "--not-banned conflicts with another flag or is repeated": ["scan --banned --not-banned"],
        "use --token, or --access-key": ["list --token t --secret-key s", "list --token t --access-key s"],
        "--created-after: 'yesterday' is not a time: use 2024-01-31,": ["scan --created-after yesterday"],
        "out of range": ["scan --created-after 0001-01-01T00:00+23:00", "stats --created-before 999999d"],
        "--created-after must be earlier than": ["stats --created-after 7d --created-before 168h"],
        "yield": ["stats --on-invalid yield"],
        "unknown quirk 'colour': use one of cursor, order,": ["emulate --quirk colour=red"],
        "cursor must be one of 'inclusive', 'exclusive', not True": ["emulate --quirk cursor=true"],
        "status must be": ["emulate --fault Failure=200"],
        "Failure=503,on=list; did you mean Slow?": ["emulate --fault slow=1"],
        "Slow: missing 1 required positional argument: 'pause'; Slow takes pause,": ["emulate --fault Slow"],
        "Slow takes pause, pieces=4,": ["emulate --fault Slow"],
    }.items():
        for command in commands:
            assert words in shell.fails(2, *command.split()), command
    assert shell.emulator.requests == []


def test_the_log_is_shown_on_request(shell: Shell) -> None:
    shell.terminals = frozenset({"stderr"})  # where it replaces the progress
    shell.emulator.faults += [Failure(503)]
    lines = shell("scan", "-v").err.splitlines()
    found = [line for line in lines if line.startswith("netless-rooms: GET /v5/rooms?limit=1000: ")]
    assert [line.split()[3] for line in found] == ["503", "retry", "200"]
    assert shell("get", UUID).err.count("\n") == 1


def test_flags_override_the_environment_and_a_setting_that_is_missing_or_wrong_is_named(shell: Shell) -> None:
    shell.environment = {**EVERYTHING, "NETLESS_REGION": "two words", "NETLESS_BASE_URL": "nowhere"}
    assert shell("list", "--region", "sg", "--base-url", "https://service.example").code == 0
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": "bad", **KEY}
    ran = shell("list", "--access-key", KEY["NETLESS_ACCESS_KEY"], "--limit", "1")
    assert (ran.code, ran.err) == (0, "")
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.token()}
    assert shell("list", "--limit", "1").code == 0
    shell.emulator.requests.clear()
    wrong: dict[str, dict[str, str]] = {
        "set NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY; and NETLESS_REGION, such as us-sv": {},
        "set NETLESS_REGION, such as us-sv (without an account": {**KEY, "NETLESS_REGION": ""},
        "incomplete access key: also set NETLESS_SECRET_KEY": {"NETLESS_REGION": "sg", "NETLESS_ACCESS_KEY": "a"},
        "secret_key must not begin or end with white space": {**EVERYTHING, "NETLESS_SECRET_KEY": "hush \n"},
        "region must be printable": {**EVERYTHING, "NETLESS_REGION": "two words"},
        "base_url": {**EVERYTHING, "NETLESS_BASE_URL": "http://service.example"},
    }
    for words, shell.environment in wrong.items():
        said = shell.fails(3, "list")
        assert said.startswith(words)
        if "incomplete" in words:
            assert shell.fails(3, "token", "sdk", "--role", "admin", "--lifetime", "1h").startswith(words)
        assert ("hush" in said, "allow_http" in said, shell.emulator.requests) == (False, False, [])


def test_a_secret_among_the_arguments_is_not_shown(shell: Shell) -> None:
    token = shell.emulator.token()
    for secret, command in {
        token: ["list", "--token", token],
        "hush": ["token", "sdk", "--role", "admin", "--secret-key", "hush"],
    }.items():
        ran = shell(*command)
        assert (ran.code, secret in ran.out + ran.err) == (0, False)
        assert ran.err.startswith(f"netless-rooms: warning: {command[-2]} is visible to other users")
    for arguments in (["get", TOKEN], ["get", "a", TOKEN], ["gte", TOKEN], ["get", "a", f"--{TOKEN}"]):
        assert TOKEN not in shell.fails(2, *arguments), arguments


ENVIRONMENTS = "NO_PROXY=localhost,127.0.0.0/8,::1/128 no_proxy=[::1] HTTPS_PROXY=http://host:port "
ENVIRONMENTS += "all_proxy=socks5://host:1 HTTP_PROXY=ftp://user:hush@host SSLKEYLOGFILE=/nowhere/log "
ENVIRONMENTS += f"SSL_CERT_FILE=/nowhere SSL_CERT_FILE={os.devnull}"


def test_the_environment_may_allow_no_http_client(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.client = own_client
    for setting in ENVIRONMENTS.split():
        name, _, value = setting.partition("=")
        shell.environment = {**EVERYTHING, "SSL_CERT_FILE": "", name: value}
        said = shell.fails(3, "list")
        assert said.startswith(f"the HTTP client cannot be made because of {name}: ")
        assert "hush" not in said
    for name in ("SSL_CERT_FILE", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)
    assert "because of the environment: OSError" in str(client_error(OSError()))


def test_create_get_and_list_show_the_same_room(shell: Shell) -> None:  # its page shows the formats
    shell.emulator = Emulator()
    created = shell("create", "--limit", "3", "--no-recording").out
    row = json.loads(created)
    assert (row["limit"], row["is_record"], row["is_ban"]) == (3, False, False)
    for command in (["get", row["uuid"]], ["list"], ["list", "--begin-uuid", row["uuid"], "--limit", "2"]):
        assert shell(*command).out == created, command


def test_a_table_is_cut_to_the_width_of_a_terminal_only_and_needs_no_unicode(shell: Shell) -> None:
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid=UUID, name="name " * 50 + "白板")
    assert "name " * 49 in shell("list", "--format", "table").out
    assert "??" in shell("get", UUID, "--format", "table", out=Stream(encoding="latin-1")).out
    shell.terminals, shell.environment["COLUMNS"] = frozenset({"stdout"}), "90"
    ran = shell("list")
    assert ran.out.splitlines()[1].endswith("  no      0      name name name name…")
    assert (len(ran.out.splitlines()[1]), ran.err) == (90, "")
    shell.environment["COLUMNS"] = "60"
    ran = shell("list")
    assert ran.out.splitlines()[0] == "\x1b[1muuid                              created_at\x1b[0m"
    assert "columns left out: is_ban, limit, name; widen the terminal, or use --format jsonl\n" in ran.err
    shell.environment["COLUMNS"] = "9"
    assert [len(line) for line in shell("list").out.splitlines()] == [12, 32]


FORMULAS = ("=1+1", "+1", "-1", "@x", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u3000=1")
NAMES = {
    "\x1b[2J[bold]x[/bold]\nrm -rf \u202e": "\ufffd[2J[bold]x[/bold]\ufffdrm -rf \ufffd",
    "\x07\x9b\u2028\u2066\r": "\ufffd" * 5,
    **{name: f"'{name}" for name in FORMULAS},
    **dict.fromkeys(("\tx", "\rx"), "'\ufffdx"),
    ";=1": "';'=1",
    "a; -1": "a;' -1",
    **{name: name for name in ("1=1", "a; b", "白板 क्\u200dष 👩\u200d🏫 a\u3000b\u00a0c")},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_acts_on_neither_a_terminal_nor_a_spreadsheet(name: str, shell: Shell) -> None:
    uuid = shell.emulator.add_room(name=name, new=name)
    shell.environment["COLUMNS"] = "200"
    (row,) = csv.DictReader(shell("get", uuid, "--format", "csv").out.splitlines())
    assert row["name"] == NAMES[name]
    assert json.loads(row["extra"]) == {"new": name}
    assert not re.search(r";\s*[=-]", row["extra"])
    shown = NAMES[name].replace("'", "")  # the apostrophes are for spreadsheets
    assert f"name        {shown}\n" in shell("get", uuid, "--format", "table").out
    assert shown in shell("list", "--format", "table").out
    ran = shell("get", uuid)
    assert (json.loads(ran.out)["name"], ran.out.isascii()) == (name, True)


def test_a_page_is_encoded_as_its_rows_are() -> None:
    texts = [None, "", "a,b", 'say "a"', "=1", "; -1", "\x7f\x1b\n/\\", "白板 😀\u2028", "\u00e9"]
    times = [datetime(2024, 1, 2, 3, 4, 5, micro, tzinfo=UTC) for micro in (0, 1, 999, 1_000, 432_000, 999_999)]
    rooms = []
    for number, text in enumerate(texts):
        even = number % 2 == 0
        named: dict[str, Any] = {"uuid": f"-{number}", "team_uuid": text or "a", "app_uuid": text, "name": text}
        named |= {"created_at": times[number % 6], "limit": number, "is_record": even, "is_ban": number % 3 == 0}
        rooms.append(Room(**named, extra={} if even else {"a": [text, 1.5, 10**30]}))
    rows = [room_row(room) for room in rooms]
    for columns in (ROOM, ROOM_OR_INVALID):
        for name in get_args(Format):
            assert encode_rooms(rooms, columns, name) == encode(rows, columns, name)
    assert list(map(json.loads, encode_rooms(rooms, ROOM, "jsonl").splitlines())) == rows
    limits = [row["limit"] for row in csv.DictReader(encode_rooms(rooms, ROOM, "csv").splitlines())]
    assert limits == list("012345678")
    assert encode_rooms([], ROOM, "jsonl") == ""


def test_a_stream_that_is_full_or_closed_or_that_nobody_reads(shell: Shell, tmp_path: Path) -> None:
    for command in ("list", "get --help", "token", "--version", "demo"):
        said = shell.fails(10, *command.split(), out=Stream(Bytes(error=FULL)))
        assert said == "the output cannot be written: No space left on device", command
    with (tmp_path / "pipe").open("w") as file:
        for command in ("scan", "demo", "--help"):
            ran = shell(command, out=Stream(Bytes(descriptor=file.fileno(), error=BrokenPipeError())))
            assert (ran.code, ran.err) == (141, ""), command
    for name in ("stdin", "stderr"):
        shell.closed = frozenset({name})
        assert len(shell("list", "--limit", 2).out.splitlines()) == 2, name
        ran = shell("disable", "--yes")
        assert (ran.code, ran.out) == (0, ""), name
    shell.closed = frozenset({"stdout"})
    assert shell.fails(10, "list") == "the output cannot be written: stdout is closed"
    shell.closed, shell.err = frozenset(), Stream(Bytes(error=FULL))
    assert (shell("get", UUID).code, shell.err.getvalue()) == (5, "")


def test_a_full_pipe_that_does_not_block_gets_everything(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    seen = bytearray()
    monkeypatch.setattr("select.select", lambda *_: seen.extend(os.read(reading, 1 << 16)))
    shell.emulator = Emulator(rooms=1_000)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe, os.fdopen(reading, "rb") as rest:
        assert shell("list", "--limit", 1_000, out=pipe).code == 0
        pipe.close()
        seen += rest.read()
    assert [json.loads(line)["uuid"] for line in seen.splitlines()] == list(shell.emulator.uuids())


def test_an_error_has_an_exit_code_and_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("list", "list --limit 2", "scan", "create"):
        said = shell.fails(6, *command.split(), "--base-url", "https://service.example/prefix")
        assert ("404" in said, "(check --base-url)" in said) == (True, True), said
    for response, code, words in (
        (answer({"message": "no"}, 400), 6, "400"),
        (answer({"message": "no"}, 401), 4, "401"),
        (answer([room(isBan="no")]), 6, "isBan"),
        (httpx.UnsupportedProtocol("no"), 7, "(check --base-url and the network)"),
    ):
        shell.transport = httpx.MockTransport(Mock(side_effect=[response]))
        said = shell.fails(code, "list")
        assert (words in said, "base_url" in said) == (True, False), said
    shell.transport = None
    shell.emulator.faults.append(Closed(work_done=True))
    said = shell.fails(9, "create")
    assert "(the room may exist: check with netless-rooms scan --created-after 20" in said
    assert "find_created_between" not in said
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.room_token(UUID)}
    said = shell.fails(4, "list")
    assert ("a room token is for that room" in said, "check_token" in said) == (True, False)
    monkeypatch.setattr(AsyncRooms, "list", Mock(side_effect=LookupError))
    with pytest.raises(LookupError):  # an internal error keeps its traceback
        shell("list")


def test_ctrl_c_during_a_create_after_it_and_between_attempts(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing(Stopping):
        async def aclose(self) -> None:
            interrupt()
            await anyio.lowlevel.checkpoint()

    for transport in (Closing(shell.emulator, -1, interrupt), Stopping(shell.emulator, 1, interrupt)):
        known = set(shell.emulator.uuids())
        shell.transport = transport
        ran = shell("create")
        assert (ran.code, {json.loads(ran.out)["uuid"]}) == (130, set(shell.emulator.uuids()) - known)
    assert ran.err == ""
    shell.emulator.faults.append(Hang(work_done=True))
    shell.transport = Stopping(shell.emulator, 1, interrupt)
    monkeypatch.setattr("netless_rooms._bulk.DRAIN_TIMEOUT", 0.01)
    ran = shell("create")
    check = "the room may exist: check with netless-rooms scan --created-after 20"
    said = [f"waiting for the response; after another Ctrl-C, {check}", f"stopped: {check}"]
    assert (ran.code, ran.out) == (130, "")
    for line, words in zip(ran.err.splitlines(), said, strict=True):
        assert line.startswith(f"netless-rooms: {words}")
    presses = iter([interrupt])

    async def waiting(_: float) -> None:
        for press in presses:  # only once
            press()

    monkeypatch.setattr("anyio.sleep", waiting)
    shell.transport = httpx.MockTransport(Mock(side_effect=httpx.ConnectError("refused")))
    ran = shell("create")
    assert (ran.code, ran.out) == (130, "")
    assert ran.err.startswith("netless-rooms: no usable response from ")  # no room is in doubt
