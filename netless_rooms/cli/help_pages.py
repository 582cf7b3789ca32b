"""How ``--help`` looks: without frames, so that each page fits a screen of 80 columns and 24 lines."""

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from netless_rooms.cli.settings import SETTINGS

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions


class Pages:
    """Draws each part of a help page."""

    def render_usage(self, console: "Console", _: "ConsoleOptions", usage: Any) -> None:
        """Draw the first line."""
        console.print(Text(f"Usage: {str(usage).strip()}", style="bold"))

    def render_description(self, console: "Console", _: "ConsoleOptions", description: Any) -> None:
        """Draw what the command does."""
        console.print(description)

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:  # noqa: ARG002  a name that cyclopts may use
        """Draw commands or flags, one to a line; the settings, which every command has, close together."""
        if not panel.entries:
            return
        console.print(Text(f"{panel.title}:", style="bold"))
        if panel.title == SETTINGS.name:
            flags = "  ".join(" ".join(entry.display_labels) for entry in panel.entries)
            console.print(Text(f"  {flags}"))
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column()
        for entry in panel.entries:
            grid.add_row(Text(f"  {_labels(entry)}", style="cyan"), entry.description or "")
        console.print(grid)


def _labels(entry: "HelpEntry") -> str:
    return ", ".join((*entry.display_labels_with_metavar, *entry.shorts * (not entry.names)))
