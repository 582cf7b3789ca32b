"""The pace of all requests of a service object while the service limits their rate.

Without a limit, nothing is delayed.  A response that limits the rate (429, or 503 with ``Retry-After``) does two
things.  It holds back every request until the time that the service states: a second if it states none, doubled up
to eight while nothing but such responses come.  After that, requests are sent one by one, at a rate:

- The first rate is what the service accepted in the second before it limited.  A single accepted request says
  little, so from there the rate doubles each second until the next limit.
- A later limit shows the ceiling.  The rate falls a tenth below it, returns to it within 20 seconds, stays near it
  and then grows faster and faster (the curve of TCP CUBIC), so that a limit that was raised is found.
- A minute without a limit ends the pacing.

Only the first such response to requests sent at one rate changes it, and only if some of them were accepted.
Pure.
"""

from collections import deque
from math import exp2, inf
from typing import Final

from attrs import define, field

WINDOW: Final = 1.0  # seconds in which accepted requests are counted
MIN_HOLD: Final = 1.0  # seconds, if the service states no time
MAX_HOLD: Final = 8.0
DROP: Final = 0.1  # of the ceiling
PLATEAU: Final = 20.0  # seconds to return to the ceiling
DOUBLING: Final = 1.0  # seconds
OVERSHOOT: Final = 1.2  # of a rate that doubles, until a response shows the limit
MEMORY: Final = 60.0  # seconds without a limit that end the pacing
MAX_COUNTED: Final = 1000  # accepted requests


@define
class Throttle:
    """When the next request may be sent.  Times are seconds on one monotonic clock."""

    _ceiling: float = inf
    """Requests a second that the service limited; infinite while nothing is known of a limit."""
    _is_first: bool = False
    """Whether the ceiling is the first one, from a ``_count`` of accepted requests."""
    _count: int = 0
    _is_doubling: bool = False
    _limited_at: float = -inf
    _held_until: float = -inf
    _next_at: float = -inf
    _limits_in_a_row: int = 0
    _accepted: deque[float] = field(factory=lambda: deque(maxlen=MAX_COUNTED))

    def delay(self, now: float) -> float:
        """Return 0 if a request may be sent now, and count it; else the seconds until it may be asked again."""
        if now - self._held_until > MEMORY:
            self._ceiling, self._is_doubling = inf, False
        at = max(self._held_until, self._next_at)
        if now < at:
            return at - now
        self._next_at = now + 1 / self._rate(now)
        return 0.0

    def hold(self, now: float) -> float:
        """Return the seconds until any request may be sent."""
        return max(0.0, self._held_until - now)

    def observe(self, *, sent_at: float, now: float, limited: bool, retry_after: float | None) -> None:
        """Take note of a response that came now; ``retry_after`` is in seconds, ``None`` if not stated."""
        if not limited:
            self._limits_in_a_row = 0
            if self._ceiling == inf:
                self._accepted.append(now)
            elif self._is_first and sent_at < self._limited_at:  # its response was overtaken
                self._start_from(self._count + 1)
            return
        if sent_at >= self._limited_at:
            self._limits_in_a_row += 1
            self._limited_at = now
            if self._limits_in_a_row == 1:  # or nothing was accepted at this rate, which says nothing about it
                self._slow_down(sent_at, now)
        backoff = min(MAX_HOLD, MIN_HOLD * 2.0 ** min(self._limits_in_a_row - 1, 10))
        if retry_after is not None:
            backoff = retry_after if self._limits_in_a_row == 1 else max(retry_after, backoff)
        self._held_until = max(self._held_until, now + backoff)

    def _slow_down(self, sent_at: float, now: float) -> None:
        self._is_first = self._ceiling == inf
        if self._is_first:
            self._start_from(sum(at > now - WINDOW for at in self._accepted))
            self._accepted.clear()
        else:
            self._ceiling = self._rate(sent_at) / (OVERSHOOT if self._is_doubling else 1.0)
            self._is_doubling = False

    def _start_from(self, count: int) -> None:
        self._count = count
        self._ceiling = max(1, count) / WINDOW
        self._is_doubling = count <= 1

    def _rate(self, now: float) -> float:
        """Return how many requests a second are sent."""
        age = max(0.0, now - self._held_until)  # not above MEMORY, so nothing overflows
        if self._ceiling == inf:
            return inf
        if self._is_doubling:
            return self._ceiling * exp2(age / DOUBLING)
        return self._ceiling * (1 + DROP * (age / PLATEAU - 1) ** 3)
