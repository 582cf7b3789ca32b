"""Where a scan begins: whether the list can be split and where, and whether a checkpoint is of this account.

Only where to split hangs on what the service makes of a ``beginUUID`` that names no room.  Every range begins
behind a room that is there and must come to the room behind which the next begins, so a wrong answer here makes no
hole.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import anyio
from attrs import evolve

from netless_rooms._api.requests import list_rooms
from netless_rooms._api.responses import GATEWAY
from netless_rooms._api.session import Session
from netless_rooms._listing.checkpoints import (
    Checkpoint,
    ScanMode,
    account_of,
    behind,
    bounds,
    cuts,
    ranges_between,
    spread,
)
from netless_rooms._listing.cursor import Cursor, CursorSemantics
from netless_rooms._validation import ROOMS_PATH
from netless_rooms.errors import (
    CheckpointError,
    DecodeError,
    ForbiddenError,
    PaginationError,
    RateLimitedError,
    StatusError,
    UnauthorizedError,
)
from netless_rooms.models import InvalidRoom, MixedPage, Room

FEW: Final = 10  # rooms, of which one at least can be read
ELSE: Final = (UnauthorizedError, ForbiddenError, RateLimitedError)  # says nothing about what was asked for


def at_once(_: Session, wanted: int) -> int:
    """Return how many requests to make at once."""
    return wanted


async def begin(session: Session, shards: int, known: Checkpoint | None) -> Checkpoint:
    """Return the start of a scan in ``shards`` ranges, or in as many as can be."""
    line = Checkpoint(region=session.region)
    if shards == 1:
        return line
    first = await _rooms_from(session, None)
    if known is not None and known.account is not None:
        _check_account(first, known.account)
    line = evolve(line, account=account_in(first))
    rooms = await _rooms_to_cut_at(session, shards, first)
    if rooms:
        return evolve(line, mode=ScanMode.SHARDS, ranges=ranges_between(rooms))
    if known is not None and known.known:
        rooms = spread(known.known, shards - 1)
        return evolve(line, mode=ScanMode.KNOWN_ROOMS, ranges=ranges_between(rooms))
    return line


async def check_account(session: Session, resume: Checkpoint) -> str | None:
    """Return the first room of the list; ``CheckpointError`` if it is of another account than the checkpoint."""
    if resume.account is None:
        return None
    first = await _rooms_from(session, None)
    _check_account(first, resume.account)
    return _first_named(first)


async def check_end(session: Session, cursor: Cursor) -> None:
    """Raise ``PaginationError`` if an end with nothing at all is none.

    To a room that has left the list the service may answer with nothing, as one that reads its cursor exclusively
    does to the last room; then it is no end, and what comes from the first room on tells one from the other.
    """
    if cursor.last is None or cursor.through is not None or cursor.reading is CursorSemantics.INCLUSIVE:
        return
    first = _first_named(await _rooms_from(session, None))
    if first is None or _first_named(await _rooms_from(session, first)) != first:
        return
    cursor.ended = False  # asked again, it may be there again
    raise PaginationError(
        f"from {cursor.last} on nothing came, though from {first} on that room itself does",
        method="GET",
        path=ROOMS_PATH,
    )


def _check_account(first: MixedPage, told: str) -> None:
    accounts = {account_of(room.team_uuid) for room in first if isinstance(room, Room)}
    # Of rooms that cannot be read nobody knows the account; no rooms are not those that the checkpoint is of.
    if told not in accounts and (accounts or not first):
        raise CheckpointError(
            "the checkpoint is of another account: none of the first rooms is of the one that it tells",
            method="GET",
            path=ROOMS_PATH,
        )


def account_in(rooms: Iterable[Room | InvalidRoom]) -> str | None:
    """Return the digest of the account that ``rooms`` are of, if one can be read."""
    return next((account_of(room.team_uuid) for room in rooms if isinstance(room, Room)), None)


async def _rooms_from(session: Session, begin_uuid: str | None) -> MixedPage:
    return await session.request(list_rooms(begin_uuid=begin_uuid, limit=FEW, tolerant=True))


async def _rooms_to_cut_at(session: Session, shards: int, first: MixedPage) -> tuple[str, ...] | None:
    """Return rooms with about as many between each two; ``None`` if the service does not help to find any."""
    listed = [room.uuid for room in first]
    if len(listed) == 1:  # a page may be short, and a gap lies between two rooms
        listed += [room.uuid for room in await _rooms_from(session, listed[0])]
    gap = _gap(listed)
    if gap is None:
        return None
    try:
        probed = await _rooms_from(session, gap[0])
        if not probed or probed[0].uuid != gap[1]:
            return None
        asked = list(bounds(shards))
        pages = await _pages_from(session, asked)
    except ELSE:
        raise
    except StatusError as error:  # an unknown uuid may be called a bad request, or not found
        if error.status in GATEWAY:
            raise
        return None
    except DecodeError:  # or be answered with no list
        return None
    rooms = cuts(asked, [_first_named(page) for page in pages])
    # To cut behind the first room is no use, and a list in another order, which seeks in that, begins so from all.
    return rooms and tuple(uuid for uuid in rooms if uuid != _first_named(first))


def _gap(uuids: Sequence[str | None]) -> tuple[str, str] | None:
    """Return a uuid that names no room, and the room behind it."""
    for one, other in pairwise(uuids):
        between = behind(one or "")
        if between is not None and other is not None and between < other:
            return between, other
    return None


def _first_named(rooms: MixedPage) -> str | None:
    return next((room.uuid for room in rooms if room.uuid is not None), None)


async def _pages_from(session: Session, asked: Sequence[str]) -> list[MixedPage]:
    """Return the page from each of ``asked`` on, several asked for at once."""
    pages: dict[str, MixedPage] = {}
    failed: list[Exception] = []
    waiting = iter(asked)

    async def ask_some() -> None:
        for uuid in waiting:
            if failed:
                return
            try:
                pages[uuid] = await _rooms_from(session, uuid)
            except Exception as error:
                failed.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(at_once(session, len(asked))):
            group.start_soon(ask_some)
    if failed:
        raise failed[0]
    return [pages[uuid] for uuid in asked]
