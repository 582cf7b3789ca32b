"""The command ``doctor``: what this service does where nobody published it, and what that means."""

import re
import sys
from collections.abc import Sequence
from io import StringIO
from typing import Final

from attrs import asdict

from netless_rooms._doctor.findings import Finding
from netless_rooms._doctor.probes import examine
from netless_rooms.cli.errors import ExitCode
from netless_rooms.cli.export import Columns, format_for, show
from netless_rooms.cli.options import FROM_ENVIRONMENT, FormatFlag, Settings, open_rooms
from netless_rooms.cli.output import is_terminal, progress, put, visible

FINDING: Final = Columns(fields=("name", "answer", "seen", "means"), shown={})
WIDTH: Final = 100  # columns, where nobody sees it in a terminal
# What the emulator has a switch for: the answers that need none, and those that it can be switched to.
DEFAULT_POLICY: Final = {
    "cursor": "inclusive",
    "order": "uuid",
    "page_cap": "none",
    "short_pages": "no",
    "unknown_begin": "seek",
    "envelope": "no",
    "regions": "shared",
    "disabled": "listed",
}
SWITCHES: Final = {
    "cursor": "exclusive",
    "order": "creation",
    "page_cap": "[0-9]+",
    "short_pages": "yes",
    "unknown_begin": "bad_request|not_found",
    "envelope": "yes",
    "regions": "apart",
    "disabled": "hidden",
}
FLAGS: Final = {"yes": "true"}


async def doctor(
    *,
    format: FormatFlag = None,  # noqa: A002  the flag's own name
    settings: Settings = FROM_ENVIRONMENT,
) -> int:
    """Find out what the service does where nobody published it, by reading only."""
    async with open_rooms(settings) as rooms:
        with progress() as tell:
            found = await examine(rooms, tell)
    found = (*found, emulation(found))
    if format_for(format) == "table":
        put(report(found))
    else:
        show([asdict(finding) for finding in found], FINDING, format)
    return ExitCode.SERVICE if any(finding.answer == "breaks" for finding in found) else ExitCode.DONE


def emulation(found: Sequence[Finding]) -> Finding:
    """Return how to emulate such a service, as far as it is known and there is a switch for it."""
    asked = [
        finding
        for finding in found
        if finding.name in DEFAULT_POLICY and finding.answer != DEFAULT_POLICY[finding.name]
    ]
    switched = [finding for finding in asked if re.fullmatch(SWITCHES[finding.name], finding.answer)]
    left = [finding.name for finding in asked if finding not in switched]
    flags = [f" --quirk {each.name}={FLAGS.get(each.answer, each.answer)}" for each in switched]
    return Finding(
        name="emulate",
        answer="with quirks" if flags else "as usual",
        seen=f"netless-rooms emulate{''.join(flags)}",
        means=f"as usual, for want of an answer or of a switch, in {', '.join(left)}" if left else "",
    )


def report(found: Sequence[Finding]) -> str:
    """Return all findings for people: what, the answer, and beside it by what it is told and what it means."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    *others, emulated = found
    is_seen = is_terminal(sys.stdout)
    written = StringIO()
    console = Console(file=written, force_terminal=is_seen, width=None if is_seen else WIDTH, highlight=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in others:
        told = Text(visible(finding.seen))
        if finding.means:
            told.append(f"\n{visible(finding.means)}", style="dim")
        table.add_row(Text(finding.name, style="bold"), Text(visible(finding.answer), style="cyan"), told)
    console.print(table)
    lines = [*written.getvalue().splitlines(), "", f"To emulate it{emulated.means and f', {emulated.means}'}:"]
    return "".join(f"{line.rstrip()}\n" for line in [*lines, emulated.seen])
