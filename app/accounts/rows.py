"""Rows of API keys and members, as the stores return them. Columns that hold a secret are only set to insert a row.

They have the columns of ``app/models/account.py`` (tests/accounts/test_rows.py compares them). The models themselves
declare tables for the migrations: to import SQLAlchemy would cost each api process 20 MB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """A key of a tenant. ``key_id`` is its public part."""

    tenant_id: UUID
    id: UUID
    key_id: str
    digest: bytes = field(default=b"", repr=False)
    pepper_id: str = ""
    name: str
    scopes: Sequence[str]
    created_at: datetime | None = None
    """None until the row is inserted."""
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None
    """The ``key_id`` of its successor after a rotation."""
    expiring_told_at: datetime | None = None
    """Only the dispatcher reads and writes it: None here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """The membership of a person in a tenant."""

    tenant_id: UUID
    id: UUID
    email: str
    role: str
    token_version: int = 1
    created_at: datetime | None = None
    """None until the row is inserted."""
    disabled_at: datetime | None = None
    accepted_at: datetime | None = None
    """None until a person who was known before has accepted."""
    invitation: bytes | None = field(default=None, repr=False)
    """SHA-256 of the code with which the person accepts."""
