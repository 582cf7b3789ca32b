"""Whiteboard rooms for a web page: a FastAPI service over one shared HTTP client.

Without an account, on an emulated service of 250 rooms, from a clone of the project:

    python3 -m pip install '.[emulator]' fastapi
    python3 examples/web_service.py --emulator

and in another terminal, as a browser would:

    curl -X POST http://127.0.0.1:8000/rooms
    curl 'http://127.0.0.1:8000/rooms?limit=3'

With a project of yours, set the variables that ``settings.py`` names and leave out ``--emulator``; the extra is
needed for uvicorn then, which comes with it.

A browser gets a room's uuid and a room token: good for that room, in one role, for ten minutes in which to join.
The key stays here.  Who may open rooms and who may draw is for your own sign-in to say, which belongs in front of
the routes; this example trusts everybody.
"""

import argparse
import logging
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, Literal

import uvicorn
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import settings
from netless_rooms import (
    AccessKey,
    AsyncRooms,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    DecodeError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    Role,
    Room,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TransportError,
    read_token,
)

TO_JOIN = timedelta(minutes=10)
PATIENCE = 15  # seconds that a visitor waits for a call, with all its tries

log = logging.getLogger("web_service")


# What goes over the line

Uuid = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
RoleName = Literal["writer", "reader"]  # an admin's token is for servers


class RoomSeen(BaseModel):
    """A room, as far as it is a visitor's business."""

    uuid: str
    is_open: bool
    created_at: datetime


class RoomsSeen(BaseModel):
    """Some rooms, and what to ask for the ones behind them; ``null`` says that there are none."""

    rooms: list[RoomSeen]
    next: str | None


class Ticket(BaseModel):
    """What a browser joins a room with."""

    uuid: str
    room_token: str
    role: RoleName
    expires_at: datetime | None


def seen(room: Room) -> RoomSeen:
    """Return what of a room is shown."""
    return RoomSeen(uuid=room.uuid, is_open=not room.is_ban, created_at=room.created_at)


# The one client, for as long as the service runs


@dataclass(frozen=True)
class Desk:
    """What the routes work with."""

    rooms: AsyncRooms
    key: AccessKey

    def ticket(self, uuid: str, role: RoleName) -> Ticket:
        """Make a ticket, without a request."""
        token = self.key.room_token(uuid, role=Role[role.upper()], lifetime=TO_JOIN)
        return Ticket(uuid=uuid, room_token=token, role=role, expires_at=read_token(token).expires_at)


def create_app(chosen: settings.Settings) -> FastAPI:
    """Return the application; each one opens its client when it starts, and closes it when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with chosen.open_client() as client:
            app.state.desk = Desk(chosen.rooms(client, deadline=PATIENCE), chosen.key)
            yield

    app = FastAPI(title="Whiteboard rooms", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(RoomsError, sorry)
    return app


async def desk_of(request: Request) -> Desk:
    """Return what the lifespan put there."""
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]
router = APIRouter()


# The routes


@router.post("/rooms", status_code=201)
async def open_room(
    desk: AtDesk, response: Response, role: Annotated[RoleName, Body(embed=True)] = "writer"
) -> Ticket:
    """Open a room, and let the visitor in."""
    room = await desk.rooms.create()
    response.headers["Cache-Control"] = "no-store"
    return desk.ticket(room.uuid, role)


@router.post("/rooms/{uuid}/tickets", status_code=201)
async def let_in(
    uuid: Uuid, desk: AtDesk, response: Response, role: Annotated[RoleName, Body(embed=True)] = "reader"
) -> Ticket:
    """Let a visitor into a room that is there and open."""
    room = await desk.rooms.get(uuid)
    if room.is_ban:
        raise HTTPException(409, "this room is closed")
    response.headers["Cache-Control"] = "no-store"
    return desk.ticket(room.uuid, role)


@router.get("/rooms/{uuid}")
async def show_room(uuid: Uuid, desk: AtDesk) -> RoomSeen:
    """Show a room."""
    return seen(await desk.rooms.get(uuid))


@router.get("/rooms")
async def list_rooms(
    desk: AtDesk, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: str | None = None
) -> RoomsSeen:
    """Show ``limit`` rooms, and where to go on.

    The walk brings every room behind the cursor exactly once, however the service cuts its pages, so whoever
    follows ``next`` to its end has seen all of them.
    """
    try:
        walk = desk.rooms.walk(after=cursor and read_cursor(cursor), max_rooms=limit + 1)
    except ValueError:
        raise HTTPException(400, "no such cursor") from None
    found = [seen(room) async for room in walk]  # one more than is shown, to see whether there is one
    shown = found[:limit]
    return RoomsSeen(rooms=shown, next=cursor_behind(shown[-1].uuid) if len(found) > limit else None)


def cursor_behind(uuid: str) -> str:
    """Return the cursor for what comes after a room.  It looks like nothing, so that nobody builds on it."""
    return urlsafe_b64encode(f"after {uuid}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return the room that a cursor is behind; ``ValueError`` if it is no cursor."""
    text = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    if not text.startswith("after "):
        raise ValueError("no cursor")
    return text.removeprefix("after ")


# What visitors are told when something fails: all of it is here


def sorry(request: Request, error: Exception) -> JSONResponse:
    """Answer for an error of the rooms, with words of ours.

    The error's own words are for the log: no token is in them, but they are of no use to a visitor.
    """
    status, words = meaning_of(error)
    log.log(
        logging.ERROR if status >= 500 else logging.INFO,
        "%s %s: %d, because of %s: %s",
        request.method,
        request.url.path,
        status,
        type(error).__name__,
        error,
    )
    wait = error.retry_after if isinstance(error, StatusError) else None
    headers = None if wait is None else {"Retry-After": str(ceil(wait))}
    return JSONResponse({"detail": words}, status, headers)


def meaning_of(error: BaseException | None) -> tuple[int, str]:
    """Return the status and the words for an error."""
    match error:
        case NotFoundError():
            return 404, "no such room"
        case RateLimitedError():
            return 429, "too many at once; try again later"
        case CreateOutcomeUnknownError():
            status, _ = meaning_of(error.__cause__)
            return status, "a room may have been opened or not; if you try again, there may be two"
        case TimedOutError():
            return 504, "the rooms did not answer in time; try again later"
        case ServerError(status=503 | 504 as status):
            return status, "the rooms are not to be had just now; try again later"
        case ClientUnusableError():  # a transport error too, but a mistake in this program
            return 500, "this service has a fault"
        case ServerError() | TransportError() | DecodeError() | PaginationError():
            return 502, "the rooms cannot be reached just now; try again later"
        case _:  # a wrong key, region or request: for whoever runs this service to mend
            return 500, "this service has a fault"


def main() -> None:
    """Serve on this machine until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A web service that opens whiteboard rooms.")
    settings.add_arguments(parser)
    parser.add_argument("--port", type=int, default=8000, help="where to listen; 0 takes a free one (8000)")
    arguments = parser.parse_args()
    try:
        chosen = settings.chosen(arguments, rooms=250)
    except settings.SettingsError as wrong:
        parser.error(str(wrong))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else a line for each request
    uvicorn.run(create_app(chosen), host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
