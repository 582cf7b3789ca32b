"""The room as the service spells it: its JSON members, its UUID and its time.

Written from the service's page and shared with no client code, so that a member misspelled there cannot be
misspelled here as well and go unnoticed.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

TEAM_UUID: Final = "RMemulatedTeamUUID005aw"
APP_UUID: Final = "i5emulatedAppUUID01AQ"

# A UUID counts from the start of the Gregorian calendar (RFC 9562, 5.1) in 100 ns, a "tick" below.
TICKS_TO_1970: Final = 0x01B21DD213814000
TICKS_PER_MS: Final = 10_000

# Who has rooms from the client at hand writes these; they would pass for members that only a later service knows.
_PYTHON_NAMES: Final = {
    "team_uuid": "teamUUID",
    "app_uuid": "appUUID",
    "is_record": "isRecord",
    "is_ban": "isBan",
    "created_at": "createdAt",
}

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_json(value: object) -> str:
    """Return ``value`` as the service prints JSON: no spaces, characters as they are."""
    return _ENCODER.encode(value)


def check_names(names: Iterable[str]) -> None:
    """Refuse names of members that are spelled as in Python, with the service's word."""
    for name in names:
        if (word := _PYTHON_NAMES.get(name)) is not None:
            raise ValueError(f"members are in the service's words: {word}, not {name}")


def uuid_text(ticks: int, tail: str) -> str:
    """Return the version-1 UUID of a time; ``tail`` is its clock sequence and node, 16 hex digits."""
    return f"{ticks & 0xFFFFFFFF:08x}{ticks >> 32 & 0xFFFF:04x}1{ticks >> 48:03x}{tail}"


def creation_key(uuid: str) -> str:
    """Return what sorts UUIDs by the time inside; any text has a place, so that odd cursors have one."""
    return uuid[12:16] + uuid[8:12] + uuid[:8] + uuid[16:]


def created_at_text(ticks: int) -> str:
    """Return the time as the service prints it: UTC, milliseconds (cut, not rounded), ``Z``."""
    moment = _EPOCH + timedelta(milliseconds=(ticks - TICKS_TO_1970) // TICKS_PER_MS)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spell_room(
    ticks: int, tail: str, *, is_record: bool, is_ban: bool, limit: int, name: str | None = None
) -> dict[str, object]:
    """Return a room as the JSON object that the service sends; with ``name``, as it was sent before 2021."""
    # Samples of 2020 have a name and no appUUID, later ones the reverse.
    origin = {"appUUID": APP_UUID} if name is None else {"name": name}
    return {
        "uuid": uuid_text(ticks, tail),
        "teamUUID": TEAM_UUID,
        **origin,
        "isRecord": is_record,
        "isBan": is_ban,
        "createdAt": created_at_text(ticks),
        "limit": limit,
    }
