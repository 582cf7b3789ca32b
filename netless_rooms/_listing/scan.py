"""A scan of the whole list: pages are fetched ahead, in one range or several at once, exact to the room.

Each range has its own cursor.  In the background, a few tasks take one range after the other and put its pages
into a queue for the caller's ``async for``.  A page needs a permit.  There are ``prefetch`` permits for each task,
and one more whenever the caller waits for a page, so at most ``prefetch`` pages are buffered per task.

A failure goes through the queue like a page, after the rooms before it, and its range waits.  When the caller
iterates again, all ranges that failed meanwhile are retried, and their failures are forgotten.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar, cast, get_args

import anyio
from anyio.lowlevel import checkpoint
from attrs import define, evolve

from netless_rooms._api.session import Session
from netless_rooms._listing.checkpoints import Checkpoint, Range, ScanMode, read_checkpoint
from netless_rooms._listing.cursor import Cursor
from netless_rooms._listing.shards import account_in, check_account, check_end, plan_scan
from netless_rooms._listing.walk import request_page
from netless_rooms._tasks import BackgroundWork, let_connect
from netless_rooms._validation import MAX_PAGE_SIZE, check_count
from netless_rooms.errors import InvalidArgumentError, RoomsError
from netless_rooms.models import InvalidRoom, Room

DRAIN_TIMEOUT: Final = 1.0  # seconds that leaving a scan waits for the requests in flight, before it cancels them
MAX_SKIPPED_KEPT: Final = 1000  # of the rooms that were skipped
MAX_PREFETCH: Final = 100  # pages; each is some megabyte
MAX_SHARDS: Final = 1000

OnInvalid: TypeAlias = Literal["raise", "skip", "yield"]
Item = TypeVar("Item", Room, Room | InvalidRoom)


@define(eq=False, repr=False)
class RangeState:
    """One range of a scan in progress."""

    cursor: Cursor  # how far it was fetched
    position: str | None  # the last room that the caller took, or the room to start after
    has_failed: bool = False  # and waits for a retry

    @property
    def is_done(self) -> bool:
        """Whether the caller took all of it."""
        return self.cursor.ended and self.position == self.cursor.position


class Fetched(NamedTuple):
    """What a range puts into the queue: new rooms, or the error of a request."""

    range: RangeState
    rooms: Sequence[Room | InvalidRoom] = ()
    error: Exception | None = None


async def split(session: Session, shards: int, split_hint: str | None) -> tuple[str, ...]:
    """Return the checkpoint of each range of a new scan."""
    shards = check_count("shards", shards, at_least=1, at_most=MAX_SHARDS)
    hint = None if split_hint is None else read_checkpoint("split_hint", split_hint, session.region)
    start = await plan_scan(session, shards, hint)
    return tuple(str(evolve(start, ranges=(part,))) for part in start.ranges)


class Scan(BackgroundWork, Generic[Item]):
    """A scan of all rooms: an async context manager, entered once, and inside it an async iterable of rooms.

    You may stop iterating and iterate again, also after an error or a cancellation: it resumes after the last room
    returned.  Only one task at a time may wait for the next room.  Enter and leave it in the same task.  After the
    ``async with``, iterating over an unfinished scan raises ``RuntimeError``.
    """

    _is_shielded = True
    _usage = "async with rooms.scan(...) as scan: async for room in scan: ..."

    room_count: int = 0  #: How many rooms were returned since this scan started or resumed.
    page_count: int = 0  #: How many pages were taken, including the current one.
    skipped_count: int = 0  #: How many rooms were skipped because they could not be read.
    skipped: list[InvalidRoom]  #: The first 1000 of them.
    _page: Iterator[Item]

    def __init__(
        self,
        session: Session,
        page_size: int,
        prefetch: int,
        shards: int,
        resume: str | None,
        split_hint: str | None,
        on_invalid: OnInvalid,
    ) -> None:
        if on_invalid not in get_args(OnInvalid):
            raise InvalidArgumentError(f"on_invalid must be one of {', '.join(map(repr, get_args(OnInvalid)))}")
        if resume is not None and split_hint is not None:
            raise InvalidArgumentError("give resume or split_hint, not both: a resumed scan keeps its ranges")
        self.skipped = []
        self._session = session
        self._page_size = check_count("page_size", page_size, at_least=1, at_most=MAX_PAGE_SIZE)
        self._prefetch = check_count("prefetch", prefetch, at_least=0, at_most=MAX_PREFETCH)
        self._shards = check_count("shards", shards, at_least=1, at_most=MAX_SHARDS)
        self._on_invalid = on_invalid
        self._resume = None if resume is None else read_checkpoint("resume", resume, session.region)
        self._hint = None if split_hint is None else read_checkpoint("split_hint", split_hint, session.region)
        self._start: Checkpoint | None = None  # set on entering
        self._ranges: list[RangeState] = []
        # Not a stream: it loses the page that it delivers when its receiver is cancelled.
        self._queue: deque[Fetched] = deque()
        self._page = iter(())  # the rest of the current page
        self._pages_wanted = 0  # how many pages the caller waited for
        self._request_count = 0  # requests in flight
        self._is_waiting = self._has_raised = False

    def __repr__(self) -> str:
        mode = "not entered" if self._start is None else f"in mode {self.mode.value!r}"
        return f"<{type(self).__name__} {mode}, {self.room_count} rooms so far>"

    async def _prepare(self) -> None:
        try:
            first_uuid = await check_account(self._session, self._resume)
            start = self._resume or await plan_scan(self._session, self._shards, self._hint)
        except RoomsError as error:
            error.checkpoint = None if self._resume is None else str(self._resume)
            raise
        self._start = start
        self._account = start.account
        # One for each first digit, over which uuids are spread evenly, as ``split_candidates`` says.
        self._samples = {uuid[0]: uuid for uuid in start.samples}
        in_order = start.mode is not ScanMode.SEQUENTIAL
        cursor = partial(Cursor, in_order=in_order, first_uuid=first_uuid, page_size=self._page_size)
        self._ranges = [RangeState(cursor(after=after, last_uuid=last), after) for after, last in start.ranges]
        self._concurrency = max(1, min(self._shards, len(self._ranges)))
        self._turn = anyio.Lock()
        self._permits = anyio.Semaphore(self._prefetch * self._concurrency)

    @property
    def mode(self) -> ScanMode:
        """How it reads the list: ``SEQUENTIAL`` also if ``shards`` was above 1 but the list cannot be split."""
        return self._entered().mode

    @property
    def checkpoint(self) -> str:
        """Where to resume, as a short text: ``scan(resume=scan.checkpoint)`` returns all rooms not returned yet.

        It is exact to the room.  The last room returned counts as done, so take the checkpoint when you are done
        with that room.  It is valid in another process and in a later release, for the same region and account.
        A finished scan's checkpoint returns nothing.  It contains uuids of rooms and no secret.
        """
        start = self._entered()
        left = tuple(Range(each.position, each.cursor.last_uuid) for each in self._ranges if not each.is_done)
        in_order = all(each.cursor.is_ascending for each in self._ranges)
        samples = tuple(sorted(self._samples.values())) if in_order else ()
        return str(evolve(start, account=self._account, ranges=left, samples=samples))

    def _entered(self) -> Checkpoint:
        if self._start is None:
            self._refuse()
        return self._start

    async def __anext__(self) -> Item:
        # Not an async generator: after an error or a cancellation it would stop without an error.
        while True:
            for room in self._page:
                return room
            await self._turn_page()

    def _rest_of_page(self) -> list[Item]:
        """Return the rest of the current page at once: the command line writes whole pages."""
        return list(self._page)

    def _return_each(self, page: Any) -> Iterator[Item]:
        state, is_skipping = page.range, self._on_invalid == "skip"
        for room in page.rooms:
            state.position = room.uuid or state.position
            if is_skipping and isinstance(room, InvalidRoom):
                self.skipped_count += 1
                self.skipped += [room] * (len(self.skipped) < MAX_SKIPPED_KEPT)
                continue
            self.room_count += 1
            yield room

    async def _turn_page(self) -> None:
        """Take the next page; nothing is taken before it is there, so nothing is lost if the wait is cancelled."""
        if self._is_waiting:
            raise RuntimeError("another task waits for the next room of this scan; iterate in one task at a time")
        self._is_waiting = True
        try:
            item = await self._next_item()
        finally:
            self._is_waiting = False
        if item.error is not None:
            self._has_raised = True
            if isinstance(item.error, RoomsError):
                item.error.checkpoint = self.checkpoint
            try:
                raise item.error
            finally:
                del item  # breaks the cycle of exception, traceback and frame
        self.page_count += 1
        self._account = self._account or account_in(item.rooms)
        last_uuid = cast("str", item.rooms[-1].uuid)  # a page ends with a room that has one
        self._samples.setdefault(last_uuid[0], last_uuid)
        self._page = self._return_each(item)

    async def _next_item(self) -> Fetched:
        if self._has_raised:
            self._has_raised = False
            self._queue = deque(item for item in self._queue if item.error is None)
            for each in self._ranges:
                each.has_failed = False
            self._notify()
        self._raise_if_over()
        if self._pages_wanted == self.page_count:  # else the page that was waited for has not come yet
            self._pages_wanted += 1
            self._permits.release()
        await checkpoint()
        await self._wait_for(lambda: self._queue or self._is_left or self._is_over)
        self._raise_if_over()
        return self._queue.popleft()

    def _raise_if_over(self) -> None:
        self._entered()
        if all(each.is_done for each in self._ranges):
            raise StopAsyncIteration
        if self._is_left or (self._is_over and not self._queue):
            reason = "was left" if self._is_left else "has stopped, because something cancelled a request of it"
            raise RuntimeError(f"this scan {reason}; resume in a new one, with scan(resume=scan.checkpoint)")

    async def _work(self) -> None:
        waiting = iter(self._ranges)

        async def fetch_some() -> None:
            for state in waiting:
                await self._fetch(state)

        async with anyio.create_task_group() as group:
            for _ in range(self._concurrency):
                group.start_soon(fetch_some)

    async def _fetch(self, state: RangeState) -> None:
        """Queue the pages of a range; queue a failure too, then wait until it is retried."""
        await self._permits.acquire()
        while not state.cursor.ended:
            page: Sequence[Room | InvalidRoom] = ()
            try:
                page = await self._request_page(state.cursor)
            except Exception as error:
                state.has_failed = True
                self._put(Fetched(state, error=error))
            await self._wait_for(lambda: not state.has_failed)
            if page:
                self._put(Fetched(state, page))
                del page  # the caller alone keeps it
                await self._permits.acquire()
        self._permits.release()  # the end is not a page

    def _put(self, item: Fetched) -> None:
        self._queue.append(item)
        self._notify()

    async def _request_page(self, cursor: Cursor) -> Any:
        if self._concurrency > 1:
            async with self._turn:
                await let_connect()
        if self._is_left:
            await anyio.sleep_forever()
        self._request_count += 1
        try:
            page = await request_page(self._session, cursor, tolerant=self._on_invalid != "raise")
            if self._is_left:
                cursor.ended = False  # only further requests could prove it
            elif cursor.ended:
                await check_end(self._session, cursor)
            return page
        finally:
            self._request_count -= 1
            self._notify()

    async def _leave(self) -> None:
        """Wait a short time for the requests in flight, and send no more.

        httpx loses a connection when a request is cancelled that waits for one or opens one.
        """
        self._page = iter(())
        self._notify()
        with anyio.move_on_after(DRAIN_TIMEOUT):
            await self._wait_for(lambda: not self._request_count)
