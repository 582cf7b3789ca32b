"""Select the tests to run, and run every Python block of the README and of the documentation.

A ``python`` block continues from the blocks above it on the page.  A ``text`` block is the output of the Python
block before it, where ``...`` stands for what differs each time; output without a ``text`` block is an error.
A ``console`` block is a recording of the command line, and is replayed.
"""

import copyreg
from collections.abc import Generator
from contextlib import redirect_stdout
from doctest import ELLIPSIS, OutputChecker
from io import StringIO
from typing import Any

import pytest
from hypothesis import settings
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.integration.pytest import SybilItem
from sybil.parsers.myst import CodeBlockParser

from contract_targets import from_variables
from recordings import play, tidy
from selection import THOROUGH, exhaustive
from virtual_time import VirtualTime

pytest_plugins = ["pytester"]  # only a conftest at the top may enable it

# How long an example takes depends on what else the machine does.  The same examples in each run, so that neither
# the result nor the coverage changes.
settings.register_profile("default", derandomize=True, deadline=None, print_blob=True)
# New examples in each run, and many of them.
settings.register_profile(THOROUGH, derandomize=False, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is opt-in: the cross products, and requests to the real service."""
    parser.addoption("--exhaustive", action="store_true", help="run the cross products and many examples too")
    parser.addoption("--live", action="store_true", help="hold the contract against the service itself too")


def pytest_configure(config: pytest.Config) -> None:
    """Select the examples; for a live run, check the settings and show no arguments, which may hold the token."""
    settings.load_profile(THOROUGH if config.getoption("--exhaustive") else "default")
    if config.getoption("--live"):
        config.option.tbstyle, config.option.showlocals = "short", False
        try:
            from_variables()
        except ValueError as lacking:
            raise pytest.UsageError(f"--live: {lacking}") from None


@pytest.fixture(params=["asyncio", *exhaustive(["trio"])])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Run an asynchronous test on asyncio; ``on_both_loops`` is for those that depend on the loop.

    A module that says when its ``VIRTUAL_TIME`` begins has that instead of the real time.
    """
    began = getattr(request.module, "VIRTUAL_TIME", None)
    return request.param if began is None else (request.param, VirtualTime(began).options(request.param))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Leave out exhaustive tests unless they are requested.

    The blocks of a page stay in order, whatever shuffles the tests.
    """
    if not config.getoption("--exhaustive"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    blocks = iter([item for item in items if isinstance(item, SybilItem)])
    yield
    items[:] = [next(blocks) if isinstance(item, SybilItem) else item for item in items]


PRINTED = "output of the last block"  # not an identifier, so that no block defines it by accident
PICKLING = "how things are pickled"

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
    printed = example.namespace.pop(PRINTED, "")
    assert OutputChecker().check_output(example.parsed, printed, ELLIPSIS), f"printed:\n{printed}"


def check_nothing_left(namespace: dict[str, Any]) -> None:
    """Fail on output that the page does not show."""
    assert not namespace.pop(PRINTED, ""), "a block prints, but no text block follows it"


def begin_page(namespace: dict[str, Any]) -> None:
    """Keep how things are pickled, which importing ``distributed`` changes for the whole process."""
    namespace[PICKLING] = copyreg.dispatch_table.copy()


def end_page(namespace: dict[str, Any]) -> None:
    """Clean up after a page."""
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(namespace.pop(PICKLING))
    tidy(namespace)
    if "account" in namespace:
        namespace["account"].close()
    check_nothing_left(namespace)


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser("python", run), CodeBlockParser("text", compare), CodeBlockParser("console", play)],
    patterns=["README.md", "docs/**/*.md", "docs/*.md"],
    excludes=["docs/_build/**", "docs/performance/*.md"],
    setup=begin_page,
    teardown=end_page,
).pytest()
