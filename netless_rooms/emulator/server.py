"""Serves an ASGI application on a socket, from a thread with an event loop of its own.

So the caller may run on asyncio or Trio, or block, and the server goes on.
"""

import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Final

import uvicorn
from anyio import CancelScope
from anyio.to_thread import run_sync
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from netless_rooms.emulator.app import CLOSE

STOP_WITHIN: Final = 1  # seconds, for answers still under way


@asynccontextmanager
async def serve_app(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app`` for as long as the context lasts; gives the base URL, without a final slash.

    ``port`` 0 takes a free one.  Leaving stops the server, also on cancellation: open connections are closed,
    and answers under way are cut off after about a second.  ``RuntimeError`` if it cannot listen or start.
    """
    with closing(_listen(host, port)) as listener:
        server = _ThreadedServer(app, listener)
        server.start()
        try:
            await run_sync(server.ready.wait)
            if server.failure is not None:
                raise RuntimeError("the emulator's server did not start") from server.failure
            yield _base_url(listener)
        finally:
            server.stop()
            with CancelScope(shield=True):
                await run_sync(server.join)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise RuntimeError(f"the emulator cannot listen on {host} port {port}: {error.strerror}") from error
    # asyncio sets this only on sockets that were made with an explicit protocol, and connections inherit it;
    # without it, a small answer waits some 40 ms for the caller's delayed acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


class _UnloggedConfig(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave logging alone: the loggers are the process's, and the application may run uvicorn too."""


class _ClosableProtocol(H11Protocol):
    """Hands the application what closes its connection, for which ASGI has no word."""

    def connection_made(self, transport: Any) -> None:
        """Put it into the state of every request on the connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CLOSE: transport.close}


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


class _ThreadedServer:
    """A uvicorn in a daemon thread: a caller who never leaves the context does not keep the process up."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = _UnloggedConfig(
            app,
            http=_ClosableProtocol,
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=False,  # the application sends one, by its own clock
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self._listener = listener
        self._server = _AnnouncingServer(config, self.ready)
        self._thread = threading.Thread(target=self._run, name="netless-rooms-emulator", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        loggers = [logging.getLogger(f"uvicorn.{name}") for name in ("error", "access", "asgi")]
        for logger in loggers:
            logger.addFilter(self._is_worth_logging)
        try:
            self._server.run(sockets=[self._listener])
        except BaseException as error:  # uvicorn leaves with SystemExit when it cannot start
            self.failure = error
        finally:
            for logger in loggers:
                logger.removeFilter(self._is_worth_logging)
            self.ready.set()

    def _is_worth_logging(self, record: logging.LogRecord) -> bool:
        if record.thread != self._thread.ident:
            return True
        # Cutting answers off at the end is what was asked for, and uvicorn complains about it.
        return record.levelno >= logging.ERROR and not self._server.should_exit
