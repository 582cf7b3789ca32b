"""Sphinx configuration.  The package is imported as installed, never from the checkout."""

import pkgutil
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from enum import Enum
from typing import get_args

import attrs
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.ext.autodoc.preserve_defaults import DefaultValue
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import netless_rooms
from netless_rooms import Outcomes, RoomsError, Scan, emulator

project = "netless_rooms"
author = "netless_rooms contributors"
copyright = author
version = release = netless_rooms.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "performance/*"]  # the latter are included by the page Performance
nitpicky = True
# Names in signatures that other projects document, and types that are private.  Nothing is looked up online.
nitpick_ignore_regex = [
    ("py:class", r"(?:collections\.abc|contextlib|datetime|types|typing)\..+"),
    ("py:class", r"httpx2?\.Async.+"),
    ("py:class", r"netless_rooms\.(?:emulator\.)?_?\w+\.\w+(?:\.\w+)*"),
]

# A copy button copies commands without the prompt and what they print; output alone has no button.
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
copybutton_exclude = ".linenos"  # the prompt, which is excluded otherwise, marks the lines to copy
copybutton_prompt_text = "$ "
copybutton_copy_empty_lines = False

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


def public_defaults() -> dict[str, str]:
    """Return the value of each constant that a signature names as a default."""
    from netless_rooms import _bulk, _retries, _validation
    from netless_rooms._api import responses
    from netless_rooms._auth import tokens

    modules = (_bulk, _retries, _validation, responses, tokens)
    shown = {name: repr(value) for module in modules for name, value in vars(module).items() if name.isupper()}
    return shown | {
        "DEFAULT_POLICY": "RetryPolicy()",
        "DEFAULT_QUIRKS": "Quirks()",
        "NOTHING": "{}",
        "wall_clock": "time.time",
    }


def attribute_docs() -> None:
    """Let Sphinx find the attribute docstrings of classes whose ``__module__`` is the public one."""
    modules = [module.name for module in pkgutil.walk_packages(netless_rooms.__path__, "netless_rooms.")]
    for public in ("netless_rooms", "netless_rooms.emulator"):
        target = ModuleAnalyzer.for_module(public)
        target.analyze()
        for name in modules:
            with suppress(PycodeError):
                private = ModuleAnalyzer.for_module(name)
                private.analyze()
                target.attr_docs |= private.attr_docs
                target.tagorder |= private.tagorder


def tidy_signature(
    app: Sphinx,  # noqa: ARG001  the event's own arguments
    what: str,
    name: str,  # noqa: ARG001
    obj: object,
    options: object,  # noqa: ARG001
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Show defaults by value, a context manager as one, and no constructor where users call none."""
    has_own_init = what != "exception" or "__init__" in vars(obj)
    if isinstance(obj, type) and (issubclass(obj, Enum | AsyncIterator | Scan | Outcomes) or not has_own_init):
        return "", None
    defaults = public_defaults()
    # Overloads are shown as they are, with the defaults of the implementation.
    for parameter in getattr(getattr(obj, "__signature__", None), "parameters", {}).values():
        if isinstance(parameter.default, DefaultValue):
            parameter.default.name = defaults.get(parameter.default.name, parameter.default.name)
    if signature:
        signature = re.sub(
            r"(?<== )(?:[A-Z_]+|wall_clock)\b", lambda found: defaults.get(found[0], found[0]), signature
        )
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


def tidy_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:  # noqa: ARG001
    """Drop the docstring of plain data, which is that of its type; the page says what it is."""
    if what == "data":
        lines.clear()


class Generated(SphinxDirective):
    """A part of a page that is written from the package, as Markdown."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()))

    def lines(self) -> Iterator[str]:
        raise NotImplementedError


class EmulatorRules(Generated):
    """The rules of the emulator."""

    def lines(self) -> Iterator[str]:
        yield "| rule | behaviour | status | quirk |"
        yield "|---|---|---|---|"
        for rule in emulator.RULES:
            quirk = f"{{py:attr}}`{rule.quirk} <netless_rooms.emulator.Quirks.{rule.quirk}>`" if rule.quirk else ""
            yield f"| {rule.name} | {rule.text} | {rule.status} | {quirk} |"


class QuirkValues(Generated):
    """The quirks of the emulator with their values, the default in bold."""

    def lines(self) -> Iterator[str]:
        meanings = ModuleAnalyzer.for_module(emulator.Quirks.__module__).find_attr_docs()
        yield "| quirk | values | meaning |"
        yield "|---|---|---|"
        for field in attrs.fields(emulator.Quirks):
            values = get_args(field.type) if isinstance(field.default, str) else ()
            others = [f"`{value!r}`" for value in values if value != field.default]
            number = "`True`" if field.default is False else "a number"
            listed = ", ".join([f"**`{field.default!r}`**", *(others or [number])])
            meaning = " ".join(meanings["Quirks", field.name]).strip()
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


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the extensions of this file."""
    attribute_docs()
    app.connect("autodoc-process-signature", tidy_signature)
    app.connect("autodoc-process-docstring", tidy_docstring)
    app.add_directive("emulator-rules", EmulatorRules)
    app.add_directive("quirk-values", QuirkValues)
    app.add_directive("error-tree", ErrorTree)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
