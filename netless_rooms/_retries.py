"""Decide whether and when to retry; time and randomness are arguments.  Pure.

``RetryState`` follows one call.  It is the one place that decides what a failure means, in this order:

1. A create that may have taken effect is in doubt.  It is never repeated, whatever else the response says.
2. An expired token that can be replaced: retry once, at once, before the deadline.  It counts as no attempt.
3. Raise if the error is permanent, the policy's attempts are used up, ``Retry-After`` is longer than its maximum,
   the wait would end after the deadline, or the budget that all calls share is used up.  Otherwise retry.  Limits
   of the rate take no attempt and no budget; see ``RetryPolicy``.

The wait is drawn from 0 to a bound that doubles with each attempt ("full jitter"), so that clients which failed
together do not return together.  ``Retry-After`` is added to it.  The budget bounds the load during an outage: n
calls make at most n + budget + n/5 requests, and n + budget while nothing is answered.
"""

import re
from math import inf
from typing import Any, Final, TypeGuard

from attrs import Attribute, define, field, frozen

from netless_rooms import errors
from netless_rooms._validation import check_type
from netless_rooms.errors import RoomsError, StatusError, TransportError

RETRYABLE_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
AMBIGUOUS_STATUSES: Final = frozenset({408, 499})  # a client or gateway did not wait for the end
BUDGET_REFUND: Final = 0.2  # of a retry, for each final response
MAX_SETTING: Final = 1_000_000  # of each number in a policy; more would overflow somewhere below
RATE_LIMITED: Final = "the service limits the rate of requests"


def _may_have_taken_effect(error: RoomsError) -> bool:
    if isinstance(error, StatusError):
        return not is_refusal(error.status)
    return error.was_sent if isinstance(error, TransportError) else isinstance(error, errors.DecodeError)


def is_refusal(status: int) -> bool:
    """Whether a status says for certain that nothing took effect; a gateway's timeout does not."""
    return 400 <= status < 500 and status not in AMBIGUOUS_STATUSES


def is_token_expired(status: int, reason: str | None) -> bool:
    """Whether the reason is the documented "expired token"; the status that carries it is not documented."""
    words = re.findall("[a-z]+", (reason or "").lower())
    return 400 <= status < 500 and {"expired", "token"} <= set(words)


def is_token_refused(error: RoomsError) -> bool:
    """Whether the token that was sent is of no more use."""
    return isinstance(error, StatusError) and (error.status == 401 or is_token_expired(error.status, error.reason))


def is_rate_limited(error: RoomsError) -> TypeGuard[StatusError]:
    """Whether the service says that requests come too fast."""
    return isinstance(error, StatusError) and (
        error.status == 429 or (error.status == 503 and error.retry_after is not None)
    )


def _at_least(least: float, *kinds: type) -> Any:
    def check(_: object, attribute: "Attribute[float]", value: float | None) -> None:
        names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
        check_type(attribute.name, value, kinds, names)
        if value is not None and not least <= value <= MAX_SETTING:
            raise errors.InvalidArgumentError(f"{attribute.name} must be {least} to {MAX_SETTING:_}, not {value}")

    return check


@frozen
class RetryPolicy:
    """When a failed call is retried.  Raises ``InvalidArgumentError`` for a wrong value.

    A response that limits the rate, 429 or 503 with ``Retry-After``, delays all calls of an object and its
    siblings for the stated time plus jitter.  Then requests are sent one by one, at a rate that adapts to the
    limit.  This costs neither attempts nor budget: a call waits until its ``deadline``.  Many calls under a low
    limit need a longer one, or ``None``.  With ``attempts=1`` or ``retry_after_max=0``, calls do not wait, and a
    rate limit is handled as any other failure.
    """

    attempts: int = field(default=4, validator=_at_least(1, int))
    """The maximum, including the first; 1 never retries."""
    wait_initial: float = field(default=0.5, kw_only=True, validator=_at_least(0, int, float))
    """The longest wait before the second attempt, in seconds; the bound doubles with each attempt."""
    wait_max: float = field(default=8.0, kw_only=True, validator=_at_least(0, int, float))
    """The largest value of that bound, in seconds."""
    retry_after_max: float = field(default=30.0, kw_only=True, validator=_at_least(0, int, float))
    """The longest ``Retry-After`` to wait for, in seconds; a longer one raises at once and delays no call."""
    deadline: float | None = field(default=120.0, kw_only=True, validator=_at_least(0, int, float, type(None)))
    """Seconds for the whole call, with all attempts, delays and rate limits; ``None`` is no limit."""
    budget: int = field(default=50, kw_only=True, validator=_at_least(0, int))
    """Retries that an object and its siblings share; each final response, also a refusal, refunds 0.2."""

    @property
    def waits_for_limits(self) -> bool:
        """Whether calls wait while the service limits the rate."""
        return self.attempts > 1 and self.retry_after_max > 0


DEFAULT_POLICY: Final = RetryPolicy()


@define(eq=False, repr=False)
class RetryBudget:
    """The retries of all calls that are spent and not yet refunded."""

    spent: float = 0.0

    def take(self, budget: float) -> bool:
        is_left = self.spent + 1 <= budget
        self.spent += is_left
        return is_left

    def refund(self) -> None:
        """Record a call that got a final response."""
        self.spent = max(0.0, self.spent - BUDGET_REFUND)


@define(eq=False, repr=False)
class RetryState:
    """The attempts of one call."""

    policy: RetryPolicy
    budget: RetryBudget
    is_repeatable: bool
    attempts: list[errors.Attempt] = field(factory=list)
    wait: float = 0.0  # seconds before the next attempt
    renewed: bool = False
    limits: int = 0  # attempts that count for nothing, since the service limited the rate
    in_doubt: bool = False  # whether the last failure left a create in doubt
    stop_reason: str | None = None  # why a retryable failure is not retried

    @property
    def deadline(self) -> float:
        return inf if self.policy.deadline is None else self.policy.deadline

    def record(self, error: RoomsError, seconds: float) -> None:
        status = error.status if isinstance(error, StatusError) else None
        failure = None if status is not None else type(error).__name__
        self.attempts.append(errors.Attempt(status=status, failure=failure, seconds=seconds, waited=self.wait))

    def should_retry(
        self, error: RoomsError, *, elapsed: float, jitter: float, can_renew: bool, hold: float = 0.0
    ) -> bool:
        """Whether to retry after ``error``; if so, ``wait`` says when.

        ``elapsed`` is in seconds since the call began, ``jitter`` 0 to 1, ``hold`` how long the throttle waits.
        """
        if not self.is_repeatable and _may_have_taken_effect(error):
            self.in_doubt = True
            return False
        if isinstance(error, StatusError):
            is_expired = is_token_expired(error.status, error.reason)
            if is_expired and can_renew and not self.renewed and elapsed < self.deadline:
                self.renewed, self.wait = True, 0.0
                return True
            is_retryable = error.status in RETRYABLE_STATUSES
            if not is_retryable:
                self.budget.refund()
        else:
            is_retryable = isinstance(error, TransportError) and error.is_transient
        return is_retryable and self.stop_reason is None and self._may_wait(error, elapsed, jitter, hold)

    def _may_wait(self, error: RoomsError, elapsed: float, jitter: float, hold: float) -> bool:
        policy, is_limit = self.policy, self.policy.waits_for_limits and is_rate_limited(error)
        self.limits += is_limit
        attempts = len(self.attempts) - self.renewed - self.limits
        if attempts >= policy.attempts:
            return False
        retry_after = (error.retry_after or 0.0) if isinstance(error, StatusError) else 0.0
        bound = min(policy.wait_max, policy.wait_initial * 2.0 ** min(attempts - 1, 40))
        self.wait = 0.0 if is_limit else retry_after + jitter * bound  # the throttle makes it wait
        if retry_after > policy.retry_after_max:
            self.stop_reason = f"the policy waits {policy.retry_after_max:g} s at most when asked to"
        elif elapsed + max(self.wait, hold if is_limit else 0.0) >= self.deadline:
            self.stop_reason = f"it would begin after the deadline of {self.deadline:g} s for the whole call"
            self.stop_reason += f", and {RATE_LIMITED}" if self.limits else ""
        elif not is_limit and not self.budget.take(policy.budget):
            self.stop_reason = "too many calls fail: the budget of retries is used up"
        return self.stop_reason is None
