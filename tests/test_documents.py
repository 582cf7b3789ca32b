"""What the README and the documentation name is there: sessions, extras, files, headings, versions, names."""

import ast
import builtins
import json
import re
import symtable
import tomllib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

import links
import netless_rooms
import wire_tables
from netless_rooms import Role, emulator, pytest_plugin
from netless_rooms._api import requests
from netless_rooms._api.decoding import WIRE_NAMES

MODULES = (netless_rooms, emulator, pytest_plugin)
ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BESIDE = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
PAGES = [*BESIDE, *sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)]
# The words of the field that no page explains anew.
FIELD_TERMS = set(
    """operation page cursor token role region backoff jitter budget checkpoint shard emulator
    walk scan quirk fault outcome deadline sibling twin floor wire uuid extra""".split()  # noqa: SIM905  so it fits
)


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@every_page
def test_every_session_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"nox -s ([a-z]+)", page.read_text("utf-8")))
    assert named <= set(sessions())


def test_the_readme_names_the_two_sessions_that_come_first() -> None:
    text = README.read_text("utf-8")
    for name in ("demo", "tests"):
        assert f"\npython3 -m pip install nox && python3 -m nox -s {name}\n" in text


@every_page
def test_every_extra_that_is_named_exists(page: Path) -> None:
    named = re.findall(r"pip install '?(?:\.|netless-rooms)\[([\w,-]+)\]", page.read_text("utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= extras()


def test_the_readme_tells_of_every_extra() -> None:
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", README.read_text("utf-8"))) == extras()


@every_page
def test_what_is_shown_needs_no_name_that_is_not_shown(page: Path) -> None:
    shown = "\n".join(re.findall(r"(?ms)^```python\n(.*?)^```$", page.read_text("utf-8")))
    assert needed(symtable.symtable(shown, page.name, "exec")) == set()


@every_page
def test_what_runs_on_trio_stands_behind_how_to_install_it(page: Path) -> None:
    before, at, _ = page.read_text("utf-8").partition('backend="trio"')
    assert not at or "`python3 -m pip install trio`" in before


@every_page
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            file, _, heading = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            assert linked.is_file(), target
            assert not heading or heading in anchors(linked), target


def test_the_changelog_is_about_this_version() -> None:
    _, _, changes = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("\n## ")
    version = re.search(r"\d+\.\d+\.\d+\S*\b", changes)
    assert version is not None
    assert version[0] == netless_rooms.__version__


def test_the_reference_has_every_public_name_once() -> None:
    pages = "".join(page.read_text("utf-8") for page in PAGES if page.parent.name == "reference")
    documented = re.findall(r"(?m)^\.\. auto\w+:: (\S+)$", pages)
    public = {f"{module.__name__}.{name}" for module in MODULES for name in module.__all__}
    assert sorted(documented) == sorted(public - {"netless_rooms.__version__"})


def test_the_changelog_tells_of_every_public_name() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    public = {name for module in MODULES for name in module.__all__} - {"__version__"}
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", text)] == []


def test_contributing_tells_of_every_session() -> None:
    told = re.findall(r"(?m)^\| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert sorted(told) == sorted(sessions())


# The glossary


def test_the_glossary_has_the_words_of_the_field_in_order() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    terms = re.findall(r"(?m)^(\w.*)\n  \S", text)
    assert terms == sorted(terms, key=str.lower)
    assert FIELD_TERMS - set(terms) == set()


# What goes over the wire


def test_every_field_of_a_room_has_its_source() -> None:
    assert list(wire_tables.ROOM_SOURCES) == list(WIRE_NAMES.values())


def test_the_page_on_the_wire_names_all_that_a_request_can_have() -> None:
    listed = requests.list_rooms(begin_uuid="a", limit=1)
    bodies = [requests.create_room(limit=1, is_record=True).body, requests.ban_room("a", is_ban=True).body]
    sent = {("query", name) for name in parse_qs(listed.query)}
    sent |= {("body", name) for body in bodies for name in json.loads(body or b"")}
    sent |= {("header", name) for name in requests.request_headers(token="t", region="eu")}
    assert set(wire_tables.REQUEST) == sent | {("path", "{uuid}")}


def test_the_page_on_the_wire_names_all_that_is_in_a_token() -> None:
    token = emulator.Emulator().key.room_token("a", role=Role.READER, lifetime=timedelta(minutes=1))
    pairs = parse_qs(urlsafe_b64decode(token.partition("_")[2] + "==").decode())
    assert sorted(wire_tables.TOKEN) == sorted(pairs)


@pytest.mark.parametrize("name", ["request", "answer", "token"])
def test_every_row_of_a_table_has_all_its_columns(name: str) -> None:
    assert len({line.count(" | ") for line in wire_tables.TABLES[name]() if "---" not in line}) == 1


# The links of the built pages


def test_links_are_right_if_what_they_name_is_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.html").write_text('<h1 id="top">Two</h1><a href="../one.html">back</a>', "utf-8")
    body = (
        '<a href="deep/two.html#top">two</a><a href="#here" id="here">here</a><a href="https://example.org/">e</a>'
    )
    (tmp_path / "one.html").write_text(body, "utf-8")
    assert list(links.wrong_links(tmp_path)) == []


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="two.html">', "two.html: no such file"),
        ('<a href="#nowhere">', "#nowhere: no such place on the page"),
        ('<img src="a.png">', "a.png: no such file"),
        ('<a href="http://example.org/">', "http://example.org/: not an https address"),
        ('<a href="https://nowhere">', "https://nowhere: not an https address"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, element: str, fault: str) -> None:
    (tmp_path / "one.html").write_text(element, "utf-8")
    assert list(links.wrong_links(tmp_path)) == [f"one.html: {fault}"]


def test_no_pages_at_all_are_a_fault(tmp_path: Path) -> None:
    assert list(links.wrong_links(tmp_path)) == [f"{tmp_path}: no page"]


def sessions() -> Iterator[str]:
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and "nox.session" in " ".join(map(ast.unparse, node.decorator_list)):
            yield node.name


def extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return set(project["optional-dependencies"])


def needed(module: symtable.SymbolTable) -> set[str]:
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
    """Return a page without its code."""
    return re.sub(r"(?ms)^```\w.*?^```$", "", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in an address."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
