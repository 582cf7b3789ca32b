"""Client for the rooms of Netless (Agora Interactive Whiteboard), for asyncio and Trio.

Start with ``AsyncRooms``.  Without an account, use ``netless_rooms.emulator``.
"""

from netless_rooms._auth.tokens import AccessKey, Role, TokenInfo, TokenKind, read_token, verify_token
from netless_rooms._bulk import Outcome, Outcomes
from netless_rooms._client import AsyncRooms
from netless_rooms._listing.checkpoints import ScanMode
from netless_rooms._listing.scan import Scan
from netless_rooms._retries import RetryPolicy
from netless_rooms._version import __version__
from netless_rooms.errors import (
    Attempt,
    BadRequestError,
    CheckpointError,
    ClientUnusableError,
    CreateOutcomeUnknownError,
    DecodeError,
    ForbiddenError,
    InvalidArgumentError,
    InvalidArgumentTypeError,
    NotFoundError,
    PaginationError,
    RateLimitedError,
    RoomsError,
    ServerError,
    StatusError,
    TimedOutError,
    TokenError,
    TooManyFailuresError,
    TransportError,
    UnauthorizedError,
)
from netless_rooms.models import InvalidRoom, Region, Room, RoomPage

__all__ = [
    "AccessKey",
    "AsyncRooms",
    "Attempt",
    "BadRequestError",
    "CheckpointError",
    "ClientUnusableError",
    "CreateOutcomeUnknownError",
    "DecodeError",
    "ForbiddenError",
    "InvalidArgumentError",
    "InvalidArgumentTypeError",
    "InvalidRoom",
    "NotFoundError",
    "Outcome",
    "Outcomes",
    "PaginationError",
    "RateLimitedError",
    "Region",
    "RetryPolicy",
    "Role",
    "Room",
    "RoomPage",
    "RoomsError",
    "Scan",
    "ScanMode",
    "ServerError",
    "StatusError",
    "TimedOutError",
    "TokenError",
    "TokenInfo",
    "TokenKind",
    "TooManyFailuresError",
    "TransportError",
    "UnauthorizedError",
    "__version__",
    "read_token",
    "verify_token",
]

# The public place of each: tracebacks name it, and pickles outlast a move inside the package.
for _name in __all__:
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
del _name
