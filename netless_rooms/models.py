"""Rooms, pages, regions and the rules of uuids, without JSON.  Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal, Self, SupportsIndex, TypeAlias, overload

from attrs import field, frozen

MAX_UUID_LENGTH: Final = 128
_UUID: Final = re.compile(f"[0-9A-Za-z_-]{{1,{MAX_UUID_LENGTH}}}")
_HEX: Final = re.compile("[0-9a-f]{32}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def is_uuid(text: str) -> bool:
    """Whether ``text`` can be sent as a uuid: it cannot change a path.  Documented are 32 hex digits."""
    return _UUID.fullmatch(text) is not None


def same_uuid(one: str, other: str) -> bool:
    """Whether two texts name the same room: dashes and case in a UUID do not count."""
    return one == other or normalize_uuid(one) == normalize_uuid(other)


def normalize_uuid(text: str) -> str:
    """Return a UUID in lower case without dashes, as the service documents it; any other text unchanged."""
    bare = text.replace("-", "").lower()
    return bare if _HEX.fullmatch(bare) else text


def as_time(seconds: float) -> datetime:
    """Return the time ``seconds`` after the epoch; the epoch if that is not a time."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        return _EPOCH


def format_duration(seconds: float) -> str:
    """Return a readable duration, such as ``2 days, 3:00:00``; any size, because a clock may be far off."""
    try:
        return str(timedelta(seconds=round(seconds)))
    except OverflowError:
        return f"{seconds:.3g} s"


def uuid1_time(text: str) -> datetime | None:
    """Return the time in a version-1 UUID, to the microsecond; ``None`` for any other text."""
    digits = normalize_uuid(text)
    if not _HEX.fullmatch(digits) or digits[12] != "1":
        return None
    ticks = int(digits[13:16] + digits[8:12] + digits[:8], 16)  # of 100 ns
    return datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=ticks // 10)


class Region(StrEnum):
    """The data centres that the service documents, as the ``region`` header spells them.

    Every ``region`` argument also takes another string and sends it unchanged, because the service has renamed a
    region before: Europe was ``gb-lon`` until July 2023.  A string that differs from a known region only by case,
    ``_`` or one letter is refused as a typing error; two other letters, such as ``au``, are sent.
    """

    US_SV = "us-sv"  #: Silicon Valley: North and South America.
    SG = "sg"  #: Singapore: Singapore, East and Southeast Asia.
    IN_MUM = "in-mum"  #: Mumbai: India.
    EU = "eu"  #: Frankfurt: Europe.
    CN_HZ = "cn-hz"  #: Hangzhou: China, and all areas that no other data centre covers.


# An editor completes the known ones; a type checker accepts any string.
RegionName: TypeAlias = Region | Literal["us-sv", "sg", "in-mum", "eu", "cn-hz"] | str


@frozen(kw_only=True)
class Room:
    """A whiteboard room as one response described it: a frozen value, comparable and hashable."""

    uuid: str  #: Identifies the room: 32 hex digits, a version-1 UUID without dashes.
    team_uuid: str  #: The console account that owns the project.
    app_uuid: str | None = None  #: The whiteboard project; ``None`` if the response has none, as before 2021.
    name: str | None = None  #: A name, which only older responses have; ``None`` otherwise.
    is_record: bool  #: Whether recording is enabled.
    is_ban: bool  #: Whether the room is disabled: it has no participants, and joining is blocked.
    created_at: datetime  #: When it was created: aware, in UTC, with the service's precision of milliseconds.
    limit: int  #: The maximum number of users with a writer or admin token at once; 0 is no maximum.
    extra: Mapping[str, Any] = field(factory=dict, hash=False)  #: Unknown fields, by wire name.  Do not change it.

    # ``_api/decoding.py`` sets both, because it knows the wire names and nothing here imports it.
    _to_dict: ClassVar[Callable[["Room", bool], dict[str, Any]]]
    _from_dict: ClassVar[Callable[[Mapping[str, Any]], "Room"]]

    def to_dict(self, *, wire: bool = False) -> dict[str, Any]:
        """Return the room as new built-ins that ``json.dumps`` takes.

        The keys are the names of all fields, and ``extra`` is a nested dict; with ``wire``, the service's names,
        unknown fields among them, without ``null``.  ``created_at`` is as in ``2021-01-18T06:56:29.432Z``.
        """
        return Room._to_dict(self, wire)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Room":
        """Return the room in what ``to_dict()`` returned, with or without ``wire``.

        Unknown fields go to ``extra``.  Raises ``InvalidArgumentError``, which names a missing or wrong field.
        """
        return cls._from_dict(document)


@frozen(kw_only=True)
class InvalidRoom:
    """A member of a list that cannot be read as a room; comparable and hashable by all fields but ``document``."""

    uuid: str | None  #: Identifies the room; ``None`` if the uuid cannot be read either.
    reason: str  #: The first fault, and how many more there are.  Tokens that the service echoed are redacted.
    location: str  #: Where the first fault is, such as ``$[3].isBan``; ``$[3]`` is the whole member.
    document: Any = field(repr=False, eq=False, hash=False)
    """The member as ``json`` reads it, not redacted; a text with a lone surrogate cannot be encoded."""


class RoomPage(tuple[Room, ...]):
    """The rooms of one response, in the service's order.  A tuple: ``RoomPage([room])`` makes one."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Room: ...
    @overload
    def __getitem__(self, index: slice, /) -> Self: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Room | Self:
        part: Any = super().__getitem__(index)
        return type(self)(part) if isinstance(index, slice) else part

    def __repr__(self) -> str:
        count = f"{len(self)} room{'' if len(self) == 1 else 's'}"
        ends = f": {self[0].uuid!r} to {self[-1].uuid!r}" if self else ""
        return f"<{type(self).__name__} of {count}{ends}>"


class MixedPage(tuple[Room | InvalidRoom, ...]):
    """A page that may contain members that cannot be read as a room."""

    __slots__ = ()
