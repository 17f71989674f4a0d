"""The ledger of what each tenant has used."""

from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import default, tenant_key


class Usage(SQLModel, table=True):
    """Tasks accepted in a period (UTC), counted in the transaction that inserts them."""

    tenant_id: UUID = tenant_key()
    period: str = Field(primary_key=True, sa_type=TEXT)
    """``day`` or ``month``."""
    starts_on: date = Field(primary_key=True)
    used: int = default("0", sa_type=BigInteger)
