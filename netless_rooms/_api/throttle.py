"""The pace of all requests of a service object while the service limits their rate.  Pure.

Without a limit, nothing is delayed.  A response that limits the rate delays every request until the time that it
states, plus jitter.  Then requests are sent one by one, first come, first served, at a rate:

- The first rate is what was accepted in the second before the limit.  That is often too low, so the rate doubles
  every two seconds, or faster, until the next limit.
- A later limit shows the maximum.  The rate falls 10 % below it, returns to it within 20 seconds, stays near it
  and then grows ever faster (the curve of TCP CUBIC), to detect a raised limit.
- A minute without a limit ends the throttling.
"""

from collections import deque
from math import exp2, inf
from typing import Final

from attrs import define, field

from netless_rooms._retries import RetryPolicy, is_rate_limited
from netless_rooms.errors import RoomsError, StatusError

WINDOW: Final = 1.0  # seconds in which accepted requests are counted
DOUBLING: Final = 2.0  # seconds, at most; the fewer were accepted, the sooner
OVERSHOOT: Final = 1.2  # of a rate that doubles, until a response shows the limit
DROP: Final = 0.1  # of the ceiling
PLATEAU: Final = 20.0  # seconds to return to the ceiling
MEMORY: Final = 60.0  # seconds without a limit that end the pacing
TINY: Final = 1e-6  # seconds that a timer may be early


@define
class Throttle:
    """When the next request may be sent.  Times are seconds on the clock of the event loop.

    As loops may follow each other, whose clocks differ, a time before the last limit ends the pacing.
    """

    is_limiting: bool = False  # whether a request needs a turn
    _limited_at: float = -inf
    _held_until: float = -inf
    _next_at: float = -inf
    _refused: int = 0  # times in a row, without an accepted request between them
    _ceiling: float = 0.0  # requests a second; 0 if it is still to be counted
    _is_doubling: bool = False
    _accepted: deque[float] = field(factory=lambda: deque(maxlen=1000))  # when
    _queue: dict[int, None] = field(factory=dict)  # tickets, the oldest first

    def accept(self, sent_at: float, now: float) -> None:
        """Record a response that does not limit the rate, to a request of ``sent_at``."""
        self._accepted.append(now)
        if sent_at >= self._limited_at:
            self._refused = 0

    def observe(
        self, error: RoomsError, sent_at: float, now: float, *, jitter: float, policy: RetryPolicy
    ) -> None:
        """Record a failure of a request of ``sent_at``, which may be a limit of the rate.

        A limit holds back requests for the stated time, at least half of a bound, and for ``jitter`` of the other
        half.  The bound is the policy's ``wait_initial``, doubled up to ``wait_max`` while none is accepted.
        """
        if not is_rate_limited(error):
            if isinstance(error, StatusError):
                self.accept(sent_at, now)
            return
        wait = error.retry_after or 0.0
        if wait > policy.retry_after_max:
            return  # it is raised, and delays no call, which would wait longer than its own policy allows
        self.hold(now)
        if not self.is_limiting or sent_at >= self._limited_at:  # not of those that were under way at a limit
            if self._refused == 0:  # else none was accepted, which says nothing about the rate
                overshoot = OVERSHOOT if self._is_doubling else 1.0
                self._ceiling = self._rate(sent_at) / overshoot if self.is_limiting else 0.0
                self._is_doubling = not self.is_limiting
            self._limited_at, self.is_limiting = now, True
            spread = min(policy.wait_max, policy.wait_initial * exp2(min(self._refused, 40))) / 2
            wait = max(wait, spread) + jitter * spread
            self._refused += 1
        self._held_until = max(self._held_until, now + wait)

    def hold(self, now: float) -> float:
        """Return the seconds until any request may be sent; end the pacing if it is time."""
        if self.is_limiting and not self._limited_at - TINY <= now <= self._held_until + MEMORY:
            self.is_limiting, self._refused = False, 0
            self._held_until = self._next_at = -inf
        return max(0.0, self._held_until - now)

    def enqueue(self) -> int:
        """Return a ticket for a turn; give it back to ``dequeue``, used or not."""
        ticket = next(reversed(self._queue), 0) + 1
        self._queue[ticket] = None
        return ticket

    def dequeue(self, ticket: int) -> None:
        del self._queue[ticket]

    def wait(self, ticket: int, now: float) -> float:
        """Return 0 if it is the turn of ``ticket``; else the seconds after which to ask again."""
        at = max(now + self.hold(now), self._next_at)
        if not self.is_limiting:
            return 0.0
        ahead = ticket - next(iter(self._queue))
        if ahead == 0 and now >= at - TINY:
            self._next_at = at + 1 / self._rate(at)
            return 0.0
        # After a second a request looks again, since the rate may have grown.
        return min(at - now + ahead / self._rate(at), max(1.0, self._held_until - now))

    def _rate(self, now: float) -> float:
        if self._ceiling == 0:  # counted late, when the responses to what was under way have come
            self._ceiling = max(1.0, sum(self._limited_at - WINDOW < at <= now for at in self._accepted) / WINDOW)
        age = max(0.0, now - self._held_until)
        if self._is_doubling:
            return self._ceiling * exp2(age / min(DOUBLING, self._ceiling))
        return self._ceiling * (1 + DROP * (age / PLATEAU - 1) ** 3)
