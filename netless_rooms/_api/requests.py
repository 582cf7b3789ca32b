"""The four calls as requests: method, path, query, body, least role, and what a good response contains.  Pure.

Every argument is checked here.  A uuid has letters, digits, ``-`` and ``_`` only, so it cannot change the path.
"""

from collections.abc import Mapping
from json import dumps
from typing import Any, Generic, TypeVar, overload
from urllib.parse import urlencode

from attrs import field, frozen

from netless_rooms._auth.permissions import ROLE_TO_DISABLE
from netless_rooms._auth.tokens import Role
from netless_rooms._validation import MAX_PAGE_SIZE, ROOMS_PATH, check_count, check_flag, check_uuid
from netless_rooms._version import __version__
from netless_rooms.models import MixedPage, Room, RoomPage

Result = TypeVar("Result", Room, RoomPage, MixedPage)


@frozen(kw_only=True)
class ApiRequest(Generic[Result]):
    """One request to the service, before a token and a region are added."""

    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    is_repeatable: bool = True  # whether sending it twice leaves everything as sending it once
    role: Role = Role.WRITER  # the least that its token needs
    room_uuid: str | None = None  # the one room that it is about; a token for that room suffices
    model: type[Result]
    expected: Mapping[str, str | bool] = field(factory=dict)  # attributes that the returned room must have

    @property
    def path_and_query(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def create_room(*, limit: int | None = None, is_record: bool | None = None) -> ApiRequest[Room]:
    """``POST /v5/rooms``; sends only what is set."""
    body: dict[str, int | bool] = {}
    if is_record is not None:
        body["isRecord"] = check_flag("is_record", is_record)
    if limit is not None:
        body["limit"] = check_count("limit", limit, at_least=0)
    return ApiRequest(method="POST", path=ROOMS_PATH, body=_json(body), is_repeatable=False, model=Room)


def get_room(uuid: str) -> ApiRequest[Room]:
    """``GET /v5/rooms/{uuid}``."""
    return _of_room(uuid, method="GET", expected={"uuid": uuid})


@overload
def list_rooms(*, begin_uuid: str | None = None, limit: int | None = None) -> ApiRequest[RoomPage]: ...
@overload
def list_rooms(*, begin_uuid: str | None = None, limit: int | None = None, tolerant: bool) -> ApiRequest[Any]: ...
def list_rooms(
    *, begin_uuid: str | None = None, limit: int | None = None, tolerant: bool = False
) -> ApiRequest[Any]:
    """``GET /v5/rooms?beginUUID=&limit=``; if ``tolerant``, a member that is not a room is an ``InvalidRoom``."""
    query: dict[str, str | int] = {}
    if begin_uuid is not None:
        query["beginUUID"] = check_uuid("begin_uuid", begin_uuid)
    if limit is not None:
        query["limit"] = check_count("limit", limit, at_least=1, at_most=MAX_PAGE_SIZE)
    model = MixedPage if tolerant else RoomPage
    return ApiRequest(method="GET", path=ROOMS_PATH, query=urlencode(query), model=model)


def ban_room(uuid: str, *, is_ban: bool) -> ApiRequest[Room]:
    """``PATCH /v5/rooms/{uuid}``: disable (``True``) or enable (``False``)."""
    body, expected = _json({"isBan": is_ban}), {"uuid": uuid, "is_ban": is_ban}
    return _of_room(uuid, method="PATCH", body=body, role=ROLE_TO_DISABLE, expected=expected)


def request_headers(*, token: str, region: str) -> dict[str, str]:
    """Return all headers of a request; no others are sent, apart from ``Host`` and those of the connection."""
    return {
        "token": token,
        "region": region,
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "user-agent": f"netless_rooms/{__version__}",
    }


def _of_room(uuid: str, **fields: Any) -> ApiRequest[Room]:
    return ApiRequest(path=f"{ROOMS_PATH}/{check_uuid('uuid', uuid)}", room_uuid=uuid, model=Room, **fields)


def _json(body: Mapping[str, int | bool]) -> bytes:
    return dumps(body, separators=(",", ":")).encode()
