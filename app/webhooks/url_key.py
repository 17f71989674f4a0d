"""The key by which deliveries to one endpoint are counted together (pure).

It is apart from ``urls``: a process that ends tasks needs the key, and not the HTTP client that judges URLs.
"""

import re
from typing import Final, TypeAlias
from uuid import UUID

EndpointKey: TypeAlias = tuple[UUID, str]
"""A tenant's id, and the key of a URL."""

MAX_LENGTH: Final = 2_048
"""Characters of a webhook_url, at most."""


def url_key(url: str) -> str:
    """Return a URL without its query and fragment. It takes any text, because the end of a task must not fail by it."""
    return re.split(r"[?#]", url, maxsplit=1)[0][:MAX_LENGTH]
