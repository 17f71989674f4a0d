"""To which place a tenant's secrets are sealed."""

from uuid import UUID


def secret_place(secret_id: UUID) -> str:
    """Return the place to which a webhook secret is sealed."""
    return f"webhook_secret/{secret_id}/sealed"
