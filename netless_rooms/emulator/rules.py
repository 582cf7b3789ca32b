"""Everything that the emulator does, rule by rule, and how sure it is that the real service does the same."""

from typing import Final, Literal

from attrs import frozen


@frozen
class Rule:
    """One thing that the emulator does.

    ``status`` is ``"documented"`` if the service's documentation or its authors' open code says so,
    ``"assumed"`` if nobody published it and the emulator does what is likeliest.  ``quirk`` names the field
    of ``Quirks`` that switches to another reading, ``None`` if there is none.

    .. versionadded:: 0.1
    """

    name: str
    text: str
    status: Literal["documented", "assumed"]
    quirk: str | None = None


RULES: Final[tuple[Rule, ...]] = (
    Rule("create", "POST /v5/rooms answers 201 with the new room.", "documented"),
    Rule("create-defaults", "Without isRecord and limit, a room has false and 0.", "documented"),
    Rule("get", "GET /v5/rooms/{uuid} answers 200 with the room.", "documented"),
    Rule("list", "GET /v5/rooms answers 200 with an array of rooms.", "documented"),
    Rule("list-slash", "GET /v5/rooms/ is the same call, as the page's sample prints it.", "documented"),
    Rule("set-ban", "PATCH /v5/rooms/{uuid} with isBan answers 201 with the changed room.", "documented"),
    Rule("set-ban-again", "Setting isBan to what it is already changes nothing and answers 201.", "assumed"),
    Rule("room-members", "A room has exactly the members that the page lists.", "documented"),
    Rule("room-members-old", "A room from before 2021 has a name and no appUUID.", "documented"),
    Rule("room-uuid", "A uuid is a version-1 UUID, 32 lowercase hex digits without dashes.", "documented"),
    Rule("room-uuid-time", "The time inside the uuid is createdAt, to the millisecond.", "assumed"),
    Rule("json", "Every body is JSON and says so in Content-Type.", "documented"),
    Rule("bare", "A body is the bare room or array, without status around it.", "documented", "envelope"),
    Rule("gzip", "A long body is compressed if the request accepts gzip.", "assumed"),
    Rule("date", "Every answer tells the service's time in Date.", "assumed"),
    Rule("failure-message", "A failure has a body with a message that tells the reason.", "documented"),
    Rule("no-path", "An unknown path answers 404, before the token is looked at.", "assumed"),
    Rule("no-method", "A method that the path does not have answers 405 and names those it has.", "assumed"),
    Rule("no-room", "A uuid that names no room answers 404, in get and in set-ban.", "documented"),
    Rule("token", "A request without a token answers 401.", "documented"),
    Rule("token-format", "A malformed token answers 401, invalid format of token.", "assumed"),
    Rule("token-team", "A token of another access key answers 401, token access team forbidden.", "assumed"),
    Rule("token-signature", "A wrongly signed token answers 401, invalid signature of token.", "assumed"),
    Rule("token-expired", "A token at or past its end answers 401, expired token.", "assumed"),
    Rule("may-sdk-admin", "An SDK admin token may make all four calls.", "documented"),
    Rule("may-sdk-writer", "An SDK writer token may create, list and get, but not set-ban: 403.", "documented"),
    Rule("may-room-admin", "A room admin token may get that room and set its isBan.", "documented"),
    Rule("may-room-writer", "A room writer token may get that room, but not set-ban: 403.", "documented"),
    Rule("may-reader", "A reader token may make none of the calls: 403.", "documented"),
    Rule("may-other-room", "A token for another room answers 403, token access room forbidden.", "assumed"),
    Rule("may-room-list", "A room token may not list or create, whatever the list page says: 403.", "assumed"),
    Rule("may-task", "A task token may make none of the calls: 403.", "assumed"),
    Rule("region", "A request without the header region answers 400.", "assumed"),
    Rule("region-any", "Every region that is not empty is served.", "assumed"),
    Rule("region-same", "All regions have the same rooms.", "assumed", "regions"),
    Rule("body-object", "A body that is not a JSON object answers 400.", "documented"),
    Rule("body-exact", "isRecord and isBan must be booleans, limit an integer from 0: else 400.", "assumed"),
    Rule("body-ban-required", "Set-ban without isBan answers 400.", "documented"),
    Rule("body-unknown", "Members that the call does not have are ignored.", "assumed"),
    Rule("refused-unchanged", "A request that is refused creates and changes nothing.", "documented"),
    Rule("page-limit", "limit is 1 to 1000, and 100 if left out.", "documented"),
    Rule("page-limit-wrong", "Any other limit, or several, answers 400.", "assumed"),
    Rule("page-cap", "A page is as long as its limit allows, up to 1000 rooms.", "assumed", "page_cap"),
    Rule("page-full", "Only the last page is shorter than its limit.", "assumed", "short_pages"),
    Rule("page-order", "Rooms come in the order of their uuids as text.", "documented", "order"),
    Rule("page-begin", "A page holds the room of beginUUID and those behind it.", "assumed", "cursor"),
    Rule(
        "page-begin-unknown",
        "A beginUUID that names no room is as the next greater one.",
        "assumed",
        "unknown_begin",
    ),
    Rule("page-begin-empty", "An empty beginUUID is as none; several answer 400.", "assumed"),
    Rule("page-disabled", "Disabled rooms stay listed.", "assumed", "disabled"),
    Rule("page-new", "A created room is listed at once, at its place in the order.", "assumed"),
)
"""All rules, grouped by what they are about.

.. versionadded:: 0.1
"""
