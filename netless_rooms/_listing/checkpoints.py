"""Where a scan stands, as a value and as a short text.  Pure.

A list is scanned in one range, or in several that follow each other: each begins behind a room and goes through
another, behind which the next begins.  What is left of them is where a scan stands.

The text is six fields and a check sum, joined by ``~``: version, region, mode, account, ranges, known rooms.  All
of it is letters, digits and ``-_.,~%``.  The account is told by a digest, so that a text of another one is
refused; uuids of rooms stand in it, but no token and no secret.
"""

import re
from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Final
from urllib.parse import quote, unquote
from zlib import crc32

from attrs import define, field, frozen

from netless_rooms._validation import check_uuid
from netless_rooms.models import is_uuid

VERSION: Final = "scan1"
MAX_SPLIT_POINTS: Final = 15  # known rooms in a text; they split a list into one more


class ScanMode(StrEnum):
    """How a scan goes through the list.

    .. versionadded:: 0.1
    """

    SEQUENTIAL = "line"
    """In one line, page after page."""
    SHARDS = "shards"
    """In ranges of the uuids, several at once: the service goes on from a ``beginUUID`` that names no room."""
    KNOWN_ROOMS = "known-rooms"
    """In ranges between rooms that an earlier scan has seen, several at once."""


@frozen
class Range:
    """The rooms behind ``after`` (``None``: from the first on), through ``through`` (``None``: to the last)."""

    after: str | None = None
    through: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is left of it; of an open range nobody can tell without asking."""
        return self.through is not None and self.after == self.through


@frozen(kw_only=True)
class Checkpoint:
    """Where a scan stands."""

    region: str
    mode: ScanMode = ScanMode.SEQUENTIAL
    account: str | None = None
    """The digest of the account that the rooms are of; ``None`` before any room was seen."""
    ranges: tuple[Range, ...] = (Range(),)
    """What is left, in the order of the list; nothing when all rooms came."""
    known: tuple[str, ...] = ()
    """Some rooms, in the order of their uuids, to split a later scan at."""

    def __str__(self) -> str:
        ranges = ",".join(f"{part.after or ''}.{part.through or ''}" for part in self.ranges)
        region = quote(self.region, safe="").replace("~", "%7E")
        fields = [VERSION, region, self.mode, self.account or "", ranges]
        text = "~".join([*fields, ".".join(self.known)])
        return f"{text}~{_sum(text)}"


def read_checkpoint(name: str, text: str, region: str) -> Checkpoint:
    """Return what ``text`` says; ``ValueError`` if it is no whole checkpoint, or of another region."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, not {type(text).__name__}")
    body, _, total = text.rpartition("~")
    version, *fields = body.split("~")
    if re.fullmatch("scan[0-9]+", version) and version != VERSION:
        raise ValueError(f"{name} was made by another release, and this one cannot read it")
    if version != VERSION:
        uuid = ": it looks like a room's uuid, behind which walk(after=...) goes on" if is_uuid(text) else ""
        raise ValueError(f"{name} must be a checkpoint of a scan{uuid}")
    if total != _sum(body) or len(fields) != 5 or fields[1] not in list(ScanMode):
        raise ValueError(f"{name} is damaged: a checkpoint must be kept whole")
    of, mode, account, ranges, known = fields
    if unquote(of) != region:
        raise ValueError(f"{name} is of the region {unquote(of)!r}, and these rooms are asked of {region!r}")
    return Checkpoint(
        region=region,
        mode=ScanMode(mode),
        account=account or None,
        ranges=tuple(_range(name, part) for part in ranges.split(",")) if ranges else (),
        known=tuple(check_uuid(name, uuid) for uuid in known.split(".")) if known else (),
    )


def _range(name: str, text: str) -> Range:
    after, _, through = text.partition(".")
    return Range(check_uuid(name, after) if after else None, check_uuid(name, through) if through else None)


def _sum(text: str) -> str:
    return f"{crc32(text.encode(errors='backslashreplace')):08x}"


def account_of(team_uuid: str) -> str:
    """Return the digest by which a checkpoint tells the account."""
    return sha256(team_uuid.encode()).hexdigest()[:12]


@define
class SplitPointSampler:
    """Some rooms of a list, spread evenly over what was seen of it."""

    kept: list[str] = field(factory=list)
    every: int = 1
    passed: int = 0

    def pass_by(self, uuid: str) -> None:
        """Keep the last room of a page, or not."""
        self.passed += 1
        if self.passed % self.every == 0 and uuid not in self.kept:
            insort(self.kept, uuid)
            if len(self.kept) > 2 * MAX_SPLIT_POINTS:
                self.kept = self.kept[1::2]
                self.every *= 2

    def few(self) -> tuple[str, ...]:
        """Return at most ``MAX_SPLIT_POINTS`` of them."""
        return spread(self.kept, MAX_SPLIT_POINTS)


def spread(uuids: Sequence[str], count: int) -> tuple[str, ...]:
    """Return at most ``count`` of ``uuids``, evenly spread."""
    if len(uuids) <= count:
        return tuple(uuids)
    return tuple(uuids[(place + 1) * len(uuids) // (count + 1)] for place in range(count))


def ranges_between(rooms: Iterable[str]) -> tuple[Range, ...]:
    """Return the ranges of a list that is cut behind each of ``rooms``, which rise."""
    return tuple(Range(after, through) for after, through in pairwise((None, *rooms, None)))


def bounds(count: int) -> Iterator[str]:
    """Yield what cuts the space of uuids into ``count`` equal parts; no room has such a uuid.

    They look like version-1 UUIDs.  The first digits of those are the low bits of the time, which run through all
    values every 429.5 seconds, so rooms are spread evenly.
    """
    for place in range(1, count):
        yield f"{(place << 32) // count:08x}000010008000000000000000"


def behind(uuid: str) -> str | None:
    """Return the uuid next behind ``uuid``; ``None`` if that is no UUID as documented, or the last of all."""
    if not re.fullmatch("[0-9a-f]{32}", uuid) or not uuid.strip("f"):
        return None
    return f"{int(uuid, 16) + 1:032x}"


def cuts(asked: Sequence[str], first: Sequence[str | None]) -> tuple[str, ...] | None:
    """Return where to cut a list whose page from ``asked[i]`` on begins with ``first[i]``, if that can be.

    From a uuid on that names no room, the list goes on at the next greater, and behind the last room with nothing.
    """
    came = [uuid for uuid in first if uuid is not None]
    rises = all(one <= other for one, other in pairwise(came))
    if not rises or any(uuid is not None for uuid in first[len(came) :]):
        return None
    if any(uuid < begin for begin, uuid in zip(asked, came, strict=False)):
        return None
    return tuple(dict.fromkeys(came))
