"""Checkpoints of a scan, as values and as text.

The text has six fields and a checksum, joined by ``~``: version, region, mode, a digest of the account, ranges,
sampled rooms.  It has only letters, digits and ``-_.,~%``, and uuids of rooms, but no token and no secret.  Pure.
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import quote, unquote
from zlib import crc32

from attrs import frozen

from netless_rooms._validation import check_type, check_uuid
from netless_rooms.errors import InvalidArgumentError
from netless_rooms.models import is_uuid

VERSION: Final = "scan1"


class ScanMode(StrEnum):
    """How a scan reads the list."""

    SEQUENTIAL = "sequential"  #: In one range, page after page.
    SHARDS = "shards"  #: In ranges of uuids, concurrently: the service accepts a ``beginUUID`` that names no room.
    KNOWN_ROOMS = "known-rooms"  #: In ranges between rooms that an earlier scan returned, concurrently.


class Range(NamedTuple):
    """The rooms after ``after`` (``None``: from the first) up to ``last_uuid`` (``None``: to the end)."""

    after: str | None = None
    last_uuid: str | None = None


@frozen(kw_only=True)
class Checkpoint:
    """What is left of a scan: the rest of each range, after which the next one begins."""

    region: str
    mode: ScanMode = ScanMode.SEQUENTIAL
    account: str | None = None  # the digest of the account of the rooms; None before the first room
    ranges: tuple[Range, ...] = (Range(),)  # in the order of the list; empty when the scan has ended
    samples: tuple[str, ...] = ()  # some rooms, in the order of their uuids, at which a later scan can split

    def __str__(self) -> str:
        ranges = ",".join(f"{after or ''}.{last_uuid or ''}" for after, last_uuid in self.ranges)
        region = quote(self.region, safe="").replace("~", "%7E")
        text = "~".join([VERSION, region, self.mode, self.account or "", ranges, ".".join(self.samples)])
        return f"{text}~{_checksum(text)}"


def read_checkpoint(name: str, text: str, region: str) -> Checkpoint:
    """Return the checkpoint in argument ``name``; ``ValueError`` if it is damaged or of another region."""
    body, _, checksum = check_type(name, text, str, "a string").rpartition("~")
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
    left = tuple(_read_range(name, part) for part in ranges.split(",")) if ranges else ()
    sampled = tuple(check_uuid(name, uuid) for uuid in samples.split(".")) if samples else ()
    return Checkpoint(region=region, mode=ScanMode(mode), account=account or None, ranges=left, samples=sampled)


def _read_range(name: str, text: str) -> Range:
    after, _, last_uuid = text.partition(".")
    return Range(check_uuid(name, after) if after else None, check_uuid(name, last_uuid) if last_uuid else None)


def _checksum(text: str) -> str:
    return f"{crc32(text.encode(errors='backslashreplace')):08x}"


def account_of(team_uuid: str) -> str:
    """Return the digest of an account in a checkpoint."""
    return sha256(team_uuid.encode()).hexdigest()[:12]
