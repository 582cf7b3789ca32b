"""Tasks of the project, each in an environment of its own: ``nox -s NAME``.

Only nox has to be installed.  Tests run against the built wheel, never against the checkout.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import nox
from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
GROUPS = PROJECT["dependency-groups"]

# pyenv hides all but the selected Python: select every one that we support, so that nox finds them.
INSTALLED = Path(os.environ.get("PYENV_ROOT", "~/.pyenv"), "versions").expanduser()
SELECTED = [found.name for python in PYTHONS for found in sorted(INSTALLED.glob(f"{python}.*"))]
if SELECTED:
    os.environ["PYENV_VERSION"] = ":".join(SELECTED)

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"


@nox.session
def demo(session: nox.Session) -> None:
    """Walk an emulated service of 25,000 rooms over HTTP."""
    session.install(".[cli,emulator]")
    session.run("python", "-P", "-m", "netless_rooms", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the default suite on the Python that runs nox; arguments after -- go to pytest."""
    run_tests(session)
    others = ", ".join(f"tests-{python}" for python in PYTHONS)
    session.log(f"Also available: {others}; exhaustive (cross products, long property tests); coverage.")


def run_tests(session: nox.Session) -> None:
    """Run the default suite against the built wheel."""
    session.install(build_wheel(session), *GROUPS["tests"])
    session.run("python", "-P", "-m", "pytest", *(session.posargs or ["-n", "auto"]))


for version in PYTHONS:
    nox.session(python=version, name=f"tests-{version}")(run_tests)


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Run every test on both loops and over httpx2 too, with many examples."""
    session.install(build_wheel(session), *GROUPS["tests"])
    session.run("python", "-P", "-m", "pytest", "-n", "auto", "--exhaustive", *session.posargs)


@nox.session(python=PYTHONS[1])  # one of them is enough
def coverage(session: nox.Session) -> None:
    """Run the default suite and require that it covers every statement and branch."""
    session.install(build_wheel(session), *GROUPS["tests"])
    session.run("coverage", "erase")
    session.run("python", "-P", "-m", "coverage", "run", "--parallel-mode", "-m", "pytest", "-n", "auto")
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest Python with the lowest version of everything that pyproject.toml allows."""
    session.install(build_wheel(session), *GROUPS["tests"], *lowest_versions())
    session.run("python", "-m", "pip", "check")
    session.run("python", "-P", "-m", "pytest", "-n", "auto", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build what is published, look at all of it, and run some tests where somebody unpacked it."""
    session.install(*GROUPS["package"])
    folder = Path(session.create_tmp()) / "package"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-P", "-m", "build", "--outdir", f"{folder}")
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    session.run("python", "-P", "-m", "twine", "check", "--strict", f"{source}", f"{wheel}")

    # With nothing but what it needs, it can be imported, whole.
    session.run("python", "-m", "venv", f"{folder / 'bare'}")
    bare = str(shutil.which("python", path=f"{folder / 'bare' / 'bin'}{os.pathsep}{folder / 'bare' / 'Scripts'}"))
    session.run(bare, "-m", "pip", "install", "--quiet", f"{wheel}", external=True)
    session.run(bare, "-m", "pip", "check", external=True)
    session.run(bare, "-P", "-c", "from netless_rooms import *; print(__version__)", external=True)

    shutil.unpack_archive(source, folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    session.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "netless-rooms", silent=True)
    session.install(f"netless-rooms[all] @ {wheel.resolve().as_uri()}", *GROUPS["tests"])
    with session.chdir(unpacked):
        some = ("documents", "extras", "packaging", "paging", "service", "decoding")
        files = [f"tests/test_{name}.py" for name in some]
        session.run("python", "-P", "-m", "pytest", "README.md", "docs/tutorial.md", "docs/why.md", *files)


@nox.session
def live(session: nox.Session) -> None:
    """Hold the contract against the real service; needs NETLESS_REGION, and NETLESS_TOKEN or the key's two."""
    session.install(build_wheel(session), *GROUPS["tests"])
    session.run("python", "-P", "-m", "pytest", "--live", "tests/test_contract.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure side by side with other ways, and write docs/performance/figures.md; ``-- --quick`` only prints."""
    session.install(build_wheel(session), *GROUPS["bench"])
    session.run("python", "benchmarks", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and likely mistakes; change nothing."""
    session.install(*GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    workflows = [str(file) for file in Path(".github", "workflows").glob("*.yml")]
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly, and that every public name is typed as users will see it."""
    wanted = (name for group in ("types", "tests", "bench", "docs") for name in GROUPS[group])
    session.install(build_wheel(session), *wanted, "nox")
    session.run("mypy")
    session.run("mypy", "tests", "examples", "benchmarks", "noxfile.py", "docs/links.py", "docs/blocks.py")
    pages = session.create_tmp()
    session.run("python", "docs/blocks.py", pages)
    session.run("mypy", "--allow-untyped-calls", "--disable-error-code=no-redef", pages)
    session.run("basedpyright", "--ignoreexternal", "--verifytypes", "netless_rooms")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html; a warning or a wrong link is an error."""
    session.install(build_wheel(session), *GROUPS["docs"])
    session.run("python", "-P", "-m", "sphinx", "-WnE", "--keep-going", "docs", "docs/_build/html")
    session.run("python", "-P", "docs/links.py", "docs/_build/html")


def build_wheel(session: nox.Session) -> str:
    """Build the wheel and return it with all extras, ready to be installed."""
    # What an earlier run installed has the same version, and pip would leave it in its place.
    session.run_install("python", "-m", "pip", "uninstall", "--quiet", "--yes", "netless-rooms", silent=True)
    folder = Path(session.create_tmp()) / "wheel"
    session.run_install("python", "-m", "pip", "wheel", ".", "--no-deps", "--quiet", f"--wheel-dir={folder}")
    newest = max(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return f"netless-rooms[all] @ {newest.resolve().as_uri()}"


def lowest_versions() -> Iterator[str]:
    """Yield all that the package, its extras and its tests need, each at the lowest version that all allow."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    lowest: dict[str, Version] = {}
    for line in [
        *PROJECT["project"]["dependencies"],
        *(each for extra in extras for each in extra),
        *GROUPS["tests"],
    ]:
        requirement = Requirement(line)
        for bound in requirement.specifier:  # none for the extra that is all the others
            version = Version(bound.version)
            lowest[requirement.name] = max(version, lowest.get(requirement.name, version))
    for name, version in lowest.items():
        yield f"{name}=={version}"
