"""Removes tokens from text.  Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from traceback import format_exception
from typing import Final, TypeAlias

from netless_rooms._validation import TOKEN_PATTERN

REDACTED: Final = "NETLESS…"

Redact: TypeAlias = Callable[[str], str]

TELLING: Final = 12  # characters of a token in a row that must not be shown; fewer could be any word


def redact(text: str, token: str = "") -> str:
    """Return ``text`` without what looks like a token, and without ``token`` or any longer piece of it."""
    # Whole tokens first: without its beginning, another token would not be known for one any more.
    calm = TOKEN_PATTERN.sub(REDACTED, text)
    return calm if len(token) < TELLING else _without(token, calm)


def _without(token: str, text: str) -> str:
    secret = bytearray(len(text))
    for at in range(len(text) - TELLING + 1):
        if text[at : at + TELLING] in token:
            secret[at : at + TELLING] = b"\1" * TELLING
    runs = groupby(zip(secret, text, strict=True), key=itemgetter(0))
    return "".join(REDACTED if hide else _joined(run) for hide, run in runs)


def _joined(run: Iterable[tuple[int, str]]) -> str:
    return "".join(character for _, character in run)


def leaks(error: BaseException, redact: Redact) -> bool:
    """Whether a traceback of ``error``, or a repr in its chain, shows what ``redact`` removes."""
    shown = "".join([*format_exception(error), *map(repr, chain(error))])
    return redact(shown) != shown


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
