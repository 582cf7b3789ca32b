"""The command line as a whole: help, settings, formats, errors and exit codes."""

import csv
import json
import signal

import anyio
import anyio.lowlevel
import httpx
import pytest

from fakes import TOKEN, answer, room
from netless_rooms import __version__
from netless_rooms.cli.app import app
from netless_rooms.cli.rows import encode_csv, spell_time
from netless_rooms.cli.terminal import visible
from netless_rooms.emulator import Closed, Emulator, Hang
from samples import UUID
from shell import EVERYTHING, KEY, Shell, Stopping, Stream

PAGES = [[], *([name] for name in app if not name.startswith("-"))]
PAGES += [["token", name] for name in app["token"] if not name.startswith("-")]


@pytest.fixture
def shell(emulator: Emulator) -> Shell:
    return Shell(emulator)


def scripted(*answers: httpx.Response | httpx.RequestError) -> httpx.MockTransport:
    coming = iter(answers)

    def script(_: httpx.Request) -> httpx.Response:
        said = next(coming)
        if isinstance(said, httpx.RequestError):
            raise said
        return said

    return httpx.MockTransport(script)


# Help


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_help_fits_a_screen(page: list[str], shell: Shell) -> None:
    shell.environment["COLUMNS"] = "80"
    ran = shell(*page, "--help")
    lines = ran.out.rstrip().splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert lines[0].startswith("Usage: netless-rooms")
    assert len(lines) <= 23  # and the prompt
    assert max(map(len, lines)) <= 80


def test_every_flag_of_every_command_says_what_it_is_for() -> None:
    for page in PAGES[1:]:
        command = app[page[0]] if len(page) == 1 else app[page[0]][page[1]]
        if command.default_command is not None:
            for argument in command.assemble_argument_collection():
                assert argument.parameter.help or not argument.show, (page, argument.name)


def test_no_arguments_show_the_help(shell: Shell) -> None:
    assert shell().out == shell("--help").out


def test_the_version_is_that_of_the_package(shell: Shell) -> None:
    assert shell("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gte", "a"], 'Unknown command "gte". Did you mean "get"'),
        (["bogus"], 'Unknown command "bogus".'),
        (["get"], "parameter UUID requires an argument; see --help"),
        (["get", "a b"], "it must be letters, digits"),
        (["get", "a", "--tokn=x"], "Unknown option: --tokn. Did you mean --token?"),
        (["list", "--limit", "1001"], "Must be <= 1000"),
        (["list", "--limit", "many"], "--limit"),
        (["scan", "--created-after", "yesterday"], "take a date or a time such as 2024-01-31"),
        (["scan", "--created-after", "0001-01-01T00:00+23:00"], "too far off"),
        (["scan", "--shards", "0"], "Must be >= 1"),
        (["get", "a", "b", "c"], "too many arguments, from 'b' on; see --help"),
        (["scan", "--banned", "--not-banned"], "--not-banned is one too many: give a flag once, and not together"),
        (["list", "--limit", "1", "--limit", "2"], "--limit is one too many"),
        (
            ["scan", "--created-after", "2024-02-01", "--created-before", "2024-02-01"],
            "--created-after must be before --created-before",
        ),
        (["token", "room", "a", "--role", "boss"], "take admin, writer or reader"),
        (["token", "room", "a", "--role", "reader", "--lifetime", "soon"], "such as 10m"),
        (
            ["token", "room", "a", "--role", "reader", "--lifetime", "1000000s"],
            "take 1 to 999999 and s, m, h or d",
        ),
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


def test_flags_go_before_the_environment(shell: Shell) -> None:
    shell.environment = {**EVERYTHING, "NETLESS_REGION": "two words", "NETLESS_BASE_URL": "nowhere"}
    ran = shell("list", "--region", "sg", "--base-url", "https://service.example")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "set NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY; and NETLESS_REGION, such as us-sv"),
        (KEY, "set NETLESS_REGION"),
        ({**KEY, "NETLESS_REGION": ""}, "set NETLESS_REGION"),
        ({"NETLESS_REGION": "sg"}, "set NETLESS_TOKEN, or"),
        ({"NETLESS_REGION": "sg", "NETLESS_ACCESS_KEY": "a"}, "half a key is there: set NETLESS_SECRET_KEY too"),
        ({"NETLESS_REGION": "sg", "NETLESS_SECRET_KEY": "a"}, "half a key is there: set NETLESS_ACCESS_KEY too"),
        ({**EVERYTHING, "NETLESS_TOKEN": "t"}, "both set: unset the one that is not to ask"),
        ({**EVERYTHING, "NETLESS_SECRET_KEY": "hush \n"}, "secret_key must not begin or end with white space"),
        ({**EVERYTHING, "NETLESS_REGION": "two words"}, "region must be printable"),
        (
            {**EVERYTHING, "NETLESS_BASE_URL": "http://service.example"},
            "everybody on the way could read the token",
        ),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_told_in_a_line(
    environment: dict[str, str], words: str, shell: Shell
) -> None:
    shell.environment = environment
    said = shell.fails(3, "list")
    assert words in said
    assert "hush" not in said
    assert "allow_http" not in said
    assert shell.emulator.requests == []


def test_a_token_and_a_key_on_flags_are_one_too_many(shell: Shell) -> None:
    assert "not both" in shell.fails(2, "list", "--token", "t", "--secret-key", "s")


def test_a_secret_on_a_flag_is_warned_about_and_not_shown(shell: Shell) -> None:
    token = shell.emulator.token()
    ran = shell("list", "--token", token, "--format", "csv")
    assert ran.code == 0
    assert "warning: --token is seen by other users" in ran.err
    assert token not in ran.out + ran.err
    ran = shell("token", "sdk", "--role", "admin", "--secret-key", "hush")
    assert "set NETLESS_SECRET_KEY instead" in ran.err
    assert "hush" not in ran.out + ran.err


def test_a_token_from_the_environment_will_do(shell: Shell) -> None:
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.token()}
    assert shell("list", "--limit", "1").code == 0


def test_a_key_on_flags_goes_before_a_token_in_the_environment(shell: Shell) -> None:
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": "bad", **KEY}
    ran = shell("list", "--access-key", KEY["NETLESS_ACCESS_KEY"], "--limit", "1")
    assert (ran.code, ran.err) == (0, "")


# One room and one page


def test_create_and_get_show_the_same_room(shell: Shell) -> None:
    created = shell("create", "--limit", "3", "--no-recording")
    row = json.loads(created.out)
    assert (row["limit"], row["is_record"], row["is_ban"]) == (3, False, False)
    assert shell("get", row["uuid"]).out == created.out
    shown = shell("get", row["uuid"], "--format", "table").out
    assert f"uuid        {row['uuid']}\n" in shown
    assert "name        -\n" in shown
    assert "is_ban      no\n" in shown


def test_list_shows_a_page_from_a_room_on(shell: Shell) -> None:
    uuids = list(shell.emulator.uuids())
    ran = shell("list", "--begin-uuid", uuids[3], "--limit", "2")
    assert [json.loads(line)["uuid"] for line in ran.out.splitlines()] == uuids[3:5]


def test_a_terminal_gets_a_table_and_a_pipe_gets_json_lines(shell: Shell) -> None:
    piped = shell("list", "--limit", "2")
    assert [list(json.loads(line)) for line in piped.out.splitlines()] == 2 * [
        ["uuid", "team_uuid", "app_uuid", "name", "is_record", "is_ban", "created_at", "limit", "extra"]
    ]
    asked = shell("list", "--limit", "2", "--format", "table")
    assert asked.out.splitlines()[0].split() == ["uuid", "created_at", "is_ban", "limit", "name"]
    assert "\x1b" not in asked.out
    shell.terminals = frozenset({"stdout"})
    shown = shell("list", "--limit", "2")
    assert "\x1b[1m" in shown.out
    assert len(shown.out.splitlines()) == 3


def test_csv_has_the_fields_of_json_lines(shell: Shell) -> None:
    rows = list(csv.DictReader(shell("list", "--limit", "2", "--format", "csv").out.splitlines()))
    first = json.loads(shell("list", "--limit", "1").out)
    assert list(rows[0]) == list(first)
    assert (rows[0]["uuid"], rows[0]["is_ban"]) == (first["uuid"], "false")


# What strangers write


NAUGHTY = "\x1b[2J[bold]x[/bold]\nrm -rf \u202e"


def test_a_name_can_not_act_on_a_terminal(shell: Shell) -> None:
    uuid = shell.emulator.add_room(name=NAUGHTY)
    shell.terminals = frozenset({"stdout"})
    shell.environment["COLUMNS"] = "200"
    for arguments in (["get", uuid], ["list"], ["get", uuid, "--format", "csv"]):
        out = shell(*arguments).out
        assert "\ufffd[2J[bold]x[/bold]\ufffdrm -rf \ufffd" in out
    assert json.loads(shell("get", uuid, "--format", "jsonl").out)["name"] == NAUGHTY
    assert shell("get", uuid, "--format", "jsonl").out.isascii()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_csv_holds_no_formula(text: str) -> None:
    assert encode_csv([{"name": text}], ["name"], head=False).startswith(("'", "\"'"))


def test_visible_leaves_text_of_all_languages_alone() -> None:
    for text in ("白板 101", "क्\u200dष", "👩\u200d🏫", "a\u3000b\u00a0c"):
        assert visible(text) == text
    assert visible("\x07\x9b\u2028\u2066\ud800\r") == "\ufffd" * 6


def test_an_output_without_unicode_gets_question_marks(shell: Shell) -> None:
    class Latin(Stream):
        encoding = "latin-1"

    shell.emulator.add_room(name="白板", uuid=UUID)
    assert "??" in shell("get", UUID, "--format", "table", out=Latin()).out


def test_a_time_finer_than_milliseconds_stays_so() -> None:
    from datetime import UTC, datetime

    assert spell_time(datetime(2024, 1, 2, tzinfo=UTC)) == "2024-01-02T00:00:00.000Z"
    assert spell_time(datetime(2024, 1, 2, 3, 4, 5, 678901, UTC)) == "2024-01-02T03:04:05.678901Z"


# What can go wrong


def test_a_room_that_is_not_there_has_its_own_exit_code(shell: Shell) -> None:
    assert "404" in shell.fails(5, "get", UUID)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--limit", "2"], ["scan"], ["create"]])
def test_where_no_service_is_no_uuid_is_doubted(arguments: list[str], shell: Shell) -> None:
    said = shell.fails(6, *arguments, "--base-url", "https://service.example/prefix")
    assert "404" in said
    assert "(is --base-url right?)" in said


def test_a_token_that_is_refused_has_its_own_exit_code(shell: Shell) -> None:
    shell.environment["NETLESS_SECRET_KEY"] = "another"
    assert "401" in shell.fails(4, "list")


def test_a_token_that_is_too_weak_is_told_without_words_of_the_library(shell: Shell) -> None:
    shell.environment = {"NETLESS_REGION": "us-sv", "NETLESS_TOKEN": shell.emulator.room_token(UUID)}
    said = shell.fails(4, "list")
    assert "a room token is for that room" in said
    assert "check_token" not in said


def test_another_answer_has_its_own_exit_code(shell: Shell) -> None:
    shell.transport = scripted(answer({"message": "no"}, 400))
    assert "400" in shell.fails(6, "list")
    shell.transport = scripted(answer([room(isBan="no")]))
    assert "isBan" in shell.fails(6, "list")


def test_no_answer_has_its_own_exit_code_and_names_the_flag(shell: Shell) -> None:
    shell.transport = scripted(httpx.UnsupportedProtocol("no"))
    said = shell.fails(7, "list")
    assert "is --base-url right" in said
    assert "base_url" not in said


def test_a_create_in_doubt_has_its_own_exit_code_and_tells_where_to_look(shell: Shell) -> None:
    shell.emulator.faults.append(Closed(work_done=True))
    said = shell.fails(9, "create")
    assert "see with netless-rooms scan --created-after 20" in said
    assert "find_created_between" not in said


def test_a_name_in_an_error_can_not_act_on_a_terminal(shell: Shell) -> None:
    shell.transport = scripted(answer({"message": "\x1b[2J"}, 400))
    assert "\x1b" not in shell.fails(6, "list")


def test_what_nobody_foresaw_keeps_its_traceback(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netless_rooms.cli.rooms.show", None)
    with pytest.raises(TypeError):
        shell("list")


def test_words_of_the_library_that_are_replaced_are_those_that_it_uses() -> None:
    from netless_rooms import AsyncRooms
    from netless_rooms.cli.exits import OVER_HTTP

    with pytest.raises(ValueError, match=OVER_HTTP):
        AsyncRooms(httpx.AsyncClient(), token="t", region="sg", base_url="http://service.example")


def test_ctrl_c_during_a_create_tells_that_the_room_may_exist(shell: Shell) -> None:
    shell.emulator.faults.append(Hang(work_done=True))
    shell.transport = Stopping(shell.emulator, 1, lambda: signal.raise_signal(signal.SIGINT))
    ran = shell("create")
    assert (ran.code, ran.out) == (130, "")
    assert "stopped: the room may exist: see with netless-rooms scan --created-after 20" in ran.err


def test_ctrl_c_between_two_tries_of_a_create_leaves_no_doubt(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waiting(_: float) -> None:
        signal.raise_signal(signal.SIGINT)
        await anyio.sleep_forever()

    monkeypatch.setattr("netless_rooms.calls.anyio.sleep", waiting)
    shell.transport = scripted(httpx.ConnectError("refused"))
    ran = shell("create")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_room_that_was_created_is_shown_whatever_comes_then(shell: Shell) -> None:
    class Closing(Stopping):
        async def aclose(self) -> None:
            signal.raise_signal(signal.SIGINT)
            await anyio.lowlevel.checkpoint()

    shell.transport = Closing(shell.emulator, 0, lambda: None)
    known = set(shell.emulator.uuids())
    ran = shell("create")
    assert ran.code == 130
    assert {json.loads(ran.out)["uuid"]} == set(shell.emulator.uuids()) - known


def test_an_output_that_is_full_is_told_in_a_line(shell: Shell) -> None:
    class Full(Stream):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    for arguments in (["list"], ["get", "--help"], ["token"], ["--version"], ["demo"]):
        ran = shell(*arguments, out=Full())
        assert (ran.code, ran.err) == (
            10,
            "netless-rooms: the output cannot be written: No space left on device\n",
        ), arguments


# Completion


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_flags(name: str, shell: Shell) -> None:
    script = shell("completion", name).out
    for word in ("disable", "checkpoint", "created-after", "csv"):
        assert word in script
