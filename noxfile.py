"""Everything that is done with this project, each on a fresh environment: ``nox -s NAME``.

Only ``nox`` itself has to be there.  Tests run on every supported Python that the machine has, against the
built wheel, never against the checkout.
"""

import os
from pathlib import Path

import nox

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
GROUPS = PROJECT["dependency-groups"]

# pyenv hides every Python but the chosen one; choose all that we support, so that they are found.
INSTALLED = Path(os.environ.get("PYENV_ROOT", "~/.pyenv"), "versions").expanduser()
CHOSEN = [found.name for python in PYTHONS for found in sorted(INSTALLED.glob(f"{python}.*"))]
if CHOSEN:
    os.environ["PYENV_VERSION"] = ":".join(CHOSEN)

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.error_on_missing_interpreters = False
nox.options.error_on_external_run = True
nox.options.reuse_venv = "yes"


@nox.session
def demo(session: nox.Session) -> None:
    """Run the main job on real HTTP: a service of 25,000 rooms on a loopback port, walked to its end."""
    session.install(".[cli,emulator]")
    session.run("python", "-P", "-m", "netless_rooms.demo", *session.posargs)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the built wheel; with arguments behind --, just those, without coverage."""
    session.install(build_wheel(session), *GROUPS["tests"])
    if session.posargs:
        session.run("python", "-P", "-m", "pytest", *session.posargs)
        return
    session.run("python", "-P", "-m", "coverage", "run", "--parallel-mode", "-m", "pytest")
    session.notify("coverage")


@nox.session
def reliability(session: nox.Session) -> None:
    """Prove it with many thousands of faults, cancellations and damaged answers, and print what was tried."""
    session.install(build_wheel(session), *GROUPS["tests"])
    files = ("tests/test_reliability.py", "tests/test_fuzz.py")
    session.run("python", "-P", "-m", "pytest", "--hypothesis-profile=thorough", *files, *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure, side by side with other ways, and write the tables and plots of the page Performance."""
    session.install(build_wheel(session), *GROUPS["bench"])
    session.run("python", "benchmarks", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Ask for 100 % of statements and branches, over all Pythons together."""
    session.install(*(wanted for wanted in GROUPS["tests"] if wanted.startswith("coverage")))
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and likely mistakes; change nothing."""
    session.install(*GROUPS["lint"])
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types strictly, and that every public name is typed as users will see it."""
    session.install(build_wheel(session), *GROUPS["types"], *GROUPS["tests"], *GROUPS["bench"], "nox")
    session.run("mypy")
    session.run("mypy", "tests", "benchmarks", "noxfile.py")
    session.run("basedpyright", "--ignoreexternal", "--verifytypes", "netless_rooms")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html; a warning is an error."""
    session.install(build_wheel(session), *GROUPS["docs"])
    session.run("python", "-P", "-m", "sphinx", "-WnE", "--keep-going", "docs", "docs/_build/html")


def build_wheel(session: nox.Session) -> str:
    """Build the wheel and return it with all extras, ready to be installed."""
    folder = Path(session.create_tmp()) / "wheel"
    session.run_install("python", "-m", "pip", "wheel", ".", "--no-deps", "--quiet", f"--wheel-dir={folder}")
    newest = max(folder.glob("*.whl"), key=lambda wheel: wheel.stat().st_mtime)
    return f"netless-rooms[all] @ {newest.resolve().as_uri()}"
