"""The commands for one room and for one page: ``create``, ``get``, ``list``."""

from datetime import UTC, datetime
from traceback import walk_tb
from typing import Annotated

import anyio
from cyclopts import Parameter

from netless_rooms._api.transport import Transport
from netless_rooms.cli.arguments import NotNegative, PageSize, Uuid
from netless_rooms.cli.exits import may_exist
from netless_rooms.cli.output import FormatFlag, show, show_one
from netless_rooms.cli.rows import ROOM, room_row
from netless_rooms.cli.settings import FROM_ENVIRONMENT, Settings, open_rooms
from netless_rooms.cli.terminal import say


async def create(
    *,
    limit: Annotated[NotNegative | None, Parameter(help="Most writers at once; 0 is no maximum.")] = None,
    recording: Annotated[
        bool | None, Parameter(help="Whether to record; not supported yet by the service.")
    ] = None,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Create a room and show it."""
    async with open_rooms(settings) as rooms:
        moment = datetime.now(UTC)
        try:
            room = await rooms.create(limit=limit, is_record=recording)
        except anyio.get_cancelled_exc_class() as cut:
            if _is_sending(cut):
                say(f"stopped: {may_exist(moment)}")
            raise
        show_one(room_row(room), ROOM, format)  # before anything is awaited, or Ctrl-C could hide it


def _is_sending(cut: BaseException) -> bool:
    """Whether ``cut`` came while a request was under way; a wait between two means that none was received."""
    return any(frame.f_code is Transport.send.__code__ for frame, _ in walk_tb(cut.__traceback__))


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
    limit: Annotated[PageSize | None, Parameter(help="Most rooms wanted, 1 to 1000; 100 if not given.")] = None,
    format: FormatFlag = None,  # noqa: A002
    settings: Settings = FROM_ENVIRONMENT,
) -> None:
    """Show one page of the list, as the service serves it."""
    async with open_rooms(settings) as rooms:
        page = await rooms.list(begin_uuid=begin_uuid, limit=limit)
    show([room_row(room) for room in page], ROOM, format)
