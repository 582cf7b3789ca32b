"""The request loop: token, permission, send, parse, then retry or raise."""

import time
from logging import Logger, getLogger
from random import random
from types import EllipsisType
from typing import Any, Final

import anyio
from attrs import define, field, frozen

from netless_rooms._api.requests import ApiRequest, Result
from netless_rooms._api.responses import parse_response
from netless_rooms._api.throttle import Throttle
from netless_rooms._api.transport import Transport
from netless_rooms._auth.permissions import check_permission
from netless_rooms._auth.providers import Clock, Provider
from netless_rooms._auth.tokens import Token
from netless_rooms._retries import RATE_LIMITED, RetryBudget, RetryPolicy, RetryState, is_token_refused
from netless_rooms.errors import CreateOutcomeUnknownError, RoomsError, TimedOutError, TokenError
from netless_rooms.models import as_time

GRACE: Final = 0.1  # seconds in which the HTTP library's own timeouts may end an attempt
logger: Final[Logger] = getLogger("netless_rooms")


def wall_clock() -> float:
    """Return seconds since the epoch; ``time.time`` is looked up at each call, so that it can be patched."""
    return time.time()


@define(eq=False, repr=False)
class _Attempt:
    number: int
    started_at: float  # by the clock of the user
    began: float  # by that of the event loop
    token: Token | None = None  # with which it was sent, if it was


@frozen(kw_only=True, eq=False, repr=False)
class Session:
    """What all requests of one service object share."""

    transport: Transport
    provider: Provider
    region: str
    check_token: bool
    clock: Clock
    retry: RetryPolicy
    budget: RetryBudget = field(factory=RetryBudget)
    throttle: Throttle = field(factory=Throttle)
    timeout: float | EllipsisType | None = ...

    async def request(self, request: ApiRequest[Result]) -> Result:
        """Send ``request``, again if the policy allows, and return what the service answers."""
        state = RetryState(self.retry, self.budget, request.is_repeatable)
        call_began = now = anyio.current_time()
        end = call_began + state.deadline
        while True:
            attempt = _Attempt(len(state.attempts) + 1, self.clock(), now)
            try:
                if self.throttle.is_limiting and self.retry.waits_for_limits:
                    await self._wait_for_turn(attempt, state, end)
                result = await self._attempt(request, attempt, end)
            except RoomsError as error:
                now, jitter = anyio.current_time(), random()  # noqa: S311  not a secret
                self.throttle.observe(error, attempt.began, now, jitter=jitter, policy=self.retry)
                if attempt.token is not None:
                    state.record(error, now - attempt.began)
                    if is_token_refused(error):
                        self.provider.drop(attempt.token)
                limits = {"elapsed": now - call_began, "jitter": jitter, "hold": self.throttle.hold(now)}
                should_retry = state.should_retry(error, can_renew=self.provider.can_renew, **limits)
                _complete(error, request, state)
                if state.in_doubt:
                    times = as_time(attempt.started_at), as_time(self.clock())
                    summary = f"cannot tell whether a room was created: {error.summary}"
                    raise _complete(CreateOutcomeUnknownError(summary, *times), request, state) from error
                if not should_retry:
                    raise
                where = request.method, request.path_and_query
                wait = max(state.wait, self.retry.waits_for_limits * limits["hold"])  # or longer, for its turn
                logger.info("%s %s: retry in %.3f s, because %s", *where, wait, error.summary)
            else:
                self.throttle.accept(attempt.began, anyio.current_time())
                self.budget.refund()
                return result
            # Outside ``except``, so that the next error does not get this one as its ``__context__``.
            await anyio.sleep(state.wait)
            now = anyio.current_time()

    async def _wait_for_turn(self, attempt: _Attempt, state: RetryState, end: float) -> None:
        throttle, policy, ticket = self.throttle, self.retry, self.throttle.enqueue()
        try:
            while (wait := throttle.wait(ticket, now := anyio.current_time())) > 0:
                hold = throttle.hold(now)
                # A sibling's policy may wait longer for ``Retry-After`` than this one.
                if now + hold >= end or hold > policy.retry_after_max + policy.wait_max:
                    state.stop_reason = RATE_LIMITED
                    raise TimedOutError("the request could not be sent within the policy's limits", was_sent=False)
                await anyio.sleep(min(wait, end - now))
        finally:
            throttle.dequeue(ticket)
        state.wait += now - attempt.began
        attempt.started_at, attempt.began = self.clock(), now

    async def _attempt(self, request: ApiRequest[Result], attempt: _Attempt, end: float) -> Result:
        # The HTTP library's own timeouts are cut to the same end and usually fire first, because httpx loses a
        # connection when a request is cancelled that waits for one or opens one.
        left = max(0.001, end - attempt.began)
        with anyio.CancelScope(deadline=attempt.began + left + GRACE):
            try:
                return await self._exchange(request, attempt, left)
            except TimedOutError as error:
                if anyio.current_time() < end:
                    raise
                raise self._deadline_passed(was_sent=error.was_sent) from error
        raise self._deadline_passed(was_sent=attempt.token is not None)

    async def _exchange(self, request: ApiRequest[Result], attempt: _Attempt, max_timeout: float) -> Result:
        token = await self.provider.token_for(request.role)
        if self.check_token:
            try:
                check_permission(token, request.role, request.room_uuid, self.clock())
            except TokenError:
                self.provider.drop(token)
                raise
        attempt.token = token
        began, outcome = time.perf_counter(), "interrupted"
        try:
            response = await self.transport.send(
                request, token=token, region=self.region, timeout=self.timeout, max_timeout=max_timeout
            )
            outcome = str(response.status)
        except RoomsError as error:
            outcome = type(error).__name__
            raise
        finally:
            what = request.method, request.path_and_query, outcome, time.perf_counter() - began
            logger.debug("%s %s: %s in %.3f s, attempt %d", *what, attempt.number)
        return parse_response(request, response, redact=token.redact, now=self.clock())

    def _deadline_passed(self, *, was_sent: bool) -> TimedOutError:
        return TimedOutError(f"the deadline of {self.retry.deadline:g} s for the whole call passed", was_sent)


def _complete(error: RoomsError, request: ApiRequest[Any], state: RetryState) -> RoomsError:
    if error.method is None:
        error._add_request(request.method, request.path_and_query)
    error.attempts, error.stop_reason = tuple(state.attempts), state.stop_reason
    return error
