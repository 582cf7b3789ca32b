"""The command line, as ``netless-rooms`` and as ``python -m netless_rooms``.

Nothing that belongs to an extra is imported before it is known to be installed.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments``, by default those of the process; return the exit code."""
    try:
        import cyclopts  # noqa: F401  only to say what to install if it is missing
        import rich  # noqa: F401
    except ImportError:
        print("netless-rooms needs an extra: pip install 'netless-rooms[cli]'", file=sys.stderr)  # noqa: T201
        return 3  # ExitCode.SETTINGS
    from netless_rooms.cli.app import run

    return run(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
