"""The emulator's rooms and their list: limits, cursors, order, and every quirk against a naive model."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from math import nan
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import Room
from netless_rooms.emulator import Emulator, Quirks, Request, Response
from selection import examples

MOST_ROOMS = 2**32
ORDERS: dict[str, Callable[[str], str]] = {
    "uuid": lambda uuid: uuid,
    "creation": lambda uuid: uuid[13:16] + uuid[8:12] + uuid[:8] + uuid[16:],
}
SHARED = ["isRecord", "isBan", "createdAt", "limit"]


def ask(emulator: Emulator, query: str = "", *, region: str = "sg", body: bytes = b"{}", **asked: str) -> Response:
    headers = {"token": emulator.token(), "region": region}
    method, path = asked.get("method", "GET"), asked.get("path", "/v5/rooms")
    return emulator.respond(Request(method=method, path=path, query=query, headers=headers, body=body))


def page(emulator: Emulator, query: str = "") -> list[str]:
    answer = ask(emulator, query)
    assert answer.status == 200, answer
    return [room["uuid"] for room in json.loads(answer.body)]


def test_a_generated_room_is_the_same_wherever_it_is_asked_for() -> None:
    """Rules: room-members, room-uuid, room-uuid-time."""
    counts = (1, 2, 3, 100, 1023, 1024, 1025, 77_777, 1_000_000, MOST_ROOMS)
    for count, begin in product(counts, (*range(0, MOST_ROOMS, 1 << 28), MOST_ROOMS - 1)):
        emulator = Emulator(rooms=count)
        body = ask(emulator, f"beginUUID={begin:08x}&limit=5").body
        rooms = json.loads(body)
        assert body.decode() == json.dumps(rooms, ensure_ascii=False, separators=(",", ":"))
        assert all(one["uuid"] < other["uuid"] for one, other in pairwise(rooms))
        for room in rooms:
            uuid = UUID(room["uuid"])
            assert (uuid.hex, uuid.version) == (room["uuid"], 1)
            created_at = datetime(1582, 10, 15, tzinfo=UTC) + timedelta(microseconds=uuid.time // 10)
            assert room["createdAt"] == created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            assert "2019" <= room["createdAt"] < "2025"
            origin = "name" if room["createdAt"] < "2021" else "appUUID"
            assert list(room) == ["uuid", "teamUUID", origin, *SHARED]
            assert emulator.room(room["uuid"]) == room
            assert page(emulator, f"beginUUID={room['uuid']}&limit=1") == [room["uuid"]]


def test_the_same_number_makes_the_same_rooms_which_look_like_an_account() -> None:
    for count in (0, 1, 1600):
        emulator = Emulator(rooms=count)
        uuids = list(emulator.uuids())
        assert len(uuids) == len(set(uuids)) == emulator.room_count == count
        assert uuids == list(Emulator(rooms=count).uuids())
    rooms = [emulator.room(uuid) for uuid in uuids]
    years = Counter(room["createdAt"][:4] for room in rooms)
    assert sorted(years) == ["2019", "2020", "2021", "2022", "2023", "2024"]
    assert min(years.values()) > len(rooms) / 12
    assert 0.01 < sum(room["isBan"] for room in rooms) / len(rooms) < 0.06
    assert all(0 < sum(room[name] > 0 for room in rooms) < len(rooms) / 5 for name in ("limit", "isRecord"))


def test_a_page_holds_as_many_rooms_as_asked_for_else_100_and_any_other_limit_is_refused() -> None:
    """Rules: list, page-limit, page-cap, page-full, page-limit-wrong, refused-unchanged."""
    emulator = Emulator(rooms=1500)
    uuids, answer = list(emulator.uuids()), ask(emulator)
    assert (answer.status, json.loads(answer.body)) == (200, [emulator.room(uuid) for uuid in uuids[:100]])
    assert ask(emulator, path="/v5/rooms/") == answer
    assert ask(Emulator()).body == b"[]"
    assert [len(page(emulator, query)) for query in ("limit=1", "limit=0500", "limit=1000")] == [1, 500, 1000]
    assert len(page(emulator, f"limit=1000&beginUUID={uuids[600]}")) == 900
    assert page(emulator, "a=&" * 99 + "limit=2") == page(emulator, "limit=2")
    capped = Emulator(rooms=9, quirks=Quirks(page_cap=4))
    assert [len(page(capped, f"limit={limit}")) for limit in (3, 4, 5)] == [3, 4, 4]
    assert len(page(Emulator(rooms=9, quirks=Quirks(cursor="exclusive", page_cap=1)))) == 1
    wrong = ["0", "1001", "-1", "1.0", "ten", "", "5%20", "%D9%A3", "%C2%B2", "9" * 5000]
    refused = {f"limit={limit}": "limit must be an integer from 1 to 1000" for limit in wrong}
    refused |= {"limit=5&limit=5": "limit is given more than once", "a=&" * 101: "too many query parameters"}
    for query, words in refused.items():
        answer = ask(Emulator(rooms=3), query)
        assert (answer.status, json.loads(answer.body)) == (400, {"message": words}), query


def test_a_page_begins_with_the_room_asked_for_or_the_next_greater_one() -> None:
    """Rules: page-order, page-begin, page-begin-empty, page-begin-unknown."""
    emulator, exclusive = Emulator(rooms=9), Emulator(rooms=9, quirks=Quirks(cursor="exclusive"))
    uuids = sorted(emulator.uuids())
    assert page(emulator) == page(emulator, "beginUUID=") == page(exclusive) == uuids
    assert page(exclusive, f"beginUUID={uuids[-1]}") == page(emulator, "beginUUID=z%FF") == []
    assert (page(emulator, f"beginUUID={uuids[3]}0"), page(emulator, "beginUUID=0")) == (uuids[4:], uuids)
    assert ask(emulator, "beginUUID=a&beginUUID=a").status == 400
    by_creation = Emulator(rooms=9, quirks=Quirks(order="creation"))
    assert page(by_creation) == sorted(uuids, key=ORDERS["creation"]) != uuids
    refusing = Emulator(rooms=9, quirks=Quirks(unknown_begin="not_found"))
    answer = ask(refusing, "beginUUID=0")
    assert (answer.status, json.loads(answer.body)) == (404, {"message": "beginUUID names no room"})
    assert page(refusing) == page(refusing, "beginUUID=") == uuids


made = st.sampled_from(["us-sv", "sg"]) | st.uuids(version=1).map(lambda uuid: uuid.hex)


@examples(40, many=500)
@given(
    quirks=st.builds(
        Quirks,
        cursor=st.sampled_from(["inclusive", "exclusive"]),
        order=st.sampled_from(list(ORDERS)),
        page_cap=st.sampled_from([None, 2, 5, 1000]),
        unknown_begin=st.sampled_from(["seek", "bad_request", "not_found"]),
        regions=st.sampled_from(["shared", "apart"]),
        disabled=st.sampled_from(["listed", "hidden"]),
    ),
    count=st.integers(0, 20),
    added=st.lists(made, max_size=6, unique_by=lambda value: value if len(value) == 32 else object()),
    changes=st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=6),
    begin=st.none() | st.integers(0, 25) | st.uuids(version=1).map(lambda uuid: uuid.hex),
    limit=st.integers(1, 40),
)
def test_every_page_is_a_slice_of_what_is_listed(
    quirks: Quirks, count: int, added: list[str], changes: list[tuple[int, bool]], begin: Any, limit: int
) -> None:
    """Rules: page-disabled, page-new."""
    emulator = Emulator(rooms=count, quirks=quirks)
    region_of = dict.fromkeys(emulator.uuids(), "us-sv")
    for each in added:
        if len(each) == 32:
            region_of[emulator.add_room(uuid=each)] = "us-sv"
        else:
            region_of[json.loads(ask(emulator, method="POST", region=each).body)["uuid"]] = each
    everything = sorted(region_of, key=ORDERS[quirks.order])
    assert list(emulator.uuids()) == everything
    if isinstance(begin, int):
        begin = everything[begin % len(everything)] if everything else None
    query = f"limit={limit}" + ("" if begin is None else f"&beginUUID={begin}")
    key, size = ORDERS[quirks.order], min(limit, quirks.page_cap or limit)

    def check_pages() -> None:
        for region in ("us-sv", "sg"):
            there = [uuid for uuid in everything if quirks.regions == "shared" or region_of[uuid] == region]
            for uuid in everything[::7]:
                status = 200 if uuid in there else 404
                assert ask(emulator, path=f"/v5/rooms/{uuid}", region=region).status == status
            listed = [uuid for uuid in there if quirks.disabled == "listed" or not emulator.room(uuid)["isBan"]]
            answer = ask(emulator, query, region=region)
            if quirks.unknown_begin != "seek" and begin not in {None, *listed}:
                assert answer.status == {"bad_request": 400, "not_found": 404}[quirks.unknown_begin]
                continue
            at = [begin] if begin in listed and quirks.cursor == "inclusive" else []
            after = [uuid for uuid in listed if begin is None or key(uuid) > key(begin)]
            assert json.loads(answer.body) == [emulator.room(uuid) for uuid in [*at, *after][:size]]

    check_pages()  # which fills the caches that the changes must empty
    for place, is_ban in changes if everything else ():
        uuid = everything[place % len(everything)]
        body = json.dumps({"isBan": is_ban}).encode()
        ask(emulator, method="PATCH", path=f"/v5/rooms/{uuid}", region=region_of[uuid], body=body)
        assert emulator.room(uuid)["isBan"] is is_ban
    check_pages()


def test_settings_that_make_no_sense_are_refused() -> None:
    choices = {"cursor": "both", "order": "name", "unknown_begin": 404, "regions": "us-sv", "disabled": False}
    wrong: list[Any] = [(ValueError, {name: value}, f"{name} must be one of '") for name, value in choices.items()]
    wrong += [(ValueError, {"missing_region": "eu"}, "missing_region must be one of 'refused', 'cn-hz', not 'eu'")]
    wrong += [(ValueError, {"page_cap": cap}, f"page_cap must be 2 to 1000 .*, not {cap}") for cap in (1, 1001)]
    wrong += [(TypeError, {"page_cap": cap}, "page_cap must be an int") for cap in ("9", True)]
    wrong += [(TypeError, {name: 1}, f"{name} must be a bool") for name in ("short_pages", "envelope")]
    for error, options, reason in wrong:
        with pytest.raises(error, match=reason):
            Quirks(**options)
    with pytest.raises(TypeError, match="positional"):
        Quirks("exclusive")  # type: ignore[call-arg]  # that is the point
    for rooms in (-1, MOST_ROOMS + 1):
        with pytest.raises(ValueError, match=f"rooms must be 0 to {MOST_ROOMS}, not {rooms}"):
            Emulator(rooms=rooms)
    others: list[Any] = [("quirks", None), ("clock", 5), ("rooms", 1.0), ("rooms", True)]
    for name, value in others:
        with pytest.raises(TypeError, match=f"{name} must be .*, not {type(value).__name__}"):
            Emulator(**{name: value})


WORDS = {"is_record": "isRecord", "is_ban": "isBan", "created_at": "createdAt"}
WORDS |= {"team_uuid": "teamUUID", "app_uuid": "appUUID"}


def test_a_room_that_cannot_be_is_not_added_nor_one_with_names_of_this_package() -> None:
    emulator = Emulator()
    emulator.add_room(uuid="taken", odd=True, limit=...)
    wrong: list[Any] = [
        (ValueError, "uuid", "taken", "there is a room taken already"),
        (TypeError, "uuid", 7, "uuid must be a string, not int"),
        (TypeError, "uuid", ..., "uuid must be a string, not NoneType"),
        (ValueError, "name", "\ud800", "surrogates not allowed"),
        *((ValueError, "limit", nan, "not JSON compliant"), (TypeError, "name", b"", "not JSON serializable")),
        *((ValueError, name, None, f"names of the service: {word}, not {name}") for name, word in WORDS.items()),
    ]
    for error, name, value, words in wrong:
        with pytest.raises(error, match=words):
            emulator.add_room(**{name: value})
        assert list(emulator.uuids()) == ["taken"]
    assert emulator.room("taken").get("odd") is True
    assert "limit" not in emulator.room("taken")
    with pytest.raises(KeyError, match="other"):
        emulator.room("other")
    emulator = Emulator(rooms=1)
    emulator.add_room()
    members = {name for uuid in emulator.uuids() for name in emulator.room(uuid)}
    assert {field.name for field in attrs.fields(Room)} == members - set(WORDS.values()) | {*WORDS, "extra"}
