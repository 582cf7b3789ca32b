"""What can go wrong, and whose fault it is.

RoomsError
├── TransportError                 no usable answer: connect, read, protocol, TLS, a refused redirect
│   ├── TimedOutError              the client's time ran out
│   └── ClientUnusableError        the HTTP client is closed, or of another event loop
├── StatusError                    the service answered and said no
│   ├── BadRequestError       400  nothing was created or changed
│   ├── UnauthorizedError     401  the token is not accepted
│   ├── ForbiddenError        403  the token is fine but may not do this
│   ├── NotFoundError         404  there is no such room
│   ├── RateLimitedError      429  too many requests
│   └── ServerError           5xx  the service or a gateway failed; whether it took effect is unknown
├── DecodeError                    success, but the body is not what is documented
├── PaginationError                the list cannot be walked: it repeats, stalls or jumps
├── CheckpointError                a scan cannot go on from a checkpoint of another account
├── CreateOutcomeUnknownError      a create may or may not have taken effect
├── TooManyFailuresError           many calls at once: as many failed as were allowed to
└── TokenError                     malformed, expired, wrongly signed, not enough, or not to be had

A caller's mistake that costs no request is a ``ValueError`` or ``TypeError`` instead, raised before anything
is sent.  No text here ever holds a token, a secret or a header.  All of them survive ``pickle`` and ``copy``;
as with every Python exception, the ``__cause__`` and the traceback stay behind.
"""

from datetime import datetime
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Attempt:
    """One try of a call that failed.

    .. versionadded:: 0.1
    """

    status: int | None
    """The HTTP status that the service answered; ``None`` if no answer came or it could not be read."""
    failure: str | None
    """The name of the error, if it was not a failure status."""
    seconds: float
    """How long the try took."""
    waited: float
    """How many seconds were waited before it."""

    def __str__(self) -> str:
        return str(self.status or self.failure)


class RoomsError(Exception):
    """What a call raises when it did not bring what it should.

    .. versionadded:: 0.1
    """

    hint: str = ""
    """What to do next; part of the text."""

    method: str | None
    """The method of the request that it is about; ``None`` where there was none."""
    path: str | None
    """The path and query of that request; ``None`` where there was none."""
    checkpoint: str | None
    """Where to go on, if the error came from a walk or a scan; ``None`` from other calls.

    Of a walk it is a uuid, for ``walk(after=checkpoint)``: the last room that came out or, before the first, the
    ``after`` that the walk began with; ``None`` if there is neither.  Of a scan it is a longer text, for
    ``scan(resume=checkpoint)``: the scan's own checkpoint or, if it could not begin, the ``resume`` that it was
    given; ``None`` if there was none.  Where it is ``None``, begin again as before.
    """
    attempts: tuple[Attempt, ...]
    """What was tried, in order, the last try included; empty where no request was begun."""
    stop_reason: str | None
    """Why there was no other try although one might have helped; ``None`` if none would, or all were made."""

    def __init__(self, what: str, *, method: str | None = None, path: str | None = None) -> None:
        super().__init__(what)
        self.method = method
        self.path = path
        self.checkpoint = None
        self.attempts = ()
        self.stop_reason = None

    @property
    def summary(self) -> str:
        """What failed, without the request, the hint and the attempts."""
        return str(self.args[0])

    def __str__(self) -> str:
        request = f"{self.method} {self.path}: " if self.method and self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        tried = f"after {len(self.attempts)} tries: {', '.join(map(str, self.attempts))}"
        ended = f"no further try, because {self.stop_reason}"
        more = [tried] * (len(self.attempts) > 1) + [ended] * (self.stop_reason is not None)
        return f"{request}{self.summary}{hint}" + (f" ({'; '.join(more)})" if more else "")

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with its args, which no keyword-only argument survives.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[RoomsError], args: tuple[Any, ...], state: dict[str, Any]) -> RoomsError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class TransportError(RoomsError):
    """No usable answer came: connecting, sending or reading failed, or the service pointed elsewhere.

    Where the HTTP library raised an exception of its own, that is the ``__cause__``.

    .. versionadded:: 0.1
    """

    hint = "is base_url right, and the network up?"

    was_sent: bool
    """``False`` only if the request provably never left, so that repeating it is safe whatever it does."""
    is_transient: bool
    """Whether the same request may go better later; not so after a refused redirect."""

    def __init__(
        self,
        what: str,
        *,
        method: str | None = None,
        path: str | None = None,
        was_sent: bool = True,
        is_transient: bool = True,
    ) -> None:
        super().__init__(what, method=method, path=path)
        self.was_sent = was_sent
        self.is_transient = is_transient


class TimedOutError(TransportError):
    """The client's time to connect, send, read or wait for a free connection ran out.

    .. versionadded:: 0.1
    """

    hint = (
        "allow more time: with_options(timeout=...), the client's own timeout, or the deadline of the RetryPolicy"
    )


class ClientUnusableError(TransportError, RuntimeError):
    """The HTTP client has been closed, or belongs to another event loop.

    It is a ``RuntimeError`` too, as HTTP libraries raise in this case, since a change to the program is needed.

    .. versionadded:: 0.1
    """

    hint = "open the client in the event loop that uses it, and keep it open for as long as calls are made"


class StatusError(RoomsError):
    """The service answered with a failure status.

    .. versionadded:: 0.1
    """

    status: int
    """The HTTP status."""
    message: str | None
    """The reason that the service gave; ``None`` if it gave none, and then the text shows how the body began."""
    retry_after: float | None
    """How many seconds the service asks to wait before the next try; ``None`` if it does not say."""

    def __init__(
        self,
        status: int,
        message: str | None,
        *,
        excerpt: str = "",
        remark: str = "",
        retry_after: float | None = None,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        began = f"; its body begins {excerpt!r}" if excerpt else ""
        said = f": {message}" if message else f" without a reason{began}"
        wait = f"it asks to wait {retry_after:g} s" if retry_after is not None else ""
        more = "".join(f"; {words}" for words in (wait, remark) if words)
        super().__init__(f"the service answered {status}{said}{more}", method=method, path=path)
        self.status = status
        self.message = message
        self.retry_after = retry_after


class BadRequestError(StatusError):
    """400: the request has an error, and nothing was created or changed.

    .. versionadded:: 0.1
    """


class UnauthorizedError(StatusError):
    """401: the service does not accept the token.

    .. versionadded:: 0.1
    """

    hint = "is the token complete, of this project, and not expired?"


class ForbiddenError(StatusError):
    """403: the token is fine, but its kind or role may not do this.

    .. versionadded:: 0.1
    """

    hint = (
        "create and list take an SDK token, get also one of that room, of a writer or admin; "
        "disable and enable take an admin's of either kind"
    )


class NotFoundError(StatusError):
    """404: there is no such room for this token and region.

    .. versionadded:: 0.1
    """

    hint = "check the uuid (32 hex digits, no dashes), the region, and the project that the token is of"


class RateLimitedError(StatusError):
    """429: too many requests.

    .. versionadded:: 0.1
    """

    hint = "slow down, then ask again"


class ServerError(StatusError):
    """5xx: the service or a gateway before it failed; whether the request took effect cannot be told.

    .. versionadded:: 0.1
    """

    hint = "ask again later"


class DecodeError(RoomsError):
    """The answer says success, but its body is not what is documented.

    .. versionadded:: 0.1
    """

    what: str
    """The fault."""
    where: str
    """Its place in the body, such as ``$[3].isBan``; ``$`` is the body itself."""

    def __init__(self, what: str, where: str = "$", *, method: str | None = None, path: str | None = None) -> None:
        super().__init__(f"unreadable answer: {what} at {where}", method=method, path=path)
        self.what = what
        self.where = where


class PaginationError(RoomsError):
    """The list cannot be walked to a proven end: it repeats, stalls, jumps or ignores the cursor.

    Every room that came out before is sound and came once.

    .. versionadded:: 0.1
    """

    hint = "the rooms so far are sound; the service's list is not what it documents"


class CheckpointError(RoomsError):
    """A scan cannot go on: the checkpoint is of another account than the rooms that the service lists.

    .. versionadded:: 0.1
    """

    hint = "use a token of the account that was scanned, or begin anew without the checkpoint"


class CreateOutcomeUnknownError(RoomsError):
    """A create may or may not have taken effect: the answer was lost, unreadable, or a server error.

    Repeating it could make a second room, so nothing did.  The failure itself is the ``__cause__``.

    .. versionadded:: 0.1
    """

    hint = "the room may exist: see with find_created_between() before you create again"

    started_at: datetime
    """When the request began, by this machine's clock: aware, UTC."""
    ended_at: datetime
    """When it had failed; a service that is slow to work may create the room later still."""

    def __init__(
        self,
        what: str,
        *,
        started_at: datetime,
        ended_at: datetime,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(what, method=method, path=path)
        self.started_at = started_at
        self.ended_at = ended_at


class TooManyFailuresError(RoomsError):
    """Of many calls at once, as many failed as ``max_failures`` allows, so no more were begun.

    The outcomes of all that were begun have come out.  The last failure is the ``__cause__``.  Of an async
    iterable, go on with ``outcomes.not_attempted`` and then with the iterable itself, unless
    ``outcomes.input_cancelled``.

    .. versionadded:: 0.1
    """

    hint = "mend what the failures are about, then go on with outcomes.not_attempted"

    failed: int
    """How many calls failed; more than ``max_failures`` if some of those in flight failed too."""
    attempted: int
    """How many calls were begun."""
    total: int | None
    """How many were wanted; ``None`` if an async iterable was to say."""

    def __init__(
        self,
        failed: int,
        *,
        attempted: int,
        total: int | None,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        ended = (
            "no more were pulled out of the iterable"
            if total is None
            else f"{total - attempted} of {total} were not attempted"
        )
        super().__init__(f"{failed} of {attempted} calls failed, and {ended}", method=method, path=path)
        self.failed = failed
        self.attempted = attempted
        self.total = total


class TokenError(RoomsError):
    """A token is malformed, has expired, is wrongly signed, does not allow the call, or could not be got.

    From a call it means that nothing took effect.  If a ``token`` function of yours failed, its exception is the
    ``__cause__``.

    .. versionadded:: 0.1
    """
