"""The command ``doctor``: undocumented behaviour of the service, and what it means."""

import re
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from typing import Final

from attrs import asdict

from netless_rooms._doctor.checks import Finding
from netless_rooms._doctor.probes import examine
from netless_rooms.cli import options as flags
from netless_rooms.cli.errors import ExitCode
from netless_rooms.cli.export import Columns, format_for, show
from netless_rooms.cli.output import hang, progress, put, visible

FINDING: Final = Columns(fields=("question", "verdict", "evidence", "meaning"))
QUIRKS: Final = {  # of the emulator: their defaults, and the verdicts that can be emulated
    "cursor": ("inclusive", "exclusive"),
    "order": ("uuid", "creation"),
    "page_cap": ("none", "[0-9]+"),
    "short_pages": ("no", "yes"),
    "unknown_begin": ("seek", "bad_request|not_found"),
    "envelope": ("no", "yes"),
    "regions": ("shared", "apart"),
    "disabled": ("listed", "hidden"),
}


async def doctor(
    *,
    format: flags.FormatFlag = None,  # noqa: A002  the flag's own name
    settings: flags.Settings = flags.FROM_ENVIRONMENT,
) -> int:
    async with flags.open_rooms(settings) as rooms:
        with progress() as tell:
            findings = await examine(rooms, tell)
    findings = (*findings, emulation(findings))
    if format_for(format) == "table":
        put(report(findings))
    else:
        show([asdict(finding) for finding in findings], FINDING, format)
    return ExitCode.SERVICE if any(finding.verdict == "breaks" for finding in findings) else ExitCode.DONE


def emulation(findings: Sequence[Finding]) -> Finding:
    """Return how to emulate the service, as far as its behaviour is known and the emulator has a quirk for it."""
    unusual = [each for each in findings if each.verdict != QUIRKS.get(each.question, [each.verdict])[0]]
    emulated = [each for each in unusual if re.fullmatch(QUIRKS[each.question][1], each.verdict)]
    rest = [each.question for each in unusual if each not in emulated]
    quirks = [f" --quirk {each.question}={each.verdict.replace('yes', 'true')}" for each in emulated]
    return Finding(
        question="emulate",
        verdict="with quirks" if quirks else "by default",
        evidence=f"netless-rooms emulate{''.join(quirks)}",
        meaning=f"default behaviour, because unknown or without a quirk: {', '.join(rest)}" if rest else "",
    )


def report(findings: Sequence[Finding]) -> str:
    """Return all findings as a table, with the evidence and the meaning beside each verdict."""
    *others, emulated = findings
    end = get_terminal_size().columns if sys.stdout.isatty() else 100
    width, verdict_width = (max(len(getattr(each, name)) for each in others) for name in ("question", "verdict"))
    lines = []
    for each in others:
        label = f"{each.question:{width}}  {visible(each.verdict):{verdict_width}}"
        lines.append(hang(label, visible(each.evidence), len(label), end))
        if each.meaning:
            lines.append(hang("", visible(each.meaning), len(label), end))
    note = f" ({emulated.meaning})" if emulated.meaning else ""
    return "".join([*lines, f"\nTo emulate this service{note}:\n{emulated.evidence}\n"])
