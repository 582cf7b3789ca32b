"""Whether and when to retry: pure decisions, so without an event loop, a clock or randomness."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import RetryPolicy, RoomsError, errors
from netless_rooms._retries import BUDGET_REFUND, RetryBudget, RetryState
from selection import examples

CUT: Final = errors.TransportError("cut")
SLOW: Final = errors.TimedOutError("slow")
BUSY: Final = errors.ServerError(None, 503)
NOT_FOUND: Final = errors.NotFoundError(None, 404)
EXPIRED: Final = errors.UnauthorizedError("expired token", 401)


def tries(policy: RetryPolicy | None = None, *, repeatable: bool = True, spent: float = 0.0) -> RetryState:
    return RetryState(policy or RetryPolicy(), RetryBudget(spent), repeatable)


def is_retried(call: RetryState, error: RoomsError, **how: Any) -> bool:
    """Let the call fail once more; return whether it is retried."""
    call.record(error, 0.25)
    return call.should_retry(error, **({"elapsed": 0.0, "jitter": 1.0, "can_renew": False} | how))


HAD_NO_EFFECT: Final = [
    errors.TransportError("refused", was_sent=False),
    errors.TimedOutError("no connection", was_sent=False),
    errors.RateLimitedError(None, 429),
]
TRANSIENT: Final = [CUT, SLOW, *(errors.ServerError(None, status) for status in (500, 502, 503, 504))]
PERMANENT: Final = [
    errors.TransportError("redirected", is_transient=False),
    errors.ClientUnusableError("closed", was_sent=False, is_transient=False),
    *(errors.StatusError(None, status) for status in (304, 401, 404, 408, 428, 430, 499)),
    *(errors.ServerError(None, status) for status in (501, 505)),
    *(kind("permanent") for kind in (errors.DecodeError, errors.PaginationError, errors.TokenError, RoomsError)),
]


@pytest.mark.parametrize("error", HAD_NO_EFFECT + TRANSIENT + PERMANENT, ids=repr)
def test_transient_errors_are_retried_and_a_create_only_if_it_had_no_effect(error: RoomsError) -> None:
    for repeatable, retried in ((True, HAD_NO_EFFECT + TRANSIENT), (False, HAD_NO_EFFECT)):
        call = tries(repeatable=repeatable)
        assert is_retried(call, error) is (error in retried)
        is_limit = isinstance(error, errors.RateLimitedError)  # and takes nothing from the budget
        assert (call.budget.spent, call.stop_reason) == (error in retried and not is_limit, None)


def test_there_are_as_many_attempts_as_the_policy_has() -> None:
    for attempts in (1, 2, 7):
        call = tries(RetryPolicy(attempts))
        assert [is_retried(call, SLOW) for _ in range(attempts)] == [True] * (attempts - 1) + [False]
        assert (len(call.attempts), call.stop_reason) == (attempts, None)


def test_a_wait_is_drawn_from_zero_to_its_bound_and_added_to_retry_after() -> None:
    for jitter in (0, 0.25, 1):
        call = tries(RetryPolicy(1_000_000, deadline=None, budget=1_000_000))
        for bound in (0.5, 1.0, 2.0, 4.0, *[8.0] * 1_100):  # 2.0 ** 1024 is too much for a float
            assert is_retried(call, BUSY, jitter=jitter)
            assert call.wait == jitter * bound
    call = tries()
    assert is_retried(call, errors.ServerError(None, 502, retry_after=12.0), jitter=0.5)
    assert call.wait == 12.25


def test_a_rate_limit_counts_as_no_attempt_and_waits_for_the_throttle_unless_the_policy_does_not_wait() -> None:
    call = tries(RetryPolicy(2, deadline=100))
    limit = errors.RateLimitedError(None, 429)
    for _ in range(9):
        call.record(limit, 0)
        assert call.should_retry(limit, elapsed=95, jitter=1, can_renew=False, hold=4.9)
        assert call.wait == 0
    assert is_retried(call, CUT)
    assert not is_retried(call, CUT)
    assert not call.should_retry(limit, elapsed=95, jitter=0, can_renew=False, hold=5)
    assert call.stop_reason == f"{TOO_LATE}, and the service limits the rate of requests"
    call = tries(RetryPolicy(2, retry_after_max=0))
    assert [is_retried(call, limit), is_retried(call, limit), call.budget.spent] == [True, False, 1]


IN_5_S: Final = errors.ServerError(None, 502, retry_after=5)
TOO_LONG: Final = "the policy waits 30 s at most when asked to"
TOO_LATE: Final = "it would begin after the deadline of 100 s for the whole call"
USED_UP: Final = "too many calls fail: the budget of retries is used up"


@pytest.mark.parametrize(
    ("error", "elapsed", "spent", "why"),
    [
        (errors.RateLimitedError(None, 429, retry_after=30.0), 0, 0, None),
        (errors.RateLimitedError(None, 429, retry_after=30.001), 0, 0, TOO_LONG),
        (CUT, 98.9, 0, None),
        (CUT, 99.0, 0, TOO_LATE),
        (IN_5_S, 93.9, 0, None),
        (IN_5_S, 94.0, 0, TOO_LATE),
        (CUT, 0, 49.0, None),
        (CUT, 0, 49.1, USED_UP),
    ],
)
def test_an_error_says_why_it_is_not_retried(error: RoomsError, elapsed: float, spent: float, why: Any) -> None:
    call = tries(RetryPolicy(wait_initial=1, deadline=100), spent=spent)
    assert is_retried(call, error, elapsed=elapsed) is (why is None)
    is_limit = isinstance(error, errors.RateLimitedError)
    assert (call.stop_reason, call.budget.spent) == (why, spent + (why is None and not is_limit))


def test_an_expired_token_is_replaced_once_at_once_and_that_counts_for_nothing() -> None:
    call = tries(RetryPolicy(2, budget=1))
    assert is_retried(call, BUSY)
    assert is_retried(call, EXPIRED, can_renew=True)
    assert (call.wait, call.budget.spent) == (0, 1)
    assert not is_retried(call, EXPIRED, can_renew=True)
    call = tries(RetryPolicy(3))
    assert is_retried(call, EXPIRED, can_renew=True)
    assert [(is_retried(call, BUSY), call.wait) for _ in range(3)] == [(True, 0.5), (True, 1.0), (False, 1.0)]
    for elapsed in (9.99, 10.0):  # the deadline
        call = tries(RetryPolicy(deadline=10))
        assert is_retried(call, EXPIRED, elapsed=elapsed, can_renew=True) is (elapsed < 10)


def test_successes_refund_retries_and_never_more_than_there_were() -> None:
    shared = RetryBudget()
    shared.refund()
    assert [shared.take(2), shared.take(2), shared.take(2)] == [True, True, False]
    for _ in range(5):
        assert not shared.take(2)
        shared.refund()
    assert shared.take(2)


def test_a_final_answer_refunds_and_a_failure_does_not() -> None:
    for error, refund in (
        (NOT_FOUND, BUDGET_REFUND),
        (errors.ServerError(None, 501), BUDGET_REFUND),
        (BUSY, 0),
        (SLOW, 0),
    ):
        call = tries(RetryPolicy(1), spent=3.0)
        assert not is_retried(call, error)
        assert call.budget.spent == pytest.approx(3.0 - refund)


@examples(15, many=200)
@given(st.lists(st.booleans(), max_size=300), st.integers(0, 60))
def test_the_budget_bounds_the_number_of_requests(outcomes: list[bool], budget: int) -> None:
    shared, policy, requests = RetryBudget(), RetryPolicy(budget=budget), 0
    for success in outcomes:
        call = RetryState(policy, shared, True)
        requests += 1
        if success:
            shared.refund()
            continue
        while is_retried(call, BUSY):
            requests += 1
    assert requests <= len(outcomes) + budget + BUDGET_REFUND * sum(outcomes) + 1e-6


def test_each_attempt_is_recorded_with_its_outcome_and_wait() -> None:
    call = tries(RetryPolicy(wait_initial=2))
    assert is_retried(call, errors.ServerError(None, 502))
    assert is_retried(call, SLOW)
    call.record(NOT_FOUND, 0.125)
    assert [(str(made), made.status, made.failure, made.seconds, made.waited) for made in call.attempts] == [
        ("502", 502, None, 0.25, 0.0),
        ("TimedOutError", None, "TimedOutError", 0.25, 2.0),
        ("404", 404, None, 0.125, 4.0),
    ]


def test_a_policy_out_of_range_is_refused() -> None:
    out_of_range: dict[str, list[Any]] = {"attempts": [0, 1_000_001], "wait_initial": [-0.1, float("nan")]}
    out_of_range |= {name: [-1] for name in ("wait_max", "retry_after_max", "deadline", "budget")}
    for name, values in out_of_range.items():
        for wrong in values:
            words = f"^{name} must be {1 if name == 'attempts' else 0} to 1_000_000, not {wrong}$"
            with pytest.raises(ValueError, match=words):
                RetryPolicy(**{name: wrong})
    wrong_types: list[tuple[str, Any, str]] = [
        ("attempts", 2.0, "int, not float"),
        ("attempts", True, "int, not bool"),
        ("wait_max", "8", "int or float, not str"),
        ("retry_after_max", None, "int or float, not NoneType"),
        ("deadline", "soon", "int or float or None, not str"),
        ("budget", 1.5, "int, not float"),
    ]
    for name, wrong, text in wrong_types:
        with pytest.raises(TypeError, match=f"^{name} must be {text}$"):
            RetryPolicy(**{name: wrong})


def test_both_ends_of_every_range_are_allowed() -> None:
    for least, most in ((0, 1), (1_000_000, 1_000_000)):
        RetryPolicy(most, wait_initial=least, wait_max=least, retry_after_max=least, deadline=least, budget=least)
    assert is_retried(tries(RetryPolicy(deadline=None)), SLOW, elapsed=1e9)


def test_a_policy_is_a_value_with_documented_defaults() -> None:
    documented = RetryPolicy(4, wait_initial=0.5, wait_max=8, retry_after_max=30, deadline=120, budget=50)
    assert RetryPolicy() == documented != RetryPolicy(5)
    assert hash(RetryPolicy()) == hash(documented)
    with pytest.raises(TypeError):
        RetryPolicy(4, 0.5)  # type: ignore[call-arg]  # all but the attempts are keyword-only
