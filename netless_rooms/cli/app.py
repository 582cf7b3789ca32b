"""All commands, and running one: what it raises becomes one line and an exit code.

A command is a function in a module of its group, registered here by its place, so that only the module of the
command that is run is imported.
"""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Final

import anyio
from cyclopts import App, CycloptsError, RepeatArgumentError, UnusedCliTokensError

from netless_rooms._auth.redaction import redact
from netless_rooms._version import __version__
from netless_rooms.cli.console import StdoutConsole
from netless_rooms.cli.exits import CommandError, Exit, code_of, told
from netless_rooms.cli.help_pages import Pages
from netless_rooms.cli.terminal import open_closed_streams, say
from netless_rooms.errors import RoomsError

UUIDS: Final = "netless-rooms {} [OPTIONS] [UUID...]"

app: Final = App(
    name="netless-rooms",
    help=(
        "Look after the rooms of Netless, the service behind Agora Interactive Whiteboard.\n\n"
        "Set NETLESS_REGION, and NETLESS_TOKEN or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY."
    ),
    help_format="plaintext",
    help_formatter=Pages(),
    version=__version__,
)
app.command("netless_rooms.cli.rooms:create", name="create", sort_key=1, help="Create a room.")
app.command("netless_rooms.cli.rooms:get", name="get", sort_key=2, help="Show one room.")
app.command(
    "netless_rooms.cli.rooms:list_page", name="list", sort_key=3, help="Show one page of the list, as served."
)
app.command("netless_rooms.cli.scan:scan", name="scan", sort_key=4, help="Show all rooms, and go on if it stops.")
app.command("netless_rooms.cli.stats:stats", name="stats", sort_key=5, help="Count rooms by month of creation.")
app.command(
    "netless_rooms.cli.switching:disable",
    name="disable",
    usage=UUIDS.format("disable"),
    sort_key=6,
    help="Disable rooms: all are out, none can join.",
)
app.command(
    "netless_rooms.cli.switching:enable",
    name="enable",
    usage=UUIDS.format("enable"),
    sort_key=7,
    help="Undo disable.",
)
app.command(
    "netless_rooms.cli.tokens:app", name="token", sort_key=8, help="Make a token from the key, or read one."
)
app.command(
    "netless_rooms.cli.doctor:doctor", name="doctor", sort_key=9, help="Find out what is documented nowhere."
)
app.command("netless_rooms.cli.serving:emulate", name="emulate", sort_key=10, help="Serve an emulated service.")
app.command(
    "netless_rooms.cli.serving:demo", name="demo", sort_key=11, help="Show it at work, without an account."
)
app.command("netless_rooms.cli.completion:completion", name="completion", sort_key=12, help="Complete in a shell.")


def run(arguments: Sequence[str]) -> int:
    """Run the command in ``arguments`` and return the exit code."""
    open_closed_streams()
    try:
        command, bound, _ = app.parse_args(
            list(arguments), console=StdoutConsole(), exit_on_error=False, print_error=False
        )
        return _perform(partial(command, *bound.args, **bound.kwargs), is_async=iscoroutinefunction(command))
    except CycloptsError as error:
        return _fail(Exit.USAGE, redact(f"{_misused(error)}; see --help"))
    except CommandError as error:
        return _fail(error.code, str(error))
    except RoomsError as error:
        return _fail(code_of(error), told(error))
    except BrokenPipeError:
        _forget_stdout()
        return Exit.BROKEN_PIPE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def _perform(command: Callable[[], Any], *, is_async: bool) -> int:
    code = anyio.run(command) if is_async else command()
    return Exit.DONE if code is None else code


def _misused(error: CycloptsError) -> str:
    """Return what is wrong with the arguments; "tokens" are something else here."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"too many arguments, from {error.unused_tokens[0]!r} on"
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} is one too many: give a flag once, and not together with its opposite"
    return str(error).removesuffix(".")


def _fail(code: int, text: str) -> int:
    say(text)
    return code


def _forget_stdout() -> None:
    """Let Python not write again, on its way out, what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
