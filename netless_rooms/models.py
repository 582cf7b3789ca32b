"""What a room is, and a page of rooms: frozen values without a word of JSON."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self, SupportsIndex, TypeVar, overload

from attrs import field, frozen

MAX_UUID_LENGTH: Final = 128
_UUID: Final = re.compile(f"[0-9A-Za-z_-]{{1,{MAX_UUID_LENGTH}}}")
_HEX: Final = re.compile("[0-9a-f]{32}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID_EPOCH: Final = datetime(1582, 10, 15, tzinfo=UTC)

Member = TypeVar("Member", bound="Room | InvalidRoom")


def is_uuid(text: str) -> bool:
    """Whether ``text`` can name a room, and stand in a path without changing it.

    The service documents 32 hex digits; 128 letters, digits, ``-`` and ``_`` leave room for what it may do next.
    """
    return _UUID.fullmatch(text) is not None


def same_uuid(one: str, other: str) -> bool:
    """Whether two texts name the same room: a UUID has spellings with and without dashes, in either case."""
    return one == other or normalize_uuid(one) == normalize_uuid(other)


def normalize_uuid(text: str) -> str:
    """Return a UUID as the service's documentation spells it; any other text as it is."""
    bare = text.replace("-", "").lower()
    return bare if _HEX.fullmatch(bare) else text


def as_time(seconds: float) -> datetime:
    """Return the time that a clock means by ``seconds`` since the epoch; the epoch if it means none."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return _EPOCH


def format_duration(seconds: float) -> str:
    """Return a length of time for people, such as ``2 days, 3:00:00``; of any size, as clocks may be far off."""
    try:
        return str(timedelta(seconds=round(seconds)))
    except OverflowError:
        return f"{seconds:.3g} s"


def uuid1_time(text: str) -> datetime | None:
    """Return the time inside a version-1 UUID, to the microsecond; ``None`` if it is no such UUID."""
    digits = normalize_uuid(text)
    if not _HEX.fullmatch(digits) or digits[12] != "1":
        return None
    ticks = int(digits[13:16] + digits[8:12] + digits[:8], 16)  # of 100 ns
    return _UUID_EPOCH + timedelta(microseconds=ticks // 10)


class Region(StrEnum):
    """The data centres that the service documents, as the ``region`` header spells them.

    Every ``region`` argument also takes any other string and passes it on unchanged, because the service has
    renamed one before (Europe was ``gb-lon`` until July 2023); the service decides what to make of it.

    .. versionadded:: 0.1
    """

    US_SV = "us-sv"
    """Silicon Valley: North and South America."""
    SG = "sg"
    """Singapore: Singapore, East and Southeast Asia."""
    IN_MUM = "in-mum"
    """Mumbai: India."""
    EU = "eu"
    """Frankfurt: Europe."""
    CN_HZ = "cn-hz"
    """Hangzhou: China and everywhere that no other data centre covers."""


@frozen(kw_only=True)
class Room:
    """A whiteboard room, as the service described it in one answer.

    A value: comparable, hashable, and never updated; ask again for a newer state.

    .. versionadded:: 0.1
    """

    uuid: str
    """Identifies the room; 32 hex digits, a version-1 UUID without dashes."""
    team_uuid: str
    """The console account that owns the project."""
    app_uuid: str | None = None
    """The whiteboard project; ``None`` if the service does not say, as in answers from before 2021."""
    name: str | None = None
    """A name, which only older answers carry; ``None`` otherwise."""
    is_record: bool
    """Whether recording is enabled."""
    is_ban: bool
    """Whether the room is disabled: nobody is in it and nobody can join."""
    created_at: datetime
    """When it was created: aware, in UTC, as fine as the service says, which is milliseconds."""
    limit: int
    """How many users with a writer's or an admin's token may be in it at once; 0 is no maximum."""
    extra: Mapping[str, Any] = field(factory=dict, hash=False)
    """Fields that the service sent and this release does not know, by their wire names.  Read it only."""


@frozen(kw_only=True)
class InvalidRoom:
    """A member of a list that cannot be read as a room: what the service sent, and what is wrong with it.

    A value: comparable and hashable by everything but ``document``.

    .. versionadded:: 0.1
    """

    uuid: str | None
    """Identifies the room; ``None`` if the uuid cannot be read either."""
    reason: str
    """The first fault, and how many more there are.  Tokens that the service echoed are redacted."""
    path: str
    """Where the first fault is in the response, such as ``$[3].isBan``; ``$[3]`` is the whole member."""
    document: Any = field(repr=False, eq=False, hash=False)
    """The member as Python's ``json`` reads it, not redacted.

    A text in it may hold half a surrogate pair, which cannot be encoded.
    """


class _Page(tuple[Member, ...]):
    """The members of one response, in the service's order; a slice is a page too."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Member: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Member | Self:
        part: Any = super().__getitem__(index)
        return type(self)(part) if isinstance(index, slice) else part

    def __repr__(self) -> str:
        count = f"{len(self)} room{'' if len(self) == 1 else 's'}"
        ends = f": {self[0].uuid!r} to {self[-1].uuid!r}" if self else ""
        return f"<{type(self).__name__} of {count}{ends}>"


class RoomPage(_Page[Room]):
    """The rooms of one response, in the service's order: a tuple whose slices are pages and whose repr is short.

    Make one from any iterable of rooms: ``RoomPage([room])``.

    .. versionadded:: 0.1
    """

    __slots__ = ()


class MixedPage(_Page[Room | InvalidRoom]):
    """A page that may hold members that cannot be read as a room."""

    __slots__ = ()
