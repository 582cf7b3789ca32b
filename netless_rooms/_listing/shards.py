"""Plan a scan: split the list into shards, and check that a checkpoint belongs to this account.

Only the split depends on how the service treats a ``beginUUID`` that names no room.  Every range begins after an
existing room and must reach the room after which the next begins, so a wrong response here causes no gap.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from operator import lt
from typing import Final

import anyio
from attrs import evolve

from netless_rooms import errors
from netless_rooms._api.requests import list_rooms
from netless_rooms._api.responses import GATEWAY
from netless_rooms._api.session import Session
from netless_rooms._listing.checkpoints import Checkpoint, Range, ScanMode, account_of
from netless_rooms._listing.cursor import Cursor
from netless_rooms._validation import ROOMS_PATH
from netless_rooms.models import InvalidRoom, MixedPage, Room

SAMPLE_SIZE: Final = 10  # rooms, of which at least one is assumed to be readable
UNRELATED_FAILURES: Final = GATEWAY | {401, 403, 429}  # say nothing about what was requested


async def plan_scan(session: Session, shards: int, split_hint: Checkpoint | None) -> Checkpoint:
    """Return the start of a scan in ``shards`` ranges, or in fewer if the list cannot be split so."""
    start = Checkpoint(region=session.region)
    if shards == 1:
        return start
    first = await _first_page(session, split_hint)
    start = evolve(start, account=account_in(first))
    points, mode = await _find_split_points(session, shards, first), ScanMode.SHARDS
    if not points and split_hint is not None:
        points, mode = spread(split_hint.samples, shards - 1), ScanMode.KNOWN_ROOMS
    return evolve(start, mode=mode, ranges=ranges_between(points)) if points else start


async def check_account(session: Session, resume: Checkpoint | None) -> str | None:
    """Return the first room of the list; ``CheckpointError`` if the checkpoint is of another account."""
    knows_account = resume is not None and resume.account is not None
    return _first_named(await _first_page(session, resume)) if knows_account else None


async def check_end(session: Session, cursor: Cursor) -> None:
    """Raise ``PaginationError`` if the list did not end although an empty page says so; until then it has not.

    An empty page is how an exclusive cursor ends, and how a service may answer to a cursor that has left the list.
    The page from the first room on tells which: it begins with that room only if the cursor is inclusive.
    """
    if cursor.position is None or cursor.last_uuid is not None or cursor.is_inclusive:
        return
    cursor.ended = False  # the cursor may be listed again later
    first = _first_named(await page_from(session, None))
    cursor.ended = first is None or _first_named(await page_from(session, first)) != first
    if cursor.ended:
        return
    words = f"the page from {cursor.position} on is empty, though the page from {first} on begins with that room"
    raise errors.PaginationError(words, method="GET", path=ROOMS_PATH)


async def _first_page(session: Session, checkpoint: Checkpoint | None) -> MixedPage:
    """Return the first rooms of the list, of which one at least must be of the checkpoint's account."""
    first = await page_from(session, None)
    expected = None if checkpoint is None else checkpoint.account
    accounts = {account_of(room.team_uuid) for room in first if isinstance(room, Room)}
    # Unreadable rooms do not tell their account, but an empty list is not the one of the checkpoint.
    if expected is not None and expected not in accounts and (accounts or not first):
        words = "the checkpoint is of another account: none of the first rooms belongs to it"
        raise errors.CheckpointError(words, method="GET", path=ROOMS_PATH)
    return first


def account_in(rooms: Iterable[Room | InvalidRoom]) -> str | None:
    """Return the digest of the account of ``rooms``; ``None`` if none can be read."""
    return next((account_of(room.team_uuid) for room in rooms if isinstance(room, Room)), None)


async def page_from(session: Session, begin_uuid: str | None, limit: int = SAMPLE_SIZE) -> MixedPage:
    page: MixedPage = await session.request(list_rooms(begin_uuid=begin_uuid, limit=limit, tolerant=True))
    return page


def _first_named(rooms: MixedPage) -> str | None:
    return next((room.uuid for room in rooms if room.uuid is not None), None)


async def _find_split_points(session: Session, shards: int, first: MixedPage) -> tuple[str, ...]:
    """Return rooms with about as many between each two; none if the service does not help to find any."""
    listed = [room.uuid for room in first]
    if len(listed) == 1:  # a page may be short, and a gap needs two rooms
        listed += [room.uuid for room in await page_from(session, listed[0])]
    # A uuid that names no room, and the room after it.
    gaps = [(next_uuid(one or ""), other) for one, other in pairwise(listed)]
    gap = next(((absent, other) for absent, other in gaps if absent and other and absent < other), None)
    if gap is None:
        return ()
    try:
        probed = await page_from(session, gap[0])
        if not probed or probed[0].uuid != gap[1]:
            return ()
        candidates = split_candidates(shards)
        found = await _first_from_each(session, candidates)
    except (errors.StatusError, errors.DecodeError) as error:  # the service may refuse an unknown uuid
        if isinstance(error, errors.StatusError) and error.status in UNRELATED_FAILURES:
            raise
        return ()
    # A list in another order returns its first room for every candidate, and that is not a split point.
    return tuple(uuid for uuid in split_points(candidates, found) or () if uuid != _first_named(first))


async def _first_from_each(session: Session, candidates: Sequence[str]) -> list[str | None]:
    """Return the first room from each of ``candidates`` on, all requested at once; raise the first failure."""
    found: dict[str, str | None] = {}
    failed: list[Exception] = []

    async def request(candidate: str) -> None:
        try:
            found[candidate] = _first_named(await page_from(session, candidate))
        except Exception as error:
            failed.append(error)

    async with anyio.create_task_group() as group:
        for candidate in candidates:
            group.start_soon(request, candidate)
    if failed:
        raise failed[0]
    return [found[candidate] for candidate in candidates]


def split_candidates(count: int) -> tuple[str, ...]:
    """Return uuids that split all uuids into ``count`` equal parts; no room has one of them.

    Rooms are spread evenly: a version-1 UUID begins with the low bits of the time, which repeat every 429.5 s.
    """
    return tuple(f"{(place << 32) // count:08x}000010008000000000000000" for place in range(1, count))


def next_uuid(uuid: str) -> str | None:
    """Return the next greater uuid; ``None`` if ``uuid`` is not a documented one, or is the greatest."""
    if not re.fullmatch("[0-9a-f]{32}", uuid) or not uuid.strip("f"):
        return None
    return f"{int(uuid, 16) + 1:032x}"


def split_points(candidates: Sequence[str], found: Sequence[str | None]) -> tuple[str, ...] | None:
    """Return the rooms at which to split a list; ``None`` if it does not seek in the order of uuids.

    ``found[i]`` is the first room of the page from ``candidates[i]`` on, ``None`` if that page is empty.  A list
    that seeks continues at the next greater uuid, and has nothing after its last room.
    """
    begins = [uuid or "~" for uuid in found]  # which is greater than any uuid
    if begins != sorted(begins) or any(map(lt, begins, candidates)):
        return None
    return tuple(dict.fromkeys(filter(None, found)))


def ranges_between(uuids: Iterable[str]) -> tuple[Range, ...]:
    """Return the ranges of a list that is split after each of ``uuids``, which must ascend."""
    return tuple(Range(after, last_uuid) for after, last_uuid in pairwise((None, *uuids, None)))


def spread(uuids: Sequence[str], count: int) -> tuple[str, ...]:
    """Return at most ``count`` of ``uuids``, evenly spread."""
    if len(uuids) <= count:
        return tuple(uuids)
    return tuple(uuids[(place + 1) * len(uuids) // (count + 1)] for place in range(count))
