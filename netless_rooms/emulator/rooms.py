"""The rooms of the emulator: generated ones, computed on demand, and what was created or changed since."""

import json
import re
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from heapq import merge
from itertools import islice
from typing import Any, Final

from netless_rooms.emulator.exchange import encode_json, replace_members
from netless_rooms.emulator.quirks import HOME_REGION, Quirks

TEAM_UUID: Final = "RMemulatedTeamUUID005aw"
APP_UUID: Final = "i5emulatedAppUUID01AQ"
MAX_ROOMS: Final = 2**32  # one value of a uuid's first 32 bits each
KEPT_PAGES: Final = 32  # some 8 MB at 1,000 rooms each

# A version-1 UUID counts in 100 ns, a "tick" here, from the start of the Gregorian calendar (RFC 9562, 5.1).
_TICKS_TO_1970: Final = 0x01B21DD213814000
_TICKS_PER_MS: Final = 10_000
_TICKS_AT_2021: Final = 1_609_459_200_000 * _TICKS_PER_MS + _TICKS_TO_1970
_WINDOW: Final = 2**32  # ticks until the first 32 bits of a uuid begin again: 429.5 s
_FIRST_WINDOW: Final = (1_546_300_800_000 * _TICKS_PER_MS + _TICKS_TO_1970) // _WINDOW + 1  # 2019-01-01
_WINDOWS_TO_2025: Final = 440_800
_GOLDEN: Final = 272_429  # of 440,800, the golden section: neighbours in the list are years apart
_KIND_BITS: Final = 10

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  UTC, whose offset is not printed
_UUID: Final = re.compile("[0-9a-f]{8}(-?)[0-9a-f]{4}(?:\\1[0-9a-f]{4}){2}\\1[0-9a-f]{12}", re.IGNORECASE)
_TAILS: Final = ("a629dbb375b5adfc", "9a01f18e1d3c5b07", "b2c4236d4a8e9f10", "8e5d01a7c3f06b29")
_NEW_TAIL: Final = "9c44f3a1c0ffee01"  # of no generated room, so that a new uuid cannot be one of theirs
_NAMES: Final = ("Algebra, group 3", "Évaluation", "白板 101", 'The "Physics" lab', "", "Q&A \\ open hour")
_LIMITS: Final = (1, 8, 50, 1000)


def normalize_uuid(text: str) -> str:
    """Return a UUID with or without dashes, in any case, as the service spells it; other text unchanged."""
    return text.replace("-", "").lower() if _UUID.fullmatch(text) else text


def format_uuid(ticks: int, tail: str) -> str:
    """Return the version-1 UUID of a time; ``tail`` is its clock sequence and node, 16 hex digits."""
    return f"{ticks & 0xFFFFFFFF:08x}{ticks >> 32 & 0xFFFF:04x}1{ticks >> 48:03x}{tail}"


def format_time(ticks: int) -> str:
    """Return a time as the service does: UTC, in milliseconds, cut and not rounded."""
    time = _EPOCH + timedelta(milliseconds=(ticks - _TICKS_TO_1970) // _TICKS_PER_MS)
    return f"{time.isoformat(timespec='milliseconds')}Z"


def format_room(ticks: int, tail: str, name: str | None = None) -> dict[str, Any]:
    """Return a room as the JSON object that the service sends; with ``name``, as it was sent before 2021."""
    return {
        "uuid": format_uuid(ticks, tail),
        "teamUUID": TEAM_UUID,
        # Samples of 2020 have a name and no appUUID, later ones the reverse.
        **({"appUUID": APP_UUID} if name is None else {"name": name}),
        "isRecord": False,
        "isBan": False,
        "createdAt": format_time(ticks),
        "limit": 0,
    }


class GeneratedRooms:
    """``count`` rooms of the years 2019 to 2024, always the same ones; index 0 has the smallest UUID.

    A version-1 UUID begins with the low 32 bits of its time.  Each room owns one of ``count`` equal steps of that
    range, so UUIDs increase with the index and are spread evenly.  The upper bits name a window of 429.5 s, one of
    1,024 scattered over six years: the order of creation has nothing to do with the order of UUIDs.
    """

    def __init__(self, count: int) -> None:
        if type(count) is not int:
            raise TypeError(f"rooms must be an int, not {type(count).__name__}")
        if not 0 <= count <= MAX_ROOMS:
            raise ValueError(f"rooms must be 0 to {MAX_ROOMS}, not {count}")
        self._count = count
        self._step = MAX_ROOMS // max(count, 1)

    def __len__(self) -> int:
        return self._count

    def uuid(self, index: int) -> str:
        """Return the UUID of a room."""
        kind, ticks = self._kind_and_ticks(index)
        return format_uuid(ticks, _TAILS[kind % len(_TAILS)])

    def room(self, index: int) -> dict[str, Any]:
        """Return a room as a new JSON object; a few in a hundred are disabled, recorded or have a limit."""
        kind, ticks = self._kind_and_ticks(index)
        name = _NAMES[kind % len(_NAMES)] if ticks < _TICKS_AT_2021 else None
        limit = _LIMITS[kind // 11 % len(_LIMITS)] if kind % 11 == 5 else 0
        room = format_room(ticks, _TAILS[kind % len(_TAILS)], name)
        return room | {"isRecord": kind % 29 == 3, "isBan": kind % 32 == 7, "limit": limit}

    def index(self, uuid: str) -> int | None:
        """Return the index of the room with this UUID, ``None`` if there is no such room."""
        try:
            index = int(uuid[:8], 16) // self._step
        except ValueError:
            return None
        return index if 0 <= index < self._count and self.uuid(index) == uuid else None

    def _kind_and_ticks(self, index: int) -> tuple[int, int]:
        kind = (index ^ index >> _KIND_BITS) % (1 << _KIND_BITS)
        window = _FIRST_WINDOW + kind * _GOLDEN % _WINDOWS_TO_2025
        return kind, window * _WINDOW + index * self._step + index * 7919 % self._step


class RoomStore:
    """All rooms in one order, by UUID or by creation.  Not safe for threads: its owner locks."""

    def __init__(self, count: int, quirks: Quirks) -> None:
        self._generated = GeneratedRooms(count)
        self._quirks = quirks
        self._region_of: dict[str, str] = {}  # of created rooms
        self._bisect = bisect_left if quirks.cursor == "inclusive" else bisect_right
        self._rooms: dict[str, dict[str, Any]] = {}  # created or changed
        self._created: list[str] = []  # their UUIDs, in the order of the list
        self._last_ticks = 0
        self._pages = lru_cache(maxsize=KEPT_PAGES)(self._encode_page)

    def __len__(self) -> int:
        return len(self._generated) + len(self._created)

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._rooms or self._generated.index(uuid) is not None

    def uuids(self) -> Iterator[str]:
        """Iterate over all UUIDs in the order of the list, as of now."""
        generated = map(self._generated.uuid, self._indices)
        return merge(generated, list(self._created), key=self._key)

    def find(self, uuid: str, region: str) -> str | None:
        """Return the UUID as its room has it, ``None`` if the region has no such room."""
        found = uuid if uuid in self else normalize_uuid(uuid)
        return found if found in self and self._is_in(found, region) else None

    def lists(self, uuid: str, region: str) -> bool:
        """Return whether the list of a region holds the room with exactly this UUID."""
        return uuid in self and self._is_in(uuid, region) and self._is_shown(self.room(uuid))

    def room(self, uuid: str) -> dict[str, Any]:
        """Return a room, not to be changed; ``KeyError`` if there is no such room."""
        index = self._generated.index(uuid)
        return self._rooms[uuid] if index is None else self._generated_room(index)

    def create(self, now: float, members: Mapping[str, object], region: str = HOME_REGION) -> dict[str, Any]:
        """Add a room and return it; ``now`` is in seconds since the epoch, errors are those of ``add_room``.

        Its UUID is later than that of every room created before, even if the clock stands or goes back.
        """
        whole = replace_members(format_room(self._next_ticks(now), _NEW_TAIL), members)
        room: dict[str, Any] = json.loads(encode_json(whole))  # refuses here what would break a later page
        uuid = room.get("uuid")
        if not isinstance(uuid, str):
            raise TypeError(f"uuid must be a string, not {type(uuid).__name__}")
        if uuid in self:
            raise ValueError(f"there is a room {uuid} already")
        self._rooms[uuid] = room
        self._region_of[uuid] = region
        insort(self._created, uuid, key=self._key)
        self._pages.cache_clear()
        return room

    def set_ban(self, uuid: str, is_ban: bool) -> dict[str, Any]:
        """Disable or enable a room and return it; ``KeyError`` if there is no such room."""
        self._rooms[uuid] = self.room(uuid) | {"isBan": is_ban}
        self._pages.cache_clear()
        return self._rooms[uuid]

    def page(self, begin: str | None, size: int, region: str) -> bytes:
        """Return at most ``size`` rooms as a JSON array: from ``begin``, or from the first."""
        return self._pages(begin, size, HOME_REGION if self._quirks.regions == "shared" else region)

    def _encode_page(self, begin: str | None, size: int, region: str) -> bytes:
        return encode_json(list(islice(self._listed("" if begin is None else self._key(begin), region), size)))

    def _listed(self, key: str, region: str) -> Iterator[dict[str, Any]]:
        indices = self._indices if region == HOME_REGION else ()
        generated = map(self._generated_room, indices[self._bisect(indices, key, key=self._index_key) :])
        later = self._created[self._bisect(self._created, key, key=self._key) :]
        created = [self._rooms[uuid] for uuid in later if self._is_in(uuid, region)]
        rooms = merge(generated, created, key=lambda room: self._key(room["uuid"])) if created else generated
        return filter(self._is_shown, rooms)

    def _is_in(self, uuid: str, region: str) -> bool:
        return self._quirks.regions == "shared" or self._region_of.get(uuid, HOME_REGION) == region

    def _is_shown(self, room: Mapping[str, Any]) -> bool:
        return not (self._quirks.disabled == "hidden" and room.get("isBan") is True)

    def _generated_room(self, index: int) -> dict[str, Any]:
        room = self._generated.room(index)
        return self._rooms.get(room["uuid"], room)

    def _next_ticks(self, now: float) -> int:
        ticks = max(round(now * 1000) * _TICKS_PER_MS + _TICKS_TO_1970, self._last_ticks + 1)
        while format_uuid(ticks, _NEW_TAIL) in self:  # added by a caller
            ticks += 1
        self._last_ticks = ticks
        return ticks

    @cached_property
    def _indices(self) -> Sequence[int]:
        everything = range(len(self._generated))
        if self._quirks.order == "uuid":
            return everything
        return array("Q", sorted(everything, key=self._index_key))

    def _index_key(self, index: int) -> str:
        return self._key(self._generated.uuid(index))

    def _key(self, uuid: str) -> str:
        """Return what sorts UUIDs in the order of the list; any text has a place."""
        return uuid if self._quirks.order == "uuid" else uuid[12:16] + uuid[8:12] + uuid[:8] + uuid[16:]
