"""What the service documents, tested on emulators always and on the service itself with ``--live``.

The service has no call that deletes a room, so a run creates a single one, for all tests, and leaves it disabled.
The rules that a test names are those of the emulator, and all of them are documented.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import pytest
from attrs import frozen

from contract_targets import REVERSED, Target, from_variables
from fakes import TOKEN
from netless_rooms import AccessKey, AsyncRooms, Role, Room
from netless_rooms.emulator import Emulator, Quirks
from netless_rooms.errors import ForbiddenError, NotFoundError, TokenError, UnauthorizedError
from selection import exhaustive

pytestmark = pytest.mark.anyio
# The real service is used on one event loop only, so that no second room is created.
LEGS = ["emulator-asyncio", "reversed-asyncio", "real-asyncio", *exhaustive(["emulator-trio", "reversed-trio"])]
MEMBERS = {"uuid", "teamUUID", "appUUID", "isRecord", "isBan", "createdAt", "limit"}
LIMIT = 3
MAX_ROOMS = 5000  # of a walk; an account may have millions
MINUTE = timedelta(minutes=1)
Responses: TypeAlias = list[httpx.Response]
Call: TypeAlias = Callable[[AsyncRooms, str], Awaitable[Any]]


@frozen
class Created:
    """The room of the run, and the response that had it."""

    room: Room
    response: httpx.Response


@pytest.fixture(scope="module", params=LEGS)
def leg(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name.startswith("real") and not request.config.getoption("--live"):
        pytest.skip("asks the real service, and so runs with --live only")
    return name


@pytest.fixture(scope="module")
def anyio_backend(leg: str) -> str:
    return leg.partition("-")[2]


@pytest.fixture(scope="module")
def target(leg: str) -> Target:
    if leg.startswith("real"):
        return from_variables()
    emulator = Emulator(rooms=1200, quirks=REVERSED if leg.startswith("reversed") else Quirks())
    return Target(emulator.key, transport=emulator.transport())


@pytest.fixture(scope="module")
def responses() -> Responses:
    """Return the responses so far: the client accepts more than what is documented."""
    return []


@pytest.fixture(scope="module")
async def rooms(target: Target, responses: Responses) -> AsyncIterator[AsyncRooms]:
    async def keep(response: httpx.Response) -> None:
        await response.aread()
        responses.append(response)

    hooks = {"response": [keep]}
    async with httpx.AsyncClient(transport=target.transport, timeout=30, event_hooks=hooks) as client:
        yield AsyncRooms(client, token=target.credential, region=target.region, base_url=target.base_url)


@pytest.fixture(scope="module")
async def created(rooms: AsyncRooms, responses: Responses) -> AsyncIterator[Created]:
    with skipping_what_the_token_may_not():
        room = await rooms.create(limit=LIMIT, is_record=False)
    yield Created(room, responses[-1])
    with suppress(TokenError):  # a writer may not, as the test of disabling shows
        await rooms.disable(room.uuid)


@contextmanager
def skipping_what_the_token_may_not() -> Iterator[None]:
    try:
        yield
    except TokenError as refused:  # its text is the reason, without the token
        pytest.skip(str(refused))


def documented(response: httpx.Response) -> dict[str, Any]:
    """Return the documented members of the room in a response; there may be more."""
    room = response.json()
    return {name: room[name] for name in MEMBERS}


async def test_create_answers_201_with_the_room(created: Created) -> None:
    """Rules: create, room-members, room-uuid, bare."""
    assert created.response.status_code == 201
    members = documented(created.response)
    assert (members["limit"], members["isRecord"], members["isBan"]) == (LIMIT, False, False)
    assert (created.room.limit, created.room.is_record, created.room.is_ban) == (LIMIT, False, False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", members["createdAt"])
    assert abs(created.room.created_at - datetime.now(UTC)) < 5 * MINUTE  # this machine's clock may be off
    uuid = UUID(created.room.uuid)
    assert (uuid.hex, uuid.version) == (created.room.uuid, 1)
    # A uuid of version 1 has a time inside; that it is exactly createdAt is not documented.
    inside = datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=uuid.time // 10)
    assert abs(created.room.created_at - inside) < MINUTE


async def test_get_answers_200_with_the_same_room(rooms: AsyncRooms, created: Created, responses: Any) -> None:
    """Rules: get, bare."""
    assert (await rooms.get(created.room.uuid)).uuid == created.room.uuid
    assert responses[-1].status_code == 200
    assert documented(responses[-1]) == documented(created.response)


@pytest.mark.parametrize("limit", [None, 1, 1000])
@pytest.mark.usefixtures("created")
async def test_list_answers_200_with_limit_rooms_in_order(
    limit: int | None, rooms: AsyncRooms, responses: Responses
) -> None:
    """Rules: list, page-limit, page-order, bare, json."""
    uuids = [room.uuid for room in await rooms.list(limit=limit)]
    assert responses[-1].status_code == 200
    assert [room["uuid"] for room in responses[-1].json()] == uuids
    assert 1 <= len(uuids) <= (100 if limit is None else limit)
    assert uuids == sorted(set(uuids))
    kinds = {response.headers.get("content-type", "").partition(";")[0] for response in responses}
    assert kinds == {"application/json"}


async def test_a_walk_yields_the_room_once_and_begins_at_a_room(rooms: AsyncRooms, created: Created) -> None:
    uuids = [room.uuid async for room in rooms.walk(max_rooms=MAX_ROOMS)]
    assert len(uuids) == len(set(uuids))
    assert created.room.uuid in uuids or len(uuids) == MAX_ROOMS
    uuid = created.room.uuid
    at = [room.uuid async for room in rooms.walk(begin_uuid=uuid, page_size=4, max_rooms=3)]
    after = [room.uuid async for room in rooms.walk(after=uuid, page_size=4, max_rooms=3)]
    assert uuid not in after
    assert uuid not in at[1:]  # first or not at all: whether beginUUID is on its own page is not documented
    assert [each for each in at if each != uuid][:2] == after[:2]


async def test_a_room_is_disabled_and_enabled(rooms: AsyncRooms, created: Created, responses: Responses) -> None:
    """Rules: set-ban, may-sdk."""
    for change, is_ban in ((rooms.disable, True), (rooms.disable, True), (rooms.enable, False)):
        with skipping_what_the_token_may_not():
            await change(created.room.uuid)
        assert responses[-1].status_code in {200, 201}  # one page shows this, another that
        assert documented(responses[-1]) == documented(created.response) | {"isBan": is_ban}
        assert (await rooms.get(created.room.uuid)).is_ban is is_ban


@pytest.mark.parametrize("call", [AsyncRooms.get, AsyncRooms.disable])
async def test_an_unknown_uuid_answers_404(
    call: Call, rooms: AsyncRooms, created: Created, responses: Responses
) -> None:
    """Rules: no-room, failure-message."""
    with skipping_what_the_token_may_not(), pytest.raises(NotFoundError) as caught:
        await call(rooms, created.room.uuid[:20] + 12 * "0")
    assert caught.value.reason
    assert responses[-1].json()["message"] == caught.value.reason


async def test_a_wrong_token_or_none_answers_401(rooms: AsyncRooms, target: Target) -> None:
    """Rules: token, failure-message."""
    with pytest.raises(UnauthorizedError) as caught:
        await rooms.with_options(token=TOKEN).list(limit=1)
    assert caught.value.reason
    assert TOKEN not in f"{caught.value!r} {caught.value}"
    async with httpx.AsyncClient(transport=target.transport, timeout=30) as client:
        response = await client.get(f"{target.base_url}/v5/rooms?limit=1", headers={"region": target.region})
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("role", "call", "allowed"),
    [
        (Role.ADMIN, AsyncRooms.enable, True),
        *((Role.WRITER, AsyncRooms.get, True), (Role.WRITER, AsyncRooms.disable, False)),
        (Role.READER, AsyncRooms.get, False),
    ],
)
async def test_a_token_may_what_its_role_allows(
    role: Role, call: Call, allowed: bool, rooms: AsyncRooms, target: Target, created: Created
) -> None:
    """Rules: may-room, may-reader."""
    if not isinstance(target.credential, AccessKey):
        pytest.skip("other tokens can be made from an AccessKey only, not from a token")
    key, uuid, lifetime = target.credential, created.room.uuid, 10 * MINUTE
    of_room = key.room_token(uuid, role=role, lifetime=lifetime)
    for token in (of_room, key.sdk_token(role=role, lifetime=lifetime)):
        with nullcontext() if allowed else pytest.raises(ForbiddenError):
            await call(rooms.with_options(token=token, check_token=False), uuid)
