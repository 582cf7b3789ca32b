"""What the README and the documentation name is there: sessions, extras, files, headings, versions, names."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import netless_rooms
from netless_rooms import emulator

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)]


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@every_page
def test_every_session_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"nox -s ([\w-]+)", page.read_text("utf-8")))
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
    public = {f"{module.__name__}.{name}" for module in (netless_rooms, emulator) for name in module.__all__}
    assert sorted(documented) == sorted(public - {"netless_rooms.__version__"})


def sessions() -> Iterator[str]:
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and "nox.session" in " ".join(map(ast.unparse, node.decorator_list)):
            yield node.name


def extras() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return set(project["optional-dependencies"])


def prose(page: Path) -> str:
    """Return a page without its code."""
    return re.sub(r"(?ms)^```\w.*?^```$", "", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in an address."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
