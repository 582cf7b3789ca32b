"""Who may do what: the token of a request, checked as the service checks it."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from netless_rooms._auth.tokens import AccessKey, Role, TokenInfo, TokenKind, read_token, verify_token
from netless_rooms.emulator.answers import RefusedError
from netless_rooms.errors import TokenError


class Call(Enum):
    """The four calls."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    SET_BAN = "set-ban"


ABOUT_ONE_ROOM: Final = frozenset({Call.GET, Call.SET_BAN})

# Source: the permission table in the service's documentation.  Whoever is not here may do nothing.
MAY: Final[Mapping[tuple[TokenKind, Role], frozenset[Call]]] = {
    (TokenKind.SDK, Role.ADMIN): frozenset(Call),
    (TokenKind.SDK, Role.WRITER): frozenset({Call.CREATE, Call.GET, Call.LIST}),
    (TokenKind.ROOM, Role.ADMIN): frozenset({Call.GET, Call.SET_BAN}),
    (TokenKind.ROOM, Role.WRITER): frozenset({Call.GET}),
}


def admit(token: str, key: AccessKey, now: float) -> TokenInfo:
    """Return what a genuine, current token of this project says; else ``RefusedError`` with 401.

    ``now`` is in seconds since the epoch; a token ends with the moment that it names.
    """
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


def permit(token: TokenInfo, call: Call, uuid: str) -> None:
    """Return if the token may make the call, on the room ``uuid`` if about one; else ``RefusedError`` with 403."""
    if token.kind is not TokenKind.SDK and call not in ABOUT_ONE_ROOM:
        raise RefusedError(403, "token access team forbidden")
    if token.kind is TokenKind.TASK or (token.kind is TokenKind.ROOM and token.uuid != uuid):
        raise RefusedError(403, "token access room forbidden")
    if call not in MAY.get((token.kind, token.role), frozenset()):
        raise RefusedError(403, f"token access role {token.role.name.lower()} forbidden")
