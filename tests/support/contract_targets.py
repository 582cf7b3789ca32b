"""Where the contract is tested: on an emulator in this process, or on the service that the environment names."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import httpx
from attrs import field, frozen

from netless_rooms import AccessKey, TokenError, read_token
from netless_rooms._auth.environment import from_environment
from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.emulator import Emulator, Quirks

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


def emulated(emulator: Emulator) -> Target:
    return Target(emulator.key, transport=emulator.transport())


def from_variables() -> Target:
    """Return the target that the environment names; ``ValueError`` says what it lacks, and shows no value."""
    names = "token", "access_key", "secret_key", "region", "base_url"
    token, access_key, secret_key, region, base_url = map(from_environment, names)
    if region is None or not (token or (access_key and secret_key)):
        raise ValueError("set NETLESS_REGION, and NETLESS_TOKEN or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY")
    if token and secret_key:
        raise ValueError("NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset the one that is not to ask")
    if token and has_expired(token):  # or every test would be skipped
        raise ValueError("the token in NETLESS_TOKEN has expired: use a new one, or set the clock right")
    credential = token or AccessKey(access_key or "", secret_key or "")
    return Target(credential, region, (base_url or DEFAULT_BASE_URL).rstrip("/"))


def has_expired(token: str) -> bool:
    with suppress(TokenError):  # a token that cannot be read is for the service to judge
        end = read_token(token).expires_at
        return end is not None and end <= datetime.now(UTC)
    return False
