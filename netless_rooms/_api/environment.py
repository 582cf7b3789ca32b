"""Explains why the HTTP library cannot make a client from the environment: proxies and certificates."""

import os
from typing import Any, Final

from netless_rooms.errors import ClientUnusableError

PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def client_error(error: Exception, library: Any) -> ClientUnusableError:
    """Return the error for a client that could not be made; it names the variable, never its value.

    A proxy's address may hold a password, so the library's own words stay in the ``__cause__``.
    """
    proxies = _names(PROXIES)
    if isinstance(error, ImportError):
        names = [name for name in proxies if os.environ[name].lower().startswith("socks")]
        remedy = "install the extra for SOCKS proxies (pip install 'httpx[socks]') or unset it"
    elif isinstance(error, OSError):
        # Only for the log of keys, the error has a name in it.
        names = ["SSLKEYLOGFILE"] if error.filename else _names(("SSL_CERT_FILE",))
        remedy = "correct it or unset it; SSL_CERT_FILE takes certificates in PEM format"
    else:
        names = [name for name in proxies if not _is_proxy(os.environ[name], library)] or _names(("NO_PROXY",))
        remedy = "correct it or unset it; NO_PROXY takes host names and plain IP addresses"
    cause = f"{' or '.join(names) or 'the environment'}: {type(error).__name__}"
    summary = f"the HTTP client cannot be made because of {cause}"
    unusable = ClientUnusableError(summary, was_sent=False, is_transient=False)
    unusable.hint = remedy
    return unusable


def _names(variables: tuple[str, ...]) -> list[str]:
    both = [name for variable in variables for name in dict.fromkeys((variable, variable.lower()))]
    return [name for name in both if os.environ.get(name)]


def _is_proxy(url: str, library: Any) -> bool:
    try:
        library.Proxy(url if "://" in url else f"http://{url}")
    except (library.InvalidURL, ValueError):
        return False
    return True
