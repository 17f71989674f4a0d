"""The key by which deliveries to one receiver are counted together (pure).

For a webhook_url it is the URL without its query and fragment, for an endpoint ``endpoint:`` and its id. The function
``webhook_fan_out`` of the database makes it.
"""

from typing import Final, TypeAlias
from uuid import UUID

EndpointKey: TypeAlias = tuple[UUID, str]
"""A tenant's id, and the key of a URL or an endpoint."""

_PREFIX: Final = "endpoint:"


def of_endpoint(endpoint_id: UUID) -> str:
    """Return the key of an endpoint."""
    return f"{_PREFIX}{endpoint_id}"


def endpoint_id(key: str) -> UUID:
    """Return the endpoint of a key that ``of_endpoint`` made."""
    return UUID(key.removeprefix(_PREFIX))
