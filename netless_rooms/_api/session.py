"""How an operation is carried out: with which token, what its answer means, and whether it is tried again."""

import time
from logging import Logger, getLogger
from random import random
from types import EllipsisType
from typing import Final, Generic

import anyio
from attrs import field, frozen

from netless_rooms._api.requests import Answer, ApiRequest
from netless_rooms._api.responses import is_refusal, is_token_expired, parse_response
from netless_rooms._api.transport import RawResponse, Transport
from netless_rooms._auth.permissions import Token, check_permission
from netless_rooms._auth.providers import Clock, Provider
from netless_rooms._retries import RetryBudget, RetryPolicy, RetryState
from netless_rooms.errors import (
    CreateOutcomeUnknownError,
    DecodeError,
    RoomsError,
    StatusError,
    TimedOutError,
    TokenError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.models import as_time

LEAST: Final = 0.001  # seconds that a try has at the least
GRACE: Final = 0.1  # seconds in which the HTTP library's own timeouts may end a try

logger: Final[Logger] = getLogger("netless_rooms")


@frozen(kw_only=True)
class Session:
    """Everything that a call needs besides its operation."""

    sender: Transport
    credentials: Provider
    region: str
    check_token: bool
    clock: Clock
    retry: RetryPolicy
    budget: RetryBudget = field(factory=RetryBudget)
    timeout: float | EllipsisType | None = ...

    async def request(self, operation: ApiRequest[Answer]) -> Answer:
        """Return what the service answers, after as many tries as the policy allows."""
        call = Call(self, operation)
        while True:
            try:
                return await call.attempt()
            except RoomsError as error:
                if not call.goes_on(error):
                    raise
            # Outside the block, so that an error of the next try does not hang on this one as its context.
            await anyio.sleep(call.wait)


class Call(Generic[Answer]):
    """One call under way."""

    def __init__(self, session: Session, operation: ApiRequest[Answer]) -> None:
        self._session = session
        self._operation: ApiRequest[Answer] = operation
        self._tries = RetryState(session.retry, session.budget, operation.is_repeatable)
        self._began = anyio.current_time()
        self._can_renew = False
        self._sent = False

    async def attempt(self) -> Answer:
        """Try once; every error tells what has been tried so far."""
        self._sent = self._can_renew = False
        started, began = self._session.clock(), anyio.current_time()
        try:
            answer = await self._try_in_time(began)
        except RoomsError as error:
            if self._sent:
                self._tries.note(error, anyio.current_time() - began)
            if self._is_in_doubt(error):
                raise self._in_doubt(error, started) from error
            error.attempts = tuple(self._tries.made)
            raise
        self._session.budget.refund()
        return answer

    def goes_on(self, error: RoomsError) -> bool:
        """Whether there is another try after ``error``."""
        goes_on = self._tries.go_on(
            error,
            elapsed=anyio.current_time() - self._began,
            chance=random(),  # noqa: S311  jitter, not a secret
            can_renew=self._can_renew,
        )
        error.stop_reason = self._tries.stop_reason
        return goes_on

    @property
    def wait(self) -> float:
        """How many seconds to wait before it."""
        return self._tries.wait

    async def _try_in_time(self, began: float) -> Answer:
        # The HTTP library's own timeouts are cut to the same end, and come first as a rule: httpx loses a
        # connection when a request is cancelled that waits for one or opens one.
        end = self._began + self._tries.seconds
        left = max(LEAST, end - began)
        with anyio.CancelScope(deadline=began + left + GRACE):
            try:
                return await self._try(left)
            except TimedOutError as error:
                if anyio.current_time() < end:
                    raise
                raise self._too_late(was_sent=error.was_sent) from error
        raise self._too_late(was_sent=self._sent)

    def _too_late(self, *, was_sent: bool) -> TimedOutError:
        return TimedOutError(
            f"the deadline of {self._tries.seconds:g} s for the whole call passed",
            method=self._operation.method,
            path=self._operation.target,
            was_sent=was_sent,
        )

    async def _try(self, left: float) -> Answer:
        session = self._session
        token = await session.credentials.token_for(self._operation)
        if session.check_token:
            try:
                check_permission(token, self._operation, session.clock())
            except TokenError:
                session.credentials.drop(token)
                raise
        raw = await self._send(token, left)
        try:
            return parse_response(
                self._operation, raw.status, raw.headers, raw.body, hide=token.hide, now=session.clock()
            )
        except StatusError as error:
            expired = is_token_expired(error)
            if expired or isinstance(error, UnauthorizedError):
                session.credentials.drop(token)
            self._can_renew = expired and session.credentials.can_renew
            raise

    async def _send(self, token: Token, left: float) -> RawResponse:
        session, operation = self._session, self._operation
        began = time.perf_counter()
        outcome: object = "interrupted"
        self._sent = True
        try:
            raw = await session.sender.send(
                operation, token=token, region=session.region, timeout=session.timeout, at_most=left
            )
            outcome = raw.status
        except TransportError as error:
            outcome = type(error).__name__
            raise
        finally:
            logger.debug(
                "%s %s: %s in %.3f s, attempt %d",
                operation.method,
                operation.target,
                outcome,
                time.perf_counter() - began,
                self._tries.number,
            )
        return raw

    def _is_in_doubt(self, error: RoomsError) -> bool:
        """Whether the call may have taken effect, so that nobody may repeat it unasked."""
        if self._operation.is_repeatable:
            return False
        if isinstance(error, StatusError):
            return not is_refusal(error.status)
        return isinstance(error, DecodeError) or (isinstance(error, TransportError) and error.was_sent)

    def _in_doubt(self, error: RoomsError, started: float) -> CreateOutcomeUnknownError:
        said = str(error).removeprefix(f"{error.method} {error.path}: ").removesuffix(f" ({error.hint})")
        failure = CreateOutcomeUnknownError(
            f"whether a room was created cannot be told: {said}",
            started_at=as_time(started),
            ended_at=as_time(self._session.clock()),
            method=error.method,
            path=error.path,
        )
        failure.attempts = tuple(self._tries.made)
        return failure
