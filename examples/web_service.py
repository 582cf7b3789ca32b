"""Whiteboard rooms for a web page: a FastAPI service over one shared HTTP client.

Without an account, on an emulator with 250 rooms, from a clone of the project:

    python3 -m pip install '.[emulator]' fastapi
    python3 examples/web_service.py --emulator

and in another terminal, as a browser would:

    curl -X POST http://127.0.0.1:8000/rooms
    curl 'http://127.0.0.1:8000/rooms?limit=3'

With your own project, set the variables that ``settings.py`` names and leave out ``--emulator``; the extra still
provides uvicorn.

A browser gets a room's uuid and a room token, valid for that room, one role and ten minutes.  The key stays here.
Put your own authentication in front of the routes; this example has none.
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
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

import settings
from netless_rooms import (
    AccessKey,
    AsyncRooms,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    DecodeError,
    InvalidArgumentError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    Room,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TransportError,
    read_token,
)

JOIN_LIFETIME = timedelta(minutes=10)
DEADLINE = 15  # seconds for a call with its retries

log = logging.getLogger("web_service")


# Request and response bodies

RoleName = Literal["writer", "reader"]  # an admin's token is for servers


class RoomView(BaseModel):
    """The public part of a room."""

    uuid: str
    is_open: bool
    created_at: datetime


class RoomList(BaseModel):
    """A page of rooms and the cursor of the next one, ``null`` at the end."""

    rooms: list[RoomView]
    next: str | None


class JoinInfo(BaseModel):
    """What a browser needs to join a room."""

    uuid: str
    room_token: str
    role: RoleName
    expires_at: datetime | None


def view(room: Room) -> RoomView:
    """Return the public part of a room."""
    return RoomView(uuid=room.uuid, is_open=not room.is_ban, created_at=room.created_at)


# The client, open while the service runs


@dataclass(frozen=True)
class State:
    """What the routes use."""

    rooms: AsyncRooms
    key: AccessKey

    def join_info(self, uuid: str, role: RoleName) -> JoinInfo:
        """Issue a room token, without a request."""
        token = self.key.room_token(uuid, role=role, lifetime=JOIN_LIFETIME)
        return JoinInfo(uuid=uuid, room_token=token, role=role, expires_at=read_token(token).expires_at)


def create_app(chosen: settings.Settings) -> FastAPI:
    """Return the application, which opens its client at startup and closes it at shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with chosen.open_client() as client:
            app.state.state = State(chosen.rooms(client, deadline=DEADLINE), chosen.key)
            yield

    app = FastAPI(title="Whiteboard rooms", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(RoomsError, error_response)
    return app


async def state_of(request: Request) -> State:
    """Return the state that the lifespan created."""
    state: State = request.app.state.state
    return state


StateDep = Annotated[State, Depends(state_of)]
router = APIRouter()


# The routes


@router.post("/rooms", status_code=201)
async def open_room(
    state: StateDep, response: Response, role: Annotated[RoleName, Body(embed=True)] = "writer"
) -> JoinInfo:
    """Create a room and return what is needed to join it."""
    room = await state.rooms.create()
    response.headers["Cache-Control"] = "no-store"
    return state.join_info(room.uuid, role)


@router.post("/rooms/{uuid}/tokens", status_code=201)
async def issue_room_token(
    uuid: str, state: StateDep, response: Response, role: Annotated[RoleName, Body(embed=True)] = "reader"
) -> JoinInfo:
    """Issue a token for an open room."""
    room = await state.rooms.get(uuid)
    if room.is_ban:
        raise HTTPException(409, "this room is closed")
    response.headers["Cache-Control"] = "no-store"
    return state.join_info(room.uuid, role)


@router.get("/rooms/{uuid}")
async def show_room(uuid: str, state: StateDep) -> RoomView:
    """Return a room."""
    return view(await state.rooms.get(uuid))


@router.get("/rooms")
async def list_rooms(
    state: StateDep, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: str | None = None
) -> RoomList:
    """Return ``limit`` rooms and the next cursor.

    The walk returns every room after the cursor exactly once, so following ``next`` to its end returns all rooms.
    """
    try:
        walk = state.rooms.walk(after=cursor and decode_cursor(cursor), max_rooms=limit + 1)
    except ValueError:
        raise HTTPException(400, "no such cursor") from None
    found = [view(room) async for room in walk]  # one more, to see whether there is a next page
    shown = found[:limit]
    return RoomList(rooms=shown, next=encode_cursor(shown[-1].uuid) if len(found) > limit else None)


def encode_cursor(uuid: str) -> str:
    """Return an opaque cursor for the rooms after ``uuid``."""
    return urlsafe_b64encode(f"after {uuid}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the uuid in a cursor; raise ``ValueError`` for another text."""
    text = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    if not text.startswith("after "):
        raise ValueError("not a cursor")
    return text.removeprefix("after ")


# Error responses


def error_response(request: Request, error: Exception) -> JSONResponse:
    """Return a response for an error, whose own text goes to the log."""
    status, detail = status_and_detail(error)
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
    return JSONResponse({"detail": detail}, status, headers)


def status_and_detail(error: BaseException | None) -> tuple[int, str]:
    """Return the status and the detail for an error."""
    match error:
        case NotFoundError():
            return 404, "no such room"
        case InvalidArgumentError():  # of a visitor: the operator's own were refused before the service began
            return 422, "a malformed uuid"
        case RateLimitedError():
            return 429, "too many requests; try again later"
        case CreateOutcomeUnknownError():
            status, _ = status_and_detail(error.__cause__)
            return status, "a room may have been created; a retry may create a second one"
        case TimedOutError():
            return 504, "the rooms timed out; try again later"
        case ServerError(status=503 | 504 as status):
            return status, "the rooms are unavailable; try again later"
        case ClientUnusableError():  # a TransportError too, but a mistake in this program
            return 500, "internal error"
        case ServerError() | TransportError() | DecodeError() | PaginationError():
            return 502, "the rooms are unavailable; try again later"
        case _:  # a wrong key, region or request: the operator must fix it
            return 500, "internal error"


def main() -> None:
    """Serve on this machine until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A web service that creates whiteboard rooms.")
    settings.add_arguments(parser)
    parser.add_argument("--port", type=int, default=8000, help="port, 0 for a free one (8000)")
    arguments = parser.parse_args()
    try:
        chosen = settings.chosen(arguments, rooms=250)
    except settings.SettingsError as wrong:
        parser.error(str(wrong))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # otherwise one line per request
    uvicorn.run(create_app(chosen), host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
