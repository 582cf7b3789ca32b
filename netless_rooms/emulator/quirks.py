"""Undocumented behaviour of the service as switches, and every rule of the emulator.  Pure."""

from typing import Final, Literal, get_args, get_origin

from attrs import fields, frozen

HOME_REGION: Final = "us-sv"  # of the rooms that no request created
MAX_PAGE: Final = 1000


@frozen(kw_only=True)
class Quirks:
    """Undocumented behaviour of the service; each default is the most likely one.

    Run your tests with several.  Raises ``ValueError`` for an unlisted value or a combination that no client could
    page through, ``TypeError`` for a wrong type.
    """

    cursor: Literal["inclusive", "exclusive"] = "inclusive"
    """A page from ``beginUUID`` starts with that room (``"inclusive"``) or after it."""
    order: Literal["uuid", "creation"] = "uuid"
    """Rooms are in the order of their UUIDs as text, or of their creation (the time inside the UUID)."""
    page_cap: int | None = None
    """The maximum length of a page, whatever the ``limit``: 1 to 1000, or 2 to 1000 with an inclusive cursor."""
    short_pages: bool = False
    """Pages end early, always at the same room for the same ``beginUUID``, but have a new room if there is one."""
    envelope: bool = False
    """Every body, also of a failure, is ``{"status": ..., "body": ...}``, as printed on the service's page."""
    unknown_begin: Literal["seek", "bad_request", "not_found"] = "seek"
    """A ``beginUUID`` that names no listed room: start at the next greater one, answer 400, or answer 404."""
    regions: Literal["shared", "apart"] = "shared"
    """All regions have the same rooms, or each only those created there; generated rooms and those of
    ``add_room`` are then in ``us-sv``."""
    missing_region: Literal["refused", "cn-hz"] = "refused"
    """Without the header ``region``, answer 400, as in the current edition of the page, so that a test catches
    the omission; or use the default of an older edition."""
    unknown_region: Literal["refused", "served"] = "refused"
    """An undocumented region: answer 400, so that a test catches a typing error such as ``us_sv``, or serve it."""
    disabled: Literal["listed", "hidden"] = "listed"
    """Disabled rooms stay in the list, or leave it; either way, get and enable find them.

    If they leave it, a walk that disables rooms loses none, but may raise an error: its end cannot be proven.
    """
    record_default: Literal["off", "on_in_cn_hz"] = "off"
    """Without ``isRecord``, a new room is not recorded, or is in ``cn-hz``, as one edition of the page says."""
    created_name: Literal["ignored", "kept", "replaces_app_uuid"] = "ignored"
    """The ``name`` of a create is ignored, or kept and sent with the room (``""`` by default), in addition to or
    instead of ``appUUID``.  Kept names have at most 2,048 bytes."""

    def __attrs_post_init__(self) -> None:
        for switch in fields(type(self)):
            value, allowed = getattr(self, switch.name), get_args(switch.type)
            if get_origin(switch.type) is Literal and value not in allowed:
                raise ValueError(f"{switch.name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
            if switch.type is bool and not isinstance(value, bool):
                raise TypeError(f"{switch.name} must be a bool, not {type(value).__name__}")
        cap, least = self.page_cap, 2 if self.cursor == "inclusive" else 1  # or a page would hold only the cursor
        if cap is not None and type(cap) is not int:
            raise TypeError(f"page_cap must be an int or None, not {type(cap).__name__}")
        if cap is not None and not least <= cap <= MAX_PAGE:
            raise ValueError(f"page_cap must be {least} to {MAX_PAGE} with an {self.cursor} cursor, not {cap}")


DEFAULT_QUIRKS: Final = Quirks()
DOCUMENTED: Final = "documented"
ASSUMED: Final = "assumed"


@frozen
class Rule:
    """One thing that the emulator does."""

    name: str
    text: str
    status: Literal["documented", "assumed"]
    """``"documented"`` if the service's documentation or its authors' open code says so."""
    quirk: str | None = None  #: The field of ``Quirks`` that selects another reading.


RULES: Final[tuple[Rule, ...]] = (
    Rule("create", "POST /v5/rooms answers 201 with the new room.", DOCUMENTED),
    Rule("create-defaults", "Without isRecord and limit, a room has false and 0.", DOCUMENTED, "record_default"),
    Rule("create-name", "A name in a create is ignored.", ASSUMED, "created_name"),
    Rule("get", "GET /v5/rooms/{uuid} answers 200 with the room.", DOCUMENTED),
    Rule("list", "GET /v5/rooms, also with a final slash, answers 200 with an array of rooms.", DOCUMENTED),
    Rule("set-ban", "PATCH /v5/rooms/{uuid} with isBan answers 201 with the changed room.", DOCUMENTED),
    Rule("set-ban-again", "Setting isBan to its present value changes nothing and answers 201.", ASSUMED),
    Rule("room-members", "A room has the members that the page lists; before 2021 name, not appUUID.", DOCUMENTED),
    Rule("room-uuid", "A uuid is a version-1 UUID, 32 lowercase hex digits without dashes.", DOCUMENTED),
    Rule("room-uuid-time", "The time inside the uuid is createdAt, to the millisecond.", ASSUMED),
    Rule("room-uuid-spelling", "A uuid with dashes or in upper case names the same room.", ASSUMED),
    Rule("json", "Every body is JSON and says so in Content-Type.", DOCUMENTED),
    Rule("bare", "A body is the bare room or array, without status around it.", DOCUMENTED, "envelope"),
    Rule("date", "Every response has the service's time in Date.", ASSUMED),
    Rule("cors", "A preflight is answered 200, and a page of any origin may read the responses.", ASSUMED),
    Rule("failure-message", "A failure has a body with a message that gives the reason.", DOCUMENTED),
    Rule("no-path", "An unknown path answers 404, before the token is checked.", ASSUMED),
    Rule("no-method", "A method that the path does not have answers 405 and names those it has.", ASSUMED),
    Rule("no-room", "A uuid that names no room answers 404.", DOCUMENTED),
    Rule("token", "A request without a token answers 401.", DOCUMENTED),
    Rule("token-format", "A malformed token answers 401, invalid format of token.", ASSUMED),
    Rule("token-team", "A token of another access key answers 401, token access team forbidden.", ASSUMED),
    Rule("token-signature", "A wrongly signed token answers 401, invalid signature of token.", ASSUMED),
    Rule("token-expired", "A token at or past its expiry answers 401, expired token.", ASSUMED),
    Rule("may-sdk", "An SDK admin token may make all calls on rooms, a writer all but set-ban: 403.", DOCUMENTED),
    Rule("may-room", "A room admin token may get that room and set its isBan, a writer only get it.", DOCUMENTED),
    Rule("may-reader", "A reader token may create, get, list and set-ban no room: 403.", DOCUMENTED),
    Rule("may-other-room", "A token for another room answers 403, token access room forbidden.", ASSUMED),
    Rule("may-room-list", "A room token may not list or create, whatever the list page says: 403.", ASSUMED),
    Rule("may-task", "A task token may make no call: 403.", ASSUMED),
    Rule("sdk-token", "POST /v5/tokens/teams answers 201 with an SDK token, a JSON string.", DOCUMENTED),
    Rule("sdk-token-keys", "An SDK token needs both keys, and no token: else 401.", ASSUMED),
    Rule("room-token", "POST /v5/tokens/rooms/{uuid} answers 201 with a room token, a JSON string.", DOCUMENTED),
    Rule("token-role", "A token creates room tokens of an equal or lower role only: else 403.", DOCUMENTED),
    Rule("token-lifespan", "lifespan is in milliseconds; 0 never expires.", DOCUMENTED),
    Rule("region", "A request without the header region answers 400.", ASSUMED, "missing_region"),
    Rule("region-known", "A region that is not documented answers 400.", ASSUMED, "unknown_region"),
    Rule("region-same", "All regions have the same rooms.", ASSUMED, "regions"),
    Rule("body-lenient", "A create needs no body, a body no Content-Type; unknown members are ignored.", ASSUMED),
    Rule("body-object", "A body that is not a JSON object, or a set-ban without isBan, answers 400.", DOCUMENTED),
    Rule("body-exact", "isRecord and isBan must be booleans, limit an integer from 0: else 400.", ASSUMED),
    Rule("body-size", "A body of over 1 MiB answers 413; it is read to 16 MiB, and for 10 s: then 408.", ASSUMED),
    Rule("refused-unchanged", "A request that is refused creates and changes nothing.", DOCUMENTED),
    Rule("page-limit", "limit is 1 to 1000, and 100 if left out.", DOCUMENTED),
    Rule("page-limit-wrong", "Any other limit, or several, answers 400.", ASSUMED),
    Rule("page-cap", "A page is as long as its limit allows, up to 1000 rooms.", ASSUMED, "page_cap"),
    Rule("page-full", "Only the last page is shorter than its limit.", ASSUMED, "short_pages"),
    Rule("page-order", "Rooms are in the order of their uuids as text.", DOCUMENTED, "order"),
    Rule("page-begin", "A page starts with the room of beginUUID.", ASSUMED, "cursor"),
    Rule("page-begin-unknown", "An unknown beginUUID stands for the next greater one.", ASSUMED, "unknown_begin"),
    Rule("page-begin-empty", "An empty beginUUID counts as left out; several answer 400.", ASSUMED),
    Rule("page-disabled", "Disabled rooms stay listed.", ASSUMED, "disabled"),
    Rule("page-new", "A created room is listed at once, at its place in the order.", ASSUMED),
)
"""All rules, grouped by subject."""
