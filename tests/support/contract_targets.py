"""Where the contract is tested: on an emulator in this process, or on the service that the environment names."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from attrs import field, frozen

from netless_rooms import AccessKey, TokenError, read_token
from netless_rooms._auth.environment import find_base_url, find_settings
from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.emulator import Quirks

# Everything that is not documented, the other way round: no test of the contract may depend on it.
PAGES: Final[dict[str, Any]] = {"cursor": "exclusive", "page_cap": 700, "short_pages": True, "disabled": "hidden"}
REGIONS: Final[dict[str, Any]] = {"regions": "apart", "missing_region": "cn-hz", "unknown_region": "served"}
CREATED: Final[dict[str, Any]] = {"record_default": "on_in_cn_hz", "created_name": "kept"}
REVERSED: Final = Quirks(unknown_begin="not_found", **PAGES, **REGIONS, **CREATED)
DOCUMENTED: Final = {"order", "envelope"}  # quirks that break the contract


@frozen
class Target:
    """A service and the credential for it; its repr shows no secret."""

    credential: AccessKey | str = field(repr=False)
    region: str = "us-sv"
    base_url: str = DEFAULT_BASE_URL
    transport: httpx.AsyncBaseTransport | None = None


def from_variables() -> Target:
    """Return the target that the environment names; ``ValueError`` says what it lacks, and shows no value."""
    credential, region = find_settings(None, None)
    assert isinstance(credential, AccessKey | str)
    if isinstance(credential, str):
        with suppress(TokenError):  # a token that cannot be read is for the service to judge
            end = read_token(credential).expires_at
            if end is not None and end <= datetime.now(UTC):  # or every test would be skipped
                raise ValueError("the token in NETLESS_TOKEN has expired: use a new one, or set the clock right")
    return Target(credential, region, find_base_url().rstrip("/"))
