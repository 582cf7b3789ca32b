"""Disable all rooms older than a number of days: a job that can be stopped anywhere and resumed.

Without an account, on an emulator with 2,500 rooms, from a clone of the project:

    python3 -m pip install '.[emulator]'
    python3 examples/disable_old_rooms.py 1500 --emulator --dry-run
    python3 examples/disable_old_rooms.py 1500 --emulator --rate 100

The last one takes 15 seconds.  Press Ctrl-C meanwhile, and run it again.

With your own project, set the variables that ``settings.py`` names and leave out ``--emulator``.

The job stores its progress in ``disable_old_rooms.json``.  After Ctrl-C, an error or a crash, run the same command
again: it finishes the rooms it had started, then resumes after the last room it saw.  Every room is counted
exactly once.  Rooms that could not be disabled are listed at the end and retried by the next run.

The emulator forgets at the end of a run which rooms were disabled.  To look at them afterwards, run
``netless-rooms emulate`` in another terminal, which prints the variables to set here.
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

DISABLE_BATCH = 100  # rooms to disable between two saves
SCAN_BATCH = 1_000
MAX_FAILURES = 20  # in one batch
MAX_DAYS = 100_000
MAX_SHOWN = 10  # uuids of a dry run in a terminal; a file or a pipe gets all
PROGRESS_INTERVAL = 5
EXIT_INTERRUPTED = 130  # Ctrl-C


@dataclass
class Job:
    """The job and its progress, as stored in the file.

    Every room seen is in one place: ``recent``, ``already_disabled``, ``disabled``, ``pending`` or ``failed``.
    """

    days: int
    region: str
    before: str
    """Rooms created before this time are old; fixed when the job began."""
    checkpoint: str | None = None
    is_scanned: bool = False
    seen: int = 0
    recent: int = 0
    already_disabled: int = 0
    disabled: int = 0
    pending: list[str] = field(default_factory=list)
    """Old rooms not yet known to be disabled: not started, or started and cancelled."""
    in_doubt: list[str] = field(default_factory=list)
    """Those whose call was cancelled by the last stop."""
    failed: dict[str, str] = field(default_factory=dict)
    """Rooms that could not be disabled, with the reason."""

    @classmethod
    def begin(cls, days: int, region: str, now: datetime) -> "Job":
        """Return a new job."""
        return cls(days, region, (now - timedelta(days=days)).isoformat())

    def add(self, room: Room) -> None:
        """Count a room."""
        self.seen += 1
        if room.created_at >= datetime.fromisoformat(self.before):
            self.recent += 1
        elif room.is_ban:
            self.already_disabled += 1
        else:
            self.pending.append(room.uuid)

    def record(self, outcome: Outcome) -> None:
        """Record the outcome of a pending room."""
        uuid = str(outcome.uuid)
        self.pending.remove(uuid)
        if outcome.error is None:
            self.disabled += 1
        else:
            self.failed[uuid] = str(outcome.error)

    def retry_failed(self) -> None:
        """Make the failed rooms pending again."""
        self.pending = [*self.failed, *self.pending]
        self.failed = {}


# The work

Step = Callable[[Job], None]


async def run(rooms: AsyncRooms, job: Job, *, save: Step, show: Step, rate: float | None = None) -> None:
    """Run the job, or the rest of it.

    It is saved before and after every batch, so the next run repeats what a crash interrupted.  Disabling a room
    twice does no harm.
    """
    job.retry_failed()
    try:
        async with rooms.scan(resume=job.checkpoint) as scan:  # refuses a checkpoint of another account
            await disable_pending(rooms, job, rate)
            while not job.is_scanned:
                await scan_batch(scan, job)
                save(job)
                await disable_pending(rooms, job, rate)
                save(job)
                show(job)
    finally:
        save(job)


async def scan_batch(scan: Scan[Room], job: Job) -> None:
    """Scan until a batch is full."""
    enough = job.seen + SCAN_BATCH
    try:
        async for room in scan:
            job.add(room)
            if job.seen == enough or len(job.pending) == DISABLE_BATCH:
                return
        job.is_scanned = True
    finally:  # also after an error: the checkpoint is after the last room seen
        job.checkpoint = scan.checkpoint


async def disable_pending(rooms: AsyncRooms, job: Job, rate: float | None) -> None:
    """Disable the pending rooms; the unfinished ones stay pending, whatever happens."""
    outcomes: Outcomes[str] | None = None
    try:
        async with rooms.disable_many(tuple(job.pending), rate=rate, max_failures=MAX_FAILURES) as outcomes:
            async for outcome in outcomes:
                job.record(outcome)
    finally:
        if outcomes is not None:
            for outcome in outcomes.unread:  # ended after an interruption
                job.record(outcome)
            job.in_doubt = list(outcomes.in_doubt)


async def list_old(rooms: AsyncRooms, job: Job, show: Step, *, most: float = inf) -> None:
    """Print the uuids that would be disabled, at most ``most``, and change nothing."""
    async with rooms.scan() as scan:
        while not job.is_scanned:
            await scan_batch(scan, job)
            for uuid in job.pending:
                if job.disabled < most:
                    print(uuid)
                job.disabled += 1
            job.pending.clear()
            show(job)


# The file


def load(path: Path, days: int, region: str) -> Job:
    """Return the job in the file, or a new one."""
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
    """Replace the file atomically."""
    new = path.with_suffix(".new")
    try:
        with new.open("w", encoding="utf-8") as file:
            json.dump(asdict(job), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise settings.SettingsError(f"cannot write {path}: {error.strerror}") from None


# Output


def progress_printer() -> Step:
    """Return a function that shows the progress: one changing line in a terminal, else a line now and then."""
    is_terminal = sys.stderr.isatty()
    began = last = monotonic()
    before: int | None = None

    def show(job: Job) -> None:
        nonlocal last, before
        now = monotonic()
        before = job.seen if before is None else before
        if is_terminal or now - last >= PROGRESS_INTERVAL:
            last = now
            a_second = (job.seen - before) / max(now - began, 0.001)
            line = f"{job.seen:,} rooms seen, {job.disabled:,} disabled, {len(job.failed):,} failed"
            end = "\r" if is_terminal else "\n"
            print(f"{line}, {a_second:,.0f} a second  ", end=end, file=sys.stderr, flush=True)

    return show


def report(job: Job, *, dry_run: bool) -> Iterator[str]:
    """Yield the lines of the report."""
    yield f"Rooms older than {job.days} days, created before {job.before[:10]}:"
    counts = {
        "seen": job.seen,
        "not old enough": job.recent,
        "already disabled": job.already_disabled,
        "would be disabled" if dry_run else "disabled": job.disabled,
        "failed": len(job.failed),
        "still to be disabled": len(job.pending),
    }
    for words, count in counts.items():
        yield f"  {words:<20} {count:>12,}"
    for uuid, why in job.failed.items():
        yield f"failed: {uuid}: {why}"
    for uuid in job.in_doubt:
        yield f"in doubt, repeated first by the next run: {uuid}"


# The program


async def work(chosen: settings.Settings, job: Job, path: Path, arguments: argparse.Namespace) -> None:
    """Run the job with its own client."""
    async with chosen.open_client() as client:
        rooms = chosen.rooms(client)
        show = progress_printer()
        if arguments.dry_run:
            await list_old(rooms, job, show, most=MAX_SHOWN if sys.stdout.isatty() else inf)
        else:
            await run(rooms, job, save=partial(save, path), show=show, rate=arguments.rate)


def main() -> int:
    """Run the job and report; return the exit code: 0 done, 1 failures, 130 Ctrl-C."""
    arguments = parser.parse_args()
    try:
        code = do(settings.chosen(arguments, rooms=2_500), job_file(arguments), arguments)
        sys.stdout.flush()
    except settings.SettingsError as wrong:
        parser.exit(2, f"{parser.prog}: error: {wrong}\n")
    except OSError as error:  # of the output; those of the file are a SettingsError
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes the rest there
        if not isinstance(error, BrokenPipeError):
            print(f"{parser.prog}: error: cannot write the output: {error.strerror}", file=sys.stderr)
        return 1
    return code


def do(chosen: settings.Settings, path: Path, arguments: argparse.Namespace) -> int:
    """Run the job in the file, and report."""
    new = Job.begin(arguments.days, chosen.region, datetime.now(UTC))
    job = new if arguments.dry_run else load(path, arguments.days, chosen.region)
    if not arguments.dry_run:
        save(path, job)  # fail now rather than in the middle of the work
    code, ended = 0, ""
    try:
        anyio.run(work, chosen, job, path, arguments)
    except KeyboardInterrupt:
        code, ended = EXIT_INTERRUPTED, "Stopped."
    except RoomsError as error:
        code, ended = 1, f"{type(error).__name__}: {error}"
    except settings.SettingsError as wrong:
        code, ended = 1, str(wrong)
    if sys.stderr.isatty():
        print(file=sys.stderr)  # after the progress line
    if ended:
        print(ended, file=sys.stderr)
    if arguments.dry_run:
        if sys.stdout.isatty() and job.disabled > MAX_SHOWN:
            print(f"... and {job.disabled - MAX_SHOWN:,} more; redirect the output to get all")
        print(*report(job, dry_run=True), sep="\n", file=sys.stderr)  # stdout has only the uuids
        return code
    print(*report(job, dry_run=False), sep="\n", flush=True)
    if code == 0 and not job.failed:
        path.unlink()  # the job is done
        return code
    print("Run the same command again to resume.", file=sys.stderr)
    return code or 1


def job_file(arguments: argparse.Namespace) -> Path:
    """Return the file to use; jobs on the emulator have their own."""
    usual = "disable_old_rooms.emulated.json" if arguments.emulator else "disable_old_rooms.json"
    return arguments.file or Path(usual)


def days_from(text: str) -> int:
    """Parse the number of days."""
    if not (text.isdecimal() and int(text) <= MAX_DAYS):
        raise argparse.ArgumentTypeError(f"give a whole number of days, 0 to {MAX_DAYS:,}, not {text!r}")
    return int(text)


def rate_from(text: str) -> float:
    """Parse the calls per second."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate < inf:
        raise argparse.ArgumentTypeError(f"give rooms per second, above 0 and finite, not {text!r}")
    return rate


parser = argparse.ArgumentParser(description="Disable all rooms older than a number of days.")
parser.add_argument("days", type=days_from, help="minimum age of a room, in days")
parser.add_argument("--dry-run", action="store_true", help="print the uuids and change nothing")
parser.add_argument("--rate", type=rate_from, help="rooms per second, at most")
parser.add_argument("--file", type=Path, help="progress file (disable_old_rooms.json)")
settings.add_arguments(parser)

if __name__ == "__main__":
    sys.exit(main())
