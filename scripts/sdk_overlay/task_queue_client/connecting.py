"""A client with the settings that fit this API."""

import httpx

from .client import AuthenticatedClient


def connect(base_url: str, api_key: str, *, timeout: float = 40.0) -> AuthenticatedClient:
    """Return a client of an API; use it in a ``with`` (or ``async with``) block to close its connections.

    ``timeout`` is in seconds and holds for each answer: 10 more than a call with ``wait`` may take.
    """
    return AuthenticatedClient(base_url=base_url, token=api_key, timeout=httpx.Timeout(timeout, connect=10.0))
