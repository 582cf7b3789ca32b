"""What the emulator is asked, and what it says."""

from collections.abc import Mapping
from urllib.parse import unquote

from attrs import field, frozen

from netless_rooms._auth.redaction import redact
from netless_rooms.emulator.spelling import write_json


@frozen(kw_only=True)
class Ask:
    """One request, free of any framework.

    ``path`` is percent-decoded, ``query`` is not and has no ``?``; the names in ``headers`` are lowercase,
    several values of one name joined with ``", "``.  Holds a token, so its headers are not in its repr.

    .. versionadded:: 0.1
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict, repr=False)
    body: bytes = b""


@frozen
class Answer:
    """One answer: the status, and the JSON as sent before any compression.

    ``allow`` names the methods that a path has, where the asked one was none of them.

    .. versionadded:: 0.1
    """

    status: int
    body: bytes
    allow: tuple[str, ...] = ()

    def in_envelope(self) -> "Answer":
        """Return the same answer as the service's page prints it, with status and body side by side."""
        return Answer(self.status, b'{"status":%d,"body":%b}' % (self.status, self.body), self.allow)


class RefusedError(Exception):
    """The service says no: carries the answer that says so.

    .. versionadded:: 0.1
    """

    def __init__(self, status: int, message: str, *, allow: tuple[str, ...] = ()) -> None:
        super().__init__(status, message)
        self.answer: Answer = Answer(status, write_json({"message": message}).encode(), allow)


@frozen
class RecordedRequest:
    """One request that reached the emulator: never a token, a header or a body.

    ``path`` is percent-decoded; ``query`` is as it was sent, without ``?``.  What looks like a token in
    either is cut.  ``status`` is ``None`` if a fault kept the emulator from sending one.

    .. versionadded:: 0.1
    """

    method: str
    path: str
    query: str
    status: int | None

    @classmethod
    def of(cls, ask: Ask, status: int | None) -> "RecordedRequest":
        """Return the record of a request and of the status that is sent to it."""
        # Decoded before it is searched: percent-encoding hides a token.
        query = unquote(ask.query)
        kept = ask.query if redact(query) == query else redact(query)
        return cls(redact(ask.method), redact(ask.path), kept, status)
