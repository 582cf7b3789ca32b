"""The layout of the package: which subject may import which, what is pure, and what is public."""

import ast
import inspect
import re
from pathlib import Path
from typing import Final

import netless_rooms
import netless_rooms.emulator

PACKAGE: Final = Path(netless_rooms.__file__).parent
FILES: Final = sorted(PACKAGE.rglob("*.py"))
# What each subject may import, besides itself.  A subject is a folder, or a file at the top.
WORDS: Final = {"errors", "models", "_validation", "_version"}
RULES: Final = WORDS | {"_auth", "_retries"}
CALLS: Final = RULES | {"_api", "_tasks"}
ALLOWED: Final[dict[str, set[str]]] = {
    "errors": set(),
    "models": {"errors"},
    "_version": set(),
    "_validation": {"models", "errors"},
    "_tasks": set(),
    "_retries": WORDS,
    "_auth": WORDS,
    "_api": RULES,
    "_listing": CALLS,
    "_bulk": CALLS,
    "_client": CALLS | {"_listing", "_bulk"},
    "_doctor": CALLS | {"_listing", "_client"},
    "pytest_plugin": WORDS | {"_retries", "_client", "emulator"},
    "cli": CALLS | {"_listing", "_bulk", "_client", "_doctor", "emulator", "__init__", "__main__"},
    "__main__": {"cli"},
    "__init__": CALLS | {"_listing", "_bulk", "_client"},
}
WIRE_WORDS: Final = ("teamUUID", "isBan", "beginUUID", "appUUID", "isRecord", "createdAt")
IMPURE: Final = {"anyio", "logging", "os", "pathlib", "random", "secrets", "time", "uuid"}


def subject_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def imports(file: Path) -> set[str]:
    """Return the dotted name of each import, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(file)}:{node.lineno} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(*libraries: str) -> set[str]:
    """Return the files that import one of these libraries."""
    return {name_of(file) for file in FILES if {name.partition(".")[0] for name in imports(file)} & {*libraries}}


def test_imports_follow_the_arrows_and_reach_http_libraries_at_two_doors_only() -> None:
    wrong: list[tuple[str, str]] = []
    for file in FILES:
        for name in imports(file):
            root, _, own = name.partition(".")
            # What comes from the package itself counts as ``__init__``.
            to = own.partition(".")[0] if own.partition(".")[0] in {*ALLOWED, "emulator"} else "__init__"
            if subject_of(file) == "emulator":
                is_allowed = own.startswith(("emulator", "errors", "_auth.tokens", "_auth.redaction"))
            else:
                is_allowed = to in ALLOWED[subject_of(file)] | {subject_of(file)}
            if root == "netless_rooms" and not is_allowed:
                wrong.append((name_of(file), name))
    assert wrong == []
    top = {(file.parts[0], len(file.parts) == 1) for file in (each.relative_to(PACKAGE) for each in FILES)}
    assert sum(is_file for _, is_file in top) <= 12
    assert sum(not is_file for _, is_file in top) <= 7
    assert importers("asyncio", "trio") == set()
    assert importers("httpx", "httpx2") == {"_api/transport.py", "emulator/asgi.py"}


PURE: Final = {
    *("_retries.py", "_validation.py", "_api/requests.py", "_api/responses.py", "_api/decoding.py"),
    *("_api/throttle.py", "_auth/permissions.py", "_auth/redaction.py", "_doctor/checks.py"),
    *("_listing/cursor.py", "_listing/checkpoints.py"),
}


def test_the_modules_that_decide_are_pure_import_nothing_impure_and_never_wait() -> None:
    pure = [file for file in FILES if re.search(r"\bPure\.(\n|$)", ast.get_docstring(tree_of(file)) or "")]
    names = {name_of(file) for file in pure}
    assert names >= PURE
    assert names & importers(*IMPURE) == set()
    for file in pure:
        waits = [node for node in ast.walk(tree_of(file)) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
        assert waits == [], name_of(file)


def test_wire_words_stand_where_the_wire_is_spelled() -> None:
    for file in FILES:
        if name_of(file) in {"_api/requests.py", "_api/decoding.py"} or subject_of(file) == "emulator":
            continue
        nodes = list(ast.walk(tree_of(file)))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        texts = [str(n.value) for n in nodes if isinstance(n, ast.Constant) and id(n) not in docstrings]
        assert [text for text in texts if any(word in text for word in WIRE_WORDS)] == [], name_of(file)


def test_no_private_attribute_of_another_library_is_used() -> None:
    texts = [re.sub(r"(?m)^ *(from|import) .*", "", file.read_text("utf-8")) for file in FILES]
    used = {name for text in texts for name in re.findall(r"[\w)\]]\.(_[a-z]\w*)", text)}
    ours = {name for text in texts for name in re.findall(r"(?:def |class |self\.|cls\.|\n    )(_\w+)", text)}
    documented = {"_replace"}  # of named tuples
    assert used - ours == documented & used


MODULES: Final = (netless_rooms, netless_rooms.emulator)


def test_exports_are_everything_public_of_the_module_that_users_import_them_from_with_a_docstring() -> None:
    for module in MODULES:
        public = {name for name, value in vars(module).items() if name[0] != "_" and not inspect.ismodule(value)}
        assert len(module.__all__) == len(set(module.__all__))
        assert set(module.__all__) - {"__version__"} == public
        for name in module.__all__:
            export = getattr(module, name)
            if not (inspect.isclass(export) or inspect.isroutine(export)):
                continue
            assert (export.__module__, export.__qualname__) == (module.__name__, name)  # by which it is pickled
            assert (export.__doc__ or "").strip(), name
            members = vars(export) if inspect.isclass(export) else {}
            for member, value in members.items():
                if member[0] != "_" and (inspect.isfunction(value) or isinstance(value, property | classmethod)):
                    assert inspect.getdoc(value), f"{name}.{member}"
