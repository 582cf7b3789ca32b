"""What is published: the archives hold all that they should and nothing else, and their metadata is true."""

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from attrs import frozen
from test_documents import sessions

import netless_rooms

ROOT = Path(__file__).parent.parent
VERSION = netless_rooms.__version__
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
GROUPS: dict[str, list[str]] = PYPROJECT["dependency-groups"]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"

# What stands in the source archive beside folders, and what kinds of files these hold.
BESIDE = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "conftest.py", "noxfile.py", "pyproject.toml"}
ADDED_BY_THE_BUILD = {".gitignore", "PKG-INFO"}
KINDS = {
    ".github": {".yml"},
    "benchmarks": {".py"},
    "docs": {".css", ".json", ".md", ".py", ".svg"},
    "examples": {".md", ".py"},
    "netless_rooms": {".py", ".typed"},
    "tests": {".json", ".py"},
}
ONLY_FOR_THE_CHECKOUT = {".ci"}


@frozen
class Published:
    """The archives, as names of files with their bytes; those of the source without its folder."""

    source: dict[str, bytes]
    wheel: dict[str, bytes]
    wheel_of_source: bytes
    wheel_itself: bytes

    @property
    def metadata(self) -> Message:
        (name,) = (name for name in self.wheel if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(self.wheel[name])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Build everything, the wheel a second time from the unpacked source archive."""
    folder = tmp_path_factory.mktemp("dist")
    source, wheel = build(ROOT, folder, "sdist"), build(ROOT, folder, "wheel")
    with tarfile.open(source) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    assert unpacked.name == f"netless_rooms-{VERSION}"
    again = build(unpacked, folder / "again", "wheel")
    files = {path.relative_to(unpacked).as_posix(): path for path in unpacked.rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    return Published(
        source={name: path.read_bytes() for name, path in files.items()},
        wheel=held,
        wheel_of_source=again.read_bytes(),
        wheel_itself=wheel.read_bytes(),
    )


def build(root: Path, folder: Path, target: str) -> Path:
    before = set(folder.glob("*"))
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (built,) = set(folder.glob("*")) - before
    return built


# What is in them


def test_the_wheel_holds_the_package_and_nothing_else(published: Published) -> None:
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "netless_rooms").rglob("*.py")}
    beside = {path.name for path in ROOT.glob("_netless_rooms*.py")}
    about = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"} | ({"entry_points.txt"} if declared() else set())
    folder = f"netless_rooms-{VERSION}.dist-info"
    wanted = modules | beside | {"netless_rooms/py.typed"} | {f"{folder}/{name}" for name in about}
    assert set(published.wheel) == wanted


def test_the_source_holds_what_it_takes_to_work_on_it(published: Published) -> None:
    assert set(published.source) >= BESIDE
    folders = {PurePosixPath(name).parts[0] for name in published.source if "/" in name}
    there = {name for name in KINDS if (ROOT / name).is_dir()}
    assert folders == there >= {".github", "benchmarks", "docs", "netless_rooms", "tests"}


def test_the_source_holds_nothing_that_strayed_in(published: Published) -> None:
    stray = [name for name in published.source if not is_expected(PurePosixPath(name))]
    assert stray == []


def is_expected(path: PurePosixPath) -> bool:
    if len(path.parts) == 1:
        return path.name in BESIDE | ADDED_BY_THE_BUILD or path.match("_netless_rooms*.py")
    return path.suffix in KINDS.get(path.parts[0], set()) and "_build" not in path.parts


@pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="unpacked from the archive, so there is nothing to compare"
)
def test_the_source_holds_every_file_of_the_checkout(published: Published) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout.splitlines()
    files = {name for name in listed if (ROOT / name).is_file()}
    wanted = {name for name in files if PurePosixPath(name).parts[0] not in ONLY_FOR_THE_CHECKOUT}
    assert set(published.source) - {"PKG-INFO"} == wanted


def test_the_source_builds_the_same_wheel_byte_for_byte(published: Published) -> None:
    assert published.wheel_of_source == published.wheel_itself


# What is told about them


def test_the_metadata_tells_all_that_an_index_shows(published: Published) -> None:
    told = published.metadata
    assert (told["Name"], told["Version"]) == ("netless-rooms", VERSION)
    assert told["License-Expression"] == "MIT"
    assert told.get_all("License-File") == ["LICENSE"]
    assert published.wheel[f"netless_rooms-{VERSION}.dist-info/licenses/LICENSE"].startswith(b"MIT License")
    assert 20 < len(told["Summary"]) < 200
    assert told["Author"]
    assert len(told["Keywords"].split(",")) > 3
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload() == (ROOT / "README.md").read_text("utf-8")
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])


def test_the_classifiers_name_the_pythons_that_are_tested(published: Published) -> None:
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(published.metadata.get_all("Classifier", [])))
    assert published.metadata["Requires-Python"] == f">={named[0]}"
    assert f"python: {json.dumps(named)}\n" in WORKFLOW.read_text("utf-8")
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in named


def test_every_entry_point_leads_somewhere(published: Published) -> None:
    assert declared() == set(built_entry_points(published))
    for entry_point in built_entry_points(published):
        assert entry_point.load() is not None


def declared() -> set[EntryPoint]:
    groups = dict(PROJECT.get("entry-points", {}))
    groups |= {"console_scripts": PROJECT["scripts"]} if "scripts" in PROJECT else {}
    return {EntryPoint(name, value, group) for group, each in groups.items() for name, value in each.items()}


def built_entry_points(published: Published) -> Iterator[EntryPoint]:
    text = published.wheel.get(f"netless_rooms-{VERSION}.dist-info/entry_points.txt", b"").decode()
    group = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("["):
            group = line.strip("[]")
        else:
            name, _, value = line.partition(" = ")
            yield EntryPoint(name, value, group)


# What it stands on


def wanted() -> Iterator[str]:
    yield from PROJECT["dependencies"]
    for requirements in PROJECT["optional-dependencies"].values():
        yield from requirements
    yield from GROUPS["tests"]


@pytest.mark.parametrize("requirement", sorted(set(wanted())))
def test_every_requirement_says_from_which_version_on(requirement: str) -> None:
    own = "netless-rooms["
    assert requirement.startswith(own) or re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?>=[\d.]+", requirement)


def test_what_an_extra_allows_is_what_the_tests_allow() -> None:
    # Else the lowest version of one of them would be tested with nothing.
    tested = {requirement.partition(">=")[0]: requirement for requirement in GROUPS["tests"]}
    promised = [each for extra in PROJECT["optional-dependencies"].values() for each in extra]
    assert [each for each in promised if tested.get(each.partition(">=")[0], each) != each] == []


# What runs elsewhere


def test_the_workflow_only_calls_sessions_that_exist() -> None:
    text = WORKFLOW.read_text("utf-8")
    commands = re.findall(r"(?m)^ *-? ?run: (.+)$", text)
    called = [re.fullmatch(r"python -m nox -s ([\w-]+|\S+ matrix\.session }})(-.+)?", each) for each in commands]
    assert {each for each, call in zip(commands, called, strict=True) if not call} == {"python -m pip install nox"}
    listed = re.search(r"session: \[([\w, ]+)\]", text)
    assert listed is not None
    named = {call[1].rstrip("-") for call in called if call} - {"${{ matrix.session }}"} | set(
        listed[1].split(", ")
    )
    assert named <= set(sessions())
    assert named >= {"tests", "lint", "types", "docs", "lowest", "package"}
