"""How a token is spelled, signed, read and checked.  Pure: the time and the nonce are arguments.

How it works
------------
A token is a prefix that names its kind, then base64url without padding of pairs::

    ak=KEY&expireAt=1795459824102&nonce=UNIQUE&role=0&sig=HEX&uuid=ROOM

Keys are sorted; values are spelled as JavaScript's encodeURIComponent does.  ``sig`` is the hex HMAC-SHA256,
under the secret key, of the JSON of all *other* pairs: sorted keys, string values, no spaces, non-ASCII
characters as they are.  So anyone can read a token, and who holds the secret can tell whether it is genuine.

Invariant: reading accepts a text only if writing what was read gives that very text again.  It is what makes
"any changed byte fails" true, because base64 (spare bits, alphabet) and percent-encoding (``%41``, ``%e9``) know
several spellings of one meaning, and the signature covers only the meaning.

The subtle case: the prefix is not signed.  A room token renamed to a task token is still well signed, so whoever
accepts tokens must look at ``kind``; SDK tokens differ in shape (no ``uuid``) and cannot be renamed.

Source: the open-source code in netless-io/netless-token; the tests hold tokens that it made.
"""

import hashlib
import hmac
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Final
from urllib.parse import quote, unquote
from uuid import uuid4

from attrs import Attribute, field, frozen

from netless_rooms._validation import check_uuid
from netless_rooms.errors import TokenError

LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999, in milliseconds since the epoch
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
UNRESERVED: Final = "-_.!~*'()"  # what encodeURIComponent leaves alone besides letters and digits


class Role(IntEnum):
    """What a token may do; the smaller number may do more.

    .. versionadded:: 0.1
    """

    ADMIN = 0
    """All four calls, disabling and enabling included."""
    WRITER = 1
    """Create, get and list."""
    READER = 2
    """None of the calls: a reader's token is for joining a room."""


class TokenKind(StrEnum):
    """What a token is for.

    .. versionadded:: 0.1
    """

    SDK = "sdk"
    """The whole project."""
    ROOM = "room"
    """One room."""
    TASK = "task"
    """One file-conversion task."""

    @property
    def prefix(self) -> str:
        """How every token of this kind begins.

        .. versionadded:: 0.1
        """
        return f"NETLESS{self.upper()}_"


@frozen(kw_only=True)
class TokenInfo:
    """What a token says about itself; nothing in it is secret.

    .. versionadded:: 0.1
    """

    kind: TokenKind
    """What it is for."""
    access_key: str
    """The project's access key."""
    role: Role
    """What it may do."""
    uuid: str | None
    """The room or task that it is for; ``None`` in an SDK token."""
    expires_at: datetime | None
    """When it ends: aware, UTC, to the millisecond; ``None`` is never."""
    nonce: str
    """What makes two tokens for the same thing differ."""


def sign_token(
    kind: TokenKind,
    *,
    access_key: str,
    secret_key: str,
    role: Role,
    uuid: str | None,
    expires_at_ms: int | None,
    nonce: str,
) -> str:
    """Return a signed token.  ``expires_at_ms`` counts from the Unix epoch; ``None`` never expires."""
    pairs = {"ak": access_key, "nonce": nonce, "role": str(int(role))}
    if uuid is not None:
        pairs["uuid"] = uuid
    if expires_at_ms is not None:
        pairs["expireAt"] = str(expires_at_ms)
    return _spell(kind, pairs | {"sig": _signature(pairs, secret_key)})


def read_token(token: str) -> TokenInfo:
    """Return what ``token`` says about itself; needs no secret, so it does not tell whether it is genuine.

    Raises ``TokenError`` when it is malformed, ``TypeError`` when it is not a string.

    .. versionadded:: 0.1
    """
    return _describe(*_parse(token))


def read_signature(token: str) -> str:
    """Return the signature of ``token``, which is what makes it worth anything; else as ``read_token``."""
    return _parse(token)[1]["sig"]


def verify_token(token: str, secret_key: str) -> TokenInfo:
    """Return what ``token`` says about itself, if ``secret_key`` signed it.

    Whether it has expired is not looked at: compare ``expires_at`` with your clock.  The kind is not part of
    what is signed: compare ``kind`` with the kind that you expect.

    Raises ``TokenError`` when it is malformed or its signature is wrong, ``TypeError`` when an argument is not a
    string.

    .. versionadded:: 0.1
    """
    if not isinstance(secret_key, str):
        raise TypeError(f"secret_key must be a string, not {type(secret_key).__name__}")
    kind, pairs = _parse(token)
    described = _describe(kind, pairs)
    signed = pairs.pop("sig")
    if not hmac.compare_digest(signed, _signature(pairs, secret_key)):
        raise TokenError("the token's signature is wrong: another secret key made it, or it was changed")
    return described


def _signature(pairs: Mapping[str, str], secret_key: str) -> str:
    signed = json.dumps(pairs, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    # A key that is no proper text has signed nothing; spelling it anyway keeps it out of an encoding error.
    key = secret_key.encode(errors="surrogatepass")
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()


def _spell(kind: TokenKind, pairs: Mapping[str, str]) -> str:
    query = "&".join(f"{quote(key, UNRESERVED)}={quote(pairs[key], UNRESERVED)}" for key in sorted(pairs))
    return kind.prefix + urlsafe_b64encode(query.encode()).decode().rstrip("=")


def _parse(token: str) -> tuple[TokenKind, dict[str, str]]:
    if not isinstance(token, str):
        raise TypeError(f"a token is a string, not {type(token).__name__}")
    kind = next((kind for kind in TokenKind if token.startswith(kind.prefix)), None)
    if kind is None:
        raise TokenError("malformed token: it does not start with NETLESSSDK_, NETLESSROOM_ or NETLESSTASK_")
    encoded = token.removeprefix(kind.prefix)
    try:
        query = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
        split = [pair.split("=", 1) for pair in query.split("&")]
        pairs = {unquote(key): unquote(value) for key, value in split}
        if _spell(kind, pairs) == token:
            return kind, pairs
    except ValueError:  # covers wrong base64, wrong UTF-8 and a pair without "="
        pass
    raise TokenError(f"malformed token: what follows {kind.prefix} is not spelled as a token is; was it cut?")


def _describe(kind: TokenKind, pairs: Mapping[str, str]) -> TokenInfo:
    wanted = {"ak", "nonce", "role", "sig"} | ({"uuid"} if kind is not TokenKind.SDK else set())
    if missing := sorted(name for name in wanted if not pairs.get(name)):
        raise TokenError(f"malformed token: it has no {', '.join(missing)}")
    if kind is TokenKind.SDK and "uuid" in pairs:
        raise TokenError("malformed token: an SDK token has no uuid")
    if pairs["role"] not in {"0", "1", "2"}:
        raise TokenError("malformed token: its role is none of 0, 1 and 2")
    if not re.fullmatch("[0-9a-f]{64}", pairs["sig"]):
        raise TokenError("malformed token: its signature is not 64 lowercase hex digits")
    return TokenInfo(
        kind=kind,
        access_key=pairs["ak"],
        role=Role(int(pairs["role"])),
        uuid=pairs.get("uuid"),
        expires_at=_expiry(pairs.get("expireAt")),
        nonce=pairs["nonce"],
    )


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    if not re.fullmatch("0|[1-9][0-9]{0,15}", text):
        raise TokenError("malformed token: its expireAt is not a number of milliseconds")
    if int(text) > LAST_MS:
        raise TokenError("malformed token: its expireAt is past the year 9999")
    return EPOCH + timedelta(milliseconds=int(text))


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
        return issue_token(self, kind, uuid, Role(role), _expiry_in(lifetime))


def issue_token(key: AccessKey, kind: TokenKind, uuid: str | None, role: Role, expires_at_ms: int | None) -> str:
    """Return a new token, of which there is no second one.

    ``expires_at_ms`` counts from the Unix epoch; ``None`` never expires.
    """
    return sign_token(
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
