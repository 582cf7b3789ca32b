"""The service without a network: a request goes in, a response comes out."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs
from zlib import crc32

from netless_rooms._auth.tokens import AccessKey, Role, TokenInfo, TokenKind, issue_token, read_token, verify_token
from netless_rooms.emulator.exchange import CallName, RefusedError, Request, Response, encode_json
from netless_rooms.emulator.quirks import MAX_PAGE, Quirks
from netless_rooms.emulator.rooms import APP_UUID, RoomStore, normalize_uuid
from netless_rooms.errors import TokenError

REGIONS: Final = ("us-sv", "sg", "in-mum", "eu", "cn-hz")
MAX_BODY: Final = 2**20  # bytes
MAX_NAME: Final = 2048  # bytes
MAX_LIFESPAN: Final = 10**14  # ms, some 3,000 years
MAX_PARAMETERS: Final = 100
MAX_INTEGER: Final = 2**53 - 1  # the service is written in JavaScript, which is exact up to here
DEFAULT_PAGE: Final = "100"

_CALLS: Final[Mapping[str, Mapping[str, CallName]]] = {
    "/v5/rooms": {"POST": "create", "GET": "list"},
    "/v5/rooms/*": {"GET": "get", "PATCH": "set-ban"},
    "/v5/tokens/teams": {"POST": "sdk-token"},
    "/v5/tokens/rooms/*": {"POST": "room-token"},
}

# Source: the permission table in the service's documentation.  A role that is not listed permits nothing.
PERMISSIONS: Final[Mapping[tuple[TokenKind, Role], tuple[CallName, ...]]] = {
    (TokenKind.SDK, Role.ADMIN): ("create", "list", "get", "set-ban", "room-token"),
    (TokenKind.SDK, Role.WRITER): ("create", "list", "get", "room-token"),
    (TokenKind.SDK, Role.READER): ("room-token",),
    (TokenKind.ROOM, Role.ADMIN): ("get", "set-ban", "room-token"),
    (TokenKind.ROOM, Role.WRITER): ("get", "room-token"),
    (TokenKind.ROOM, Role.READER): ("room-token",),
}


class Service:
    """One whiteboard project with its rooms.  Synchronous, without a clock of its own; its owner locks."""

    def __init__(self, rooms: int, key: AccessKey, quirks: Quirks) -> None:
        self.key = key
        self.quirks = quirks
        self.store: RoomStore = RoomStore(rooms, quirks)

    def respond(self, request: Request, now: float) -> Response:
        """Return the response at ``now``, in seconds since the epoch, before any envelope.

        The order of checks: body size, path, method, token, region, permission, body or query, existing room.
        """
        try:
            return self._decide(request, now)
        except RefusedError as refusal:
            return refusal.response

    def in_envelope(self, response: Response) -> Response:
        """Return the response in an envelope if this service has one."""
        if not self.quirks.envelope:
            return response
        body = b'{"status":%d,"body":%b}' % (response.status, response.body)
        return Response(response.status, body, response.allow)

    def issue_token(self, uuid: str | None, role: Role, lifetime: timedelta | None, now: float) -> str:
        """Return a new token for a room, or for the project; it expires after ``lifetime``, ``None`` is never."""
        # Not AccessKey's own methods: they go by the machine's clock, and an emulator may have another one.
        expiry = None if lifetime is None else (timedelta(seconds=now) + lifetime) // timedelta(milliseconds=1)
        kind = TokenKind.SDK if uuid is None else TokenKind.ROOM
        return issue_token(self.key, kind, uuid, role, expiry).text

    def _decide(self, request: Request, now: float) -> Response:
        if len(request.body) > MAX_BODY:
            raise RefusedError(413, f"the body is longer than {MAX_BODY} bytes")
        call, uuid = route(request.method, request.path)
        token = None
        if call != "sdk-token":
            token = authenticate(request.headers.get("token", ""), self.key, now)
        region = self._region(request)
        if token is None:
            return Response(201, encode_json(self._sdk_token(request.body, now)))
        authorize(token, call, uuid)
        if call == "create":
            members = read_create(request.body, region, self.quirks)
            return Response(201, encode_json(self.store.create(now, members, region)))
        if call == "list":
            return self._list(request.query, region)
        is_ban = read_set_ban(request.body) if call == "set-ban" else None
        role, lifetime = read_token_request(request.body) if call == "room-token" else (token.role, None)
        if role < token.role:
            raise _role_forbidden(token)
        found = self.store.find(uuid, region)
        if found is None:
            raise RefusedError(404, "room not found")
        if call == "room-token":
            return Response(201, encode_json(self.issue_token(found, role, lifetime, now)))
        if is_ban is None:
            return Response(200, encode_json(self.store.room(found)))
        return Response(201, encode_json(self.store.set_ban(found, is_ban)))

    def _list(self, query: str, region: str) -> Response:
        begin, limit = read_list(query)
        if begin is not None:
            begin = self.store.find(begin, region) or normalize_uuid(begin)
            if self.quirks.unknown_begin != "seek" and not self.store.lists(begin, region):
                status = 400 if self.quirks.unknown_begin == "bad_request" else 404
                raise RefusedError(status, "beginUUID names no room")
        return Response(200, self.store.page(begin, page_size(self.quirks, begin, limit), region))

    def _sdk_token(self, body: bytes, now: float) -> str:
        members = _read_object(body)
        given = members.get("accessKey"), members.get("secretAccessKey")
        if given != (self.key.access_key, self.key.secret_key):
            raise RefusedError(401, "accessKey and secretAccessKey must be those of the project")
        role, lifetime = read_token_request(body)
        return self.issue_token(None, role, lifetime, now)

    def _region(self, request: Request) -> str:
        region = request.headers.get("region", "").strip()
        if not region and self.quirks.missing_region == "refused":
            raise RefusedError(400, "the header region is required")
        if region and region not in REGIONS and self.quirks.unknown_region == "refused":
            raise RefusedError(400, f"the header region must be one of {', '.join(REGIONS)}")
        return region or self.quirks.missing_region


def route(method: str, path: str) -> tuple[CallName, str]:
    """Return the call, and the room's UUID or ``""``; refuses an unknown path with 404, a method with 405."""
    path = "/v5/rooms" if path == "/v5/rooms/" else path
    parent, _, uuid = path.rpartition("/")
    on_one_room = _CALLS.get(f"{parent}/*") if uuid else None
    calls = on_one_room or _CALLS.get(path)
    if calls is None:
        raise RefusedError(404, "no such path")
    if method not in calls:
        raise RefusedError(405, "no such method on this path", allow=tuple(sorted(calls)))
    return calls[method], uuid if on_one_room else ""


def call_of(request: Request) -> CallName | None:
    """Return which call the request makes, ``None`` for no call."""
    try:
        return route(request.method, request.path)[0]
    except RefusedError:
        return None


def authenticate(token: str, key: AccessKey, now: float) -> TokenInfo:
    """Return the content of a genuine, current token of this project; refuses any other with 401."""
    try:
        claimed = read_token(token)
    except TokenError:
        raise RefusedError(401, "invalid format of token") from None
    if claimed.access_key != key.access_key:
        raise RefusedError(401, "token access team forbidden")
    try:
        verify_token(token, key.secret_key)
    except TokenError:
        raise RefusedError(401, "invalid signature of token") from None
    if claimed.expires_at is not None and claimed.expires_at.timestamp() <= now:
        raise RefusedError(401, "expired token")
    return claimed


def authorize(token: TokenInfo, call: CallName, uuid: str) -> None:
    """Refuse a call, on room ``uuid`` if about one, that the token does not allow, with 403."""
    if token.kind is not TokenKind.SDK:
        if call in {"create", "list"}:
            raise RefusedError(403, "token access team forbidden")
        if token.kind is TokenKind.TASK or normalize_uuid(token.uuid or "") != normalize_uuid(uuid):
            raise RefusedError(403, "token access room forbidden")
    if call not in PERMISSIONS[token.kind, token.role]:
        raise _role_forbidden(token)


def _role_forbidden(token: TokenInfo) -> RefusedError:
    return RefusedError(403, f"token access role {token.role.name.lower()} forbidden")


def read_create(body: bytes, region: str, quirks: Quirks) -> dict[str, object]:
    """Return the members of a new room that a create decides; refuses a wrong body with 400."""
    members = _read_object(body)
    is_record = members.get("isRecord", quirks.record_default == "on_in_cn_hz" and region == "cn-hz")
    limit = members.get("limit", 0)
    if not isinstance(is_record, bool):
        raise RefusedError(400, "isRecord must be a boolean")
    if type(limit) is not int or not 0 <= limit <= MAX_INTEGER:
        raise RefusedError(400, "limit must be an integer and not negative")
    decided: dict[str, object] = {"isRecord": is_record, "limit": limit}
    if quirks.created_name == "ignored":
        return decided
    name = members.get("name", "")
    if not isinstance(name, str) or len(encoded := name.encode(errors="replace")) > MAX_NAME:
        raise RefusedError(400, f"name must be a string of at most {MAX_NAME} bytes")
    return decided | {"name": encoded.decode(), "appUUID": APP_UUID if quirks.created_name == "kept" else ...}


def read_set_ban(body: bytes) -> bool:
    """Return ``isBan``; refuses a wrong body with 400."""
    is_ban = _read_object(body).get("isBan")
    if not isinstance(is_ban, bool):
        raise RefusedError(400, "isBan is required and must be a boolean")
    return is_ban


def read_token_request(body: bytes) -> tuple[Role, timedelta | None]:
    """Return the role of a new token and how long it lives, ``None`` for always; refuses a wrong body with 400."""
    members = _read_object(body)
    role, lifespan = members.get("role"), members.get("lifespan")
    if role not in [each.name.lower() for each in Role]:
        raise RefusedError(400, "role must be admin, writer or reader")
    if type(lifespan) is not int or not 0 <= lifespan <= MAX_LIFESPAN:
        raise RefusedError(400, f"lifespan must be an integer from 0 to {MAX_LIFESPAN}")
    return Role[role.upper()], timedelta(milliseconds=lifespan) if lifespan else None


def read_list(query: str) -> tuple[str | None, int]:
    """Return ``beginUUID``, ``None`` if it is left out or empty, and ``limit``; refuses wrong ones with 400."""
    try:
        parameters = parse_qs(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise RefusedError(400, "too many query parameters") from None
    for name in ("beginUUID", "limit"):
        if len(parameters.get(name, ())) > 1:
            raise RefusedError(400, f"{name} is given more than once")
    limit = parameters.get("limit", [DEFAULT_PAGE])[0]
    if not (re.fullmatch("[0-9]{1,4}", limit) and 1 <= int(limit) <= MAX_PAGE):
        raise RefusedError(400, f"limit must be an integer from 1 to {MAX_PAGE}")
    return parameters.get("beginUUID", [""])[0] or None, int(limit)


def page_size(quirks: Quirks, begin: str | None, limit: int) -> int:
    """Return how many rooms a page from ``begin`` holds, if so many are left."""
    size = min(limit, quirks.page_cap or limit)
    if not quirks.short_pages:
        return size
    least = min(size, 2 if begin is not None and quirks.cursor == "inclusive" else 1)
    return least + crc32((begin or "").encode(errors="replace")) % (size - least + 1)


def _read_object(body: bytes) -> Mapping[str, Any]:
    if not body:
        return {}
    try:
        # Decoded here, because json.loads would take UTF-16 bytes as well.
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "the body must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
