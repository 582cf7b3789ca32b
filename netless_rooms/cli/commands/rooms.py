"""The commands for one room and for one page: ``create``, ``get``, ``list``."""

from datetime import UTC, datetime
from traceback import walk_tb
from typing import Annotated

import anyio
from cyclopts import Parameter

from netless_rooms._api.transport import Transport
from netless_rooms.cli.errors import may_exist
from netless_rooms.cli.export import ROOM, room_row, show, show_one
from netless_rooms.cli.options import (
    FROM_ENVIRONMENT,
    FormatFlag,
    NotNegative,
    PageSize,
    Settings,
    Uuid,
    open_rooms,
)
from netless_rooms.cli.output import say


async def create(
    *,
    limit: Annotated[NotNegative | None, Parameter(help="Maximum of writers at once; 0 is no maximum.")] = None,
    recording: Annotated[
        bool | None, Parameter(help="Whether to record; not supported yet by the service.")
    ] = None,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Create a room and show it."""
    async with open_rooms(settings) as rooms:
        start = datetime.now(UTC)
        try:
            room = await rooms.create(limit=limit, is_record=recording)
        except anyio.get_cancelled_exc_class() as cancelled:
            if _was_sending(cancelled):
                say(f"stopped: {may_exist(start)}")
            raise
        show_one(room_row(room), ROOM, format)  # before the next await, where Ctrl-C could hide it


def _was_sending(cancelled: BaseException) -> bool:
    """Whether a request was in flight; between two attempts, none was received."""
    return any(frame.f_code is Transport.send.__code__ for frame, _ in walk_tb(cancelled.__traceback__))


async def get(
    uuid: Annotated[Uuid, Parameter(help="The room's uuid, 32 hex digits.")],
    /,
    *,
    format: FormatFlag = None,  # noqa: A002
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Show a room."""
    async with open_rooms(settings) as rooms:
        room = await rooms.get(uuid)
    show_one(room_row(room), ROOM, format)


async def list_page(
    *,
    begin_uuid: Annotated[Uuid | None, Parameter(help="The room to start from.")] = None,
    limit: Annotated[PageSize | None, Parameter(help="Maximum of rooms, 1 to 1000; default 100.")] = None,
    format: FormatFlag = None,  # noqa: A002
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Show one page of the list, as the service serves it."""
    async with open_rooms(settings) as rooms:
        page = await rooms.list(begin_uuid=begin_uuid, limit=limit)
    show([room_row(room) for room in page], ROOM, format)
