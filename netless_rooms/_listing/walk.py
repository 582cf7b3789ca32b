"""How the list is gone through: a cursor says what to ask, a caller asks it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final

from netless_rooms._api.requests import ApiRequest, list_rooms
from netless_rooms._api.session import Session
from netless_rooms._listing.cursor import Cursor, InconsistentListError, start_walk
from netless_rooms._validation import MAX_PAGE_SIZE, ROOMS_PATH
from netless_rooms.errors import PaginationError, RoomsError
from netless_rooms.models import Room, RoomPage, uuid1_time

BLUR: Final = timedelta(milliseconds=1)


async def each_room(session: Session, cursor: Cursor, max_rooms: int | None) -> AsyncGenerator[Room, None]:
    """Go through the rooms of ``cursor``, at most ``max_rooms``; nothing is held open across a ``yield``."""
    left = max_rooms
    while left != 0 and (page := await next_page(session, cursor)):
        for room in page[:left]:
            yield room
        left = left and max(0, left - len(page))


async def each_page(session: Session, cursor: Cursor) -> AsyncGenerator[RoomPage, None]:
    """Go through the rooms of ``cursor``, page by page."""
    while page := await next_page(session, cursor):
        yield page


async def next_page(session: Session, cursor: Cursor) -> RoomPage:
    """Return the next rooms that are new; none is the proven end."""
    rooms: tuple[Room, ...] = ()
    while not rooms and not cursor.ended:
        rooms = await next_rooms(session, cursor, tolerant=False)
    return RoomPage(rooms)


async def next_rooms(session: Session, cursor: Cursor, *, tolerant: bool) -> tuple[Any, ...]:
    """Make one request and return what is new in its answer; there may be more if it is nothing.

    What cannot be read is an ``InvalidRoom`` if ``tolerant``.
    """
    wanted = cursor.next_request()
    try:
        asked: ApiRequest[Any] = list_rooms(begin_uuid=wanted.begin, limit=wanted.limit, tolerant=tolerant)
        answered = await session.request(asked)
        rooms: tuple[Any, ...] = answered[cursor.advance([room.uuid for room in answered])]
    except InconsistentListError as broken:
        error = PaginationError(str(broken), method="GET", path=ROOMS_PATH)
        error.checkpoint = cursor.last
        raise error from None
    except RoomsError as error:
        error.checkpoint = cursor.last
        raise
    return rooms


async def created_between(session: Session, start: datetime, end: datetime) -> tuple[Room, ...]:
    """Return the rooms that were created from ``start`` to ``end``, the oldest first."""

    def is_in_time(room: Room) -> bool:
        # The service tells a room's time in whole milliseconds, so it may lie on either side of the true one.
        times = (room.created_at, uuid1_time(room.uuid))
        return any(start - time < BLUR and time - end < BLUR for time in times if time is not None)

    async with aclosing(each_room(session, start_walk(None, None, MAX_PAGE_SIZE), None)) as rooms:
        found = [room async for room in rooms if is_in_time(room)]
    return tuple(sorted(found, key=lambda room: (room.created_at, room.uuid)))
