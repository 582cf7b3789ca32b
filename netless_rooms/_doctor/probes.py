"""What has to be asked to know what nobody published: some thirty requests mostly, all of which only read.

What the answers mean is decided by ``findings`` and ``readings``.  A fault that passes is ridden out as in any
call; one that does not, and a refusal of the token, ends it.  A refusal of what was asked for is an answer.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from typing import Any, Final

from attrs import evolve, frozen

from netless_rooms._api.decoding import WireError, parse_json
from netless_rooms._api.requests import ApiRequest, get_room, list_rooms
from netless_rooms._api.responses import GATEWAY, unwrap
from netless_rooms._api.session import Session
from netless_rooms._api.transport import RawResponse, Transport
from netless_rooms._auth.providers import Clock
from netless_rooms._client import AsyncRooms
from netless_rooms._doctor import findings, readings
from netless_rooms._doctor.findings import Finding, Reply
from netless_rooms._doctor.readings import Answered, Page
from netless_rooms._listing.checkpoints import next_uuid, read_checkpoint
from netless_rooms._listing.cursor import start_walk
from netless_rooms._listing.scan import split
from netless_rooms._listing.walk import each_room
from netless_rooms._validation import MAX_PAGE_SIZE
from netless_rooms.errors import DecodeError, PaginationError, RateLimitedError, StatusError, TransportError
from netless_rooms.models import InvalidRoom, MixedPage, Region, Room

FEW: Final = 5  # rooms of a page of which only the first ones count
ENOUGH: Final = 60  # rooms that tell an order, and leave room for pages between them
MOST_PAGES: Final = 25  # to get so many
FULL_PAGES: Final = 3  # that show whether all are of one length
SHORT_PAGE: Final = 20  # rooms; such a page costs little, and can be cut as well as a long one
SHORT_PAGES: Final = 5
SHORTEST: Final = 3  # rooms; with an inclusive cursor no page of two can be cut
SHARDS: Final = 8
ELSE: Final = GATEWAY | {401, 429}  # says nothing about what was asked for
NOWHERE: Final = "00000000000011ea8000000000000000"  # names no room, where none is there to derive one from

Tell = Callable[[str], object]


async def examine(rooms: AsyncRooms, tell: Tell) -> tuple[Finding, ...]:
    """Return what the service's answers to this token tell; ``tell`` hears what is asked at the moment."""
    witness = RecordingTransport(rooms._session.transport, rooms._session.clock)
    session = evolve(rooms._session, transport=witness)
    token = await session.provider.token_for(list_rooms().role)
    tell("asking for the list")
    listing = await _listing(session)
    tell("asking for pages of it")
    pages = await _pages(session, listing)
    tell("asking from where there is no room, and for one")
    nowhere = [await _unknown_begin(session, listing), await _failure(session, listing)]
    tell("asking in other regions")
    regions = await _regions(session, listing)
    tell("walking and splitting the list")
    order = readings.order(listing.rooms)
    cursor, *_ = pages
    follows = [await _walk(session, listing), await _shards(session, order.answer, cursor.answer)]
    return (
        findings.token(token.info, can_renew=session.provider.can_renew),
        findings.clock(witness.replies),
        findings.envelope(witness.replies),
        readings.fields(listing.rooms),
        order,
        *pages,
        *nowhere,
        regions,
        readings.disabled(listing.rooms),
        findings.headers(witness.replies),
        findings.requests(witness.sent, witness.replies),
        *follows,
    )


class RecordingTransport(Transport):
    """Sends as another transport does, and keeps of each answer what is not about rooms."""

    __slots__ = ("_clock", "replies", "sent")

    def __init__(self, transport: Transport, clock: Clock) -> None:
        super().__init__(transport._client, transport.base_url)
        self._clock = clock
        self.sent: int = 0
        self.replies: list[Reply] = []

    async def send(self, request: ApiRequest[Any], **how: Any) -> RawResponse:
        """Send ``request`` and return the whole answer."""
        self.sent += 1
        began = time.perf_counter()
        raw = await super().send(request, **how)
        self.replies.append(
            Reply(
                method=request.method,
                headers=raw.headers,
                seconds=time.perf_counter() - began,
                arrived=self._clock(),
                is_enveloped=_is_enveloped(raw.body),
            )
        )
        return raw


def _is_enveloped(body: bytes) -> bool:
    try:
        return unwrap(parse_json(body))[1] is not None
    except WireError:
        return False


@frozen(kw_only=True)
class _Listing:
    """The beginning of the list."""

    rooms: tuple[Room | InvalidRoom, ...]
    first: Page
    pages: tuple[Page, ...]
    """Later ones, each of which was followed by another that brought rooms."""
    is_whole: bool
    """Whether the first page is the whole list, as far as the service shows."""

    @property
    def uuids(self) -> list[str | None]:
        """The rooms, by what they are asked for."""
        return [room.uuid for room in self.rooms]

    def places(self, rooms_behind: int) -> Iterator[tuple[int, str]]:
        """Yield each place with so many rooms behind it, and the uuid there, if it and the next can be read."""
        uuids = self.uuids
        for place, uuid in enumerate(uuids[: len(uuids) - rooms_behind]):
            if uuid is not None and None not in uuids[place : place + 2]:
                yield place, uuid


async def _listing(session: Session) -> _Listing:
    """Return as much of the list as it takes to know its order and its pages."""
    page = await _rooms(session, None, MAX_PAGE_SIZE)
    rooms = list(page)
    first = Page(MAX_PAGE_SIZE, len(page))
    later: list[Page] = []
    is_over = not page
    while not is_over and _wants_more(first, later, len(rooms)) and (last := rooms[-1].uuid) is not None:
        page = await _rooms(session, last, MAX_PAGE_SIZE)
        known = {room.uuid for room in rooms}
        new = [room for room in page if room.uuid not in known]
        rooms += new
        later.append(Page(MAX_PAGE_SIZE, len(page)))
        is_over = not new
    return _Listing(
        rooms=tuple(rooms),
        first=first,
        # The last that brought something may have come to the end, and behind the end there is nothing.
        pages=tuple(later[: -2 if is_over else -1]),
        is_whole=is_over and len(rooms) == first.got and len(page) <= 1,
    )


def _wants_more(first: Page, later: list[Page], count: int) -> bool:
    if first.got >= MAX_PAGE_SIZE:
        return False
    return len(later) < FULL_PAGES or (count < ENOUGH and len(later) < MOST_PAGES)


async def _pages(session: Session, listing: _Listing) -> tuple[Finding, ...]:
    """Find out how a page from a room on begins, and how many rooms it has."""
    middle = _middle([*listing.places(1)])
    if (
        middle is None or middle[0] == 0
    ):  # from the first room on, a cursor that is ignored looks like one that is not
        middle = next(reversed([*listing.places(0)]), None)
    if middle is None:
        cursor = readings.cursor(listing.uuids, None, ())
    else:
        place, uuid = middle
        cursor = readings.cursor(listing.uuids, place, [room.uuid for room in await _rooms(session, uuid, FEW)])
    pages = list(listing.pages)
    size = min(SHORT_PAGE, (len(listing.rooms) - 1) // 2)
    if size >= SHORTEST and cursor.answer in readings.CURSORS:
        places = [*listing.places(size)]
        for _, uuid in places[:: max(1, len(places) // SHORT_PAGES)][:SHORT_PAGES]:
            pages.append(Page(size, len(await _rooms(session, uuid, size))))
    return cursor, *readings.pages(listing.first, pages, count=len(listing.rooms), is_whole=listing.is_whole)


async def _unknown_begin(session: Session, listing: _Listing) -> Finding:
    gaps = [(place, absent) for place, uuid in listing.places(1) if (absent := _absent(listing, uuid))]
    middle = _middle(gaps)
    if middle is None:
        return readings.unknown_begin(listing.uuids, None, None)
    place, absent = middle
    return readings.unknown_begin(listing.uuids, place, await _answered(session, absent))


async def _failure(session: Session, listing: _Listing) -> Finding:
    absent = next((absent for _, uuid in listing.places(0) if (absent := _absent(listing, uuid))), NOWHERE)
    try:
        await session.request(get_room(absent))
    except StatusError as error:
        if error.status in ELSE:
            raise
        return findings.failure(error.status, error.reason)
    except DecodeError:  # another room, or none at all
        pass
    return findings.failure(None, None)


async def _regions(session: Session, listing: _Listing) -> Finding:
    elsewhere: dict[str, Answered] = {}
    own: Answered = listing.uuids[:FEW]
    for region in Region:
        if region == session.region:
            continue
        page = await _answered_in(evolve(session, region=region))
        if page != own:  # were rooms created or disabled meanwhile?
            own = await _answered(session, None)
        elsewhere[region.value] = page
    return readings.regions(own, session.region, elsewhere)


async def _walk(session: Session, listing: _Listing) -> Finding:
    came, broken = 0, None
    wanted = len(listing.rooms) + 1  # past what is known, where a list that cannot be gone through shows
    try:
        async with aclosing(each_room(session, start_walk(None, None, MAX_PAGE_SIZE), wanted)) as rooms:
            async for _ in rooms:
                came += 1
    except (PaginationError, DecodeError) as error:
        broken = type(error).__name__
    return readings.walk(came, broken)


async def _shards(session: Session, order: str, cursor: str) -> Finding:
    shards = await split(session, SHARDS, None)
    mode = read_checkpoint("split", shards[0], session.region).mode
    return readings.shards(SHARDS, len(shards), mode, order=order, cursor=cursor)


def _middle(places: list[tuple[int, str]]) -> tuple[int, str] | None:
    return places[len(places) // 2] if places else None


def _absent(listing: _Listing, uuid: str) -> str | None:
    """Return the uuid next behind ``uuid``, if no room has it."""
    absent = next_uuid(uuid)
    return None if absent in listing.uuids else absent


async def _rooms(session: Session, begin_uuid: str | None, limit: int) -> MixedPage:
    return await session.request(list_rooms(begin_uuid=begin_uuid, limit=limit, tolerant=True))


async def _answered(session: Session, begin_uuid: str | None) -> Answered:
    """Return a page, or the status of a refusal, or ``None`` if it is no list."""
    try:
        return [room.uuid for room in await _rooms(session, begin_uuid, FEW)]
    except StatusError as error:
        if error.status in ELSE:
            raise
        return error.status
    except DecodeError:
        return None


async def _answered_in(elsewhere: Session) -> Answered:
    """Return the first page of another region, which may be served in another way, or not at all."""
    try:
        return await _answered(elsewhere, None)
    except RateLimitedError:
        raise
    except StatusError as error:
        return error.status
    except TransportError as error:
        if error.is_transient:
            raise
        return None
