"""Runs every Python block of the README and of the documentation, and compares what it prints.

A ``python`` block goes on where the blocks above it on the page stopped.  A ``text`` block is what the Python
block before it prints; output that no ``text`` block shows is a mistake too.  A ``console`` block is a recording
of the command line, and is played again.
"""

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.myst import CodeBlockParser

from recordings import play, tidy

pytest_plugins = ["pytester"]  # it runs tests in tests; only a conftest at the top may ask for it

PRINTED = "what the last block printed"  # no identifier, so no block can name it by accident

run_python = PythonEvaluator()


def run(example: Example) -> None:
    """Run a block and keep what it prints."""
    nothing_left(example.namespace)
    printed = StringIO()
    with redirect_stdout(printed):
        run_python(example)
    example.namespace[PRINTED] = printed.getvalue()


def compare(example: Example) -> None:
    """Hold a block of output against what was printed."""
    assert example.namespace.pop(PRINTED, "") == example.parsed


def nothing_left(namespace: dict[str, Any]) -> None:
    """Refuse output that the page does not show."""
    assert not namespace.pop(PRINTED, ""), "a block prints, and no text block behind it shows what"


def leave(namespace: dict[str, Any]) -> None:
    """End a page."""
    tidy(namespace)
    nothing_left(namespace)


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", run), CodeBlockParser("text", compare), CodeBlockParser("console", play)],
    patterns=["README.md", "docs/**/*.md", "docs/*.md"],
    excludes=["docs/_build/**"],
    teardown=leave,
).pytest()
