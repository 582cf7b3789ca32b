"""Requests and responses as plain values.  Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final, Literal
from urllib.parse import unquote

from attrs import field, frozen

from netless_rooms._auth.redaction import redact

CallName = Literal["create", "get", "list", "set-ban", "sdk-token", "room-token"]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_json(value: object) -> bytes:
    """Return ``value`` as the service prints JSON: UTF-8, no spaces, characters as they are.

    Raises ``TypeError`` for a type that JSON does not have, ``ValueError`` for NaN and a lone surrogate.
    """
    return _ENCODER.encode(value).encode()


@frozen(kw_only=True)
class Request:
    """One request, independent of any framework; the repr omits headers and body, which may contain a secret.

    ``path`` is percent-decoded; ``query`` is not, and has no ``?``.  The names in ``headers`` are lowercase;
    several values of one name are joined with ``", "``.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@frozen
class Response:
    """One response."""

    status: int
    body: bytes = field(repr=lambda body: redact(repr(body)))  #: JSON.
    allow: tuple[str, ...] = ()  #: The methods that the path supports, if the request has another one.


class RefusedError(Exception):
    """The service refuses a request; ``response`` says why."""

    def __init__(self, status: int, message: str, *, allow: tuple[str, ...] = ()) -> None:
        super().__init__(status, message)
        self.response: Response = Response(status, encode_json({"message": message}), allow)


@frozen(kw_only=True)
class RawResponse:
    """What is sent for one request: headers, the body in pieces, and how it ends."""

    status: int | None = None  # None: nothing is sent
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    missing: int = 0  # bytes of the announced body that never come
    pause: float = 0  # seconds, before each piece
    end: Literal["complete", "close", "hang"] = "complete"

    @classmethod
    def of(cls, response: Response | None) -> "RawResponse":
        """Return what sends a response unchanged; ``None`` closes the connection."""
        if response is None:
            return cls(end="close")
        allow = (("Allow", ", ".join(response.allow)),) if response.allow else ()
        headers = (("Content-Type", "application/json"), *allow)
        return cls(status=response.status, headers=headers, pieces=(response.body,))

    @property
    def body(self) -> bytes:
        """The part of the body that is sent."""
        return b"".join(self.pieces)


@frozen
class RecordedRequest:
    """One request that reached the emulator, without headers, body and anything that looks like a token.

    ``path`` is percent-decoded; ``query`` is as it was sent, without ``?``.  ``status`` is ``None`` if a fault
    prevented the response.
    """

    method: str
    path: str
    query: str
    status: int | None

    @classmethod
    def of(cls, request: Request, status: int | None) -> "RecordedRequest":
        """Return the record of a request and of the status that was sent."""
        # Decoded before it is searched: percent-encoding hides a token.
        query = unquote(request.query)
        kept = request.query if redact(query) == query else redact(query)
        return cls(redact(request.method), redact(request.path), kept, status)


_WIRE_NAMES: Final = {"team_uuid": "teamUUID", "app_uuid": "appUUID", "is_record": "isRecord", "is_ban": "isBan"}
_WIRE_NAMES["created_at"] = "createdAt"


def replace_members(room: Mapping[str, Any], members: Mapping[str, object]) -> dict[str, Any]:
    """Return ``room`` with ``members`` replaced or added; a member whose value is ``...`` is left out.

    Raises ``ValueError`` for a name as it is in Python: it would pass for a member unknown to this release.
    """
    for name in members.keys() & _WIRE_NAMES.keys():
        raise ValueError(f"members have the names of the service: {_WIRE_NAMES[name]}, not {name}")
    return {name: value for name, value in {**room, **members}.items() if value is not ...}
