"""All commands, by path, so that only the module of the one that runs is imported; and the running of it."""

import re
import sys
from collections.abc import Sequence
from functools import partial
from inspect import iscoroutinefunction
from io import StringIO
from typing import Annotated, Any, Final, Literal

import anyio
from cyclopts import App, CycloptsError, Parameter, RepeatArgumentError, UnusedCliTokensError

from netless_rooms._version import __version__
from netless_rooms.cli.errors import CommandError, ExitCode, exit_code, message
from netless_rooms.cli.output import hang, open_closed_streams, put, say
from netless_rooms.errors import RoomsError

COMMANDS: Final = (
    ("create", "rooms:create", "Create a room.", "create --limit 5"),
    ("get", "rooms:get", "Show one room.", "get 37875f5089c611eaa629dbb375b5adfc"),
    ("list", "rooms:list_page", "Show one page of the list, as served.", "list --limit 20"),
    ("scan", "scan:scan", "Show all rooms; resume where a scan stopped.", "scan -c night.json -o rooms.csv"),
    ("stats", "stats:stats", "Count rooms by month of creation.", "stats --created-after 90d"),
    ("disable", "bulk:disable", "Disable: remove participants and block joining.", "disable --dry-run < old.csv"),
    ("enable", "bulk:enable", "Enable: allow joining again.", "enable --dry-run < report.jsonl"),
    ("token", "tokens:app", "Create a token from the access key, or read one.", "token sdk --role admin"),
    ("doctor", "doctor:doctor", "Report undocumented behaviour of your service.", "doctor --region eu"),
    ("emulate", "emulate:emulate", "Serve an emulated service; needs the extra emulator.", "emulate --rooms 2500"),
    ("demo", "demo:demo", "Show a walk; needs the extra emulator, and no account.", "demo"),
)
ADVICE: Final = {  # what users of other tools try
    "--json": "use --format jsonl",
    "--csv": "use --format csv",
    **dict.fromkeys(("delete", "remove", "rm"), "rooms cannot be deleted: use disable"),
}
Shell = Annotated[Literal["bash", "zsh", "fish"], Parameter(help="bash, zsh or fish.", show_choices=False)]


class HelpFormatter:
    """Draws ``--help`` without frames, so that each page fits a screen of 80 columns and 24 lines."""

    def render_usage(self, console: Any, _: object, usage: object) -> None:
        console.out(f"Usage: {str(usage).strip()}", style="bold")

    def render_description(self, console: Any, _: object, description: object) -> None:
        lines = map(str.rstrip, _plain(console, description).splitlines())
        console.out("\n".join(filter(None, lines)), highlight=False)

    def __call__(self, console: Any, options: object, panel: Any) -> None:  # noqa: ARG002  a name that cyclopts may use
        """Draw commands or flags, one per line; the settings, which every command has, close together."""
        if not panel.entries:
            return
        console.out(f"{panel.title}:", style="bold")
        if str(panel.title).startswith("Settings"):
            flags = [", ".join(entry.display_labels) for entry in panel.entries]
            console.out("", *flags, sep="  ", highlight=False)
            return
        labels = [
            "  " + ", ".join((*entry.display_labels_with_metavar, *entry.shorts * (not entry.names)))
            for entry in panel.entries
        ]
        width = max(map(len, labels))
        for label, entry in zip(labels, panel.entries, strict=True):
            text = hang(label, _plain(console, entry.description or ""), width, console.width)
            console.out(text, end="", highlight=False)


def _plain(console: Any, text: object) -> Any:
    with console.capture() as captured:
        console.print(text)
    return captured.get()


app: Final = App(
    name="netless-rooms",
    help=(
        "Manage the rooms of Netless, the service behind Agora Interactive Whiteboard.\n\n"
        "A setting comes from its flag, such as --region, or else from its variable:\n"
        "NETLESS_REGION; NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY;\n"
        "NETLESS_BASE_URL for another address of the service.\n\n"
        "Example: netless-rooms list --region us-sv\n"
        "More: netless-rooms help COMMAND"
    ),
    help_format="plaintext",
    help_formatter=HelpFormatter(),
    version=__version__,
    version_flags=["--version", "-V"],
)
for _key, (_name, _path, _help, _example) in enumerate(COMMANDS, 1):
    _usage = {"usage": f"netless-rooms {_name} [OPTIONS] [UUID...]"} if _path.startswith("bulk:") else {}
    _help += f"\n\nExample: netless-rooms {_example}"
    app.command(f"netless_rooms.cli.commands.{_path}", name=_name, sort_key=_key, help=_help, **_usage)


@app.command(sort_key=99, help="Print shell completion.\n\nExample: netless-rooms completion fish")
def completion(shell: Shell, /) -> None:
    put(app.generate_completion(prog_name="netless-rooms", shell=shell))


def run(arguments: Sequence[str]) -> int:
    """Run the command in ``arguments`` and return the exit code."""
    open_closed_streams()
    words = list(arguments)
    if words[:1] in (["help"], ["version"]):
        words = [*words[1:], f"--{words[0]}"]
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        drawn = StringIO()  # what cyclopts prints; ``put`` reports what cannot be written
        if "console" in bound.arguments:
            from rich.console import Console  # slow, so only for help

            bound.arguments["console"] = Console(file=drawn, force_terminal=sys.stdout.isatty())
        call = partial(command, *bound.args, **bound.kwargs)
        code = anyio.run(call) if iscoroutinefunction(command) else call()
        put(drawn.getvalue())
        return code or ExitCode.DONE
    except CycloptsError as error:
        code, text = ExitCode.USAGE, f"{_usage_error(error)}; see --help"
    except CommandError as error:
        code, text = error.code, str(error)
    except RoomsError as error:
        code, text = exit_code(error), message(error)
    except BrokenPipeError:
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    say(text)
    return code


def _usage_error(error: CycloptsError) -> str:
    """Return what is wrong with the arguments, without "tokens", which are something else here."""
    unused: Any = error.unused_tokens or [getattr(getattr(error, "token", None), "keyword", None)]
    if isinstance(error, UnusedCliTokensError):
        return f"too many arguments, from {unused[0]!r}"
    if isinstance(error, RepeatArgumentError):
        return f"{error.token.keyword} conflicts with another flag or is repeated"
    text = re.sub('^Unknown command "(-[^"]*)".*', r"Unknown option: \1", str(error))
    return ADVICE.get(unused[0]) or re.sub(r" Did you mean --(token|secret-key)\?", "", text).removesuffix(".")
