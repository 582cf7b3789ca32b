"""``AsyncRooms``: everything that users call."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import EllipsisType
from typing import Any, Literal, NoReturn, Self, TypeAlias, cast, overload

from attrs import evolve

from netless_rooms import _validation
from netless_rooms._api import requests, transport
from netless_rooms._api.responses import MAX_BODY_SIZE
from netless_rooms._api.session import Session, wall_clock
from netless_rooms._auth.environment import find_base_url, find_settings
from netless_rooms._auth.providers import Clock, TokenSource, make_provider
from netless_rooms._bulk import CONCURRENCY, Outcomes, check_uuids
from netless_rooms._listing.cursor import start_walk
from netless_rooms._listing.scan import OnInvalid, Scan, split
from netless_rooms._listing.walk import created_between, each_page, each_room
from netless_rooms._retries import DEFAULT_POLICY, RetryPolicy
from netless_rooms._tasks import AsyncWithOnly, awaited_only
from netless_rooms._validation import DEFAULT_BASE_URL, MAX_PAGE_SIZE, check_flag, check_type
from netless_rooms.errors import InvalidArgumentError
from netless_rooms.models import InvalidRoom, RegionName, Room, RoomPage

Rate: TypeAlias = float | None
Timeout: TypeAlias = float | EllipsisType | None
Uuids: TypeAlias = Iterable[str] | AsyncIterable[str]


class AsyncRooms:
    """The rooms of one whiteboard project, with an HTTP client that you own.

    The client is borrowed: never closed, never configured.  None of its auth, cookies, default headers, query
    parameters or base URL is sent, and no redirect is followed.  Its transport, proxies, TLS, limits, timeouts,
    event hooks and instrumentation apply, and its cookie jar may keep what the service sets, for that host.
    One object serves any number of tasks at once, on asyncio and Trio.

    - ``client``: an ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``, open, and used on one event loop only.
    - ``token``: an ``AccessKey``, a token, or an async function without arguments that returns a token.  With an
      ``AccessKey`` each call gets an SDK token with the least role that it needs, signed on this machine, valid
      for 10 minutes.  A function is called by one task for all.  Signed and returned tokens are renewed 1 minute
      before they expire, and once per call if the service reports them as expired.
    - ``region``: the data centre, a ``Region`` or another string.
    - ``base_url``: the address of the service; a path in it is kept as a prefix.
    - ``timeout``: the limit for each of connecting, sending, the time between two reads, and waiting for a free
      connection, in seconds, above 0 and at most a million.  ``None`` is no limit, the default the client's own.
    - ``retry``: when a failed call is retried; ``RetryPolicy(1)`` never does.  Siblings share its ``budget``.
    - ``allow_http``: ``True`` permits ``http`` to another machine; anyone on the network path can read the token.
    - ``check_token``: whether a call that its token does not permit, by kind, role, room or expiry, is refused
      before it is sent.  ``False`` leaves that to the service, as for a token that cannot be read.
    - ``clock``: returns seconds since the epoch, for the expiry of tokens.  The default is this machine's clock.
    - ``max_body_size``: the longest response body to read, in uncompressed bytes, 1 or more; 64 MiB by default.  A
      longer one raises ``DecodeError``.  At most 1 MiB of a failure's body is read.

    A wrong argument, here or of a call, raises ``InvalidArgumentError``, a ``ValueError``, before a request; of a
    wrong type, it is a ``TypeError`` too.  When the policy allows no further attempt, calls raise:

    - ``TokenError`` if there is no token, or it does not permit the call; nothing took effect;
    - ``TransportError`` if there was no usable response: ``TimedOutError`` after a timeout or the deadline;
    - a ``StatusError`` for a failure status, with a subclass for each documented one;
    - ``DecodeError`` if the status is a success, but the body is not as documented;
    - whatever the client's event hooks raise, except that an ``HTTPStatusError`` becomes a ``StatusError``.

    The logger ``netless_rooms`` gets each request at ``DEBUG``: method, path, status, seconds, attempt; and each
    retry at ``INFO``: method, path, wait, reason.
    """

    def __init__(
        self,
        client: transport.Client,
        *,
        token: TokenSource,
        region: RegionName,
        base_url: str = DEFAULT_BASE_URL,
        timeout: Timeout = ...,
        retry: RetryPolicy = DEFAULT_POLICY,
        allow_http: bool = False,
        check_token: bool = True,
        clock: Clock = wall_clock,
        max_body_size: int = MAX_BODY_SIZE,
    ) -> None:
        bound = _validation.check_count("max_body_size", max_body_size, at_least=1)
        address = _validation.check_base_url(base_url, allow_http=check_flag("allow_http", allow_http))
        self._session = Session(
            transport=transport.Transport(client, address, bound),
            provider=make_provider(token, clock),
            region=_validation.check_region(region),
            check_token=check_flag("check_token", check_token),
            clock=check_type("clock", clock, Callable, "a function"),
            retry=check_type("retry", retry, RetryPolicy, "a RetryPolicy"),
            timeout=_validation.check_timeout(timeout),
        )

    def __repr__(self) -> str:
        session = self._session
        return f"{type(self).__name__}(region={session.region!r}, base_url={session.transport.base_url!r})"

    def __reduce__(self) -> NoReturn:
        reason = "it has an HTTP client, which belongs to this process"
        advice = "make one in each process, or use with_options()"
        raise TypeError(f"{type(self).__name__} cannot be pickled or copied, because {reason}; {advice}")

    @classmethod
    def open(
        cls,
        *,
        token: TokenSource | None = None,
        region: RegionName | None = None,
        base_url: str | None = None,
        timeout: Timeout = ...,
        retry: RetryPolicy = DEFAULT_POLICY,
        allow_http: bool = False,
        check_token: bool = True,
        clock: Clock = wall_clock,
        max_body_size: int = MAX_BODY_SIZE,
    ) -> AbstractAsyncContextManager[Self]:
        """Open an ``AsyncRooms`` with its own client: ``async with AsyncRooms.open() as rooms``.

        Returns an async context manager for one use, which closes the client: one of httpx, with a timeout of 30
        seconds.  What is ``None`` comes from the environment, where an empty variable counts as not set: ``token``
        from ``NETLESS_TOKEN``, or ``NETLESS_ACCESS_KEY`` and ``NETLESS_SECRET_KEY``, ``region`` from
        ``NETLESS_REGION``, ``base_url`` from ``NETLESS_BASE_URL`` or else the public address.

        Arguments and errors are those of the class, but raise on entering.  So do ``InvalidArgumentError`` if
        settings are missing, which names all, or a token and a secret key are both set and neither is given; and
        ``ClientUnusableError`` if a proxy or certificate variable prevents a client from being made.
        """
        options: dict[str, Any] = {"timeout": timeout, "retry": retry, "allow_http": allow_http}
        options |= {"check_token": check_token, "clock": clock, "max_body_size": max_body_size}

        def make(client: transport.Client) -> Any:
            found, place = find_settings(token, region)
            address = find_base_url() if base_url is None else base_url
            return cls(client, token=found, region=place, base_url=address, **options)

        return _Opening(make)

    def with_options(
        self,
        *,
        token: TokenSource | EllipsisType = ...,
        region: RegionName | EllipsisType = ...,
        timeout: Timeout = ...,
        retry: RetryPolicy | EllipsisType = ...,
        check_token: bool | EllipsisType = ...,
    ) -> Self:
        """Return a sibling over the same client with other options; this object does not change.

        Arguments and errors are those of the class, and what is not given stays.  Siblings share signed and
        returned tokens unless they have another ``token``.
        """
        old = self._session
        session = evolve(
            old,
            provider=old.provider if token is ... else make_provider(token, old.clock),
            region=old.region if region is ... else _validation.check_region(region),
            timeout=old.timeout if timeout is ... else _validation.check_timeout(timeout),
            retry=old.retry if retry is ... else check_type("retry", retry, RetryPolicy, "a RetryPolicy"),
            check_token=old.check_token if check_token is ... else check_flag("check_token", check_token),
        )
        sibling = type(self).__new__(type(self))
        vars(sibling).update(vars(self), _session=session)
        return sibling

    async def create(self, *, limit: int | None = None, is_record: bool | None = None) -> Room:
        """Create a room and return it: ``POST /v5/rooms``.  Needs an SDK token, writer or admin.

        - ``limit``: the maximum number of users with a writer or admin token in the room at once, 0 or more.  0 is
          no maximum, which the service recommends.
        - ``is_record``: whether to record, which the service documents as not supported yet.

        What is ``None`` is not sent.  Not safe to repeat: it is retried only if it was certainly not received, or
        was refused with 429.  Raises ``CreateOutcomeUnknownError`` if the response was lost, unreadable or a
        server error (5xx); then use ``find_created_between()``.  A ``TransportError`` means that the request was
        not sent.  After a cancellation the outcome is unknown, without an error.
        """
        return await self._session.request(requests.create_room(limit=limit, is_record=is_record))

    async def get(self, uuid: str) -> Room:
        """Return the room: ``GET /v5/rooms/{uuid}``.  Safe to repeat.

        Needs an SDK token or a token of that room, writer or admin.
        """
        return await self._session.request(requests.get_room(uuid))

    @awaited_only("list() returns one page: await it; for all rooms, use async for room in rooms.walk()")
    async def list(self, *, begin_uuid: str | None = None, limit: int | None = None) -> RoomPage:
        """Return one page of rooms, exactly as served: ``GET /v5/rooms``.  Safe to repeat.

        - ``begin_uuid``: the room to start from; presumably the first of the page (undocumented).
        - ``limit``: the maximum number of rooms to return, 1 to 1000; the service's default is 100.

        Needs an SDK token, writer or admin.  For all rooms use ``walk()``: a short page does not prove the end.
        """
        return await self._session.request(requests.list_rooms(begin_uuid=begin_uuid, limit=limit))

    async def disable(self, uuid: str) -> Room:
        """Disable the room and return it: ``PATCH /v5/rooms/{uuid}``.  Safe to repeat.

        Removes all participants and blocks joining until the room is enabled.  Needs an SDK token or a token of
        that room, admin.  Raises ``DecodeError`` if the service returns another room, or one that is not disabled.
        """
        return await self._session.request(requests.ban_room(uuid, is_ban=True))

    async def enable(self, uuid: str) -> Room:
        """Undo ``disable`` and return the room; everything else as in ``disable``."""
        return await self._session.request(requests.ban_room(uuid, is_ban=False))

    def walk(
        self,
        *,
        begin_uuid: str | None = None,
        after: str | None = None,
        page_size: int = MAX_PAGE_SIZE,
        max_rooms: int | None = None,
    ) -> AsyncGenerator[Room, None]:
        """Return an async generator of all rooms, in the service's order.  Safe to repeat.

        It yields every room that existed when the walk began exactly once, and perhaps rooms created meanwhile.
        The end is proven: two requests for rooms after the last one returned none.  Nothing is held open between
        two rooms, so you may stop anywhere.  Trio warns about unclosed generators: use ``contextlib.aclosing``.

        - ``begin_uuid``: start from this room, as the service does.
        - ``after``: start after this room, to resume a walk.  Not together with ``begin_uuid``.
        - ``page_size``: rooms per request, 1 to 1000.
        - ``max_rooms``: stop after this many rooms, 0 or more; ``None`` for all.

        Keeps one page in memory, and also all uuids seen if they do not ascend, contrary to the documentation.
        Raises ``PaginationError`` too, if the list repeats, stalls, jumps back or ignores the cursor, and perhaps
        if the room at the cursor leaves the list; disabling presumably removes none.  To resume after any
        ``RoomsError``, use ``walk(after=error.checkpoint)``.
        """
        return each_room(self._session, start_walk(begin_uuid, after, page_size, max_rooms), max_rooms)

    def pages(
        self, *, begin_uuid: str | None = None, after: str | None = None, page_size: int = MAX_PAGE_SIZE
    ) -> AsyncGenerator[RoomPage, None]:
        """Return an async generator of the rooms of ``walk()``, a page at a time; all else is as in ``walk()``.

        A page has the new rooms of one response: 1 to ``page_size``.  A short page is not the end.
        """
        return each_page(self._session, start_walk(begin_uuid, after, page_size))

    @overload
    def scan(
        self,
        *,
        page_size: int = ...,
        prefetch: int = ...,
        shards: int = ...,
        resume: str | None = ...,
        split_hint: str | None = ...,
        on_invalid: Literal["raise", "skip"] = ...,
    ) -> Scan[Room]: ...
    @overload
    def scan(
        self,
        *,
        page_size: int = ...,
        prefetch: int = ...,
        shards: int = ...,
        resume: str | None = ...,
        split_hint: str | None = ...,
        on_invalid: Literal["yield"],
    ) -> Scan[Room | InvalidRoom]: ...
    def scan(
        self,
        *,
        page_size: int = MAX_PAGE_SIZE,
        prefetch: int = 1,
        shards: int = 1,
        resume: str | None = None,
        split_hint: str | None = None,
        on_invalid: OnInvalid = "raise",
    ) -> Scan[Any]:
        """Scan all rooms, and prefetch the next pages.  Safe to repeat.

        ``async with rooms.scan() as scan``, and in it ``async for room in scan``.  The guarantees are those of
        ``walk()``.  Background work ends with the ``async with``, within 1 second of leaving it.

        - ``page_size``: rooms per request, 1 to 1000.
        - ``prefetch``: the maximum number of pages buffered for each shard, 0 to 100.
        - ``shards``: the number of uuid ranges to split the list into and to scan at once, 1 to 1000; keep it at
          most the client's ``max_connections``.  Rooms are in order within each range only.  A few small requests
          probe whether the service continues from a ``beginUUID`` that names no room.  If it does not, the list is
          split at rooms from ``split_hint``, or else scanned sequentially: see ``scan.mode``.  A range that does
          not reach the start of the next raises ``PaginationError``.
        - ``resume``: a checkpoint of an earlier scan, or a shard from ``split()``.  Its ranges are kept, and
          ``shards`` of them are scanned at once.  One more request checks that it belongs to this account.
        - ``split_hint``: a checkpoint of an earlier scan, preferably a finished one: it has rooms to split at.
          Ignored if ``shards`` is 1.  Not together with ``resume``.
        - ``on_invalid``: what to do with a room that cannot be read.  ``"raise"`` raises ``DecodeError``;
          ``"skip"`` counts it and keeps it in ``scan.skipped``; ``"yield"`` yields an ``InvalidRoom`` instead.  A
          room without a readable uuid may be repeated after a resume.

        Raises, besides the errors of ``walk()``, ``InvalidArgumentError`` for a checkpoint that is damaged or of
        another region, and ``CheckpointError`` for one of another account.  After an error you may iterate over
        the same scan again, or resume in a new one: ``scan(resume=error.checkpoint)``.
        """
        return Scan(self._session, page_size, prefetch, shards, resume, split_hint, on_invalid)

    async def split(self, shards: int, *, split_hint: str | None = None) -> tuple[str, ...]:
        """Return shards of the list, for ``scan(resume=shard)`` in any process.  Safe to repeat.

        A shard is a short text without secrets, valid for the same region and account.  A scan of each reaches the
        start of the next, or raises.  ``shards`` is the maximum number, 1 to 1000; there is only one if the list
        cannot be split; see ``scan()``.  Sends one small request for each shard, and one more.
        """
        return await split(self._session, shards, split_hint)

    async def find_created_between(self, start: datetime, end: datetime) -> tuple[Room, ...]:
        """Return the rooms created from ``start`` to ``end``, both inclusive, oldest first.  Safe to repeat.

        For a create whose outcome is unknown: use ``started_at`` and ``ended_at`` of its error.  Widen both sides
        by the possible error of this machine's clock, and the end by the time that the service may take.  A room
        counts if its ``created_at``, or the time in its version-1 UUID, is in the range or less than a millisecond
        off.  Walks the whole list, one request for each 1000 rooms, because it is not in order of creation.

        Raises as ``walk()``, and ``InvalidArgumentError`` if a time has no zone or ``start`` is after ``end``.
        """
        if _validation.check_time("start", start) > _validation.check_time("end", end):
            raise InvalidArgumentError(f"start must not be after end, and {start} is after {end}")
        return await created_between(self._session, start, end)

    def get_many(
        self, uuids: Uuids, *, concurrency: int = CONCURRENCY, rate: Rate = None, max_failures: int | None = None
    ) -> Outcomes[str]:
        """Call ``get`` for many rooms concurrently: ``async with rooms.get_many(uuids) as outcomes``.

        Safe to repeat.  ``Outcomes`` says how to iterate, what that raises, and what happens when you leave early.

        - ``uuids``: an iterable, read and checked at once: the error names the position of a wrong uuid.  Or an
          async iterable, from which a uuid is pulled when its call can start; closing it is up to you.
        - ``concurrency``: the maximum number of calls at once, 1 or more.  Keep it at most the client's
          ``max_connections``, since a call that waits for a connection may time out.
        - ``rate``: the maximum number of calls that start in a second, above 0, evenly spaced; ``None`` for no
          limit.  Retries inside a call do not count.
        - ``max_failures``: start no further call after this many failures, 1 or more; ``None`` for no limit.
        """
        return Outcomes("get_many", self.get, check_uuids(uuids), concurrency, rate, max_failures)

    def disable_many(
        self, uuids: Uuids, *, concurrency: int = CONCURRENCY, rate: Rate = None, max_failures: int | None = None
    ) -> Outcomes[str]:
        """Call ``disable`` for many rooms; everything else as in ``get_many``."""
        return Outcomes("disable_many", self.disable, check_uuids(uuids), concurrency, rate, max_failures)

    def enable_many(
        self, uuids: Uuids, *, concurrency: int = CONCURRENCY, rate: Rate = None, max_failures: int | None = None
    ) -> Outcomes[str]:
        """Call ``enable`` for many rooms; everything else as in ``get_many``."""
        return Outcomes("enable_many", self.enable, check_uuids(uuids), concurrency, rate, max_failures)

    def create_many(
        self,
        count: int,
        *,
        limit: int | None = None,
        is_record: bool | None = None,
        concurrency: int = CONCURRENCY,
        rate: Rate = None,
        max_failures: int | None = None,
    ) -> Outcomes[int]:
        """Call ``create`` ``count`` times, 0 or more, with the same ``limit`` and ``is_record``.

        Not safe to repeat.  If a create may have taken effect, its outcome has a ``CreateOutcomeUnknownError``; if
        it was cancelled after you left, its position is in ``in_doubt``.  Everything else as in ``get_many``.
        """
        requests.create_room(limit=limit, is_record=is_record)  # refuses wrong arguments at once
        places = range(_validation.check_count("count", count, at_least=0))
        limits = concurrency, rate, max_failures
        return Outcomes("create_many", lambda _: self.create(limit=limit, is_record=is_record), places, *limits)


class _Opening(AsyncWithOnly, AbstractAsyncContextManager[Any]):
    """What ``open()`` returns."""

    _usage = "async with AsyncRooms.open(...) as rooms: ..."

    def __init__(self, make_rooms: Callable[[transport.Client], AsyncRooms]) -> None:
        self._make_rooms = make_rooms

    async def __aenter__(self) -> AsyncRooms:
        self._enter_once()
        self._client = client = cast("Any", transport.own_client())
        return self._make_rooms(client)  # raises for a wrong argument, while no connection is open yet

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} is an attribute of what entering this returns: {self._usage}")
