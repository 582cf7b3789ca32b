"""Tokens for the service: make them from an access key, read them, check them.

How a token is spelled and signed stands in ``netless_rooms.signing``, which is pure; what needs a clock and a
unique nonce stands here.
"""

import time
from datetime import timedelta
from uuid import uuid4

from attrs import Attribute, field, frozen

from netless_rooms._validation import check_uuid
from netless_rooms.signing import LAST_MS, Role, TokenInfo, TokenKind, mint, read_token, verify_token

__all__ = ["AccessKey", "Role", "TokenInfo", "TokenKind", "read_token", "verify_token"]


def _is_text(_: object, attribute: "Attribute[str]", value: str) -> None:
    # No message here shows the value: one of the two is the secret.
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a string, not {type(value).__name__}")
    if not value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{attribute.name} must be text and not empty")
    if value != value.strip():
        raise ValueError(f"{attribute.name} must not begin or end with white space; is there a line break left?")


@frozen
class AccessKey:
    """The access key and secret key of a whiteboard project, from Agora Console; makes tokens locally.

    The secret is in no repr and in no error.  Nothing is sent anywhere.  Keep it on your server: whoever has the
    secret can make every token.

    .. versionadded:: 0.1
    """

    access_key: str = field(validator=_is_text)
    """Names the project; part of every token."""
    secret_key: str = field(validator=_is_text, repr=False)
    """Signs the tokens; never leaves this process."""

    def sdk_token(self, *, role: Role, lifetime: timedelta | None) -> str:
        """Return a new token for the whole project.

        ``lifetime`` is at least a millisecond from now by this machine's clock, and is cut to milliseconds;
        ``None`` never expires, which the service's documentation advises against.  Raises ``ValueError`` or
        ``TypeError`` for a wrong argument.  The service's own server code uses ten minutes.

        .. versionadded:: 0.1
        """
        return self._token(TokenKind.SDK, None, role, lifetime)

    def room_token(self, uuid: str, *, role: Role, lifetime: timedelta | None) -> str:
        """Return a new token for the one room ``uuid``, as a browser needs it to join; else as ``sdk_token``.

        .. versionadded:: 0.1
        """
        return self._token(TokenKind.ROOM, check_uuid("uuid", uuid), role, lifetime)

    def task_token(self, uuid: str, *, role: Role, lifetime: timedelta | None) -> str:
        """Return a new token for the one file-conversion task ``uuid``; else as ``sdk_token``.

        .. versionadded:: 0.1
        """
        return self._token(TokenKind.TASK, check_uuid("uuid", uuid), role, lifetime)

    def _token(self, kind: TokenKind, uuid: str | None, role: Role, lifetime: timedelta | None) -> str:
        if isinstance(role, bool) or not isinstance(role, int):
            raise TypeError(f"role must be a Role, not {type(role).__name__}")
        return draw_token(self, kind, uuid, Role(role), _expiry_in(lifetime))


def draw_token(key: AccessKey, kind: TokenKind, uuid: str | None, role: Role, expires_at_ms: int | None) -> str:
    """Return a new token, of which there is no second one.

    ``expires_at_ms`` counts from the Unix epoch; ``None`` never expires.
    """
    return mint(
        kind,
        access_key=key.access_key,
        secret_key=key.secret_key,
        role=role,
        uuid=uuid,
        expires_at_ms=expires_at_ms,
        nonce=str(uuid4()),
    )


def _expiry_in(lifetime: timedelta | None) -> int | None:
    if lifetime is None:
        return None
    if not isinstance(lifetime, timedelta):
        raise TypeError(f"lifetime must be a timedelta or None, not {type(lifetime).__name__}")
    milliseconds = lifetime // timedelta(milliseconds=1)
    until = time.time_ns() // 1_000_000 + milliseconds
    if milliseconds < 1 or until > LAST_MS:
        raise ValueError("lifetime must be a millisecond or more, up to the year 9999, or None to never expire")
    return until
