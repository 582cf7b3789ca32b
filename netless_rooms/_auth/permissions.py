"""Decides whether a token permits a call, by the permission table in the service's documentation.  Pure.

Another of its pages says that a room token may list rooms too; the table says that it may not, and is followed.
"""

from typing import Final

from netless_rooms._auth.tokens import Role, Token, TokenInfo, TokenKind
from netless_rooms.errors import TokenError
from netless_rooms.models import format_duration, same_uuid

ROLE_TO_DISABLE: Final = Role.ADMIN  # and to enable; every other call takes a writer's token too


def check_permission(token: Token, role: Role, room_uuid: str | None, now: float) -> None:
    """Raise ``TokenError`` if a call cannot succeed with ``token``; an unreadable token passes.

    ``role`` is the least that the call needs, ``room_uuid`` its room if it is for one, ``now`` seconds since 1970.
    """
    if token.info is None:
        return
    reason, left = _missing_permission(token.info, role, room_uuid), token.seconds_left(now)
    if reason:
        kinds = "an SDK token" if room_uuid is None else "an SDK token or a token for that room,"
        reason += f"; use {kinds} with role {'admin' if role is Role.ADMIN else 'writer or admin'}"
    elif left <= 0:
        expired = f"{token.info.expires_at:%Y-%m-%d %H:%M:%S} UTC, {format_duration(-left)} ago"
        reason = f"the token expired at {expired} by this machine's clock; use a new one, or correct the clock"
    if reason:
        raise TokenError(f"not sent, because {reason} (check_token=False skips this check)")


def _missing_permission(info: TokenInfo, role: Role, room_uuid: str | None) -> str:
    is_room = info.kind is TokenKind.ROOM
    refusals = (
        (info.kind is TokenKind.TASK, "a task token permits none of the calls"),
        (info.role is Role.READER, "a reader token permits none of the calls"),
        (is_room and room_uuid is None, "a room token is for that room only"),
        (is_room and not same_uuid(info.uuid or "", room_uuid or ""), "the token is for another room"),
        (info.role > role, f"a {info.role.name.lower()} token does not permit this call"),
    )
    return next((reason for applies, reason in refusals if applies), "")
