"""What is promised about a call under faults, held against the log of the requests sent.

Written from the documentation, not from the code: which answers may be followed by another try, how long after,
how often, what a call may end with, and when it may give up.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from math import ceil, inf
from typing import Final

from attrs import define

from faulty_transport import Exchange
from netless_rooms import CreateOutcomeUnknownError, RetryPolicy, RoomsError, errors
from netless_rooms.emulator import BadRoom, Failure, GatewayPage

GRACE: Final = 0.1 + 0.001  # seconds that a call may outlast its deadline, with what its last try has at least
PACE: Final = 40.0  # seconds that limits may hold back the next request, and the pace after them
TINY: Final = 1e-6  # what floats may be off
REFUND: Final = 0.2  # of the budget, for each call that gets a final response


# What the caller can conclude from a response: BUSY is 429, UNSETTLED 408 or 499, DENIED any other 4xx; BROKEN a
# 5xx that may pass; LOST no answer, or not all of it.
Meaning = Enum(
    "Meaning", "GOOD UNREADABLE NEVER_RECEIVED BUSY EXPIRED DENIED UNSETTLED BROKEN BROKEN_FOR_GOOD LOST"
)
SAFE_FOR_ALL: Final = {Meaning.NEVER_RECEIVED, Meaning.BUSY}
RETRYABLE_STATUSES: Final = SAFE_FOR_ALL | {Meaning.BROKEN, Meaning.LOST}
ERRORS: Final[dict[Meaning, type[RoomsError]]] = {
    **dict.fromkeys([Meaning.BUSY, Meaning.EXPIRED, Meaning.DENIED, Meaning.UNSETTLED], errors.StatusError),
    **dict.fromkeys([Meaning.BROKEN, Meaning.BROKEN_FOR_GOOD], errors.ServerError),
    **dict.fromkeys([Meaning.NEVER_RECEIVED, Meaning.LOST], errors.TransportError),
    Meaning.UNREADABLE: errors.DecodeError,
}
IN_DOUBT: Final = {Meaning.UNREADABLE, Meaning.UNSETTLED, Meaning.BROKEN, Meaning.BROKEN_FOR_GOOD, Meaning.LOST}
FINAL_ANSWER: Final = {Meaning.EXPIRED, Meaning.DENIED, Meaning.UNSETTLED, Meaning.BROKEN_FOR_GOOD}


def meaning_of(exchange: Exchange) -> Meaning:
    status, fault = exchange.status, exchange.fault
    if exchange.fate == "never received":
        return Meaning.NEVER_RECEIVED
    if exchange.fate != "answered" or status is None:
        return Meaning.LOST
    if status == 429:
        return Meaning.BUSY
    if status >= 500:
        return Meaning.BROKEN if status in {500, 502, 503, 504} else Meaning.BROKEN_FOR_GOOD
    if status in {408, 499}:
        return Meaning.UNSETTLED
    if status >= 400:
        # All tokens here are good, so what the emulator itself refuses with 401 has expired.
        itself = status == 401 and not isinstance(fault, GatewayPage)
        is_expired = fault.message == "expired token" if isinstance(fault, Failure) else itself
        return Meaning.EXPIRED if is_expired else Meaning.DENIED
    if isinstance(fault, BadRoom):
        is_there = -len(exchange.rooms) <= fault.index < len(exchange.rooms)
        return Meaning.UNREADABLE if is_there else Meaning.GOOD
    return Meaning.UNREADABLE if isinstance(fault, GatewayPage) else Meaning.GOOD


@define
class Ending:
    """How a call ended: with an error, interrupted from outside, or else with an answer."""

    error: RoomsError | None = None
    was_interrupted: bool = True


@define
class Spent:
    """How much of the retry budget has been spent: an interval, for an interrupted call may have taken one."""

    least: float = 0.0
    most: float = 0.0
    is_paced: bool = False  # the service limited the rate, so requests wait for their turn too

    def take(self, budget: int) -> None:
        assert self.least + 1 <= budget + TINY, "a retry without budget"
        self.least, self.most = self.least + 1, min(self.most + 1, budget)

    def refund(self) -> None:
        self.least, self.most = max(0.0, self.least - REFUND), max(0.0, self.most - REFUND)


def check_call(tries: Sequence[Exchange], policy: RetryPolicy, spent: Spent, ending: Ending) -> None:
    """Check the tries of one call, all of them and in order, and keep account of the budget."""
    if not tries:  # or it waited for its turn until its deadline
        assert ending.was_interrupted or isinstance(ending.error, errors.TimedOutError)
        return
    creates = tries[0].method == "POST"
    assert {(one.method, one.target) for one in tries} == {(tries[0].method, tries[0].target)}
    limits = 0  # tries that the service answered with a rate limit, which count as no attempts
    repeated = SAFE_FOR_ALL if creates else RETRYABLE_STATUSES
    deadline = inf if policy.deadline is None else policy.deadline
    renewed, pace = False, PACE * spent.is_paced
    for number, (one, following) in enumerate(pairwise(tries), 1):
        meaning, waited = meaning_of(one), following.began - one.ended
        if meaning is Meaning.EXPIRED and not renewed:
            renewed = True
            assert waited <= pace
            assert following.began - tries[0].began < deadline + GRACE * spent.is_paced
            continue
        assert meaning in repeated, f"another try after {one}"
        limits += is_limit(one)
        tried, asked_for = number - renewed, _asked_for(one)
        assert policy.attempts > max(1, tried - limits)
        assert asked_for <= policy.retry_after_max
        assert asked_for - TINY <= waited <= asked_for + _longest_wait(policy, tried) + pace + TINY
        assert following.began - tries[0].began < deadline + TINY + GRACE * spent.is_paced
        if not is_limit(one):
            spent.take(policy.budget)
    last, tried, took = tries[-1], len(tries) - renewed, tries[-1].ended - tries[0].began
    meaning, is_last_limit = meaning_of(last), is_limit(last)
    waits = _asked_for(last) + _longest_wait(policy, tried) + pace
    assert took <= deadline + GRACE + TINY
    gives_up = (
        tried - limits - is_last_limit >= policy.attempts
        or (is_last_limit and policy.attempts == 1)
        or _asked_for(last) > policy.retry_after_max
        or took + waits >= deadline - TINY
        or (not is_last_limit and spent.most + 1 > policy.budget - TINY)
    )
    if ending.was_interrupted:
        if last.fate != "interrupted" and meaning in repeated:
            spent.most = max(spent.most, min(spent.most + 1, policy.budget))
    elif ending.error is None:
        assert meaning is Meaning.GOOD, f"returned after {last}"
        spent.refund()
    elif ending.error.stop_reason == "the service limits the rate of requests":
        assert took + waits >= deadline  # it waited for its turn until then
        if meaning in repeated and not is_last_limit:
            spent.take(policy.budget)
    else:
        assert gives_up or meaning not in repeated, f"no other try after {last}"
        assert meaning is not Meaning.EXPIRED or renewed or took >= deadline - pace
        _check_error(ending.error, meaning, tries, spent)


def _check_error(error: RoomsError, meaning: Meaning, tries: Sequence[Exchange], spent: Spent) -> None:
    if meaning in FINAL_ANSWER - {Meaning.UNSETTLED}:
        spent.least = max(0.0, spent.least - REFUND)  # a service that refuses is well: that may count too
    is_in_doubt = isinstance(error, CreateOutcomeUnknownError)
    assert is_in_doubt is (tries[0].method == "POST" and meaning in IN_DOUBT)
    cause = error.__cause__ if is_in_doubt else error
    assert isinstance(cause, ERRORS[meaning])
    if isinstance(cause, errors.StatusError):
        assert cause.status == tries[-1].status
    if isinstance(cause, errors.TransportError):
        assert cause.was_sent is (meaning is Meaning.LOST)
    without_status = {Meaning.UNREADABLE, Meaning.LOST, Meaning.NEVER_RECEIVED}
    answered = [None if meaning_of(one) in without_status else one.status for one in tries]
    assert [attempt.status for attempt in error.attempts] == answered
    assert (error.method, error.path) == (tries[-1].method, tries[-1].target)
    if meaning in FINAL_ANSWER and not is_in_doubt:
        spent.refund()


def is_limit(exchange: Exchange) -> bool:
    """Whether the service said that requests come too fast: with 429, or with 503 and a time."""
    states_time = isinstance(exchange.fault, Failure) and isinstance(exchange.fault.retry_after, int | float)
    return exchange.fate == "answered" and (exchange.status == 429 or (exchange.status == 503 and states_time))


def _asked_for(exchange: Exchange) -> float:
    """Return how many seconds the service asks to wait; what it words in another way does not count."""
    fault = exchange.fault
    asked = fault.retry_after if isinstance(fault, Failure) and exchange.fate == "answered" else None
    return float(ceil(asked)) if isinstance(asked, int | float) else 0.0


def _longest_wait(policy: RetryPolicy, tried: int) -> float:
    return float(min(policy.wait_max, policy.wait_initial * 2 ** (tried - 1)))
