"""A borrowed client sends our requests like any other; ``test_conformance`` has what goes over the wire."""

import gc
from itertools import chain, repeat
from typing import Any
from unittest.mock import AsyncMock, Mock

import anyio
import httpx
import httpx2
import pytest
import respx
from anyio.from_thread import start_blocking_portal
from opentelemetry.instrumentation.httpx import HTTPX2ClientInstrumentor, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, NO_CERTIFICATES, on_the_wire, peer
from netless_rooms import AsyncRooms, ClientUnusableError, CreateOutcomeUnknownError, NotFoundError, TransportError

pytestmark = pytest.mark.anyio
over_both_libraries = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def borrow(client: Any, **options: Any) -> AsyncRooms:
    return AsyncRooms(client, token=TOKEN, region="sg", retry=ONCE, **options)


@over_both_libraries
async def test_a_client_stays_open_and_keeps_only_the_cookies_of_the_service(library: Any) -> None:
    closed: list[str] = []
    headers = {"set-cookie": "session=of-the-service; Path=/"}
    transport = library.MockTransport(lambda _: library.Response(200, json=[], headers=headers))

    class Ours(library.AsyncClient):  # type: ignore[misc]  # the library is a parameter
        __hash__ = None  # type: ignore[assignment]  # as that of an attrs class

        def __del__(self) -> None:
            closed.append("closed")

    client = Ours(transport=transport, cookies={"a": "of-the-client"})
    await borrow(client).list()
    gc.collect()
    assert not closed
    assert not client.is_closed
    assert dict(client.cookies) == {"a": "of-the-client", "session": "of-the-service"}


@over_both_libraries
async def test_opentelemetry_sees_each_request(library: Any) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    transport = library.MockTransport(lambda _: library.Response(200, json=[]))
    instrumentor: Any = HTTPXClientInstrumentor if library is httpx else HTTPX2ClientInstrumentor
    async with library.AsyncClient(transport=transport) as client:
        instrumentor.instrument_client(client, tracer_provider=provider)
        for _ in range(2):
            await borrow(client).list()
    seen = [(span.name, dict(span.attributes or {})["http.url"]) for span in spans.get_finished_spans()]
    assert seen == [("GET", "https://api.netless.link/v5/rooms")] * 2


async def test_respx_sees_each_request() -> None:
    with respx.mock(base_url="https://api.netless.link") as mock:
        route = mock.get("/v5/rooms", headers={"token": TOKEN}).respond(json=[])
        async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
            assert len(await borrow(client).list()) == 0
    assert route.call_count == 1


async def test_pytest_httpx_sees_each_request(httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(json=[])
    async with httpx.AsyncClient(verify=NO_CERTIFICATES) as client:
        assert len(await borrow(client).list()) == 0
    assert [str(request.url) for request in httpx_mock.get_requests()] == ["https://api.netless.link/v5/rooms"]


# Event loops


async def failure(rooms: AsyncRooms) -> Exception | None:
    try:
        await rooms.create()
    except Exception as error:
        return error
    return None


FIRST = [("httpx", "trio"), *((name, "asyncio") for name in CLIENTS)]


@pytest.mark.parametrize(("http_client", "loop"), FIRST)
def test_a_client_of_another_event_loop_or_after_a_fork_is_refused_before_anything_is_sent(
    http_client: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = CLIENTS[http_client](verify=NO_CERTIFICATES)
    with start_blocking_portal(loop) as portal:
        answers = chain([None], repeat(on_the_wire(b"[]")))
        with portal.wrap_async_context_manager(peer(lambda _: next(answers))) as service:
            rooms = borrow(client, base_url=service.base_url)
            under_way = portal.start_task_soon(rooms.list)
            portal.call(service.received.wait)
            refused = [anyio.run(failure, rooms)]
            under_way.cancel()
            portal.call(rooms.list)
            refused += [anyio.run(failure, rooms, backend=other) for other in ("asyncio", "trio")]
            monkeypatch.setattr("netless_rooms._api.transport.getpid", lambda: 1)  # as in a child that was forked
            forked = portal.call(failure, rooms)
            portal.call(client.aclose)
        assert len(service.requests) == 2
    assert isinstance(forked, ClientUnusableError)
    for error in refused:
        assert isinstance(error, ClientUnusableError)
        assert (error.was_sent, error.is_transient) == (False, False)
        assert "another event loop" in str(error)
        assert "open the client in the event loop that uses it" in str(error)


def test_a_client_without_a_connection_works_on_any_event_loop() -> None:
    answers = Mock(side_effect=[OSError("refused"), httpx.Response(404), httpx.Response(404)])
    client = httpx.AsyncClient(transport=httpx.MockTransport(answers))
    found = [anyio.run(failure, borrow(client)) for _ in range(3)]
    assert [type(error) for error in found] == [CreateOutcomeUnknownError, NotFoundError, NotFoundError]


# Hooks


@over_both_libraries
async def test_a_url_that_a_hook_cannot_build_is_an_error_of_the_hook(library: Any) -> None:
    async def hook(_: Any) -> None:
        library.URL("http://[::1")

    client = library.AsyncClient(event_hooks={"request": [hook]}, verify=NO_CERTIFICATES)
    with pytest.raises(library.InvalidURL):
        await borrow(client).list()


async def test_the_error_of_a_call_within_a_hook_names_that_call() -> None:
    other = borrow(httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404))))

    async def hook(_: Any) -> None:
        await other.get("a")

    client = httpx.AsyncClient(event_hooks={"request": [hook]}, verify=NO_CERTIFICATES)
    with pytest.raises(NotFoundError) as caught:
        await borrow(client).list()
    assert caught.value.path == "/v5/rooms/a"


@over_both_libraries
async def test_beside_a_hook_the_failures_of_a_transport_are_ours(library: Any) -> None:
    for error in (ZeroDivisionError(), OSError("reset"), library.ReadError("cut")):
        transport = library.MockTransport(Mock(side_effect=error))
        client = library.AsyncClient(transport=transport, event_hooks={"request": [AsyncMock()]})
        with pytest.raises(CreateOutcomeUnknownError) as caught:
            await borrow(client).create()
        assert isinstance(caught.value.__cause__, TransportError)
