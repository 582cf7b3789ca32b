"""The rooms that the emulator has: generated ones, and what was created or changed since.

Generated rooms are never materialised.  Two small overlays lie on them: which of them are disabled now (only
those that differ), and the JSON of the rooms that were created.  A page is a slice of the one merged with a
slice of the other.
"""

import json
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final

from netless_rooms.emulator.generated import GeneratedRooms
from netless_rooms.emulator.quirks import Quirks
from netless_rooms.emulator.spelling import (
    TICKS_PER_MS,
    TICKS_TO_1970,
    creation_key,
    spell_room,
    uuid_text,
    write_json,
)

HOME: Final = "us-sv"  # the region of rooms that nobody created by a request
KEPT_PAGES: Final = 32  # some 8 MB at 1,000 rooms each

# No generated room has this node, so a new room's UUID cannot meet one of theirs.
_NEW_ROOMS_TAIL = "9c44f3a1c0ffee01"

_SPELLED_BAN: Final = ('"isBan":false', '"isBan":true')

_key_of = itemgetter(0)


class RoomStore:
    """All rooms in one order, by UUID or by creation.  Not safe for threads: its owner locks."""

    def __init__(self, generated: GeneratedRooms, quirks: Quirks) -> None:
        self._generated = generated
        self._order = quirks.order
        self._hides_disabled = quirks.disabled == "hidden"
        self._region_of: dict[str, str] | None = {} if quirks.regions == "apart" else None
        self._bisect = bisect_left if quirks.cursor == "inclusive" else bisect_right
        self._is_ban: dict[int, bool] = {}
        self._created: dict[str, str] = {}
        self._created_keys: list[tuple[str, str]] = []
        self._last_ticks = 0
        self._pages = lru_cache(maxsize=KEPT_PAGES)(self._render)

    def __len__(self) -> int:
        return len(self._generated) + len(self._created)

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._created or self._generated.index(uuid) is not None

    def uuids(self) -> Iterator[str]:
        """Iterate over all UUIDs in the store's order, as of now."""
        generated = ((self._index_key(index), self._generated.uuid(index)) for index in self._indices)
        return (uuid for _, uuid in merge(generated, list(self._created_keys)))

    def is_in(self, uuid: str, region: str) -> bool:
        """Whether there is such a room in a region."""
        return uuid in self and (self._region_of is None or self._region_of.get(uuid, HOME) == region)

    def lists(self, uuid: str, region: str) -> bool:
        """Whether there is such a room in the list of a region."""
        return self.is_in(uuid, region) and not (self._hides_disabled and _is_ban(self.text(uuid)))

    def text(self, uuid: str) -> str:
        """Return the JSON of a room; ``KeyError`` if there is none."""
        if (text := self._created.get(uuid)) is not None:
            return text
        return self._generated_texts([self._index(uuid)])[0]

    def _index(self, uuid: str) -> int:
        if (index := self._generated.index(uuid)) is None:
            raise KeyError(uuid)
        return index

    def create(self, now: float, members: dict[str, object], region: str = HOME) -> str:
        """Add a room created at ``now`` (seconds since the epoch) and return its JSON.

        Its UUID is unique and later than that of every room created before, also if the clock stands or goes
        back.  ``members`` replace the room's own or come on top.  Raises ``ValueError`` if they bring a UUID
        that is taken or something that is not JSON, ``TypeError`` if the UUID is not a string.
        """
        ticks = self._next_ticks(now)
        room = spell_room(ticks, _NEW_ROOMS_TAIL, is_record=False, is_ban=False, limit=0) | members
        uuid, text = room["uuid"], write_json(room)
        if not isinstance(uuid, str):
            raise TypeError(f"uuid must be a string, not {type(uuid).__name__}")
        if uuid in self:
            raise ValueError(f"there is a room {uuid} already")
        text.encode()  # a lone surrogate fails here, not in some later page
        self._created[uuid] = text
        if self._region_of is not None:
            self._region_of[uuid] = region
        insort(self._created_keys, (self._key(uuid), uuid))
        self._pages.cache_clear()
        return text

    def set_ban(self, uuid: str, is_ban: bool) -> str:
        """Disable or enable a room and return its JSON; ``KeyError`` if there is none.  Twice is as once."""
        if (text := self._created.get(uuid)) is not None:
            self._created[uuid] = write_json(json.loads(text) | {"isBan": is_ban})
        else:
            index = self._index(uuid)
            self._is_ban.pop(index, None)
            if self._generated.is_ban(index) is not is_ban:
                self._is_ban[index] = is_ban
        self._pages.cache_clear()
        return self.text(uuid)

    def page(self, begin: str | None, size: int, region: str = HOME) -> bytes:
        """Return ``size`` rooms, fewer at the end, as a JSON array: from ``begin``, ``None`` is the first."""
        return self._pages(begin, size, HOME if self._region_of is None else region)

    def _next_ticks(self, now: float) -> int:
        ticks = max(round(now * 1000) * TICKS_PER_MS + TICKS_TO_1970, self._last_ticks + 1)
        while uuid_text(ticks, _NEW_ROOMS_TAIL) in self:  # brought in by a caller
            ticks += 1
        self._last_ticks = ticks
        return ticks

    def _render(self, begin: str | None, size: int, region: str) -> bytes:
        key = "" if begin is None else self._key(begin)
        if self._hides_disabled or self._region_of is not None:
            texts = list(islice(self._listed(key, region), size))
        else:
            texts = self._page_of_all(key, size)
        # Encoded one by one, because one name in Chinese makes the whole page slower to join and to encode.
        return b"[%b]" % b",".join([text.encode() for text in texts])

    def _listed(self, key: str, region: str) -> Iterator[str]:
        """Yield the rooms from ``key`` on that a quirk leaves in the list."""
        is_elsewhere = self._region_of is not None and region != HOME
        first = len(self._indices) if is_elsewhere else self._bisect(self._indices, key, key=self._index_key)
        generated = ((self._index_key(index), self._generated.uuid(index)) for index in self._indices[first:])
        created = self._created_keys[self._bisect(self._created_keys, key, key=_key_of) :]
        texts = (self.text(uuid) for _, uuid in merge(generated, created) if self.is_in(uuid, region))
        return (text for text in texts if not (self._hides_disabled and _is_ban(text)))

    def _page_of_all(self, key: str, size: int) -> list[str]:
        first = self._bisect(self._indices, key, key=self._index_key)
        indices = self._indices[first : first + size]
        made = self._bisect(self._created_keys, key, key=_key_of)
        keys = self._created_keys[made : made + size]
        if not keys or (len(indices) == size and keys[0][0] > self._index_key(indices[-1])):
            return self._generated_texts(indices)
        return list(islice(self._merged(indices, keys), size))

    def _merged(self, indices: Sequence[int], keys: Sequence[tuple[str, str]]) -> Iterator[str]:
        generated = zip(map(self._index_key, indices), self._generated_texts(indices), strict=True)
        created = ((key, self._created[uuid]) for key, uuid in keys)
        return (text for _, text in merge(generated, created, key=_key_of))

    def _generated_texts(self, indices: Sequence[int]) -> list[str]:
        texts = self._generated.texts(indices)
        if self._is_ban:
            for place, index in enumerate(indices):
                if (is_ban := self._is_ban.get(index)) is not None:
                    # Generated text says isBan once and nowhere else, so this edits the member alone.
                    before, after = _SPELLED_BAN[not is_ban], _SPELLED_BAN[is_ban]
                    texts[place] = texts[place].replace(before, after)
        return texts

    @cached_property
    def _indices(self) -> Sequence[int]:
        everything = range(len(self._generated))
        if self._order == "uuid":
            return everything
        return array("Q", sorted(everything, key=self._generated.ticks))

    def _index_key(self, index: int) -> str:
        return self._key(self._generated.uuid(index))

    def _key(self, uuid: str) -> str:
        return uuid if self._order == "uuid" else creation_key(uuid)


def _is_ban(text: str) -> bool:
    return json.loads(text).get("isBan") is True
