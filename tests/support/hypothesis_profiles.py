"""How many examples a test takes: a few, always the same ones, or with ``--exhaustive`` many new ones."""

from typing import Final

from hypothesis import settings

THOROUGH: Final = "thorough"  # the profile of a run with ``--exhaustive``


def is_thorough() -> bool:
    return settings.default is settings.get_profile(THOROUGH)


def examples(few: int, *, many: int, steps: int = 50) -> settings:
    """Return the settings for ``few`` examples, or for ``many`` in a thorough run."""
    return settings(settings.default, max_examples=many if is_thorough() else few, stateful_step_count=steps)
