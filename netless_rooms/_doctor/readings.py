"""How the service lists: what pages tell about what nobody published.  Pure.

How it works
------------
``listed`` is the beginning of the list as pages showed it, each room once, in the service's order; ``None``
stands for a room whose uuid cannot be read.  Everything else is held against it: a page from one of its rooms on,
a page from a uuid that names none, the first page in another region.  Where the answers at hand allow more than
one reading, the finding is ``UNKNOWN`` and says what is missing, such as more rooms.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from attrs import frozen

from netless_rooms._doctor.findings import UNKNOWN, Finding, names_of, rooms_of
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms.models import InvalidRoom, Room, same_uuid

FEWEST: Final = 2  # rooms that tell an order
CURSORS: Final = frozenset({"inclusive", "exclusive"})  # with which one can go through a list

Uuids: TypeAlias = Sequence[str | None]
# A page, or the status of a failure, or None for an answer that is no list.
Answered: TypeAlias = Uuids | int | None


@frozen
class Page:
    """How many rooms were asked for, and how many came."""

    asked: int
    got: int


def fields(listed: Sequence[Room | InvalidRoom]) -> Finding:
    """Return whether rooms have the documented members."""
    if not listed:
        return _no_rooms("fields")
    invalid = [room for room in listed if isinstance(room, InvalidRoom)]
    new = {name for room in listed if isinstance(room, Room) for name in room.extra}
    seen = f"of {rooms_of(len(listed))}, {len(invalid)} cannot be read"
    if invalid:
        places = {room.path.partition("]")[2] or "the whole room" for room in invalid}
        return Finding(
            name="fields",
            answer="unreadable",
            seen=f"{seen}: {names_of(sorted(places))}",
            means="walk() ends there; scan(on_invalid='skip') goes on as far as uuids can be read",
        )
    if new:
        return Finding(
            name="fields",
            answer="new",
            seen=f"this release does not know {names_of(sorted(new))}",
            means="they are kept, in room.extra",
        )
    return Finding(name="fields", answer="known", seen=f"{rooms_of(len(listed))} as documented")


def disabled(listed: Sequence[Room | InvalidRoom]) -> Finding:
    """Return whether disabled rooms stay listed."""
    bans = [room.is_ban for room in listed if isinstance(room, Room)]
    if any(bans):
        return Finding(name="disabled", answer="listed", seen=f"{sum(bans)} of {rooms_of(len(bans))}")
    return Finding(
        name="disabled",
        answer=UNKNOWN,
        seen=f"none of {rooms_of(len(bans))}",
        means="there are none, or they are not listed" if bans else "",
    )


def order(listed: Sequence[Room | InvalidRoom]) -> Finding:
    """Return in which order rooms come."""
    rooms = [room for room in listed if isinstance(room, Room)]
    if len(rooms) < FEWEST:
        return _too_few("order", len(rooms))
    by_uuid = all(one.uuid < other.uuid for one, other in pairwise(rooms))
    times = [room.created_at for room in rooms]
    by_creation = times == sorted(times) and times[0] < times[-1]
    seen = f"{len(rooms)} rooms"
    if by_uuid and by_creation:
        return Finding(
            name="order",
            answer="uuid or creation",
            seen=f"{seen} are in both orders",
            means="either way a walk brings all",
        )
    if by_uuid:
        return Finding(
            name="order",
            answer="uuid",
            seen=f"{seen}, each above the one before",
            means="a walk takes the same memory however long the list is",
        )
    return Finding(
        name="order",
        answer="creation" if by_creation else "other",
        seen=f"{seen}, the oldest first" if by_creation else f"{seen}, neither by uuid nor the oldest first",
        means="a walk is complete, but remembers each uuid, and may ask twice for some pages",
    )


def cursor(listed: Uuids, place: int | None, answered: Uuids) -> Finding:
    """Return how a page begins that was asked for from the room in ``place`` on."""
    if place is None:
        return _no_place("cursor") if listed else _no_rooms("cursor")
    behind = listed[place + 1] if place + 1 < len(listed) else None
    first = answered[0] if answered else None
    if place == 0 and first is not None:
        return Finding(
            name="cursor",
            answer=UNKNOWN,
            seen="a page from the first room on tells nothing: so the list begins anyway",
        )
    if _is_alike(first, listed[place]):
        return Finding(
            name="cursor",
            answer="inclusive",
            seen="a page from a room on begins with that room",
            means="walk() leaves out what comes twice",
        )
    if first is behind is None or _is_alike(first, behind):
        return Finding(
            name="cursor",
            answer="exclusive",
            seen="a page from a room on begins behind it",
            means="list(begin_uuid=...) leaves that room out; a walk does not",
        )
    if _is_alike(first, listed[0]):
        return Finding(
            name="cursor",
            answer="ignored",
            seen="a page from a room on begins with the first of the list",
            means="nobody can go through this list",
        )
    return Finding(
        name="cursor",
        answer=UNKNOWN,
        seen="a page from a room on began with neither that room nor the next",
        means="were rooms created or disabled meanwhile? Ask again",
    )


def pages(first: Page, later: Sequence[Page], *, count: int, is_whole: bool) -> tuple[Finding, Finding]:
    """Return whether there is a longest page, and whether pages end early for another reason.

    ``first`` is the first page of the list, of which ``count`` rooms are known; ``is_whole`` if it has no more.
    None of the ``later`` ones is so short because the list ends there.
    """
    everything = [first, *later]
    asked, got = first.asked, {page.got for page in everything}
    if any(page.got > page.asked for page in everything):
        seen = "more rooms came than were asked for"
        cap = Finding(name="page_cap", answer="ignored", seen=seen, means="page_size has no effect")
        return cap, Finding(name="short_pages", answer=UNKNOWN, seen=seen)
    most = asked if is_whole else first.got
    if any(page.got != min(page.asked, most) for page in later):
        seen = f"before the end, {min(got)} to {max(got)} rooms came on a page"
        means = "a short page is not the end; walk() knows, but a loop that stops there loses rooms"
        cap = _cap("none" if asked in got else UNKNOWN, seen)
        return cap, Finding(name="short_pages", answer="yes", seen=seen, means=means)
    if first.got == asked:
        cap = _cap("none", f"{asked} were asked for, and came")
    elif is_whole:
        cap = _cap(UNKNOWN, f"the whole list came on one page, {rooms_of(count)}")
    else:
        # One page alone may have ended for another reason, such as a room that was created behind it meanwhile.
        is_sure = any(page.asked > first.got for page in later)
        cap = _cap(f"{first.got}" if is_sure else UNKNOWN, f"{asked} were asked for, and {first.got} came")
    if not later:
        return cap, _too_few("short_pages", count)
    return cap, Finding(
        name="short_pages", answer="no", seen=f"all of {len(later)} pages had as many rooms as can be on one"
    )


def _cap(answer: str, seen: str) -> Finding:
    means = {UNKNOWN: "a walk does not rely on it", "none": "page_size=1000 takes the fewest requests"}
    usual = f"a page_size above {answer} changes nothing"
    return Finding(name="page_cap", answer=answer, seen=seen, means=means.get(answer, usual))


def unknown_begin(listed: Uuids, place: int | None, answered: Answered) -> Finding:
    """Return what becomes of a begin that names no room, just behind the room in ``place``.

    ``answered`` is a page, or the status of a failure, or ``None`` for an answer that is no list.
    """
    if place is None:
        return _no_place("unknown_begin") if len(listed) >= FEWEST else _too_few("unknown_begin", len(listed))
    statuses = {400: "bad_request", 404: "not_found"}
    if answered is None:
        found, seen = "unreadable", "the answer is no list"
    elif isinstance(answered, int):
        found, seen = statuses.get(answered, "refused"), f"the service answers {answered}"
    elif not answered:
        found, seen = "nothing", "an empty page comes, as at the end"
    elif _is_alike(answered[0], listed[place + 1]):
        found, seen = "seek", "the list goes on at the next room"
    elif _is_alike(answered[0], listed[0]):
        found, seen = "start", "the list begins anew"
    else:
        found, seen = UNKNOWN, "a page came that begins with another room than the next"
    return Finding(name="unknown_begin", answer=found, seen=seen)


def regions(own: Answered, asked: str, elsewhere: Mapping[str, Answered]) -> Finding:
    """Return whether other regions list the same rooms as the one that is ``asked``.

    ``own`` is its first page, and ``elsewhere`` has that of each of the others, asked for with the same limit; or
    the status of a failure, or ``None`` if it is no list.
    """
    listed = [] if own is None or isinstance(own, int) else own
    pages = {name: page for name, page in elsewhere.items() if isinstance(page, Sequence)}
    same = [name for name, page in pages.items() if _begin_alike(page, listed)]
    other = [name for name, page in pages.items() if name not in same and (page or listed)]
    refused = [name for name in elsewhere if name not in pages]
    parts = [f"the same rooms in {', '.join(same)}"] * bool(same)
    parts += [f"other rooms in {', '.join(name for name in other if pages[name])}"] * any(pages[n] for n in other)
    parts += [f"none in {', '.join(name for name in pages if not pages[name])}"] * any(
        not p for p in pages.values()
    )
    parts += [f"no list in {', '.join(refused)}"] * bool(refused)
    answer = "apart" if other else "shared" if same else UNKNOWN
    means = {
        "apart": f"a walk in {asked} brings the rooms of {asked}; walk each region that you have rooms in",
        "shared": "a walk brings the rooms of all regions",
        UNKNOWN: "create a room, then ask again" if not listed else "walk in the region you created in",
    }
    seen = "; ".join(parts if listed else [f"no rooms in {asked}", *parts])
    return Finding(name="regions", answer=answer, seen=seen, means=means[answer])


# What follows


def walk(came: int, broken: str | None) -> Finding:
    """Return whether a walk gets along with the list; ``broken`` is the name of the error that stopped it."""
    if broken is not None:
        return Finding(
            name="walk",
            answer="breaks",
            seen=f"walk() brought {rooms_of(came)}, and then {broken}",
            means="netless-rooms scan shows the whole error; no room is lost quietly",
        )
    return Finding(
        name="walk",
        answer="works",
        seen=f"walk() brought {rooms_of(came)}, each once",
    )


def shards(wanted: int, ranges: int, mode: ScanMode, *, order: str, cursor: str) -> Finding:
    """Return into what a scan in several shards splits a list in such an ``order``, read by such a ``cursor``."""
    if mode is not ScanMode.SEQUENTIAL:
        return Finding(
            name="shards",
            answer=f"{ranges}",
            seen=f"scan(shards={wanted}) goes through {ranges} parts of the list at once",
        )
    means = {
        "uuid": "scan once, then give split_hint=scan.checkpoint to split at rooms that it saw",
        "creation": "only a list in the order of uuids can be split",
        "other": "only a list in the order of uuids can be split",
    }
    return Finding(
        name="shards",
        answer="sequential",
        seen=f"scan(shards={wanted}) goes through the list in one line",
        means=means.get(order, "ask again with more rooms") if cursor in CURSORS else "",
    )


def _no_rooms(name: str) -> Finding:
    return Finding(name=name, answer=UNKNOWN, seen="there are no rooms", means="create one, then ask again")


def _no_place(name: str) -> Finding:
    return Finding(name=name, answer=UNKNOWN, seen="too few uuids can be read, and are as documented, to ask from")


def _too_few(name: str, count: int) -> Finding:
    return Finding(
        name=name, answer=UNKNOWN, seen=f"too few to tell: {rooms_of(count)}", means="ask again with more"
    )


def _is_alike(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and same_uuid(one, other)


def _begin_alike(page: Uuids, other: Uuids) -> bool:
    """Whether two pages begin with the same rooms; where no uuid can be read, nobody knows."""
    return any(page) and [*page] == [*other]
