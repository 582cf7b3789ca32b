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
    return from_environment("base_url") or DEFAULT_BASE_URL


def find_key(access_key: str | None = None, secret_key: str | None = None) -> AccessKey | None:
    """Return the key, each half from its argument or else its variable; ``None`` if there is neither."""
    key, missing = _find_key(access_key, secret_key)
    if len(missing) == 1:
        raise InvalidArgumentError(f"incomplete access key: also set {missing[0]}")
    return key


def find_settings(
    token: TokenSource | None, region: str | None, access_key: str | None = None, secret_key: str | None = None
) -> tuple[TokenSource, str]:
    """Return the token or key, and the region, each from its argument or else its variable.

    A given key overrides a token in the environment.  The error names all that is missing.
    """
    region = from_environment("region") if region is None else region
    missing: list[str] = []
    if token is None and access_key is None and secret_key is None:
        token = from_environment("token")
        if token is not None and from_environment("secret_key") is not None:
            raise InvalidArgumentError("NETLESS_TOKEN and NETLESS_SECRET_KEY are both set: unset one of them")
    if token is None:
        token, missing = _find_key(access_key, secret_key)
    if token is not None and region is not None:
        return token, region
    lead = "incomplete access key: also set" if len(missing) == 1 else "set"
    if len(missing) == 2:
        missing = ["NETLESS_TOKEN, or NETLESS_ACCESS_KEY and NETLESS_SECRET_KEY"]
    missing += ["NETLESS_REGION, such as us-sv"] * (region is None)
    error = InvalidArgumentError(f"{lead} {'; and '.join(missing)}")
    error.hint = "or pass token= and region="
    raise error


def _find_key(access_key: str | None, secret_key: str | None) -> tuple[AccessKey | None, list[str]]:
    """Return the key, or else the variables of the halves that are missing."""
    access_key = from_environment("access_key") if access_key is None else access_key
    secret_key = from_environment("secret_key") if secret_key is None else secret_key
    if access_key is not None and secret_key is not None:
        return AccessKey(access_key, secret_key), []
    return None, ["NETLESS_ACCESS_KEY"] * (access_key is None) + ["NETLESS_SECRET_KEY"] * (secret_key is None)
