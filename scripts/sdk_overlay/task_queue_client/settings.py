"""Where the service is, and the key for it."""

import os
import platform
import re
from collections.abc import Generator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from .errors import ConfigurationError
from .version import VERSION

URL_VARIABLE, KEY_VARIABLE = "TASK_QUEUE_URL", "TASK_QUEUE_KEY"
CONNECT_TIMEOUT = 10.0
_USABLE_KEY = re.compile(r"[!-~]+")


class BearerAuth(httpx.Auth):
    """Adds the key to each request. It is in no ``repr``, and in none of our exceptions."""

    def __init__(self, api_key: str) -> None:
        """Take the key."""
        self._header = f"Bearer {api_key}"

    def __repr__(self) -> str:
        """Leave out the key."""
        return "BearerAuth(…)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header."""
        request.headers["Authorization"] = self._header
        yield request


@dataclass(frozen=True)
class Settings:
    """The settings of a client."""

    base_url: str
    auth: BearerAuth
    timeout: float
    """Seconds that one answer may take."""
    retry_seconds: float
    """Seconds for which a call is attempted again while the service is away."""

    @property
    def http_timeout(self) -> httpx.Timeout:
        """The timeouts of a request."""
        return httpx.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT, self.timeout))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every request."""
        return {"User-Agent": f"task-queue-client/{VERSION} python/{platform.python_version()}"}


def settings(api_key: str | None, base_url: str | None, timeout: float, retry_seconds: float) -> Settings:
    """Return the settings from the arguments, or from the environment where an argument is missing."""
    url = (base_url or os.environ.get(URL_VARIABLE) or "").strip().rstrip("/")
    if not url:
        raise ConfigurationError(f"no base URL: give base_url=…, or set {URL_VARIABLE}")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        raise ConfigurationError("the base URL must look like https://tasks.example, without a password")
    return Settings(url, _auth(api_key), timeout, retry_seconds)


def _auth(api_key: str | None) -> BearerAuth:
    key = (api_key or os.environ.get(KEY_VARIABLE) or "").strip()
    if not key:
        raise ConfigurationError(f"no API key: give api_key=…, or set {KEY_VARIABLE}")
    # A line break in it would be shown by the error of the HTTP library.
    if not _USABLE_KEY.fullmatch(key):
        raise ConfigurationError("the API key has characters that no key has: copy it again")
    return BearerAuth(key)
