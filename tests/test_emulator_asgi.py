"""The emulator's ASGI application, in process, where nothing goes wrong."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from netless_rooms.emulator import Emulator
from virtual_time import VirtualTime

pytestmark = pytest.mark.anyio


def client_of(emulator: Emulator, **headers: str) -> httpx.AsyncClient:
    common = {"token": emulator.token(), "region": "sg", **headers}
    return httpx.AsyncClient(transport=emulator.transport(), base_url="http://emulated", headers=common)


async def test_the_four_calls_work_over_http_also_below_a_path_of_another_application() -> None:
    emulator = Emulator()
    async with client_of(emulator) as client:
        created = await client.post("/v5/rooms", json={"limit": 2})
        uuid = created.json()["uuid"]
        banned = await client.patch(f"/v5/rooms/{uuid}", json={"isBan": True})
        got = await client.get(f"/v5/rooms/{uuid}")
        listed = await client.get("/v5/rooms/", params={"beginUUID": uuid, "limit": 5})
    assert [answer.status_code for answer in (created, banned, got, listed)] == [201, 201, 200, 200]
    assert listed.json() == [got.json()] == [banned.json()] == [created.json() | {"isBan": True}]
    assert [request.status for request in emulator.requests] == [201, 201, 200, 200]
    assert emulator.requests[-1].query == f"beginUUID={uuid}&limit=5"
    mounted = httpx.ASGITransport(Starlette(routes=[Mount("/below", emulator.app)]))
    async with httpx.AsyncClient(transport=mounted, headers=client.headers) as client:
        assert (await client.get("http://emulated/below/v5/rooms")).json() == listed.json()


async def test_every_answer_has_its_type_and_once_the_time_of_the_clock_the_machines_until_replaced() -> None:
    """Rules: json, date."""
    emulator, before, now = Emulator(rooms=200), datetime.now(UTC).replace(microsecond=0), [1_610_952_989.9]
    async with client_of(emulator) as client:
        date = (await client.get("/v5/rooms")).headers["date"]
    assert before <= parsedate_to_datetime(date) <= datetime.now(UTC)
    emulator.clock = lambda: now[0]
    calls = {"GET /v5/rooms?limit=1": 200, "GET /v5/rooms?limit=200": 200, "DELETE /v5/rooms": 405}
    calls |= {"GET /v5/rooms/none": 404, "GET /nowhere": 404, "POST /v5/rooms": 201}
    async with client_of(emulator) as client:
        for date in ("Mon, 18 Jan 2021 06:56:29 GMT", "Mon, 18 Jan 2021 06:56:39 GMT"):
            for call, status in calls.items():
                answer = await client.request(*call.split())
                assert (answer.status_code, answer.headers.get_list("date")) == (status, [date])
                assert answer.headers.get_list("content-type") == ["application/json"]
                answer.json()
            now[0] += 10
        assert answer.json()["createdAt"] == "2021-01-18T06:56:39.900Z"
        assert (await client.delete("/v5/rooms")).headers["allow"] == "GET, POST"
        assert (await client.delete("/v5/rooms/none")).headers["allow"] == "GET, PATCH"
        now[0] += 3600
        expired = await client.get("/v5/rooms")
        assert (expired.status_code, expired.headers["date"]) == (401, "Mon, 18 Jan 2021 07:56:49 GMT")


async def test_a_browser_page_of_any_origin_may_call() -> None:
    """Rule: cors."""
    emulator, origin = Emulator(faults=[None]), {"origin": "https://a.page"}
    asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "token,region"}
    async with client_of(emulator) as client:
        preflight = await client.options("/v5/rooms/a", headers=asked | origin)
        assert preflight.status_code == 200
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "token,region"
        assert (emulator.requests, emulator.faults) == ([], [None])
        assert (await client.get("/v5/rooms", headers=origin)).headers["access-control-allow-origin"] == "*"
        assert (await client.options("/v5/rooms/a", headers=asked)).status_code == 405
        assert "access-control-allow-origin" not in (await client.get("/v5/rooms")).headers
    assert emulator.faults == []


async def asgi(emulator: Emulator, *received: dict[str, Any], **scope: Any) -> list[Any]:
    """Return what the application sends to a request that httpx does not make."""
    messages, sent = list(received), []

    async def receive() -> Any:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"token", emulator.token().encode()), (b"region", b"sg")]
    asked = {"type": "http", "method": "POST", "path": "/v5/rooms", "query_string": b"", "headers": headers}
    await emulator.app(asked | scope, receive, send)
    return sent


async def test_an_odd_target_is_not_found_and_odd_headers_are_no_token() -> None:
    emulator = Emulator(clock=lambda: 0)
    start, body = await asgi(emulator, {"type": "http.request"}, method="OPTIONS", path="*")
    assert (start["status"], body["body"]) == (404, b'{"message":"no such path"}')
    assert dict(start["headers"])[b"date"] == b"Thu, 01 Jan 1970 00:00:00 GMT"
    for tokens in ([emulator.token().encode()] * 2, [b"NETLESSSDK_\xe9"]):
        headers = [*((b"token", each) for each in tokens), (b"region", b"sg")]
        start, body = await asgi(emulator, {"type": "http.request"}, headers=headers)
        assert (start["status"], body["body"]) == (401, b'{"message":"invalid format of token"}')


def test_a_body_that_is_too_long_or_late_is_refused_and_one_of_a_client_that_leaves_ignored() -> None:
    """Rule: body-size."""
    time, emulator = VirtualTime(), Emulator()
    piece = {"type": "http.request", "body": b" " * 2**19, "more_body": True}
    assert time.run("asyncio", asgi, emulator, piece, {"type": "http.disconnect"}) == []
    start, body = time.run("asyncio", asgi, emulator, {"type": "http.request", "body": b"{}", "more_body": True})
    assert (start["status"], dict(start["headers"])[b"connection"], time.now) == (408, b"close", 10)
    assert body["body"] == b'{"message":"the body was not complete after 10 s"}'
    assert (emulator.requests, emulator.room_count) == ([], 0)
    start, _ = time.run("asyncio", asgi, emulator, *[piece] * 33)  # of 16.5 MiB; more would not come
    assert (start["status"], dict(start["headers"])[b"connection"]) == (413, b"close")
    assert [request.status for request in emulator.requests] == [413]
