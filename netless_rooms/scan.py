"""A scan of the whole list: pages fetched ahead, in one range or several at once, exact to the room.

How it works
------------
Each range has a cursor of its own.  In the background a few tasks take one range after the other and fetch its
pages into a queue; the caller's ``async for`` takes them out.  A fetch needs a permit.  There are ``prefetch`` of
them for each task, and one more whenever the caller waits for a page: so many pages are ahead of the caller, and
no more.  What a fetch raises goes through the queue like a page, behind the rooms that came before, and its range
waits until the caller goes on.

A page that was fetched but not gone through is in no checkpoint: only what the caller took counts.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast, get_args

import anyio
from attrs import evolve, frozen

from netless_rooms.background import background
from netless_rooms.calls import Caller
from netless_rooms.checkpoints import Checkpoint, Landmarks, Range, ScanMode, read_checkpoint
from netless_rooms.errors import RoomsError
from netless_rooms.models import InvalidRoom, Room
from netless_rooms.operations import MAX_PAGE_SIZE, check_count
from netless_rooms.paging import Cursor
from netless_rooms.shards import account_in, at_once, begin, check_account
from netless_rooms.walks import next_rooms

if TYPE_CHECKING:
    from types import AsyncGeneratorType

DRAIN: Final = 1.0  # seconds that leaving a scan waits for the requests under way, before it cancels them
MOST_KEPT: Final = 1000  # of the rooms that were skipped
MOST_AHEAD: Final = 100  # pages; each is some megabyte
MOST_SHARDS: Final = 1000

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
    caller: Caller,
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
        prefetch=check_count("prefetch", prefetch, at_least=0, at_most=MOST_AHEAD),
        shards=check_count("shards", shards, at_least=1, at_most=MOST_SHARDS),
        on_invalid=on_invalid,
    )
    return _scanning(
        caller,
        options,
        None if resume is None else read_checkpoint("resume", resume, caller.region),
        None if known is None else read_checkpoint("known", known, caller.region),
    )


async def split(caller: Caller, shards: int, known: str | None) -> tuple[str, ...]:
    """Return the checkpoint of each range of a scan that has not begun."""
    shards = check_count("shards", shards, at_least=1, at_most=MOST_SHARDS)
    start = await begin(caller, shards, None if known is None else read_checkpoint("known", known, caller.region))
    return tuple(str(evolve(start, ranges=(part,))) for part in start.ranges)


@asynccontextmanager
async def _scanning(
    caller: Caller, options: Options, resume: Checkpoint | None, known: Checkpoint | None
) -> AsyncGenerator["Scan[Any]", None]:
    try:
        if resume is not None:
            await check_account(caller, resume)
        start = resume or await begin(caller, options.shards, known)
    except RoomsError as error:
        error.checkpoint = None if resume is None else str(resume)
        raise
    scan: Scan[Any] = Scan(caller, start, options)
    async with background(scan.work, scan.leave):
        yield scan


class Scan(Generic[Item]):
    """A scan under way, inside its ``async with``: an async iterable of rooms.

    Stop iterating and begin again as you like, after an error too: it goes on behind the last room that came out.

    .. versionadded:: 0.1
    """

    mode: ScanMode
    """How it goes through the list; ``LINE`` too if it was to be in shards, but could not."""
    room_count: int
    """How many rooms came out since the scan was begun or gone on with."""
    page_count: int
    """How many pages were gone through, or begun."""
    skipped_count: int
    """How many rooms were skipped because they could not be read."""
    skipped: list[InvalidRoom]
    """The first thousand of them."""

    def __init__(self, caller: Caller, start: Checkpoint, options: Options) -> None:
        self.mode = start.mode
        self.room_count = self.page_count = self.skipped_count = 0
        self.skipped = []
        self._caller = caller
        self._start = start
        self._account = start.account
        self._on_invalid = options.on_invalid
        self._lanes = [
            _Lane(part, options.page_size, in_order=start.mode is not ScanMode.LINE) for part in start.ranges
        ]
        self._landmarks = Landmarks(list(start.known))
        self._at_once = at_once(caller, max(1, min(options.shards, len(start.ranges))))
        self._permits = anyio.Semaphore(options.prefetch * self._at_once)
        self._queue_in, self._queue = anyio.create_memory_object_stream[tuple[_Lane, Any]](inf)
        self._is_waiting = False
        self._items: AsyncGeneratorType[Item, None] | None = None
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

    def __aiter__(self) -> AsyncIterator[Item]:
        # After a break the same generator goes on; one that has raised is dead.
        if self._items is None or self._items.ag_frame is None:
            self._items = cast("AsyncGeneratorType[Item, None]", self._each())
        return self._items

    async def _each(self) -> AsyncGenerator[Item, None]:
        """Take the pages out of the queue; nothing is held open across a ``yield``."""
        for lane in self._lanes:
            lane.go_on.set()
        while True:
            try:
                lane, part = await self._next_part()
            except anyio.EndOfStream:
                return
            if isinstance(part, Exception):
                try:
                    raise self._with_checkpoint(part)
                finally:
                    del part  # or it would keep this frame, and this frame it
            if not part:
                lane.is_done = True
                continue
            self._is_waiting = False
            self.page_count += 1
            self._account = self._account or account_in(part)
            for item in part if self._on_invalid == "raise" else self._readable(part):
                lane.last = item.uuid or lane.last
                self.room_count += 1
                yield item
            if lane.last is not None:
                self._landmarks.pass_by(lane.last)

    async def _next_part(self) -> tuple["_Lane", Any]:
        if self._is_left and not all(lane.is_done for lane in self._lanes):
            raise RuntimeError("this scan was left; go on in a new one, with scan(resume=scan.checkpoint)")
        if self._is_left:
            raise anyio.EndOfStream
        if not self._is_waiting:  # else the page that was waited for has not come yet
            self._is_waiting = True
            self._permits.release()
        return await self._queue.receive()

    def _with_checkpoint(self, error: Exception) -> Exception:
        if isinstance(error, RoomsError):
            error.checkpoint = self.checkpoint
        return error

    def _readable(self, part: tuple[Any, ...]) -> Iterator[Any]:
        for item in part:
            if self._on_invalid == "skip" and isinstance(item, InvalidRoom):
                self.skipped_count += 1
                if len(self.skipped) < MOST_KEPT:
                    self.skipped.append(item)
            else:
                yield item

    # What runs in the background

    async def work(self) -> None:
        """Fetch all ranges, a few at a time."""
        waiting = iter(self._lanes)

        async def fetch_some() -> None:
            for lane in waiting:
                await self._fetch(lane)

        with self._queue_in:
            async with anyio.create_task_group() as group:
                for _ in range(self._at_once):
                    group.start_soon(fetch_some)

    async def _fetch(self, lane: "_Lane") -> None:
        part: Any = None
        while part != ():
            await self._permits.acquire()
            part = await self._ask(lane)
            while isinstance(part, Exception):
                lane.go_on = anyio.Event()
                self._queue_in.send_nowait((lane, part))
                await lane.go_on.wait()
                part = await self._ask(lane)
            self._queue_in.send_nowait((lane, part))
        self._permits.release()  # the end is no page

    async def _ask(self, lane: "_Lane") -> Any:
        if self._is_left:
            await anyio.sleep_forever()
        self._asking += 1
        try:
            return await next_rooms(self._caller, lane.cursor, tolerant=self._on_invalid != "raise")
        except Exception as error:
            return error
        finally:
            self._asking -= 1
            if self._is_left and not self._asking:
                self._calm.set()

    async def leave(self) -> None:
        """Let requests under way come to an end, as far as that does not take long, and begin no other.

        httpx loses a connection when a request is cancelled that waits for one or opens one.
        """
        self._is_left = True
        if self._items is not None and not self._items.ag_running:
            await self._items.aclose()
        if self._asking:
            with anyio.move_on_after(DRAIN):
                await self._calm.wait()
        self._queue_in.close()
        self._queue.close()


class _Lane:
    """One range under way."""

    def __init__(self, part: Range, page_size: int, *, in_order: bool) -> None:
        self.through = part.through
        self.last = part.after
        """The last room that the caller took, or the one to begin behind."""
        self.is_done = False
        self.cursor = Cursor(after=part.after, through=part.through, in_order=in_order, page_size=page_size)
        self.go_on = anyio.Event()
