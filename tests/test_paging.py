"""The cursor: every room exactly once under every reading of the documentation, or an error."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise, permutations, product
from random import Random
from typing import Any

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from netless_rooms import PaginationError
from netless_rooms._listing.cursor import Cursor, PageRequest
from samples import DASHED, UUID
from selection import examples

Listing = Callable[[str | None, int], Sequence[str | None]]


@define
class FixedList:
    """A list in a fixed order, with one reading of what the documentation leaves open."""

    uuids: list[str]
    inclusive: bool = True
    cap: int = 1000
    shorten: Random | None = None
    requests: int = 0

    def __call__(self, begin: str | None, limit: int) -> list[str]:
        self.requests += 1
        start = 0 if begin is None else self.uuids.index(begin) + (not self.inclusive)
        size = min(limit, self.cap)
        overlap = 1 if begin is not None and self.inclusive else 0
        if self.shorten is not None and size > overlap + 1:
            size = self.shorten.randint(overlap + 1, size)
        return self.uuids[start : start + size]


def pages_of(listing: Listing, cursor: Cursor, most: int = 1000) -> Iterator[list[str | None]]:
    """Yield what is new in each answer until the cursor has ended."""
    for _ in range(most):
        wanted = cursor.next_request()
        assert cursor.next_request() == wanted
        assert 1 <= wanted.limit <= 1000
        answer = listing(wanted.begin_uuid, wanted.limit)
        if new := list(answer[cursor.advance(answer)]):
            assert cursor.position == new[-1]
            yield new
        if cursor.ended:
            return
    raise AssertionError(f"neither an end nor an error in {most} requests")


def rooms_of(listing: Listing, cursor: Cursor) -> list[str | None]:
    return [uuid for page in pages_of(listing, cursor) for uuid in page]


def check_error_without_repeats(listing: Listing, cursor: Cursor, most: int) -> None:
    seen: list[str | None] = []
    with pytest.raises(PaginationError):
        for page in pages_of(listing, cursor, most):
            seen += page
    assert not cursor.ended
    assert len(seen) == len(set(seen)), "rooms are repeated"


@st.composite
def fixed_lists(draw: st.DrawFn) -> FixedList:
    uuids = draw(st.lists(st.text("0123456789abcdef", min_size=1, max_size=6), unique=True, max_size=40))
    order = draw(st.sampled_from(["uuid", "uuid", "any", "falls late"]))
    if order != "any":
        uuids.sort()
    if order == "falls late" and len(uuids) > 2:
        uuids = uuids[1:] + uuids[:1]
    inclusive = draw(st.booleans())
    cap = draw(st.just(1000) | st.integers(2 if inclusive else 1, 9))
    return FixedList(uuids, inclusive, cap, draw(st.none() | st.integers(0, 99).map(Random)))


def test_every_small_list_is_walked_exactly_from_every_room() -> None:
    orders = [order for count in range(5) for order in permutations("abcd"[:count])]
    for order, inclusive, cap, size in product(orders, (True, False), (2, 3, 1000), (1, 2, 1000)):
        uuids = list(order)
        for place in range(len(uuids)):
            listing, start = FixedList(uuids, inclusive, cap), uuids[place]
            assert rooms_of(listing, Cursor(after=start, page_size=size)) == uuids[place + 1 :]
            assert rooms_of(listing, Cursor(begin_uuid=start, page_size=size)) == uuids[place + (not inclusive) :]
        pages = list(pages_of(FixedList(uuids, inclusive, cap), Cursor(page_size=size)))
        assert [uuid for page in pages for uuid in page] == uuids
        assert all(len(page) <= size for page in pages)


@examples(15, many=300)
@given(fixed_lists(), st.integers(1, 8) | st.integers(1, 1000) | st.sampled_from([999, 1000]), st.data())
def test_walks_and_ranges_are_exact(listing: FixedList, page_size: int, data: st.DataObject) -> None:
    before = list(listing.uuids)
    rises = before == sorted(before)
    in_order, creates = rises and data.draw(st.booleans()), data.draw(st.booleans())
    cuts = sorted(data.draw(st.sets(st.sampled_from(before)))) if before and in_order else []

    def create() -> None:
        near = data.draw(st.sampled_from([*before, "8"]))
        new = near + data.draw(st.text("0123456789abcdef", min_size=1, max_size=3))
        if new not in listing.uuids and len(listing.uuids) < 60:
            listing.uuids.append(new)
            if rises:
                listing.uuids.sort()

    seen: list[str | None] = []
    for after, last in pairwise([None, *cuts, None]):
        cursor = Cursor(after=after, last_uuid=last, in_order=in_order, page_size=page_size)
        for page in pages_of(listing, cursor):
            assert len(page) <= page_size
            seen += page
            if creates:
                create()
        assert cursor.position == (last or cursor.position)
        assert cursor.is_ascending or not rises
    assert len(seen) == len(set(seen))
    assert not rises or seen == sorted(seen, key=str)
    assert [uuid for uuid in seen if uuid in before] == before
    assert creates or (seen == before and (cuts or listing.requests <= 2 * len(before) + 5))


WARY = "".join(f" | b: 0 b{limit}" for limit in range(999, 994, -1))  # an end came before: six responses prove it
# The first request, and after each answer how many of its rooms are new and what the next request is: "b11" asks
# from b on for 11 rooms, "-" begins at the start, "." is an empty answer, "?" a room whose uuid cannot be read.
WALKS: list[tuple[dict[str, Any], str]] = [
    ({"begin_uuid": "b"}, "b9"),
    ({"after": "b"}, "b10"),  # one more, as the cursor is repeated
    ({}, "-9 | ab: 2 b10 | b: 0 b1000 | b: 0 b999 | bc: 1 c10"),  # the largest page and another before the end
    ({}, "-9 | ab: 2 b10 | .: 0 b1000 | .: 0 b999 | .: 0 end"),
    ({}, "-9 | .: 0 -1000 | .: 0 -999 | .: 0 end"),
    ({"in_order": True}, "-9 | ab: 2 b10 | b: 0 b1000 | b: 0 b999 | b: 0 end"),
    ({"page_size": 998}, "-998 | ab: 2 b999 | b: 0 b1000 | b: 0 b999 | b: 0 end"),  # 999 is not the largest
    ({"page_size": 999}, "-999 | ab: 2 b1000 | b: 0 b999 | b: 0 end"),  # 1000 is
    ({"page_size": 998}, "-998 | a: 1 a999 | a: 0 a1000 | ab: 1 b999"),  # the usual size after a short page
    ({"page_size": 999}, "-999 | a: 1 a1000 | a: 0 a999 | ab: 1 b1000" + WARY + " | b: 0 end"),
    ({"page_size": 1000}, "-1000 | ab: 2 b1000 | bc: 1 c1000 | de: 2 e1000 | e: 0 e999 | e: 0 end"),  # c vanished
    ({"page_size": 1000, "begin_uuid": "b"}, "b1000 | cd: 2 d1000 | d: 0 d999 | d: 0 end"),
    ({"page_size": 1000, "after": "b"}, "b1000 | cd: 2 d1000 | d: 0 d999 | d: 0 end"),
    ({"page_size": 1}, "-1 | a: 1 a2 | bc: 1 b2 | bc: 1 c2"),  # never more than the page size
    ({"page_size": 1}, "-1 | b: 1 b2 | ba: 0 -1000 | b: 0 b2"),  # starts over when the order changes
    ({"page_size": 1, "after": "x"}, "x2 | y: 1 y2 | ya: 0 x1000"),
    ({"page_size": 1}, "-1 | b: 1 b2 | c: 1 c2 | ca: 0 -1000 | b: 0 b1000 | bcax: 0 c2"),  # no more than c
    ({}, "-9 | ba: 2 a10"),  # any order on the first page
    ({"after": "b"}, "b10 | ba: 1 a10"),
    ({"first_uuid": "b"}, "-9 | cba: 3 a10"),  # c was created since
    ({"last_uuid": "b"}, "-9 | abc: 2 end"),
    ({"last_uuid": "c"}, "-9 | ab: 2 b10"),
    ({"last_uuid": "c"}, "-9 | a?c?d: 3 end"),
    ({}, "-9 | ?b?: 2 b10"),
    ({"page_size": 1, "after": "a"}, "a2 | a: 0 a1000 | a?b: 2 b2"),
    ({"page_size": 1}, "-1 | a: 1 a2 | ?bc: 2 b2"),
    ({"after": "b"}, "b10 | ?c: 2 c10"),
]


@pytest.mark.parametrize(("options", "walk"), WALKS, ids=repr)
def test_an_answer_decides_what_is_new_and_what_is_asked_next(options: dict[str, Any], walk: str) -> None:
    cursor = Cursor(**({"page_size": 9} | options))
    steps = []
    for step in walk.split(" | "):
        answer, colon, _ = step.partition(":")
        new = cursor.advance([None if uuid == "?" else uuid for uuid in answer.strip(".")]) if colon else slice(0)
        request = None if cursor.ended else cursor.next_request()
        following = f"{request.begin_uuid or '-'}{request.limit}" if request else "end"
        steps.append(f"{answer}: {new.stop - new.start} {following}" if colon else following)
    assert " | ".join(steps) == walk


def test_another_spelling_of_a_uuid_is_the_same_room() -> None:
    cursor = Cursor(after=DASHED, page_size=10)
    assert cursor.advance([UUID, "4a5b"]) == slice(1, 2)
    assert cursor.next_request() == PageRequest("4a5b", 11)


class Uuid(str):
    """A string that can be referenced weakly."""

    __slots__ = ("__weakref__",)


def test_no_uuids_are_kept_of_a_list_in_the_documented_order() -> None:
    cursor = Cursor(page_size=1000)
    cursor.advance(["0000"])
    references = []
    for page in range(20):
        uuids = [Uuid(f"{page:02}{n:02}x") for n in range(99)]
        references += [weakref.ref(uuid) for uuid in uuids]
        cursor.advance([str(cursor.position), *uuids])
        del uuids
    gc.collect()
    assert sum(reference() is not None for reference in references) <= 1


ENDLESS = [[f"{n:04}" for n in range(1000)], list("wxyz"), ["!"]]  # one more than a page and twice two rooms


@pytest.mark.parametrize(
    ("options", "answers", "words"),
    [
        ({}, ["ab", "bcb"], "the page from b on has that room in place 2"),
        ({}, ["ab", "bcdeb"], "place 4"),
        ({}, ["aa"], "repeats a"),
        ({}, ["bab"], "repeats b"),
        ({}, ["bc", "ca", "bca", "cb"], "repeats b"),
        ({}, ["bc", "ca", "bb"], "repeats b"),
        ({}, ["bc", "cb", "bc"], "jumped back from c to b"),
        ({}, ["bc", "ca", "bd", "d", "d"], "walked again from the start, it ends before c"),
        ({"page_size": 1}, ["b", "c", "a", *ENDLESS], "it does not reach c"),
        ({}, ["bc", "ca", ""], "the page from the start on is empty"),
        ({}, ["bc", "ca", "bc", "c", "c"], "ends without a, which it had before"),
        ({}, ["bc", "cb", "cb"], "2 rooms came up to c, when walked again only 1"),
        ({}, ["a", "ab", ""], "the page from b on is empty"),
        ({"page_size": 3}, ["a", "a", ""], "the page from a on is empty"),
        ({}, ["a", "b", "b"], "it stalls: the page from b on has only that room"),
        ({"page_size": 2}, ["ab", "", "b"], "it stalls: the page from b on has only that room"),
        ({"after": "a", "first_uuid": "b"}, ["b"], "the page from a on starts again with b"),
        ({"after": "b"}, ["abc"], "in place 1"),
        ({"after": DASHED}, [["0", UUID, "4a5b"]], f"came back to {DASHED}, where the walk started"),
        ({"begin_uuid": "b"}, ["bc", "cdb"], "came back to b, where the walk started"),
        ({"after": "b", "in_order": True}, ["ba"], "a is out of uuid order: scan again with shards=1"),
        ({"after": "b", "last_uuid": "c"}, ["ba"], "a is out of uuid order"),
        ({"in_order": True}, ["ab", "bca"], "a is out of uuid order"),
        ({"last_uuid": "b"}, ["ac"], "it passes b, after which the next range begins"),
        ({"last_uuid": "b"}, ["a", "a", "a"], "it ends before b, after which the next range begins"),
        ({}, [["b", "c", None], *[["c", None]] * 2], "after c it has only rooms whose uuid cannot be read"),
        ({}, [[None]] * 2, "after its start it has only rooms whose uuid cannot be read"),
        ({"after": "b"}, [[None, "b", "c"]], "a room came before b in the page that begins with it"),
    ],
)
def test_the_error_says_how_the_list_broke_the_contract(options: Any, answers: Any, words: str) -> None:
    cursor = Cursor(**({"page_size": 1000} | options))
    for answer in answers[:-1]:
        cursor.advance(list(answer))
    with pytest.raises(PaginationError, match=words):
        cursor.advance(list(answers[-1]))
    assert not cursor.ended


@pytest.mark.parametrize("ring", ["ab", *map("".join, permutations("abcd")), "hbkdafjceigl"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_a_cycle_and_an_ignored_cursor_are_found_out(ring: str, inclusive: bool) -> None:
    def listing(entry: int, begin: str | None, limit: int) -> list[str]:
        follows = dict(zip(ring, [*ring[1:], ring[entry]], strict=True))
        answer = [ring[0] if begin is None else begin if inclusive else follows[begin]]
        while len(answer) < min(limit, 7):
            answer.append(follows[answer[-1]])
        return answer

    for size, entry in product((1, 2, 8, 1000), range(len(ring))):
        for after in (None, ring[entry]):
            cursor = Cursor(page_size=size, after=after)
            check_error_without_repeats(partial(listing, entry), cursor, 4 * len(ring) + 8)
        check_error_without_repeats(lambda _, limit: list(ring[:limit]), Cursor(page_size=size), 8)


LIES: dict[str, Callable[[FixedList, str | None, int], Sequence[str]]] = {
    "the cursor alone": lambda listing, begin, *_: [begin] if begin else listing.uuids[:1],
    "nothing": lambda *_: [],
    "the first rooms": lambda listing, _, limit: listing.uuids[: min(limit, listing.cap)],
    "the cursor, then the first rooms": lambda listing, begin, limit: [
        *filter(None, [begin]),
        *listing.uuids[: min(limit, listing.cap)],
    ],
    "the first room": lambda listing, *_: listing.uuids[:1],
}


@pytest.mark.parametrize("lie", LIES)
def test_one_lie_never_ends_a_walk_quietly_without_all_rooms(lie: str) -> None:
    orders = ("abcde", "edcba", "cab", "a")
    for order, inclusive, cap, size, at in product(orders, (True, False), (2, 1000), (1, 3, 1000), range(9)):
        listing = FixedList(list(order), inclusive, cap)

        def answer(begin: str | None, limit: int, listing: FixedList = listing, at: int = at) -> Sequence[str]:
            is_lie = listing.requests == at
            truth = listing(begin, limit)
            return LIES[lie](listing, begin, limit) if is_lie else truth

        with suppress(PaginationError):
            assert rooms_of(answer, Cursor(page_size=size)) == listing.uuids
