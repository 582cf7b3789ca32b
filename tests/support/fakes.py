"""What scripts answer with: for what a correct service never sends."""

import json
from collections.abc import Callable, Sequence
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


def listing(uuids_from: Callable[[str | None, int], Sequence[str]]) -> Callable[[httpx.Request], httpx.Response]:
    """Return a script that lists what ``uuids_from(begin, limit)`` says."""

    def script(request: httpx.Request) -> httpx.Response:
        query = request.url.params
        return answer([room(uuid) for uuid in uuids_from(query.get("beginUUID"), int(query.get("limit", 100)))])

    return script
