"""What the README and the documentation name exists: sessions, extras, files, headings, names."""

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

import blocks
import netless_rooms
from netless_rooms import emulator, pytest_plugin
from netless_rooms._api import requests
from netless_rooms._api.decoding import WIRE_NAMES

MODULES = (netless_rooms, emulator, pytest_plugin)
ROOT = Path(__file__).parent.parent
README, CONTRIBUTING, CHANGELOG = (ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG"))
DOCS = sorted(page for page in ROOT.glob("docs/**/*.md") if "_build" not in page.parts)
PAGES = [README, CONTRIBUTING, CHANGELOG, *DOCS]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_what_exists_and_its_links_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    assert set(re.findall(r"nox -s ([a-z]+)", text)) <= sessions()
    named = re.findall(r"pip install '?(?:\.|netless-rooms)\[([\w,-]+)\]", text)
    assert {extra for names in named for extra in names.split(",")} <= EXTRAS.keys()
    before, trio, _ = text.partition('backend="trio"')
    assert not trio or "`python3 -m pip install trio`" in before
    shown = "\n".join(blocks.BLOCK.findall(text)).splitlines()
    assert [line for line in shown if len(line) > 88] == []  # the width of the column
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            file, _, heading = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            assert linked.is_file(), target
            assert not heading or heading in anchors(linked), target


def test_every_extra_session_and_public_name_is_listed() -> None:
    readme, contributing = README.read_text("utf-8"), CONTRIBUTING.read_text("utf-8")
    quickstart = (ROOT / "docs/quickstart.md").read_text("utf-8")
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", quickstart)) == EXTRAS.keys()
    assert set(re.findall(r"(?m)^\| `(\w+)`[^|]* \|", contributing.partition("## Sessions")[2])) == sessions()
    assert "\npython3 -m pip install nox && python3 -m nox -s tests\n" in readme
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
    fields = set(re.findall(r"(?m)^\| `(\w+)`: [^|]*\| \{py:attr\}`~netless_rooms.Room", text))
    assert fields == set(WIRE_NAMES.values())


def sessions() -> set[str]:
    return set(re.findall(r"@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text("utf-8")))


def prose(page: Path) -> str:
    return re.sub(r"(?ms)^```\w.*?^```$", "", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


VERSION = netless_rooms.__version__
ABOUT = f"netless_rooms-{VERSION}.dist-info"


def build(root: Path, folder: Path, target: str) -> Path:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (built,) = folder.glob("*.tar.gz" if target == "sdist" else "*.whl")
    return built


def test_the_source_holds_the_checkout_and_the_wheel_the_package_and_its_entry_points(tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, tmp_path, "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = tmp_path / f"netless_rooms-{VERSION}"
    if (ROOT / ".git").exists():  # else unpacked from the archive: there is nothing to compare
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
        wanted = {name for name in listed.splitlines() if (ROOT / name).is_file() and name[:4] != ".ci/"}
        source = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
        assert source - {"PKG-INFO"} == wanted
    with zipfile.ZipFile(build(unpacked, tmp_path, "wheel")) as built:  # as an installer without the wheel does
        wheel = {name: built.read(name) for name in built.namelist()}
    files = (path for path in (ROOT / "netless_rooms").rglob("*") if path.suffix in {".py", ".typed"})
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    wanted = {path.relative_to(ROOT).as_posix() for path in files}
    assert set(wheel) == wanted | {f"{ABOUT}/{name}" for name in about}
    assert "netless_rooms/py.typed" in wanted
    groups = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    text = wheel[f"{ABOUT}/entry_points.txt"].decode()
    for group, members in groups.items():
        for name, value in members.items():
            assert f"[{group}]\n{name} = {value}\n" in text
            assert EntryPoint(name, value, group).load() is not None
