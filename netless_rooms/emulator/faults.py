"""What can go wrong with one request, as values.

A fault has a say in two places.  ``said`` is what the service says, before any quirk; ``sent`` is what of that
goes over the line, and how.  Both are pure, and a kind of fault changes only what it is about.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from itertools import pairwise
from typing import Any, Final

from attrs import evolve, field, frozen

from netless_rooms.emulator.answers import Answer, RefusedError
from netless_rooms.emulator.fault_arguments import (
    CallName,
    RetryAfter,
    check_bool,
    check_error_status,
    check_int,
    check_message,
    check_on,
    check_page_status,
    check_retry_after,
    check_seconds,
    read_members,
    retry_after_text,
    without_omitted,
)
from netless_rooms.emulator.replies import Reply
from netless_rooms.emulator.spelling import write_json

_PAGE: Final = """<html>
<head><title>{0}</title></head>
<body>
<center><h1>{0}</h1></center>
<hr><center>gateway</center>
</body>
</html>
"""


@frozen(kw_only=True)
class Fault:
    """What goes wrong with one request; each kind says what the client sees.

    ``on`` is the call that the fault waits for, ``"create"``, ``"get"``, ``"list"`` or ``"set-ban"``; ``None``
    takes whatever is asked next.  ``work_done`` tells whether the request is carried out all the same.  A wrong
    argument raises ``ValueError`` or ``TypeError``, in every kind.

    .. versionadded:: 0.1
    """

    on: CallName | None = field(default=None, validator=check_on)
    work_done: bool = field(default=True, init=False, repr=False)

    def said(self, answer: Answer | None, /) -> Answer | None:
        """Return what the service says, given its true answer, ``None`` if it did nothing."""
        return answer

    def sent(self, answer: Answer | None, /) -> Reply:
        """Return what of the service's answer is sent, and how."""
        return Reply.of(answer)


@frozen
class NoFault(Fault):
    """All goes well with one request: a place in the script.  For any call, ``None`` is the shorter word.

    .. versionadded:: 0.1
    """


@frozen
class Failure(Fault):
    """The service answers with an error status and a message.  Nothing is done unless ``work_done``.

    ``status`` is 400 to 599.  ``message`` is what the body says, by default the status in words.
    ``retry_after`` adds the header ``Retry-After``: seconds from 0, an aware ``datetime`` for an HTTP date, or
    any printable ASCII text just as it is.

    .. versionadded:: 0.1
    """

    status: int = field(validator=check_error_status)
    message: str | None = field(default=None, validator=check_message)
    retry_after: RetryAfter | None = field(default=None, validator=check_retry_after)
    work_done: bool = field(default=False, kw_only=True, validator=check_bool)

    def said(self, _: Answer | None, /) -> Answer:
        """Return the failure."""
        message = _phrase(self.status) if self.message is None else self.message
        return RefusedError(self.status, message).answer

    def sent(self, answer: Answer | None, /) -> Reply:
        """Return the failure, with the time to wait if there is one."""
        reply = Reply.of(answer)
        if self.retry_after is None:
            return reply
        return evolve(reply, headers=(*reply.headers, ("Retry-After", retry_after_text(self.retry_after))))


@frozen
class GatewayPage(Fault):
    """A gateway in front of the service answers with a page of HTML.  Nothing is done unless ``work_done``.

    ``status`` is 400 to 599, or 200 for a page that looks like success, as of a login portal.

    .. versionadded:: 0.1
    """

    status: int = field(default=502, validator=check_page_status)
    work_done: bool = field(default=False, kw_only=True, validator=check_bool)

    def sent(self, _: Answer | None, /) -> Reply:
        """Return the page."""
        page = _PAGE.format(f"{self.status} {_phrase(self.status)}")
        return Reply(status=self.status, headers=(("Content-Type", "text/html"),), pieces=(page.encode(),))


@frozen
class Closed(Fault):
    """The connection is closed without an answer: before the work, or after it if ``work_done``.

    .. versionadded:: 0.1
    """

    work_done: bool = field(default=False, kw_only=True, validator=check_bool)

    def said(self, _: Answer | None, /) -> None:
        """Return nothing, whatever was done."""


@frozen
class Cut(Fault):
    """The work is done, and the connection is closed in the middle of the answer.

    Status and headers are those of the whole answer, the length of its body among them.  Of the body come the
    first ``after`` bytes, at least 0, but never all of them.

    .. versionadded:: 0.1
    """

    after: int = field(default=1, validator=check_int)

    def __attrs_post_init__(self) -> None:
        if self.after < 0:
            raise ValueError(f"after must not be negative, not {self.after}")

    def sent(self, answer: Answer | None, /) -> Reply:
        """Return the beginning of the answer."""
        reply = Reply.of(answer)
        came = reply.body[:-1][: self.after]
        return evolve(reply, pieces=(came,), missing=len(reply.body) - len(came), end="close")


@frozen
class Slow(Fault):
    """The work is done, and the body of the answer comes slowly, behind status and headers.

    It comes in ``pieces`` of about one size (at least 1, and none of them empty), before each a ``pause`` in
    seconds.

    .. versionadded:: 0.1
    """

    pause: float = field(validator=check_seconds)
    pieces: int = field(default=4, validator=check_int)

    def __attrs_post_init__(self) -> None:
        if self.pieces < 1:
            raise ValueError(f"pieces must be at least 1, not {self.pieces}")

    def sent(self, answer: Answer | None, /) -> Reply:
        """Return the whole answer in pieces."""
        reply = Reply.of(answer)
        return evolve(reply, pieces=_split(reply.body, self.pieces), pause=self.pause)


@frozen
class Hang(Fault):
    """No answer comes, and the connection stays open until the client leaves or the server stops.

    Nothing is done unless ``work_done``, and that at once.

    .. versionadded:: 0.1
    """

    work_done: bool = field(default=False, kw_only=True, validator=check_bool)

    def sent(self, _: Answer | None, /) -> Reply:
        """Return an endless silence."""
        return Reply(end="hang")


@frozen(init=False)
class BadRoom(Fault):
    """The work is done, and one room of the answer is wrong; in the service it stays as it is.

    ``index`` is which room of a page, counted from 0, or from the end if negative; a single room is number 0.
    ``members`` are in the service's words and have the values that are sent instead, right or wrong, ``...``
    for a member that is left out: ``BadRoom(2, isBan="perhaps", limit=...)``.  An answer without such a room
    is sent as it is.

    .. versionadded:: 0.1
    """

    index: int = field(default=0, validator=check_int)
    members: Mapping[str, object] = field(factory=dict, converter=read_members, hash=False)

    def __init__(self, index: int = 0, *, on: CallName | None = None, **members: object) -> None:
        self.__attrs_init__(index, members, on=on)

    def said(self, answer: Answer | None, /) -> Answer | None:
        """Return the answer with the room changed."""
        if answer is None or answer.status >= 400:
            return answer
        said = json.loads(answer.body)
        rooms: list[dict[str, Any]] = said if isinstance(said, list) else [said]
        try:
            rooms[self.index] = without_omitted({**rooms[self.index], **self.members})
        except IndexError:
            return answer
        return evolve(answer, body=write_json(said if rooms is said else rooms[0]).encode())


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


def _split(body: bytes, count: int) -> tuple[bytes, ...]:
    count = max(1, min(count, len(body)))
    marks = [len(body) * place // count for place in range(count + 1)]
    return tuple(body[begin:end] for begin, end in pairwise(marks))
