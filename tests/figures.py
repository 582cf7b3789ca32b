"""What the proof of reliability has tried, counted while it runs: the figures of the reliability page."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from hypothesis import settings

THOROUGH: Final = "thorough"

tried: Final[Counter[tuple[str, str]]] = Counter()


def count(group: str, kind: str = "", times: int = 1) -> None:
    """Count something that was tried."""
    tried[group, kind] += times


def is_thorough() -> bool:
    """Whether many examples are wanted, other ones each time, and the figures in the end."""
    return settings.default is settings.get_profile(THOROUGH)


def table(failures: int) -> Iterator[str]:
    """Yield the lines of a table of the figures, in Markdown."""
    yield "| tried | times |"
    yield "|---|--:|"
    for group in dict.fromkeys(group for group, _ in sorted(tried)):
        kinds = {kind: times for (of, kind), times in sorted(tried.items()) if of == group}
        yield f"| **{group}** | **{sum(kinds.values()):,}** |"
        yield from (f"| {kind} | {times:,} |" for kind, times in kinds.items() if kind)
    yield f"| **failures** | **{failures:,}** |"
