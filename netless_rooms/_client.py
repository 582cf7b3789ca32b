"""``AsyncRooms``: what users call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from copy import copy
from types import EllipsisType
from typing import Any, Self

from attrs import evolve

from netless_rooms._api import transport
from netless_rooms._api.requests import ban_room, create_room, get_room, list_rooms
from netless_rooms._api.responses import MAX_BODY_SIZE
from netless_rooms._api.session import Session, wall_clock
from netless_rooms._auth.providers import Clock, TokenSource, make_provider
from netless_rooms._many import ManyRooms
from netless_rooms._retries import DEFAULT_POLICY, RetryPolicy, check_retry
from netless_rooms._tasks import to_be_entered
from netless_rooms._validation import (
    DEFAULT_BASE_URL,
    check_base_url,
    check_count,
    check_flag,
    check_region,
    check_timeout,
)
from netless_rooms.models import Room, RoomPage


class AsyncRooms(ManyRooms):
    """The rooms of one whiteboard project, over an HTTP client that you own.

    The client is borrowed: never closed, never configured, and nothing of its own goes to the service (no auth,
    cookies, default headers, query parameters or base URL).  No redirect is followed.  Its transport, proxies,
    TLS, limits, timeouts, event hooks and instrumentation apply as to any other request, and its cookie jar may
    keep what the service sets, for that host.  One object serves any number of tasks at once, on asyncio and Trio.

    - ``client``: an ``httpx.AsyncClient`` or an ``httpx2.AsyncClient``, open for as long as calls are made, and
      used on one event loop only, that of its first request.
    - ``token``: an ``AccessKey``, with which each call gets a token of the least role that it needs, made on this
      machine, good for ten minutes and used for nine; or a token, an SDK token or a room token where the call
      allows it; or an async function without arguments that returns one.  The function is called when a token is
      needed, by one task for all, and what it returned is kept until a minute before its end.  A token from a key
      or a function that the service calls expired is replaced once, and the call tried once more.
    - ``region``: the data centre, a ``Region`` or any other string.
    - ``base_url``: where the service is; a path in it is kept as a prefix.
    - ``retry``: when a call that failed is tried again; ``RetryPolicy(1)`` never does.  What its ``budget`` allows
      is shared by this object and its siblings.
    - ``allow_http``: ``True`` permits an ``http`` address that is not of this machine; everybody on the way there
      can read the token.
    - ``check_token``: whether a call that cannot succeed with its token is refused here, by what the token says
      about its kind, role, room and end; ``False`` leaves it to the service, as is done with a token that cannot
      be read.
    - ``clock``: gives seconds since the epoch, for the end of tokens.
    - ``max_body_size``: the longest response body that is read, in unpacked bytes, 1 or more; 64 MiB by default.
      A longer one raises ``DecodeError``.  At most 1 MiB of a failure's body is read.

    Raises ``TypeError`` or ``ValueError`` for a wrong argument.  Every call below raises the same for its own
    wrong arguments, before anything is sent, and then:

    - ``TokenError`` if no token could be got, or the one there cannot make the call succeed; nothing took effect;
    - ``TransportError`` if no usable answer came, ``TimedOutError`` if time ran out, ``ClientUnusableError`` if
      the client has been closed or belongs to another event loop;
    - a ``StatusError`` if the service said no: ``BadRequestError``, ``UnauthorizedError``, ``ForbiddenError``,
      ``NotFoundError``, ``RateLimitedError`` or ``ServerError``;
    - ``DecodeError`` if it said yes, but not as documented;
    - whatever the client's event hooks raise, except that the ``HTTPStatusError`` of a hook that calls
      ``raise_for_status()`` becomes ours.

    An error is raised when the policy allows no other try, and tells of all of them in ``attempts``.  A create is
    never repeated if it may have taken effect.

    Each request is logged on the logger ``netless_rooms`` at ``DEBUG``: method, path, status, seconds, attempt.

    .. versionadded:: 0.1
    """

    __slots__ = ()

    def __init__(
        self,
        client: transport.Client,
        *,
        token: TokenSource,
        region: str,
        base_url: str = DEFAULT_BASE_URL,
        retry: RetryPolicy = DEFAULT_POLICY,
        allow_http: bool = False,
        check_token: bool = True,
        clock: Clock = wall_clock,
        max_body_size: int = MAX_BODY_SIZE,
    ) -> None:
        address = check_base_url(base_url, allow_http=check_flag("allow_http", allow_http))
        if not callable(clock):
            raise TypeError(f"clock must be a function, not {type(clock).__name__}")
        self._session = Session(
            transport=transport.Transport(client, address),
            provider=make_provider(token, clock),
            region=check_region(region),
            check_token=check_flag("check_token", check_token),
            clock=clock,
            retry=check_retry(retry),
            max_body_size=check_count("max_body_size", max_body_size, at_least=1),
        )

    def __repr__(self) -> str:
        session = self._session
        return f"{type(self).__name__}(region={session.region!r}, base_url={session.transport.base_url!r})"

    @classmethod
    @to_be_entered("async with AsyncRooms.open(...) as rooms: ...")
    @asynccontextmanager
    async def open(
        cls,
        *,
        token: TokenSource,
        region: str,
        base_url: str = DEFAULT_BASE_URL,
        retry: RetryPolicy = DEFAULT_POLICY,
        allow_http: bool = False,
        check_token: bool = True,
        clock: Clock = wall_clock,
        max_body_size: int = MAX_BODY_SIZE,
    ) -> AsyncGenerator[Self, None]:
        """Open an ``AsyncRooms`` with a client of its own: ``async with AsyncRooms.open(...) as rooms``.

        The client, of httpx, is closed at the end.  It waits 30 seconds at most to connect, to send, between two
        reads, and for a free connection.  Wrong arguments raise on entering.

        .. versionadded:: 0.1
        """
        async with transport.own_client() as client:
            yield cls(
                client,
                token=token,
                region=region,
                base_url=base_url,
                retry=retry,
                allow_http=allow_http,
                check_token=check_token,
                clock=clock,
                max_body_size=max_body_size,
            )

    def with_options(
        self,
        *,
        token: TokenSource | EllipsisType = ...,
        region: str | EllipsisType = ...,
        timeout: float | EllipsisType | None = ...,
        retry: RetryPolicy | EllipsisType = ...,
        check_token: bool | EllipsisType = ...,
    ) -> Self:
        """Return a sibling over the same client that differs in what is given; this one stays as it is.

        Arguments and errors are those of the class; siblings share the tokens that were made or got.  ``timeout``
        is in seconds, above 0: the longest that connecting, sending, the silence between two reads, and waiting
        for a free connection may take, each.  ``None`` waits for ever.  As long as it is not given, the client's
        own timeouts hold.

        .. versionadded:: 0.1
        """
        changes: dict[str, Any] = {}
        if not isinstance(token, EllipsisType):
            changes["provider"] = make_provider(token, self._session.clock)
        if not isinstance(region, EllipsisType):
            changes["region"] = check_region(region)
        if not isinstance(timeout, EllipsisType):
            changes["timeout"] = check_timeout(timeout)
        if not isinstance(retry, EllipsisType):
            changes["retry"] = check_retry(retry)
        if not isinstance(check_token, EllipsisType):
            changes["check_token"] = check_flag("check_token", check_token)
        sibling = copy(self)
        sibling._session = evolve(self._session, **changes)
        return sibling

    async def create(self, *, limit: int | None = None, is_record: bool | None = None) -> Room:
        """Create a room and return it: ``POST /v5/rooms``.  Needs an SDK token, writer or admin.

        ``limit`` is the most users with a writer's or an admin's token in the room at once, 0 or more; 0 is no
        maximum, which the service recommends.  ``is_record`` turns recording on, which the service documents as
        not supported yet.  What is ``None`` is not sent.

        Not safe to repeat: every request that takes effect makes a room.  So it is tried again only if it was
        certainly not received, or was refused with 429.  Raises ``CreateOutcomeUnknownError`` when nobody can tell
        whether it took effect: the answer was lost, unreadable or a server error (5xx); then
        ``find_created_between()`` helps.  A ``TransportError`` from here means that the request never left.  After
        a cancellation the outcome is just as unknown, and no error says so.

        .. versionadded:: 0.1
        """
        return await self._session.request(create_room(limit=limit, is_record=is_record))

    async def get(self, uuid: str) -> Room:
        """Return the room ``uuid`` as it is now: ``GET /v5/rooms/{uuid}``.  Safe to repeat.

        Needs an SDK token or a token of that room, writer or admin.

        .. versionadded:: 0.1
        """
        return await self._session.request(get_room(uuid))

    async def list(self, *, begin_uuid: str | None = None, limit: int | None = None) -> RoomPage:
        """Return one page of rooms, exactly as served: ``GET /v5/rooms``.  Safe to repeat.

        ``begin_uuid`` is the room to start from; as far as is known it comes first in the page.  ``limit`` is the
        most rooms wanted, 1 to 1000; the service takes 100 if it is not given.  To see all rooms use ``walk()``:
        a short page is no proof of the end.  Needs an SDK token, writer or admin.

        .. versionadded:: 0.1
        """
        return await self._session.request(list_rooms(begin_uuid=begin_uuid, limit=limit))

    async def disable(self, uuid: str) -> Room:
        """Disable the room and return it: ``PATCH /v5/rooms/{uuid}``.  Safe to repeat.

        Everybody in the room is removed and nobody can join until it is enabled.  Needs an SDK token or a token
        of that room, admin.  Raises ``DecodeError`` if the service answers with another room or one that is not
        disabled.

        .. versionadded:: 0.1
        """
        return await self._session.request(ban_room(uuid, is_ban=True))

    async def enable(self, uuid: str) -> Room:
        """Undo ``disable`` and return the room; everything else as there.

        .. versionadded:: 0.1
        """
        return await self._session.request(ban_room(uuid, is_ban=False))
