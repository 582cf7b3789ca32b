"""A scan of the whole list: pages fetched ahead, in one range or several at once, exact to the room.

How it works
------------
Each range has a cursor of its own.  In the background a few tasks take one range after the other and fetch its
pages into a queue; the caller's ``async for`` takes them out.  A fetch needs a permit.  There are ``prefetch`` of
them for each task, and one more whenever the caller waits for a page: so many pages are ahead of the caller, and
no more.  What a fetch raises goes through the queue like a page, behind the rooms that came before, and its range
waits until the caller goes on.  Then all ranges that failed meanwhile go on, and what they raised is forgotten.

A page that was fetched but not gone through is in no checkpoint: only what the caller took counts.
"""

from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import repeat
from typing import Any, Final, Generic, Literal, Self, TypeAlias, TypeVar, cast, get_args

import anyio
from anyio.lowlevel import checkpoint
from attrs import evolve, frozen

from netless_rooms._api.session import Session
from netless_rooms._listing.checkpoints import Checkpoint, Range, ScanMode, SplitPointSampler, read_checkpoint
from netless_rooms._listing.cursor import Cursor
from netless_rooms._listing.shards import account_in, at_once, begin, check_account, check_end
from netless_rooms._listing.walk import next_rooms
from netless_rooms._tasks import background, to_be_entered
from netless_rooms._validation import MAX_PAGE_SIZE, check_count
from netless_rooms.errors import RoomsError
from netless_rooms.models import InvalidRoom, Room

DRAIN: Final = 1.0  # seconds that leaving a scan waits for the requests under way, before it cancels them
MAX_SKIPPED_KEPT: Final = 1000  # of the rooms that were skipped
MAX_PREFETCH: Final = 100  # pages; each is some megabyte
MAX_SHARDS: Final = 1000

OnInvalid: TypeAlias = Literal["raise", "skip", "yield"]
Item = TypeVar("Item", Room, Room | InvalidRoom)


@frozen(kw_only=True)
class Options:
    """What a scan was asked to do, checked."""

    page_size: int
    prefetch: int
    shards: int
    on_invalid: OnInvalid


def scanning(
    session: Session,
    *,
    page_size: int,
    prefetch: int,
    shards: int,
    resume: str | None,
    known: str | None,
    on_invalid: OnInvalid,
) -> AbstractAsyncContextManager["Scan[Any]"]:
    """Return a scan to be entered; refuses arguments that cannot be right."""
    if on_invalid not in get_args(OnInvalid):
        raise ValueError(f"on_invalid must be one of {', '.join(map(repr, get_args(OnInvalid)))}")
    if resume is not None and known is not None:
        raise ValueError("give resume or known, not both: a checkpoint to go on from is split as it was")
    options = Options(
        page_size=check_count("page_size", page_size, at_least=1, at_most=MAX_PAGE_SIZE),
        prefetch=check_count("prefetch", prefetch, at_least=0, at_most=MAX_PREFETCH),
        shards=check_count("shards", shards, at_least=1, at_most=MAX_SHARDS),
        on_invalid=on_invalid,
    )
    return _scanning(
        session,
        options,
        None if resume is None else read_checkpoint("resume", resume, session.region),
        None if known is None else read_checkpoint("known", known, session.region),
    )


async def split(session: Session, shards: int, known: str | None) -> tuple[str, ...]:
    """Return the checkpoint of each range of a scan that has not begun."""
    shards = check_count("shards", shards, at_least=1, at_most=MAX_SHARDS)
    start = await begin(
        session, shards, None if known is None else read_checkpoint("known", known, session.region)
    )
    return tuple(str(evolve(start, ranges=(part,))) for part in start.ranges)


@to_be_entered("async with rooms.scan(...) as scan: async for room in scan: ...")
@asynccontextmanager
async def _scanning(
    session: Session, options: Options, resume: Checkpoint | None, known: Checkpoint | None
) -> AsyncGenerator["Scan[Any]", None]:
    first = None
    try:
        if resume is not None:
            first = await check_account(session, resume)
        start = resume or await begin(session, options.shards, known)
    except RoomsError as error:
        error.checkpoint = None if resume is None else str(resume)
        raise
    scan: Scan[Any] = Scan(session, start, options, first)
    async with background(scan._work, scan._leave, shield=True):
        yield scan


class Scan(Generic[Item]):
    """A scan under way, inside its ``async with``: an async iterable of rooms.

    Stop iterating and begin again as you like, after an error or a cancelled wait too: it goes on behind the last
    room that came out.  Only one task at a time may wait for the next room.  Behind the ``async with``, a scan
    that had not come to its end raises ``RuntimeError``.

    .. versionadded:: 0.1
    """

    mode: ScanMode
    """How it goes through the list; ``SEQUENTIAL`` too if it was to be in shards, but could not."""
    room_count: int
    """How many rooms came out since the scan was begun or gone on with."""
    page_count: int
    """How many pages were gone through, or begun."""
    skipped_count: int
    """How many rooms were skipped because they could not be read."""
    skipped: list[InvalidRoom]
    """The first thousand of them."""

    def __init__(self, session: Session, start: Checkpoint, options: Options, first: str | None) -> None:
        self.mode = start.mode
        self.room_count = self.page_count = self.skipped_count = 0
        self.skipped = []
        self._session = session
        self._start = start
        self._account = start.account
        self._on_invalid = options.on_invalid
        self._lanes = [
            RangeState(part, options.page_size, first, in_order=start.mode is not ScanMode.SEQUENTIAL)
            for part in start.ranges
        ]
        self._landmarks = SplitPointSampler(list(start.known))
        self._at_once = at_once(session, max(1, min(options.shards, len(start.ranges))))
        self._permits = anyio.Semaphore(options.prefetch * self._at_once)
        # What came, in order.  No stream: a page on its way out of one is lost if its receiver is cancelled.
        self._came: deque[tuple[RangeState, Any]] = deque()
        self._has_come = anyio.Event()
        self._page: Iterator[tuple[RangeState, Any]] = iter(())  # what is left of the one that is gone through
        self._is_waiting = self._is_asked = self._has_raised = False
        self._asking = 0
        self._is_left = False
        self._calm = anyio.Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in mode {self.mode.value!r}, {self.room_count} rooms so far>"

    @property
    def checkpoint(self) -> str:
        """Where to go on, as a short text: ``scan(resume=scan.checkpoint)`` brings all rooms not come yet.

        It is exact to the room: the last one that came out counts as done, so take the checkpoint when you are
        done with that room.  It is good in another process and with a later release, for the same region and
        account; a scan that has ended has one too, which brings nothing.  It holds uuids of rooms and no secret.

        .. versionadded:: 0.1
        """
        left = (Range(lane.last, lane.through) for lane in self._lanes if not lane.is_done)
        in_order = all(lane.cursor.rises for lane in self._lanes)
        return str(
            evolve(
                self._start,
                account=self._account,
                ranges=tuple(part for part in left if not part.is_done),
                known=self._landmarks.few() if in_order else (),
            )
        )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        # No generator: one that was cancelled, raised or was closed is dead, and would end quietly ever after.
        while True:
            for lane, item in self._page:
                lane.last = item.uuid or lane.last
                if self._on_invalid == "skip" and isinstance(item, InvalidRoom):
                    self._skip(item)
                    continue
                self.room_count += 1
                return cast("Item", item)
            await self._turn_page()

    def _skip(self, room: InvalidRoom) -> None:
        self.skipped_count += 1
        if len(self.skipped) < MAX_SKIPPED_KEPT:
            self.skipped.append(room)

    async def _turn_page(self) -> None:
        """Take the next page; nothing is taken before it is there, so nothing is lost if the wait is cancelled."""
        if self._is_asked:
            raise RuntimeError("another task waits for the next room of this scan; iterate in one task at a time")
        self._is_asked = True
        try:
            lane, part = await self._next_part()
        finally:
            self._is_asked = False
        if isinstance(part, Exception):
            self._has_raised = True
            if isinstance(part, RoomsError):
                part.checkpoint = self.checkpoint
            try:
                raise part
            finally:
                del part  # or it would keep this frame, and this frame it
        self._is_waiting = False
        self.page_count += 1
        self._account = self._account or account_in(part)
        self._landmarks.pass_by(part[-1].uuid)  # behind a room without one no page ends
        self._page = zip(repeat(lane), part, strict=False)

    async def _next_part(self) -> tuple["RangeState", Any]:
        if self._has_raised:
            self._has_raised = False
            for failed in self._lanes:
                failed.go_on.set()
        while True:
            self._stop_if_over()
            if not self._is_waiting:  # else the page that was waited for has not come yet
                self._is_waiting = True
                self._permits.release()
            await checkpoint()
            while not self._came and not self._is_left:
                self._has_come = anyio.Event()
                await self._has_come.wait()
            self._stop_if_over()
            lane, part = self._came.popleft()
            if isinstance(part, Exception) and lane.go_on.is_set():
                continue  # tried again already, when the scan went on after the failure of another range
            if part != ():
                return lane, part
            lane.is_done = True

    def _stop_if_over(self) -> None:
        if all(lane.is_done for lane in self._lanes):
            raise StopAsyncIteration
        if self._is_left:
            raise RuntimeError("this scan was left; go on in a new one, with scan(resume=scan.checkpoint)")

    # What runs in the background

    async def _work(self) -> None:
        """Fetch all ranges, a few at a time."""
        waiting = iter(self._lanes)

        async def fetch_some() -> None:
            for lane in waiting:
                await self._fetch(lane)

        async with anyio.create_task_group() as group:
            for _ in range(self._at_once):
                group.start_soon(fetch_some)

    async def _fetch(self, lane: "RangeState") -> None:
        has_more = True
        while has_more:
            await self._permits.acquire()
            has_more = await self._fetch_page(lane)
        self._permits.release()  # the end is no page

    async def _fetch_page(self, lane: "RangeState") -> bool:
        part: Any
        while isinstance(part := await self._ask(lane), Exception):
            lane.go_on = anyio.Event()
            self._bring(lane, part)
            del part  # the caller's, with all that its traceback keeps
            await lane.go_on.wait()
        self._bring(lane, part)
        return bool(part)

    def _bring(self, lane: "RangeState", part: Any) -> None:
        self._came.append((lane, part))
        self._has_come.set()

    async def _ask(self, lane: "RangeState") -> Any:
        """Return the next rooms of a range, none at its end, or what was raised."""
        rooms: tuple[Any, ...] = ()
        while not rooms and not lane.has_ended:
            if self._is_left:
                await anyio.sleep_forever()
            self._asking += 1
            try:
                if lane.cursor.ended:
                    await check_end(self._session, lane.cursor)
                    lane.has_ended = True
                else:
                    rooms = await next_rooms(self._session, lane.cursor, tolerant=self._on_invalid != "raise")
            except Exception as error:
                return error
            finally:
                self._asking -= 1
                if self._is_left and not self._asking:
                    self._calm.set()
        return rooms

    async def _leave(self) -> None:
        """Let requests under way come to an end, as far as that does not take long, and ask for nothing more.

        httpx loses a connection when a request is cancelled that waits for one or opens one.
        """
        self._is_left = True
        self._page = iter(())
        self._has_come.set()
        if self._asking:
            with anyio.move_on_after(DRAIN):
                await self._calm.wait()


class RangeState:
    """One range under way."""

    def __init__(self, part: Range, page_size: int, first: str | None, *, in_order: bool) -> None:
        self.through = part.through
        self.last = part.after
        """The last room that the caller took, or the one to begin behind."""
        self.is_done = False
        """Whether the caller has gone through all of it."""
        self.has_ended = False
        """Whether there is nothing more to fetch, and that is proven."""
        self.cursor = Cursor(
            after=part.after, through=part.through, in_order=in_order, start=first, page_size=page_size
        )
        self.go_on = anyio.Event()
