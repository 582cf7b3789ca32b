"""How the list is gone through: a cursor says what to ask, a caller asks it."""

from collections.abc import AsyncGenerator

from netless_rooms.calls import Caller
from netless_rooms.errors import PaginationError, RoomsError
from netless_rooms.models import Room, RoomPage
from netless_rooms.operations import ROOMS_PATH, list_rooms
from netless_rooms.paging import Cursor, WalkBrokenError


async def each_room(caller: Caller, cursor: Cursor, max_rooms: int | None) -> AsyncGenerator[Room, None]:
    """Go through the rooms of ``cursor``, at most ``max_rooms``; nothing is held open across a ``yield``."""
    left = max_rooms
    while left != 0 and (page := await next_page(caller, cursor)):
        for room in page[:left]:
            yield room
        left = left and max(0, left - len(page))


async def each_page(caller: Caller, cursor: Cursor) -> AsyncGenerator[RoomPage, None]:
    """Go through the rooms of ``cursor``, page by page."""
    while page := await next_page(caller, cursor):
        yield page


async def next_page(caller: Caller, cursor: Cursor) -> RoomPage:
    """Return the next rooms that are new; none is the proven end."""
    while not cursor.ended:
        wanted = cursor.next_request()
        try:
            answered = await caller.perform(list_rooms(begin_uuid=wanted.begin, limit=wanted.limit))
            new = cursor.advance([room.uuid for room in answered])
        except WalkBrokenError as broken:
            error = PaginationError(str(broken), method="GET", path=ROOMS_PATH)
            error.checkpoint = cursor.last
            raise error from None
        except RoomsError as error:
            error.checkpoint = cursor.last
            raise
        if rooms := answered[new]:
            return RoomPage(rooms)
    return RoomPage()
