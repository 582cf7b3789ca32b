"""Removes tokens from text.  Pure."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from itertools import groupby
from traceback import format_exception
from typing import Final, TypeAlias

from netless_rooms._validation import TOKEN_PATTERN

REDACTED: Final = "NETLESS…"
MIN_SECRET: Final = 12  # characters in a row that are redacted; fewer could be any word
Redact: TypeAlias = Callable[[str], str]


def redact(text: str, token: str = "") -> str:
    """Return ``text`` without anything that looks like a token, and without ``token`` and its signature.

    Pieces of 12 characters or more are redacted too: who has the signature can guess the rest of a token.
    """
    # Whole tokens first: without its prefix, another token would not be recognized.
    text = TOKEN_PATTERN.sub(REDACTED, text)
    for secret in (token, *_signatures(token)):
        text = _without(secret, text)
    return text


def leaks(error: BaseException, redact: Redact) -> bool:
    """Whether a traceback of ``error``, or a repr in its chain, has anything that ``redact`` removes."""
    shown = "".join([*format_exception(error), *map(repr, chain(error))])
    return redact(shown) != shown


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _signatures(token: str) -> list[str]:
    """Return the signatures in ``token``, however malformed the rest of it is."""
    encoded = re.sub("[^A-Za-z0-9_-]", "", token.partition("_")[2])
    encoded = encoded[: len(encoded) - (len(encoded) % 4 == 1)]  # such a last character has too few bits to decode
    pairs = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("latin-1")
    return re.findall("sig=([^&]+)", pairs)


def _without(secret: str, text: str) -> str:
    if len(secret) < MIN_SECRET:
        return text
    secret, is_secret = secret.lower(), bytearray(len(text))
    for start in range(len(text) - MIN_SECRET + 1):
        if text[start : start + MIN_SECRET].lower() in secret:  # HTTP lowers the names of headers
            is_secret[start : start + MIN_SECRET] = b"\1" * MIN_SECRET
    runs = groupby(range(len(text)), key=is_secret.__getitem__)
    return "".join(REDACTED if hidden else "".join(text[at] for at in run) for hidden, run in runs)
