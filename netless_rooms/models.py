"""What a room is, and a page of rooms: frozen values without a word of JSON."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeVar, final, overload

from attrs import define, field, frozen

MAX_UUID_LENGTH: Final = 128
_UUID: Final = re.compile(f"[0-9A-Za-z_-]{{1,{MAX_UUID_LENGTH}}}")
_HEX: Final = re.compile("[0-9a-f]{32}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID_EPOCH: Final = datetime(1582, 10, 15, tzinfo=UTC)

Member = TypeVar("Member")


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


@define(kw_only=True)
class RoomDraft(Room):
    """A room while it is read, since setting frozen attributes takes several times as long.

    It has the same slots, so ``draft.__class__ = Room`` makes it a room like any other.
    """

    __setattr__: ClassVar[Any] = object.__setattr__
    __delattr__: ClassVar[Any] = object.__delattr__  # Python is quick only if both are object's own


@frozen(kw_only=True)
class InvalidRoom:
    """A member of a list that cannot be read as a room: what the service sent, and what is wrong with it.

    A value: comparable and hashable by everything but ``document``.

    .. versionadded:: 0.1
    """

    uuid: str | None
    """Identifies the room, if at least that can be read; else ``None``."""
    what: str
    """The fault; several are counted, and the first is told.  No token that the service echoed is in it."""
    where: str
    """Its place in the answer, such as ``$[3].isBan``; ``$[3]`` is the whole member."""
    document: Any = field(repr=False, eq=False, hash=False)
    """What the service sent, as the JSON module reads it.  It may hold anything, so mind where you show it.

    Half a surrogate pair stays in its text, which then cannot be encoded.  A number that is too large is infinite,
    be it an integer or not.
    """


class _Page(Sequence[Member]):
    """What makes a sequence of a value that has its members in ``rooms``."""

    __slots__ = ()
    rooms: tuple[Member, ...]

    @overload
    def __getitem__(self, index: int) -> Member: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Member, ...]: ...
    def __getitem__(self, index: int | slice) -> Member | tuple[Member, ...]:
        return self.rooms[index]

    def __len__(self) -> int:
        return len(self.rooms)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.rooms)


def _as_tuple(rooms: Iterable[Room]) -> tuple[Room, ...]:
    return tuple(rooms)


@frozen
class RoomPage(_Page[Room]):
    """Rooms of one answer, in the service's order; a sequence, and itself a value.

    .. versionadded:: 0.1
    """

    rooms: tuple[Room, ...] = field(default=(), converter=_as_tuple)
    """The same rooms as a tuple."""


@final
@frozen
class MixedPage(_Page[Room | InvalidRoom]):
    """What one answer lists, in the service's order: rooms, and members that cannot be read as one."""

    rooms: tuple[Room | InvalidRoom, ...] = ()
