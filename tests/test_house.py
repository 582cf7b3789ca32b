"""The floors of the house: imports point down, and every name stands where it belongs."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import netless_rooms
import netless_rooms.emulator
import netless_rooms.tokens

PACKAGE = Path(netless_rooms.__file__).parent
FLOORS = {
    0: "models errors _version",
    1: "wire speedups operations responses paging checkpoints retries failures signing grants outcomes "
    "findings readings",
    2: "pools twin http credentials calls walks background shards scan bulk many service tokens probes",
    3: "__init__ __main__ cli emulator demo pytest_plugin",
}
FLOOR_OF = {module: floor for floor, modules in FLOORS.items() for module in modules.split()}
LOOPS_AND_HTTP = {"asyncio", "trio", "httpx", "httpx2"}
IMPURE = {"time", "random", "os", "secrets", "uuid", "pathlib", "logging", "anyio"}
CLIENT = {"__init__", "wire", "operations", "responses", "models", "service", "many", "paging"}
WIRE_WORDS = ["teamUUID", "isBan", "beginUUID", "appUUID", "isRecord", "createdAt"]
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def each(files: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", files, ids=lambda file: str(file.relative_to(PACKAGE)))


def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text("utf-8"))))


def imports(file: Path) -> Iterator[list[str]]:
    """Yield each import as its dotted parts, wherever in the file it stands."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}:{node.lineno} imports relatively"
            yield from (f"{node.module}.{alias.name}".split(".") for alias in node.names)


def outside_imports(file: Path) -> set[str]:
    return {parts[0] for parts in imports(file)}


def own_imports(file: Path) -> set[str]:
    own = [parts[1:] for parts in imports(file) if parts[0] == "netless_rooms"]
    return {rest[0] if rest and rest[0] in FLOOR_OF else "__init__" for rest in own}


@each(FILES)
def test_imports_point_down_or_stay_on_the_floor(file: Path) -> None:
    floor = FLOOR_OF[module_of(file)]
    assert [module for module in sorted(own_imports(file)) if FLOOR_OF[module] > floor] == []


@each([file for file in FILES if module_of(file) != "http"])
def test_no_loop_is_named_and_the_http_library_only_at_its_door(file: Path) -> None:
    assert outside_imports(file) & LOOPS_AND_HTTP == set()


def test_the_door_to_the_http_library_names_no_loop() -> None:
    assert outside_imports(PACKAGE / "http.py") & LOOPS_AND_HTTP <= {"httpx", "httpx2"}


@each([file for file in FILES if FLOOR_OF.get(module_of(file), 0) < 2])
def test_the_lower_floors_are_pure(file: Path) -> None:
    assert outside_imports(file) & IMPURE == set()
    assert not [node for node in nodes(file) if isinstance(node, (ast.AsyncFunctionDef, ast.Await))]


@each([file for file in FILES if module_of(file) == "emulator"])
def test_the_emulator_shares_no_encoding_with_the_client(file: Path) -> None:
    assert own_imports(file) & CLIENT == set()


@each([file for file in FILES if module_of(file) not in {"wire", "operations", "emulator"}])
def test_words_of_the_wire_stand_only_where_the_wire_is_spelled(file: Path) -> None:
    found = nodes(file)
    docstrings = {id(node.value) for node in found if isinstance(node, ast.Expr)}
    texts = [str(n.value) for n in found if isinstance(n, ast.Constant) and id(n) not in docstrings]
    assert [text for text in texts if any(word in text for word in WIRE_WORDS)] == []


def test_the_package_holds_modules_and_nothing_else() -> None:
    others = {file.name for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert {name for name in others if not name.endswith(".py")} == {"py.typed"}


# What is public

PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (netless_rooms, netless_rooms.tokens, netless_rooms.emulator)
    for name in module.__all__
    if inspect.isclass(getattr(module, name)) or inspect.isroutine(getattr(module, name))
]


def test_exports_are_sorted_and_are_everything_public() -> None:
    public = {
        name for name, value in vars(netless_rooms).items() if name[0] != "_" and not inspect.ismodule(value)
    }
    assert netless_rooms.__all__ == sorted(public | {"__version__"})


@pytest.mark.parametrize("export", PUBLIC)
def test_every_export_tells_what_it_is_and_since_when(export: Any) -> None:
    first, *rest = export.__doc__.splitlines()
    assert first.strip()
    assert any(line.strip().startswith(".. versionadded:: ") for line in rest)


@pytest.mark.parametrize("export", [export for export in PUBLIC if inspect.isclass(export.values[0])])
def test_every_public_method_tells_what_it_does(export: type) -> None:
    ours = [kind for kind in export.__mro__ if kind.__module__.startswith("netless_rooms")]
    members = {name: each for kind in ours for name, each in vars(kind).items() if not name.startswith("_")}
    calls = (property, classmethod, staticmethod)
    methods = [name for name, m in members.items() if inspect.isfunction(m) or isinstance(m, calls)]
    assert [name for name in methods if not inspect.getdoc(members[name])] == []
