"""Pagination state machine: the next request, the new rooms of a response, and the end of the list.  Pure.

The service answers "from room c on, at most n".  A walk returns each room that existed when it began exactly once,
in the service's order, or it ends in a ``PaginationError``, which says what "it", the list, did: in any order,
whether or not c itself is in the response (inclusive or exclusive), and however short pages are.  The architecture
page says how, what it assumes of the service, and what remains undecidable.  In detail:

- *Repeats.*  While uuids ascend, one above the last cannot have been returned before.  At the first that does not
  ascend, only memory can tell another order from a broken list.  The walk then starts over, *verifying*: it
  collects the uuids up to the last room returned without returning them again, and remembers all from there on.
- *A range* of a list scanned in shards ends with the room ``last_uuid``, after which the next range begins.  A
  response in another order, past that room without it, or ending before it breaks the walk, so there is no gap.
- *A room whose uuid cannot be read* cannot be a cursor.  It is returned with the next room that can.  If none
  follows, it is unknown whether the list continues, and the walk breaks.
- *An exclusive cursor* may become inclusive while pages bring rooms, but never the reverse, because an exclusive
  cursor and one whose room has just left the list look the same.
- *The end* is a response to the largest page with nothing but the cursor.  Because a replica may lag, a cache be
  stale, or the cursor be ignored once, a second response from the same cursor confirms it, to a page of one room
  less, which no cache has.  If new rooms come instead, the walk continues, and from then on
  ``WARY_CONFIRMATIONS`` responses must agree.  The room before the cursor is no use, as it may have left the list.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from operator import lt
from typing import Final, NamedTuple, cast

from attrs import define

from netless_rooms._validation import MAX_PAGE_SIZE, check_count, check_uuid
from netless_rooms.errors import InvalidArgumentError, PaginationError
from netless_rooms.models import normalize_uuid, same_uuid

NOTHING: Final = slice(0, 0)
WARY_CONFIRMATIONS: Final = 5  # of an end, once an end turned out to be none


class PageRequest(NamedTuple):
    """What to request: ``begin_uuid`` is ``None`` for the start of the list."""

    begin_uuid: str | None
    limit: int


@define(eq=False, repr=False, kw_only=True, slots=False)
class Cursor:
    """The position of one walk: send ``next_request``, give the response to ``advance``, until ``ended``."""

    begin_uuid: str | None = None  # the room to start with
    after: str | None = None  # the room to start after; not both
    last_uuid: str | None = None  # the room to end with; requires uuids to ascend, as ``in_order`` does
    in_order: bool = False
    first_uuid: str | None = None  # the first room of the list, if it is known
    page_size: int  # 1 to 1000

    def __attrs_post_init__(self) -> None:
        self.ended = False
        self.position = self.after  # the last room that was returned, or the one to start after
        self.is_inclusive: bool | None = None  # whether a page holds its cursor; None until one shows it
        self.is_ascending = True  # so far
        self._origin = self.begin_uuid or self.after
        self._origin_as_listed = self._origin and normalize_uuid(self._origin)
        self._returned_count = 0
        self._seen: set[str] = set()  # every room returned, once uuids do not ascend
        self._first_descending: str | None = None
        self._is_verifying = False
        self._confirmations = 1
        self._end_request = 0  # 1 for the largest page, more for the confirmations
        self._go_to(self._origin, is_returned=self.after is not None)

    def next_request(self) -> PageRequest:
        """Return what to request next; this changes nothing."""
        if self._end_request:
            return PageRequest(self._cursor, MAX_PAGE_SIZE + 1 - self._end_request)
        if self._is_verifying:
            return PageRequest(self._cursor, MAX_PAGE_SIZE)
        # One more than wanted, because the cursor itself may be in the response.
        return PageRequest(self._cursor, min(self.page_size + self._cursor_is_returned, MAX_PAGE_SIZE))

    def advance(self, uuids: Sequence[str | None]) -> slice:
        """Take a response, ``None`` for an unreadable uuid; return what of it is new, ``page_size`` at most."""
        if all(uuids):  # much faster than a search for ``None``
            return self._advance(cast("Sequence[str]", uuids), is_all=True)
        places = [place for place, uuid in enumerate(uuids) if uuid is not None]
        named = [uuid for uuid in uuids if uuid is not None]
        if uuids[0] is None and self._holds_cursor(named):
            raise PaginationError(f"a room came before {self._cursor} in the page that begins with it")
        part = self._advance(named, is_all=False)
        if part.start == part.stop:
            return NOTHING
        return slice(places[part.start - 1] + 1 if part.start else 0, places[part.stop - 1] + 1)

    def _holds_cursor(self, uuids: Sequence[str]) -> bool:
        return bool(uuids) and self._cursor is not None and same_uuid(uuids[0], self._cursor)

    def _advance(self, uuids: Sequence[str], *, is_all: bool) -> slice:
        held = self._holds_cursor(uuids)
        # Only the response to a cursor holds it, in the first place, and none holds where the walk started.
        if self._cursor in uuids[1:]:
            place = uuids.index(self._cursor, 1)
            raise PaginationError(f"the page from {self._cursor} on has that room in place {place}")
        if self._origin is not None and self._origin_as_listed in uuids[self._cursor == self._origin :]:
            raise PaginationError(f"it came back to {self._origin}, where the walk started")
        # A walk from the start may meet the first room after one that was created since.
        if self._origin_as_listed not in (None, self.first_uuid) and self.first_uuid in uuids:
            raise PaginationError(f"the page from {self._cursor} on starts again with {self.first_uuid}")
        start = 1 if held and self._cursor_is_returned else 0
        if len(uuids) == start:
            return self._advance_past_nothing(held=held, is_all=is_all)
        if self._end_request > 1:
            self._confirmations = WARY_CONFIRMATIONS
        self._learn_inclusion(held=held)
        if self._is_verifying:
            return self._verify(uuids[start:])
        return slice(start, start + self._return(uuids[start : start + self.page_size]))

    def _return(self, new: Sequence[str]) -> int:
        """Return how many of ``new`` the walk returns: none past the range, and none at all if it starts over."""
        before = [self.position or "", *new]
        if self.is_ascending and not all(map(lt, before, new)):
            descending = next(uuid for previous, uuid in pairwise(before) if uuid <= previous)
            if self.in_order or self.last_uuid is not None:
                raise PaginationError(f"{descending} is out of uuid order: scan again with shards=1")
            self.is_ascending = False
            if self._returned_count:
                self._first_descending = descending
                self._is_verifying = True
                self._go_to(self._origin, is_returned=self.after is not None)
                return 0
        if not self.is_ascending:
            self._remember(new)
        if self.last_uuid is not None and new[-1] >= self.last_uuid:
            new = new[: bisect_left(new, self.last_uuid) + 1]
            if new[-1] != self.last_uuid:
                raise PaginationError(f"it passes {self.last_uuid}, after which the next range begins")
            self.ended = True
        self._returned_count += len(new)
        self.position = new[-1]
        self._go_to(new[-1])
        return len(new)

    def _advance_past_nothing(self, *, held: bool, is_all: bool) -> slice:
        page = f"the page from {self._cursor or 'the start'} on"
        if held and self.is_inclusive is False:
            raise PaginationError(f"it stalls: {page} has only that room, but it was exclusive before")
        if not held and self.is_inclusive:
            raise PaginationError(f"{page} is empty, but it was inclusive before")
        self._learn_inclusion(held=held)
        request = 1 + (self._end_request or self.next_request().limit == MAX_PAGE_SIZE)
        if request <= 1 + self._confirmations:
            self._end_request = request
        else:
            self._check_may_end(is_all=is_all)
            self.ended = True
        return NOTHING

    def _check_may_end(self, *, is_all: bool) -> None:
        if self._is_verifying:
            raise PaginationError(f"walked again from the start, it ends before {self.position}")
        if self._first_descending is not None and self._first_descending not in self._seen:
            raise PaginationError(f"it ends without {self._first_descending}, which it had before")
        if not is_all:
            rooms = f"after {self._cursor or 'its start'} it has only rooms whose uuid cannot be read"
            raise PaginationError(f"{rooms}, so it is unknown whether it continues after them")
        if self.last_uuid is not None:
            raise PaginationError(f"it ends before {self.last_uuid}, after which the next range begins")

    def _learn_inclusion(self, *, held: bool) -> None:
        # Only a room that this walk saw certainly exists; from any other the service may have sought the next.
        if held or (self._returned_count and self.is_inclusive is None):
            self.is_inclusive = held

    def _verify(self, uuids: Sequence[str]) -> slice:
        """Remember what was returned before, up to ``position``, without returning it again."""
        until = uuids.index(self.position) + 1 if self.position in uuids else len(uuids)
        self._remember(uuids[:until])
        self._go_to(uuids[until - 1])
        verified = len(self._seen)
        if self._cursor == self.position:
            if self._first_descending in self._seen:
                raise PaginationError(f"it jumped back from {self.position} to {self._first_descending}")
            if verified < self._returned_count:
                rooms = f"{self._returned_count} rooms came up to {self.position}"
                raise PaginationError(f"{rooms}, when walked again only {verified}")
            self._is_verifying = False
        elif verified > 2 * self._returned_count + MAX_PAGE_SIZE:
            raise PaginationError(f"walked again from the start, it does not reach {self.position}")
        return NOTHING

    def _remember(self, uuids: Sequence[str]) -> None:
        new = set(uuids)
        if len(new) < len(uuids) or not self._seen.isdisjoint(new):
            repeated = next(u for place, u in enumerate(uuids) if u in self._seen or u in uuids[:place])
            raise PaginationError(f"it repeats {repeated}")
        self._seen |= new

    def _go_to(self, uuid: str | None, *, is_returned: bool = True) -> None:
        self._cursor, self._cursor_is_returned = uuid, is_returned
        self._end_request = 0


def start_walk(begin_uuid: str | None, after: str | None, page_size: int, max_rooms: int | None = None) -> Cursor:
    """Return the cursor of a new walk; raises ``ValueError`` or ``TypeError`` for a wrong argument."""
    if begin_uuid is not None and after is not None:
        raise InvalidArgumentError("give begin_uuid or after, not both")
    begin_uuid = begin_uuid if begin_uuid is None else check_uuid("begin_uuid", begin_uuid)
    after = after if after is None else check_uuid("after", after)
    page_size = check_count("page_size", page_size, at_least=1, at_most=MAX_PAGE_SIZE)
    if max_rooms is not None:
        # For 3 rooms, a page of 1000 would be a waste.
        page_size = min(page_size, max(1, check_count("max_rooms", max_rooms, at_least=0)))
    return Cursor(begin_uuid=begin_uuid, after=after, page_size=page_size)
