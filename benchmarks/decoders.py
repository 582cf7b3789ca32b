"""From the bytes of a page to its rooms, the ways that there are."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

Decode: TypeAlias = Callable[[bytes], Sequence[Any]]

WIRE: Final = {
    "team_uuid": "teamUUID",
    "app_uuid": "appUUID",
    "is_record": "isRecord",
    "is_ban": "isBan",
    "created_at": "createdAt",
}


def with_json() -> Decode:
    """Dicts, by the standard library."""
    return json.loads


def with_httpx() -> Decode:
    """Dicts, as an answer of httpx gives them."""
    import httpx

    return lambda body: httpx.Response(200, content=body).json()


def with_orjson() -> Decode:
    """Dicts, by orjson."""
    import orjson

    return orjson.loads


def with_cattrs() -> Decode:
    """Frozen classes of attrs, by orjson and a converter of cattrs as it comes."""
    from attrs import frozen
    from cattrs.gen import make_dict_structure_fn, override
    from cattrs.preconf.orjson import make_converter

    @frozen(kw_only=True)
    class Room:
        uuid: str
        team_uuid: str
        app_uuid: str | None = None
        name: str | None = None
        is_record: bool
        is_ban: bool
        created_at: datetime
        limit: int

    converter = make_converter(forbid_extra_keys=True)
    renamed: Any = {name: override(rename=wire) for name, wire in WIRE.items()}
    converter.register_structure_hook(Room, make_dict_structure_fn(Room, converter, **renamed))
    return lambda body: converter.loads(body, list[Room])


def with_pydantic() -> Decode:
    """Frozen strict models, by pydantic straight from JSON."""
    from pydantic import BaseModel, ConfigDict, TypeAdapter

    class Room(BaseModel):
        model_config = ConfigDict(frozen=True, strict=True, alias_generator=lambda name: WIRE.get(name, name))

        uuid: str
        team_uuid: str
        app_uuid: str | None = None
        name: str | None = None
        is_record: bool
        is_ban: bool
        created_at: datetime
        limit: int

    return TypeAdapter(list[Room]).validate_json


def with_msgspec() -> Decode:
    """Frozen structs, by msgspec."""
    import msgspec

    class Room(msgspec.Struct, frozen=True, kw_only=True, rename=WIRE):
        uuid: str
        team_uuid: str
        app_uuid: str | None = None
        name: str | None = None
        is_record: bool
        is_ban: bool
        created_at: datetime
        limit: int

    return msgspec.json.Decoder(list[Room]).decode


def with_msgspec_and_attrs() -> Decode:
    """Frozen classes of attrs, by msgspec, which has only the names of the wire for them."""
    import msgspec
    from attrs import frozen

    @frozen(kw_only=True)
    class Room:
        uuid: str
        teamUUID: str
        appUUID: str | None = None
        name: str | None = None
        isRecord: bool
        isBan: bool
        createdAt: datetime
        limit: int

    return msgspec.json.Decoder(list[Room]).decode


def with_ours() -> Decode:
    """Our rooms, by all that an answer goes through."""
    from netless_rooms._api.requests import list_rooms
    from netless_rooms._api.responses import parse_response

    operation = list_rooms()
    return lambda body: parse_response(operation, 200, {}, body)


DECODERS: Final[dict[str, Callable[[], Decode]]] = {
    "json": with_json,
    "httpx": with_httpx,
    "orjson": with_orjson,
    "cattrs": with_cattrs,
    "pydantic": with_pydantic,
    "msgspec": with_msgspec,
    "msgspec and attrs": with_msgspec_and_attrs,
    "ours": with_ours,
}


NEW_FIELD: Final = (b'"limit":', b'"theme":"dark","limit":')


def with_new_field(body: bytes, rooms: str) -> bytes:
    """Return a page in which one room, in the middle, or each has a field that nobody knows yet."""
    if rooms == "each":
        return body.replace(*NEW_FIELD)
    half = len(body) // 2
    return body[:half] + body[half:].replace(*NEW_FIELD, 1)


def uuid_of(room: Any) -> str:
    """Return the uuid of a room, however it was decoded."""
    uuid: str = room["uuid"] if isinstance(room, dict) else room.uuid
    return uuid
