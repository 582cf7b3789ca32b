"""The cursor, proven against services of every reading, and against broken ones."""

import gc
import weakref
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_lists import GoodService, breaks, flat, walk
from netless_rooms.paging import Cursor, PageRequest, WalkBrokenError

UUIDS = st.lists(st.text("0123456789abcdef", min_size=1, max_size=6), unique=True, max_size=40)
PAGE_SIZES = st.one_of(st.integers(1, 8), st.integers(1, 1000), st.sampled_from([999, 1000]))


@st.composite
def good_services(draw: st.DrawFn) -> GoodService:
    uuids = draw(UUIDS)
    order = draw(st.sampled_from(["uuid", "uuid", "any", "falls late"]))
    if order != "any":
        uuids.sort()
    if order == "falls late" and len(uuids) > 2:
        uuids = uuids[1:] + uuids[:1]
    inclusive = draw(st.booleans())
    return GoodService(
        uuids,
        inclusive=inclusive,
        cap=draw(st.one_of(st.just(1000), st.integers(2 if inclusive else 1, 9))),
        shorten=Random(draw(st.integers(0, 99))) if draw(st.booleans()) else None,
    )


@given(good_services(), PAGE_SIZES)
def test_walk_brings_every_room_once_in_order_under_every_reading(service: GoodService, page_size: int) -> None:
    assert flat(walk(service, page_size=page_size)) == service.uuids


@given(good_services(), PAGE_SIZES, st.data())
def test_walk_goes_on_behind_any_room(service: GoodService, page_size: int, data: st.DataObject) -> None:
    if service.uuids:
        place = data.draw(st.integers(0, len(service.uuids) - 1))
        came = flat(walk(service, after=service.uuids[place], page_size=page_size))
        assert came == service.uuids[place + 1 :]


@given(good_services(), PAGE_SIZES, st.data())
def test_walk_begins_where_the_wire_does(service: GoodService, page_size: int, data: st.DataObject) -> None:
    if service.uuids:
        place = data.draw(st.integers(0, len(service.uuids) - 1))
        came = flat(walk(service, begin=service.uuids[place], page_size=page_size))
        assert came == service.uuids[place + (0 if service.inclusive else 1) :]


@given(good_services(), PAGE_SIZES, st.data())
def test_rooms_created_meanwhile_neither_hide_nor_double_the_others(
    service: GoodService, page_size: int, data: st.DataObject
) -> None:
    there = list(service.uuids)
    rises = there == sorted(there)

    def create() -> None:
        new = data.draw(st.text("0123456789abcdef", min_size=7, max_size=9))
        if new not in service.uuids and len(service.uuids) < 60:
            service.uuids.append(new)
            if rises:
                service.uuids.sort()

    came = flat(walk(service, page_size=page_size, between=create))
    assert len(came) == len(set(came))
    assert [uuid for uuid in came if uuid in set(there)] == there


@given(good_services(), PAGE_SIZES)
def test_requests_stay_within_about_twice_the_pages(service: GoodService, page_size: int) -> None:
    pages = walk(service, page_size=page_size)
    assert service.requests <= 2 * len(flat(pages)) + 4


def test_page_of_one_advances_past_an_inclusive_cursor() -> None:
    assert walk(GoodService(["a", "b", "c"]), page_size=1) == [["a"], ["b"], ["c"]]


def test_pages_are_as_large_as_asked_despite_the_overlap() -> None:
    uuids = [f"{n:04}" for n in range(250)]
    assert [len(page) for page in walk(GoodService(uuids), page_size=100)] == [100, 100, 50]


def test_only_an_answer_to_the_largest_page_proves_the_end() -> None:
    cursor = Cursor(page_size=10)
    cursor.advance(["a", "b"])
    assert cursor.next_request() == PageRequest("b", 11)
    cursor.advance(["b"])
    assert not cursor.ended
    assert cursor.next_request() == PageRequest("b", 1000)
    cursor.advance(["b"])
    assert cursor.ended


def test_largest_page_needs_no_second_proof() -> None:
    service = GoodService([f"{n:04}" for n in range(1999)])
    assert [len(page) for page in walk(service)] == [1000, 999]
    assert service.requests == 3


def test_after_knows_the_cursor_in_another_spelling() -> None:
    first, second = "37875f5089c611eaa629dbb375b5adfc", "4a5b5f5089c611eaa629dbb375b5adfc"
    dashed = "37875F50-89C6-11EA-A629-DBB375B5ADFC"
    cursor = Cursor(after=dashed, page_size=10)
    assert cursor.advance([first, second]) == slice(1, 2)


def test_begin_at_an_unknown_room_that_the_service_sought_is_no_proof_of_an_exclusive_cursor() -> None:
    cursor = Cursor(begin="b", page_size=1000)
    cursor.advance(["c", "d"])
    cursor.advance(["d"])
    assert cursor.ended


def test_a_vanished_cursor_that_is_sought_does_not_end_the_walk() -> None:
    cursor = Cursor(page_size=1000)
    cursor.advance(["a", "b"])
    cursor.advance(["b", "c"])
    assert cursor.advance(["d", "e"]) == slice(0, 2)  # c is gone, the service went on behind it
    cursor.advance(["e"])
    assert cursor.ended


def test_an_unknown_room_to_begin_behind_that_the_service_sought_is_no_proof_of_an_exclusive_cursor() -> None:
    cursor = Cursor(after="b", page_size=1000)
    cursor.advance(["c", "d"])
    cursor.advance(["d"])
    assert cursor.ended


def test_a_cursor_that_vanished_once_does_not_make_the_next_page_too_small() -> None:
    cursor = Cursor(page_size=1)
    cursor.advance(["a"])
    assert cursor.advance(["b", "c"]) == slice(0, 1)  # a is gone, the service went on behind it
    assert cursor.advance(["b", "c"]) == slice(1, 2)


def test_every_size_below_the_largest_is_asked_again_before_the_end() -> None:
    cursor = Cursor(page_size=998)
    cursor.advance(["a"])
    assert cursor.next_request() == PageRequest("a", 999)
    cursor.advance(["a"])
    assert not cursor.ended
    cursor.advance(["a", "b"])  # the page before was cut short
    assert cursor.next_request() == PageRequest("b", 999)


def test_the_last_proof_must_agree_with_the_one_before() -> None:
    cursor = Cursor(page_size=3)
    cursor.advance(["a"])
    cursor.advance(["a"])
    with pytest.raises(WalkBrokenError, match="from a on nothing came"):
        cursor.advance([])


def test_an_end_that_holds_the_cursor_must_not_follow_one_that_does_not() -> None:
    cursor = Cursor(page_size=2)
    cursor.advance(["a", "b"])
    cursor.advance([])
    with pytest.raises(WalkBrokenError, match="it stalls: b came alone"):
        cursor.advance(["b"])


def test_recalling_asks_for_the_largest_pages() -> None:
    cursor = Cursor(page_size=1)
    cursor.advance(["b"])
    cursor.advance(["b", "a"])
    assert cursor.next_request() == PageRequest(None, 1000)


class Uuid(str):
    """A string that tells when it is forgotten."""

    __slots__ = ("__weakref__",)


def test_nothing_is_remembered_of_a_list_in_the_documented_order() -> None:
    cursor = Cursor(page_size=1000)
    cursor.advance(["0000"])
    forgotten = []
    for page in range(50):
        uuids = [Uuid(f"{page:02}{n:02}x") for n in range(99)]
        forgotten += [weakref.ref(uuid) for uuid in uuids]
        cursor.advance([str(cursor.last), *uuids])
        del uuids
    gc.collect()
    assert sum(ref() is not None for ref in forgotten) <= 1


# Services that break the contract.  Each must be found out in a bounded number of requests.

MANY = [f"{n:04}" for n in range(40)]


@given(
    ring=st.lists(st.sampled_from(MANY), min_size=2, unique=True),
    back=st.integers(0, 39),
    page_size=PAGE_SIZES,
    inclusive=st.booleans(),
)
def test_a_cycle_of_any_length_is_found_out(
    ring: list[str], back: int, page_size: int, *, inclusive: bool
) -> None:
    entry = back % len(ring)
    follows = dict(zip(ring, [*ring[1:], ring[entry]], strict=True))

    def service(begin: str | None, limit: int) -> list[str]:
        uuid = ring[0] if begin is None else begin if inclusive else follows[begin]
        answer = [uuid]
        while len(answer) < min(limit, 7):
            answer.append(follows[answer[-1]])
        return answer

    came = breaks(service, page_size=page_size, most_requests=4 * len(ring) + 8)
    assert came == list(dict.fromkeys(came))


@given(st.lists(st.sampled_from(MANY), min_size=2, unique=True), PAGE_SIZES)
def test_an_ignored_cursor_is_found_out(uuids: list[str], page_size: int) -> None:
    breaks(lambda _, limit: uuids[:limit], page_size=page_size, most_requests=8)


@given(at=st.integers(1, 30), back=st.integers(1, 30), page_size=st.integers(2, 12), inclusive=st.booleans())
def test_a_jump_back_is_found_out_and_doubles_nothing(
    at: int, back: int, page_size: int, *, inclusive: bool
) -> None:
    good = GoodService(MANY, inclusive=inclusive)
    jumped = False

    def service(begin: str | None, limit: int) -> list[str]:
        nonlocal jumped
        answer = good(begin, limit)
        if begin is not None and begin >= MANY[at] and not jumped:
            jumped = True
            start = max(0, MANY.index(begin) - back)
            answer = [*([begin] if inclusive else []), *MANY[start : start + limit]]
        return answer

    came = breaks(service, page_size=page_size, most_requests=200)
    assert came == MANY[: len(came)]


@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_an_inclusive_list_that_goes_empty_is_found_out(page_size: int) -> None:
    good = GoodService(MANY, cap=5)

    def service(begin: str | None, limit: int) -> list[str]:
        return [] if begin is not None and begin > "0020" else good(begin, limit)

    assert "0020" in breaks(service, page_size=page_size, most_requests=60)


@pytest.mark.parametrize("page_size", [1, 3, 1000])
def test_an_exclusive_list_that_stalls_is_found_out(page_size: int) -> None:
    good = GoodService(MANY, cap=5, inclusive=False)

    def service(begin: str | None, limit: int) -> list[str]:
        return [begin] if begin is not None and begin > "0020" else good(begin, limit)

    assert "0020" in breaks(service, page_size=page_size, most_requests=60)


@given(ring=st.lists(st.sampled_from(MANY), min_size=2, unique=True), at=st.integers(0, 39), page_size=PAGE_SIZES)
def test_a_ring_entered_behind_any_room_is_found_out(ring: list[str], at: int, page_size: int) -> None:
    entry = ring[at % len(ring)]

    def service(begin: str | None, limit: int) -> list[str]:
        start = ring.index(begin or ring[0])
        return [*ring[start:], *ring[:start]][:limit]

    came = breaks(service, page_size=page_size, most_requests=4 * len(ring) + 8, after=entry)
    assert len(came) == len(set(came))


@pytest.mark.parametrize("after", ["37875F5089C611EAA629DBB375B5ADFC", "37875f50-89c6-11ea-a629-dbb375b5adfc"])
def test_a_room_to_begin_behind_in_another_spelling_never_comes_itself(after: str) -> None:
    listed = [
        "0a875f5089c611eaa629dbb375b5adfc",
        "37875f5089c611eaa629dbb375b5adfc",
        "4a5b5f5089c611eaa629dbb375b5adfc",
    ]
    cursor = Cursor(after=after, page_size=1000)
    with pytest.raises(WalkBrokenError, match=f"came back to {after}"):
        cursor.advance([listed[0], listed[1], listed[2]])
    came = breaks(lambda _, limit: listed[:limit], page_size=1, most_requests=9, after=after)
    assert listed[1] not in came


def test_a_list_in_order_of_the_last_change_doubles_no_room() -> None:
    rooms = ["a", "b", "c", "d", "e"]

    def service(begin: str | None, limit: int) -> list[str]:
        start = 0 if begin is None else rooms.index(begin)
        answer = rooms[start : start + limit]
        if begin is None and rooms[0] == "a":
            rooms.append(rooms.pop(0))  # the loop disabled it
        return answer

    came = breaks(service, page_size=3, most_requests=20)
    assert len(came) == len(set(came))


def test_recalling_does_not_follow_an_endless_list() -> None:
    endless = (f"{n:09}" for n in range(10**9))
    asked = 0

    def service(_: str | None, limit: int) -> list[str]:
        nonlocal asked
        asked += 1
        return [["b"], ["c"], ["a"]][asked - 1] if asked <= 3 else [next(endless) for _ in range(limit)]

    assert breaks(service, page_size=1, most_requests=20) == ["b", "c"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([["a", "b"], ["b", "c", "b"]], "place 2"),
        ([["a", "a"]], "repeats a"),
        ([["b", "a", "b"]], "repeats b"),
        ([["b", "c"], ["c", "a"], ["b", "c", "a"], ["c", "b"]], "repeats b"),
        ([["b", "c"], ["c", "b"], ["b", "c"]], "jumped back from c to b"),
        ([["b", "c"], ["c", "a"], ["b", "d"], ["d"]], "ends before c"),
        ([["b", "c"], ["c", "a"], []], "nothing came"),
        ([["b", "c"], ["c", "a"], ["b", "c"], ["c"]], "ends without a"),
        ([["b", "c"], ["c", "b"], ["c", "b"]], "2 rooms came up to c, asked again only 1 did"),
        ([["a", "b"], ["b", "c", "d", "e", "b"]], "place 4"),
        ([["b", "c"], ["c", "a"], ["b", "b"]], "repeats b"),
        ([["a"], ["a", "b"], []], "nothing came"),
        ([["a"], ["b"], ["b"]], "came alone"),
    ],
)
def test_what_breaks_a_walk_is_told(answers: list[list[str]], words: str) -> None:
    cursor = Cursor(page_size=1000)
    with pytest.raises(WalkBrokenError, match=words):
        for answer in answers:
            cursor.advance(answer)


# Ranges of a list in order, and rooms whose uuid cannot be read.


MixedListing = Callable[[str | None, int], Sequence[str | None]]


def documents(service: GoodService, nameless: set[str]) -> MixedListing:
    """Return a service in whose answers some rooms have no uuid."""
    return lambda begin, limit: [None if uuid in nameless else uuid for uuid in service(begin, limit)]


def come(service: MixedListing, cursor: Cursor, *, between: Callable[[], None] = lambda: None) -> list[str | None]:
    """Return what comes out of ``service`` until ``cursor`` has ended."""
    came: list[str | None] = []
    for _ in range(1000):
        asked = cursor.next_request()
        answered = service(asked.begin, asked.limit)
        part = cursor.advance(answered)
        came += answered[part]
        if cursor.ended:
            return came
        between()
    raise AssertionError("still walking after 1000 requests")


@st.composite
def services_in_order(draw: st.DrawFn) -> GoodService:
    service = draw(good_services())
    service.uuids.sort()
    return service


@given(services_in_order(), PAGE_SIZES, st.data())
def test_ranges_cut_at_any_rooms_bring_each_room_once(
    service: GoodService, page_size: int, data: st.DataObject
) -> None:
    there = list(service.uuids)
    cut = sorted(data.draw(st.sets(st.sampled_from(there)))) if there else []

    def create() -> None:
        near = data.draw(st.sampled_from([*there, "8"]))
        new = near + data.draw(st.text("0123456789abcdef", min_size=1, max_size=3))
        if new not in service.uuids and len(service.uuids) < 60:
            service.uuids.append(new)
            service.uuids.sort()

    creates = data.draw(st.booleans())
    came: list[str | None] = []
    for after, through in pairwise([None, *cut, None]):
        cursor = Cursor(after=after, through=through, in_order=True, page_size=page_size)
        came += come(service, cursor, between=create if creates else lambda: None)
        assert cursor.last == (through or cursor.last)
        assert cursor.rises
    assert len(came) == len(set(came))
    assert came == sorted(came, key=str)
    assert [uuid for uuid in came if uuid in set(there)] == there
    assert creates or came == there


@given(services_in_order(), PAGE_SIZES, st.data())
def test_a_range_that_must_not_bring_its_last_room_never_ends_quietly(
    service: GoodService, page_size: int, data: st.DataObject
) -> None:
    through = data.draw(st.text("0123456789abcdef", min_size=1, max_size=3))
    if through in service.uuids:
        service.uuids.remove(through)
    before = [uuid for uuid in service.uuids if uuid < through]
    after = data.draw(st.sampled_from([None, *before]))
    cursor = Cursor(after=after, through=through, page_size=page_size)
    with pytest.raises(WalkBrokenError, match=f"{through}, where the next range begins"):
        come(service, cursor)
    assert not cursor.ended


@given(st.permutations(["a", "b", "c", "d", "e"]), PAGE_SIZES, st.sampled_from([None, "e", "c"]))
def test_a_range_of_a_list_in_another_order_is_whole_or_breaks(
    uuids: list[str], page_size: int, through: str | None
) -> None:
    cursor = Cursor(through=through, in_order=True, page_size=page_size)
    try:
        came = come(GoodService(uuids), cursor)
    except WalkBrokenError:
        came = []
    if came == []:
        assert uuids != sorted(uuids)
        assert not cursor.ended
    else:
        assert came == uuids[: uuids.index(through or uuids[-1]) + 1]


def test_a_falling_first_room_breaks_a_range_and_not_a_walk() -> None:
    assert Cursor(after="b", page_size=9).advance(["b", "a"]) == slice(1, 2)
    for cursor in (Cursor(after="b", in_order=True, page_size=9), Cursor(after="b", through="c", page_size=9)):
        with pytest.raises(WalkBrokenError, match=r"a comes too late .* scan anew with shards=1"):
            cursor.advance(["b", "a"])


@given(services_in_order(), PAGE_SIZES, st.data())
def test_rooms_without_a_uuid_come_in_their_place(
    service: GoodService, page_size: int, data: st.DataObject
) -> None:
    there = service.uuids
    service.cap, service.shorten = 1000, None  # else pages could be of nameless rooms alone
    nameless = data.draw(st.sets(st.sampled_from(there[:-1]))) if len(there) > 1 else set()
    cut = sorted(data.draw(st.sets(st.sampled_from(there))) - nameless) if there else []
    came: list[str | None] = []
    for after, through in pairwise([None, *cut, None]):
        came += come(
            documents(service, nameless),
            Cursor(after=after, through=through, in_order=bool(cut), page_size=page_size),
        )
    assert came == [None if uuid in nameless else uuid for uuid in there]


@given(good_services(), PAGE_SIZES, st.data())
def test_rooms_without_a_uuid_are_never_lost_or_doubled_quietly(
    service: GoodService, page_size: int, data: st.DataObject
) -> None:
    there = service.uuids
    nameless = data.draw(st.sets(st.sampled_from(there))) if there else set()
    try:
        came = come(documents(service, nameless), Cursor(page_size=page_size))
    except WalkBrokenError:
        assert nameless
    else:
        assert came == [None if uuid in nameless else uuid for uuid in there]


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_last_room_without_a_uuid_breaks_the_walk(inclusive: bool) -> None:
    service = documents(GoodService(["a", "b", "c"], inclusive=inclusive), {"c"})
    with pytest.raises(WalkBrokenError, match="behind b come only rooms whose uuid cannot be read"):
        come(service, Cursor(page_size=2))
    with pytest.raises(WalkBrokenError, match="behind its start come only rooms whose uuid cannot be read"):
        come(lambda *_: [None], Cursor(page_size=2))


def test_a_nameless_room_behind_the_last_of_a_range_is_of_the_next() -> None:
    service = documents(GoodService(["a", "b", "c", "d"]), {"c"})
    assert come(service, Cursor(through="b", page_size=9)) == ["a", "b"]
    assert come(service, Cursor(after="b", page_size=9)) == [None, "d"]
    assert come(service, Cursor(after="b", through="d", page_size=1)) == [None, "d"]


def test_a_room_without_a_uuid_before_the_cursor_breaks_the_walk() -> None:
    cursor = Cursor(after="b", page_size=9)
    with pytest.raises(WalkBrokenError, match="asked from b on, a room came before it"):
        cursor.advance([None, "b", "c"])
    assert cursor.advance([None, "c"]) == slice(0, 2)  # an exclusive cursor
