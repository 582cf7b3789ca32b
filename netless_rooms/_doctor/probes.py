"""The doctor's requests: about 30, which only read; ``checks`` decides what the responses mean.

A refusal of what was requested is evidence; any other lasting failure ends the run.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median
from typing import Any, Final, cast

from attrs import define, evolve, field

from netless_rooms._api.decoding import WireError, parse_json
from netless_rooms._api.requests import ApiRequest, get_room, list_rooms
from netless_rooms._api.responses import GATEWAY, RawResponse, read_date, unwrap
from netless_rooms._api.session import Session
from netless_rooms._api.transport import Transport
from netless_rooms._auth.providers import Clock
from netless_rooms._client import AsyncRooms
from netless_rooms._doctor import checks
from netless_rooms._doctor.checks import Finding, Listed, PageSize, Rooms, Uuids, finding
from netless_rooms._listing.cursor import start_walk
from netless_rooms._listing.shards import next_uuid, page_from, plan_scan
from netless_rooms._listing.walk import each_room
from netless_rooms._validation import MAX_PAGE_SIZE
from netless_rooms.errors import DecodeError, PaginationError, StatusError, TransportError
from netless_rooms.models import Region

SAMPLE_SIZE: Final = 5  # rooms of a page of which only the first ones count
ENOUGH_ROOMS: Final = 60  # that show an order, and leave room for pages between them
MAX_PAGES: Final = 25  # to get so many
FULL_PAGES: Final = 3  # that show whether all are of one length
SHORT_PAGE: Final = 20  # rooms; such a page costs little, and can be capped as well as a long one
SHORT_PAGES: Final = 5
MIN_SHORT_PAGE: Final = 3  # rooms; with an inclusive cursor no page of two can be capped
UNRELATED_FAILURES: Final = GATEWAY | {401, 429}  # say nothing about what was requested
NO_ROOM: Final = "00000000000011ea8000000000000000"  # of the documented form, but with no node


async def examine(rooms: AsyncRooms, tell: Callable[[str], object]) -> tuple[Finding, ...]:
    """Return a finding for each question; ``tell`` is called with what is being requested."""
    transport = RecordingTransport(rooms._session.transport, rooms._session.clock)
    session = evolve(rooms._session, transport=cast("Transport", transport))
    token = await session.provider.token_for(list_rooms().role)
    tell("listing rooms")
    listed, pages, is_whole = await _list(session)
    uuids = [room.uuid for room in listed]
    tell("listing pages of several sizes")
    cursor = await _cursor(session, uuids)
    pages += await _short_pages(session, uuids, cursor.verdict)
    tell("requesting what does not exist")
    missing = [await _unknown_begin(session, uuids), await _missing_room(session)]
    tell("listing in other regions")
    regions = await _regions(session, uuids)
    tell("walking and splitting the list")
    order = checks.order(listed)
    walk, plan = await _walk(session, len(listed) + 1), await plan_scan(session, checks.SHARDS, None)
    return (
        checks.token(token.info, can_renew=session.provider.can_renew),
        checks.clock(transport.offsets),
        finding("envelope", "yes" if transport.is_enveloped else "no"),
        checks.fields(listed, token.redact),
        order,
        cursor,
        *checks.page_sizes(pages, is_whole=is_whole, count=len(listed)),
        *missing,
        regions,
        checks.disabled(listed),
        checks.headers(transport.headers, token.redact),
        finding("requests", "{count}", count=transport.requests, seconds=median(transport.seconds)),
        walk,
        checks.shards(len(plan.ranges), plan.mode, order=order.verdict, cursor=cursor.verdict),
    )


@define(eq=False, repr=False)
class RecordingTransport:
    """Sends as ``transport`` does, and keeps of each response what is not about rooms."""

    _transport: Transport
    _clock: Clock
    requests: int = 0
    headers: dict[str, str] = field(factory=dict)  # of all responses
    seconds: list[float] = field(factory=list)  # that each response took
    offsets: list[float] = field(factory=list)  # seconds that this machine's clock was ahead of each response's
    is_enveloped: bool = False

    async def send(self, request: ApiRequest[Any], **options: Any) -> RawResponse:
        self.requests += 1
        began = time.perf_counter()
        response = await self._transport.send(request, **options)
        self.seconds.append(time.perf_counter() - began)
        self.headers.update(response.headers)
        if date := read_date(response.headers.get("date", "")):
            self.offsets.append(self._clock() - date.timestamp())
        with suppress(WireError):
            self.is_enveloped |= unwrap(parse_json(response.body))[1] is not None
        return response


async def _list(session: Session) -> tuple[Rooms, list[PageSize], bool]:
    """Return as much of the list as shows its order, the sizes of pages, and whether the first is the whole list.

    Of later pages, only those count that were followed by another with new rooms.
    """
    page = await page_from(session, None, MAX_PAGE_SIZE)
    rooms, pages = list(page), [PageSize(MAX_PAGE_SIZE, len(page))]
    is_over = not page or len(page) >= MAX_PAGE_SIZE
    while not is_over and (last := rooms[-1].uuid) is not None:
        if len(pages) > (MAX_PAGES if len(rooms) < ENOUGH_ROOMS else FULL_PAGES):
            break
        page = await page_from(session, last, MAX_PAGE_SIZE)
        seen = {room.uuid for room in rooms}
        new = [room for room in page if room.uuid not in seen]
        rooms += new
        pages.append(PageSize(MAX_PAGE_SIZE, len(page)))
        is_over = not new
    # The last page with new rooms may have reached the end, and the page after the end is empty.
    is_whole = is_over and len(rooms) == pages[0].returned < MAX_PAGE_SIZE and len(page) <= 1
    return rooms, pages[:1] + pages[1 : -2 if is_over else -1], is_whole


def _places(uuids: Uuids, following: int) -> list[int]:
    """Return the places with so many rooms after them, where the uuid and the next one can be read."""
    return [place for place in range(len(uuids) - following) if None not in uuids[place : place + 2]]


async def _cursor(session: Session, uuids: Uuids) -> Finding:
    places = _places(uuids, 0)
    place = places[len(places) // 2] if places else None
    page = () if place is None else await page_from(session, uuids[place], SAMPLE_SIZE)
    return checks.cursor(uuids, place, [room.uuid for room in page])


async def _short_pages(session: Session, uuids: Uuids, cursor: str) -> list[PageSize]:
    size = min(SHORT_PAGE, (len(uuids) - 1) // 2)
    if size < MIN_SHORT_PAGE or cursor not in checks.CURSORS:
        return []
    places = _places(uuids, size)
    chosen = places[:: max(1, len(places) // SHORT_PAGES)][:SHORT_PAGES]
    return [PageSize(size, len(await page_from(session, uuids[place], size))) for place in chosen]


async def _unknown_begin(session: Session, uuids: Uuids) -> Finding:
    following = [(place, next_uuid(uuids[place] or "")) for place in _places(uuids, 1)]
    gaps = [(place, absent) for place, absent in following if absent not in {None, *uuids}]
    if not gaps:
        return checks.unknown_begin(uuids, None, None)
    place, absent = gaps[len(gaps) // 2]
    return checks.unknown_begin(uuids, place, await _first_uuids(session, absent))


async def _missing_room(session: Session) -> Finding:
    try:
        await session.request(get_room(NO_ROOM))
    except StatusError as error:
        if error.status in UNRELATED_FAILURES:
            raise
        row = "{status}: reason" if error.reason else "{status}: none"
        documented = "as documented" if error.status == 404 else "other than documented"
        return finding("failure", row, status=error.status, documented=documented)
    except DecodeError:  # another room, or none at all
        pass
    return finding("failure", checks.UNKNOWN)


async def _regions(session: Session, uuids: Uuids) -> Finding:
    others: dict[str, Listed] = {}
    own: Listed = uuids[:SAMPLE_SIZE]
    for region in Region:
        if region != session.region:
            elsewhere = evolve(session, region=region)
            others[region.value] = page = await _first_uuids(elsewhere, None, is_elsewhere=True)
            if page != own:  # rooms may have been created or removed meanwhile
                own = await _first_uuids(session, None)
    return checks.regions(own, session.region, others)


async def _walk(session: Session, max_rooms: int) -> Finding:
    """Walk one room past what is known, where a list that cannot be walked shows it."""
    count, error = 0, None
    try:
        async for _ in each_room(session, start_walk(None, None, MAX_PAGE_SIZE), max_rooms):
            count += 1
    except (PaginationError, DecodeError) as raised:
        error = type(raised).__name__
    return finding("walk", "breaks" if error else "works", rooms=checks.rooms(count), error=error)


async def _first_uuids(session: Session, begin_uuid: str | None, *, is_elsewhere: bool = False) -> Listed:
    """Return the first rooms of a page; another region may refuse or redirect for reasons of its own."""
    try:
        return [room.uuid for room in await page_from(session, begin_uuid, SAMPLE_SIZE)]
    except StatusError as error:
        if error.status == 429 or (error.status in UNRELATED_FAILURES and not is_elsewhere):
            raise
        return error.status
    except (TransportError, DecodeError) as error:
        if isinstance(error, TransportError) and error.is_transient:
            raise
        return None
