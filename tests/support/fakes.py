"""What scripts answer with: for what a correct service never sends."""

import json
from typing import Any

import httpx

from netless_rooms import RetryPolicy
from samples import UUID, room_document

ONCE = RetryPolicy(1)
TOKEN = "NETLESSSDK_dGhlLXNlY3JldC1wYXJ0"


def room(uuid: str = UUID, **members: Any) -> dict[str, Any]:
    """Return a room as the service spells it."""
    return room_document(uuid=uuid, **members)


def answer(document: Any, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(document))
