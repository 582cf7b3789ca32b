"""Whether to try again, and when: pure decisions, without an event loop, a clock or chance."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import (
    BadRequestError,
    ClientUnusableError,
    DecodeError,
    ForbiddenError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    RetryPolicy,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TokenError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.retries import WON_BACK, RetryBudget, Tries

MAY_PASS: list[RoomsError] = [
    TransportError("cut"),
    TransportError("refused", was_sent=False),
    TimedOutError("slow"),
    RateLimitedError(429, None),
    *(ServerError(status, None) for status in (500, 502, 503, 504)),
]
FINAL: list[RoomsError] = [
    BadRequestError(400, None),
    UnauthorizedError(401, None),
    ForbiddenError(403, None),
    NotFoundError(404, None),
    StatusError(405, None),
    StatusError(408, None),
    ServerError(501, None),
    ServerError(505, None),
    StatusError(304, None),
    DecodeError("no JSON"),
    PaginationError("it stalls"),
    TokenError("expired"),
    TransportError("redirected", is_transient=False),
    ClientUnusableError("closed", was_sent=False, is_transient=False),
    RoomsError("unknown"),
]
NOT_RECEIVED: list[RoomsError] = [
    TransportError("refused", was_sent=False),
    TimedOutError("no connection", was_sent=False),
    RateLimitedError(429, None),
]


def tries(policy: RetryPolicy | None = None, *, repeatable: bool = True, spent: float = 0.0) -> Tries:
    return Tries(policy or RetryPolicy(), RetryBudget(spent), repeatable)


def fail(
    call: Tries, error: RoomsError, *, elapsed: float = 0.0, chance: float = 1.0, can_renew: bool = False
) -> bool:
    """Let the call fail once more; whether there is another try."""
    call.note(error, 0.25)
    return call.go_on(error, elapsed=elapsed, chance=chance, can_renew=can_renew)


@pytest.mark.parametrize("error", MAY_PASS, ids=repr)
def test_what_may_pass_is_tried_again(error: RoomsError) -> None:
    assert fail(tries(), error)


@pytest.mark.parametrize("error", FINAL, ids=repr)
@pytest.mark.parametrize("repeatable", [True, False])
def test_what_another_try_cannot_mend_is_final(error: RoomsError, *, repeatable: bool) -> None:
    call = tries(repeatable=repeatable)
    assert not fail(call, error)
    assert call.budget.spent == 0


@pytest.mark.parametrize("error", MAY_PASS + NOT_RECEIVED, ids=repr)
def test_a_create_is_repeated_only_if_it_was_not_received_or_refused(error: RoomsError) -> None:
    safe = isinstance(error, RateLimitedError) or (isinstance(error, TransportError) and not error.was_sent)
    assert fail(tries(repeatable=False), error) is safe


@pytest.mark.parametrize("attempts", [1, 2, 4, 7])
def test_there_are_as_many_tries_as_the_policy_has(attempts: int) -> None:
    call = tries(RetryPolicy(attempts))
    went_on = [fail(call, TimedOutError("slow")) for _ in range(attempts)]
    assert went_on == [True] * (attempts - 1) + [False]
    assert call.number == attempts + 1


def test_the_bound_of_the_wait_doubles_up_to_the_longest() -> None:
    call = tries(RetryPolicy(8, first_wait=0.5, longest_wait=6))
    waits = []
    for _ in range(7):
        assert fail(call, ServerError(503, None))
        waits.append(call.wait)
    assert waits == [0.5, 1.0, 2.0, 4.0, 6.0, 6.0, 6.0]


@given(chance=st.floats(0, 1), tried=st.integers(1, 2_000))
def test_a_wait_is_drawn_from_nothing_to_its_bound(chance: float, tried: int) -> None:
    call = tries(RetryPolicy(1_000_000, deadline=None))
    call.made = [None] * (tried - 1)  # type: ignore[list-item]  # only their number counts
    assert fail(call, ServerError(503, None), chance=chance)
    assert call.wait == pytest.approx(chance * min(8.0, 0.5 * 2.0 ** min(tried - 1, 10)))


def test_what_the_service_asks_for_comes_before_the_drawn_wait() -> None:
    for status, kind in ((429, RateLimitedError), (503, ServerError)):
        call = tries()
        assert fail(call, kind(status, None, retry_after=12.0), chance=0.5)
        assert call.wait == 12.25


@pytest.mark.parametrize(
    ("asked_for", "is_taken"), [(0.0, True), (30.0, True), (30.001, False), (86_400.0, False)]
)
def test_a_service_that_asks_for_too_long_is_not_waited_for(asked_for: float, *, is_taken: bool) -> None:
    call = tries()
    assert fail(call, RateLimitedError(429, None, retry_after=asked_for)) is is_taken
    assert call.budget.spent == is_taken


@pytest.mark.parametrize(
    ("elapsed", "is_in_time"), [(0, True), (8.9, True), (9.0, False), (9.1, False), (60, False)]
)
def test_a_wait_that_ends_after_the_deadline_is_not_begun(elapsed: float, *, is_in_time: bool) -> None:
    call = tries(RetryPolicy(first_wait=1, deadline=10))
    assert fail(call, TimedOutError("slow"), elapsed=elapsed) is is_in_time
    assert call.budget.spent == is_in_time


def test_without_a_deadline_no_time_is_too_long() -> None:
    assert fail(tries(RetryPolicy(deadline=None)), TimedOutError("slow"), elapsed=1e9)


# The token


def test_a_token_that_can_be_replaced_is_worth_one_try_at_once_that_counts_for_nothing() -> None:
    call = tries(RetryPolicy(1, budget=0))
    assert fail(call, UnauthorizedError(401, "expired token"), can_renew=True)
    assert call.wait == 0
    assert not fail(call, UnauthorizedError(401, "expired token"), can_renew=True)
    assert call.budget.spent == 0


@pytest.mark.parametrize(("elapsed", "goes_on"), [(9.99, True), (10.0, False), (10.05, False)])
def test_a_new_token_brings_no_try_behind_the_deadline(elapsed: float, *, goes_on: bool) -> None:
    call = tries(RetryPolicy(deadline=10))
    expired = UnauthorizedError(401, "expired token")
    assert fail(call, expired, elapsed=elapsed, can_renew=True) is goes_on


def test_after_a_new_token_all_tries_are_left() -> None:
    call = tries(RetryPolicy(3))
    assert fail(call, UnauthorizedError(401, "expired token"), can_renew=True)
    assert [fail(call, ServerError(503, None)) for _ in range(3)] == [True, True, False]


# The budget


def test_a_used_up_budget_lets_no_call_try_again() -> None:
    shared = RetryBudget()
    policy = RetryPolicy(budget=5)
    went_on = [fail(Tries(policy, shared, True), TimedOutError("slow")) for _ in range(20)]
    assert went_on == [True] * 5 + [False] * 15


def test_successes_win_retries_back_and_never_more_than_there_were() -> None:
    shared = RetryBudget()
    shared.win_back()
    assert [shared.take(2), shared.take(2), shared.take(2)] == [True, True, False]
    for _ in range(5):
        assert not shared.take(2)
        shared.win_back()
    assert shared.take(2)


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 60))
def test_requests_are_never_multiplied_beyond_the_budget(outcomes: list[bool], budget: int) -> None:
    shared, policy, requests = RetryBudget(), RetryPolicy(budget=budget), 0
    for success in outcomes:
        call = Tries(policy, shared, True)
        requests += 1
        if success:
            shared.win_back()
            continue
        while fail(call, ServerError(503, None)):
            requests += 1
    assert requests <= len(outcomes) + budget + WON_BACK * sum(outcomes) + 1e-6


@pytest.mark.parametrize(
    "error", [NotFoundError(404, None), StatusError(409, None), ServerError(501, None)], ids=repr
)
def test_a_final_answer_wins_back_and_a_failure_does_not(error: RoomsError) -> None:
    call = tries(spent=3.0)
    fail(call, error)
    assert call.budget.spent == pytest.approx(3.0 - WON_BACK)
    call = tries(RetryPolicy(1), spent=3.0)
    for passing in (TimedOutError("slow"), ServerError(503, None), RateLimitedError(429, None)):
        assert not fail(call, passing)
    assert call.budget.spent == 3.0


# What is told


def test_every_try_is_told_with_its_outcome_and_wait() -> None:
    call = tries(RetryPolicy(first_wait=2))
    assert fail(call, ServerError(502, None))
    assert fail(call, TimedOutError("slow"))
    call.note(NotFoundError(404, None), 0.125)
    assert [(str(made), made.status, made.failure, made.seconds, made.waited) for made in call.made] == [
        ("502", 502, None, 0.25, 0.0),
        ("TimedOutError", None, "TimedOutError", 0.25, 2.0),
        ("404", 404, None, 0.125, 4.0),
    ]


# The policy


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"attempts": 0}, ValueError),
        ({"attempts": -1}, ValueError),
        ({"attempts": 2.0}, TypeError),
        ({"attempts": True}, TypeError),
        ({"attempts": 10_000_000}, ValueError),
        ({"first_wait": -0.1}, ValueError),
        ({"first_wait": float("nan")}, ValueError),
        ({"longest_wait": float("inf")}, ValueError),
        ({"longest_wait": "8"}, TypeError),
        ({"longest_retry_after": None}, TypeError),
        ({"deadline": -1}, ValueError),
        ({"deadline": "soon"}, TypeError),
        ({"budget": -1}, ValueError),
        ({"budget": 1.5}, TypeError),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    (name,) = wrong
    with pytest.raises(error, match=f"^{name} must be "):
        RetryPolicy(**wrong)


def test_a_policy_is_a_value() -> None:
    assert RetryPolicy(4) == RetryPolicy() != RetryPolicy(5)
    assert hash(RetryPolicy(4)) == hash(RetryPolicy())
    assert RetryPolicy(deadline=None, first_wait=0).deadline is None
