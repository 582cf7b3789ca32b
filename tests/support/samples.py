"""The answers that the service's own page prints, character by character, and a room with an unmasked uuid.

The page masks ids with ``x``.  ``printed`` puts an answer into the envelope that the page prints around it.
"""

import json
from typing import Any, Final

GOT: Final = """{
"uuid": "4axxxxx96b",
"teamUUID": "RMmxxxxx5aw",
"appUUID": "i5xxxxx1AQ",
"isRecord": false,
"isBan": false,
"createdAt": "2021-01-18T06:56:29.432Z",
"limit": 0
}"""
LISTED: Final = """[
{
"uuid": "0e6exxxxxxd95",
"teamUUID": "RMmxxxxxxaw",
"appUUID": "vVxxxxzJF-A",
"isRecord": false,
"isBan": false,
"createdAt": "2020-12-20T14:02:54.846Z",
"limit": 0
},
{
"uuid": "1d4xxxxxxca69",
"teamUUID": "RMmxxxxxx5aw",
"appUUID": "vVsxxxxzJF-A",
"isRecord": false,
"isBan": false,
"createdAt": "2020-12-20T14:10:29.265Z",
"limit": 0
}
]"""
UUID: Final = "37875f5089c611eaa629dbb375b5adfc"
DASHED: Final = "37875F50-89C6-11EA-A629-DBB375B5ADFC"


def printed(status: int, body: str) -> str:
    return f'{{\n"status": {status},\n"body":\n{body}\n}}'


def room_document(**changes: Any) -> dict[str, Any]:
    """Return a room object of the wire, new each time; ``...`` as a value leaves the field out."""
    document = json.loads(GOT) | {"uuid": UUID} | changes
    return {name: value for name, value in document.items() if value is not ...}


def room_json(**changes: Any) -> bytes:
    return json.dumps(room_document(**changes)).encode()
