"""The command ``completion``: the script that lets a shell complete commands and flags."""

from typing import Annotated, Literal

from cyclopts import Parameter

from netless_rooms.cli.terminal import put


def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish"],
        Parameter(metavar="bash|zsh|fish", help="bash, zsh or fish.", show_choices=False),
    ],
    /,
) -> None:
    """Print the script that completes commands and flags in a shell."""
    from netless_rooms.cli.app import app

    put(app.generate_completion(prog_name="netless-rooms", shell=shell))
