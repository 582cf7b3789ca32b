"""The whole service without a network: a request goes in, an answer comes out."""

from collections.abc import Mapping
from typing import Final

from netless_rooms._auth.tokens import AccessKey
from netless_rooms.emulator.access import Call, admit, permit
from netless_rooms.emulator.answers import Answer, Ask, RefusedError
from netless_rooms.emulator.generated import GeneratedRooms
from netless_rooms.emulator.inputs import read_create, read_list, read_set_ban
from netless_rooms.emulator.quirks import Quirks, page_size
from netless_rooms.emulator.store import RoomStore

ROOMS_PATH: Final = "/v5/rooms"

_ALL_ROOMS: Final[Mapping[str, Call]] = {"POST": Call.CREATE, "GET": Call.LIST}
_ONE_ROOM: Final[Mapping[str, Call]] = {"GET": Call.GET, "PATCH": Call.SET_BAN}


class Account:
    """One whiteboard project with its rooms.  Synchronous, no clock of its own, and not safe for threads."""

    def __init__(self, rooms: int, key: AccessKey, quirks: Quirks) -> None:
        self.key = key
        self.quirks = quirks
        self.store: RoomStore = RoomStore(GeneratedRooms(rooms), quirks)

    def answer(self, ask: Ask, now: float) -> Answer:
        """Return the service's answer at ``now``, seconds since the epoch; never raises for what was asked.

        Looked at in this order: path, method, token, region, permission, body or query, whether the room
        exists.  No quirk has spelled it yet: that is for ``spelled``.
        """
        try:
            return self._decide(ask, now)
        except RefusedError as refusal:
            return refusal.answer

    def spelled(self, answer: Answer) -> Answer:
        """Return an answer as this service spells all of them."""
        return answer.in_envelope() if self.quirks.envelope else answer

    def _decide(self, ask: Ask, now: float) -> Answer:
        call, uuid = _route(ask.method, ask.path)
        token = admit(ask.headers.get("token", ""), self.key, now)
        region = ask.headers.get("region", "").strip()
        if not region:
            raise RefusedError(400, "the header region is required")
        permit(token, call, uuid)
        if call is Call.CREATE:
            return Answer(201, self.store.create(now, read_create(ask.body), region).encode())
        if call is Call.LIST:
            return self._list(ask.query, region)
        is_ban = read_set_ban(ask.body) if call is Call.SET_BAN else None
        if not self.store.is_in(uuid, region):
            raise RefusedError(404, "room not found")
        if is_ban is None:
            return Answer(200, self.store.text(uuid).encode())
        return Answer(201, self.store.set_ban(uuid, is_ban).encode())

    def _list(self, query: str, region: str) -> Answer:
        begin, limit = read_list(query)
        if begin is not None and self.quirks.unknown_begin != "seek" and not self.store.lists(begin, region):
            status = 400 if self.quirks.unknown_begin == "bad_request" else 404
            raise RefusedError(status, "beginUUID names no room")
        return Answer(200, self.store.page(begin, page_size(self.quirks, begin, limit), region))


def call_of(ask: Ask) -> Call | None:
    """Return which of the four calls is asked for, ``None`` if none of them."""
    try:
        return _route(ask.method, ask.path)[0]
    except RefusedError:
        return None


def _route(method: str, path: str) -> tuple[Call, str]:
    """Return which call it is and the room's UUID, empty if about none; else ``RefusedError`` with 404 or 405."""
    uuid = path.removeprefix(f"{ROOMS_PATH}/")
    if path.removesuffix("/") == ROOMS_PATH:
        calls, about = _ALL_ROOMS, ""
    elif uuid != path and "/" not in uuid:
        calls, about = _ONE_ROOM, uuid
    else:
        raise RefusedError(404, "no such path")
    if method not in calls:
        raise RefusedError(405, "no such method on this path", allow=tuple(sorted(calls)))
    return calls[method], about
