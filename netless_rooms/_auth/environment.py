"""Settings in environment variables: for ``open()``, ``AccessKey.from_env()`` and the command line."""

import os

from netless_rooms._auth.providers import TokenSource
from netless_rooms._auth.tokens import AccessKey
from netless_rooms._validation import DEFAULT_BASE_URL
from netless_rooms.errors import InvalidArgumentError


def from_environment(name: str) -> str | None:
    """Return a setting's environment variable; an empty one counts as not set."""
    return os.environ.get(f"NETLESS_{name.upper()}") or None


def find_base_url() -> str:
    """Return the address of the service."""
    return from_environment("base_url") or DEFAULT_BASE_URL


def find_key(access_key: str | None = None, secret_key: str | None = None) -> AccessKey | None:
    """Return the key, each half from its argument or else its variable; ``None`` if there is neither."""
    halves, missing = _halves(access_key, secret_key)
    if len(missing) == 1:
        raise InvalidArgumentError(f"incomplete access key: also set {missing[0]}")
    return None if missing else AccessKey(*halves)


def find_settings(
    token: TokenSource | None, region: str | None, access_key: str | None = None, secret_key: str | None = None
) -> tuple[TokenSource, str]:
    """Return the token or key, and the region, each from its argument or else its variable.

    A given key overrides a token in the environment.  The error names all that is missing.
    """
    region = from_environment("region") if region is None else region
    found: TokenSource | None = token
    missing: list[str] = []
    if found is None and access_key is None and secret_key is None:
        found = from_environment("token")
        if found is not None and from_environment("secret_key") is not None:
            raise InvalidArgumentError("NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset one of them")
    if found is None:
        halves, missing = _halves(access_key, secret_key)
        found = None if missing else AccessKey(*halves)
    if found is not None and region is not None:
        return found, region
    lead = "incomplete access key: also set" if len(missing) == 1 else "set"
    if len(missing) == 2:
        missing = ["NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"]
    missing += ["NETLESS_REGION, such as us-sv"] * (region is None)
    error = InvalidArgumentError(f"{lead} {'; and '.join(missing)}")
    error.hint = "or pass token= and region="
    raise error


def _halves(access_key: str | None, secret_key: str | None) -> tuple[list[str], list[str]]:
    """Return the halves of the key that there are, and the variables of those that are missing."""
    given = {"access_key": access_key, "secret_key": secret_key}
    found = {name: from_environment(name) if half is None else half for name, half in given.items()}
    missing = [f"NETLESS_{name.upper()}" for name, half in found.items() if half is None]
    return [half for half in found.values() if half is not None], missing
