"""The emulator's ASGI application, in process, where nothing goes wrong."""

import gzip
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from netless_rooms.emulator import Emulator

pytestmark = pytest.mark.anyio


def client_of(emulator: Emulator, **headers: str) -> httpx.AsyncClient:
    common = {"token": emulator.token(), "region": "sg", **headers}
    return httpx.AsyncClient(transport=emulator.transport(), base_url="http://emulated", headers=common)


async def test_the_four_calls_work_over_http() -> None:
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


async def test_every_answer_has_its_type_and_the_time_of_the_emulators_own_clock_once() -> None:
    """Rules: json, date."""
    now = [1_610_952_989.9]
    async with client_of(Emulator(rooms=200, clock=lambda: now[0])) as client:
        for date in ("Mon, 18 Jan 2021 06:56:29 GMT", "Mon, 18 Jan 2021 06:56:39 GMT"):
            for method, path, status in (
                ("POST", "/v5/rooms", 400),
                ("GET", "/v5/rooms?limit=1", 200),
                ("GET", "/v5/rooms?limit=200", 200),
                ("GET", "/v5/rooms/none", 404),
                ("GET", "/nowhere", 404),
                ("DELETE", "/v5/rooms", 405),
            ):
                answer = await client.request(method, path)
                assert (answer.status_code, answer.headers.get_list("date")) == (status, [date])
                assert answer.headers.get_list("content-type") == ["application/json"]
                answer.json()
            now[0] += 10
        assert answer.headers["allow"] == "GET, POST"
        assert (await client.delete("/v5/rooms/none")).headers["allow"] == "GET, PATCH"
        now[0] += 3600
        expired = await client.get("/v5/rooms")
        assert (expired.status_code, expired.headers["date"]) == (401, "Mon, 18 Jan 2021 07:56:49 GMT")


async def test_the_default_clock_is_the_machines_and_may_be_replaced() -> None:
    emulator = Emulator()
    before = datetime.now(UTC).replace(microsecond=0)
    async with client_of(emulator) as client:
        date = parsedate_to_datetime((await client.get("/v5/rooms")).headers["date"])
        assert before <= date <= datetime.now(UTC)
        emulator.clock = lambda: 1_000_000_000.0
        answer = await client.post("/v5/rooms", json={})
    assert (answer.status_code, answer.headers["date"]) == (201, "Sun, 09 Sep 2001 01:46:40 GMT")
    assert answer.json()["createdAt"] == "2001-09-09T01:46:40.000Z"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("deflate, GZIP ;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*", True),
        ("*;q=0", False),
        ("gzipped", False),
        (";;,=,", False),
    ],
)
async def test_a_thousand_bytes_are_compressed_if_the_request_accepts_it(header: str, accepted: bool) -> None:
    """Rule: gzip."""
    emulator = Emulator()
    length = len(json.dumps(emulator.room(emulator.add_room(name="")), separators=(",", ":")))
    async with client_of(emulator, **{"accept-encoding": header}) as client:
        for size, coding in ((999, None), (1000, "gzip" if accepted else None)):
            uuid = emulator.add_room(name="x" * (size - length))
            answer = await client.get(f"/v5/rooms/{uuid}")
            assert answer.json() == emulator.room(uuid)
            assert (answer.headers.get("content-encoding"), answer.headers["vary"]) == (coding, "Accept-Encoding")
            assert (answer.headers["content-length"] == str(size)) is (coding is None)


async def test_compressed_bodies_hold_no_time_and_so_are_always_the_same() -> None:
    async with (
        client_of(Emulator(rooms=100)) as client,
        client.stream("GET", "/v5/rooms", headers={"accept-encoding": "gzip"}) as response,
    ):
        body = b"".join([piece async for piece in response.aiter_raw()])
    assert body[4:8] == bytes(4)
    assert len(json.loads(gzip.decompress(body))) == 100


async def test_a_compressed_page_shows_every_change() -> None:
    async with client_of(Emulator(rooms=50)) as client:
        for count in (50, 51):
            assert len((await client.get("/v5/rooms")).json()) == count
            await client.post("/v5/rooms", json={})


@pytest.mark.parametrize("tokens", [[b"{0}", b"{0}"], [b"NETLESSSDK_\xe9"]], ids=["two", "not ASCII"])
async def test_odd_headers_are_no_token(tokens: list[bytes]) -> None:
    emulator = Emulator()
    token = emulator.token().encode()
    headers = [*((b"token", each.replace(b"{0}", token)) for each in tokens), (b"region", b"sg")]
    async with httpx.AsyncClient(transport=emulator.transport()) as client:
        answer = await client.get("http://emulated/v5/rooms", headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "invalid format of token"})


async def asgi(emulator: Emulator, *received: dict[str, Any], **scope: Any) -> list[Any]:
    """Return what the application sends to a request that httpx does not make."""
    messages, sent = iter(received), []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {"type": "http", "method": "POST", "path": "/v5/rooms", "query_string": b"", "headers": [], **scope}
    await emulator.app(asked, receive, send)
    return sent


async def test_a_target_that_is_no_path_is_not_found() -> None:
    start, body = await asgi(Emulator(clock=lambda: 0), method="OPTIONS", path="*")
    assert (start["status"], body["body"]) == (404, b'{"message":"no such path"}')
    assert dict(start["headers"])[b"date"] == b"Thu, 01 Jan 1970 00:00:00 GMT"


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_answered() -> None:
    emulator = Emulator()
    piece = {"type": "http.request", "body": b"{", "more_body": True}
    assert await asgi(emulator, piece, {"type": "http.disconnect"}) == []
    assert emulator.requests == []
