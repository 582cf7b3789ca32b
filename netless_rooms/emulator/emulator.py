"""The emulator as its users see it."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp

from netless_rooms._api.transport import InProcessTransport, in_process
from netless_rooms._auth.tokens import AccessKey, Role, TokenKind, issue_token
from netless_rooms.emulator.account import Account, call_of
from netless_rooms.emulator.answers import Answer, Ask, RecordedRequest
from netless_rooms.emulator.app import build_app
from netless_rooms.emulator.faults import Fault
from netless_rooms.emulator.quirks import LIKELIEST, Quirks
from netless_rooms.emulator.replies import Reply
from netless_rooms.emulator.script import read_script, take_fault
from netless_rooms.emulator.server import serve_app
from netless_rooms.emulator.spelling import check_names


class Emulator:
    """A service that behaves like the real one: one whiteboard project, its key and its rooms, in memory.

    ``rooms`` is how many rooms there are at first, 0 to 2**32: always the same ones for the same number, of
    the years 2019 to 2024, a few in a hundred of them disabled.  They are computed when asked for, so a
    million cost nothing.  ``access_key`` and ``secret_key`` are what tokens must be made with.  ``quirks``
    says how to read what the service's page leaves open.  ``clock`` gives seconds since the epoch, for the
    end of tokens and the time of new rooms.  ``faults`` is a script of what goes wrong, by default nothing: it
    becomes the list ``faults`` below.  Raises ``ValueError`` or ``TypeError`` for a wrong argument.

    It may be asked from several threads and event loops at once.  What it does is listed in ``RULES``.

    .. versionadded:: 0.1
    """

    requests: list[RecordedRequest]
    """What was asked, in the order of the answers.  Yours to clear; it grows by one with each request."""
    clock: Callable[[], float]
    """Gives seconds since the epoch.  Give the same one to ``AsyncRooms`` if it is not the machine's."""
    faults: list[Fault | None]
    """What goes wrong with the requests to come.  Yours to change; while requests come in, only to append to.

    Every request over ``transport``, ``serve`` or ``app`` takes out the first entry that is for its call.
    ``None`` lets whatever is asked next pass.  When nothing is left for a request, all goes well.
    """

    def __init__(
        self,
        *,
        rooms: int = 0,
        access_key: str = "emulated-access-key",
        secret_key: str = "emulated-secret-key",  # noqa: S107 - it opens nothing but this emulator
        quirks: Quirks = LIKELIEST,
        clock: Callable[[], float] = time.time,
        faults: Iterable[Fault | None] = (),
    ) -> None:
        if not isinstance(quirks, Quirks):
            raise TypeError(f"quirks must be Quirks, not {type(quirks).__name__}")
        if not callable(clock):
            raise TypeError(f"clock must be a function, not {type(clock).__name__}")
        self.requests = []
        self._account = Account(rooms, AccessKey(access_key, secret_key), quirks)
        self.clock = clock
        self.faults = read_script(faults)
        self._lock = threading.Lock()
        self._app = build_app(self._reply, lambda: self.clock())

    def __repr__(self) -> str:
        return f"<Emulator of {self.room_count} rooms, {len(self.requests)} requests>"

    @property
    def app(self) -> ASGIApp:
        """The service as an ASGI application, to mount or to run in a server of yours.

        There it cannot close a connection: where a fault says so it raises, and your server does what it does
        then, mostly answer 500 if nothing was sent yet.

        .. versionadded:: 0.1
        """
        return self._app

    @property
    def key(self) -> AccessKey:
        """The project's key, to make tokens with; its repr shows no secret.

        .. versionadded:: 0.1
        """
        return self._account.key

    def transport(self) -> InProcessTransport:
        """Return a new transport for an HTTP client that reaches the service without a network.

        It works on any event loop and answers for every host.  A connection that a fault closes, and a silence
        longer than the request's read timeout, is what it would be on a network: the ``RemoteProtocolError`` or
        ``ReadTimeout`` of your client's library.  Your client closes it.

        .. versionadded:: 0.1
        """
        return in_process(self._app)

    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> AbstractAsyncContextManager[str]:
        """Return an async context manager that serves on a socket and gives the base URL.

        The URL has no final slash.  ``port`` 0 takes a free one.  The server runs in a thread of its own, so
        the caller may run on any event loop; leaving the context stops it, within about a second even if
        answers are under way or hang.  Raises ``RuntimeError`` if it cannot listen or start.

        .. versionadded:: 0.1
        """
        return serve_app(self._app, host=host, port=port)

    def answer(self, ask: Ask) -> Answer:
        """Return what the service answers, without any event loop; recorded like every request.

        There is no line between here and there, so nothing goes wrong: ``faults`` stays as it is.

        .. versionadded:: 0.1
        """
        with self._lock:
            answer = self._account.spelled(self._account.answer(ask, self.clock()))
            self.requests.append(RecordedRequest.of(ask, answer.status))
        return answer

    def token(self, role: Role = Role.ADMIN, *, lifetime: timedelta | None = timedelta(hours=1)) -> str:
        """Return a new SDK token for this emulator.

        ``lifetime`` is from now by its clock, ``None`` never ends.  A lifetime of zero or less makes a token
        that has expired.

        .. versionadded:: 0.1
        """
        return self._token(TokenKind.SDK, None, role, lifetime)

    def room_token(
        self, uuid: str, role: Role = Role.ADMIN, *, lifetime: timedelta | None = timedelta(hours=1)
    ) -> str:
        """Return a new token for one room, which need not exist; else as ``token``.

        .. versionadded:: 0.1
        """
        return self._token(TokenKind.ROOM, uuid, role, lifetime)

    @property
    def room_count(self) -> int:
        """How many rooms there are now, disabled ones included.

        .. versionadded:: 0.1
        """
        with self._lock:
            return len(self._account.store)

    def uuids(self) -> Iterator[str]:
        """Iterate over the UUIDs of all rooms in the order of the list, as of the call.

        .. versionadded:: 0.1
        """
        with self._lock:
            return self._account.store.uuids()

    def room(self, uuid: str) -> dict[str, Any]:
        """Return a room as the JSON object that the service sends, a copy; ``KeyError`` if there is none.

        .. versionadded:: 0.1
        """
        with self._lock:
            text = self._account.store.text(uuid)
        room: dict[str, Any] = json.loads(text)
        return room

    def add_room(self, **members: object) -> str:
        """Add a room without a request and return its UUID.

        ``members`` are in the service's words; they replace the room's own or come on top, and need not be
        right: ``add_room(isBan=True)``, ``add_room(uuid="...", createdAt="soon", colour="red")``.  Raises
        ``ValueError`` if there is a room with that UUID already, a value cannot be printed as JSON, or a name is
        spelled as in Python, such as ``is_ban``; ``TypeError`` if a value has no JSON type or the UUID is not a
        string.

        .. versionadded:: 0.1
        """
        check_names(members)
        with self._lock:
            text = self._account.store.create(self.clock(), members)
        uuid: str = json.loads(text)["uuid"]
        return uuid

    def _reply(self, ask: Ask) -> Reply:
        with self._lock:
            fault = take_fault(self.faults, call_of(ask))
            said = fault.said(self._account.answer(ask, self.clock()) if fault.work_done else None)
            reply = fault.sent(None if said is None else self._account.spelled(said))
            self.requests.append(RecordedRequest.of(ask, reply.status))
        return reply

    def _token(self, kind: TokenKind, uuid: str | None, role: Role, lifetime: timedelta | None) -> str:
        # Not AccessKey's own methods: they go by the machine's clock, and this emulator may have another.
        now = timedelta(seconds=self.clock())
        until = None if lifetime is None else (now + lifetime) // timedelta(milliseconds=1)
        return issue_token(self.key, kind, uuid, role, until)
