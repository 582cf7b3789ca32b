"""Which token goes with a call: the one given, one made from a key, or one that a function of the user's gets.

A token that was made or got is kept until shortly before it ends, or until the service refuses it.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import timedelta
from inspect import isawaitable
from typing import Final, Protocol, TypeAlias

import anyio
from attrs import define, field

from netless_rooms._auth.permissions import Token
from netless_rooms._auth.redaction import leaks, redact
from netless_rooms._auth.tokens import LAST_MS, AccessKey, Role, TokenKind, issue_token
from netless_rooms._validation import check_header
from netless_rooms.errors import TokenError

LIFETIME: Final = timedelta(minutes=10)  # of a token made here; the service's own server code takes as much
EXPIRY_MARGIN: Final = (
    60.0  # seconds; a token with fewer left is not sent any more, for an answer may take its time
)

# The attempts that the running task is in, so that a token function which needs its own token is found out.
_ASKING: Final[ContextVar[tuple["_Attempt", ...]]] = ContextVar("netless_rooms_asking", default=())

Clock: TypeAlias = Callable[[], float]
TokenSource: TypeAlias = str | AccessKey | Callable[[], Awaitable[str]]


class Provider(Protocol):
    """Gives the token for each call."""

    can_renew: bool

    async def token_for(self, role: Role) -> Token:
        """Return a token of ``role``; the same one as long as it is good.  May raise ``TokenError``."""

    def drop(self, token: Token) -> None:
        """Give another one from now on, if possible."""


def provider_of(source: TokenSource, clock: Clock) -> Provider:
    """Return what gives the tokens of ``source``; ``clock`` gives seconds since the epoch."""
    if isinstance(source, AccessKey):
        return KeyProvider(source, clock)
    if callable(source):
        return CallbackProvider(source, clock)
    if not isinstance(source, str):
        raise TypeError(f"token must be a string, an AccessKey or an async function, not {type(source).__name__}")
    return StaticProvider(Token.of(check_header("token", source)))


@define
class StaticProvider:
    _token: Token
    can_renew: bool = False

    async def token_for(self, _: Role) -> Token:
        return self._token

    def drop(self, _: Token) -> None:
        """Keep it: there is no other."""


@define
class KeyProvider:
    """Makes tokens of the least role that a call needs."""

    _key: AccessKey
    _clock: Clock
    _kept: dict[Role, Token] = field(factory=dict)
    can_renew: bool = True

    async def token_for(self, role: Role) -> Token:
        # Nothing is awaited between looking and keeping, so however many tasks ask at once, one token is made.
        now = self._clock()
        kept = self._kept.get(role)
        # More than a lifetime is left where the clock was set back since: then nobody knows how much it is.
        if kept is None or not EXPIRY_MARGIN <= kept.seconds_left(now) <= LIFETIME.total_seconds():
            kept = self._kept[role] = self._make(role, now)
        return kept

    def drop(self, token: Token) -> None:
        self._kept = {role: kept for role, kept in self._kept.items() if kept is not token}

    def _make(self, role: Role, now: float) -> Token:
        until = (now + LIFETIME.total_seconds()) * 1000
        if not 0 <= until <= LAST_MS:
            raise TokenError(
                f"no token can be made, because this machine's clock says {now!r} s since 1970; set it right"
            )
        return Token.of(issue_token(self._key, TokenKind.SDK, None, role, int(until)))


@define
class _Attempt:
    """One call of the user's function, for all the tasks that wait for it."""

    token: Token | None = None
    trouble: str = ""
    cause: Exception | None = None
    ended: anyio.Event = field(factory=anyio.Event)


@define
class CallbackProvider:
    """Calls the user's function, one task for all that need a token at the same time."""

    _source: Callable[[], Awaitable[str]]
    _clock: Clock
    _kept: Token | None = None
    _attempt: _Attempt | None = None
    can_renew: bool = True

    async def token_for(self, _: Role) -> Token:
        while True:
            if self._kept is not None and self._kept.seconds_left(self._clock()) >= EXPIRY_MARGIN:
                return self._kept
            attempt = self._attempt
            if attempt is None:
                attempt = await self._ask()
            elif any(attempt is around for around in _ASKING.get()):
                raise TokenError("no token, because the token function makes a call that needs its own token")
            else:
                await attempt.ended.wait()
            if attempt.trouble:
                raise TokenError(f"no token, because the token function {attempt.trouble}") from attempt.cause
            # Without a token the task that asked was cancelled; then the next one does.
            if attempt.token is not None:
                return attempt.token

    def drop(self, token: Token) -> None:
        if self._kept is token:
            self._kept = None

    async def _ask(self) -> _Attempt:
        attempt = self._attempt = _Attempt()
        outer = _ASKING.set((*_ASKING.get(), attempt))
        try:
            attempt.token = self._kept = Token.of(await _call(self._source))
        except _NoTokenError as error:
            attempt.trouble = str(error)
        except Exception as error:
            attempt.trouble = f"raised {type(error).__name__}"
            attempt.cause = None if leaks(error, redact) else error
        finally:
            self._attempt = None
            attempt.ended.set()
            _ASKING.reset(outer)
        return attempt


class _NoTokenError(Exception):
    pass


async def _call(source: Callable[[], Awaitable[str]]) -> str:
    coming = source()
    if not isawaitable(coming):
        raise _NoTokenError("is not async")
    text = await coming
    try:
        return check_header("it", text)
    except (TypeError, ValueError) as error:
        raise _NoTokenError(f"returned what is no token: {error}") from None
