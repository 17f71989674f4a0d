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


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    """A person of a tenant, who logs in by e-mail and password."""

    tenant_id: UUID
    id: UUID
    email: str
    role: str
    password_hash: str = field(default="", repr=False)
    token_version: int = 1
    created_at: datetime | None = None
    """None until the row is inserted."""
    disabled_at: datetime | None = None
