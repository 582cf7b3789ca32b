"""Lets a page of the documentation use "your account": settings and the service's address lead to an emulator."""

import os
from contextlib import ExitStack
from functools import partial
from unittest.mock import patch

import httpx

from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.emulator import Emulator
from shell import EVERYTHING


def pretend(emulator: Emulator) -> ExitStack:
    """Until the stack is closed, the environment has a key, and ``open()`` reaches ``emulator``."""
    stack = ExitStack()
    stack.enter_context(patch.dict(os.environ, EVERYTHING))
    client = partial(httpx.AsyncClient, mounts={DEFAULT_BASE_URL: emulator.transport()})
    stack.enter_context(patch("netless_rooms._api.transport.own_client", client))
    return stack
