"""The emulator over HTTP, in process unless a test says otherwise, on asyncio and Trio."""

import gzip
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from netless_rooms.emulator import Emulator
from netless_rooms.emulator.app import accepts_gzip

pytestmark = pytest.mark.anyio


def client_of(emulator: Emulator, **headers: str) -> httpx.AsyncClient:
    common = {"token": emulator.token(), "region": "sg", **headers}
    return httpx.AsyncClient(transport=emulator.transport(), base_url="http://emulated", headers=common)


async def raw_answer(emulator: Emulator, **scope: Any) -> list[dict[str, Any]]:
    """What the application sends to a request that no HTTP client would make."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asked = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], **scope}
    await emulator.app(asked, receive, send)
    return sent


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


async def test_every_body_is_json_and_says_so() -> None:
    """Rule: json."""
    async with client_of(Emulator(rooms=2)) as client:
        for path in ("/v5/rooms", "/v5/rooms/none", "/nowhere"):
            answer = await client.get(path)
            assert answer.headers["content-type"] == "application/json"
            answer.json()


@pytest.mark.parametrize("where", ["in process", "on a socket"])
async def test_every_answer_tells_the_time_of_the_emulators_own_clock_once(where: str) -> None:
    """Rule: date."""
    now = [1_610_952_989.9]
    emulator = Emulator(rooms=200, clock=lambda: now[0])
    async with client_of(emulator) as near, emulator.serve() as url, httpx.AsyncClient(base_url=url) as far:
        far.headers = near.headers
        client = near if where == "in process" else far
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
            now[0] += 10


async def test_a_token_is_judged_by_the_time_that_the_answer_tells() -> None:
    now = [1_000_000_000.0]
    async with client_of(Emulator(clock=lambda: now[0])) as client:
        now[0] += 3600
        answer = await client.get("/v5/rooms")
    assert (answer.status_code, answer.json()) == (401, {"message": "expired token"})
    assert answer.headers["date"] == "Sun, 09 Sep 2001 02:46:40 GMT"


async def test_without_a_clock_of_its_own_it_tells_the_machines_time() -> None:
    async with client_of(Emulator()) as client:
        told = parsedate_to_datetime((await client.get("/v5/rooms")).headers["date"])
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60


async def test_long_bodies_are_compressed_if_the_request_accepts_it() -> None:
    """Rule: gzip."""
    emulator = Emulator(rooms=200)
    async with client_of(emulator) as client:
        zipped = await client.get("/v5/rooms", headers={"accept-encoding": "br, gzip"})
        plain = await client.get("/v5/rooms", headers={"accept-encoding": "identity"})
        short = await client.get("/v5/rooms?limit=1", headers={"accept-encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert int(zipped.headers["content-length"]) < len(plain.content) / 3
    assert zipped.content == plain.content
    assert "content-encoding" not in {*plain.headers, *short.headers}
    assert {answer.headers["vary"] for answer in (zipped, plain, short)} == {"Accept-Encoding"}


async def test_a_compressed_page_shows_every_change() -> None:
    emulator = Emulator(rooms=50)
    async with client_of(emulator) as client:
        for count in (50, 51, 52):
            assert len((await client.get("/v5/rooms")).json()) == count
            assert len((await client.get("/v5/rooms")).json()) == count
            await client.post("/v5/rooms", json={})


async def test_a_wrong_method_names_the_right_ones() -> None:
    async with client_of(Emulator()) as client:
        answer = await client.delete("/v5/rooms")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


async def test_a_header_that_is_not_ascii_is_refused_politely() -> None:
    async with client_of(Emulator()) as client:
        answer = await client.get("/v5/rooms", headers=[(b"token", b"NETLESSSDK_\xe9")])
    assert answer.status_code == 401


async def test_two_tokens_in_one_request_are_no_token() -> None:
    emulator = Emulator()
    headers = [
        (b"token", emulator.token().encode()),
        (b"token", emulator.token().encode()),
        (b"region", b"sg"),
    ]
    start, body = await raw_answer(emulator, path="/v5/rooms", headers=headers)
    assert (start["status"], json.loads(body["body"])) == (401, {"message": "invalid format of token"})


async def test_a_target_that_is_no_path_is_not_found() -> None:
    start, body = await raw_answer(Emulator(), method="OPTIONS", path="*")
    assert (start["status"], json.loads(body["body"])) == (404, {"message": "no such path"})
    assert b"date" in dict(start["headers"])


async def test_compressed_bodies_tell_no_time_so_they_are_always_the_same() -> None:
    emulator = Emulator(rooms=100)
    headers = [(b"accept-encoding", b"gzip"), (b"token", emulator.token().encode()), (b"region", b"sg")]
    bodies = [(await raw_answer(emulator, path="/v5/rooms", headers=headers))[1]["body"] for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert bodies[0][4:8] == bytes(4)
    assert len(json.loads(gzip.decompress(bodies[0]))) == 100


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
        ("br;q=1.0, *;q=0.1", True),
        ("gzipped", False),
        (";;,=,", False),
    ],
)
async def test_accept_encoding_is_read_with_its_weights(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_answered() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    emulator = Emulator()
    scope = {"type": "http", "method": "POST", "path": "/v5/rooms", "query_string": b"", "headers": []}
    await emulator.app(scope, receive, send)
    assert (sent, emulator.requests) == ([], [])


@pytest.mark.parametrize("options", [{"quirks": None}, {"quirks": {}}, {"clock": 5}])
async def test_a_wrong_setting_is_refused(options: Any) -> None:
    with pytest.raises(TypeError, match="must be"):
        Emulator(**options)
