"""An emulated service, for tests, demos and work without a network.

It runs in process (``Emulator.transport``) or on a socket (``Emulator.serve``).  It is written from the service's
page and shares no encoding code with the client.
"""

try:
    import starlette  # noqa: F401  only to name the extra that is missing
    import uvicorn  # noqa: F401
except ImportError as _missing:
    raise ImportError("netless_rooms.emulator needs an extra: pip install 'netless-rooms[emulator]'") from _missing

from netless_rooms.emulator.emulator import Emulator
from netless_rooms.emulator.exchange import RecordedRequest, Request, Response
from netless_rooms.emulator.faults import BadRoom, Closed, Cut, Failure, Fault, GatewayPage, Hang, NoFault, Slow
from netless_rooms.emulator.quirks import RULES, Quirks, Rule

__all__ = [
    "RULES",
    "BadRoom",
    "Closed",
    "Cut",
    "Emulator",
    "Failure",
    "Fault",
    "GatewayPage",
    "Hang",
    "NoFault",
    "Quirks",
    "RecordedRequest",
    "Request",
    "Response",
    "Rule",
    "Slow",
]

# The public place of each: pickles outlast a move inside the package.
for _name in __all__:
    if hasattr(globals()[_name], "__module__"):
        globals()[_name].__module__ = __name__
del _name
