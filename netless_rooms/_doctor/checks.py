"""The doctor's table: each question with its verdicts, the evidence for them, and what they mean.

A function for each question selects the row of ``TABLE`` from what the probes saw, ``UNKNOWN`` if that allows more
than one verdict.  A finding has figures, statuses, and names of fields and headers, but no uuid, name or value of
the service, so the report may be shared.

``listed`` is the beginning of the list, each room once; a uuid that cannot be read is ``None``.  Pure.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple, TypeAlias

from attrs import frozen

from netless_rooms._api.responses import SKEW_TOLERANCE, excerpt
from netless_rooms._auth.redaction import Redact
from netless_rooms._auth.tokens import TokenInfo
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms.models import InvalidRoom, Room, format_duration, same_uuid

MAX_NAMES: Final = 20  # of fields or headers, in one finding
LIMITS: Final = re.compile("rate-?limit|retry-after")  # in the names of headers
MIN_ROOMS: Final = 2  # that show an order
SHARDS: Final = 8  # that a scan is tried with
REFUSALS: Final = {400: "bad_request", 404: "not_found"}
CURSORS: Final = frozenset({"inclusive", "exclusive"})  # with which a list can be walked

Uuids: TypeAlias = Sequence[str | None]
# A page of the list, the status of a failure, or None for a body that is not a list.
Listed: TypeAlias = Uuids | int | None
Rooms: TypeAlias = Sequence[Room | InvalidRoom]

UNKNOWN: Final = "unknown"
TOO_FEW: Final = ("too few to tell: {rooms}", "run the doctor again with more rooms")
UNREADABLE_UUIDS: Final = ("too few uuids can be read, and are as documented, to start from", "")
FLAT: Final = "the memory of a walk does not grow with the list"
SLOWER: Final = "a walk is complete, but remembers each uuid, and may request some pages twice"
SEQUENTIAL: Final = "scan(shards={shards}) reads the list sequentially"
# By question and verdict: evidence and meaning.  What follows a second colon tells rows of one verdict apart.
TABLE: Final[Mapping[str, tuple[str, str]]] = {
    "token: {token}: renewed": ("{token} that {expiry}", "it was issued for listing; other calls get their own"),
    "token: {token}: admin": ("{token} that {expiry}", "it may make all calls"),
    "token: {token}: writer": ("{token} that {expiry}", "it may create, get and list, not disable or enable"),
    "token: unknown": ("the token cannot be read", ""),
    "clock: ok": ("this clock is within {seconds} s of the service's", ""),
    "clock: ahead": ("this clock is off by {offset}", "set it: tokens that are signed here expire too late"),
    "clock: behind": ("this clock is off by {offset}", "set it: tokens that are signed here expire too early"),
    "clock: unknown": ("no response has a Date header", ""),
    "envelope: yes": ("a response is an object with status and body", ""),
    "envelope: no": ("a response is the bare body", ""),
    "fields: known": ("{rooms} as documented", ""),
    "fields: new": ("unknown to this release: {names}", "they are kept, in room.extra"),
    "fields: unreadable": ("{invalid} of {rooms} cannot be read: {names}", "walk() raises; scan() can skip them"),
    "fields: unknown": ("there are no rooms", "create a room, then run the doctor again"),
    "order: uuid": ("{rooms}, each uuid greater than the last", FLAT),
    "order: creation": ("{rooms}, the oldest first", SLOWER),
    "order: other": ("{rooms}, neither by uuid nor the oldest first", SLOWER),
    "order: uuid or creation": ("{rooms} are in both orders", "a walk is complete either way"),
    "order: unknown": TOO_FEW,
    "cursor: inclusive": ("a page from a room begins with it", "walk() leaves out what is returned twice"),
    "cursor: exclusive": ("a page from a room begins with the next", "list(begin_uuid=...) leaves that room out"),
    "cursor: ignored": ("a page from a room begins like the list", "this list cannot be walked"),
    "cursor: unknown: other": ("a page from a room begins with neither it nor the next", "run the doctor again"),
    "cursor: unknown: uuids": UNREADABLE_UUIDS,
    "cursor: unknown": TOO_FEW,
    "page_cap: none": ("{lengths}", "page_size=1000 takes the fewest requests"),
    "page_cap: {cap}": ("{lengths}", "a page_size above {cap} changes nothing"),
    "page_cap: ignored": ("more rooms were returned than requested", "page_size has no effect"),
    "page_cap: unknown": ("{lengths}", "a walk does not rely on it"),
    "short_pages: yes": ("{lengths}", "a short page is not the end: walk() continues, other loops lose rooms"),
    "short_pages: no": ("all of {count} pages were as long as possible", ""),
    "short_pages: unknown: ignored": ("more rooms were returned than requested", ""),
    "short_pages: unknown": TOO_FEW,
    "unknown_begin: seek": ("the page begins with the next room", ""),
    "unknown_begin: {refusal}": ("the service answers {status}", ""),
    "unknown_begin: start": ("the page begins like the list", ""),
    "unknown_begin: nothing": ("the page is empty, as at the end", ""),
    "unknown_begin: unreadable": ("the response is not a list", ""),
    "unknown_begin: unknown: other": ("the page begins with another room than the next", ""),
    "unknown_begin: unknown: uuids": UNREADABLE_UUIDS,
    "unknown_begin: unknown": TOO_FEW,
    "failure: {status}: reason": ("for a missing room, {documented}, with a reason", ""),
    "failure: {status}: none": ("for a missing room, {documented}, without a reason", "errors show its body"),
    "failure: unknown": ("for a missing room, no failure came back", ""),
    "regions: apart": ("{pages}", "a walk returns the rooms of one region: walk each that you have rooms in"),
    "regions: shared": ("{pages}", "a walk returns the rooms of all regions"),
    "regions: unknown": ("{pages}", "walk in the region that you create rooms in"),
    "disabled: listed": ("{count} of {rooms}", ""),
    "disabled: unknown": ("none of {rooms}", "no room is disabled, or they are not listed"),
    "headers: with limits": ("{names}", "choose the rate of bulk calls by them"),
    "headers: no limits": ("{names}", "the service does not state a rate limit"),
    "requests: {count}": ("all of them GET; the median response took {seconds:.3f} s", ""),
    "walk: works": ("walk() returned {rooms}, each once", ""),
    "walk: breaks": ("walk() returned {rooms}, then raised {error}", "netless-rooms scan shows the whole error"),
    "shards: {ranges}": ("scan(shards={shards}) reads {ranges} ranges of the list at once", ""),
    "shards: sequential: uuid": (SEQUENTIAL, "scan once, then pass split_hint=scan.checkpoint"),
    "shards: sequential: other": (SEQUENTIAL, "only a list in the order of uuids can be split"),
    "shards: sequential: unknown": (SEQUENTIAL, TOO_FEW[1]),
    "shards: sequential": (SEQUENTIAL, ""),
}


@frozen
class Finding:
    """The answer to one question; where the emulator has a quirk for it, in the quirk's words."""

    question: str
    verdict: str
    evidence: str
    meaning: str


def finding(question: str, row: str, **values: object) -> Finding:
    """Return that row of the table with ``values`` filled in."""
    texts = (row.partition(":")[0], *TABLE[f"{question}: {row}"])
    return Finding(question, *(text.format(**values) for text in texts))


class PageSize(NamedTuple):
    """How many rooms were requested, and how many were returned."""

    requested: int
    returned: int


def token(info: TokenInfo | None, *, can_renew: bool) -> Finding:
    """Say what the token is for; ``can_renew`` if other calls get a token of their own."""
    if info is None:
        return finding("token", UNKNOWN)
    expiry = "never expires" if info.expires_at is None else f"expires at {info.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    role = info.role.name.lower()
    row = f"{{token}}: {'renewed' if can_renew else role}"
    return finding("token", row, token=f"{info.kind} {role}", expiry=expiry)


def clock(offsets: Sequence[float]) -> Finding:
    """Say how far this machine's clock is from the service's; ``offsets`` are the seconds that it was ahead."""
    ahead = median(offsets or [0])
    side = "ahead" if ahead > 0 else "behind"
    row = side if abs(ahead) >= SKEW_TOLERANCE else "ok" if offsets else UNKNOWN
    return finding("clock", row, seconds=SKEW_TOLERANCE, offset=format_duration(abs(ahead)))


def headers(found: Mapping[str, str], redact: Redact) -> Finding:
    """Say which headers come back; values only of rate limits, and only numbers."""
    limits = {name for name in found if LIMITS.search(name)}
    numbers = {name: f"={found[name]}" for name in limits if re.fullmatch("[0-9]{1,10}", found[name])}
    names = _names([name + numbers.get(name, "") for name in sorted(found)], redact)
    return finding("headers", "with limits" if limits else "no limits", names=names or "none")


def fields(listed: Rooms, redact: Redact) -> Finding:
    invalid = [room for room in listed if isinstance(room, InvalidRoom)]
    paths = {room.location.partition("]")[2] or "the whole room" for room in invalid}
    new = {name for room in listed if isinstance(room, Room) for name in room.extra}
    row = "unreadable" if paths else "new" if new else "known" if listed else UNKNOWN
    names = _names(sorted(paths or new), redact)
    return finding("fields", row, rooms=rooms(len(listed)), invalid=len(invalid), names=names)


def disabled(listed: Rooms) -> Finding:
    bans = [room.is_ban for room in listed if isinstance(room, Room)]
    return finding("disabled", "listed" if any(bans) else UNKNOWN, count=sum(bans), rooms=rooms(len(bans)))


def order(listed: Rooms) -> Finding:
    uuids = [room.uuid for room in listed if isinstance(room, Room)]
    times = [room.created_at for room in listed if isinstance(room, Room)]
    orders = ["uuid"] * all(one < other for one, other in pairwise(uuids))
    orders += ["creation"] * (times == sorted(times) and times[:1] < times[-1:])
    row = " or ".join(orders) or "other"
    return finding("order", row if len(uuids) >= MIN_ROOMS else UNKNOWN, rooms=rooms(len(uuids)))


def cursor(listed: Uuids, place: int | None, page: Uuids) -> Finding:
    """Say how a page begins that is requested from the room at ``place``."""
    if place is None or (place == 0 and page):  # where an ignored cursor looks like an inclusive one
        row = "unknown: uuids" if len(listed) >= MIN_ROOMS else UNKNOWN
    elif _begins_with(page, listed[place]):
        row = "inclusive"
    elif _begins_with(page, [*listed, None][place + 1]) or (not page and place + 1 == len(listed)):
        row = "exclusive"
    else:
        row = "ignored" if _begins_with(page, listed[0]) else "unknown: other"
    return finding("cursor", row, rooms=rooms(len(listed)))


def page_sizes(pages: Sequence[PageSize], *, is_whole: bool, count: int) -> tuple[Finding, Finding]:
    """Find the length that no page exceeds, and say whether pages are short before the end other than by it.

    ``is_whole`` if the first page is the whole list of ``count`` rooms; no later one ends the list.
    """
    (requested, returned), *later = pages
    if any(page.returned > page.requested for page in pages):
        return finding("page_cap", "ignored"), finding("short_pages", "unknown: ignored")
    if any(page.returned != min(page.requested, requested if is_whole else returned) for page in later):
        counts = [page.returned for page in pages]
        lengths = f"before the end, a page had {min(counts)} to {max(counts)} rooms"
        row = "none" if requested in counts else UNKNOWN
        return finding("page_cap", row, lengths=lengths), finding("short_pages", "yes", lengths=lengths)
    # One page alone may be short for another reason, such as a room that was created after it meanwhile.
    is_capped = not is_whole and any(page.requested > returned for page in later)
    row = "none" if returned == requested else "{cap}" if is_capped else UNKNOWN
    lengths = f"{requested} were requested, {returned} returned"
    short = finding("short_pages", "no" if later else UNKNOWN, count=len(later), rooms=rooms(count))
    return finding("page_cap", row, lengths=lengths, cap=returned), short


def unknown_begin(listed: Uuids, place: int | None, page: Listed) -> Finding:
    """Say what happens to a ``beginUUID`` that names no room, just after the room at ``place``."""
    if isinstance(page, int):
        return finding("unknown_begin", "{refusal}", status=page, refusal=REFUSALS.get(page, "refused"))
    if place is None:
        row = "unknown: uuids" if len(listed) >= MIN_ROOMS else UNKNOWN
    elif page is None:
        row = "unreadable"
    elif not page:
        row = "nothing"
    elif _begins_with(page, listed[place + 1]):
        row = "seek"
    else:
        row = "start" if _begins_with(page, listed[0]) else "unknown: other"
    return finding("unknown_begin", row, rooms=rooms(len(listed)))


def regions(own: Listed, region: str, others: Mapping[str, Listed]) -> Finding:
    """Say whether other regions list the same rooms as ``region``, by the first page of each."""
    listed: Uuids = own if isinstance(own, Sequence) else []
    names: dict[str, list[str]] = {"the same rooms": [], "other rooms": [], "none": [], "no list": []}
    for name, page in others.items():
        if not isinstance(page, Sequence):
            names["no list"].append(name)
        elif any(page) and [*page] == [*listed]:  # of unreadable uuids, any page looks like any other
            names["the same rooms"].append(name)
        else:
            names["other rooms" if page else "none"].append(name)
    parts = [f"no rooms in {region}"] * (not listed)
    parts += [f"{what} in {', '.join(where)}" for what, where in names.items() if where]
    is_apart = names["other rooms"] or (names["none"] and listed)
    row = "apart" if is_apart else "shared" if names["the same rooms"] else UNKNOWN
    return finding("regions", row, pages="; ".join(parts))


def shards(ranges: int, mode: ScanMode, *, order: str, cursor: str) -> Finding:
    """Say how a scan in several shards splits a list of that order and cursor."""
    rows = {"uuid": "sequential: uuid", "creation": "sequential: other", "other": "sequential: other"}
    row = rows.get(order, "sequential: unknown") if cursor in CURSORS else "sequential"
    return finding("shards", row if mode is ScanMode.SEQUENTIAL else "{ranges}", shards=SHARDS, ranges=ranges)


def _begins_with(page: Uuids, uuid: str | None) -> bool:
    return uuid is not None and bool(page) and page[0] is not None and same_uuid(page[0], uuid)


def rooms(count: int) -> str:
    return "1 room" if count == 1 else f"{count} rooms"


def _names(names: Iterable[str], redact: Redact) -> str:
    """Return the first of ``names``, redacted, as a service may echo the token as a name."""
    shown = [excerpt(name, redact) for name in names]
    more = [f"and {len(shown) - MAX_NAMES} more"] * (len(shown) > MAX_NAMES)
    return ", ".join([*shown[:MAX_NAMES], *more])
