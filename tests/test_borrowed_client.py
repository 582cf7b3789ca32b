"""A borrowed client stays as it is; what goes over it is proven in ``test_conformance``."""

import gc
from functools import cached_property
from typing import Any

import httpx
import httpx2
import pytest

from fakes import TOKEN
from netless_rooms import AsyncRooms

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])]


def transport(library: Any) -> Any:
    """Return a transport that sets a cookie with each response."""
    headers = {"set-cookie": "session=of-the-service; Path=/"}
    return library.MockTransport(lambda _: library.Response(200, json=[], headers=headers))


async def test_a_client_that_was_never_used_is_left_as_it_was(library: Any) -> None:
    client = library.AsyncClient(transport=transport(library), cookies={"a": "of-the-client"})
    before = dict(vars(client))
    await AsyncRooms(client, token=TOKEN, region="sg").list()
    assert vars(client) == before
    assert dict(client.cookies) == {"a": "of-the-client"}
    async with client:  # a client that has sent cannot be entered any more; this one has not
        pass


async def test_a_class_of_clients_may_do_as_it_likes(library: Any) -> None:
    told: list[str] = []

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
            return await super().send(*arguments, **options)

        def __del__(self) -> None:
            told.append("closed")

        def __getstate__(self) -> Any:
            raise TypeError("clients are not copied")

    client = Ours(transport=transport(library))
    assert dict(client.cookies) == {"a": "of-the-client"}
    await AsyncRooms(client, token=TOKEN, region="sg").list()
    gc.collect()
    assert told == ["ours"]
    assert not client.is_closed
    assert dict(client.cookies) == {"a": "of-the-client"}
