"""What is published: the archives hold all that they should and nothing else, and their metadata is true."""

import json
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from importlib.metadata import EntryPoint
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import pytest

import netless_rooms

ROOT = Path(__file__).parent.parent
VERSION = netless_rooms.__version__
ABOUT = f"netless_rooms-{VERSION}.dist-info"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
TESTED: list[str] = PYPROJECT["dependency-groups"]["tests"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
SESSIONS = re.findall(r"@nox\.session.*\ndef (\w+)", (ROOT / "noxfile.py").read_text("utf-8"))
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")

# What stands in the source archive beside folders, and what kinds of files these hold.
BESIDE = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "conftest.py", "noxfile.py", "pyproject.toml"}
ADDED_BY_THE_BUILD = {".gitignore", "PKG-INFO"}
KINDS = {
    ".github": {".yml"},
    "benchmarks": {".py"},
    "docs": {".css", ".md", ".py", ".svg"},
    "examples": {".md", ".py"},
    "netless_rooms": {".py", ".typed"},
    "tests": {".json", ".py"},
}


Published: TypeAlias = tuple[set[str], dict[str, bytes]]
"""The names in the source archive without its folder, and the files of the wheel."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Build the source archive, and the wheel from it, as an installer without the wheel does."""
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(build(ROOT, folder, "sdist")) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / f"netless_rooms-{VERSION}"
    with zipfile.ZipFile(build(unpacked, folder, "wheel")) as archive:
        wheel = {name: archive.read(name) for name in archive.namelist()}
    return {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}, wheel


def build(root: Path, folder: Path, target: str) -> Path:
    command = [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (built,) = folder.glob("*.tar.gz" if target == "sdist" else "*.whl")
    return built


def test_the_wheel_holds_the_package_and_nothing_else(published: Published) -> None:
    _, wheel = published
    files = (path for path in (ROOT / "netless_rooms").rglob("*") if path.suffix in KINDS["netless_rooms"])
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    wanted = {path.relative_to(ROOT).as_posix() for path in files}
    assert set(wheel) == wanted | {f"{ABOUT}/{name}" for name in about}
    assert "netless_rooms/py.typed" in wanted


def test_the_source_holds_every_file_of_the_checkout_and_nothing_that_strayed_in(published: Published) -> None:
    source, _ = published
    folders = {PurePosixPath(name).parts[0] for name in source if "/" in name}
    assert folders == {name for name in KINDS if (ROOT / name).is_dir()} >= KINDS.keys() - {"examples"}
    assert source >= BESIDE
    assert [name for name in sorted(source) if not is_expected(PurePosixPath(name))] == []
    if (ROOT / ".git").exists():  # else unpacked from the archive: there is nothing to compare
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
        wanted = {name for name in listed.splitlines() if (ROOT / name).is_file() and name[:4] != ".ci/"}
        assert source - {"PKG-INFO"} == wanted


def is_expected(path: PurePosixPath) -> bool:
    if len(path.parts) == 1:
        return path.name in BESIDE | ADDED_BY_THE_BUILD
    return path.suffix in KINDS.get(path.parts[0], set()) and "_build" not in path.parts


def test_the_metadata_says_all_that_an_index_shows(published: Published) -> None:
    _, wheel = published
    told = BytesParser().parsebytes(wheel[f"{ABOUT}/METADATA"])
    assert (told["Name"], told["Version"]) == ("netless-rooms", VERSION)
    assert (told["License-Expression"], told.get_all("License-File")) == ("MIT", ["LICENSE"])
    assert wheel[f"{ABOUT}/licenses/LICENSE"].startswith(b"MIT License")
    assert 20 < len(told["Summary"]) < 200
    assert told["Author"]
    assert told["Description-Content-Type"] == "text/markdown"
    assert told.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    assert set(told.get_all("Provides-Extra", [])) == set(EXTRAS)


def test_every_entry_point_leads_somewhere(published: Published) -> None:
    groups = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    text = published[1][f"{ABOUT}/entry_points.txt"].decode()
    for group, members in groups.items():
        for name, value in members.items():
            assert f"[{group}]\n{name} = {value}\n" in text
            assert EntryPoint(name, value, group).load() is not None


def test_every_requirement_names_its_lowest_version_and_is_tested_with_that() -> None:
    # Else the lowest version that an extra allows would be tested with nothing.
    extras = [each for extra in EXTRAS.values() for each in extra if not each.startswith("netless-rooms[")]
    bounds = [re.fullmatch(r"([\w.-]+)(\[[\w,-]+\])?>=[\d.]+(b\d+)?", each) for each in extras + TESTED]
    assert [each for each, bound in zip(extras + TESTED, bounds, strict=True) if not bound] == []
    assert all(re.fullmatch(r"[\w.-]+>=[\d.]+", each) for each in PROJECT["dependencies"])
    tested = {each.partition(">=")[0]: each for each in TESTED}
    assert [each for each in extras if tested.get(each.partition(">=")[0], each) != each] == []


def test_the_extra_all_is_every_other_one_and_the_classifiers_name_the_pythons_that_are_tested() -> None:
    assert EXTRAS["all"] == [f"netless-rooms[{','.join(sorted(EXTRAS.keys() - {'all'}))}]"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert f"python: {json.dumps(named)}\n" in WORKFLOW


def test_the_workflow_runs_the_sessions_that_exist() -> None:
    commands, nox = set(re.findall(r"(?m)^ *-? ?run: (.+)$", WORKFLOW)), "python -m nox -s "
    sessions = {f"{nox}tests-${{{{ matrix.python }}}}", f"{nox}${{{{ matrix.session }}}}"}
    assert commands == {"python -m pip install nox"} | sessions
    (listed,) = re.findall(r"session: \[([\w, ]+)\]", WORKFLOW)
    assert set(listed.split(", ")) <= set(SESSIONS)
    assert set(listed.split(", ")) >= {"lint", "types", "docs", "lowest", "package"}
