"""The command line as a whole: help, settings, formats, errors and exit codes; and the commands for one room."""

import csv
import io
import json
import os
import re
import runpy
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import anyio
import anyio.lowlevel
import httpx
import pytest

import netless_rooms.__main__
from fakes import TOKEN, answer, room
from netless_rooms import AsyncRooms, __version__
from netless_rooms._api.environment import client_error
from netless_rooms._api.transport import own_client
from netless_rooms.emulator import Closed, Emulator, Hang, Quirks
from samples import UUID
from selection import exhaustive
from shell import EVERYTHING, FULL, KEY, Shell, Stopping, Stream

ROOM_COMMANDS = ["create", "get", "list", "scan", "stats", "disable", "enable"]
COMMANDS = [*ROOM_COMMANDS, "token", "doctor", "emulate", "demo", "completion"]
SAME_TIME = ["--created-after", "2024-02-01", "--created-before", "2024-02-01"]
TOKEN_COMMANDS = ["read", "room", "sdk", "task"]
PAGES = [[], *([name] for name in COMMANDS), *(["token", name] for name in TOKEN_COMMANDS)]


@pytest.fixture
def shell(emulator: Emulator) -> Shell:
    return Shell(emulator)


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


# Help


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_help_fits_a_screen_and_says_what_each_flag_is_for(page: list[str], shell: Shell) -> None:
    shell.environment["COLUMNS"] = "80"
    ran = shell(*page, "--help")
    lines = ran.out.rstrip().splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert lines[0].startswith(" ".join(["Usage: netless-rooms", *page]))
    assert len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80
    for line in lines:
        if line.startswith("  --") and not line.startswith("  --token  --access-key"):
            assert re.search(r"\S  +\S", line.strip()), line


def test_help_lists_commands_in_their_order_and_flags_in_groups(shell: Shell) -> None:
    lines = shell("--help").out.splitlines()[6:]
    assert [line.split()[0] for line in lines] == [*COMMANDS, "--help,", "--version"]
    assert lines[0].rstrip() == "  create      Create a room."
    listed = shell("token", "--help").out.splitlines()[4:]
    assert [line.split()[0] for line in listed] == TOKEN_COMMANDS
    lines = [line.rstrip() for line in shell("scan", "--help").out.splitlines()]
    assert "  --format table|jsonl|csv       Default: table in a terminal, else jsonl." in lines
    assert lines[lines.index("Filters:") + 1] == "  --banned, --not-banned        Disabled, or not."
    assert lines[-1] == "  --token  --access-key  --secret-key  --region  --base-url"


def test_no_arguments_show_the_help_which_a_terminal_gets_with_colours(shell: Shell) -> None:
    assert shell().out == shell("--help").out
    assert "\x1b" not in shell().out
    shell.terminals = frozenset({"stdout"})
    assert "\x1b[1m" in shell().out


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["netless-rooms", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(netless_rooms.__main__.__file__, run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_a_missing_extra_is_told_in_a_line(missing: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert shell().code == 3
    assert shell().err == "netless-rooms needs an extra: pip install 'netless-rooms[cli]'\n"


@pytest.mark.parametrize("name", ["fish", *exhaustive(["zsh"])])
def test_completion_knows_commands_and_flags(name: str, shell: Shell) -> None:
    script = shell("completion", name).out
    assert [word for word in ("disable", "checkpoint", "created-after", "csv") if word not in script] == []


# Arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gte", "a"], 'Unknown command "gte". Did you mean "get"'),
        (["\x1b[2J"], 'Unknown command "\ufffd[2J".'),
        (["get"], 'Command "get" parameter UUID requires an argument; see --help'),
        (["get", "a b"], "it must be letters, digits"),
        (["get", "a", "b", "c"], "too many arguments, from 'b'; see --help"),
        (["get", "a", "--tokn=x"], "Unknown option: --tokn. Did you mean --token?; see --help"),
        (["list", "--limit", "0"], "Must be >= 1"),
        (["list", "--limit", "1001"], "Must be <= 1000"),
        (["list", "--limit", "many"], 'unable to convert "many"'),
        (["list", "--limit", "1", "--limit", "2"], "--limit conflicts with another flag or is repeated"),
        (["create", "--limit", "-1"], "Must be >= 0"),
        (["scan", "true"], "too many arguments, from 'true'"),
        (["scan", "--shards", "0"], "Must be >= 1"),
        (["scan", "--shards", "1001"], "Must be <= 1000"),
        (["scan", "--prefetch", "101"], "Must be <= 100"),
        (["scan", "--created-after", "yesterday"], "use a date or a time such as 2024-01-31"),
        (["scan", "--created-after", "0001-01-01T00:00+23:00"], "out of range"),
        (["scan", "--banned", "--not-banned"], "--not-banned conflicts with another flag or is repeated"),
        (["scan", *SAME_TIME], "--created-after must be earlier than --created-before"),
        (["stats", "--on-invalid", "yield"], "yield"),
        (["disable", "a", "--rate", "0"], "Must be > 0"),
        (["disable", "a", "--concurrency", "0"], "Must be >= 1"),
        (["disable", "a", "--max-failures", "0"], "Must be >= 1"),
        (["emulate", "--port", "65536"], "Must be <= 65535"),
        (["list", "--token", "t", "--secret-key", "s"], "use --token, or --access-key"),
        (["list", "--token", "t", "--access-key", "s"], "use --token, or --access-key"),
        (["emulate", "--quirk", "colour=red"], "unknown quirk 'colour': use one of cursor, order,"),
        (["emulate", "--quirk", "cursor=true"], "cursor must be one of 'inclusive', 'exclusive', not True"),
        (["emulate", "--quirk", "short_pages=maybe"], "short_pages must be a bool"),
        (["emulate", "--quirk", "envelope"], "envelope must be a bool"),
        (["emulate", "--quirk", "page_cap=many"], "page_cap must be an int"),
        (["emulate", "--fault", "Failure=200"], "status must be"),
        (["emulate", "--fault", "Failure"], "status"),
        (["emulate", "--fault", "Melting"], "a fault is one of NoFault, Failure,"),
        (["emulate", "--quirk", "page_cap=0"], "page_cap must be 1 to 1000, not 0"),
    ],
)
def test_a_wrong_argument_is_told_in_a_line(arguments: list[str], words: str, shell: Shell) -> None:
    assert words in shell.fails(2, *arguments)
    assert shell.emulator.requests == []


@pytest.mark.parametrize(
    "arguments", [["get", TOKEN], ["get", "a", TOKEN], ["gte", TOKEN], ["get", "a", f"--{TOKEN}"]]
)
def test_a_token_in_a_wrong_place_is_not_shown(arguments: list[str], shell: Shell) -> None:
    assert TOKEN not in shell.fails(2, *arguments)


# Settings


def test_flags_override_the_environment(shell: Shell) -> None:
    shell.environment = {**EVERYTHING, "NETLESS_REGION": "two words", "NETLESS_BASE_URL": "nowhere"}
    assert shell("list", "--region", "sg", "--base-url", "https://service.example").code == 0
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": "bad", **KEY}
    ran = shell("list", "--access-key", KEY["NETLESS_ACCESS_KEY"], "--limit", "1")
    assert (ran.code, ran.err) == (0, "")
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.token()}
    assert shell("list", "--limit", "1").code == 0


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "set NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY; and NETLESS_REGION, such as us-sv"),
        ({**KEY, "NETLESS_REGION": ""}, "set NETLESS_REGION, such as us-sv (without an account"),
        ({"NETLESS_REGION": "sg"}, "set NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY (without"),
        (
            {"NETLESS_REGION": "sg", "NETLESS_ACCESS_KEY": "a"},
            "incomplete access key: also set NETLESS_SECRET_KEY",
        ),
        (
            {"NETLESS_REGION": "sg", "NETLESS_SECRET_KEY": "a"},
            "incomplete access key: also set NETLESS_ACCESS_KEY",
        ),
        ({**EVERYTHING, "NETLESS_TOKEN": "t"}, "NETLESS_TOKEN and NETLESS_SECRET_KEY are both set"),
        ({**EVERYTHING, "NETLESS_SECRET_KEY": "hush \n"}, "secret_key must not begin or end with white space"),
        ({**EVERYTHING, "NETLESS_REGION": "two words"}, "region must be printable"),
        ({**EVERYTHING, "NETLESS_BASE_URL": "http://service.example"}, "base_url"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_told_in_a_line(
    environment: dict[str, str], words: str, shell: Shell
) -> None:
    shell.environment = environment
    said = shell.fails(3, "list")
    assert said.startswith(words)
    assert "hush" not in said
    assert "allow_http" not in said
    assert shell.emulator.requests == []


def test_a_secret_on_a_flag_is_warned_about_and_not_shown(shell: Shell) -> None:
    token = shell.emulator.token()
    ran = shell("list", "--token", token)
    assert ran.code == 0
    assert ran.err.startswith("netless-rooms: warning: --token is visible to other users")
    assert token not in ran.out + ran.err
    ran = shell("token", "sdk", "--role", "admin", "--secret-key", "hush")
    assert "set NETLESS_SECRET_KEY instead" in ran.err
    assert "hush" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "localhost,127.0.0.0/8,::1/128"),
        ("no_proxy", "[::1]"),
        ("HTTPS_PROXY", "http://host:port"),
        ("all_proxy", "socks5://host:1"),
        ("HTTP_PROXY", "ftp://user:hush@host"),
        ("SSL_CERT_FILE", "/nowhere"),
        ("SSL_CERT_FILE", os.devnull),
        ("SSLKEYLOGFILE", "/nowhere/log"),
    ],
)
def test_an_environment_that_allows_no_client_is_told_in_a_line(name: str, value: str, shell: Shell) -> None:
    shell.environment |= {"SSL_CERT_FILE": "", name: value}
    shell.client = own_client
    said = shell.fails(3, "list")
    assert said.startswith(f"the HTTP client cannot be made because of {name}: ")
    assert "hush" not in said


def test_a_proxy_needs_no_scheme_and_another_cause_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "host:1")
    monkeypatch.setenv("HTTPS_PROXY", "host:1:1")
    assert "because of HTTPS_PROXY: InvalidURL" in str(client_error(httpx.InvalidURL("no"), httpx))
    assert "because of the environment: OSError" in str(client_error(OSError(), httpx))


# One room, and one page


def test_create_and_get_show_the_same_room(shell: Shell) -> None:
    created = shell("create", "--limit", "3", "--no-recording")
    row = json.loads(created.out)
    assert (row["limit"], row["is_record"], row["is_ban"]) == (3, False, False)
    assert shell("get", row["uuid"]).out == created.out
    shown = shell("get", row["uuid"], "--format", "table").out.splitlines()
    assert shown[0] == f"uuid        {row['uuid']}"
    assert shown[3:6] == ["name        -", "is_record   no", "is_ban      no"]


# Formats


def test_list_shows_a_page_in_the_format_that_fits_its_reader(shell: Shell) -> None:
    uuids = list(shell.emulator.uuids())
    ask = ["list", "--begin-uuid", uuids[3], "--limit", "2"]
    first, second = map(json.loads, shell(*ask).out.splitlines())
    assert [first["uuid"], second["uuid"]] == uuids[3:5]
    names = ["uuid", "team_uuid", "app_uuid", "name", "is_record", "is_ban", "created_at", "limit", "extra"]
    row, _ = csv.DictReader(shell(*ask, "--format", "csv").out.splitlines())
    assert (list(first), list(row)) == (names, names)
    assert [row[name] for name in ("uuid", "is_ban", "limit", "extra")] == [uuids[3], "false", "0", ""]
    asked = shell(*ask, "--format", "table").out
    assert asked.splitlines()[0].split() == ["uuid", "created_at", "is_ban", "limit", "name"]
    assert "\x1b" not in asked
    shell.terminals = frozenset({"stdout"})
    shown = shell(*ask).out
    assert "\x1b[1m" in shown
    assert len(shown.splitlines()) == 3


def test_a_table_is_cut_to_the_width_of_a_terminal_only(shell: Shell) -> None:
    shell.emulator = Emulator()
    shell.emulator.add_room(uuid=UUID, name="name " * 50)
    assert "name " * 49 in shell("list", "--format", "table").out
    shell.terminals = frozenset({"stdout"})
    shell.environment["COLUMNS"] = "90"
    _, row = shell("list").out.splitlines()
    assert row.endswith("  no      0      name name name na…")
    assert len(row) <= 90


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("\x1b[2J[bold]x[/bold]\nrm -rf \u202e", "\ufffd[2J[bold]x[/bold]\ufffdrm -rf \ufffd"),
        ("\x07\x9b\u2028\u2066\r", "\ufffd" * 5),
        ("白板 क्\u200dष 👩\u200d🏫 a\u3000b\u00a0c", "白板 क्\u200dष 👩\u200d🏫 a\u3000b\u00a0c"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\tx", "'\ufffdx"),
        ("\rx", "'\ufffdx"),
        ("1=1", "1=1"),
        ("\uff1d1", "'\uff1d1"),
        ("\uff0b1", "'\uff0b1"),
        ("\uff0d1", "'\uff0d1"),
        ("\uff20x", "'\uff20x"),
        (";=1", "';'=1"),
        ("a; -1", "a;' -1"),
        ("a; b", "a; b"),
    ],
)
def test_a_name_acts_on_neither_a_terminal_nor_a_spreadsheet(name: str, spelled: str, shell: Shell) -> None:
    uuid = shell.emulator.add_room(name=name)
    shell.environment["COLUMNS"] = "200"
    (row,) = csv.DictReader(shell("get", uuid, "--format", "csv").out.splitlines())
    assert row["name"] == spelled
    shown = spelled.replace("'", "")  # the apostrophes are for spreadsheets
    assert f"name        {shown}\n" in shell("get", uuid, "--format", "table").out
    assert shown in shell("list", "--format", "table").out
    ran = shell("get", uuid)
    assert json.loads(ran.out)["name"] == name
    assert ran.out.isascii()


def test_an_output_without_unicode_gets_question_marks(shell: Shell) -> None:
    shell.emulator.add_room(name="白板", uuid=UUID)
    assert "??" in shell("get", UUID, "--format", "table", out=Stream(encoding="latin-1")).out


def test_a_time_has_milliseconds_unless_it_is_finer(shell: Shell) -> None:
    for moment in ("2024-01-02T00:00:00.000Z", "2024-01-02T03:04:05.678901Z"):
        uuid = shell.emulator.add_room(createdAt=moment)
        assert json.loads(shell("get", uuid).out)["created_at"] == moment


# Streams


@pytest.mark.parametrize("arguments", [["list"], ["get", "--help"], ["token"], ["--version"], ["demo"]])
def test_an_output_that_is_full_is_told_in_a_line(arguments: list[str], shell: Shell) -> None:
    said = shell.fails(10, *arguments, out=Stream(error=FULL))
    assert said == "the output cannot be written: No space left on device"


@pytest.mark.parametrize("command", ["scan", "demo", "--help"])
def test_a_reader_that_goes_away_ends_a_command_quietly(command: str, shell: Shell, tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("w") as file:
        ran = shell(command, out=Stream(descriptor=file.fileno(), error=BrokenPipeError()))
        assert (ran.code, ran.err) == (141, "")


@pytest.mark.parametrize("name", ["stdin", "stderr"])
def test_a_stream_that_is_closed_is_as_one_that_is_empty(name: str, shell: Shell) -> None:
    shell.closed = frozenset({name})
    assert len(shell("list", "--limit", 2).out.splitlines()) == 2
    ran = shell("disable", "--yes")
    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_a_stdout_that_is_closed_is_told_in_a_line(shell: Shell) -> None:
    shell.closed = frozenset({"stdout"})
    assert shell.fails(10, "list") == "the output cannot be written: stdout is closed"


def test_a_pipe_that_is_full_and_does_not_block_gets_everything(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    seen = b""

    def ready(*_: object) -> None:
        nonlocal seen
        seen += os.read(reading, 1 << 16)

    monkeypatch.setattr("select.select", ready)
    shell.emulator = Emulator(rooms=1_000)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe, os.fdopen(reading, "rb") as rest:
        assert shell("list", "--limit", 1_000, out=pipe).code == 0
        pipe.close()
        seen += rest.read()
    assert [json.loads(line)["uuid"] for line in seen.splitlines()] == list(shell.emulator.uuids())


def test_output_may_go_to_text_in_memory_and_warnings_may_get_lost(shell: Shell) -> None:
    memory = io.StringIO()
    assert shell("list", "--limit", 2, out=memory).code == 0
    assert len(memory.getvalue().splitlines()) == 2
    shell.err = Stream(error=FULL)
    ran = shell("get", UUID)
    assert (ran.code, ran.err) == (5, "")


# What can go wrong


@pytest.mark.parametrize("arguments", [["list"], ["list", "--limit", "2"], ["scan"], ["create"]])
def test_where_no_service_is_no_uuid_is_doubted(arguments: list[str], shell: Shell) -> None:
    said = shell.fails(6, *arguments, "--base-url", "https://service.example/prefix")
    assert "404" in said
    assert "(check --base-url)" in said


@pytest.mark.parametrize(
    ("response", "code", "words"),
    [
        (answer({"message": "no"}, 400), 6, "400"),
        (answer({"message": "no"}, 401), 4, "401"),
        (answer([room(isBan="no")]), 6, "isBan"),
        (httpx.UnsupportedProtocol("no"), 7, "(check --base-url and the network)"),
    ],
    ids=["status", "unauthorized", "undocumented", "network"],
)
def test_an_error_has_an_exit_code_and_one_line(response: Any, code: int, words: str, shell: Shell) -> None:
    shell.transport = httpx.MockTransport(Mock(side_effect=[response]))
    said = shell.fails(code, "list")
    assert words in said
    assert "base_url" not in said


def test_a_room_that_does_not_exist_has_its_own_exit_code(shell: Shell) -> None:
    assert "404" in shell.fails(5, "get", UUID)


def test_a_token_without_the_permission_is_told_without_words_of_the_library(shell: Shell) -> None:
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.room_token(UUID)}
    said = shell.fails(4, "list")
    assert "a room token is for that room" in said
    assert "check_token" not in said


def test_a_create_in_doubt_has_its_own_exit_code_and_tells_where_to_look(shell: Shell) -> None:
    shell.emulator.faults.append(Closed(work_done=True))
    said = shell.fails(9, "create")
    assert "(the room may exist: check with netless-rooms scan --created-after 20" in said
    assert "find_created_between" not in said


def test_an_internal_error_keeps_its_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncRooms, "list", Mock(side_effect=LookupError))
    with pytest.raises(LookupError):
        shell("list")


def test_ctrl_c_during_a_create_tells_that_the_room_may_exist(shell: Shell) -> None:
    shell.emulator.faults.append(Hang(work_done=True))
    shell.transport = Stopping(shell.emulator, 1, interrupt)
    said = shell.fails(130, "create")
    assert said.startswith("stopped: the room may exist: check with netless-rooms scan --created-after 20")


def test_ctrl_c_between_two_attempts_of_a_create_leaves_no_doubt(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waiting(_: float) -> None:
        interrupt()
        await anyio.sleep_forever()

    monkeypatch.setattr("anyio.sleep", waiting)
    shell.transport = httpx.MockTransport(Mock(side_effect=httpx.ConnectError("refused")))
    ran = shell("create")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_room_that_was_created_is_shown_even_if_ctrl_c_follows(shell: Shell) -> None:
    class Closing(Stopping):
        async def aclose(self) -> None:
            interrupt()
            await anyio.lowlevel.checkpoint()

    shell.transport = Closing(shell.emulator, -1, interrupt)
    known = set(shell.emulator.uuids())
    ran = shell("create")
    assert ran.code == 130
    assert {json.loads(ran.out)["uuid"]} == set(shell.emulator.uuids()) - known


# Doctor


def test_doctor_reports_findings_and_how_to_emulate_them() -> None:
    shell = Shell(Emulator(rooms=130, quirks=Quirks(cursor="exclusive", page_cap=50)))
    found = [json.loads(line) for line in shell("doctor").out.splitlines()]
    by_name = {finding["question"]: finding for finding in found}
    assert by_name["cursor"]["verdict"] == "exclusive"
    assert (found[-1]["question"], found[-1]["verdict"]) == ("emulate", "with quirks")
    assert found[-1]["evidence"] == "netless-rooms emulate --quirk cursor=exclusive --quirk page_cap=50"
    printed = shell("doctor", "--format", "table").out.splitlines()
    cursor = printed.index(f"cursor         exclusive   {by_name['cursor']['evidence']}")
    assert printed[cursor + 1].strip() == by_name["cursor"]["meaning"]
    assert printed[cursor + 2].startswith("page_cap  ")
    assert printed[-3:] == ["", "To emulate this service:", found[-1]["evidence"]]
