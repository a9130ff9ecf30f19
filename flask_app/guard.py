"""Who may talk to the application.

It listens on loopback, where every page in the user's browser can reach it. Two checks keep other
pages out: a request must name a host that is ours (else a name that was rebound to 127.0.0.1 would
make a stranger's page "same origin"), and a request that changes something must come from our own
pages. Programs that are no browser send neither Origin nor Sec-Fetch-Site and pass.
"""

from __future__ import annotations

from urllib.parse import urlsplit

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})


def host_name(host: str) -> str | None:
    """The name in a Host header, lower case and without port; None if there is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def is_own_host(host: str | None, configured: str) -> bool:
    """True if the Host header names this machine, or the address the run was given.

    A run that listens on every address can be called by any of them, but never by a name. Without
    the header (HTTP/1.0, so no browser) there is nothing to check.
    """
    if host is None:
        return True
    name = host_name(host)
    if name is None:
        return False
    if name in _OWN_NAMES or name == configured.lower():
        return True
    return configured in _WILDCARDS and _is_address(name)


def is_same_origin(origin: str | None, fetch_site: str | None, host: str | None) -> bool:
    """True if a request comes from one of our pages, the user's own hand, or no browser."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return False
    if origin is None:
        return True
    return host is not None and origin.lower() == f"http://{host.lower()}"


def _is_address(name: str) -> bool:
    import ipaddress  # Needed by few runs, and start-up time counts.

    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
