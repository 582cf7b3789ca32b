"""The emulator's list: limits, cursors, order, and every quirk against a naive model."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import Room
from netless_rooms.emulator import Answer, Ask, Emulator, Quirks
from netless_rooms.emulator.quirks import LONGEST_PAGE

ORDERS: dict[str, Callable[[str], str]] = {
    "uuid": lambda uuid: uuid,
    "creation": lambda uuid: uuid[13:16] + uuid[8:12] + uuid[:8] + uuid[16:],
}

hex_uuids = st.text("0123456789abcdef", min_size=32, max_size=32).map(lambda text: f"{text[:12]}1{text[13:]}")
caps = st.none() | st.integers(2, 20) | st.just(LONGEST_PAGE)
quirks = st.builds(
    Quirks,
    cursor=st.sampled_from(["inclusive", "exclusive"]),
    order=st.sampled_from(list(ORDERS)),
    page_cap=caps,
)


def ask(emulator: Emulator, query: str = "", *, path: str = "/v5/rooms", region: str = "sg") -> Answer:
    headers = {"token": emulator.token(), "region": region}
    return emulator.answer(Ask(method="GET", path=path, query=query, headers=headers))


def page(emulator: Emulator, query: str = "", *, region: str = "sg") -> list[str]:
    answer = ask(emulator, query, region=region)
    assert answer.status == 200, answer
    return [room["uuid"] for room in json.loads(answer.body)]


def test_a_page_is_an_array_of_rooms() -> None:
    """Rules: list, list-slash."""
    emulator = Emulator(rooms=5)
    answer = ask(emulator)
    assert (answer.status, json.loads(answer.body)) == (
        200,
        [emulator.room(uuid) for uuid in emulator.uuids()],
    )
    assert ask(emulator, path="/v5/rooms/") == answer
    assert json.loads(ask(Emulator()).body) == []


def test_a_page_holds_as_many_rooms_as_asked_for_and_100_if_not_asked() -> None:
    """Rules: page-limit, page-cap, page-full."""
    emulator = Emulator(rooms=1500)
    assert [len(page(emulator, query)) for query in ("", "limit=1", "limit=0500", "limit=1000")] == [
        100,
        1,
        500,
        1000,
    ]
    assert len(page(emulator, f"limit=1000&beginUUID={list(emulator.uuids())[600]}")) == 900


WRONG_LIMITS = [
    "0",
    "1001",
    "-1",
    "+5",
    "1.0",
    "1e2",
    "ten",
    "",
    "%20",
    "5%20",
    "0x10",
    "%D9%A3",
    "9" * 5000,
    "%FF",
]


@pytest.mark.parametrize("query", [*(f"limit={limit}" for limit in WRONG_LIMITS), "limit=5&limit=5", "a&" * 101])
def test_any_other_limit_is_refused(query: str) -> None:
    """Rules: page-limit-wrong, refused-unchanged."""
    answer = ask(Emulator(rooms=3), query)
    assert answer.status == 400
    assert list(json.loads(answer.body)) == ["message"]


def test_rooms_come_in_the_order_of_their_uuids() -> None:
    """Rule: page-order."""
    emulator = Emulator(rooms=900)
    uuids = page(emulator, "limit=1000")
    assert uuids == sorted(uuids)
    assert uuids != sorted(uuids, key=ORDERS["creation"])
    by_creation = Emulator(rooms=900, quirks=Quirks(order="creation"))
    assert page(by_creation, "limit=1000") == sorted(uuids, key=ORDERS["creation"])


def test_a_page_begins_with_the_room_asked_for_or_behind_it() -> None:
    """Rule: page-begin."""
    emulator, exclusive = Emulator(rooms=9), Emulator(rooms=9, quirks=Quirks(cursor="exclusive"))
    uuids = list(emulator.uuids())
    assert page(emulator, f"beginUUID={uuids[3]}&limit=2") == uuids[3:5]
    assert page(exclusive, f"beginUUID={uuids[3]}&limit=2") == uuids[4:6]
    assert page(emulator, f"beginUUID={uuids[-1]}") == uuids[-1:]
    assert page(exclusive, f"beginUUID={uuids[-1]}") == []
    assert page(exclusive) == uuids


def test_an_unknown_beginning_is_the_next_greater_room_unless_refused() -> None:
    """Rule: page-begin-unknown."""
    emulator = Emulator(rooms=9)
    uuids = list(emulator.uuids())
    assert page(emulator, f"beginUUID={uuids[3][:-1]}{chr(ord(uuids[3][-1]) + 1)}") == uuids[4:]
    assert page(emulator, "beginUUID=0") == uuids
    assert page(emulator, "beginUUID=z%FF") == []
    for quirk, status in (("bad_request", 400), ("not_found", 404)):
        refusing = Emulator(rooms=9, quirks=Quirks(unknown_begin=quirk))  # type: ignore[arg-type]  # one of two
        assert ask(refusing, "beginUUID=0").status == status
        assert page(refusing, f"beginUUID={uuids[3]}") == uuids[3:]
        assert page(refusing, f"beginUUID={refusing.add_room()}") != []
        assert page(refusing) == list(refusing.uuids())


def test_an_empty_beginning_is_none_and_several_are_refused() -> None:
    """Rule: page-begin-empty."""
    emulator = Emulator(rooms=3)
    assert page(emulator, "beginUUID=") == page(emulator)
    assert page(Emulator(rooms=3, quirks=Quirks(unknown_begin="not_found")), "beginUUID=") == page(emulator)
    assert ask(emulator, "beginUUID=a&beginUUID=a").status == 400


def test_disabled_rooms_stay_listed() -> None:
    """Rule: page-disabled."""
    emulator = Emulator(rooms=20)
    uuids = page(emulator)
    headers = {"token": emulator.token(), "region": "sg"}
    for uuid in uuids[::2]:
        emulator.answer(Ask(method="PATCH", path=f"/v5/rooms/{uuid}", headers=headers, body=b'{"isBan":true}'))
    rooms = json.loads(ask(emulator).body)
    assert [room["uuid"] for room in rooms] == uuids
    assert [room["isBan"] for room in rooms[::2]] == [True] * 10


def test_a_created_room_is_listed_at_once_at_its_place() -> None:
    """Rule: page-new."""
    emulator = Emulator(rooms=100)
    for _ in range(5):
        before = page(emulator, "limit=1000")
        new = emulator.add_room()
        assert page(emulator, "limit=1000") == sorted([*before, new])
    assert page(emulator, "limit=1000") == list(emulator.uuids())


@given(
    quirks=quirks,
    rooms=st.integers(0, 40),
    added=st.lists(hex_uuids, max_size=15, unique=True),
    banned=st.lists(st.tuples(st.integers(0, 54), st.booleans()), max_size=8),
    begin=st.none() | hex_uuids | st.integers(0, 54),
    limit=st.integers(1, 60),
)
def test_every_page_is_a_slice_of_all_rooms(
    quirks: Quirks,
    rooms: int,
    added: list[str],
    banned: list[tuple[int, bool]],
    begin: str | int | None,
    limit: int,
) -> None:
    emulator = Emulator(rooms=rooms, quirks=quirks)
    known = set(emulator.uuids())
    for uuid in added:
        emulator.add_room(uuid=uuid)
    everything = sorted({*known, *added}, key=ORDERS[quirks.order])
    assert list(emulator.uuids()) == everything
    if isinstance(begin, int):
        begin = everything[begin % len(everything)] if everything else None
    asked = f"limit={limit}" + ("" if begin is None else f"&beginUUID={begin}")
    expected = naive_page(everything, begin, min(limit, quirks.page_cap or limit), quirks)
    assert page(emulator, asked) == expected  # also fills the cache that the changes below must empty
    headers = {"token": emulator.token(), "region": "sg"}
    for place, is_ban in banned if everything else ():
        path, body = (
            f"/v5/rooms/{everything[place % len(everything)]}",
            json.dumps({"isBan": is_ban}).encode(),
        )
        emulator.answer(Ask(method="PATCH", path=path, headers=headers, body=body))
    assert json.loads(ask(emulator, asked).body) == [emulator.room(uuid) for uuid in expected]


@given(
    quirks=st.builds(
        Quirks,
        cursor=st.sampled_from(["inclusive", "exclusive"]),
        order=st.sampled_from(list(ORDERS)),
        unknown_begin=st.sampled_from(["seek", "not_found"]),
        regions=st.sampled_from(["shared", "apart"]),
        disabled=st.sampled_from(["listed", "hidden"]),
    ),
    made=st.lists(st.sampled_from(["us-sv", "sg"]), max_size=12),
    banned=st.sets(st.integers(0, 31)),
    begin=st.none() | st.integers(0, 31),
    limit=st.integers(1, 40),
)
def test_a_list_has_what_its_quirks_leave_in_it(
    quirks: Quirks, made: list[str], banned: set[int], begin: int | None, limit: int
) -> None:
    emulator = Emulator(rooms=20, quirks=quirks)
    region_of = dict.fromkeys(emulator.uuids(), "us-sv")
    for region in made:
        created = emulator.answer(
            Ask(method="POST", path="/v5/rooms", headers=headers_of(emulator, region), body=b"{}")
        )
        region_of[json.loads(created.body)["uuid"]] = region
    everything = list(emulator.uuids())
    for uuid in (everything[place] for place in banned if place < len(everything)):
        path, headers = f"/v5/rooms/{uuid}", headers_of(emulator, region_of[uuid])
        assert (
            emulator.answer(Ask(method="PATCH", path=path, headers=headers, body=b'{"isBan":true}')).status == 201
        )
    for region in ("us-sv", "sg"):
        there = [uuid for uuid in everything if quirks.regions == "shared" or region_of[uuid] == region]
        for uuid in everything:
            assert ask(emulator, path=f"/v5/rooms/{uuid}", region=region).status == (200 if uuid in there else 404)
        listed = [uuid for uuid in there if quirks.disabled == "listed" or not emulator.room(uuid)["isBan"]]
        cursor = None if begin is None else everything[begin % len(everything)]
        asked = f"limit={limit}" + ("" if cursor is None else f"&beginUUID={cursor}")
        if quirks.unknown_begin == "not_found" and cursor not in {None, *listed}:
            assert ask(emulator, asked, region=region).status == 404
        else:
            assert page(emulator, asked, region=region) == naive_page(listed, cursor, limit, quirks)


def headers_of(emulator: Emulator, region: str) -> dict[str, str]:
    return {"token": emulator.token(), "region": region}


def naive_page(everything: list[str], begin: str | None, size: int, quirks: Quirks) -> list[str]:
    key = ORDERS[quirks.order]
    behind = [uuid for uuid in everything if begin is None or key(uuid) > key(begin)]
    at = [begin] if begin in everything and quirks.cursor == "inclusive" else []
    return [*at, *behind][:size]


@given(
    quirks=st.builds(
        Quirks, cursor=st.sampled_from(["inclusive", "exclusive"]), page_cap=caps, short_pages=st.just(True)
    ),
    limit=st.integers(2, 60),
)
def test_short_pages_vary_and_still_lead_to_the_end(quirks: Quirks, limit: int) -> None:
    emulator = Emulator(rooms=30, quirks=quirks)
    everything = list(emulator.uuids())
    seen: list[str] = []
    while seen != everything:
        asked = f"limit={limit}" + (f"&beginUUID={seen[-1]}" if seen else "")
        got = page(emulator, asked)
        assert got == page(emulator, asked)
        assert len(got) <= limit
        new = got[1:] if seen and quirks.cursor == "inclusive" else got
        assert new
        seen += new


def test_short_pages_are_short() -> None:
    emulator = Emulator(rooms=500, quirks=Quirks(short_pages=True))
    lengths = {len(page(emulator, f"limit=50&beginUUID={uuid}")) for uuid in list(emulator.uuids())[:100]}
    assert len(lengths) > 20
    assert lengths <= set(range(2, 51))


@pytest.mark.parametrize(
    ("wrong", "error", "reason"),
    [
        ({"cursor": "both"}, ValueError, "cursor must be one of 'inclusive', 'exclusive', not 'both'"),
        ({"order": "name"}, ValueError, "order must be one of"),
        ({"unknown_begin": 404}, ValueError, "unknown_begin must be one of"),
        ({"regions": "us-sv"}, ValueError, "regions must be one of"),
        ({"disabled": False}, ValueError, "disabled must be one of"),
        ({"page_cap": 0}, ValueError, "page_cap must be 1 to 1000, not 0"),
        ({"page_cap": 1001}, ValueError, "page_cap must be 1 to 1000"),
        ({"page_cap": 1}, ValueError, "never advance"),
        ({"page_cap": "9"}, TypeError, "page_cap must be an int"),
        ({"page_cap": True}, TypeError, "page_cap must be an int"),
        ({"short_pages": 1}, TypeError, "short_pages must be a bool"),
        ({"envelope": "no"}, TypeError, "envelope must be a bool"),
    ],
)
def test_quirks_that_make_no_sense_are_refused(wrong: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        Quirks(**wrong)


def test_a_cap_of_one_room_is_fine_with_an_exclusive_cursor() -> None:
    emulator = Emulator(rooms=5, quirks=Quirks(cursor="exclusive", page_cap=1))
    uuids = list(emulator.uuids())
    assert [page(emulator, f"beginUUID={uuid}") for uuid in uuids] == [[uuid] for uuid in uuids[1:]] + [[]]


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"uuid": "taken"}, ValueError),
        ({"uuid": 7}, TypeError),
        ({"name": "\ud800"}, ValueError),
        ({"limit": float("nan")}, ValueError),
        ({"name": b""}, TypeError),
    ],
)
def test_a_room_that_cannot_be_is_not_added(members: dict[str, object], error: type[Exception]) -> None:
    emulator = Emulator()
    emulator.add_room(uuid="taken", odd=True)
    with pytest.raises(error):
        emulator.add_room(**members)
    assert list(emulator.uuids()) == ["taken"]
    assert emulator.room("taken")["odd"] is True


WORDS = {
    "team_uuid": "teamUUID",
    "app_uuid": "appUUID",
    "is_record": "isRecord",
    "is_ban": "isBan",
    "created_at": "createdAt",
}


@pytest.mark.parametrize("name", WORDS)
def test_a_name_as_in_python_is_refused_with_the_services_word(name: str) -> None:
    emulator = Emulator()
    with pytest.raises(ValueError, match=f"in the service's words: {WORDS[name]}, not {name}"):
        emulator.add_room(**{name: None})
    assert emulator.room_count == 0


def test_no_other_name_of_a_room_differs_from_the_services_word() -> None:
    emulator = Emulator(rooms=1)
    emulator.add_room()
    members = {name for uuid in emulator.uuids() for name in emulator.room(uuid)}
    assert {field.name for field in attrs.fields(Room)} == members - set(WORDS.values()) | {*WORDS, "extra"}


def test_a_room_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="none"):
        Emulator(rooms=1).room("none")


def test_requests_are_recorded_in_order() -> None:
    emulator = Emulator(rooms=1)
    ask(emulator, f"limit=5&beginUUID={quote('a b')}")
    ask(emulator, path="/nowhere")
    recorded = [(request.method, request.path, request.query, request.status) for request in emulator.requests]
    assert recorded == [("GET", "/v5/rooms", "limit=5&beginUUID=a%20b", 200), ("GET", "/nowhere", "", 404)]
