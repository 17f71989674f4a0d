"""The key by which deliveries to one endpoint are counted together (pure).

It is the URL without its query and fragment; the function ``webhook_fan_out`` of the database makes it.
"""

from typing import Final, TypeAlias
from uuid import UUID

EndpointKey: TypeAlias = tuple[UUID, str]
"""A tenant's id, and the key of a URL."""

MAX_LENGTH: Final = 2_048
"""Characters of a webhook_url, at most."""
