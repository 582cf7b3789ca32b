"""The script of faults: a list, read from the front, from which every request takes the first that is for it."""

from collections.abc import Iterable
from typing import Final

from netless_rooms.emulator.access import Call
from netless_rooms.emulator.faults import Fault, NoFault

NO_FAULT: Final = NoFault()


def read_script(faults: Iterable[Fault | None]) -> list[Fault | None]:
    """Return the script as a list of its own; ``TypeError`` if something in it is no fault."""
    if not isinstance(faults, Iterable):
        raise TypeError(f"faults must be several, as in faults=[Closed()], not {type(faults).__name__}")
    script = list(faults)
    for fault in script:
        _check_fault(fault)
    return script


def take_fault(script: list[Fault | None], call: Call | None) -> Fault:
    """Remove from ``script`` the first entry that is for ``call`` and return it; ``NO_FAULT`` if there is none.

    ``call`` is ``None`` for what is none of the four: only entries for any call are for that.  Raises
    ``TypeError`` for an entry that is no fault: the list is its owner's, who may have put in anything.
    """
    asked = None if call is None else call.value
    for place, fault in enumerate(script):
        _check_fault(fault)
        if fault is None or fault.on in (None, asked):
            del script[place]
            return NO_FAULT if fault is None else fault
    return NO_FAULT


def _check_fault(fault: object) -> None:
    if not isinstance(fault, Fault | None):
        told = f"the class {fault.__name__}" if isinstance(fault, type) else type(fault).__name__
        raise TypeError(f"faults must be faults or None, such as Closed(), not {told}")
