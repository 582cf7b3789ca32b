"""The commands for one room and for one page: ``create``, ``get``, ``list``."""

from datetime import UTC, datetime
from typing import Annotated

import anyio
from cyclopts import Parameter

from netless_rooms._bulk import Outcome
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import may_exist, message
from netless_rooms.cli.export import ROOM, room_row, show, show_one
from netless_rooms.cli.output import say
from netless_rooms.errors import RoomsError


async def create(
    *,
    limit: Annotated[flags.NotNegative | None, Parameter(alias="-l", help="Writers at once; 0: no limit.")] = None,
    recording: Annotated[bool | None, Parameter(help="Record; the service does not support it yet.")] = None,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:

    def show_outcome(outcome: Outcome) -> None:
        show_one(room_row(outcome.result()), ROOM, format)  # before the next await, where Ctrl-C could hide it

    stopped = anyio.get_cancelled_exc_class()
    async with flags.open_rooms(settings) as rooms:
        start = datetime.now(UTC)
        try:
            # A bulk call: one that is cancelled waits for its response, and then accounts for the room.
            async with rooms.create_many(1, limit=limit, is_record=recording) as outcomes:
                try:
                    async for outcome in outcomes:
                        show_outcome(outcome)
                except stopped:
                    if not (outcomes.done or outcomes.unread or outcomes.not_attempted):
                        say(f"waiting for the response; after another Ctrl-C, {may_exist(start)}")
                    raise
        except stopped:
            for outcome in outcomes.unread:
                try:
                    show_outcome(outcome)
                except RoomsError as error:
                    say(message(error))
            if outcomes.in_doubt:
                say(f"stopped: {may_exist(start)}")
            raise


async def get(
    uuid: Annotated[flags.Uuid, Parameter(help="The room's uuid, 32 hex digits.")],
    /,
    *,
    format: flags.FormatFlag = None,  # noqa: A002
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:
    async with flags.open_rooms(settings) as rooms:
        room = await rooms.get(uuid)
    show_one(room_row(room), ROOM, format)


async def list_page(
    *,
    begin_uuid: Annotated[flags.Uuid | None, Parameter(help="The room to start from.")] = None,
    limit: Annotated[
        flags.PageSize | None, Parameter(alias="-l", help="How many rooms, 1 to 1000; default 100.")
    ] = None,
    format: flags.FormatFlag = None,  # noqa: A002
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> None:
    async with flags.open_rooms(settings) as rooms:
        page = await rooms.list(begin_uuid=begin_uuid, limit=limit)
    show([room_row(room) for room in page], ROOM, format)
