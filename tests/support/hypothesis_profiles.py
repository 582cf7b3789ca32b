"""How many examples the proof of reliability takes, and what it has tried: the figures of the reliability page."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from hypothesis import settings

THOROUGH: Final = "thorough"  # the profile of a run with many examples, other ones each time

tried: Final[Counter[tuple[str, str]]] = Counter()


def is_thorough() -> bool:
    return settings.default is settings.get_profile(THOROUGH)


def examples(few: int, *, many: int, steps: int = 50) -> settings:
    """Return the settings for ``few`` examples, always the same ones, or for ``many`` in a thorough run."""
    if is_thorough():
        return settings(settings.default, max_examples=many, stateful_step_count=steps)
    return settings(
        max_examples=few,
        stateful_step_count=steps,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
    )


def count(group: str, kind: str = "") -> None:
    """Count something that was tried."""
    tried[group, kind] += 1


def table(failures: int) -> Iterator[str]:
    """Yield the lines of a table of the figures, in Markdown."""
    yield "| tried | times |"
    yield "|---|--:|"
    for group in sorted({group for group, _ in tried}):
        kinds = {kind: times for (of, kind), times in sorted(tried.items()) if of == group}
        yield f"| **{group}** | **{sum(kinds.values()):,}** |"
        yield from (f"| {kind} | {times:,} |" for kind, times in kinds.items() if kind)
    yield f"| **failures** | **{failures:,}** |"
