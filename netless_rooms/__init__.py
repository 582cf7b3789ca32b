"""Client for the rooms of Netless (Agora Interactive Whiteboard), for asyncio and Trio.

Start with ``AsyncRooms``.  Without an account, use ``netless_rooms.emulator``.
"""

from netless_rooms._auth.tokens import AccessKey as AccessKey
from netless_rooms._auth.tokens import Role as Role
from netless_rooms._auth.tokens import TokenInfo as TokenInfo
from netless_rooms._auth.tokens import TokenKind as TokenKind
from netless_rooms._auth.tokens import read_token as read_token
from netless_rooms._auth.tokens import verify_token as verify_token
from netless_rooms._bulk import Outcome as Outcome
from netless_rooms._bulk import Outcomes as Outcomes
from netless_rooms._client import AsyncRooms as AsyncRooms
from netless_rooms._listing.checkpoints import ScanMode as ScanMode
from netless_rooms._listing.scan import Scan as Scan
from netless_rooms._retries import RetryPolicy as RetryPolicy
from netless_rooms._version import __version__ as __version__
from netless_rooms.errors import Attempt as Attempt
from netless_rooms.errors import BadRequestError as BadRequestError
from netless_rooms.errors import CheckpointError as CheckpointError
from netless_rooms.errors import ClientUnusableError as ClientUnusableError
from netless_rooms.errors import CreateOutcomeUnknownError as CreateOutcomeUnknownError
from netless_rooms.errors import DecodeError as DecodeError
from netless_rooms.errors import ForbiddenError as ForbiddenError
from netless_rooms.errors import InvalidArgumentError as InvalidArgumentError
from netless_rooms.errors import InvalidArgumentTypeError as InvalidArgumentTypeError
from netless_rooms.errors import NotFoundError as NotFoundError
from netless_rooms.errors import PaginationError as PaginationError
from netless_rooms.errors import RateLimitedError as RateLimitedError
from netless_rooms.errors import RoomsError as RoomsError
from netless_rooms.errors import ServerError as ServerError
from netless_rooms.errors import StatusError as StatusError
from netless_rooms.errors import TimedOutError as TimedOutError
from netless_rooms.errors import TokenError as TokenError
from netless_rooms.errors import TooManyFailuresError as TooManyFailuresError
from netless_rooms.errors import TransportError as TransportError
from netless_rooms.errors import UnauthorizedError as UnauthorizedError
from netless_rooms.models import InvalidRoom as InvalidRoom
from netless_rooms.models import Region as Region
from netless_rooms.models import Room as Room
from netless_rooms.models import RoomPage as RoomPage

# The public place of each: tracebacks name it, and pickles outlast a move inside the package.
_own = {name: value for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)}
for _value in _own.values():
    _value.__module__ = __name__
# Type checkers go by the aliases above and would not understand a computed ``__all__``.
globals()["__all__"] = sorted([*_own, "__version__"])
del _own, _value
