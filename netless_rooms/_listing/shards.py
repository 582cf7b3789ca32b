"""Where a scan begins: whether and where the list can be split, and whether a checkpoint is of this account.

Only the split depends on what the service makes of a ``beginUUID`` that names no room.  Every range begins after
an existing room and must reach the room after which the next begins, so a wrong answer here makes no gap.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import anyio
from attrs import evolve

from netless_rooms import errors
from netless_rooms._api.requests import list_rooms
from netless_rooms._api.responses import GATEWAY
from netless_rooms._api.session import Session
from netless_rooms._listing import checkpoints
from netless_rooms._listing.checkpoints import Checkpoint, ScanMode, account_of, ranges_between
from netless_rooms._listing.cursor import Cursor, CursorSemantics
from netless_rooms._validation import ROOMS_PATH
from netless_rooms.models import InvalidRoom, MixedPage, Room

SAMPLE_SIZE: Final = 10  # rooms, of which at least one is assumed to be readable


async def plan_scan(session: Session, shards: int, split_hint: Checkpoint | None) -> Checkpoint:
    """Return the start of a scan in ``shards`` ranges, or in fewer if the list cannot be split so."""
    start = Checkpoint(region=session.region)
    if shards == 1:
        return start
    first = await _sample_from(session, None)
    if split_hint is not None and split_hint.account is not None:
        _check_account(first, split_hint.account)
    start = evolve(start, account=account_in(first))
    points = await _find_split_points(session, shards, first)
    if points:
        return evolve(start, mode=ScanMode.SHARDS, ranges=ranges_between(points))
    if split_hint is not None and split_hint.samples:
        points = checkpoints.spread(split_hint.samples, shards - 1)
        return evolve(start, mode=ScanMode.KNOWN_ROOMS, ranges=ranges_between(points))
    return start


async def check_account(session: Session, resume: Checkpoint) -> str | None:
    """Return the first room of the list; ``CheckpointError`` if the checkpoint is of another account."""
    if resume.account is None:
        return None
    first = await _sample_from(session, None)
    _check_account(first, resume.account)
    return _first_named(first)


async def check_end(session: Session, cursor: Cursor) -> None:
    """Raise ``PaginationError`` if the list did not end although an empty page says so.

    An empty page is how an exclusive cursor ends, and how a service may answer to a cursor that has left the list.
    The page from the first room on tells which: it begins with that room only if the cursor is inclusive.
    """
    if cursor.position is None or cursor.last_uuid is not None or cursor.semantics is CursorSemantics.INCLUSIVE:
        return
    first = _first_named(await _sample_from(session, None))
    if first is None or _first_named(await _sample_from(session, first)) != first:
        return
    cursor.ended = False  # the cursor may be listed again later
    words = f"the page from {cursor.position} on is empty, though the page from {first} on begins with that room"
    raise errors.PaginationError(words, method="GET", path=ROOMS_PATH)


def _check_account(first: MixedPage, expected: str) -> None:
    accounts = {account_of(room.team_uuid) for room in first if isinstance(room, Room)}
    # Unreadable rooms do not tell their account, but an empty list is not the one of the checkpoint.
    if expected not in accounts and (accounts or not first):
        words = "the checkpoint is of another account: none of the first rooms belongs to it"
        raise errors.CheckpointError(words, method="GET", path=ROOMS_PATH)


def account_in(rooms: Iterable[Room | InvalidRoom]) -> str | None:
    """Return the digest of the account of ``rooms``; ``None`` if none can be read."""
    return next((account_of(room.team_uuid) for room in rooms if isinstance(room, Room)), None)


async def _sample_from(session: Session, begin_uuid: str | None) -> MixedPage:
    return await session.request(list_rooms(begin_uuid=begin_uuid, limit=SAMPLE_SIZE, tolerant=True))


async def _find_split_points(session: Session, shards: int, first: MixedPage) -> tuple[str, ...] | None:
    """Return rooms with about as many between each two; ``None`` if the service does not help to find any."""
    listed = [room.uuid for room in first]
    if len(listed) == 1:  # a page may be short, and a gap needs two rooms
        listed += [room.uuid for room in await _sample_from(session, listed[0])]
    gap = _find_gap(listed)
    if gap is None:
        return None
    absent, following = gap
    try:
        probed = await _sample_from(session, absent)
        if not probed or probed[0].uuid != following:
            return None
        candidates = checkpoints.split_candidates(shards)
        found = await _first_from_each(session, candidates)
    except (errors.UnauthorizedError, errors.ForbiddenError, errors.RateLimitedError):  # whatever was requested
        raise
    except errors.StatusError as error:  # the service may refuse an unknown uuid
        if error.status in GATEWAY:
            raise
        return None
    except errors.DecodeError:  # or answer without a list
        return None
    points = checkpoints.split_points(candidates, found)
    # A list that seeks in another order answers to every candidate with its first room, which is no split point.
    return points and tuple(uuid for uuid in points if uuid != _first_named(first))


def _find_gap(uuids: Sequence[str | None]) -> tuple[str, str] | None:
    """Return a uuid that names no room, and the room after it."""
    for one, other in pairwise(uuids):
        absent = checkpoints.next_uuid(one or "")
        if absent is not None and other is not None and absent < other:
            return absent, other
    return None


def _first_named(rooms: MixedPage) -> str | None:
    return next((room.uuid for room in rooms if room.uuid is not None), None)


async def _first_from_each(session: Session, candidates: Sequence[str]) -> list[str | None]:
    """Return the first room from each of ``candidates`` on, all requested at once; raise the first failure."""
    found: dict[str, str | None] = {}
    failed: list[Exception] = []

    async def request(candidate: str) -> None:
        try:
            found[candidate] = _first_named(await _sample_from(session, candidate))
        except Exception as error:
            failed.append(error)

    async with anyio.create_task_group() as group:
        for candidate in candidates:
            group.start_soon(request, candidate)
    if failed:
        raise failed[0]
    return [found[candidate] for candidate in candidates]
