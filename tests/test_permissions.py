"""A call is refused here exactly when it cannot succeed, by the documented table."""

import math
from contextlib import suppress
from itertools import product
from typing import Any

import pytest

from netless_rooms import AccessKey, Role, TokenError, TokenKind
from netless_rooms._api.requests import ApiRequest, ban_room, create_room, get_room, list_rooms
from netless_rooms._auth.permissions import check_permission
from netless_rooms._auth.tokens import Token, issue_token
from samples import DASHED, UUID

KEY = AccessKey("ak-of-the-project", "sk-4cf1be07d9a25e38")
NOW = 1_600_000_000.0  # 2020-09-13 12:26:40 UTC
NOW_MS = 1_600_000_000_000
OTHER = "1d4a5c0089c611eaa629dbb375b5adfc"
MASKED = "0e6exxxxxx4d95"
SPELLINGS = [UUID, UUID.upper(), DASHED, DASHED.lower(), UUID[:4].upper() + UUID[4:]]
SDK, ROOM, TASK = TokenKind
ADMIN, WRITER, READER = Role
# The permission table of the service's documentation.  A task token has no row there: it is for another service.
MAY = {
    (SDK, ADMIN): "create get list disable enable",
    (SDK, WRITER): "create get list",
    (ROOM, ADMIN): "get disable enable",
    (ROOM, WRITER): "get",
    **dict.fromkeys([(SDK, READER), (ROOM, READER), (TASK, ADMIN), (TASK, WRITER), (TASK, READER)], ""),
}


def calls(uuid: str = UUID) -> dict[str, ApiRequest[Any]]:
    return {
        "create": create_room(limit=3),
        "get": get_room(uuid),
        "list": list_rooms(begin_uuid=uuid, limit=5),
        "disable": ban_room(uuid, is_ban=True),
        "enable": ban_room(uuid, is_ban=False),
    }


CALLS = calls()


def signed(kind: TokenKind = SDK, role: Role = ADMIN, *, uuid: str = UUID, ends: int | None = None) -> str:
    """Return a token that expires at ``ends``, in milliseconds."""
    return issue_token(KEY, kind, None if kind is SDK else uuid, role, ends).text


def passes(token: str, operation: ApiRequest[Any], now: float = NOW) -> bool:
    with suppress(TokenError):
        check_permission(Token.parse(token), operation.role, operation.room_uuid, now)
        return True
    return False


def permitted(token: str, uuid: str = UUID, now: float = NOW) -> str:
    return " ".join(call for call, operation in calls(uuid).items() if passes(token, operation, now))


def refusal(token: str, call: str, now: float = NOW) -> TokenError:
    with pytest.raises(TokenError) as caught:
        check_permission(Token.parse(token), CALLS[call].role, CALLS[call].room_uuid, now)
    return caught.value


def test_a_call_passes_exactly_when_the_table_says_so_however_the_room_is_spelled() -> None:
    assert {(kind, role): permitted(signed(kind, role)) for kind, role in product(TokenKind, Role)} == MAY
    for uuid, kind in product([OTHER, "a", UUID[:-1], f"{UUID}0", MASKED], (ROOM, TASK)):
        assert not permitted(signed(kind, uuid=uuid))
    for named, asked in product(SPELLINGS, SPELLINGS):
        assert permitted(signed(ROOM, uuid=named), asked) == MAY[ROOM, ADMIN]
    assert passes(signed(ROOM, uuid=MASKED), get_room(MASKED))
    assert not passes(signed(ROOM, uuid=MASKED.upper()), get_room(MASKED))  # no uuid, so it has one spelling


def test_a_token_that_is_unreadable_or_never_expires_is_left_to_the_service() -> None:
    assert repr(Token.parse("something")) == "Token(info=None)"
    for text in ("something", "NETLESSSDK_YWs9", "NETLESSTASK_" + "A" * 80, signed()):
        assert Token.parse(text).text == text
        for now in (-1e12, 0.0, NOW, math.inf, math.nan):
            assert permitted(text, now=now) == " ".join(CALLS)
            assert Token.parse(text).seconds_left(now) == math.inf


UNCHECKED = " (check_token=False skips this check)"
ONLY_ROOM = "a room token is for that room only"
ANY_WRITER = "use an SDK token with role writer or admin"
THAT_ROOM = "use an SDK token or a token for that room, with role"
ROOM_ADMIN = f"{THAT_ROOM} admin"
NO_ADMIN = f"a writer token does not permit this call; {ROOM_ADMIN}"


def test_the_error_says_what_is_lacking_or_when_the_token_expired() -> None:
    elsewhere = signed(ROOM, WRITER, uuid=OTHER)
    for token, call, words in [
        (signed(TASK, READER), "list", f"a task token permits none of the calls; {ANY_WRITER}"),
        (signed(TASK), "get", f"a task token permits none of the calls; {THAT_ROOM} writer or admin"),
        (signed(TASK), "enable", f"a task token permits none of the calls; {ROOM_ADMIN}"),
        (signed(SDK, READER), "create", f"a reader token permits none of the calls; {ANY_WRITER}"),
        (signed(ROOM, READER, uuid=OTHER), "disable", f"a reader token permits none of the calls; {ROOM_ADMIN}"),
        (signed(ROOM), "create", f"{ONLY_ROOM}; {ANY_WRITER}"),
        (elsewhere, "list", f"{ONLY_ROOM}; {ANY_WRITER}"),
        (elsewhere, "disable", f"the token is for another room; {ROOM_ADMIN}"),
        *((signed(ROOM, WRITER), "enable", NO_ADMIN), (signed(SDK, WRITER, ends=0), "disable", NO_ADMIN)),
    ]:
        assert str(refusal(token, call)) == f"not sent, because {words}{UNCHECKED}"
    assert passes(signed(ends=NOW_MS), CALLS["get"], math.nextafter(NOW, 0))
    for passed, ago in ((0.0, "0:00:00"), (0.6, "0:00:01"), (1e9, "11574 days, 1:46:40")):
        error = refusal(signed(ends=NOW_MS), "get", NOW + passed)
        when = f"2020-09-13 12:26:40 UTC, {ago} ago by this machine's clock"
        advice = f"use a new one, or correct the clock{UNCHECKED}"
        assert str(error) == f"not sent, because the token expired at {when}; {advice}"
