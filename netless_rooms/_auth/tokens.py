"""Tokens: access keys, signing, reading and verifying.

A token is a prefix that names its kind, then base64url without padding of pairs::

    ak=KEY&expireAt=1795459824102&nonce=UNIQUE&role=0&sig=HEX&uuid=ROOM

``sig`` is the hex HMAC-SHA256, under the secret key, of the JSON of all *other* pairs: sorted keys, string values,
no spaces.  So anyone can read a token, and only a holder of the secret key can verify it.

Tokens signed here are those of the vendor's JavaScript and server code: sorted pairs, values encoded as by
encodeURIComponent, non-ASCII characters unescaped in the signed JSON.  For unusual keys its other samples differ:
some keep another order, encode a space as ``+``, or escape non-ASCII characters or ``/`` in the JSON.  All these
are read and verified.  What has one meaning only is strict: each name occurs once, each value is valid UTF-8 in
valid percent-encoding, and the base64url has no spare bits.  So every change of a pair, and every cut, fails.

The prefix is not signed: a room token renamed to a task token still verifies.  An SDK token cannot be renamed,
because the other kinds have a ``uuid``.

Source: the open-source code in netless-io/netless-token; the tests have tokens in all its encodings.
"""

import hmac
import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from math import inf
from typing import Final, Self, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

from attrs import Attribute, field, frozen

from netless_rooms._auth.redaction import redact
from netless_rooms._validation import check_type, check_uuid, paste_artifact
from netless_rooms.errors import InvalidArgumentError, TokenError

MAX_EXPIRY_MS: Final = 253_402_300_799_999  # the end of the year 9999, in milliseconds since the epoch
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
ONE_DAY: Final = timedelta(days=1)
UNRESERVED: Final = "-_.!~*'()"  # what encodeURIComponent keeps besides letters and digits

Lifetime: TypeAlias = timedelta | float | None  # a number is in seconds, None never expires

_TEXT: Final = rf"(?:[A-Za-z0-9+{re.escape(UNRESERVED)}]|%[0-9A-Fa-f]{{2}})*"
_QUERY: Final = re.compile(f"{_TEXT}={_TEXT}(?:&{_TEXT}={_TEXT})*")


class Role(IntEnum):
    """What a token permits; a lower number permits more."""

    ADMIN = 0  #: All calls, including disable and enable.
    WRITER = 1  #: Create, get and list.
    READER = 2  #: None of the calls: a reader token is for joining a room.


class TokenKind(StrEnum):
    """What a token is for."""

    SDK = "sdk"  #: The whole project.
    ROOM = "room"  #: One room.
    TASK = "task"  #: One file-conversion task.

    @property
    def prefix(self) -> str:
        """The start of every token of this kind."""
        return f"NETLESS{self.upper()}_"


@frozen(kw_only=True)
class TokenInfo:
    """The contents of a token; none of it is secret."""

    kind: TokenKind  #: What it is for.
    access_key: str  #: The project's access key.
    role: Role  #: What it permits.
    uuid: str | None  #: The room or task that it is for; ``None`` in an SDK token.
    expires_at: datetime | None  #: When it expires: aware, UTC, millisecond precision; ``None`` for never.
    nonce: str  #: A unique string, so that no two tokens are equal.


@frozen(eq=False)
class Token:
    """A token as it is sent.  Compared by identity: a renewed token is another one, even with the same text."""

    text: str = field(repr=False)
    info: TokenInfo | None  # ``None`` if it cannot be read

    @classmethod
    def parse(cls, text: str) -> Self:
        try:
            return cls(text, read_token(text))
        except TokenError:
            return cls(text, None)

    def redact(self, text: str) -> str:
        """Return ``text`` without this token, its signature, pieces of them, and other tokens."""
        return redact(text, self.text)

    def seconds_left(self, now: float) -> float:
        """Return the seconds from ``now``, in seconds since the epoch, until it expires; infinite if never."""
        if self.info is None or self.info.expires_at is None:
            return inf
        return self.info.expires_at.timestamp() - now


def sign_token(info: TokenInfo, secret_key: str) -> Token:
    """Return the token with these contents; ``expires_at`` is cut to milliseconds."""
    pairs = {"ak": info.access_key, "nonce": info.nonce, "role": str(int(info.role))}
    if info.uuid is not None:
        pairs["uuid"] = info.uuid
    if info.expires_at is not None:
        pairs["expireAt"] = str((info.expires_at - EPOCH) // MILLISECOND)
    pairs["sig"] = _signature(pairs, secret_key)
    query = urlencode(sorted(pairs.items()), safe=UNRESERVED, quote_via=quote)
    return Token(info.kind.prefix + _base64(query), info)


def issue_token(key: "AccessKey", kind: TokenKind, uuid: str | None, role: Role, expiry_ms: int | None) -> Token:
    """Return a new token with a unique nonce; ``expiry_ms`` is since the epoch, ``None`` never expires."""
    end = None if expiry_ms is None else EPOCH + expiry_ms * MILLISECOND
    ak, nonce = key.access_key, str(uuid4())
    info = TokenInfo(kind=kind, access_key=ak, role=role, uuid=uuid, expires_at=end, nonce=nonce)
    return sign_token(info, key.secret_key)


def read_token(token: str) -> TokenInfo:
    """Return the contents of ``token`` without verifying the signature, which needs the secret key.

    Raises ``TokenError`` if the token is malformed, ``InvalidArgumentTypeError`` if it is not a string.
    """
    return _parse(token)[0]


def verify_token(token: str, secret_key: str) -> TokenInfo:
    """Return the contents of ``token`` if it was signed with ``secret_key``.

    Check ``expires_at`` yourself, and ``kind``, which is not signed.  Raises ``TokenError`` if the token is
    malformed or the signature is wrong, ``InvalidArgumentTypeError`` if an argument is not a string.
    """
    check_type("secret_key", secret_key, str, "a string")
    info, pairs = _parse(token)
    signature = pairs.pop("sig")
    right = (_signature(pairs, secret_key, escaped=escaped) for escaped in ("", "non-ASCII", "non-ASCII and /"))
    if not any(hmac.compare_digest(signature, each) for each in right):
        raise TokenError("the token's signature is wrong: it was signed with another secret key, or changed")
    return info


def _signature(pairs: Mapping[str, str], secret_key: str, *, escaped: str = "") -> str:
    signed = json.dumps(pairs, ensure_ascii=bool(escaped), separators=(",", ":"), sort_keys=True)
    signed = signed.replace("/", r"\/") if "/" in escaped else signed
    # A key with a lone surrogate has signed nothing; encoding it anyway keeps it out of a UnicodeEncodeError.
    return hmac.new(secret_key.encode(errors="surrogatepass"), signed.encode(), "sha256").hexdigest()


def _base64(query: str) -> str:
    return urlsafe_b64encode(query.encode()).decode().rstrip("=")


def _parse(token: str) -> tuple[TokenInfo, dict[str, str]]:
    """Return the contents of a token, and all its pairs."""
    check_type("token", token, str, "a string")
    kind = next((kind for kind in TokenKind if token.startswith(kind.prefix)), None)
    if kind is None:
        artifact = paste_artifact(token)
        flaw = f"has {artifact}" if artifact else "does not start with NETLESSSDK_, NETLESSROOM_ or NETLESSTASK_"
        raise TokenError(f"malformed token: it {flaw}")
    pairs = _decode(token.removeprefix(kind.prefix))
    if flaw := _flaw(kind, pairs):
        raise TokenError(f"malformed token: {flaw}")
    ak, nonce, role, uuid = pairs["ak"], pairs["nonce"], Role(int(pairs["role"])), pairs.get("uuid")
    end = EPOCH + int(pairs["expireAt"]) * MILLISECOND if "expireAt" in pairs else None
    return TokenInfo(kind=kind, access_key=ak, role=role, uuid=uuid, expires_at=end, nonce=nonce), pairs


def _decode(encoded: str) -> dict[str, str]:
    """Return the pairs of a token; none if it cannot be decoded, or if another text decodes to the same."""
    try:
        query = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("ascii")
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except ValueError:  # wrong base64 or wrong UTF-8
        return {}
    is_strict = _base64(query) == encoded and _QUERY.fullmatch(query) and len(pairs) == len(dict(pairs))
    return dict(pairs) if is_strict else {}


def _flaw(kind: TokenKind, pairs: Mapping[str, str]) -> str:
    required = ["ak", "nonce", "role", "sig", *(["uuid"] if kind is not TokenKind.SDK else [])]
    missing = [name for name in required if not pairs.get(name)]
    end = pairs.get("expireAt", "0")
    is_number = re.fullmatch("0|[1-9][0-9]{0,15}", end) is not None
    flaws = (
        (not pairs, f"the text after {kind.prefix} cannot be decoded; was it cut or changed?"),
        (missing, f"it has no {', '.join(missing)}"),
        (kind is TokenKind.SDK and "uuid" in pairs, "an SDK token has no uuid"),
        (pairs.get("role") not in {"0", "1", "2"}, "its role is not 0, 1 or 2"),
        (not re.fullmatch("[0-9a-f]{64}", pairs.get("sig", "")), "its signature is not 64 lowercase hex digits"),
        (not is_number, "its expireAt is not a number of milliseconds"),
        (is_number and int(end) > MAX_EXPIRY_MS, "its expireAt is after the year 9999"),
    )
    return next((flaw for applies, flaw in flaws if applies), "")


def _check_key(_: object, attribute: "Attribute[str]", value: str) -> None:
    # No message shows the value, because one of the two is the secret.
    check_type(attribute.name, value, str, "a string")
    if not value or any("\ud800" <= character <= "\udfff" for character in value):
        flaw = "be text and not empty"
    elif value != value.strip():
        flaw = "not begin or end with white space; is there a line break left?"
    elif artifact := paste_artifact(value):
        flaw = f"be without {artifact}"
    else:
        return
    raise InvalidArgumentError(f"{attribute.name} must {flaw}")


@frozen
class AccessKey:
    """The access key and secret key of a whiteboard project, from Agora Console; signs tokens on this machine.

    No repr and no error shows the secret key.  Keep it on your server.  Raises ``InvalidArgumentError`` if a key
    is not a string, is empty, begins or ends with white space or a quotation mark, or has an invisible character.
    """

    access_key: str = field(validator=_check_key)  #: Identifies the project; part of every token.
    secret_key: str = field(validator=_check_key, repr=False)  #: Signs the tokens; never leaves this process.

    @classmethod
    def from_env(cls) -> Self:
        """Return the key in ``NETLESS_ACCESS_KEY`` and ``NETLESS_SECRET_KEY``.

        Raises ``InvalidArgumentError`` if a key is wrong or missing; it names all variables that are not set.
        """
        from netless_rooms._auth.environment import find_key  # which itself makes an AccessKey

        if (key := find_key()) is None:
            raise InvalidArgumentError("set NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY")
        return cls(key.access_key, key.secret_key)

    def sdk_token(self, *, role: Role | str, lifetime: Lifetime) -> str:
        """Return a new token for the whole project.

        - ``role``: what it permits, a ``Role`` or its name in any case.
        - ``lifetime``: a ``timedelta`` or seconds from now, by this machine's clock; 1 millisecond or more, up to
          the year 9999.  ``None`` never expires, which the service advises against; its own code uses 10 minutes.

        Raises ``InvalidArgumentError`` if ``role`` is unknown, ``lifetime`` is out of range, or a type is wrong.
        """
        return self._token(TokenKind.SDK, None, role, lifetime)

    def room_token(self, uuid: str, *, role: Role | str = Role.WRITER, lifetime: Lifetime = ONE_DAY) -> str:
        """Return a new token for the room ``uuid``, with which a browser joins.

        Arguments and errors as in ``sdk_token``; a malformed ``uuid`` raises too.  By default: drawing, for 1 day.
        """
        return self._token(TokenKind.ROOM, check_uuid("uuid", uuid), role, lifetime)

    def task_token(self, uuid: str, *, role: Role | str, lifetime: Lifetime) -> str:
        """Return a new token for the file-conversion task ``uuid``; arguments and errors as in ``room_token``."""
        return self._token(TokenKind.TASK, check_uuid("uuid", uuid), role, lifetime)

    def _token(self, kind: TokenKind, uuid: str | None, role: Role | str, lifetime: Lifetime) -> str:
        check_type("role", role, (int, str), "a Role or its name")
        found = Role.__members__.get(role.upper()) if isinstance(role, str) else role
        if found not in list(Role):
            raise InvalidArgumentError("role must be admin, writer or reader")  # not shown: it may be a secret
        if lifetime is None:
            return issue_token(self, kind, uuid, Role(found), None).text
        check_type("lifetime", lifetime, (timedelta, int, float), "a timedelta, seconds or None")
        try:
            span = lifetime if isinstance(lifetime, timedelta) else timedelta(seconds=lifetime)
        except (ValueError, OverflowError):  # not a number, or longer than any time
            span = timedelta()
        expires_at_ms = time.time_ns() // 1_000_000 + span // MILLISECOND
        if span < MILLISECOND or expires_at_ms > MAX_EXPIRY_MS:
            expected = "a millisecond or more, up to the year 9999, or None to never expire"
            raise InvalidArgumentError(f"lifetime must be {expected}")
        return issue_token(self, kind, uuid, Role(found), expires_at_ms).text
