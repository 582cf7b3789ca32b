"""The commands ``disable`` and ``enable``: one room or many, each with what became of it."""

import sys
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Final

import anyio
from attrs import frozen
from cyclopts import Parameter, validators

from netless_rooms._bulk import CONCURRENCY, Outcome, Outcomes
from netless_rooms.cli.arguments import AtLeastOne, Uuids
from netless_rooms.cli.exits import CommandError, Exit, told
from netless_rooms.cli.output import FormatFlag, encode, format_for
from netless_rooms.cli.progress import Pace, count, progress
from netless_rooms.cli.rows import Columns, Format, Row
from netless_rooms.cli.settings import FROM_ENVIRONMENT, Settings, open_rooms
from netless_rooms.cli.terminal import is_terminal, put, say
from netless_rooms.cli.uuids import Chosen, chosen
from netless_rooms.errors import RoomsError, TooManyFailuresError

OUTCOME: Final = Columns(fields=("uuid", "outcome", "error"), shown={"uuid": 32, "outcome": 13, "error": 0})
ENOUGH_FAILURES: Final = 100


@Parameter(name="*")
@frozen(kw_only=True)
class Manner:
    """How to go about many rooms."""

    yes: Annotated[bool, Parameter(negative="", help="Do not ask before more than one room.")] = False
    dry_run: Annotated[bool, Parameter(negative="", help="Only show which rooms it would be.")] = False
    concurrency: Annotated[AtLeastOne, Parameter(help="Calls at once; 8.")] = CONCURRENCY
    rate: Annotated[
        Annotated[float, Parameter(validator=validators.Number(gt=0))] | None,
        Parameter(help="Calls a second at the most; as fast as it goes if not given."),
    ] = None
    max_failures: Annotated[AtLeastOne, Parameter(help="Begin no more calls after so many failed; 100.")] = (
        ENOUGH_FAILURES
    )


AS_USUAL: Final = Manner()


def disable(
    *uuids: Uuids,
    manner: Manner = AS_USUAL,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    settings: Settings = FROM_ENVIRONMENT,
) -> int:
    """Disable rooms."""
    return _switch(uuids, "disable", manner, format_for(format), settings)


def enable(
    *uuids: Uuids,
    manner: Manner = AS_USUAL,
    format: FormatFlag = None,  # noqa: A002
    settings: Settings = FROM_ENVIRONMENT,
) -> int:
    """Enable rooms."""
    return _switch(uuids, "enable", manner, format_for(format), settings)


def _switch(uuids: tuple[str, ...], verb: str, manner: Manner, format: Format, settings: Settings) -> int:  # noqa: A002
    # No event loop is there yet: it would keep Ctrl-C from whoever waits for stdin.
    rooms = chosen(uuids, done=f"{verb}d")
    report = Report(f"{verb}d", format)
    if manner.dry_run:
        report.add({"uuid": uuid, "outcome": "not_attempted", "error": None} for uuid in rooms.uuids)
        say(f"dry run: {count(len(rooms.uuids), 'room')} would be {verb}d")
        return Exit.DONE
    if not manner.yes:
        _ask(rooms, verb)
    return anyio.run(_make_calls, rooms.uuids, verb, manner, settings, report)


async def _make_calls(
    uuids: tuple[str, ...], verb: str, manner: Manner, settings: Settings, report: "Report"
) -> int:
    async with open_rooms(settings) as rooms:
        many = rooms.disable_many if verb == "disable" else rooms.enable_many
        calls = many(uuids, concurrency=manner.concurrency, rate=manner.rate, max_failures=manner.max_failures)
        return await report.follow(calls, len(uuids))


def _ask(rooms: Chosen, verb: str) -> None:
    if len(rooms.uuids) <= 1:
        return
    many = count(len(rooms.uuids), "room")
    if rooms.from_stdin or not is_terminal(sys.stdin):
        raise CommandError(
            Exit.USAGE,
            f"nothing was done: say --yes to {verb} {many}, for there is nobody to ask; --dry-run shows them",
        )
    sys.stderr.write(f"{verb.capitalize()} {many}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise CommandError(Exit.USAGE, "nothing was done")


class Report:
    """Shows what became of each room as it is known, and at the end what was left."""

    def __init__(self, done: str, format: Format) -> None:  # noqa: A002
        self._done = done
        self._format: Format = format
        self._head = True
        self._last: Exception | None = None

    def add(self, rows: Iterable[Row]) -> None:
        """Show rows."""
        put(encode(list(rows), OUTCOME, self._format, head=self._head))
        self._head = False

    async def follow(self, calls: AbstractAsyncContextManager[Outcomes[str]], total: int) -> int:
        """Make all calls and return the exit code."""
        pace = Pace()
        try:
            with progress(is_wanted=not is_terminal(sys.stdout)) as tell:
                async with calls as outcomes:
                    async for outcome in outcomes:
                        self.add([self._row(outcome)])
                        rate = outcomes.done / max(pace.seconds, 0.001)
                        tell(
                            f"{outcomes.done:,} of {count(total, 'room')}, {outcomes.failed:,} failed, "
                            f"{rate:,.0f} rooms a second"
                        )
        except TooManyFailuresError as error:
            self._rest(outcomes)
            say(told(error))
            return Exit.PARTLY
        except anyio.get_cancelled_exc_class():
            self._rest(outcomes)
            raise
        return self._sum_up(outcomes, total)

    def _rest(self, outcomes: Outcomes[str]) -> None:
        """Show the rooms of which no outcome came out."""
        self.add(self._row(outcome) for outcome in outcomes.unread)
        self.add({"uuid": uuid, "outcome": "in_doubt", "error": None} for uuid in outcomes.in_doubt)
        self.add({"uuid": uuid, "outcome": "not_attempted", "error": None} for uuid in outcomes.not_attempted)

    def _row(self, outcome: Outcome) -> Row:
        error = outcome.error
        if error is None:
            return {"uuid": outcome.uuid, "outcome": self._done, "error": None}
        self._last = error
        text = told(error) if isinstance(error, RoomsError) else type(error).__name__
        return {"uuid": outcome.uuid, "outcome": "failed", "error": text}

    def _sum_up(self, outcomes: Outcomes[str], total: int) -> int:
        if outcomes.failed == 0:
            if is_terminal(sys.stderr):
                say(f"{count(total, 'room')} {self._done}")
            return Exit.DONE
        if total == 1 and isinstance(self._last, RoomsError):
            raise self._last
        say(
            f"{outcomes.failed:,} of {count(total, 'room')} failed; pipe the jsonl output in to try the rest again"
        )
        return Exit.PARTLY
