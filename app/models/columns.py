"""Define short names for column types and defaults that several tables use."""

from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Integer, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB, TEXT, UUID
from sqlmodel import Field

Timestamp: Any = DateTime(timezone=True)
Json: Any = JSONB()
# JSON keeps the text that was sent, JSONB would change numbers and the order of keys
# (docs/decisions/0011-json-as-it-came.md).
JsonText: Any = JSON()
TextArray: Any = ARRAY(TEXT)
UuidArray: Any = ARRAY(UUID)
IntegerArray: Any = ARRAY(Integer)


def default(sql: str, **kwargs: Any) -> Any:
    """Return a column whose default is an SQL expression of the database."""
    return Field(default=None, nullable=False, sa_column_kwargs={"server_default": text(sql)}, **kwargs)


def created() -> Any:
    """Return a timestamp that the database fills with its own clock."""
    return default("now()", sa_type=Timestamp)


def moment() -> Any:
    """Return an optional timestamp."""
    return Field(default=None, sa_type=Timestamp)


def tenant_key() -> Any:
    """Return the tenant's id as the first part of the primary key."""
    return Field(primary_key=True, sa_column_args=[ForeignKey("tenant.id", ondelete="CASCADE")])


__all__ = [
    "IntegerArray",
    "Json",
    "JsonText",
    "TextArray",
    "Timestamp",
    "UuidArray",
    "created",
    "datetime",
    "default",
    "moment",
    "tenant_key",
]
