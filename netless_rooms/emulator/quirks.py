"""What nobody published about the service, as switches of the emulator."""

from typing import Final, Literal, get_args
from zlib import crc32

from attrs import frozen

Cursor = Literal["inclusive", "exclusive"]
Order = Literal["uuid", "creation"]
UnknownBegin = Literal["seek", "bad_request", "not_found"]
Regions = Literal["shared", "apart"]
Disabled = Literal["listed", "hidden"]

LONGEST_PAGE: Final = 1000
DEFAULT_PAGE: Final = 100


@frozen(kw_only=True)
class Quirks:
    """One reading of what the service's page leaves open; the defaults are the likeliest.

    A client is right if it works under every reading, so run your tests under several.  Raises ``ValueError``
    for a value that is not listed here or a combination that no client could walk, ``TypeError`` for a flag
    that is not a ``bool`` or a ``page_cap`` that is not an ``int``.

    .. versionadded:: 0.1
    """

    cursor: Cursor = "inclusive"
    """Whether a page from ``beginUUID`` holds that room itself (``"inclusive"``) or starts behind it."""
    order: Order = "uuid"
    """Rooms come in the order of their UUIDs as text, or of their creation (the time inside the UUID)."""
    page_cap: int | None = None
    """No page is longer, whatever ``limit`` asks: 1 to 1000, or 2 to 1000 with an inclusive cursor."""
    short_pages: bool = False
    """Pages end early, always alike for the same ``beginUUID``, but never without a room to go on from."""
    envelope: bool = False
    """Every answer, failures too, is ``{"status": ..., "body": ...}``, as the service's page prints it."""
    unknown_begin: UnknownBegin = "seek"
    """A ``beginUUID`` that names no listed room: go on at the next greater one, answer 400, or answer 404."""
    regions: Regions = "shared"
    """All regions have the same rooms, or each those that were created there; the rooms of the start and those of
    ``add_room`` are in ``us-sv`` then."""
    disabled: Disabled = "listed"
    """Disabled rooms stay in the list, or leave it; either way they can be got and enabled.

    A walk that disables the rooms where it stands loses none then, but may end in an error, because its end cannot
    be shown.
    """

    def __attrs_post_init__(self) -> None:
        _one_of("cursor", self.cursor, get_args(Cursor))
        _one_of("order", self.order, get_args(Order))
        _one_of("unknown_begin", self.unknown_begin, get_args(UnknownBegin))
        _one_of("regions", self.regions, get_args(Regions))
        _one_of("disabled", self.disabled, get_args(Disabled))
        for name in ("short_pages", "envelope"):
            if not isinstance(value := getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
        if self.page_cap is not None:
            self._check_page_cap(self.page_cap)

    def _check_page_cap(self, cap: int) -> None:
        if type(cap) is not int:
            raise TypeError(f"page_cap must be an int or None, not {type(cap).__name__}")
        if not 1 <= cap <= LONGEST_PAGE:
            raise ValueError(f"page_cap must be 1 to {LONGEST_PAGE}, not {cap}")
        if cap == 1 and self.cursor == "inclusive":
            raise ValueError(
                "page_cap must be at least 2 with an inclusive cursor: "
                "a page of one room would hold only the cursor and never advance"
            )


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")


LIKELIEST: Final = Quirks()


def page_size(quirks: Quirks, begin: str | None, limit: int) -> int:
    """Return how many rooms a page from ``begin`` holds, if so many are left."""
    size = min(limit, quirks.page_cap or limit)
    if not quirks.short_pages:
        return size
    least = min(size, 2 if begin is not None and quirks.cursor == "inclusive" else 1)
    return least + crc32((begin or "").encode(errors="replace")) % (size - least + 1)
