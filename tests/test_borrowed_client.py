"""A client full of secrets, and a service that is hostile: nothing crosses, in either direction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from attrs import define, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fakes import ONCE, TOKEN
from http_clients import CLIENTS, Switch, serving
from netless_rooms import AsyncRooms, CreateOutcomeUnknownError, RoomsError, TransportError
from samples import UUID, room_document

pytestmark = pytest.mark.anyio

every_client = pytest.mark.parametrize("of", CLIENTS)

SECRETS: dict[str, Any] = {
    "auth": ("application", "secret-password"),
    "headers": {"x-api-key": "secret-key", "authorization": "Bearer secret-bearer"},
    "cookies": {"session": "secret-session"},
    "params": {"key": "secret-parameter"},
}
CALLS: dict[str, Callable[[AsyncRooms], Awaitable[object]]] = {
    "create": lambda rooms: rooms.create(),
    "get": lambda rooms: rooms.get(UUID),
    "list": lambda rooms: rooms.list(),
    "disable": lambda rooms: rooms.disable(UUID),
    "enable": lambda rooms: rooms.enable(UUID),
    "walk": lambda rooms: anext(rooms.walk()),
}


@define
class Server:
    """Writes down everything that reaches it, and answers as it is told."""

    status: int = 200
    headers: list[tuple[str, str]] = field(factory=list)
    seen: list[str] = field(factory=list)
    base_url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        lines = [f"{name.decode()}: {value.decode('latin-1')}" for name, value in request.headers.raw]
        self.seen.append("\n".join([f"{request.method} {request.url}", *lines, body.decode()]))
        response = Response("{}", self.status, media_type="application/json")
        for name, value in self.headers:
            response.headers.append(name, value)
        await response(scope, receive, send)


@pytest.fixture(scope="module")
def switches() -> Iterator[tuple[Switch, Switch]]:
    with serving() as one, serving() as other:
        yield one, other


@pytest.fixture
def pair(switches: tuple[Switch, Switch]) -> tuple[Server, Server]:
    """Serve the service and another address that it may point to."""
    service, elsewhere = (Server(base_url=switch.base_url) for switch in switches)
    switches[0].app, switches[1].app = service, elsewhere
    return service, elsewhere


@asynccontextmanager
async def full_of_secrets(of: str, elsewhere: Server) -> AsyncIterator[Any]:
    """Open a client that an application has filled with its own things."""
    async with CLIENTS[of](**SECRETS, base_url=elsewhere.base_url, follow_redirects=True) as client:
        yield client


def hostile_headers(elsewhere: Server) -> list[tuple[str, str]]:
    return [
        ("location", f"{elsewhere.base_url}/v5/rooms"),
        ("set-cookie", "planted=by-the-service; Path=/"),
        ("set-cookie", "session=overwritten; Domain=127.0.0.1; Path=/"),
        ("www-authenticate", 'Basic realm="give it to me"'),
        ("www-authenticate", 'Digest realm="give it to me", nonce="1", qop="auth", algorithm=MD5'),
        ("refresh", f"0; url={elsewhere.base_url}"),
        ("alt-svc", f'h2="{elsewhere.base_url.removeprefix("http://")}"'),
    ]


@every_client
@pytest.mark.parametrize("status", [200, 301, 302, 303, 307, 308, 401, 407, 429, 503])
@pytest.mark.parametrize("call", CALLS)
async def test_nothing_crosses_in_either_direction(
    call: str, status: int, of: str, pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login application password secret-netrc\n", "utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    service, elsewhere = pair
    service.status, service.headers = status, hostile_headers(elsewhere)
    async with full_of_secrets(of, elsewhere) as client:
        before = dict(vars(client))
        jar = dict(client.cookies)
        rooms = AsyncRooms(client, token=TOKEN, region="sg", base_url=service.base_url, retry=ONCE)
        with pytest.raises(RoomsError) as caught:
            await CALLS[call](rooms)
        assert vars(client) == before
        assert dict(client.cookies) == jar
        assert not client.is_closed
        assert (len(service.seen), elsewhere.seen) == (1, [])
        # What the application asks afterwards, of the service's address too, is what it would have been.
        service.status, service.headers = 200, []
        await client.get(f"{service.base_url}/v5/rooms")
        await client.get("/")
    ours, *theirs = [*service.seen, *elsewhere.seen]
    assert "secret-" not in ours
    assert f"\ntoken: {TOKEN}\n" in ours
    assert len(theirs) == 2
    assert not [seen for seen in theirs if TOKEN in seen or "planted" in seen or "overwritten" in seen]
    assert all(word in seen for seen in theirs for word in ("session=secret-session", "?key=secret-parameter"))
    if 300 <= status < 400:
        assert f"pointed to '{elsewhere.base_url}/v5/rooms'" in str(caught.value)
        assert isinstance(caught.value.__cause__ if call == "create" else caught.value, TransportError)
        assert isinstance(caught.value, CreateOutcomeUnknownError) is (call == "create")


@every_client
async def test_the_same_client_left_to_itself_would_have_taken_the_token_along(
    of: str, pair: tuple[Server, Server]
) -> None:
    service, elsewhere = pair
    service.status, service.headers = 307, hostile_headers(elsewhere)
    async with full_of_secrets(of, elsewhere) as client:
        with pytest.raises(TransportError):
            await AsyncRooms(client, token=TOKEN, region="sg", base_url=service.base_url, retry=ONCE).list()
        assert elsewhere.seen == []
        await client.get(f"{service.base_url}/v5/rooms", headers={"token": TOKEN}, auth=None)
    assert f"\ntoken: {TOKEN}\n" in elsewhere.seen[0]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_what_is_the_clients_own_business_is_respected(library: Any) -> None:
    used: list[str] = []

    class Through(library.AsyncBaseTransport):  # type: ignore[misc]  # the library is a parameter
        def __init__(self, name: str) -> None:
            self.name = name

        async def handle_async_request(self, request: Any) -> Any:
            used.append(f"{self.name}, at most {request.extensions['timeout']['pool']} s")
            return library.Response(200, json=room_document())

    async def hook(request: Any) -> None:
        used.append(f"hook for {request.method}")

    mounts = {"https://api.netless.link": Through("mounted")}
    async with library.AsyncClient(
        transport=Through("default"), mounts=mounts, timeout=3.5, event_hooks={"request": [hook], "response": []}
    ) as client:
        await AsyncRooms(client, token=TOKEN, region="sg").get(UUID)
        await AsyncRooms(client, token=TOKEN, region="sg", base_url="https://mirror.example").get(UUID)
    assert used == ["hook for GET", "mounted, at most 3.5 s", "hook for GET", "default, at most 3.5 s"]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_a_client_that_was_never_used_is_left_as_it_was(library: Any) -> None:
    def script(_: Any) -> Any:
        return library.Response(200, json=[], headers={"set-cookie": "session=of-the-service; Path=/"})

    client = library.AsyncClient(transport=library.MockTransport(script))
    before = dict(vars(client))
    await AsyncRooms(client, token=TOKEN, region="sg").list()
    assert vars(client) == before
    assert dict(client.cookies) == {}
    async with client:  # a client that has sent cannot be entered any more; this one has not
        pass


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_a_class_of_clients_hears_of_no_other_and_may_deal_with_cookies(library: Any) -> None:
    told: list[str] = []
    came: list[dict[str, str]] = []

    class Named(library.AsyncClient):  # type: ignore[misc]  # the library is a parameter
        def __init_subclass__(cls, *, name: str) -> None:
            told.append(name)

    class Ours(Named, name="ours"):
        @cached_property
        def cookies(self) -> Any:
            return library.Cookies({"a": "of-the-client"})

        async def send(self, *arguments: Any, **options: Any) -> Any:
            self.cookies.set("b", "of-a-call")
            self.cookies = library.Cookies({"c": "of-a-call"})
            answer = await super().send(*arguments, **options)
            came.append({cookie.name: cookie.value for cookie in self.cookies.jar})
            return answer

    def script(_: Any) -> Any:
        return library.Response(200, json=[], headers={"set-cookie": "session=of-the-service; Path=/"})

    client = Ours(transport=library.MockTransport(script))
    assert dict(client.cookies) == {"a": "of-the-client"}
    await AsyncRooms(client, token=TOKEN, region="sg").list()
    assert told == ["ours"]
    assert came == [{}]
    assert dict(client.cookies) == {"a": "of-the-client"}
