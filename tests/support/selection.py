"""Which cases run by default, and which only with ``--exhaustive``.

A test runs once by default: on asyncio, over httpx, with one case for each class of equal behaviour.  These marks
say where that is not enough.  With ``--exhaustive`` every test runs on both loops, and over httpx2 too.
"""

from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import settings

THOROUGH: Final = "thorough"  # the Hypothesis profile of a run with ``--exhaustive``


def exhaustive(values: Iterable[Any]) -> list[Any]:
    """Return ``values`` as parameters that are tested with ``--exhaustive`` only."""
    each = [value.values if hasattr(value, "marks") else [value] for value in values]
    return [pytest.param(*values, marks=pytest.mark.exhaustive) for values in each]


on_both_loops = pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"], indirect=True)
"""For what depends on the event loop: cancelling, waiting, task groups, generators."""


def is_thorough() -> bool:
    return settings.default is settings.get_profile(THOROUGH)


def examples(few: int, *, many: int, steps: int = 50) -> settings:
    """Return the settings for ``few`` examples, or for ``many`` in a thorough run."""
    return settings(settings.default, max_examples=many if is_thorough() else few, stateful_step_count=steps)
