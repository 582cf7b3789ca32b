"""The emulator as its users see it."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp

from netless_rooms._auth.tokens import AccessKey, Role
from netless_rooms.emulator.asgi import InProcessTransport, build_app, in_process
from netless_rooms.emulator.exchange import RawResponse, RecordedRequest, Request, Response
from netless_rooms.emulator.faults import Fault, read_faults, take_fault
from netless_rooms.emulator.quirks import DEFAULT_QUIRKS, Quirks
from netless_rooms.emulator.server import serve_app
from netless_rooms.emulator.service import Service, call_of


class Emulator:
    """A service that behaves like the real one: one whiteboard project with its key and rooms, in memory.

    - ``rooms``: the number of generated rooms, 0 to 2**32.  The same number gives the same rooms, created from
      2019 to 2024, about 3 % disabled.  They are computed on demand, so a million rooms need no memory.
    - ``access_key``, ``secret_key``: the project's key; tokens must be signed with it.
    - ``quirks``: selects undocumented behaviour.
    - ``clock``: returns seconds since the epoch, for the expiry of tokens and the time of new rooms.
    - ``faults``: copied into the attribute of that name.

    Raises ``ValueError`` or ``TypeError`` for a wrong argument.  Several threads and event loops may use it at
    once.  ``RULES`` lists its behaviour.
    """

    requests: list[RecordedRequest]  #: The requests so far, in the order of their responses.  You may clear it.
    clock: Callable[[], float]
    """Returns seconds since the epoch.  If it is not this machine's clock, give it to ``AsyncRooms`` too."""
    faults: list[Fault | None]
    """The queue of faults: each later request over ``transport``, ``serve`` or ``app`` removes the first fault for
    its call, or ``None``.  You may change it; while requests arrive, only append to it."""

    def __init__(
        self,
        *,
        rooms: int = 0,
        access_key: str = "emulated-access-key",
        secret_key: str = "emulated-secret-key",  # noqa: S107 - it opens nothing but this emulator
        quirks: Quirks = DEFAULT_QUIRKS,
        clock: Callable[[], float] = time.time,
        faults: Iterable[Fault | None] = (),
    ) -> None:
        if not isinstance(quirks, Quirks):
            raise TypeError(f"quirks must be Quirks, not {type(quirks).__name__}")
        if not callable(clock):
            raise TypeError(f"clock must be a function, not {type(clock).__name__}")
        self.requests = []
        self._service = Service(rooms, AccessKey(access_key, secret_key), quirks)
        self.clock = clock
        self.faults = read_faults(faults)
        self._lock = threading.Lock()
        self._app = build_app(self._respond, lambda: self.clock())

    def __repr__(self) -> str:
        return f"<Emulator of {self.room_count} rooms, {len(self.requests)} requests>"

    @property
    def app(self) -> ASGIApp:
        """The service as an ASGI application, to mount in another one or to run in your own server.

        A fault that closes the connection raises an exception there; most servers answer 500 if nothing was sent.
        """
        return self._app

    @property
    def key(self) -> AccessKey:
        """The project's key, to sign tokens with; its repr shows no secret."""
        return self._service.key

    def transport(self) -> InProcessTransport:
        """Return a new transport for an ``httpx.AsyncClient`` or ``httpx2.AsyncClient``, without a network.

        It works on any event loop and for every host.  A fault that closes the connection raises the library's
        ``RemoteProtocolError``, and silence longer than the read timeout its ``ReadTimeout``.
        """
        return in_process(self._app)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Return an async context manager that serves on a socket and yields the base URL, without a final slash.

        ``port`` 0 picks a free one.  The server runs in its own thread, so the caller may use any event loop.
        Leaving stops it within about a second, even if clients are slow or faults hang.  A client that does not
        complete a request within 10 s gets a 408 or is disconnected.  Entering raises ``RuntimeError`` if the
        server cannot listen.
        """
        return serve_app(self._app, host=host, port=port)

    def respond(self, request: Request) -> Response:
        """Return the service's response, without an event loop or ``faults``; recorded like every request."""
        with self._lock:
            response = self._service.in_envelope(self._service.respond(request, self.clock()))
            self.requests.append(RecordedRequest.of(request, response.status))
        return response

    def token(self, role: Role = Role.ADMIN, *, lifetime: timedelta | None = timedelta(hours=1)) -> str:
        """Return a new SDK token; ``lifetime`` counts from now by ``clock``, ``None`` never expires."""
        return self._service.issue_token(None, role, lifetime, self.clock())

    def room_token(
        self, uuid: str, role: Role = Role.ADMIN, *, lifetime: timedelta | None = timedelta(hours=1)
    ) -> str:
        """Return a new token for one room, which need not exist; otherwise as ``token``."""
        return self._service.issue_token(uuid, role, lifetime, self.clock())

    @property
    def room_count(self) -> int:
        """How many rooms there are now, disabled ones included."""
        with self._lock:
            return len(self._service.store)

    def uuids(self) -> Iterator[str]:
        """Iterate over the UUIDs of the rooms that exist now, in the order of the list."""
        with self._lock:
            return self._service.store.uuids()

    def room(self, uuid: str) -> dict[str, Any]:
        """Return a copy of a room as the JSON object that the service sends; ``KeyError`` without such a room."""
        with self._lock:
            return deepcopy(self._service.store.room(uuid))

    def add_room(self, **members: object) -> str:
        """Add a room without a request and return its UUID.

        ``members`` have wire names.  They replace members of the room or are added, valid or not; ``...`` leaves
        one out: ``add_room(createdAt="soon", colour="red", limit=...)``.  Raises ``ValueError`` if a room has that
        UUID already, JSON cannot represent a value, or a name is the Python one, such as ``is_ban``;
        ``TypeError`` if JSON cannot represent a type or the UUID is not a string.
        """
        with self._lock:
            uuid: str = self._service.store.create(self.clock(), members)["uuid"]
        return uuid

    def _respond(self, request: Request) -> RawResponse:
        with self._lock:
            fault = take_fault(self.faults, call_of(request))
            response = fault.transform(self._service.respond(request, self.clock()) if fault.work_done else None)
            raw = fault.deliver(RawResponse.of(None if response is None else self._service.in_envelope(response)))
            self.requests.append(RecordedRequest.of(request, raw.status))
        return raw
