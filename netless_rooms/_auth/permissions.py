"""What a token allows, and whether that is enough for a call.  Pure: the time is an argument.

Source of who may do what: the permission table in the service's documentation.  One of its pages says that a room
token may list rooms too; the table says that it may not, and is followed here.
"""

from math import inf

from attrs import field, frozen

from netless_rooms._auth.redaction import redact
from netless_rooms._auth.tokens import Role, TokenInfo, TokenKind, read_signature, read_token
from netless_rooms.errors import TokenError
from netless_rooms.models import format_duration, same_uuid


@frozen(eq=False)
class Token:
    """A token as it goes out, with what it says about itself; its repr does not show it.

    Compared by identity: a token that was got anew is another one, even if its text is the same.
    """

    text: str = field(repr=False)
    told: TokenInfo | None
    signature: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> "Token":
        """Return the token that is spelled so; ``told`` is ``None`` if that cannot be read."""
        try:
            return cls(text, read_token(text), read_signature(text))
        except TokenError:
            return cls(text, None)

    def redact(self, words: str) -> str:
        """Return ``words`` without this token, any longer piece of it, or what looks like another.

        Its signature alone is cut out too: all else of a token can be guessed from what it is for.
        """
        return redact(redact(words, self.text), self.signature)

    def seconds_left(self, now: float) -> float:
        """Return how long it is good for at ``now``, in seconds since the epoch; endless if it does not say."""
        if self.told is None or self.told.expires_at is None:
            return inf
        return self.told.expires_at.timestamp() - now


def check_permission(token: Token, role: Role, room_uuid: str | None, now: float) -> None:
    """Raise ``TokenError`` if ``token`` does not allow a call; one that cannot be read passes.

    The call needs ``role`` at least and is about ``room_uuid``, or about no single room.  ``now`` is in seconds
    since the epoch.
    """
    if token.told is None:
        return
    left = token.seconds_left(now)
    if lacking := _lacking(token.told, role, room_uuid):
        why = f"{lacking}; use {_enough(role, room_uuid)}"
    elif left <= 0:
        ended = f"{token.told.expires_at:%Y-%m-%d %H:%M:%S} UTC, {format_duration(-left)} ago"
        why = f"the token expired at {ended} by this machine's clock; use a new one, or set the clock right"
    else:
        return
    raise TokenError(f"not sent, because {why} (check_token=False leaves it to the service)")


def _lacking(told: TokenInfo, role: Role, room_uuid: str | None) -> str:
    """Return what the token lacks, whatever the time; empty if nothing."""
    if told.kind is TokenKind.TASK:
        return "a task token may make none of the calls"
    if told.role is Role.READER:
        return "a reader's token may make none of the calls"
    if told.kind is TokenKind.ROOM and room_uuid is None:
        return "a room token is for that room, not for all of them"
    if told.kind is TokenKind.ROOM and not same_uuid(told.uuid or "", room_uuid or ""):
        return "the token is for another room"
    if told.role > role:
        return f"a {told.role.name.lower()}'s token may not do this"
    return ""


def _enough(role: Role, room_uuid: str | None) -> str:
    kinds = "an SDK token" if room_uuid is None else "an SDK token or one of that room,"
    return f"{kinds} of an admin" if role is Role.ADMIN else f"{kinds} of a writer or an admin"
