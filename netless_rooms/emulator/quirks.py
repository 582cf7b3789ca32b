"""Undocumented behaviour of the service as switches, and every rule of the emulator.  Pure."""

from typing import Final, Literal, get_args, get_origin

from attrs import fields, frozen

HOME_REGION: Final = "us-sv"  # of the rooms that no request created
MAX_PAGE: Final = 1000


@frozen(kw_only=True)
class Quirks:
    """One reading of what the service's page leaves open; each default is the most likely one.

    A client is right if it works under every reading, so run your tests under several.  Raises ``ValueError``
    for a value that is not listed here or a combination that no client could page through, ``TypeError`` for a
    flag that is not a ``bool`` or a ``page_cap`` that is not an ``int``.

    .. versionadded:: 0.1
    """

    cursor: Literal["inclusive", "exclusive"] = "inclusive"
    """A page from ``beginUUID`` starts with that room (``"inclusive"``) or after it."""
    order: Literal["uuid", "creation"] = "uuid"
    """Rooms come in the order of their UUIDs as text, or of their creation (the time inside the UUID)."""
    page_cap: int | None = None
    """No page is longer, whatever ``limit`` asks for: 1 to 1000, or 2 to 1000 with an inclusive cursor."""
    short_pages: bool = False
    """Pages end early, always alike for the same ``beginUUID``, but never without a new room if there is one."""
    envelope: bool = False
    """Every body, of failures too, is ``{"status": ..., "body": ...}``, as the service's page prints it."""
    unknown_begin: Literal["seek", "bad_request", "not_found"] = "seek"
    """A ``beginUUID`` that names no listed room: start at the next greater one, answer 400, or answer 404."""
    regions: Literal["shared", "apart"] = "shared"
    """All regions have the same rooms, or each those that were created there; generated rooms and those of
    ``add_room`` are in ``us-sv`` then."""
    missing_region: Literal["refused", "cn-hz"] = "refused"
    """Without the header ``region``, answer 400 or take the default of an older edition of the page.  The present
    edition requires the header, and refusing shows a test that it was forgotten."""
    unknown_region: Literal["refused", "served"] = "refused"
    """A region that is not one of the five documented ones: answer 400, or serve it.  Refusing shows a test a
    typing error such as ``us_sv``."""
    disabled: Literal["listed", "hidden"] = "listed"
    """Disabled rooms stay in the list, or leave it; either way, get and enable find them.

    With hidden ones, a walk that disables rooms as it goes loses none, but may end in an error, because its end
    cannot be proven.
    """
    record_default: Literal["off", "on_in_cn_hz"] = "off"
    """Without ``isRecord``, a new room is not recorded, or is recorded in ``cn-hz``, as one edition of the page
    says."""
    created_name: Literal["ignored", "kept", "replaces_app_uuid"] = "ignored"
    """The ``name`` of a create is ignored, or kept and sent with the room (``""`` if left out), beside or in place
    of ``appUUID``.  Kept names have at most 2,048 bytes."""

    def __attrs_post_init__(self) -> None:
        for switch in fields(type(self)):
            value, allowed = getattr(self, switch.name), get_args(switch.type)
            if get_origin(switch.type) is Literal and value not in allowed:
                raise ValueError(f"{switch.name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
            if switch.type is bool and not isinstance(value, bool):
                raise TypeError(f"{switch.name} must be a bool, not {type(value).__name__}")
        if self.page_cap is not None:
            self._check_page_cap(self.page_cap)

    def _check_page_cap(self, cap: int) -> None:
        if type(cap) is not int:
            raise TypeError(f"page_cap must be an int or None, not {type(cap).__name__}")
        if not 1 <= cap <= MAX_PAGE:
            raise ValueError(f"page_cap must be 1 to {MAX_PAGE}, not {cap}")
        if cap == 1 and self.cursor == "inclusive":
            raise ValueError(
                "page_cap must be at least 2 with an inclusive cursor: "
                "a page of one room would hold only the cursor and never advance"
            )


DEFAULT_QUIRKS: Final = Quirks()


@frozen
class Rule:
    """One thing that the emulator does.

    ``status`` is ``"documented"`` if the service's documentation or its authors' open code says so,
    ``"assumed"`` if it is undocumented.  ``quirk`` names the field of ``Quirks`` that selects another reading.

    .. versionadded:: 0.1
    """

    name: str
    text: str
    status: Literal["documented", "assumed"]
    quirk: str | None = None


def _documented(name: str, text: str, quirk: str | None = None) -> Rule:
    return Rule(name, text, "documented", quirk)


def _assumed(name: str, text: str, quirk: str | None = None) -> Rule:
    return Rule(name, text, "assumed", quirk)


RULES: Final[tuple[Rule, ...]] = (
    _documented("create", "POST /v5/rooms answers 201 with the new room."),
    _documented("create-defaults", "Without isRecord and limit, a room has false and 0.", "record_default"),
    _assumed("create-name", "A name in a create is ignored.", "created_name"),
    _documented("get", "GET /v5/rooms/{uuid} answers 200 with the room."),
    _documented("list", "GET /v5/rooms answers 200 with an array of rooms."),
    _documented("list-slash", "GET /v5/rooms/ is the same call, as in the page's sample."),
    _documented("set-ban", "PATCH /v5/rooms/{uuid} with isBan answers 201 with the changed room."),
    _assumed("set-ban-again", "Setting isBan to its present value changes nothing and answers 201."),
    _documented("room-members", "A room has exactly the members that the page lists."),
    _documented("room-members-old", "A room from before 2021 has a name and no appUUID."),
    _documented("room-uuid", "A uuid is a version-1 UUID, 32 lowercase hex digits without dashes."),
    _assumed("room-uuid-time", "The time inside the uuid is createdAt, to the millisecond."),
    _assumed("room-uuid-spelling", "A uuid with dashes or in upper case names the same room."),
    _documented("json", "Every body is JSON and says so in Content-Type."),
    _documented("bare", "A body is the bare room or array, without status around it.", "envelope"),
    _assumed("gzip", "A long body is compressed if the request accepts gzip."),
    _assumed("date", "Every response has the service's time in Date."),
    _assumed("cors", "A preflight is answered 200, and a page of any origin may read the responses."),
    _documented("failure-message", "A failure has a body with a message that gives the reason."),
    _assumed("no-path", "An unknown path answers 404, before the token is checked."),
    _assumed("no-method", "A method that the path does not have answers 405 and names those it has."),
    _documented("no-room", "A uuid that names no room answers 404."),
    _documented("token", "A request without a token answers 401."),
    _assumed("token-format", "A malformed token answers 401, invalid format of token."),
    _assumed("token-team", "A token of another access key answers 401, token access team forbidden."),
    _assumed("token-signature", "A wrongly signed token answers 401, invalid signature of token."),
    _assumed("token-expired", "A token at or past its expiry answers 401, expired token."),
    _documented("may-sdk-admin", "An SDK admin token may make all calls on rooms."),
    _documented("may-sdk-writer", "An SDK writer token may create, list and get, but not set-ban: 403."),
    _documented("may-room-admin", "A room admin token may get that room and set its isBan."),
    _documented("may-room-writer", "A room writer token may get that room, but not set-ban: 403."),
    _documented("may-reader", "A reader token may create, get, list and set-ban no room: 403."),
    _assumed("may-other-room", "A token for another room answers 403, token access room forbidden."),
    _assumed("may-room-list", "A room token may not list or create, whatever the list page says: 403."),
    _assumed("may-task", "A task token may make no call: 403."),
    _documented("sdk-token", "POST /v5/tokens/teams answers 201 with an SDK token, as a JSON string."),
    _assumed("sdk-token-keys", "An SDK token is for whoever has both keys, without a token: else 401."),
    _documented("room-token", "POST /v5/tokens/rooms/{uuid} answers 201 with a room token, as a JSON string."),
    _documented("token-role", "A token creates room tokens of an equal or lower role only: else 403."),
    _documented("token-lifespan", "lifespan is in milliseconds; 0 never expires."),
    _assumed("region", "A request without the header region answers 400.", "missing_region"),
    _assumed("region-known", "A region that is not documented answers 400.", "unknown_region"),
    _assumed("region-same", "All regions have the same rooms.", "regions"),
    _assumed("body-empty", "A create may leave out its body, and every request Content-Type."),
    _documented("body-object", "A body that is not a JSON object answers 400."),
    _assumed("body-exact", "isRecord and isBan must be booleans, limit an integer from 0: else 400."),
    _documented("body-ban-required", "Set-ban without isBan answers 400."),
    _assumed("body-unknown", "Members that the call does not have are ignored."),
    _assumed("body-size", "A body of more than 1 MiB answers 413, and is read to 16 MiB at most."),
    _assumed("body-late", "A body that is not complete after 10 s answers 408."),
    _documented("refused-unchanged", "A request that is refused creates and changes nothing."),
    _documented("page-limit", "limit is 1 to 1000, and 100 if left out."),
    _assumed("page-limit-wrong", "Any other limit, or several, answers 400."),
    _assumed("page-cap", "A page is as long as its limit allows, up to 1000 rooms.", "page_cap"),
    _assumed("page-full", "Only the last page is shorter than its limit.", "short_pages"),
    _documented("page-order", "Rooms come in the order of their uuids as text.", "order"),
    _assumed("page-begin", "A page starts with the room of beginUUID.", "cursor"),
    _assumed("page-begin-unknown", "A beginUUID without a room stands for the next greater one.", "unknown_begin"),
    _assumed("page-begin-empty", "An empty beginUUID counts as left out; several answer 400."),
    _assumed("page-disabled", "Disabled rooms stay listed.", "disabled"),
    _assumed("page-new", "A created room is listed at once, at its place in the order."),
)
"""All rules, grouped by subject.

.. versionadded:: 0.1
"""
