"""The commands ``disable`` and ``enable``: one room or several, with a result for each."""

import csv
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Annotated, Any, Final

import anyio
from attrs import Factory, define, frozen
from cyclopts import Parameter, validators

from netless_rooms._bulk import CONCURRENCY, Outcome, Outcomes
from netless_rooms._validation import check_uuid
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import CommandError, ExitCode, message, reason
from netless_rooms.cli.export import Columns, Format, Row, encode, format_for
from netless_rooms.cli.output import count, progress, prompt, put, read_input, say
from netless_rooms.errors import RoomsError, TooManyFailuresError

OUTCOME: Final = Columns(
    fields=("uuid", "outcome", "error"), shown={"uuid": 32, "outcome": 13, "error": 0}, folds=True
)
STDIN: Final = "-"
Rate = Annotated[float, Parameter(validator=validators.Number(gt=0))]
# Only this makes a lone hyphen an argument; so misspelled flags have to be rejected here.
Uuids = Annotated[str, Parameter(allow_leading_hyphen=True, help="The rooms; by - or a pipe from stdin.")]


@Parameter(name="*")
@frozen(kw_only=True)
class BulkOptions:
    yes: Annotated[bool, Parameter(alias="-y", negative="", help="Do not ask before changing several.")] = False
    dry_run: Annotated[bool, Parameter(alias="-n", negative="", help="Only show which would change.")] = False
    concurrency: Annotated[flags.AtLeastOne, Parameter(alias="-j", help="Calls at once; default 8.")] = CONCURRENCY
    rate: Annotated[Rate | None, Parameter(help="Maximum calls per second; default no limit.")] = None
    max_failures: Annotated[flags.AtLeastOne, Parameter(help="Stop after this many failures; default 100.")] = 100


DEFAULT_OPTIONS: Final = BulkOptions()


def disable(
    *uuid: Uuids,
    options: BulkOptions = DEFAULT_OPTIONS,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
    verb: Annotated[str, Parameter(parse=False)] = "disable",
) -> int:
    # No event loop runs yet: it would keep Ctrl-C from the read of stdin.
    selected = list(dict.fromkeys(select(uuid, done=f"{verb}d")))
    if not selected:
        say("nothing to do")
        return ExitCode.DONE
    change = f"{verb} {count(len(selected), 'room')}"
    report = Report(f"{verb}d", format_for(format), len(selected))
    if options.dry_run:
        report.add_without_error("not_attempted", selected)
        say(f"dry run: {count(len(selected), 'room')} would be {verb}d")
        return ExitCode.DONE
    if len(selected) > 1 and not options.yes:
        if not uuid or STDIN in uuid or not sys.stdin.isatty():
            remedy = f"cannot prompt; pass --yes to {change}, or --dry-run to see them"
            raise CommandError(ExitCode.USAGE, f"nothing was changed: {remedy}")
        prompt(f"{change.capitalize()}? [y/N] ")
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise CommandError(ExitCode.USAGE, "nothing was changed")
    return anyio.run(_make_calls, selected, verb, options, settings, report)


enable: Final[Callable[..., int]] = partial(disable, verb="enable")


async def _make_calls(
    uuids: list[str], verb: str, options: BulkOptions, settings: flags.Settings, report: "Report"
) -> int:
    async with flags.open_rooms(settings) as rooms:
        call = rooms.disable_many if verb == "disable" else rooms.enable_many
        calls = call(uuids, concurrency=options.concurrency, rate=options.rate, max_failures=options.max_failures)
        return await report.follow(calls)


def select(arguments: Sequence[str], *, done: str) -> Iterable[str]:
    """Return the rooms of ``arguments``, or of stdin if they are ``-``, or if there are none and stdin is a pipe.

    Rows whose ``outcome`` is ``done`` are left out, so that the command's own output can be piped in again.
    """
    if STDIN in arguments and len(arguments) > 1:
        raise CommandError(ExitCode.USAGE, "use either - or uuids, not both")
    if not arguments and sys.stdin.isatty():
        raise CommandError(ExitCode.USAGE, "pass uuids of rooms, or pipe them in; see --help")
    if arguments and STDIN not in arguments:
        for text in arguments:
            if text.startswith("-"):
                raise CommandError(ExitCode.USAGE, f"unknown option: {text}; see --help")
            if "." in text and os.path.isfile(text):  # noqa: PTH113  Path raises for a long name
                raise CommandError(ExitCode.USAGE, f"{text} is a file: pass its rooms with < {text}")
        return [check_uuid("a uuid", text) for text in arguments]
    try:
        return [_check(line, row.get("uuid")) for line, row in _rows(read_input()) if row.get("outcome") != done]
    except UnicodeDecodeError:
        wrong = "the input is neither UTF-8 nor UTF-16"
    except ValueError as error:
        wrong = str(error)
    expected = "one uuid or JSON object per line, or CSV with a column uuid"
    raise CommandError(ExitCode.USAGE, f"{wrong}; expected {expected}")


def _check(line: int, uuid: Any) -> str:
    if not isinstance(uuid, str) or not uuid:
        raise ValueError(f"line {line} has no uuid")
    return check_uuid(f"the uuid in line {line}", uuid)


def _rows(text: str) -> Iterable[tuple[int, dict[str, Any]]]:
    """Yield each row with its line: of CSV if the first line has the names of columns, else of one line each."""
    lines = text.splitlines()
    if lines and "uuid" in next(csv.reader(lines[:1])):
        reader = csv.DictReader(lines)
        for row in reader:
            yield reader.line_num, {**row, "uuid": (row["uuid"] or "").removeprefix("'")}
        return
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith("{"):
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                yield number, {}
        elif line:
            yield number, {"uuid": line}


@define
class Report:
    """Shows the outcome of each room as soon as it is known, and at the end the rooms without one."""

    done: str
    format: Format
    total: int
    counts: Counter[str] = Factory(Counter)
    last_error: Exception | None = None

    def add(self, rows: Sequence[Row]) -> None:
        if rows:
            put(encode(rows, OUTCOME, self.format, header=not self.counts))
            self.counts.update(row["outcome"] for row in rows)

    def add_without_error(self, outcome: str, uuids: Iterable[str]) -> None:
        """Show rooms that had no response."""
        self.add([{"uuid": uuid, "outcome": outcome, "error": None} for uuid in uuids])

    async def follow(self, calls: AbstractAsyncContextManager[Outcomes[str]]) -> int:
        rooms, advice = count(self.total, "room"), "pipe this output into the same command to retry the rest"
        if self.format == "table":
            advice = "fix the cause, then repeat the command"
        try:
            with progress(is_wanted=not sys.stdout.isatty()) as update:
                async with calls as outcomes:
                    async for outcome in outcomes:
                        self.add([self._row(outcome)])
                        update(f"{outcomes.done:,} of {rooms}, {outcomes.failed:,} failed", outcomes.done)
        except TooManyFailuresError as error:
            self._add_rest(outcomes)
            say(message(error))
            return ExitCode.PARTLY
        except anyio.get_cancelled_exc_class():
            self._add_rest(outcomes)
            finished, failed = self.counts[self.done], self.counts["failed"]
            left = self.total - finished - failed
            say(f"stopped: {finished:,} {self.done}, {failed:,} failed, {left:,} left; {advice}")
            raise
        if outcomes.failed == 0:
            if sys.stderr.isatty():
                say(f"{rooms} {self.done}")
            return ExitCode.DONE
        if self.total == 1 and isinstance(self.last_error, RoomsError):
            raise self.last_error
        say(f"{outcomes.failed:,} of {rooms} failed; {advice}")
        return ExitCode.PARTLY

    def _add_rest(self, outcomes: Outcomes[str]) -> None:
        self.add([self._row(outcome) for outcome in outcomes.unread])
        self.add_without_error("in_doubt", outcomes.in_doubt)
        self.add_without_error("not_attempted", outcomes.not_attempted)

    def _row(self, outcome: Outcome) -> Row:
        error = outcome.error
        if error is None:
            return {"uuid": outcome.uuid, "outcome": self.done, "error": None}
        self.last_error = error
        explain = reason if self.format == "table" else message
        text = explain(error) if isinstance(error, RoomsError) else type(error).__name__
        return {"uuid": outcome.uuid, "outcome": "failed", "error": text}
