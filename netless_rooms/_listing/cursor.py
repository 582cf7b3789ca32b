"""Which page next, what in it is new, and is this the end?  A pure state machine; no await, no rooms, only uuids.

What is promised
----------------
The service keeps a list in some fixed order and answers "from room c on, at most n".  Whatever that order, whether
c itself is in the answer (inclusive) or not, and however short the service cuts a page, a walk brings every room
that was there when it began exactly once, in the service's order, or ends in ``InconsistentListError``.  Assumed
is that the largest page from c on holds a room besides c unless c is the last, and that a room which leaves the
list while it is the cursor is sought: the service goes on at the next one, or says that it does not know the room.

How it works
------------
``next_request`` says what to ask.  ``advance`` takes the uuids of the answer and returns which are new.  The
cursor is always the last room that came out, so a page is never trusted further than it reached.

The end: an answer *to the largest page* with nothing but the cursor.  A smaller page that brings nothing new is
asked again at the largest, so neither a short page nor a page of one is ever taken for the end.

No repeats, in constant memory: while uuids rise strictly (the documented order), a new one above the last cannot
have come before.  At the first uuid that does not rise, the list is in another order or is broken, and only
memory can tell: the walk starts over *recalling*, collects the uuids up to the last room that came out without
bringing them again, and from there on remembers all.  So rooms come out once even then, and each request must
bring something new, which bounds the number of requests by about twice the number of pages.

What breaks a walk: a uuid that already came; the cursor anywhere but first in its own answer (the cursor was
ignored); the list from its start again, if that is known; an end of the other reading (nothing at all behind an
inclusive cursor, the cursor alone behind an exclusive one: the list stalls); recalling that does not come to the
last room again, or finds fewer than came out; an end without the uuid that made it recall.

A range of a list that is walked in several at once ends with a room, ``through``, which is where the next range
begins.  There the order of uuids is a condition: what comes in another order, passes that room without bringing it
or ends before it breaks the walk, so that between two ranges there is no hole.

A room whose uuid cannot be read can be no cursor.  It comes out with the next one that can; if there is none to
come, nobody can say whether the list goes on behind it, and the walk breaks.

The subtle case: an exclusive cursor and one whose room has just left the list look the same, so the reading may
rise from exclusive to inclusive while pages bring rooms, but never falls.
"""

from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, cast

from attrs import frozen

from netless_rooms._validation import MAX_PAGE_SIZE, check_count, check_uuid
from netless_rooms.models import normalize_uuid, same_uuid

NOTHING: Final = slice(0, 0)


class InconsistentListError(Exception):
    """The list cannot be walked to a proven end; the text says what "it", the list, did."""


class CursorSemantics(Enum):
    """How the service has been seen to read ``beginUUID``."""

    UNKNOWN = auto()
    EXCLUSIVE = auto()
    INCLUSIVE = auto()


@frozen
class PageRequest:
    """What to ask for: ``begin`` is ``None`` for the start of the list."""

    begin: str | None
    limit: int


class Cursor:
    """The position of one walk: ask ``next_request``, give the answer's uuids to ``advance``, until ``ended``.

    ``page_size`` is 1 to 1000.  ``begin`` is a room to start with, ``after`` one to start behind; not both.
    ``through`` is the room to end with, and asks for ``in_order``: that uuids rise.  ``start`` is the first room
    of the list, if that is known.  ``last`` is the last room that came out; before the first it is ``after``.
    """

    def __init__(
        self,
        *,
        begin: str | None = None,
        after: str | None = None,
        through: str | None = None,
        in_order: bool = False,
        start: str | None = None,
        page_size: int,
    ) -> None:
        self.ended: bool = False
        self.last = after
        self.through = through
        self._in_order = in_order or through is not None
        self._start = start
        self._page_size = page_size
        self._origin = begin if after is None else after
        self._origin_as_listed = None if self._origin is None else normalize_uuid(self._origin)
        self._origin_is_out = after is not None
        self._came = 0  # how many rooms came out of this walk
        self.reading: CursorSemantics = CursorSemantics.UNKNOWN
        self.rises: bool = True  # whether every uuid so far was above the one before
        self._known: set[str] = set()  # once they do not rise: every room that came out
        self._suspect: str | None = None  # the first uuid that did not rise
        self._recalls = False
        self._go_to_origin()

    def next_request(self) -> PageRequest:
        """Return what to ask next; looking twice changes nothing."""
        if self._asks_largest or self._recalls:
            return PageRequest(self._cursor, MAX_PAGE_SIZE)
        # One more than wanted, because the cursor itself may come again.
        return PageRequest(self._cursor, min(self._page_size + self._cursor_is_out, MAX_PAGE_SIZE))

    def advance(self, uuids: Sequence[str | None]) -> slice:
        """Take the answer to ``next_request``; return which part of it is new: ``page_size`` rooms at most.

        ``None`` stands for a room whose uuid cannot be read.
        """
        if None in uuids:
            return self._advance_past_nameless(uuids)
        return self._advance(cast("Sequence[str]", uuids), is_all=True)

    def _advance_past_nameless(self, uuids: Sequence[str | None]) -> slice:
        places = [place for place, uuid in enumerate(uuids) if uuid is not None]
        named = [uuid for uuid in uuids if uuid is not None]
        if uuids[0] is None and named and self._holds_cursor(named):
            raise InconsistentListError(f"asked from {self._cursor} on, a room came before it")
        part = self._advance(named, is_all=False)
        if part == NOTHING:
            return NOTHING
        return slice(places[part.start - 1] + 1 if part.start else 0, places[part.stop - 1] + 1)

    def _holds_cursor(self, uuids: Sequence[str]) -> bool:
        return bool(uuids) and self._cursor is not None and same_uuid(uuids[0], self._cursor)

    def _advance(self, uuids: Sequence[str], *, is_all: bool) -> slice:
        held = self._holds_cursor(uuids)
        self._check_place(uuids)
        start = 1 if held and self._cursor_is_out else 0
        if len(uuids) == start:
            return self._nothing_new(held=held, is_all=is_all)
        self._learn_reading(held=held)
        if self._recalls:
            return self._recall(uuids[start:])
        stop = min(start + self._page_size, len(uuids))
        return self._bring_out(uuids[start:stop], slice(start, stop))

    def _check_place(self, uuids: Sequence[str]) -> None:
        """Only the answer to a room holds that room, in the first place, and none holds where the walk set out."""
        if self._cursor in uuids[1:]:
            raise InconsistentListError(
                f"asked from {self._cursor} on, it came in place {uuids.index(self._cursor, 1)}"
            )
        if self._origin_as_listed in uuids[self._cursor == self._origin :]:
            raise InconsistentListError(f"it came back to {self._origin}, where the walk set out")

    def _bring_out(self, new: Sequence[str], part: slice) -> slice:
        falling = self._first_that_falls(new) if self.rises else None
        if falling is not None:
            if self._in_order:
                raise InconsistentListError(
                    f"{falling} comes too late for the order of uuids: scan anew with shards=1"
                )
            if falling == self._start:
                raise InconsistentListError(f"asked from {self._cursor} on, it began again with {falling}")
            self.rises = False
            if self._came:
                self._suspect = falling
                self._recalls = True
                self._go_to_origin()
                return NOTHING
        if not self.rises:
            self._remember(new)
        if self.through is not None and new[-1] >= self.through:
            new = new[: bisect_left(new, self.through) + 1]
            if new[-1] != self.through:
                raise InconsistentListError(f"it passes {self.through}, where the next range begins, without it")
            part = slice(part.start, part.start + len(new))
            self.ended = True
        self._came += len(new)
        self.last = new[-1]
        self._go_to(new[-1])
        return part

    def _nothing_new(self, *, held: bool, is_all: bool) -> slice:
        if held and self.reading is CursorSemantics.EXCLUSIVE:
            raise InconsistentListError(
                f"it stalls: {self._cursor} came alone, though earlier answers began behind their room"
            )
        if not held and self.reading is CursorSemantics.INCLUSIVE:
            raise InconsistentListError(
                f"from {self._cursor or 'the start'} on nothing came, though earlier answers began with their room"
            )
        self._learn_reading(held=held)
        if self.next_request().limit < MAX_PAGE_SIZE:
            self._asks_largest = True
        elif self._recalls:
            raise InconsistentListError(f"asked again from where the walk set out, it ends before {self.last}")
        elif self._suspect is not None and self._suspect not in self._known:
            raise InconsistentListError(f"it ends without {self._suspect}, which it had before")
        elif not is_all:
            raise InconsistentListError(
                f"behind {self._cursor or 'its start'} come only rooms whose uuid cannot be read, "
                "so nobody can tell whether it goes on behind them"
            )
        elif self.through is not None:
            raise InconsistentListError(f"it ends before {self.through}, where the next range begins")
        else:
            self.ended = True
        return NOTHING

    def _learn_reading(self, *, held: bool) -> None:
        if held:
            self.reading = CursorSemantics.INCLUSIVE
        elif self._came and self.reading is CursorSemantics.UNKNOWN:
            # Only a room that this walk saw is sure to exist; behind any other the service may have sought.
            self.reading = CursorSemantics.EXCLUSIVE

    def _first_that_falls(self, new: Sequence[str]) -> str | None:
        previous = self.last or ""
        for uuid in new:
            if uuid <= previous:
                return uuid
            previous = uuid
        return None

    def _recall(self, uuids: Sequence[str]) -> slice:
        """Remember what came out before, up to ``last``, without bringing it again."""
        until = uuids.index(self.last) + 1 if self.last in uuids else len(uuids)
        self._remember(uuids[:until])
        self._go_to(uuids[until - 1])
        recalled = len(self._known)
        if self._cursor == self.last:
            if self._suspect in self._known:
                raise InconsistentListError(f"it jumped back from {self.last} to {self._suspect}")
            if recalled < self._came:
                raise InconsistentListError(
                    f"{self._came} rooms came up to {self.last}, asked again only {recalled} did"
                )
            self._recalls = False
        elif recalled > 2 * self._came + MAX_PAGE_SIZE:
            raise InconsistentListError(
                f"asked again from where the walk set out, it does not come to {self.last}"
            )
        return NOTHING

    def _remember(self, uuids: Sequence[str]) -> None:
        new = set(uuids)
        if len(new) < len(uuids) or not self._known.isdisjoint(new):
            repeated = next(u for place, u in enumerate(uuids) if u in self._known or u in uuids[:place])
            raise InconsistentListError(f"it repeats {repeated}")
        self._known |= new

    def _go_to_origin(self) -> None:
        self._cursor = self._origin
        self._cursor_is_out = self._origin_is_out
        self._asks_largest = False

    def _go_to(self, uuid: str) -> None:
        self._cursor = uuid
        self._cursor_is_out = True
        self._asks_largest = False


def start_walk(begin_uuid: str | None, after: str | None, page_size: int, max_rooms: int | None = None) -> Cursor:
    """Return the cursor of a walk that has not asked anything yet; refuses arguments that cannot be right."""
    if begin_uuid is not None and after is not None:
        raise ValueError("give begin_uuid or after, not both")
    if begin_uuid is not None:
        begin_uuid = check_uuid("begin_uuid", begin_uuid)
    if after is not None:
        after = check_uuid("after", after)
    page_size = check_count("page_size", page_size, at_least=1, at_most=MAX_PAGE_SIZE)
    if max_rooms is not None:
        # Nobody wants a page of 1000 for the sake of 3 rooms.
        page_size = min(page_size, max(1, check_count("max_rooms", max_rooms, at_least=0)))
    return Cursor(begin=begin_uuid, after=after, page_size=page_size)
