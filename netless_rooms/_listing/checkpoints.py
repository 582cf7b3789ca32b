"""Checkpoints of a scan, as values and as text, and where a list is split into shards.

A list is scanned in one range or in several; each begins after a room and ends with another, after which the next
begins.  A checkpoint is what is left of them.

The text has six fields and a checksum, joined by ``~``: version, region, mode, a digest of the account, ranges,
sampled rooms.  It has only letters, digits and ``-_.,~%``, and uuids of rooms, but no token and no secret.  Pure.
"""

import re
from bisect import insort
from collections.abc import Iterable, Sequence
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Final
from urllib.parse import quote, unquote
from zlib import crc32

from attrs import define, field, frozen

from netless_rooms._validation import check_type, check_uuid
from netless_rooms.errors import InvalidArgumentError
from netless_rooms.models import is_uuid

VERSION: Final = "scan1"
MAX_SPLIT_POINTS: Final = 15  # sampled rooms in a text; they split a list into one range more


class ScanMode(StrEnum):
    """How a scan reads the list."""

    SEQUENTIAL = "sequential"
    """In one range, page after page."""
    SHARDS = "shards"
    """In ranges of uuids, concurrently: the service continues after a ``beginUUID`` that names no room."""
    KNOWN_ROOMS = "known-rooms"
    """In ranges between rooms that an earlier scan saw, concurrently."""


@frozen
class Range:
    """The rooms after ``after`` (``None``: from the first) up to ``last_uuid`` (``None``: to the end)."""

    after: str | None = None
    last_uuid: str | None = None


@frozen(kw_only=True)
class Checkpoint:
    """What is left of a scan."""

    region: str
    mode: ScanMode = ScanMode.SEQUENTIAL
    account: str | None = None  # the digest of the account of the rooms; None before the first room
    ranges: tuple[Range, ...] = (Range(),)  # in the order of the list; empty when the scan has ended
    samples: tuple[str, ...] = ()  # some rooms, in the order of their uuids, at which a later scan can split

    def __str__(self) -> str:
        ranges = ",".join(f"{part.after or ''}.{part.last_uuid or ''}" for part in self.ranges)
        region = quote(self.region, safe="").replace("~", "%7E")
        text = "~".join([VERSION, region, self.mode, self.account or "", ranges, ".".join(self.samples)])
        return f"{text}~{_checksum(text)}"


def read_checkpoint(name: str, text: str, region: str) -> Checkpoint:
    """Return the checkpoint in argument ``name``; ``ValueError`` if it is damaged or of another region."""
    check_type(name, text, str, "a string")
    body, _, checksum = text.rpartition("~")
    version, *fields = body.split("~")
    if re.fullmatch("scan[0-9]+", version) and version != VERSION:
        raise InvalidArgumentError(f"{name} was made by another release, and this one cannot read it")
    if version != VERSION:
        remark = ": it looks like a room's uuid, from which walk(after=...) resumes" if is_uuid(text) else ""
        raise InvalidArgumentError(f"{name} must be a checkpoint of a scan{remark}")
    if checksum != _checksum(body) or len(fields) != 5 or fields[1] not in list(ScanMode):
        raise InvalidArgumentError(f"{name} is damaged: a checkpoint must be kept whole")
    scanned_region, mode, account, ranges, samples = fields
    if (scanned := unquote(scanned_region)) != region:
        raise InvalidArgumentError(f"{name} is of the region {scanned!r}, but these rooms are in {region!r}")
    return Checkpoint(
        region=region,
        mode=ScanMode(mode),
        account=account or None,
        ranges=tuple(_read_range(name, part) for part in ranges.split(",")) if ranges else (),
        samples=tuple(check_uuid(name, uuid) for uuid in samples.split(".")) if samples else (),
    )


def _read_range(name: str, text: str) -> Range:
    after, _, last_uuid = text.partition(".")
    return Range(check_uuid(name, after) if after else None, check_uuid(name, last_uuid) if last_uuid else None)


def _checksum(text: str) -> str:
    return f"{crc32(text.encode(errors='backslashreplace')):08x}"


def account_of(team_uuid: str) -> str:
    """Return the digest of an account in a checkpoint."""
    return sha256(team_uuid.encode()).hexdigest()[:12]


@define(eq=False, repr=False)
class SplitPointSampler:
    """Samples rooms of a list, evenly over what was observed of it, in bounded memory."""

    kept: list[str] = field(factory=list)
    every: int = 1
    observed: int = 0

    def observe(self, uuid: str) -> None:
        """Take the last room of a page into account."""
        self.observed += 1
        if self.observed % self.every == 0 and uuid not in self.kept:
            insort(self.kept, uuid)
            if len(self.kept) > 2 * MAX_SPLIT_POINTS:
                self.kept = self.kept[1::2]
                self.every *= 2

    def sample(self) -> tuple[str, ...]:
        """Return at most ``MAX_SPLIT_POINTS`` rooms, in the order of their uuids."""
        return spread(self.kept, MAX_SPLIT_POINTS)


def spread(uuids: Sequence[str], count: int) -> tuple[str, ...]:
    """Return at most ``count`` of ``uuids``, evenly spread."""
    if len(uuids) <= count:
        return tuple(uuids)
    return tuple(uuids[(place + 1) * len(uuids) // (count + 1)] for place in range(count))


def ranges_between(uuids: Iterable[str]) -> tuple[Range, ...]:
    """Return the ranges of a list that is split after each of ``uuids``, which must ascend."""
    return tuple(Range(after, last_uuid) for after, last_uuid in pairwise((None, *uuids, None)))


def split_candidates(count: int) -> tuple[str, ...]:
    """Return uuids that split all uuids into ``count`` equal parts; no room has one of them.

    A version-1 UUID begins with the low bits of the time, which take all values every 429.5 seconds, so rooms are
    spread evenly.
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
    rooms = [uuid for uuid in found if uuid is not None]
    ascends = all(one <= other for one, other in pairwise(rooms))
    if not ascends or any(uuid is not None for uuid in found[len(rooms) :]):
        return None
    if any(uuid < candidate for candidate, uuid in zip(candidates, rooms, strict=False)):
        return None
    return tuple(dict.fromkeys(rooms))
