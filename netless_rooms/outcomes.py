"""What became of one of many calls, and the terms on which they are made.  Pure."""

from math import inf
from typing import Final, cast

from attrs import evolve, field, frozen

from netless_rooms._validation import check_count
from netless_rooms.errors import RoomsError
from netless_rooms.models import Room

CONCURRENCY: Final = 8  # httpx gets slower beyond ten requests at once


def _shown(error: Exception | None) -> str:
    # What an event hook raises may hold the headers that it was shown.
    return repr(error) if isinstance(error, RoomsError | None) else type(error).__name__


@frozen(kw_only=True)
class Outcome:
    """What became of one of many calls: it has a ``room`` or an ``error``, never both.

    .. versionadded:: 0.1
    """

    index: int
    """The position in the input, from 0."""
    uuid: str | None
    """The uuid that was given; of a create, the new room's, and ``None`` if there is an error."""
    room: Room | None = None
    """The room as the service answered; ``None`` if there is an error."""
    error: Exception | None = field(default=None, repr=_shown)
    """Why there is no room: what the single call would have raised; ``None`` if there is one."""

    def __attrs_post_init__(self) -> None:
        if (self.room is None) is (self.error is None):
            raise ValueError("an outcome must have either a room or an error")

    def result(self) -> Room:
        """Return the room, or raise the error, as the single call would have.

        .. versionadded:: 0.1
        """
        if self.error is not None:
            raise self.error
        return cast("Room", self.room)


@frozen(kw_only=True)
class Terms:
    """How many at once, how fast, and how many may fail."""

    concurrency: int = field()
    rate: float | None = field()
    max_failures: int | None = field()

    @concurrency.validator
    def _check_concurrency(self, _: object, value: int) -> None:
        check_count("concurrency", value, at_least=1)

    @rate.validator
    def _check_rate(self, _: object, value: float | None) -> None:
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"rate must be a number of calls a second or None, not {type(value).__name__}")
        if not 0 < value < inf:
            raise ValueError(f"rate must be above 0 and finite, or None for as fast as it goes, not {value}")

    @max_failures.validator
    def _check_max_failures(self, _: object, value: int | None) -> None:
        if value is not None:
            check_count("max_failures", value, at_least=1)

    def within(self, pool_size: int | None) -> "Terms":
        """Return the same for a pool of connections: a call that waits for one gains nothing and may time out."""
        if pool_size is None or pool_size >= self.concurrency:
            return self
        return evolve(self, concurrency=pool_size)
