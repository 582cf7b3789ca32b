"""Run every Python block of the README and of the documentation, and compare its output.

A ``python`` block continues from the blocks above it on the page.  A ``text`` block is the output of the Python
block before it; output without a ``text`` block is an error.  A ``console`` block is a recording of the command
line, and is replayed.
"""

from collections.abc import Generator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import CodeBlockParser

from recordings import play, tidy

pytest_plugins = ["pytester"]  # only a conftest at the top may enable it

PRINTED = "output of the last block"  # not an identifier, so that no block defines it by accident

run_python = PythonEvaluator()


def run(example: Example) -> None:
    """Run a block and keep its output."""
    check_nothing_left(example.namespace)
    printed = StringIO()
    with redirect_stdout(printed):
        run_python(example)
    example.namespace[PRINTED] = printed.getvalue()


def compare(example: Example) -> None:
    """Compare a block of output with the output of the block before it."""
    assert example.namespace.pop(PRINTED, "") == example.parsed


def check_nothing_left(namespace: dict[str, Any]) -> None:
    """Fail on output that the page does not show."""
    assert not namespace.pop(PRINTED, ""), "a block prints, but no text block follows it"


def end_page(namespace: dict[str, Any]) -> None:
    """Clean up after a page."""
    tidy(namespace)
    check_nothing_left(namespace)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Keep the blocks of a page in order, whatever shuffles the tests."""
    blocks = [item for item in items if isinstance(item, SybilItem)]
    yield
    in_order = iter(blocks)
    items[:] = [next(in_order) if isinstance(item, SybilItem) else item for item in items]


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", run), CodeBlockParser("text", compare), CodeBlockParser("console", play)],
    patterns=["README.md", "docs/**/*.md", "docs/*.md"],
    excludes=["docs/_build/**"],
    teardown=end_page,
).pytest()
