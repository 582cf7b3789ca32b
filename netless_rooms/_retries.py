"""Again, and when?  Policy values and pure decisions: time and chance are arguments.

How it works
------------
``RetryState`` follows one call.  After each try that failed it is asked once, and says how long to wait before
the next one, or that there is none.  In this order:

1. A token that has expired and can be replaced: at once, the first time, unless the deadline has passed; it counts
   as no try of the policy.
2. An error that another try cannot mend, or a call that would be done twice by it: no.
3. The policy's tries are used up: no.
4. The service asks for a longer wait than the policy takes: no; the error says how long.
5. The wait would end after the deadline: no.
6. The budget that all calls share is used up: no.

The wait is drawn from 0 to a bound that doubles from try to try ("full jitter"), so that clients which failed
together do not come back together; what the service asks for in ``Retry-After`` comes on top.

The budget keeps an outage from being multiplied.  Each retry takes 1 from it, and each call that gets a final
answer gives a fifth back, be it a success or a refusal, since a service that refuses is well.  So n calls make at
most n + budget + n/5 requests whatever happens, and n + budget while nothing is answered.

Which failures may pass: no usable answer (unless another try cannot help, as after a refused redirect or with
a certificate that is not trusted), 429, 500, 502, 503 and 504.  A create is repeated only if it certainly was not
received, or was refused with 429.
"""

from math import inf
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from netless_rooms.errors import Attempt, RateLimitedError, RoomsError, StatusError, TransportError

if TYPE_CHECKING:
    from attrs import Attribute

RETRYABLE_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
BUDGET_REFUND: Final = 0.2  # of a retry, by each final answer
LONGEST: Final = 1_000_000  # of everything that a policy says; more would overflow somewhere below
DOUBLINGS: Final = 40  # far beyond every bound


def _at_least(least: float, kinds: tuple[type, ...]) -> Any:
    def check(_: object, attribute: "Attribute[float]", value: float | None) -> None:
        if isinstance(value, bool) or not isinstance(value, kinds):
            names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
            raise TypeError(f"{attribute.name} must be {names}, not {type(value).__name__}")
        if value is not None and not least <= value <= LONGEST:
            raise ValueError(f"{attribute.name} must be {least} to {LONGEST:_}, not {value}")

    return check


@frozen
class RetryPolicy:
    """When a call that failed is tried again, and when not any more.

    Raises ``TypeError`` or ``ValueError`` for a wrong value.

    .. versionadded:: 0.1
    """

    attempts: int = field(default=4, validator=_at_least(1, (int,)))
    """How many tries there are in all, the first included; 1 never repeats."""
    wait_initial: float = field(default=0.5, kw_only=True, validator=_at_least(0, (int, float)))
    """Seconds that the wait before the second try is at most; the bound doubles from try to try."""
    wait_max: float = field(default=8.0, kw_only=True, validator=_at_least(0, (int, float)))
    """Seconds that the bound grows to."""
    retry_after_max: float = field(default=30.0, kw_only=True, validator=_at_least(0, (int, float)))
    """Seconds that the service may ask to wait; if it asks for more, the error is raised at once."""
    deadline: float | None = field(default=120.0, kw_only=True, validator=_at_least(0, (int, float, type(None))))
    """Seconds for the whole call, all tries and waits together; ``None`` sets no such limit."""
    budget: int = field(default=50, kw_only=True, validator=_at_least(0, (int,)))
    """How many retries all calls of one service object and its siblings have together; each call that gets a final
    answer, be it a refusal, wins a fifth of one back."""


DEFAULT_POLICY: Final = RetryPolicy()


def check_retry(value: object) -> RetryPolicy:
    """Return ``value`` if it is a policy."""
    if not isinstance(value, RetryPolicy):
        raise TypeError(f"retry must be a RetryPolicy, not {type(value).__name__}")
    return value


@define
class RetryBudget:
    """What the retries of all calls have used up, and not won back yet."""

    spent: float = 0.0

    def take(self, budget: float) -> bool:
        """Use up one retry of ``budget``, if one is left."""
        if self.spent + 1 > budget:
            return False
        self.spent += 1
        return True

    def refund(self) -> None:
        """Note a call that got a final answer."""
        self.spent = max(0.0, self.spent - BUDGET_REFUND)


@define
class RetryState:
    """The tries of one call."""

    policy: RetryPolicy
    budget: RetryBudget
    repeatable: bool
    made: list[Attempt] = field(factory=list)
    wait: float = 0.0
    """Seconds to wait before the next try."""
    renewed: bool = False
    stop_reason: str | None = None
    """Why there is no other try although one might have helped."""

    @property
    def number(self) -> int:
        """The number of the try that comes next, from 1."""
        return len(self.made) + 1

    def note(self, error: RoomsError, seconds: float) -> None:
        """Note a try that failed."""
        status = error.status if isinstance(error, StatusError) else None
        failure = None if status is not None else type(error).__name__
        self.made.append(Attempt(status=status, failure=failure, seconds=seconds, waited=self.wait))

    def go_on(self, error: RoomsError, *, elapsed: float, chance: float, can_renew: bool) -> bool:
        """Whether there is another try after ``error``; if so, ``wait`` says when.

        ``elapsed`` is in seconds since the call began, ``chance`` is drawn from 0 to 1, and ``can_renew`` tells
        that the token has expired and can be replaced.
        """
        if can_renew and not self.renewed and elapsed < self.seconds:
            self.renewed, self.wait = True, 0.0
            return True
        if isinstance(error, StatusError) and error.status not in RETRYABLE_STATUSES:
            self.budget.refund()
        policy, tried = self.policy, self.number - 1 - self.renewed
        if not self._may_pass(error) or tried >= policy.attempts:
            return False
        asked_for = (error.retry_after or 0.0) if isinstance(error, StatusError) else 0.0
        self.wait = asked_for + chance * min(
            policy.wait_max, policy.wait_initial * 2.0 ** min(tried - 1, DOUBLINGS)
        )
        if asked_for > policy.retry_after_max:
            self.stop_reason = f"the policy waits {policy.retry_after_max:g} s at most when asked to"
        elif elapsed + self.wait >= self.seconds:
            self.stop_reason = f"it would begin after the deadline of {self.seconds:g} s for the whole call"
        elif not self.budget.take(policy.budget):
            self.stop_reason = "too many calls fail: the budget of retries is used up"
        return self.stop_reason is None

    @property
    def seconds(self) -> float:
        """How long the whole call may take."""
        return inf if self.policy.deadline is None else self.policy.deadline

    def _may_pass(self, error: RoomsError) -> bool:
        if not self.repeatable:
            refused = isinstance(error, RateLimitedError)
            return refused or (isinstance(error, TransportError) and error.is_transient and not error.was_sent)
        if isinstance(error, TransportError):
            return error.is_transient
        return isinstance(error, StatusError) and error.status in RETRYABLE_STATUSES
