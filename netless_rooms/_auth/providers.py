"""Token providers: each call gets its token from one.

A token is given, signed with an access key, or returned by a function of the user's.  A signed or returned token
is kept until shortly before it expires, or until the service refuses it.

``token_for`` returns a token sufficient for a role, or raises a ``TokenError`` without a method and path.  After
``drop`` it returns another token if ``can_renew``.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any, Final, TypeAlias

import anyio
from attrs import define, field

from netless_rooms._auth.redaction import leaks, redact
from netless_rooms._auth.tokens import MAX_EXPIRY_MS, AccessKey, Role, Token, TokenKind, issue_token
from netless_rooms._validation import check_header, check_type
from netless_rooms.errors import InvalidArgumentError, TokenError

LIFETIME: Final = 600.0  # seconds that a token signed here is valid, as in the service's own server code
EXPIRY_MARGIN: Final = 60.0  # seconds; a token with less left is not sent, because a response may take its time

Clock: TypeAlias = Callable[[], float]
TokenSource: TypeAlias = str | AccessKey | Callable[[], Awaitable[str]]


@define(eq=False, repr=False)
class StaticProvider:
    _token: Token
    can_renew: bool = False

    async def token_for(self, _role: Role) -> Token:
        return self._token

    def drop(self, _: Token) -> None:
        """Keep it: there is no other token."""


@define(eq=False, repr=False)
class KeyProvider:
    """Signs tokens with the least role that a call needs."""

    _key: AccessKey
    _clock: Clock
    _tokens: dict[Role, Token] = field(factory=dict)
    can_renew: bool = True

    async def token_for(self, role: Role) -> Token:
        # No await between reading and storing, so that concurrent tasks share one token.
        now, token = self._clock(), self._tokens.get(role)
        # With more than a lifetime left, the clock was set back, and the true time left is unknown.
        if token is None or not EXPIRY_MARGIN <= token.seconds_left(now) <= LIFETIME:
            end = (now + LIFETIME) * 1000
            if not 0 <= end <= MAX_EXPIRY_MS:
                clock = f"this machine's clock shows {now!r} s since 1970"
                raise TokenError(f"no token can be issued, because {clock}; correct it")
            token = issue_token(self._key, TokenKind.SDK, None, role, int(end))
            self._tokens[role] = token
        return token

    def drop(self, token: Token) -> None:
        self._tokens = {role: kept for role, kept in self._tokens.items() if kept is not token}


@define(eq=False, repr=False)
class _Refresh:
    """One call of the user's function, shared by all tasks that wait for its token."""

    token: Token | None = None
    failure: str = ""
    cause: Exception | None = None
    ended: anyio.Event = field(factory=anyio.Event)


# The refreshes that the running task is part of, to notice a token function that needs its own token.
_REFRESHES: Final[ContextVar[tuple[_Refresh, ...]]] = ContextVar("netless_rooms_refreshes", default=())


@define(eq=False, repr=False)
class CallbackProvider:
    """Calls the user's function, in one task for all that need a token at the same time."""

    _function: Callable[[], Awaitable[str]]
    _clock: Clock
    _token: Token | None = None
    _refresh: _Refresh | None = None
    can_renew: bool = True

    async def token_for(self, _role: Role) -> Token:
        while True:
            if self._token is not None and self._token.seconds_left(self._clock()) >= EXPIRY_MARGIN:
                return self._token
            refresh = self._refresh
            if refresh is None:
                refresh = await self._run()
            elif refresh in _REFRESHES.get():
                raise TokenError("no token, because the token function makes a call that needs its own token")
            else:
                await refresh.ended.wait()
            if refresh.failure:
                # A new error for each task: the session adds the task's own request to it.
                raise TokenError(f"no token, because the token function {refresh.failure}") from refresh.cause
            # Without a token, the task that called the function was cancelled, and the next one calls it.
            if refresh.token is not None:
                return refresh.token

    def drop(self, token: Token) -> None:
        if self._token is token:
            self._token = None

    async def _run(self) -> _Refresh:
        refresh = self._refresh = _Refresh()
        reset = _REFRESHES.set((*_REFRESHES.get(), refresh))
        try:
            result = self._function()
            text: Any = await result if isawaitable(result) else None
        except Exception as error:
            refresh.failure = f"raised {type(error).__name__}"
            refresh.cause = None if leaks(error, redact) else error
        else:
            try:
                refresh.token = self._token = Token.parse(check_header("it", text))
            except InvalidArgumentError as error:
                refresh.failure = f"returned an invalid token: {error}" if isawaitable(result) else "is not async"
        finally:
            self._refresh = None
            refresh.ended.set()
            _REFRESHES.reset(reset)
        return refresh


Provider: TypeAlias = StaticProvider | KeyProvider | CallbackProvider


def make_provider(source: TokenSource, clock: Clock) -> Provider:
    """Return the provider for what the user gave as ``token``; ``clock`` gives seconds since the epoch."""
    if isinstance(source, AccessKey):
        return KeyProvider(source, clock)
    if callable(source):
        return CallbackProvider(source, clock)
    check_type("token", source, str, "a string, an AccessKey or an async function")
    return StaticProvider(Token.parse(check_header("token", source)))
