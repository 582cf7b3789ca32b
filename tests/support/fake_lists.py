"""List services as plain functions, good and bad, for proving the walk without a network."""

from collections.abc import Callable, Sequence
from random import Random

from attrs import define, field

from netless_rooms.paging import Cursor, WalkBrokenError

Listing = Callable[[str | None, int], Sequence[str]]


@define
class GoodService:
    """A list in a fixed order, read in one of the ways that the documentation leaves open."""

    uuids: list[str]
    inclusive: bool = True
    cap: int = 1000
    shorten: Random | None = None
    requests: int = field(default=0, init=False)

    def __call__(self, begin: str | None, limit: int) -> list[str]:
        self.requests += 1
        start = 0
        if begin is not None:
            start = self.uuids.index(begin) + (0 if self.inclusive else 1)
        size = min(limit, self.cap)
        overlap = 1 if begin is not None and self.inclusive else 0
        if self.shorten is not None and size > overlap + 1:
            size = self.shorten.randint(overlap + 1, size)
        return self.uuids[start : start + size]


def walk(
    service: Listing,
    *,
    begin: str | None = None,
    after: str | None = None,
    page_size: int = 1000,
    most_requests: int = 10_000,
    between: Callable[[], None] = lambda: None,
) -> list[list[str]]:
    """Walk ``service`` to its end and return the pages; a walk that is still going fails the test."""
    cursor = Cursor(begin=begin, after=after, page_size=page_size)
    pages = []
    for _ in range(most_requests):
        asked = cursor.next_request()
        assert cursor.next_request() == asked
        assert 1 <= asked.limit <= 1000
        answered = service(asked.begin, asked.limit)
        if new := list(answered[cursor.advance(answered)]):
            assert len(new) <= page_size
            assert cursor.last == new[-1]
            pages.append(new)
        if cursor.ended:
            return pages
        between()
    raise AssertionError(f"still walking after {most_requests} requests")


def flat(pages: list[list[str]]) -> list[str]:
    return [uuid for page in pages for uuid in page]


def breaks(service: Listing, *, page_size: int, most_requests: int, after: str | None = None) -> list[str]:
    """Walk ``service`` until it is found out; return what came out before."""
    cursor = Cursor(page_size=page_size, after=after)
    came: list[str] = []
    for _ in range(most_requests):
        asked = cursor.next_request()
        answered = service(asked.begin, asked.limit)
        try:
            came += answered[cursor.advance(answered)]
        except WalkBrokenError:
            return came
        assert not cursor.ended, f"a quiet end after {came}"
    raise AssertionError(f"not found out in {most_requests} requests")
