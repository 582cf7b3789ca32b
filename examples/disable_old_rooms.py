"""Disable all rooms that are older than so many days: a job that may be stopped anywhere and goes on.

Without an account, on an emulated service of 2,500 rooms, from a clone of the project:

    python3 -m pip install '.[emulator]'
    python3 examples/disable_old_rooms.py 1500 --emulator --dry-run
    python3 examples/disable_old_rooms.py 1500 --emulator --rate 100

The last one takes a quarter of a minute.  Press Ctrl-C meanwhile, and run it again.

With a project of yours, set the variables that ``settings.py`` names and leave out ``--emulator``.

It keeps a file of where it stands, ``disable_old_rooms.json``.  After Ctrl-C, an error or a crash, run the same
command again: it goes on behind the last room that it saw, and first finishes what it had begun.  Every room is
counted exactly once, however often the job was stopped.  Rooms that could not be disabled are named at the end,
and tried again by the next run.

An emulated service has the same rooms in each run, but forgets at the end of one which of them were disabled.  To
look at them afterwards, serve it in another terminal with ``netless-rooms emulate``, which tells what to set here.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from pathlib import Path
from time import monotonic

import anyio

import settings
from netless_rooms import AsyncRooms, Outcome, Outcomes, Room, RoomsError, Scan

OLD_AT_ONCE = 100  # rooms to disable between two looks at the file
SEEN_AT_ONCE = 1_000
MOST_FAILURES = 20  # in one batch; if so many fail, the next thousand would too
MOST_DAYS = 100_000
SHOWN = 10  # uuids of a dry run in a terminal; a file or a pipe gets all
SECONDS_BETWEEN_LINES = 5
STOPPED = 130  # the exit code of a program that Ctrl-C ended


@dataclass
class Job:
    """What is to be done, and how far it is: all that the file keeps.

    Every room that was seen is in one place: ``young``, ``disabled_before``, ``disabled``, ``waiting`` or
    ``failed``.
    """

    days: int
    region: str
    before: str
    """The moment before which a room was created to be old; fixed when the job began."""
    checkpoint: str | None = None
    is_scanned: bool = False
    seen: int = 0
    young: int = 0
    disabled_before: int = 0
    disabled: int = 0
    waiting: list[str] = field(default_factory=list)
    """Old rooms of which nobody knows yet that they are disabled: not begun, or begun and cut."""
    in_doubt: list[str] = field(default_factory=list)
    """Those of them whose call was cut when it was stopped last."""
    failed: dict[str, str] = field(default_factory=dict)
    """The rooms that could not be disabled, and why."""

    @classmethod
    def begin(cls, days: int, region: str, now: datetime) -> "Job":
        """Return a job that has not begun."""
        return cls(days, region, (now - timedelta(days=days)).isoformat())

    def see(self, room: Room) -> None:
        """Put a room in its place."""
        self.seen += 1
        if room.created_at >= datetime.fromisoformat(self.before):
            self.young += 1
        elif room.is_ban:
            self.disabled_before += 1
        else:
            self.waiting.append(room.uuid)

    def settle(self, outcome: Outcome) -> None:
        """Note what became of a room that waited."""
        uuid = str(outcome.uuid)
        self.waiting.remove(uuid)
        if outcome.error is None:
            self.disabled += 1
        else:
            self.failed[uuid] = str(outcome.error)

    def try_failed_again(self) -> None:
        """Let the rooms wait that could not be disabled earlier."""
        self.waiting = [*self.failed, *self.waiting]
        self.failed = {}


# The work

Step = Callable[[Job], None]


async def run(rooms: AsyncRooms, job: Job, *, save: Step, show: Step, rate: float | None = None) -> None:
    """Do the job, or what is left of it.

    It is saved before every batch, with the rooms that are about to be disabled, and behind it.  So what a crash
    cuts off is known to the next run, which does it again: to disable a room twice does no harm.
    """
    job.try_failed_again()
    try:
        async with rooms.scan(resume=job.checkpoint) as scan:  # refuses a checkpoint of another account
            await disable_waiting(rooms, job, rate)
            while not job.is_scanned:
                await see_some(scan, job)
                save(job)
                await disable_waiting(rooms, job, rate)
                save(job)
                show(job)
    finally:
        save(job)


async def see_some(scan: Scan[Room], job: Job) -> None:
    """Go on with the scan until there is enough to do."""
    enough = job.seen + SEEN_AT_ONCE
    try:
        async for room in scan:
            job.see(room)
            if job.seen == enough or len(job.waiting) == OLD_AT_ONCE:
                return
        job.is_scanned = True
    finally:  # of an error too: the checkpoint stands behind the last room that was seen
        job.checkpoint = scan.checkpoint


async def disable_waiting(rooms: AsyncRooms, job: Job, rate: float | None) -> None:
    """Disable the rooms that wait; whatever happens, those that it was not done with go on waiting."""
    outcomes: Outcomes[str] | None = None
    try:
        async with rooms.disable_many(tuple(job.waiting), rate=rate, max_failures=MOST_FAILURES) as outcomes:
            async for outcome in outcomes:
                job.settle(outcome)
    finally:
        if outcomes is not None:
            for outcome in outcomes.unread:  # came in after an interruption
                job.settle(outcome)
            job.in_doubt = list(outcomes.in_doubt)


async def look(rooms: AsyncRooms, job: Job, show: Step, *, most: float = inf) -> None:
    """Print the uuids of the rooms that would be disabled, so many at most, and change nothing."""
    async with rooms.scan() as scan:
        while not job.is_scanned:
            await see_some(scan, job)
            for uuid in job.waiting:
                if job.disabled < most:
                    print(uuid)
                job.disabled += 1
            job.waiting.clear()
            show(job)


# The file


def load(path: Path, days: int, region: str) -> Job:
    """Return the job that the file is about, or a new one."""
    try:
        job = Job(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return Job.begin(days, region, datetime.now(UTC))
    except OSError as error:
        raise settings.SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise settings.SettingsError(f"{path} is not a file of this program; move it away") from None
    if (job.days, job.region) != (days, region):
        raise settings.SettingsError(
            f"{path} is of a job for {job.days} days in {job.region}; finish that one, or move the file away"
        )
    return job


def save(path: Path, job: Job) -> None:
    """Write the file beside the old one and put it in its place, so that there is a whole one at any time."""
    new = path.with_suffix(".new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(job), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise settings.SettingsError(f"cannot write {path}: {error.strerror}") from None


# What people see


def shower() -> Step:
    """Return what shows the progress: a line that changes in a terminal, else a line now and then."""
    is_terminal = sys.stderr.isatty()
    began = last = monotonic()
    before: int | None = None

    def show(job: Job) -> None:
        nonlocal last, before
        now = monotonic()
        before = job.seen if before is None else before
        if is_terminal or now - last >= SECONDS_BETWEEN_LINES:
            last = now
            a_second = (job.seen - before) / max(now - began, 0.001)
            line = f"{job.seen:,} rooms seen, {job.disabled:,} disabled, {len(job.failed):,} failed"
            end = "\r" if is_terminal else "\n"
            print(f"{line}, {a_second:,.0f} a second  ", end=end, file=sys.stderr, flush=True)

    return show


def report(job: Job, *, dry_run: bool) -> Iterator[str]:
    """Write what became of the rooms."""
    yield f"Rooms that are older than {job.days} days, created before {job.before[:10]}:"
    counts = {
        "seen": job.seen,
        "not that old": job.young,
        "disabled before": job.disabled_before,
        "would be disabled" if dry_run else "disabled": job.disabled,
        "failed": len(job.failed),
        "still to be disabled": len(job.waiting),
    }
    for words, count in counts.items():
        yield f"  {words:<20} {count:>12,}"
    for uuid, why in job.failed.items():
        yield f"failed: {uuid}: {why}"
    for uuid in job.in_doubt:
        yield f"in doubt, and the first to be done again: {uuid}"


# The program


async def work(chosen: settings.Settings, job: Job, path: Path, arguments: argparse.Namespace) -> None:
    """Do the job over a client of its own."""
    async with chosen.open_client() as client:
        rooms = chosen.rooms(client)
        show = shower()
        if arguments.dry_run:
            await look(rooms, job, show, most=SHOWN if sys.stdout.isatty() else inf)
        else:
            await run(rooms, job, save=partial(save, path), show=show, rate=arguments.rate)


def main() -> int:
    """Do the job and report; return the exit code: 0 all done, 1 something failed, 130 Ctrl-C."""
    arguments = parser.parse_args()
    try:
        code = do(settings.chosen(arguments, rooms=2_500), file_of(arguments), arguments)
        sys.stdout.flush()
    except settings.SettingsError as wrong:
        parser.exit(2, f"{parser.prog}: error: {wrong}\n")
    except OSError as error:  # of the output: what is about the file is a SettingsError
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python flushes what is left of it
        if not isinstance(error, BrokenPipeError):
            print(f"{parser.prog}: error: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1
    return code


def do(chosen: settings.Settings, path: Path, arguments: argparse.Namespace) -> int:
    """Do the job that the file is about, and report."""
    new = Job.begin(arguments.days, chosen.region, datetime.now(UTC))
    job = new if arguments.dry_run else load(path, arguments.days, chosen.region)
    if not arguments.dry_run:
        save(path, job)  # if that cannot be, better now than in the middle of the work
    code, ended = 0, ""
    try:
        anyio.run(work, chosen, job, path, arguments)
    except KeyboardInterrupt:
        code, ended = STOPPED, "Stopped."
    except RoomsError as error:
        code, ended = 1, f"{type(error).__name__}: {error}"
    except settings.SettingsError as wrong:
        code, ended = 1, str(wrong)
    if sys.stderr.isatty():
        print(file=sys.stderr)  # behind the line of progress
    if ended:
        print(ended, file=sys.stderr)
    if arguments.dry_run:
        if sys.stdout.isatty() and job.disabled > SHOWN:
            print(f"... and {job.disabled - SHOWN:,} more; all of them go into a file or a pipe")
        print(*report(job, dry_run=True), sep="\n", file=sys.stderr)  # the output is the uuids and nothing else
        return code
    print(*report(job, dry_run=False), sep="\n", flush=True)
    if code == 0 and not job.failed:
        path.unlink()  # else the next job would take this one for its own
        return code
    print("Run the same command again to go on.", file=sys.stderr)
    return code or 1


def file_of(arguments: argparse.Namespace) -> Path:
    """Return the file to use; what was done to emulated rooms is not taken for what was done to yours."""
    usual = "disable_old_rooms.emulated.json" if arguments.emulator else "disable_old_rooms.json"
    return arguments.file or Path(usual)


def days_from(text: str) -> int:
    """Read the number of days."""
    if not (text.isdecimal() and int(text) <= MOST_DAYS):
        raise argparse.ArgumentTypeError(f"give a whole number of days, 0 to {MOST_DAYS:,}, not {text!r}")
    return int(text)


def rate_from(text: str) -> float:
    """Read the calls a second."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate < inf:
        raise argparse.ArgumentTypeError(f"give how many rooms a second, above 0 and finite, not {text!r}")
    return rate


parser = argparse.ArgumentParser(description="Disable all rooms that are older than so many days.")
parser.add_argument("days", type=days_from, help="how old a room must be, in days")
parser.add_argument("--dry-run", action="store_true", help="print the uuids of those rooms, and change nothing")
parser.add_argument("--rate", type=rate_from, help="disable no more than so many rooms a second")
parser.add_argument("--file", type=Path, help="where to keep how far it is (disable_old_rooms.json)")
settings.add_arguments(parser)

if __name__ == "__main__":
    sys.exit(main())
