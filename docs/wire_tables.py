"""Writes the tables of the page *On the wire*: every name that the service has, ours beside it, and the source.

Names, types and meanings are taken from the package; only what the package cannot know stands here, which is where
a thing is documented.  A test sends real requests and compares, so nothing can be missing or too much.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from netless_rooms import Room
from netless_rooms._api.decoding import WIRE_NAMES

# JSON's word for a type, and ours.
ON_THE_WIRE: Final[Mapping[Any, str]] = {
    str: "string",
    str | None: "string, or left out",
    bool: "boolean",
    int: "integer",
    datetime: "string: UTC, ISO 8601, ms, `Z`",
}
HERE: Final[Mapping[Any, str]] = {
    str: "`str`",
    str | None: "`str` or `None`",
    bool: "`bool`",
    int: "`int`",
    datetime: "`datetime`, aware, UTC",
}

ROOM_SOURCES: Final = {
    "uuid": "page; its form: samples",
    "teamUUID": "page",
    "appUUID": "page; not in samples before 2021",
    "name": "older samples, code; not on the page",
    "isRecord": "page",
    "isBan": "page",
    "createdAt": "page",
    "limit": "page",
}

# (place, name): (calls, here, type and rule, source)
REQUEST: Final = {
    ("header", "token"): (
        "all",
        "`token=`",
        "string: an SDK token, or a room token for `get` and `PATCH`",
        "page",
    ),
    ("header", "region"): ("all", "`region=`", "string: {py:class}`~netless_rooms.Region` or another", "page"),
    ("header", "content-type"): ("all", "", "`application/json`", "page"),
    ("header", "accept"): ("all", "", "`application/json`", "our choice"),
    ("header", "accept-encoding"): ("all", "", "`gzip`", "our choice"),
    ("header", "user-agent"): ("all", "", "`netless_rooms/` and the version", "our choice"),
    ("path", "{uuid}"): ("`get`, `disable`, `enable`", "`uuid`", "string", "page"),
    ("query", "beginUUID"): ("`list`", "`begin_uuid=`; the cursor of a walk", "string", "page"),
    ("query", "limit"): ("`list`", "`limit=`, `page_size=`", "integer, 1 to 1000; left out: 100", "page"),
    ("body", "isRecord"): ("`create`", "`is_record=`", "boolean, optional; “not supported yet”", "page"),
    ("body", "limit"): ("`create`", "`limit=`", "integer from 0, optional; users, 0 is no maximum", "page"),
    ("body", "isBan"): ("`disable`, `enable`", "which of the two", "boolean, required", "page"),
}

# What is read of an answer besides the rooms in it.
ANSWER: Final = [
    (
        "status",
        "",
        "`status` of a {py:exc}`~netless_rooms.StatusError`",
        "integer; 200 and 201 are a success",
        "page",
    ),
    ("body", "`message`", "`message` of a {py:exc}`~netless_rooms.StatusError`", "string, of a failure", "page"),
    ("body", "`msg`", "the same, if there is no `message`", "string", "other versions of the service"),
    (
        "body",
        "`status`, `body`",
        "taken off, if they are all there is",
        "integer, and the true body",
        "page, in print",
    ),
    (
        "header",
        "`Retry-After`",
        "`retry_after` of a {py:exc}`~netless_rooms.StatusError`",
        "seconds or a date; here seconds",
        "HTTP",
    ),
    ("header", "`Date`", "how far the clocks are apart, in the text of an error", "date", "HTTP"),
    ("header", "`Location`", "named in the error: redirects are refused", "address", "HTTP"),
]

# of a token, behind its prefix
TOKEN: Final = {
    "ak": ("`access_key`", "string", "code"),
    "nonce": ("`nonce`", "string, unique", "code"),
    "role": ("`role`", "`0` admin, `1` writer, `2` reader; here a {py:class}`~netless_rooms.Role`", "code"),
    "uuid": ("`uuid`", "string, of a room or a task; not in an SDK token", "code"),
    "expireAt": ("`expires_at`, from `lifetime=`", "milliseconds since the epoch; here a `datetime`", "code"),
    "sig": ("made from `secret_key`", "64 hex digits: HMAC-SHA256 of the others, as JSON", "code"),
}


def room() -> Iterator[str]:
    """Write the fields of a room."""
    from sphinx.pycode import ModuleAnalyzer  # not above, so that a test can compare without it

    meanings = ModuleAnalyzer.for_module(Room.__module__).find_attr_docs()
    types = {field.name: field.type for field in attrs.fields(Room)}
    yield from _head("on the wire", "here", "meaning", "source")
    for name, wire in WIRE_NAMES.items():
        kind = types[name]
        meaning = " ".join(meanings[Room.__name__, name]).strip()
        here = f"{{py:attr}}`~netless_rooms.Room.{name}`"
        yield _row(f"`{wire}`<br>{ON_THE_WIRE[kind]}", f"{here}<br>{HERE[kind]}", meaning, ROOM_SOURCES[wire])


def request() -> Iterator[str]:
    """Write what a request has."""
    yield from _head("on the wire", "calls", "here", "type and rule", "source")
    for (place, name), (calls, here, rule, source) in REQUEST.items():
        yield _row(f"{place}<br>`{name}`", calls, here, rule, source)


def answer() -> Iterator[str]:
    """Write what is read of an answer."""
    yield from _head("on the wire", "here", "type and unit", "source")
    for place, name, *told in ANSWER:
        yield _row(f"{place}<br>{name}" if name else place, *told)


def token() -> Iterator[str]:
    """Write the pairs in a token."""
    yield from _head("on the wire", "here", "type and unit", "source")
    for name, told in TOKEN.items():
        yield _row(f"`{name}`", *told)


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


TABLES: Final[Mapping[str, Callable[[], Iterator[str]]]] = {
    "room": room,
    "request": request,
    "answer": answer,
    "token": token,
}
