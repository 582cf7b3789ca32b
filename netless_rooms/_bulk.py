r"""Many calls, a few at a time, and what became of each.

How it works
------------
One task goes through the input and begins the calls; each call is a task of its own.  An input is in one place at
a time, and nothing is awaited while it moves to the next, so that none is lost when somebody leaves or cancels:

    the input -> waiting -> begun -> ready -> taken by the caller
                                 \-> in doubt

Waiting, begun and ready together are as many as may run at once.  So nothing is pulled out of the input before it
can begin, and a caller who takes no outcomes holds up the calls.

What cancels the caller cancels the task that begins calls, but not the calls: each has a shield, until the
deadline that leaving sets.  So has the wait for an iterable, for a generator that is cancelled is at its end, and
would look as if it had brought everything.  After a stop, a call whose task has not had its first step does not
begin.
"""

from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import asynccontextmanager
from math import inf
from typing import Final, Generic, TypeVar, cast

from anyio import CancelScope, Event, create_task_group, current_time, sleep
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from attrs import field, frozen

from netless_rooms._api.requests import ApiRequest
from netless_rooms._api.session import Session
from netless_rooms._tasks import background
from netless_rooms._validation import check_count, check_uuid
from netless_rooms.errors import RoomsError, TooManyFailuresError
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
class BulkOptions:
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


DRAIN_TIMEOUT: Final = 30.0  # seconds that the calls in flight get to end when somebody leaves
INPUT_TIMEOUT: Final = 5.0  # seconds that the iterable gets after them, if it is being waited for

Input = TypeVar("Input")  # a uuid, or a position


class Outcomes(AsyncIterator[Outcome], Generic[Input]):
    """The outcomes of many calls, as they come: ``async with rooms.get_many(uuids) as outcomes``.

    Iterate over it inside the ``async with``, and each call's ``Outcome`` comes when it has ended, so in no
    certain order; a call that failed is an outcome like any other.  Take them in one task or in several.  The
    iteration ends when every input had its outcome.  If no more calls are begun, it raises instead, when the
    outcomes of all that were begun have come:

    - ``TooManyFailuresError`` if ``max_failures`` were reached; the last failure is its ``__cause__``;
    - what the async iterable of uuids raised; ``TypeError`` or ``ValueError`` if it brought what is no uuid,
      which is then in none of the places below;
    - ``RuntimeError`` if the ``async with`` was left before, or the tasks in it were cancelled.

    Calls are begun from entering on, about in the order of the input.  The calls in flight and the outcomes that
    you have not taken are together no more than may run at once, so if you are slow, the calls wait for you.

    Leave whenever you like, by ``break``, an error or a cancellation: no further call is begun, and those in
    flight get up to 30 seconds to end, since what is cut may have taken effect or not.  What you raise comes out
    as it is, and no task is left behind.  An async iterable stays yours, and closing it is up to you.  If it is
    being waited for when the calls have ended, it gets 5 seconds more: what it brings is not attempted.  Then it
    is cancelled, and ``input_cancelled``.

    Every input is in exactly one place then: its outcome came out, or it is in ``unread``,
    ``not_attempted`` or ``in_doubt``.  They may be read at any time; a call in flight is in none of them yet.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        call: Callable[[Input], Awaitable[Room]],
        given: Sequence[Input] | AsyncIterator[Input],
        terms: BulkOptions,
    ) -> None:
        self._call_for = call
        self._given: Sequence[Input] = given if isinstance(given, Sequence) else ()
        self._stream = given if isinstance(given, AsyncIterator) else None
        self._terms = terms
        self._pulled = 0
        self._waiting: dict[int, Input] = {}
        self._begun: dict[int, CancelScope] = {}
        self._ready: deque[Outcome] = deque()
        self._in_doubt: dict[int, Input] = {}
        self._done = self._failed = self._failures = 0
        self._last_failure: Exception | None = None
        self._raises: Exception | None = None
        self._stopped = self._exhausted = self._ended = self._left = False
        self._pull = CancelScope()
        self._was_cut = False
        self._beginning = CancelScope()
        self._news = Event()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(done={self.done}, failed={self.failed}, total={self.total})"

    @property
    def total(self) -> int | None:
        """How many inputs there are; ``None`` if they come from an async iterable.

        .. versionadded:: 0.1
        """
        return len(self._given) if self._stream is None else None

    @property
    def done(self) -> int:
        """How many outcomes came out.

        .. versionadded:: 0.1
        """
        return self._done

    @property
    def failed(self) -> int:
        """How many of these have an error.

        .. versionadded:: 0.1
        """
        return self._failed

    @property
    def not_attempted(self) -> tuple[Input, ...]:
        """The inputs for which no call was begun, in their order, to be handed to another call.

        Uuids; of ``create_many`` the positions, so its length is the ``count`` that is left.  Of an async iterable
        these are at most those that were pulled; the rest is still in it.

        .. versionadded:: 0.1
        """
        return (*self._waiting.values(), *self._given[self._pulled :])

    @property
    def unread(self) -> tuple[Outcome, ...]:
        """The outcomes that came in and did not come out, in the order in which they came in.

        .. versionadded:: 0.1
        """
        return tuple(self._ready)

    @property
    def in_doubt(self) -> tuple[Input, ...]:
        """The inputs whose call was begun and cut before its end, in their order: nobody knows what became of it.

        That takes a call that goes on for 30 seconds after you left.  A uuid may be handed to another call; a
        create is not to be repeated before you have looked with ``find_created_between()``.

        .. versionadded:: 0.1
        """
        return tuple(given for _, given in sorted(self._in_doubt.items()))

    @property
    def input_cancelled(self) -> bool:
        """Whether the async iterable was cancelled while it was waited for.

        A generator is at its end then, whatever it had left to bring: go on with another one, for instance with
        ``(room.uuid async for room in scan)`` over the same scan.

        .. versionadded:: 0.1
        """
        return self._was_cut

    async def __anext__(self) -> Outcome:
        """Return the next outcome."""
        await checkpoint()
        await self._until(lambda: bool(self._ready) or self._ended)
        if self._ready and not self._left:
            outcome = self._ready.popleft()
            self._done += 1
            self._failed += outcome.error is not None
            self._tell()
            return outcome
        if self._raises is not None:
            raise self._raises
        if not self._exhausted or self._ready or self._waiting or self._in_doubt:
            raise RuntimeError("the calls have been stopped: see undelivered, not_attempted and in_doubt")
        raise StopAsyncIteration

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            if self._news.is_set():
                self._news = Event()
            await self._news.wait()

    def _tell(self) -> None:
        if self._stopped and not self._begun:
            self._beginning.cancel()  # it may be waiting, for the iterable or for the rate
            self._pull.deadline = min(self._pull.deadline, current_time() + INPUT_TIMEOUT)
        self._news.set()

    async def _work(self) -> None:
        try:
            async with create_task_group() as calls:
                with self._beginning:
                    await self._begin_all(calls)
        finally:
            self._ended = True
            if self._raises is None and self._last_failure is not None:
                self._raises = TooManyFailuresError(self._failures, attempted=self._attempted(), total=self.total)
                self._raises.__cause__ = self._last_failure
            self._tell()

    async def _leave(self) -> None:
        self._left = True
        self._stop()
        for call in self._begun.values():
            call.deadline = current_time() + DRAIN_TIMEOUT
        await self._until(lambda: not self._begun)

    def _stop(self) -> None:
        self._stopped = True
        self._tell()

    async def _begin_all(self, calls: TaskGroup) -> None:
        earliest = -inf
        while True:
            await self._until(self._has_room)
            if self._stopped:
                return
            try:
                with CancelScope(shield=True) as self._pull:
                    given = await self._next_given()
            except Exception as error:  # of the iterable, or its end
                self._end_of_input(error)
                return
            if self._pull.cancelled_caught:
                self._end_of_input(None)
                return
            index = self._pulled
            self._waiting[index] = given
            self._pulled += 1
            if self._terms.rate is not None:
                await sleep(max(0.0, earliest - current_time()))
                earliest = current_time() + 1 / self._terms.rate
            calls.start_soon(self._call, index, given)

    def _end_of_input(self, raised: Exception | None) -> None:
        """Note why nothing more comes; what an iterable raises when it is cut says nothing of what it has left."""
        self._was_cut = self._pull.cancel_called
        if isinstance(raised, StopAsyncIteration):
            self._exhausted = not self._was_cut
        elif not self._was_cut:
            self._raises = raised

    def _has_room(self) -> bool:
        return len(self._waiting) + len(self._begun) + len(self._ready) < self._terms.concurrency

    async def _next_given(self) -> Input:
        if self._stream is not None:
            return await anext(self._stream)
        if self._pulled == len(self._given):
            raise StopAsyncIteration
        return self._given[self._pulled]

    def _attempted(self) -> int:
        return self._pulled - len(self._waiting)

    async def _call(self, index: int, given: Input) -> None:
        await checkpoint()  # where a cancellation that came before the first step ends it
        if self._stopped:
            return
        del self._waiting[index]
        self._begun[index] = shield = CancelScope(shield=True)
        try:
            with shield:
                await self._bring_about(index, given)
        finally:
            if self._begun.pop(index, None) is not None:
                self._in_doubt[index] = given
                self._tell()

    async def _bring_about(self, index: int, given: Input) -> None:
        # The outcome is in no variable of a coroutine: an error keeps the frames that it came through and those
        # around them, which would keep the outcome, which keeps the error.
        uuid = given if isinstance(given, str) else None
        try:
            room = await self._call_for(given)
        except Exception as error:
            self._end(Outcome(index=index, uuid=uuid, error=error))
        else:
            self._end(Outcome(index=index, uuid=uuid or room.uuid, room=room))

    def _end(self, outcome: Outcome) -> None:
        del self._begun[outcome.index]
        self._ready.append(outcome)
        self._failures += outcome.error is not None
        if outcome.error is not None and self._failures >= (self._terms.max_failures or inf):
            self._last_failure = outcome.error
            self._stopped = True
        self._tell()


class CheckedUuids(AsyncIterator[str]):
    """The uuids of an async iterable, each looked at as it comes."""

    def __init__(self, uuids: AsyncIterable[str]) -> None:
        self._uuids = aiter(uuids)
        self._index = 0

    async def __anext__(self) -> str:
        """Return the next one, or raise what is wrong with it."""
        uuid = check_uuid(f"uuids[{self._index}]", await anext(self._uuids))
        self._index += 1
        return uuid


def check_uuids(uuids: Iterable[str] | AsyncIterable[str]) -> Sequence[str] | AsyncIterator[str]:
    """Return all of ``uuids`` if each can name a room; from an async iterable, what will look at each."""
    if isinstance(uuids, AsyncIterable):
        return CheckedUuids(uuids)
    if isinstance(uuids, str):
        raise TypeError("give a list of uuids, not one")
    if not isinstance(uuids, Iterable):
        raise TypeError(f"uuids must be an iterable or an async iterable, not {type(uuids).__name__}")
    return tuple(check_uuid(f"uuids[{index}]", uuid) for index, uuid in enumerate(uuids))


@asynccontextmanager
async def call_each(
    session: Session,
    operation_for: Callable[[Input], ApiRequest[Room]],
    given: Sequence[Input] | AsyncIterator[Input],
    terms: BulkOptions,
) -> AsyncGenerator[Outcomes[Input], None]:
    """Make one call for each of ``given`` while the body runs, which gets the outcomes."""

    async def call(one: Input) -> Room:
        return await session.request(operation_for(one))

    outcomes = Outcomes(call, given, terms)
    async with background(outcomes._work, outcomes._leave):
        yield outcomes
