"""How an operation is carried out: which token goes with it, one request, what its answer means, and once more."""

import time
from logging import getLogger
from types import EllipsisType

from attrs import frozen

from netless_rooms.credentials import Clock, Credentials
from netless_rooms.errors import StatusError, TransportError, UnauthorizedError
from netless_rooms.grants import Token, check_grant
from netless_rooms.http import Sender
from netless_rooms.operations import Answer, Operation
from netless_rooms.responses import decode_answer, says_expired

logger = getLogger("netless_rooms")


@frozen(kw_only=True)
class Caller:
    """Everything that a call needs besides its operation."""

    sender: Sender
    credentials: Credentials
    region: str
    check_token: bool
    clock: Clock
    timeout: float | EllipsisType | None = ...

    async def perform(self, operation: Operation[Answer]) -> Answer:
        """Return what the service answers; a token that has expired is replaced once, if it can be."""
        attempt = 1
        while True:
            token = await self.credentials.token_for(operation)
            if self.check_token:
                check_grant(token, operation, self.clock())
            try:
                return await self._ask(operation, token, attempt)
            except StatusError as error:
                if not self._is_worth_another(error, token) or attempt > 1:
                    raise
            attempt += 1

    def _is_worth_another(self, error: StatusError, token: Token) -> bool:
        """Whether another token may be accepted where this one was refused, which is then not used again."""
        expired = says_expired(error)
        if expired or isinstance(error, UnauthorizedError):
            self.credentials.drop(token)
        return expired and self.credentials.can_renew

    async def _ask(self, operation: Operation[Answer], token: Token, attempt: int) -> Answer:
        began = time.perf_counter()
        outcome: object = "interrupted"
        try:
            answer = await self.sender.send(operation, token=token, region=self.region, timeout=self.timeout)
            outcome = answer.status
        except TransportError as error:
            outcome = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - began
            logger.debug(
                "%s %s: %s in %.3f s, attempt %d", operation.method, operation.target, outcome, seconds, attempt
            )
        return decode_answer(
            operation, answer.status, answer.headers, answer.body, hide=token.hide, now=self.clock()
        )
