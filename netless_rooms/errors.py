"""The errors that calls raise.

RoomsError
├── TransportError                 no usable response: connect, read, protocol, TLS, a refused redirect
│   ├── TimedOutError              a timeout or the deadline passed
│   └── ClientUnusableError        the HTTP client is closed, or belongs to another event loop
├── StatusError                    the service answered with a failure status
│   ├── BadRequestError       400  nothing was created or changed
│   ├── UnauthorizedError     401  the token is not accepted
│   ├── ForbiddenError        403  the token is valid but does not permit the call
│   ├── NotFoundError         404  no such room
│   ├── RateLimitedError      429  too many requests
│   └── ServerError           5xx  the service or a gateway failed; whether the request took effect is unknown
├── DecodeError                    the status is a success, but the body is not as documented
├── PaginationError                the list repeats, stalls, jumps back or ignores the cursor
├── CheckpointError                a checkpoint belongs to another account
├── CreateOutcomeUnknownError      a create may or may not have taken effect
├── TooManyFailuresError           a bulk call reached ``max_failures``
├── TokenError                     a token is malformed, expired, wrongly signed, insufficient or unavailable
└── InvalidArgumentError           an argument has a wrong value; a ``ValueError`` too
    └── InvalidArgumentTypeError   an argument has a wrong type; a ``TypeError`` too

No error text contains a token, a secret or a header.  Errors can be pickled, copied and rebuilt by
``type(error)(*error.args)``, as Celery's JSON backend does; their ``__cause__`` and traceback are lost then.
"""

from datetime import datetime
from typing import Any, ClassVar

from attrs import define, frozen


@frozen(kw_only=True)
class Attempt:
    """One failed attempt of a call."""

    status: int | None  #: The HTTP status; ``None`` without a readable response.
    failure: str | None  #: The name of the error; ``None`` if it was a failure status.
    seconds: float  #: How long the attempt took.
    waited: float  #: The delay before it, in seconds.

    def __str__(self) -> str:
        return str(self.status or self.failure)


class RoomsError(Exception):
    """Base class of all errors that calls raise; each takes ``method`` and ``path`` of the request last."""

    hint: str = ""  #: What to do next; part of the text.
    # Sentry prefers an attribute ``message`` to the text, which would lose the request: none has that name.
    summary: str  #: What failed, without the request, the hint and the attempts.
    method: str | None  #: The method of the request; ``None`` without one.
    path: str | None  #: The path and query of the request; ``None`` without one.
    checkpoint: str | None = None
    """Where to resume a walk or a scan; ``None`` from other calls.

    From a walk it is a uuid, for ``walk(after=checkpoint)``: the last room returned, or else the ``after`` of the
    walk.  From a scan it is a longer text, for ``scan(resume=checkpoint)``: the scan's own checkpoint, or its
    ``resume`` if it could not start.  If it is ``None``, start again with the same arguments.
    """
    attempts: tuple[Attempt, ...] = ()  #: All failed attempts in order; empty if no request was sent.
    stop_reason: str | None = None  #: Why a retryable failure was not retried; otherwise ``None``.
    args: tuple[Any, ...]  # what ``__init__`` takes, the request last, so that ``cls(*args)`` rebuilds an error

    def __init__(self, summary: str, method: str | None = None, path: str | None = None) -> None:
        super().__init__(summary, method, path)
        self.summary, self.method, self.path = summary, method, path

    def _add_request(self, method: str, path: str) -> None:
        self.method, self.path = method, path
        self.args = (*self.args[:-2], method, path)

    def __str__(self) -> str:
        # Built when it is read: the session adds the request, the attempts and the stop reason later.
        request = f"{self.method} {self.path}: " if self.method and self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        notes = []
        if len(self.attempts) > 1:
            notes.append(f"after {len(self.attempts)} attempts: {', '.join(map(str, self.attempts))}")
        if self.stop_reason is not None:
            notes.append(f"no further attempt, because {self.stop_reason}")
        return f"{request}{self.summary}{hint}" + (f" ({'; '.join(notes)})" if notes else "")


@define(slots=False, repr=False)
class TransportError(RoomsError):
    """No usable response: connecting, sending or reading failed, or the service sent a redirect.

    The ``__cause__`` is the HTTP library's exception, if there was one.
    """

    hint = "check base_url and the network"
    summary: str
    was_sent: bool = True  #: ``False`` only if the request was certainly not sent; repeating it is then safe.
    is_transient: bool = True  #: Whether the same request may succeed later; not after a redirect, for example.
    method: str | None = None
    path: str | None = None


class TimedOutError(TransportError):
    """A timeout passed: to connect, send, read or wait for a free connection, or the deadline of the call."""

    hint = "allow more time: with_options(timeout=...), the client's timeout, or the deadline of the RetryPolicy"


class ClientUnusableError(TransportError, RuntimeError):
    """The HTTP client is closed, or belongs to another event loop.  It is a ``RuntimeError`` too."""

    hint = "open the client in the event loop that uses it, and keep it open while calls are made"


@define(slots=False, repr=False)
class StatusError(RoomsError):
    """The service answered with a failure status."""

    _default_status: ClassVar[int] = 0
    reason: str | None = None  #: The service's own explanation; without one, the text shows the start of the body.
    status: int = 0  #: The HTTP status; by default that of the class.
    excerpt: str = ""
    remark: str = ""
    retry_after: float | None = None  #: The delay that the service asks for, in seconds; ``None`` for none.
    method: str | None = None
    path: str | None = None

    def __attrs_post_init__(self) -> None:
        self.status = self.status or self._default_status
        body = f"; its body begins {self.excerpt!r}" if self.excerpt else ""
        wait = "" if self.retry_after is None else f"; it asks to wait {self.retry_after:g} s"
        remark = f"; {self.remark}" if self.remark else ""
        reason = f": {self.reason}" if self.reason else f" without a reason{body}"
        self.summary: str = f"the service answered {self.status}{reason}{wait}{remark}"


class BadRequestError(StatusError):
    """400: the request has an error, and nothing was created or changed."""

    _default_status = 400


class UnauthorizedError(StatusError):
    """401: the service does not accept the token."""

    _default_status = 401
    hint = "check that the token is complete, belongs to this project and has not expired"


class ForbiddenError(StatusError):
    """403: the token is valid, but its kind or role does not permit the call."""

    _default_status = 403
    hint = (
        "create and list need an SDK token; get, disable and enable also accept a token for that room; "
        "disable and enable need an admin token, the others a writer or admin token"
    )


class NotFoundError(StatusError):
    """404: no such room for this token and region."""

    _default_status = 404
    hint = "check the uuid, the region, and the project of the token"


class RateLimitedError(StatusError):
    """429: too many requests."""

    _default_status = 429
    hint = "send fewer requests, then retry"


class ServerError(StatusError):
    """5xx: the service or a gateway failed; whether the request took effect is unknown."""

    _default_status = 500
    hint = "retry later"


@define(slots=False, repr=False)
class DecodeError(RoomsError):
    """The status is a success, but the body is not as documented."""

    reason: str  #: What is wrong.
    location: str = "$"  #: Where in the body, such as ``$[3].isBan``; ``$`` is the body itself.
    method: str | None = None
    path: str | None = None

    def __attrs_post_init__(self) -> None:
        self.summary: str = f"unreadable response: {self.reason} at {self.location}"


class PaginationError(RoomsError):
    """The list has no provable end: it repeats, stalls, jumps back or ignores the cursor."""

    hint = "the rooms so far are valid; the service's list does not behave as documented"


class CheckpointError(RoomsError):
    """A scan cannot resume: the checkpoint belongs to another account than the rooms that the service lists."""

    hint = "use a token of the account that was scanned, or start a new scan without the checkpoint"


@define(slots=False, repr=False)
class CreateOutcomeUnknownError(RoomsError):
    """A create may or may not have taken effect: the response was lost, unreadable, or a server error.

    It was not retried, because that could create a second room.  The ``__cause__`` is the failure itself.
    """

    hint = "the room may exist: check with find_created_between() before you create again"
    summary: str
    started_at: datetime  #: When the request began, by this machine's clock: aware, UTC.
    ended_at: datetime  #: When it failed: aware, UTC.  A slow service may create the room even later.
    method: str | None = None
    path: str | None = None


@define(slots=False, repr=False)
class TooManyFailuresError(RoomsError):
    """A bulk call reached ``max_failures``; the outcomes of all started calls have been returned.

    The ``__cause__`` is the last failure.  To resume with an async iterable, pass ``outcomes.not_attempted``, then
    the iterable itself, unless ``outcomes.input_cancelled``.
    """

    hint = "fix the cause, then retry outcomes.not_attempted"
    failed: int  #: How many calls failed; more than ``max_failures`` if calls in flight failed too.
    attempted: int  #: How many calls were started.
    total: int | None  #: How many calls were requested; ``None`` for an async iterable.
    method: str | None = None
    path: str | None = None

    def __attrs_post_init__(self) -> None:
        rest = "no more were pulled from the iterable"
        if self.total is not None:
            rest = f"{self.total - self.attempted} of {self.total} were not attempted"
        self.summary: str = f"{self.failed} of {self.attempted} calls failed, and {rest}"


class TokenError(RoomsError):
    """A token is malformed, expired, wrongly signed, does not permit the call, or is unavailable.

    If a call raises it, nothing took effect.  If your token function failed, its exception is the ``__cause__``.
    """


class InvalidArgumentError(RoomsError, ValueError):
    """An argument, or a setting of the environment, is missing or has a wrong value; nothing was sent."""


class InvalidArgumentTypeError(InvalidArgumentError, TypeError):
    """An argument has a wrong type; nothing was sent."""
