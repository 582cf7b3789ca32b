"""Walk the list: a cursor decides what to request, a session sends it."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any, Final

from netless_rooms._api.requests import list_rooms
from netless_rooms._api.session import Session
from netless_rooms._listing.cursor import Cursor, start_walk
from netless_rooms._validation import MAX_PAGE_SIZE
from netless_rooms.errors import RoomsError
from netless_rooms.models import Room, RoomPage, uuid1_time

TIME_RESOLUTION: Final = timedelta(milliseconds=1)  # of the service's timestamps


async def each_room(session: Session, cursor: Cursor, max_rooms: int | None) -> AsyncGenerator[Room, None]:
    """Yield the rooms of ``cursor``, at most ``max_rooms``; nothing is held open across a ``yield``."""
    left = max_rooms
    while left != 0 and not cursor.ended:
        page = await request_page(session, cursor, tolerant=False)
        for room in page if left is None else page[:left]:
            yield room
        left = left and max(0, left - len(page))


async def each_page(session: Session, cursor: Cursor) -> AsyncGenerator[RoomPage, None]:
    while not cursor.ended:
        if page := await request_page(session, cursor, tolerant=False):
            yield page


async def request_page(session: Session, cursor: Cursor, *, tolerant: bool) -> Any:
    """Send one request and return the new rooms of its response; an empty page is not yet the end.

    It may contain an ``InvalidRoom`` if ``tolerant``, else it is a ``RoomPage``.
    """
    wanted = cursor.next_request()
    request = list_rooms(begin_uuid=wanted.begin_uuid, limit=wanted.limit, tolerant=tolerant)
    try:
        page = await session.request(request)
        return page[cursor.advance([room.uuid for room in page])]
    except RoomsError as error:
        if error.method is None:  # the cursor knows no request
            error._add_request(request.method, request.path)
        error.checkpoint = cursor.position
        raise


async def created_between(session: Session, start: datetime, end: datetime) -> tuple[Room, ...]:
    """Return the rooms that were created from ``start`` to ``end``, the oldest first."""

    def is_in_time(room: Room) -> bool:
        # Timestamps have whole milliseconds, so the true time may be on either side.
        times = (room.created_at, uuid1_time(room.uuid))
        return any(start - time < TIME_RESOLUTION > time - end for time in times if time is not None)

    rooms = each_room(session, start_walk(None, None, MAX_PAGE_SIZE), None)
    found = [room async for room in rooms if is_in_time(room)]
    return tuple(sorted(found, key=lambda room: (room.created_at, room.uuid)))
