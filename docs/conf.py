"""How the documentation is built.  The package is taken as it is installed, never from the checkout."""

import re
import sys
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from typing import get_args

import attrs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.autodoc.preserve_defaults import DefaultValue
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import netless_rooms
from netless_rooms import RoomsError, Scan
from netless_rooms._bulk import CONCURRENCY
from netless_rooms._validation import DEFAULT_BASE_URL, MAX_PAGE_SIZE
from netless_rooms.emulator import RULES, Quirks

sys.path.insert(0, str(Path(__file__).parent))
import wire_tables

project = "netless_rooms"
author = "netless_rooms contributors"
copyright = author
version = release = netless_rooms.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "performance/*"]  # the latter are parts of the page Performance
nitpicky = True
# Names that signatures mention and that another project documents; nothing is looked up over the network.
nitpick_ignore_regex = [
    ("py:class", r"(?:collections\.abc|contextlib|datetime|types|typing)\..+"),  # the standard library
    ("py:class", r"httpx2?\.Async.+"),  # the HTTP libraries: clients and transports
    ("py:class", r"netless_rooms\.http\.Client"),  # a client of either library, by what is used of it
    ("py:class", r"netless_rooms\.bulk\.Input"),  # of many calls: a uuid or a position
    (
        "py:class",
        r"netless_rooms\.emulator\.asgi\.InProcessTransport",
    ),  # the emulator's, for a client; nothing to call
]

# An export names its public module, but its comments and docstrings stand in the file that defines it.
for name in sorted(name for name in sys.modules if re.match(r"netless_rooms\.(?!cli|pytest)", name)):
    public = ModuleAnalyzer.for_module(".".join(name.split(".")[: 2 if ".emulator" in name else 1]))
    private = ModuleAnalyzer.for_module(name)
    for analyzer in (public, private):
        analyzer.analyze()
    for found in ("annotations", "attr_docs", "overloads", "tagorder"):
        getattr(public, found).update(getattr(private, found))

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
add_module_names = False
python_maximum_signature_line_length = 72

html_theme = "furo"
html_title = f"netless_rooms {release}"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["looks.css"]
templates_path: list[str] = []

# Defaults that the source gives a name, as a reader wants to see them.
DEFAULTS = {
    "CONCURRENCY": str(CONCURRENCY),
    "DEFAULT_BASE_URL": repr(DEFAULT_BASE_URL),
    "MAX_PAGE_SIZE": str(MAX_PAGE_SIZE),
    "DEFAULT_QUIRKS": "Quirks()",
    "NOTHING": "{}",
    "DEFAULT_POLICY": "RetryPolicy()",
}


def tidy_signature(
    app: Sphinx,  # noqa: ARG001  the event's own arguments
    what: str,
    name: str,  # noqa: ARG001
    obj: object,
    options: object,  # noqa: ARG001
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show defaults by their value, a context manager as one, and no constructor where there is none to call."""
    if isinstance(obj, type) and (
        issubclass(obj, Enum | AsyncIterator) or (what == "exception" and "__init__" not in vars(obj))
    ):
        return "", None
    if obj is Scan:  # only AsyncRooms makes one
        return "", None
    # Overloads are shown as they are, with the defaults of the function behind them.
    for parameter in getattr(getattr(obj, "__signature__", None), "parameters", {}).values():
        if isinstance(parameter.default, DefaultValue):
            parameter.default.name = DEFAULTS.get(parameter.default.name, parameter.default.name)
    if signature:
        signature = re.sub(r"(?<== )[A-Z_]+\b", lambda found: DEFAULTS[found[0]], signature)
    if signature and isinstance(obj, type) and attrs.has(obj):
        fields = attrs.fields_dict(obj)
        signature = re.sub(
            r"attr_dict\['(\w+)'\]\.default", lambda found: repr(fields[found[1]].default), signature
        )
    if returns and hasattr(obj, "__wrapped__"):  # the generator inside a context manager
        returns = re.sub(
            r"^\S*AsyncGenerator\[(.+), None\]$", r"~contextlib.AbstractAsyncContextManager[\1]", returns
        )
    return signature, returns


def tidy_docstring(
    app: Sphinx,  # noqa: ARG001
    what: str,
    name: str,  # noqa: ARG001
    obj: object,  # noqa: ARG001
    options: object,  # noqa: ARG001
    lines: list[str],
) -> None:
    """Leave out the docstring of plain data, which is that of its type; the page says what it is."""
    if what == "data":
        lines.clear()


class Generated(SphinxDirective):
    """A part of a page that is written from the package itself, as Markdown."""

    def run(self) -> list[nodes.Node]:
        """Return what ``lines`` writes."""
        return self.parse_text_to_nodes("\n".join(self.lines()))

    def lines(self) -> Iterator[str]:
        """Write the part."""
        raise NotImplementedError


class WireTable(Generated):
    """What goes over the line, one part of it: on the wire, here, and where that is documented."""

    required_arguments = 1

    def lines(self) -> Iterator[str]:
        return wire_tables.TABLES[self.arguments[0]]()


class EmulatorRules(Generated):
    """What the emulator does, rule by rule."""

    def lines(self) -> Iterator[str]:
        yield "| rule | what it does | how sure | quirk |"
        yield "|---|---|---|---|"
        for rule in RULES:
            quirk = f"{{py:attr}}`{rule.quirk} <netless_rooms.emulator.Quirks.{rule.quirk}>`" if rule.quirk else ""
            yield f"| {rule.name} | {rule.text} | {rule.status} | {quirk} |"


class QuirkReadings(Generated):
    """The switches of the emulator: every reading that can be asked for, the likeliest marked."""

    def lines(self) -> Iterator[str]:
        meanings = ModuleAnalyzer.for_module(Quirks.__module__).find_attr_docs()
        yield "| quirk | readings | what it switches |"
        yield "|---|---|---|"
        for field in attrs.fields(Quirks):
            readings = get_args(field.type) if isinstance(field.default, str) else ()
            others = [f"`{reading!r}`" for reading in readings if reading != field.default]
            listed = ", ".join([f"**`{field.default!r}`**", *(others or [_other(field.default)])])
            meaning = " ".join(meanings[Quirks.__name__, field.name]).strip()
            yield f"| `{field.name}` | {listed} | {meaning} |"


class ErrorTree(Generated):
    """All errors, as they inherit from each other."""

    def lines(self) -> Iterator[str]:
        return self._branch(RoomsError, "")

    def _branch(self, error: type[RoomsError], indent: str) -> Iterator[str]:
        summary = (error.__doc__ or "").partition("\n")[0]
        yield f"{indent}- {{py:exc}}`~netless_rooms.{error.__name__}`: {summary}"
        for child in error.__subclasses__():
            yield from self._branch(child, f"{indent}  ")


def _other(default: object) -> str:
    return "`True`" if default is False else "a number"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is defined here."""
    app.connect("autodoc-process-signature", tidy_signature)
    app.connect("autodoc-process-docstring", tidy_docstring)
    app.add_directive("wire-table", WireTable)
    app.add_directive("emulator-rules", EmulatorRules)
    app.add_directive("quirk-readings", QuirkReadings)
    app.add_directive("error-tree", ErrorTree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
