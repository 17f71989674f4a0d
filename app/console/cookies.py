"""The cookie of a session: its name and attributes, and where it may be sent (pure)."""

import re
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from typing import Final

from starlette.types import Scope

_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class CookieRules:
    """The cookie by which one request keeps its session."""

    name: str
    path: str
    is_secure: bool

    def header(self, value: str, seconds: int | None) -> str:
        """Return a Set-Cookie header. ``seconds`` is its life; None: until the browser closes, 0: delete it."""
        # Lax and not Strict: a person who follows a link from another page must still be signed in.
        attributes = [f"{self.name}={value}", f"Path={self.path}", "HttpOnly", "SameSite=Lax"]
        if self.is_secure:
            attributes.append("Secure")
        if seconds is not None:
            attributes.append(f"Max-Age={seconds}")
        return "; ".join(attributes)

    def value(self, header: str) -> str | None:
        """Return the value in a Cookie header; None if it has none, or not of our form."""
        try:
            found = SimpleCookie(header).get(self.name)
        except CookieError:
            return None
        return found.value if found is not None and _VALUE.fullmatch(found.value) else None


def rules(scope: Scope, root_path: str, *, name: str = "console", under: str = "/console") -> CookieRules | None:
    """Return the cookie's rules for a request; None if it came over http from another machine.

    ``root_path`` is the prefix under which a proxy serves the whole process, and ``under`` the path of the pages in it.
    """
    if scope["scheme"] == "https":
        # A __Host- cookie cannot be set by a neighbouring host, but must be for the whole host. Under a prefix, other
        # applications share the host, so the cookie is for our path only, and has the weaker name.
        if root_path:
            return CookieRules(f"__Secure-{name}", f"{root_path}{under}", is_secure=True)
        return CookieRules(f"__Host-{name}", "/", is_secure=True)
    # Browsers keep the traffic of these hosts on the machine, so a cookie without Secure is safe there.
    if is_loopback(_host(scope)):
        return CookieRules(name, f"{root_path}{under}" or "/", is_secure=False)
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host name, as a browser writes it, always is the browser's own machine."""
    # An IPv6 address has colons of its own, so the port is only what follows the last one.
    name = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) else host
    if name.lower() == "localhost" or name.lower().endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
