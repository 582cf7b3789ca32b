"""What answers tell about what nobody published, whatever they are about: values, and how they come about.  Pure.

No finding holds a uuid, a name or a value that the service sent, so a report of them can be shown around: only
figures, statuses, and names of fields and headers.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Final

from attrs import field, frozen

from netless_rooms._api.responses import SKEW_TOLERANCE, excerpt, read_date
from netless_rooms._auth.redaction import redact
from netless_rooms._auth.tokens import Role, TokenInfo
from netless_rooms.models import format_duration

UNKNOWN: Final = "unknown"
MOST_NAMES: Final = 20  # of fields or headers, in one finding
FIGURES: Final = ("ratelimit", "rate-limit", "retry-after")  # in names of headers that tell how often one may ask
LONGEST_FIGURE: Final = 10  # digits
NOT_FOUND: Final = 404


@frozen(kw_only=True)
class Finding:
    """What was found out about one thing."""

    name: str
    """The thing; where the emulator has a quirk for it, as that is called."""
    answer: str
    """In a word or two, of the same few each time; where there is a quirk, in its words."""
    seen: str
    """By what it is told."""
    means: str = ""
    """What follows for those who walk, scan or make many calls."""


@frozen(kw_only=True)
class Reply:
    """What is kept of an answer."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    seconds: float
    """How long it took."""
    is_enveloped: bool
    arrived: float
    """When, by this machine's clock, in seconds since the epoch."""


def token(told: TokenInfo | None, *, can_renew: bool) -> Finding:
    """Return what the token says about itself; ``can_renew`` if there is another one for calls that need more."""
    if told is None:
        return Finding(name="token", answer=UNKNOWN, seen="what it is for cannot be read from it")
    end = "never ends" if told.expires_at is None else f"ends at {told.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if can_renew:
        means = "it was made for this, and other calls get their own"
    elif told.role is Role.ADMIN:
        means = "it may make all calls"
    else:
        means = "it may create, get and list, but neither disable nor enable"
    return Finding(
        name="token",
        answer=f"{told.kind} {told.role.name.lower()}",
        seen=f"one of the project, which {end}",
        means=means,
    )


def clock(replies: Iterable[Reply]) -> Finding:
    """Return how far this machine's clock is from the service's."""
    dates = [(reply, date) for reply in replies if (date := read_date(reply.headers.get("date", ""))) is not None]
    if not dates:
        return Finding(name="clock", answer=UNKNOWN, seen="no answer tells the service's time")
    ahead = median(reply.arrived - date.timestamp() for reply, date in dates)
    if abs(ahead) < SKEW_TOLERANCE:
        return Finding(
            name="clock",
            answer="right",
            seen=f"this machine's is within {SKEW_TOLERANCE} s of the service's",
        )
    return Finding(
        name="clock",
        answer="ahead" if ahead > 0 else "behind",
        seen=f"this machine's is {format_duration(abs(ahead))} off the service's",
        means="set it right: tokens that are made here end too early or too late",
    )


def envelope(replies: Iterable[Reply]) -> Finding:
    """Return whether answers are bare."""
    is_enveloped = any(reply.is_enveloped for reply in replies)
    return Finding(
        name="envelope",
        answer="yes" if is_enveloped else "no",
        seen="an answer has its status and body side by side" if is_enveloped else "an answer is the bare body",
    )


def headers(replies: Sequence[Reply]) -> Finding:
    """Return which headers come back; of values only numbers that tell how often one may ask."""
    found: dict[str, str] = {}
    for reply in replies:
        for name, value in reply.headers.items():
            is_figure = value.isascii() and value.isdigit() and len(value) <= LONGEST_FIGURE
            found[name.lower()] = f"={value}" if is_figure and _tells_limits(name) else ""
    names = names_of(f"{name}{value}" for name, value in sorted(found.items()))
    limits = [name for name in found if _tells_limits(name)]
    return Finding(
        name="headers",
        answer="with limits" if limits else "no limits",
        seen=names or "none",
        means="take a rate for many calls by them" if limits else "nothing tells how often you may ask",
    )


def failure(status: int | None, reason: str | None) -> Finding:
    """Return what came back from asking for a room that there is not; no ``status`` if no failure."""
    if status is None:
        return Finding(
            name="failure",
            answer=UNKNOWN,
            seen="for a room that there is not, no failure came",
        )
    as_documented = "as documented" if status == NOT_FOUND else f"not {NOT_FOUND} as documented"
    return Finding(
        name="failure",
        answer=str(status),
        seen=f"for a room that there is not, {as_documented}, {'with' if reason else 'without'} a reason",
        means="" if reason else "errors show the beginning of the answer in its place",
    )


def requests(count: int, replies: Sequence[Reply]) -> Finding:
    """Return how many requests all of this took, and how long an answer."""
    methods = names_of(sorted({reply.method for reply in replies}))
    each = median(reply.seconds for reply in replies)
    return Finding(
        name="requests",
        answer=f"{count}",
        seen=f"all of them {methods}; half of the answers took less than {each:.3f} s",
    )


def _tells_limits(header: str) -> bool:
    return any(word in header.lower() for word in FIGURES)


def rooms_of(count: int) -> str:
    """Return a number of rooms for people."""
    return "1 room" if count == 1 else f"{count} rooms"


def names_of(names: Iterable[str]) -> str:
    """Return the first of ``names``, none of which shows a token."""
    told = [excerpt(name, redact) for name in names]
    more = [f"and {len(told) - MOST_NAMES} more"] * (len(told) > MOST_NAMES)
    return ", ".join([*told[:MOST_NAMES], *more])
