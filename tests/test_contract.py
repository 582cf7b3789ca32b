"""What the service documents, held against emulators always and against the service itself with ``--live``.

The service has no call that deletes a room, so a run makes a single one, for all tests, and leaves it disabled.
The rules that a test names are those of the emulator, and all of them are documented.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import pytest
from attrs import frozen

from contract_targets import Place, emulated, from_variables
from fakes import TOKEN
from netless_rooms import (
    AccessKey,
    AsyncRooms,
    ForbiddenError,
    NotFoundError,
    Role,
    Room,
    TokenError,
    UnauthorizedError,
)
from netless_rooms.emulator import Emulator, Quirks

pytestmark = pytest.mark.anyio

# The real service is asked on one event loop only, so that no second room is made.
LEGS = ["emulator-asyncio", "emulator-trio", "otherwise-asyncio", "real-asyncio"]
# What nobody published, read the other way: no test here may depend on it.
OTHERWISE = Quirks(
    cursor="exclusive",
    page_cap=700,
    short_pages=True,
    unknown_begin="not_found",
    regions="apart",
    disabled="hidden",
)
MEMBERS = {"uuid", "teamUUID", "appUUID", "isRecord", "isBan", "createdAt", "limit"}
LIMIT = 3
MOST = 5000  # rooms that are walked over; an account may have millions
SOON = timedelta(minutes=1)

Call: TypeAlias = Callable[[AsyncRooms, str], Awaitable[Any]]


@frozen
class Made:
    """The room of the run, and the answer that told of it."""

    room: Room
    answer: httpx.Response
    at: datetime


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
def place(leg: str) -> Place:
    if leg.startswith("real"):
        return from_variables()
    return emulated(Emulator(rooms=1200, quirks=OTHERWISE if leg.startswith("otherwise") else Quirks()))


@pytest.fixture(scope="module")
def answers(place: Place) -> list[httpx.Response]:
    """Return what came so far, as it came: the client takes more than what is documented."""
    return place.answers


@pytest.fixture(scope="module")
async def rooms(place: Place, answers: list[httpx.Response]) -> AsyncIterator[AsyncRooms]:
    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        answers.append(answer)

    async with httpx.AsyncClient(
        transport=place.transport, timeout=30, event_hooks={"response": [keep]}
    ) as client:
        yield AsyncRooms(client, token=place.credential, region=place.region, base_url=place.base_url)


@pytest.fixture(scope="module")
async def made(rooms: AsyncRooms, answers: list[httpx.Response]) -> AsyncIterator[Made]:
    at = datetime.now(UTC)
    with skipping_what_the_token_may_not():
        room = await rooms.create(limit=LIMIT, is_record=False)
    yield Made(room, answers[-1], at)
    with suppress(TokenError):  # a writer's may not; the test of disabling tells so
        await rooms.disable(room.uuid)


@contextmanager
def skipping_what_the_token_may_not() -> Iterator[None]:
    try:
        yield
    except TokenError as refused:  # its text is the reason, without the token
        pytest.skip(str(refused))


def documented(answer: httpx.Response) -> dict[str, Any]:
    """Return the documented members of the room in an answer; there may be more."""
    room = answer.json()
    return {name: room[name] for name in MEMBERS}


async def test_create_answers_201_with_the_room_that_was_asked_for(made: Made) -> None:
    """Rules: create, room-members, bare."""
    assert made.answer.status_code == 201
    told = documented(made.answer)
    assert (told["limit"], told["isRecord"], told["isBan"]) == (LIMIT, False, False)
    assert (made.room.limit, made.room.is_record, made.room.is_ban) == (LIMIT, False, False)


async def test_a_room_has_a_uuid_and_a_time_of_its_making(made: Made) -> None:
    """Rules: room-uuid, room-members."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", documented(made.answer)["createdAt"])
    assert abs(made.room.created_at - made.at) < 5 * SOON  # this machine's clock may be off
    uuid = UUID(made.room.uuid)
    assert (uuid.hex, uuid.version) == (made.room.uuid, 1)
    # Version 1 is the one with the time of its making inside; that this is createdAt to the dot, nobody says.
    inside = datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=uuid.time // 10)
    assert abs(made.room.created_at - inside) < SOON


async def test_get_answers_200_with_the_same_room(
    rooms: AsyncRooms, made: Made, answers: list[httpx.Response]
) -> None:
    """Rules: get, bare."""
    assert (await rooms.get(made.room.uuid)).uuid == made.room.uuid
    assert answers[-1].status_code == 200
    assert documented(answers[-1]) == documented(made.answer)


@pytest.mark.parametrize("limit", [None, 1, 2, 1000])
@pytest.mark.usefixtures("made")
async def test_list_answers_200_with_so_many_rooms_in_order(
    limit: int | None, rooms: AsyncRooms, answers: list[httpx.Response]
) -> None:
    """Rules: list, page-limit, page-order, bare."""
    uuids = [room.uuid for room in await rooms.list(limit=limit)]
    assert answers[-1].status_code == 200
    assert [room["uuid"] for room in answers[-1].json()] == uuids
    assert 1 <= len(uuids) <= (100 if limit is None else limit)
    assert uuids == sorted(set(uuids))


async def test_a_walk_brings_the_room_once(rooms: AsyncRooms, made: Made) -> None:
    uuids = [room.uuid async for room in rooms.walk(max_rooms=MOST)]
    assert len(uuids) == len(set(uuids))
    assert made.room.uuid in uuids or len(uuids) == MOST


async def test_a_walk_goes_on_at_the_room_or_behind_it(rooms: AsyncRooms, made: Made) -> None:
    uuid = made.room.uuid
    at = [room.uuid async for room in rooms.walk(begin_uuid=uuid, page_size=4, max_rooms=3)]
    behind = [room.uuid async for room in rooms.walk(after=uuid, page_size=4, max_rooms=3)]
    assert uuid not in behind
    assert uuid not in at[1:]  # first, or nowhere: whether beginUUID is on its own page is not certain
    assert [each for each in at if each != uuid][:2] == behind[:2]


async def test_a_room_can_be_disabled_twice_and_enabled(
    rooms: AsyncRooms, made: Made, answers: list[httpx.Response]
) -> None:
    """Rules: set-ban, may-sdk-admin."""
    for change, is_ban in ((rooms.disable, True), (rooms.disable, True), (rooms.enable, False)):
        with skipping_what_the_token_may_not():
            await change(made.room.uuid)
        assert answers[-1].status_code in {200, 201}  # one page shows this, another that
        assert documented(answers[-1]) == documented(made.answer) | {"isBan": is_ban}
        assert (await rooms.get(made.room.uuid)).is_ban is is_ban


@pytest.mark.parametrize("call", [AsyncRooms.get, AsyncRooms.disable])
async def test_a_uuid_that_names_no_room_answers_404(
    call: Call, rooms: AsyncRooms, made: Made, answers: list[httpx.Response]
) -> None:
    """Rules: no-room, failure-message."""
    with skipping_what_the_token_may_not(), pytest.raises(NotFoundError) as caught:
        await call(rooms, made.room.uuid[:20] + 12 * "0")
    assert caught.value.message
    assert answers[-1].json()["message"] == caught.value.message


async def test_a_wrong_token_answers_401_and_is_not_shown(rooms: AsyncRooms) -> None:
    """Rule: failure-message."""
    with pytest.raises(UnauthorizedError) as caught:
        await rooms.with_options(token=TOKEN).list(limit=1)
    assert caught.value.message
    assert TOKEN not in f"{caught.value!r} {caught.value}"


async def test_no_token_answers_401(place: Place) -> None:
    """Rule: token."""
    async with httpx.AsyncClient(transport=place.transport, timeout=30) as client:
        answer = await client.get(f"{place.base_url}/v5/rooms?limit=1", headers={"region": place.region})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("of_the_room", "role", "call", "allowed"),
    [
        (False, Role.WRITER, AsyncRooms.get, True),
        (False, Role.WRITER, AsyncRooms.disable, False),
        (False, Role.READER, AsyncRooms.get, False),
        (True, Role.ADMIN, AsyncRooms.enable, True),
        (True, Role.WRITER, AsyncRooms.get, True),
        (True, Role.WRITER, AsyncRooms.disable, False),
        (True, Role.READER, AsyncRooms.get, False),
    ],
)
async def test_a_token_may_do_what_its_role_allows_and_else_answers_403(
    of_the_room: bool, role: Role, call: Call, allowed: bool, rooms: AsyncRooms, place: Place, made: Made
) -> None:
    """Rules: may-sdk-writer, may-room-admin, may-room-writer, may-reader."""
    if not isinstance(place.credential, AccessKey):
        pytest.skip("other tokens can be made from an AccessKey only, not from a token")
    key, uuid, lifetime = place.credential, made.room.uuid, timedelta(minutes=10)
    if of_the_room:
        token = key.room_token(uuid, role=role, lifetime=lifetime)
    else:
        token = key.sdk_token(role=role, lifetime=lifetime)
    asking = rooms.with_options(token=token, check_token=False)
    if allowed:
        await call(asking, uuid)
        return
    with pytest.raises(ForbiddenError):
        await call(asking, uuid)


@pytest.mark.usefixtures("made")
async def test_every_answer_is_json(answers: list[httpx.Response]) -> None:
    """Rule: json."""
    kinds = {answer.headers.get("content-type", "").partition(";")[0] for answer in answers}
    assert kinds == {"application/json"}
