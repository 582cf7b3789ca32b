"""Rooms by arithmetic: a million of them cost no memory.

How it works
------------
Room ``i`` of ``n``, counted in the order of UUIDs, is computed when asked for.  A version-1 UUID begins with
the low 32 bits of its time, so they decide the order: each room owns one of ``n`` equal steps of that range
and sits somewhere inside it.  Hence strictly increasing, unique, and spread evenly over the leading digits.

The upper bits of the time name a window of 429.5 s (2**32 ticks).  Rooms take their window from a table of at
most 1,024, scattered over six years, by a scrambled index; so the order of creation has nothing to do with
the order of UUIDs, as with the real service.

The subtle case: a window never crosses a full hour (one that would is moved on by one).  So everything in a
room's JSON except the low bits, minutes, seconds and milliseconds is a constant of its window, and a room's
text is put together from tables.  ``room`` says the same the slow way; a test holds the two together.
"""

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from netless_rooms.emulator.spelling import TICKS_PER_MS, TICKS_TO_1970, spell_room, uuid_text, write_json

MOST_ROOMS: Final = 2**32  # one step of the low bits each

_WINDOW = 2**32
_HOUR = 3_600_000 * TICKS_PER_MS
_FIRST_WINDOW = (1_546_300_800_000 * TICKS_PER_MS + TICKS_TO_1970) // _WINDOW + 1  # 2019-01-01
_WINDOWS_TO_2025 = 440_800
_TICKS_AT_2021 = 1_609_459_200_000 * TICKS_PER_MS + TICKS_TO_1970
_TABLE_BITS = 10
_TABLE_MASK = (1 << _TABLE_BITS) - 1
_GOLDEN = 272_429  # of 440,800, the golden section: neighbours in the table are years apart

_TAILS = ("a629dbb375b5adfc", "9a01f18e1d3c5b07", "b2c4236d4a8e9f10", "8e5d01a7c3f06b29")
_NAMES = ("Algebra, group 3", "Évaluation", "白板 101", 'The "Physics" lab', "", "Q&A \\ open hour")
_LIMITS = (1, 8, 50, 1000)

_MINUTE_AND_SECOND = tuple(f"{minute:02d}:{second:02d}." for minute in range(60) for second in range(60))
_MILLISECOND = tuple(f"{millisecond:03d}Z" for millisecond in range(1000))


@frozen
class _Window:
    """What the rooms of one window share."""

    start: int  # ticks, as in a UUID
    tail: str
    name: str | None
    is_record: bool
    is_ban: bool
    limit: int

    @classmethod
    def of(cls, number: int) -> "_Window":
        start = (_FIRST_WINDOW + number * _GOLDEN % _WINDOWS_TO_2025) * _WINDOW
        if (start - TICKS_TO_1970) % _HOUR + _WINDOW > _HOUR:
            start += _WINDOW
        return cls(
            start=start,
            tail=_TAILS[number % len(_TAILS)],
            name=_NAMES[number % len(_NAMES)] if start < _TICKS_AT_2021 else None,
            is_record=number % 29 == 3,
            is_ban=number % 32 == 7,
            limit=_LIMITS[number // 11 % len(_LIMITS)] if number % 11 == 5 else 0,
        )

    def room(self, low: int) -> dict[str, object]:
        return spell_room(
            self.start + low,
            self.tail,
            is_record=self.is_record,
            is_ban=self.is_ban,
            limit=self.limit,
            name=self.name,
        )

    def cut(self) -> tuple[int, str, str]:
        """Return the ticks past the hour, and a room's text from low bits to minutes and behind the ``Z``."""
        first = self.room(0)
        text = write_json(first)
        head, _, end = text.partition(str(first["createdAt"])[-len("00:00.000Z") :])
        return (self.start - TICKS_TO_1970) % _HOUR, head.removeprefix('{"uuid":"00000000'), end


class GeneratedRooms:
    """``count`` rooms of the years 2019 to 2024, always the same ones; index 0 has the smallest UUID.

    A few in a hundred are disabled, some have a limit or are recorded; those from before 2021 have a ``name``
    and no ``appUUID``.  Raises ``ValueError`` if ``count`` is not 0 to 2**32, ``TypeError`` if it is not an
    ``int``.
    """

    def __init__(self, count: int) -> None:
        if type(count) is not int:
            raise TypeError(f"rooms must be an int, not {type(count).__name__}")
        if not 0 <= count <= MOST_ROOMS:
            raise ValueError(f"rooms must be 0 to {MOST_ROOMS}, not {count}")
        self._count = count
        self._step = MOST_ROOMS // max(count, 1)
        # The scrambled index of room i is i itself as long as i is inside the table: small ones need no more.
        self._windows = tuple(_Window.of(number) for number in range(min(count, _TABLE_MASK + 1)))
        self._cuts = tuple(window.cut() for window in self._windows)

    def __len__(self) -> int:
        return self._count

    def uuid(self, index: int) -> str:
        """Return the UUID of a room; increasing with ``index``."""
        window = self._window(index)
        return uuid_text(window.start + self._low(index), window.tail)

    def ticks(self, index: int) -> int:
        """Return when a room was created, as its UUID says it: in 100 ns from 1582-10-15."""
        return self._window(index).start + self._low(index)

    def index(self, uuid: str) -> int | None:
        """Return which room has the UUID, ``None`` if none has."""
        try:
            index = int(uuid[:8], 16) // self._step
        except ValueError:
            return None
        return index if 0 <= index < self._count and self.uuid(index) == uuid else None

    def room(self, index: int) -> dict[str, object]:
        """Return a room as a new JSON object."""
        return self._window(index).room(self._low(index))

    def is_ban(self, index: int) -> bool:
        """Return whether a room is disabled from the start."""
        return self._window(index).is_ban

    def texts(self, indices: Iterable[int]) -> list[str]:
        """Return the JSON of rooms, ready to print."""
        # The innermost loop of the emulator: _low and _window written out, everything else from tables.
        step, cuts, bits, mask = self._step, self._cuts, _TABLE_BITS, _TABLE_MASK
        seconds, milliseconds = _MINUTE_AND_SECOND, _MILLISECOND
        out = []
        for index in indices:
            low = index * step + index * 7919 % step
            past_hour, head, end = cuts[(index ^ index >> bits) & mask]
            second, millisecond = divmod((past_hour + low) // TICKS_PER_MS, 1000)
            out.append(f'{{"uuid":"{low:08x}{head}{seconds[second]}{milliseconds[millisecond]}{end}')
        return out

    def _low(self, index: int) -> int:
        return index * self._step + index * 7919 % self._step

    def _window(self, index: int) -> _Window:
        return self._windows[(index ^ index >> _TABLE_BITS) & _TABLE_MASK]
