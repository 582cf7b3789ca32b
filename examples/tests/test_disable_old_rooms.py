"""The bulk job: stopped anywhere and run again, it has disabled and counted every old room once."""

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

import disable_old_rooms
from commands import start
from disable_old_rooms import Job, list_old, load, report, run
from netless_rooms import AsyncRooms, ServerError, TooManyFailuresError
from netless_rooms.emulator import Emulator, Failure, Quirks
from selection import exhaustive
from settings import SettingsError

pytestmark = pytest.mark.anyio
COUNT = 60
NOW = datetime(2025, 6, 1, tzinfo=UTC)
ROOMS = pytest.mark.netless_emulator(rooms=COUNT, quirks=Quirks(page_cap=10))
DAYS = 1500


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disable_old_rooms, "DISABLE_BATCH", 4)
    monkeypatch.setattr(disable_old_rooms, "SCAN_BATCH", 15)


class Died(BaseException):
    """What a process does not live to see."""


class Trial:
    """The rooms before the job, and what is left of a job when its process has gone: what was saved last."""

    def __init__(self, emulator: Emulator, client: AsyncRooms) -> None:
        self.emulator, self.client = emulator, client
        self.text = json.dumps(asdict(Job.begin(DAYS, "us-sv", NOW)))
        self.saves_left: float = float("inf")
        self.old, self.banned = old_rooms(emulator), banned(emulator)
        assert self.old - self.banned
        assert self.old & self.banned
        assert len(self.old) < COUNT

    @property
    def job(self) -> Job:
        return Job(**json.loads(self.text))

    def save(self, job: Job) -> None:
        """Save, as long as the process lives."""
        self.saves_left -= 1
        if self.saves_left < 0:
            raise Died
        self.text = json.dumps(asdict(job))

    async def run(self) -> None:
        await run(self.client, self.job, save=self.save, show=ignore)

    async def finish(self) -> None:
        """Run the rest: every old room is disabled, no other one is, and each was counted once."""
        self.emulator.faults.clear()
        await self.run()
        job = self.job
        assert banned(self.emulator) == self.banned | self.old
        assert (job.seen, job.is_scanned, job.pending, job.failed) == (COUNT, True, [], {})
        assert job.recent == COUNT - len(self.old)
        assert job.already_disabled == len(self.old & self.banned)
        assert job.disabled == len(self.old - self.banned)


@pytest.fixture
def trial(netless_emulator: Emulator, netless_client: AsyncRooms) -> Trial:
    return Trial(netless_emulator, netless_client)


def ignore(_: Job) -> None:
    """Show nothing."""


def old_rooms(emulator: Emulator) -> set[str]:
    before = datetime.fromisoformat(Job.begin(DAYS, "us-sv", NOW).before)
    created = {uuid: datetime.fromisoformat(emulator.room(uuid)["createdAt"]) for uuid in emulator.uuids()}
    return {uuid for uuid, moment in created.items() if moment < before}


def banned(emulator: Emulator) -> set[str]:
    return {uuid for uuid in emulator.uuids() if emulator.room(uuid)["isBan"]}


@ROOMS
async def test_what_was_killed_anywhere_goes_on_and_counts_each_room_once(trial: Trial) -> None:
    for deaths in range(300):
        trial.saves_left = deaths % 4
        with suppress(Died):
            await trial.run()
            break
    else:
        pytest.fail("it does not get on")
    assert deaths > 5
    trial.saves_left = float("inf")
    await trial.finish()


@ROOMS
@pytest.mark.parametrize("at", [0, 7, *exhaustive(range(1, 7)), *exhaustive(range(8, 30))])
async def test_what_fails_at_any_request_goes_on_and_counts_each_room_once(trial: Trial, at: int) -> None:
    trial.emulator.faults += [*[None] * at, *[Failure(503)] * 4]
    try:
        await trial.run()
    except ServerError:
        assert not trial.job.is_scanned
    await trial.finish()


@ROOMS
@pytest.mark.parametrize("saves", [1, 6, *exhaustive(range(2, 6)), *exhaustive(range(7, 20))])
async def test_what_was_cancelled_goes_on_and_counts_each_room_once(trial: Trial, saves: int) -> None:
    def save_and_stop(job: Job) -> None:
        nonlocal saves
        trial.save(job)
        saves -= 1
        if not saves:
            scope.cancel()

    with anyio.CancelScope() as scope:
        await run(trial.client, trial.job, save=save_and_stop, show=ignore)
    await trial.finish()


@ROOMS
@pytest.mark.parametrize("most", [20, 2])
async def test_failed_rooms_are_tried_again_unless_too_many_fail(
    trial: Trial, most: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(disable_old_rooms, "MAX_FAILURES", most)
    trial.emulator.faults += [Failure(400, on="set-ban")] * 2
    with pytest.raises(TooManyFailuresError) if most == 2 else nullcontext():
        await trial.run()
    assert len(trial.job.failed) == 2
    assert [line for line in report(trial.job, dry_run=False) if "400" in line and line.startswith("failed: ")]
    await trial.finish()


@ROOMS
async def test_a_dry_run_changes_nothing(
    netless_emulator: Emulator, netless_client: AsyncRooms, capsys: Any
) -> None:
    before = banned(netless_emulator)
    job = Job.begin(DAYS, "us-sv", NOW)
    await list_old(netless_client, job, ignore)
    assert set(capsys.readouterr().out.split()) == old_rooms(netless_emulator) - before
    assert banned(netless_emulator) == before
    assert any(re.search(rf"would be disabled +{job.disabled}$", line) for line in report(job, dry_run=True))
    assert {request.method for request in netless_emulator.requests} == {"GET"}


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    other_days, other_region = (json.dumps(asdict(Job.begin(*of, NOW))) for of in ((31, "us-sv"), (30, "sg")))
    texts = dict.fromkeys(("[]", "{", '{"days": 30}'), "is not a file of this program")
    texts |= {other_days: "is of a job for 31 days in us-sv", other_region: "is of a job for 30 days in sg"}
    for text, message in texts.items():
        file.write_text(text)
        with pytest.raises(SettingsError, match=message):
            load(file, 30, "us-sv")
        assert file.read_text() == text


def test_the_command_runs_on_an_emulator_of_its_own(tmp_path: Path) -> None:
    counts = []
    for dry_run in (["--dry-run"], []):
        with start("disable_old_rooms.py", str(DAYS), "--emulator", *dry_run, cwd=tmp_path) as job:
            out, err = job.communicate()
        assert job.returncode == 0, err
        counts.append(re.search(r"disabled +([\d,]+)\n  failed", err if dry_run else out))
    assert counts[0]
    assert counts[1]
    assert counts[0][1] == counts[1][1] != "0"
    assert list(tmp_path.iterdir()) == []


def test_of_a_dry_run_a_terminal_shows_a_few_rooms_and_how_many_there_are(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("sys.argv", ["disable_old_rooms.py", str(DAYS), "--emulator", "--dry-run"])
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert disable_old_rooms.main() == 0
    *uuids, last = capsys.readouterr().out.splitlines()
    assert all(re.fullmatch("[0-9a-f]{32}", uuid) for uuid in uuids)
    more = re.match(r"\.\.\. and ([\d,]+) more", last)
    assert len(uuids) == 10
    assert more

    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert disable_old_rooms.main() == 0
    assert len(capsys.readouterr().out.splitlines()) == 10 + int(more[1].replace(",", ""))


def test_a_file_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    with start("disable_old_rooms.py", "0", "--emulator", "--file", "nowhere/job.json", cwd=tmp_path) as job:
        out, err = job.communicate()
    says = "disable_old_rooms.py: error: cannot write nowhere/job.json: No such file or directory\n"
    assert (job.returncode, out, err) == (2, "", says)


@pytest.mark.netless_emulator(rooms=300)
@pytest.mark.parametrize("how", [signal.SIGINT, *exhaustive([signal.SIGKILL])], ids=["Ctrl-C", "killed"])
def test_the_command_goes_on_where_it_was_stopped(
    netless_emulator: Emulator, netless_base_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    key = netless_emulator.key
    settings = {"NETLESS_REGION": "us-sv", "NETLESS_BASE_URL": netless_base_url}
    settings |= {"NETLESS_ACCESS_KEY": key.access_key, "NETLESS_SECRET_KEY": key.secret_key}
    first_ban = until(lambda: any(request.method == "PATCH" for request in netless_emulator.requests))
    with start("disable_old_rooms.py", "0", "--rate", "20", cwd=tmp_path, **settings) as job:
        next(first_ban)
        job.send_signal(how)
        _, err = job.communicate()
    assert job.returncode == (-how if how == signal.SIGKILL else 130)
    assert "Traceback" not in err
    done = len(banned(netless_emulator))
    assert done < 300

    with start("disable_old_rooms.py", "0", cwd=tmp_path, **settings) as job:
        out, err = job.communicate()
    assert job.returncode == 0, err
    assert len(banned(netless_emulator)) == 300
    counts = {words: int(count) for words, count in re.findall(r"(?m)^  (.+?) +(\d+)$", out)}
    assert counts["seen"] == 300
    assert counts["disabled"] + counts["already disabled"] == 300
    assert list(tmp_path.iterdir()) == []
    assert key.secret_key not in out + err


def test_wrong_arguments_are_refused_with_what_is_right(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    days, rate = "a whole number of days, 0 to 100,000", "rooms per second, above 0 and finite"
    wrong = [*((days, [value]) for value in ("-1", "many", "100001"))]
    wrong += [(rate, ["30", "--rate", value]) for value in ("0", "nan", "fast")]
    for right, arguments in wrong:
        monkeypatch.setattr("sys.argv", ["disable_old_rooms.py", *arguments, "--emulator"])
        with pytest.raises(SystemExit) as ended:
            disable_old_rooms.main()
        assert ended.value.code == 2
        assert f": give {right}, not '{arguments[-1]}'\n" in capsys.readouterr().err


def until(is_so: Callable[[], Any]) -> Iterator[None]:
    """Wait, when asked for the next, until something is so."""
    for _ in range(3_000):
        if is_so():
            yield
            return
        time.sleep(0.01)
    pytest.fail("it did not come to that")
