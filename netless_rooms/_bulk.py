r"""Many calls with bounded concurrency and an outcome for each input.

One task pulls inputs and starts calls, each in a task of its own.  An input is in exactly one place, and nothing
is awaited while it moves to the next, so that leaving or cancelling loses none:

    source -> waiting -> begun -> ready -> taken by the caller
                              \-> in doubt

Waiting, begun and ready together hold at most ``concurrency`` inputs, so none is pulled before its call can begin.
A cancellation of the caller cancels the task that starts calls, but not the calls: each has a shield, until the
deadline that leaving sets.  So has a pull from an async iterable: a generator that is cancelled is exhausted, and
would look as if it had yielded everything.
"""

from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Sequence, Sized
from math import inf
from typing import Final, Generic, TypeVar, cast

from anyio import CancelScope, create_task_group, current_time, move_on_after
from anyio.lowlevel import checkpoint
from attrs import field, frozen

from netless_rooms._tasks import BackgroundWork, let_connect
from netless_rooms._validation import check_count, check_type, check_uuid
from netless_rooms.errors import InvalidArgumentError, InvalidArgumentTypeError, RoomsError, TooManyFailuresError
from netless_rooms.models import Room

CONCURRENCY: Final = 8  # httpx gets slower beyond ten requests at once
DRAIN_TIMEOUT: Final = 30.0  # seconds that the calls in flight get to end when the caller leaves
INPUT_TIMEOUT: Final = 5.0  # seconds that a pending pull from an async iterable gets after them

Input = TypeVar("Input")  # a uuid, or a position


def _show_error(error: Exception | None) -> str:
    # The exception of an event hook may hold the headers that the hook was given.
    return repr(error) if isinstance(error, RoomsError | None) else type(error).__name__


@frozen(kw_only=True)
class Outcome:
    """The result of one of many calls: a ``room`` or an ``error``, never both."""

    index: int  #: The position in the input, from 0.
    uuid: str | None  #: The uuid that was given; of a create, the new room's, and ``None`` if there is an error.
    room: Room | None = None  #: The room as the service returned it; ``None`` if there is an error.
    error: Exception | None = field(default=None, repr=_show_error)  #: What the single call would have raised.

    def __attrs_post_init__(self) -> None:
        if (self.room is None) is (self.error is None):
            raise InvalidArgumentError("an outcome must have either a room or an error")

    def result(self) -> Room:
        """Return the room, or raise the error, as the single call would have."""
        if self.error is not None:
            raise self.error
        return cast("Room", self.room)


def check_uuids(uuids: Iterable[str] | AsyncIterable[str]) -> Sequence[str] | AsyncIterator[str]:
    """Return all of ``uuids`` if each can name a room; those of an async iterable are checked when pulled."""
    if isinstance(uuids, AsyncIterable):
        return aiter(uuids)
    if isinstance(uuids, str):
        raise InvalidArgumentTypeError("uuids must be several, such as a list, not one string")
    check_type("uuids", uuids, Iterable, "an iterable or an async iterable")
    return tuple(check_uuid(f"uuids[{index}]", uuid) for index, uuid in enumerate(uuids))


class Outcomes(BackgroundWork, AsyncIterator[Outcome], Generic[Input]):
    """The outcomes of many calls, as they complete: ``async with rooms.get_many(uuids) as outcomes``.

    For one use.  Iterate over it inside the ``async with``, in one task or several.  It yields each call's
    ``Outcome``, with a room or an error, when the call finishes, in any order.  When calls stop early, those
    started still have outcomes; then the iteration raises:

    - ``TooManyFailuresError`` if ``max_failures`` calls failed; the last failure is its ``__cause__``;
    - whatever the async iterable of uuids raised; ``TypeError`` or ``ValueError`` if it yielded a malformed uuid,
      which is then in none of the places below;
    - ``RuntimeError`` if the ``async with`` was left before, or the tasks in it were cancelled.

    Calls start when it is entered, about in the order of the input.  Calls in flight and outcomes not yet yielded
    are together at most ``concurrency``, so calls wait for a slow consumer.

    You may leave at any time, by ``break``, an error or a cancellation: no further call starts, and those in
    flight get up to 30 seconds to finish.  The exception propagates unchanged, and no task is left.  A pull from
    an async iterable gets 5 more seconds: what it yields is not attempted.  Then it is cancelled, which exhausts a
    generator, whatever it had left: resume with another one over the same source.

    Every input is in exactly one place then: its outcome was returned, or it is in ``unread``, ``not_attempted``
    or ``in_doubt``.  They may be read at any time; a call in flight is in none of them yet.
    """

    total: int | None  #: The number of inputs; ``None`` if they come from an async iterable.
    done: int = 0  #: The number of outcomes that were returned.
    failed: int = 0  #: The number of these that have an error.
    input_cancelled: bool = False  #: Whether the async iterable was cancelled while a pull from it was pending.

    def __init__(
        self,
        name: str,
        call: Callable[[Input], Awaitable[Room]],
        inputs: Sequence[Input] | AsyncIterator[Input],
        concurrency: int,
        rate: float | None,
        max_failures: int | None,
    ) -> None:
        self._usage = f"async with rooms.{name}(...) as outcomes: async for outcome in outcomes: ..."
        self._call = call
        self._concurrency = check_count("concurrency", concurrency, at_least=1)
        self._rate = check_type("rate", rate, int | float | None, "a number of calls a second or None")
        if rate is not None and not 0 < rate < inf:
            raise InvalidArgumentError(f"rate must be above 0 and finite, or None for no limit, not {rate}")
        self._max_failures = inf if max_failures is None else check_count("max_failures", max_failures, at_least=1)
        self._given: Sequence[Input] = inputs if isinstance(inputs, Sequence) else ()
        self._stream = inputs if isinstance(inputs, AsyncIterator) else None
        self.total = len(inputs) if isinstance(inputs, Sequence) else None
        self._pulled = self._failures = 0
        self._pull: CancelScope | None = None  # around the last pull
        self._end: Exception | None = None  # what it raised; StopAsyncIteration if all were pulled
        self._waiting: dict[int, Input] = {}
        self._begun: dict[int, CancelScope] = {}
        self._ready: deque[Outcome] = deque()
        self._in_doubt: dict[int, Input] = {}
        self._last_failure: Exception | None = None  # the one that reached max_failures
        self._is_stopped = False  # no other call begins

    def __repr__(self) -> str:
        return f"{type(self).__name__}(done={self.done}, failed={self.failed}, total={self.total})"

    @property
    def not_attempted(self) -> tuple[Input, ...]:
        """The inputs whose call did not start, in their order; of an async iterable only those that were pulled.

        Uuids, ready for another call; of ``create_many`` positions, so its length is the ``count`` that is left.
        """
        return (*self._waiting.values(), *self._given[self._pulled :])

    @property
    def unread(self) -> tuple[Outcome, ...]:
        """The outcomes that the iteration did not yield, in the order in which the calls finished."""
        return tuple(self._ready)

    @property
    def in_doubt(self) -> tuple[Input, ...]:
        """The inputs whose call was cancelled, as 30 seconds after you left: its effect is unknown; in order.

        You may retry a uuid.  Before you repeat a create, check with ``find_created_between()``.
        """
        return tuple(given for _, given in sorted(self._in_doubt.items()))

    async def __anext__(self) -> Outcome:
        """Return the next outcome."""
        self._check_entered()
        await checkpoint()
        await self._wait_for(lambda: bool(self._ready) or self._is_over)
        if self._ready and not self._is_left:
            outcome = self._ready.popleft()
            self.done += 1
            self.failed += outcome.error is not None
            self._notify()
            return outcome
        if not isinstance(self._end, StopAsyncIteration | None):
            raise self._end
        if self._last_failure is not None:
            begun = self._pulled - len(self._waiting)
            raise TooManyFailuresError(self._failures, attempted=begun, total=self.total) from self._last_failure
        if self._end is None or self._ready or self._waiting or self._in_doubt:
            raise RuntimeError("the calls have been stopped: see unread, not_attempted and in_doubt")
        raise StopAsyncIteration

    def _notify(self) -> None:
        if self._is_stopped and not self._begun and self._pull is not None:
            self._pull.deadline = min(self._pull.deadline, current_time() + INPUT_TIMEOUT)
        super()._notify()

    async def _work(self) -> None:
        earliest = -inf
        held: tuple[Sized, ...] = (self._waiting, self._begun, self._ready)
        async with create_task_group() as calls:
            while True:
                await self._wait_for(lambda: self._is_stopped or sum(map(len, held)) < self._concurrency)
                if self._is_stopped or not await self._pull_next():
                    return
                if self._rate is not None:
                    with move_on_after(earliest - current_time()):
                        await self._wait_for(lambda: self._is_stopped)
                    earliest = current_time() + 1 / self._rate
                calls.start_soon(self._make_call, self._pulled - 1)
                await let_connect()

    async def _leave(self) -> None:
        self._is_stopped = True
        for call in self._begun.values():
            call.deadline = current_time() + DRAIN_TIMEOUT
        self._notify()
        await self._wait_for(lambda: not self._begun)

    async def _pull_next(self) -> bool:
        """Move the next input to ``_waiting``; return ``False`` if there is no other one."""
        with CancelScope(shield=True) as self._pull:
            try:
                if self._stream is not None:
                    pulled = await anext(self._stream)
                    check_uuid(f"uuids[{self._pulled}]", cast("str", pulled))
                elif self._pulled < len(self._given):
                    pulled = self._given[self._pulled]
                else:
                    raise StopAsyncIteration
            except Exception as error:  # whatever the iterable raises when it is cancelled, it was not exhausted
                self._end = None if self._pull.cancel_called else error
            else:
                self._waiting[self._pulled] = pulled
                self._pulled += 1
                return True
        self.input_cancelled = self._pull.cancel_called
        return False

    async def _make_call(self, index: int) -> None:
        await checkpoint()  # where a cancellation that came before the first step ends it
        if self._is_stopped:
            return
        given = self._waiting.pop(index)
        self._begun[index] = shield = CancelScope(shield=True)
        uuid = given if isinstance(given, str) else None
        try:
            with shield:
                try:  # no variable is the outcome, or it, its error and this frame would be a cycle
                    room = await self._call(given)
                except Exception as error:
                    self._finish(Outcome(index=index, uuid=uuid, error=error))
                else:
                    self._finish(Outcome(index=index, uuid=uuid or room.uuid, room=room))
        finally:
            if self._begun.pop(index, None) is not None:
                self._in_doubt[index] = given
                self._notify()

    def _finish(self, outcome: Outcome) -> None:
        del self._begun[outcome.index]
        self._ready.append(outcome)
        self._failures += outcome.error is not None
        if outcome.error is not None and self._failures >= self._max_failures:
            self._last_failure, self._is_stopped = outcome.error, True
        self._notify()
