"""The commands ``disable`` and ``enable``: one room or several, with a result for each."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any, Final

import anyio
from attrs import frozen
from cyclopts import Parameter, validators

from netless_rooms._bulk import CONCURRENCY, Outcome, Outcomes
from netless_rooms._validation import check_uuid
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import CommandError, ExitCode, message, reason
from netless_rooms.cli.export import Columns, Format, Row, encode, format_for
from netless_rooms.cli.output import count, is_terminal, progress, prompt, put, read_input, say
from netless_rooms.errors import RoomsError, TooManyFailuresError

OUTCOME: Final = Columns(
    fields=("uuid", "outcome", "error"), shown={"uuid": 32, "outcome": 13, "error": 0}, folds=True
)
STDIN: Final = "-"
EXPECTED: Final = "expected one uuid or JSON object per line, or CSV with a column uuid"
Rate = Annotated[float, Parameter(validator=validators.Number(gt=0))]
# Only this makes a lone hyphen an argument; so misspelled flags have to be rejected here.
Uuids = Annotated[
    str, Parameter(allow_leading_hyphen=True, help="The rooms; `-`, or no uuid and a pipe, reads stdin.")
]


@Parameter(name="*")
@frozen(kw_only=True)
class BulkOptions:
    """How to make many calls."""

    yes: Annotated[bool, Parameter(alias="-y", negative="", help="Do not ask before changing several.")] = False
    dry_run: Annotated[bool, Parameter(alias="-n", negative="", help="Only show which would change.")] = False
    concurrency: Annotated[flags.AtLeastOne, Parameter(alias="-j", help="Calls at once; 8.")] = CONCURRENCY
    rate: Annotated[Rate | None, Parameter(help="Maximum of calls per second; default no limit.")] = None
    max_failures: Annotated[flags.AtLeastOne, Parameter(help="Begin no more after so many failures; 100.")] = 100


DEFAULT_OPTIONS: Final = BulkOptions()


@frozen
class Selection:
    """The rooms to change, each once, in the order in which they were given."""

    uuids: tuple[str, ...]
    from_stdin: bool


def disable(
    *uuids: Uuids,
    options: BulkOptions = DEFAULT_OPTIONS,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
    verb: Annotated[str, Parameter(parse=False)] = "disable",
) -> int:
    """Disable rooms."""
    # No event loop runs yet: it would keep Ctrl-C from whoever waits for stdin.
    selection = select(uuids, done=f"{verb}d")
    report = Report(f"{verb}d", format_for(format))
    if options.dry_run:
        report.add({"uuid": uuid, "outcome": "not_attempted", "error": None} for uuid in selection.uuids)
        say(f"dry run: {count(len(selection.uuids), 'room')} would be {verb}d")
        return ExitCode.DONE
    if not options.yes:
        _confirm(selection, verb)
    return anyio.run(_make_calls, selection.uuids, verb, options, settings, report)


enable = partial(disable, verb="enable")


async def _make_calls(
    uuids: tuple[str, ...], verb: str, options: BulkOptions, settings: flags.Settings, report: "Report"
) -> int:
    async with flags.open_rooms(settings) as rooms:
        call = rooms.disable_many if verb == "disable" else rooms.enable_many
        calls = call(uuids, concurrency=options.concurrency, rate=options.rate, max_failures=options.max_failures)
        return await report.follow(calls, len(uuids))


def select(arguments: Sequence[str], *, done: str) -> Selection:
    """Return the rooms of ``arguments``, or of stdin if they are ``-``, or if there are none and stdin is a pipe.

    Stdin has one uuid or one JSON object per line, or CSV with the names of columns, as ``scan`` and this command
    print.  Rows of this command's own output whose ``outcome`` is ``done`` are left out, so that its output can be
    piped in again.
    """
    if STDIN in arguments and len(arguments) > 1:
        raise CommandError(ExitCode.USAGE, "use either - or uuids, not both")
    if STDIN not in arguments and (arguments or is_terminal(sys.stdin)):
        if not arguments:
            raise CommandError(ExitCode.USAGE, "pass uuids of rooms, or pipe them in; see --help")
        return Selection(tuple(dict.fromkeys(map(_parse_argument, arguments))), from_stdin=False)
    try:
        text = read_input()
    except UnicodeDecodeError:
        raise CommandError(ExitCode.USAGE, f"the input is neither UTF-8 nor UTF-16; {EXPECTED}") from None
    return Selection(tuple(dict.fromkeys(_parse_lines(text, done))), from_stdin=True)


def _parse_argument(text: str) -> str:
    if text.startswith("-"):
        raise CommandError(ExitCode.USAGE, f"unknown option: {text}; see --help")
    try:
        return check_uuid("a uuid", text)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from None


def _parse_lines(text: str, done: str) -> Iterable[str]:
    for number, row in _rows(text.splitlines()):
        if row.get("outcome") != done:
            yield _parse_uuid(number, row)


def _rows(lines: list[str]) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield each row with its line: of CSV if the first line has the names of columns, else of one line each."""
    if lines and "uuid" in next(csv.reader(lines[:1])):
        reader = csv.DictReader(lines)
        for row in reader:
            yield reader.line_num, {**row, "uuid": (row["uuid"] or "").removeprefix("'")}
        return
    for number, line in enumerate(lines, 1):
        if content := line.strip():
            yield number, _parse_row(content) if content.startswith("{") else {"uuid": content}


def _parse_row(text: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return row


def _parse_uuid(number: int, row: dict[str, Any]) -> str:
    try:
        return check_uuid(f"line {number}", row.get("uuid"))  # type: ignore[arg-type]  # or it raises
    except TypeError:
        raise CommandError(ExitCode.USAGE, f"line {number} has no uuid; {EXPECTED}") from None
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"{error}; {EXPECTED}") from None


def _confirm(selection: Selection, verb: str) -> None:
    if len(selection.uuids) <= 1:
        return
    rooms = count(len(selection.uuids), "room")
    if selection.from_stdin or not is_terminal(sys.stdin):
        raise CommandError(
            ExitCode.USAGE,
            f"nothing was changed: cannot prompt; pass --yes to {verb} {rooms}, or --dry-run to see them",
        )
    prompt(f"{verb.capitalize()} {rooms}? [y/N] ")
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError(ExitCode.USAGE, "nothing was changed")


class Report:
    """Shows the outcome of each room as soon as it is known, and at the end the rooms without one."""

    def __init__(self, done: str, format: Format) -> None:  # noqa: A002
        self._done = done
        self._format: Format = format
        self._header = True
        self._counts = Counter[str]()
        self._last_error: Exception | None = None

    def add(self, rows: Iterable[Row]) -> None:
        """Show rows."""
        shown = list(rows)
        put(encode(shown, OUTCOME, self._format, header=self._header))
        self._header = False
        self._counts.update(row["outcome"] for row in shown)

    async def follow(self, calls: AbstractAsyncContextManager[Outcomes[str]], total: int) -> int:
        """Make all calls and return the exit code."""
        try:
            with progress(is_wanted=not is_terminal(sys.stdout)) as update:
                async with calls as outcomes:
                    async for outcome in outcomes:
                        self.add([self._row(outcome)])
                        done = f"{outcomes.done:,} of {count(total, 'room')}, {outcomes.failed:,} failed"
                        update(done, outcomes.done)
        except TooManyFailuresError as error:
            self._add_rest(outcomes)
            say(message(error))
            return ExitCode.PARTLY
        except anyio.get_cancelled_exc_class():
            self._add_rest(outcomes)
            finished, failed = self._counts[self._done], self._counts["failed"]
            left = total - finished - failed
            say(f"stopped: {finished:,} {self._done}, {failed:,} failed, {left:,} left{self._advice()}")
            raise
        return self._finish(outcomes, total)

    def _add_rest(self, outcomes: Outcomes[str]) -> None:
        self.add(self._row(outcome) for outcome in outcomes.unread)
        self.add({"uuid": uuid, "outcome": "in_doubt", "error": None} for uuid in outcomes.in_doubt)
        self.add({"uuid": uuid, "outcome": "not_attempted", "error": None} for uuid in outcomes.not_attempted)

    def _row(self, outcome: Outcome) -> Row:
        error = outcome.error
        if error is None:
            return {"uuid": outcome.uuid, "outcome": self._done, "error": None}
        self._last_error = error
        explain = reason if self._format == "table" else message
        text = explain(error) if isinstance(error, RoomsError) else type(error).__name__
        return {"uuid": outcome.uuid, "outcome": "failed", "error": text}

    def _finish(self, outcomes: Outcomes[str], total: int) -> int:
        if outcomes.failed == 0:
            if is_terminal(sys.stderr):
                say(f"{count(total, 'room')} {self._done}")
            return ExitCode.DONE
        if total == 1 and isinstance(self._last_error, RoomsError):
            raise self._last_error
        say(f"{outcomes.failed:,} of {count(total, 'room')} failed{self._advice()}")
        return ExitCode.PARTLY

    def _advice(self) -> str:
        if self._format == "table":
            return "; repeat the command to retry them: it changes nothing twice"
        return "; pipe this output into the same command to retry the rest"
