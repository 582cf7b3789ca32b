"""A transport to an emulator on which each request meets the next fault of a script, with a log of each result."""

import json
import sys
from collections import deque
from collections.abc import Iterable
from math import nan
from typing import Any, Literal

import anyio
import httpx
import httpx2
from anyio.lowlevel import checkpoint
from attrs import define, field, frozen

from netless_rooms.emulator import Closed, Emulator, Failure, Fault, GatewayPage, Hang

Fate = Literal["under way", "answered", "lost", "never received", "interrupted"]


@frozen
class Unreachable:
    """The request does not reach the emulator; ``error`` is what both libraries call it."""

    error: str


@define(eq=False)
class Exchange:
    """One request, and what became of it."""

    method: str
    target: str
    fault: Fault | Unreachable | None
    began: float
    fate: Fate = "under way"
    ended: float = nan
    was_received: bool = False
    status: int | None = None
    answer: bytes = b""

    @property
    def rooms(self) -> list[dict[str, Any]]:
        """The rooms in the answer, as they were sent."""
        said = json.loads(self.answer)
        if said.keys() == {"status", "body"} if isinstance(said, dict) else False:
            said = said["body"]
        return said if isinstance(said, list) else [said]

    @property
    def may_have_worked(self) -> bool:
        """Whether the service may have done what was asked."""
        if not self.was_received or not isinstance(self.fault, Fault | None):
            return False
        if isinstance(self.fault, Failure | GatewayPage | Closed | Hang):
            return self.fault.work_done  # if the request was good, which does not show
        return self.status is not None and self.status < 400


@define(eq=False, slots=False)
class FaultyTransport(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
    """Sends to ``emulator``, as its own transport does; can be cancelled before and after each request."""

    emulator: Emulator
    script: deque[Fault | Unreachable | None] = field(factory=deque)
    log: list[Exchange] = field(factory=list)

    def meets(self, faults: Iterable[Fault | Unreachable | None]) -> None:
        """Begin a new log, and let the requests to come meet these faults."""
        self.script = deque(faults)
        self.log.clear()

    async def handle_async_request(self, request: Any) -> Any:
        fault = self.script.popleft() if self.script else None
        target = request.url.raw_path.decode()
        exchange = Exchange(request.method, target, fault, anyio.current_time())
        self.log.append(exchange)
        library = sys.modules[type(request).__module__.partition(".")[0]]
        try:
            await checkpoint()
            if isinstance(fault, Unreachable):
                exchange.fate = "never received"
                raise getattr(library, fault.error)("refused", request=request)
            response = await self._pass_on(request, fault, exchange)
            exchange.answer = await response.aread()
            await checkpoint()
        except library.RequestError:
            if exchange.fate == "under way":
                exchange.fate = "lost"
            raise
        except BaseException:
            exchange.fate = "interrupted"
            raise
        else:
            exchange.fate = "answered"
        finally:
            exchange.ended = anyio.current_time()
        return response

    async def _pass_on(self, request: Any, fault: Fault | None, exchange: Exchange) -> Any:
        # Nothing is awaited between here and the emulator's answer, so both lists are about this request.
        self.emulator.faults[:] = [fault]
        place = len(self.emulator.requests)
        try:
            return await self.emulator.transport().handle_async_request(request)
        finally:
            if len(self.emulator.requests) > place:
                exchange.was_received = True
                exchange.status = self.emulator.requests[place].status
