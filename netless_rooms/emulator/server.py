"""Serves an ASGI application on a socket, from a thread with its own event loop, so that its caller may block."""

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

from netless_rooms.emulator.asgi import CLOSE

STOP_WITHIN: Final = 1  # seconds, for responses still being sent
HEAD_TIMEOUT: Final = 10  # seconds, from a connection to its first request


@asynccontextmanager
async def serve_app(app: ASGIApp, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app`` until the context is left, also by cancellation; otherwise as ``Emulator.serve``."""
    with closing(_listen(host, port)) as listener:
        server = _Server(app, listener)
        server.thread.start()
        try:
            await run_sync(server.ready.wait)
            if server.failure is not None:
                raise RuntimeError("the emulator's server did not start") from server.failure
            name, bound_port = listener.getsockname()[:2]
            yield f"http://[{name}]:{bound_port}" if ":" in name else f"http://{name}:{bound_port}"
        finally:
            server.should_exit = True
            with CancelScope(shield=True):
                await run_sync(server.thread.join)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise RuntimeError(f"the emulator cannot listen on {host} port {port}: {error.strerror}") from error
    # asyncio sets this only on sockets that were made with an explicit protocol, and connections inherit it.
    # Without it, a small response waits some 40 ms for the client's delayed acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    return listener


class _UnloggedConfig(uvicorn.Config):
    def configure_logging(self) -> None:
        """Leave the loggers alone: the application may run uvicorn too."""


class _ClosableProtocol(H11Protocol):
    """Lets the application close its connection, which ASGI cannot, and closes one without a request."""

    def connection_made(self, transport: Any) -> None:
        """Put the function that closes into the state of every request on the connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, CLOSE: transport.close}
        self.loop.call_later(HEAD_TIMEOUT, self._close_unused)

    def _close_unused(self) -> None:
        if self.cycle is None:
            self.transport.close()


class _Server(uvicorn.Server):
    """Runs in a daemon thread, so that a caller who never leaves the context can exit."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        config = _UnloggedConfig(
            app,
            http=_ClosableProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=False,  # the application sends its own, by its own clock
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        super().__init__(config)
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(
            target=self._run, args=(listener,), name="netless-rooms-emulator", daemon=True
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    def _run(self, listener: socket.socket) -> None:
        loggers = [logging.getLogger(f"uvicorn.{name}") for name in ("error", "access", "asgi")]
        for logger in loggers:
            logger.addFilter(self._is_worth_logging)
        try:
            self.run(sockets=[listener])
        except BaseException as error:  # uvicorn leaves with SystemExit when it cannot start
            self.failure = error
        finally:
            for logger in loggers:
                logger.removeFilter(self._is_worth_logging)
            self.ready.set()

    def _is_worth_logging(self, record: logging.LogRecord) -> bool:
        # Cutting responses at the end is intended, and uvicorn logs it as an error.
        return record.thread != self.thread.ident or (record.levelno >= logging.ERROR and not self.should_exit)
