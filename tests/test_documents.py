"""What the README and the documentation name exists: sessions, extras, files, headings, names."""

import ast
import builtins
import json
import re
import symtable
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

import blocks
import links
import netless_rooms
from netless_rooms import emulator, pytest_plugin
from netless_rooms._api import requests
from netless_rooms._api.decoding import WIRE_NAMES

MODULES = (netless_rooms, emulator, pytest_plugin)
ROOT = Path(__file__).parent.parent
README, CONTRIBUTING, CHANGELOG = (ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))
DOCS = sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)
PAGES = [README, CONTRIBUTING, CHANGELOG, *DOCS]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_what_exists_and_its_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r"nox -s ([a-z]+)", text)) <= set(sessions())
    named = re.findall(r"pip install '?(?:\.|netless-rooms)\[([\w,-]+)\]", text)
    assert {extra for names in named for extra in names.split(",")} <= EXTRAS
    before, trio, _ = text.partition('backend="trio"')
    assert not trio or "`python3 -m pip install trio`" in before
    shown = "\n".join(blocks.BLOCK.findall(text))
    assert [line for line in shown.splitlines() if len(line) > 88] == []  # the width of the column
    assert undefined_names(symtable.symtable(shown, page.name, "exec")) == set()
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            file, _, heading = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            assert linked.is_file(), target
            assert not heading or heading in anchors(linked), target


def test_every_extra_and_session_is_listed() -> None:
    readme, contributing = README.read_text("utf-8"), CONTRIBUTING.read_text("utf-8")
    quickstart = (ROOT / "docs/quickstart.md").read_text("utf-8")
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", quickstart)) == EXTRAS
    assert set(re.findall(r"(?m)^\| `(\w+)`[^|]* \|", contributing.partition("## Sessions")[2])) == set(sessions())
    assert "\npython3 -m pip install nox && python3 -m nox -s tests\n" in readme


def test_reference_and_changelog_have_every_public_name() -> None:
    pages = "".join(page.read_text("utf-8") for page in DOCS if page.parent.name == "reference")
    documented = re.findall(r"(?m)^\.\. auto\w+:: (\S+)$", pages)
    public = {f"{module.__name__}.{name}" for module in MODULES for name in module.__all__}
    assert sorted(documented) == sorted(public - {"netless_rooms.__version__"})
    names = set(re.findall(r"\w+", CHANGELOG.read_text("utf-8")))
    assert {name.rpartition(".")[2] for name in public} - {"__version__"} <= names
    assert netless_rooms.__version__.partition(".dev")[0] in CHANGELOG.read_text("utf-8")


def test_the_page_on_the_wire_names_all_that_is_sent() -> None:
    listed = requests.list_rooms(begin_uuid="a", limit=1)
    bodies = [requests.create_room(limit=1, is_record=True).body, requests.ban_room("a", is_ban=True).body]
    sent = {("query", name) for name in parse_qs(listed.query)}
    sent |= {("body", name) for body in bodies for name in json.loads(body or b"")}
    sent |= {("header", name) for name in requests.request_headers(token="t", region="eu")}
    text = (ROOT / "docs/reference/wire.md").read_text("utf-8")
    assert set(re.findall(r"(?m)^\| (query|body|header) \| `(\w[\w-]*)` \|.*\|.*\|.*\|.*\|$", text)) == sent
    assert set(re.findall(r"(?m)^\| `(\w+)`: [^|]*\| \{py:attr\}`~netless_rooms.Room", text)) == set(
        WIRE_NAMES.values()
    )


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    assert list(links.wrong_links(tmp_path)) == [f"{tmp_path}: no page"]
    good = '<a href="#here" id="here">h</a><a href="https://example.org/">e</a><a href="one.html#here">o</a>'
    wrong = ["two.html", "#nowhere", "http://example.org/", "https://nowhere"]
    bad = "".join(f'<a href="{target}">' for target in wrong)
    (tmp_path / "one.html").write_text(good + bad, "utf-8")
    assert [line.split(": ")[1] for line in links.wrong_links(tmp_path)] == wrong


def sessions() -> Iterator[str]:
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and "nox.session" in " ".join(map(ast.unparse, node.decorator_list)):
            yield node.name


def undefined_names(module: symtable.SymbolTable) -> set[str]:
    """Return the names that a program uses and does not define."""
    used, tables = set(), [module]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {each.get_name() for each in table.get_symbols() if table is module or each.is_global()}
    names = module.get_symbols()
    here = {each.get_name() for each in names if each.is_assigned() or each.is_imported() or each.is_namespace()}
    return used - here - {*dir(builtins), "__name__"}


def prose(page: Path) -> str:
    return re.sub(r"(?ms)^```\w.*?^```$", "", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
