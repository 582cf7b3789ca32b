"""What ``AsyncRooms`` does with many rooms: walk and scan the list, and make many calls."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import Any, Literal, overload

from netless_rooms._api.requests import ban_room, create_room, get_room
from netless_rooms._api.session import Session
from netless_rooms._bulk import CONCURRENCY, BulkOptions, Outcomes, call_each, check_uuids
from netless_rooms._listing.cursor import start_walk
from netless_rooms._listing.scan import OnInvalid, Scan, scanning, split
from netless_rooms._listing.walk import created_between, each_page, each_room
from netless_rooms._tasks import to_be_entered
from netless_rooms._validation import MAX_PAGE_SIZE, check_count, check_time
from netless_rooms.models import InvalidRoom, Room, RoomPage


class ManyRooms:
    """The part of ``AsyncRooms`` that goes through many rooms."""

    __slots__ = ("_session",)

    _session: Session

    def walk(
        self,
        *,
        begin_uuid: str | None = None,
        after: str | None = None,
        page_size: int = MAX_PAGE_SIZE,
        max_rooms: int | None = None,
    ) -> AsyncGenerator[Room, None]:
        """Return an async generator over all rooms, in the service's order, page by page.

        Every room that was there when the walk began comes exactly once; a room created meanwhile may or may not.
        The end is proven: the service was asked for more behind the last room and had nothing.  Rooms may be
        disabled and enabled on the way.  Nothing is held open between two rooms, so you may stop anywhere; close
        it with ``contextlib.aclosing`` if you leave early on Trio, which warns about any forgotten generator.

        - ``begin_uuid``: start from this room, as on the wire.  ``after``: start behind it, to go on where a walk
          stopped.  Not both.
        - ``page_size``: rooms asked for at once, 1 to 1000.
        - ``max_rooms``: stop after so many, 0 or more; ``None`` is all.

        Memory holds one page, whatever the number of rooms; only for a list that is not in the order of the
        uuids, which is documented, does it grow: by the uuids seen.  A room that is taken off the list while the
        walk stands at it may end the walk in an error; disabling takes none off, as far as is known.

        Raises, besides what every call raises, ``PaginationError`` when the list repeats, stalls, jumps back or
        ignores the cursor.  Every ``RoomsError`` says where to go on: ``walk(after=error.checkpoint)``.

        .. versionadded:: 0.1
        """
        return each_room(self._session, start_walk(begin_uuid, after, page_size, max_rooms), max_rooms)

    def pages(
        self, *, begin_uuid: str | None = None, after: str | None = None, page_size: int = MAX_PAGE_SIZE
    ) -> AsyncGenerator[RoomPage, None]:
        """Return an async generator over the same rooms as ``walk()``, a page at a time.

        A page has the new rooms of one answer, at least one and at most ``page_size``; fewer than ``page_size``
        says nothing about the end.  There is no ``max_rooms``; all other arguments, and the promises and errors,
        are those of ``walk()``.

        .. versionadded:: 0.1
        """
        return each_page(self._session, start_walk(begin_uuid, after, page_size))

    @overload
    def scan(
        self,
        *,
        page_size: int = ...,
        prefetch: int = ...,
        shards: int = ...,
        resume: str | None = ...,
        known: str | None = ...,
        on_invalid: Literal["raise", "skip"] = ...,
    ) -> AbstractAsyncContextManager[Scan[Room]]: ...
    @overload
    def scan(
        self,
        *,
        page_size: int = ...,
        prefetch: int = ...,
        shards: int = ...,
        resume: str | None = ...,
        known: str | None = ...,
        on_invalid: Literal["yield"],
    ) -> AbstractAsyncContextManager[Scan[Room | InvalidRoom]]: ...
    def scan(
        self,
        *,
        page_size: int = MAX_PAGE_SIZE,
        prefetch: int = 1,
        shards: int = 1,
        resume: str | None = None,
        known: str | None = None,
        on_invalid: OnInvalid = "raise",
    ) -> AbstractAsyncContextManager[Scan[Any]]:
        """Scan all rooms, with the next pages under way while you work on one.

        Enter it, then iterate: ``async with rooms.scan() as scan``, and in it ``async for room in scan``.  The
        promises are those of ``walk()``.  Work in the background begins and ends with the ``async with``; leaving
        it waits for requests under way, a second at most.

        - ``page_size``: rooms asked for at once, 1 to 1000.
        - ``prefetch``: how many pages are fetched ahead of you, 0 to 100, for each shard; memory holds as many.
        - ``shards``: into how many ranges of the uuids to split the list, 1 to 1000, and how many of them to scan
          at once, never more than the client's pool holds.  Rooms then come in the order of the uuids within each
          range only.  Where to split is found out by asking, a few small requests, for it is not documented
          whether the service goes on from a ``beginUUID`` that names no room.  If it does not, the list is split
          at rooms that ``known`` keeps, or else scanned in one line; ``scan.mode`` says which.  Each range must
          come to the room behind which the next begins, or else ``PaginationError`` is raised.
        - ``resume``: a checkpoint of an earlier scan, or a shard from ``split()``, to go on from.  Its ranges stay
          as they are, and ``shards`` of them are scanned at once.  One request more tells whether it is of this
          account.
        - ``known``: a checkpoint of an earlier scan, mostly of one that has ended, which keeps some rooms to split
          at.  Without effect if ``shards`` is 1, and not to be given together with ``resume``.
        - ``on_invalid``: what happens with a room that cannot be read: ``"raise"`` raises ``DecodeError``;
          ``"skip"`` counts it and keeps it in ``scan.skipped``; ``"yield"`` brings an ``InvalidRoom`` in its
          place.  One without a readable uuid may come again when the scan is gone on with.

        Raises, besides what ``walk()`` raises, ``ValueError`` for a checkpoint that is damaged or of another
        region, and ``CheckpointError`` for one of another account.  After an error the same scan can be gone on
        with: iterate again.  ``error.checkpoint`` is where to go on in a new one,
        ``scan(resume=error.checkpoint)``; it is ``None`` if a scan without ``resume`` did not begin.

        .. versionadded:: 0.1
        """
        return scanning(
            self._session,
            page_size=page_size,
            prefetch=prefetch,
            shards=shards,
            resume=resume,
            known=known,
            on_invalid=on_invalid,
        )

    async def split(self, shards: int, *, known: str | None = None) -> tuple[str, ...]:
        """Return shards of the list, each to be scanned by whoever likes: ``scan(resume=shard)``.

        A shard is a short text without secrets, good in any process for the same region and account.  All of them
        together are the whole list: each ends with the room behind which the next begins, or raises.  There may
        be fewer than ``shards``, 1 to 1000, and only one if the list cannot be split; how that is found out, and
        what ``known`` is, tells ``scan()``.  Safe to repeat; a small request for each shard, and one more.

        .. versionadded:: 0.1
        """
        return await split(self._session, shards, known)

    async def find_created_between(self, start: datetime, end: datetime) -> tuple[Room, ...]:
        """Return the rooms that were created from ``start`` to ``end``, both inclusive, the oldest first.

        For settling a create that is in doubt: ``start`` and ``end`` are those of its error, with as much room on
        both sides as this machine's clock may be off, and behind as the service may take its time.  A room counts
        if its ``created_at`` or the time inside its version-1 UUID is in between, or less than a millisecond off,
        since the service tells times in whole milliseconds.  Both must be aware, and ``start`` not after ``end``.

        Walks the whole list, a request for each 1000 rooms, because the list is not in the order of creation;
        arguments apart, the promises and errors are those of ``walk()``.

        .. versionadded:: 0.1
        """
        if check_time("start", start) > check_time("end", end):
            raise ValueError(f"start must not be after end, and {start} is after {end}")
        return await created_between(self._session, start, end)

    @to_be_entered("async with rooms.get_many(...) as outcomes: async for outcome in outcomes: ...")
    def get_many(
        self,
        uuids: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        max_failures: int | None = None,
    ) -> AbstractAsyncContextManager[Outcomes[str]]:
        """Call ``get`` for each of many rooms, several at once: ``async with rooms.get_many(uuids) as outcomes``.

        Returns a context manager for one use, and from entering it ``Outcomes``: iterate over them, and an
        ``Outcome`` with the room or the error comes from each call as it ends, in no certain order.

        - ``uuids``: an iterable, read whole and checked here, or an async iterable, from which a uuid is pulled
          when its call can begin; it stays yours, to go on with and to close.  A uuid that is there twice is asked
          for twice.
        - ``concurrency``: how many calls run at once at the most, 1 or more; never more than the client's pool
          of connections holds.
        - ``rate``: how many calls may begin in a second, above 0, evenly spaced: at least ``1 / rate`` seconds lie
          between two.  ``None`` does not hold them up.  Tries again inside a call are not counted.
        - ``max_failures``: after so many calls that failed, 1 or more, no other begins, and behind the outcomes of
          those that had begun comes ``TooManyFailuresError``.  ``None`` goes on whatever fails.

        What a call raises is the ``error`` of its outcome; what the iteration raises, and what happens when you
        leave early, is told at ``Outcomes``.  Safe to repeat.  Raises ``TypeError`` or ``ValueError`` for a wrong
        argument, with the position of a wrong uuid, before anything is sent.

        .. versionadded:: 0.1
        """
        terms = BulkOptions(concurrency=concurrency, rate=rate, max_failures=max_failures)
        return call_each(self._session, get_room, check_uuids(uuids), terms)

    @to_be_entered("async with rooms.disable_many(...) as outcomes: async for outcome in outcomes: ...")
    def disable_many(
        self,
        uuids: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        max_failures: int | None = None,
    ) -> AbstractAsyncContextManager[Outcomes[str]]:
        """Call ``disable`` for each of many rooms; everything else as in ``get_many``.

        .. versionadded:: 0.1
        """
        terms = BulkOptions(concurrency=concurrency, rate=rate, max_failures=max_failures)
        return call_each(self._session, partial(ban_room, is_ban=True), check_uuids(uuids), terms)

    @to_be_entered("async with rooms.enable_many(...) as outcomes: async for outcome in outcomes: ...")
    def enable_many(
        self,
        uuids: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        max_failures: int | None = None,
    ) -> AbstractAsyncContextManager[Outcomes[str]]:
        """Call ``enable`` for each of many rooms; everything else as in ``get_many``.

        .. versionadded:: 0.1
        """
        terms = BulkOptions(concurrency=concurrency, rate=rate, max_failures=max_failures)
        return call_each(self._session, partial(ban_room, is_ban=False), check_uuids(uuids), terms)

    @to_be_entered("async with rooms.create_many(...) as outcomes: async for outcome in outcomes: ...")
    def create_many(
        self,
        count: int,
        *,
        limit: int | None = None,
        is_record: bool | None = None,
        concurrency: int = CONCURRENCY,
        rate: float | None = None,
        max_failures: int | None = None,
    ) -> AbstractAsyncContextManager[Outcomes[int]]:
        """Call ``create`` ``count`` times, 0 or more, for rooms that are alike.

        ``limit`` and ``is_record`` are those of ``create``; everything else as in ``get_many``, but not safe to
        repeat.  No create is repeated if it may have taken effect: its outcome has a ``CreateOutcomeUnknownError``
        then, or, if it was cut after you left, its position is in ``in_doubt``.

        .. versionadded:: 0.1
        """
        terms = BulkOptions(concurrency=concurrency, rate=rate, max_failures=max_failures)
        operation = create_room(limit=limit, is_record=is_record)
        positions = range(check_count("count", count, at_least=0))
        return call_each(self._session, lambda _: operation, positions, terms)
