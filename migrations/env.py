"""Alembic's entry: the owner's connection, and the tables as app/models declares them."""

import asyncio
import re
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import app.models.tables  # noqa: F401 registers the tables
from app.core import schema
from app.core.config import get_settings
from app.db import primary

_PARTITION = re.compile(r"^(?:(?:task|attempt|result|task_log)_(?:p\d{6}|default)|event_(?:p\d{8}|default))$")
_LOCK = 0x7471_6D69  # "tqmi"; any number does that nothing else in the database locks


def _is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
    # Partitions come and go by the month or day; the models know their parents.
    return not (kind == "table" and name and _PARTITION.match(name))


def _tables(connection: Connection) -> set[str]:
    found = connection.exec_driver_sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found if not _PARTITION.match(name)}


def _refuse_another_chain(connection: Connection) -> None:
    """Refuse a database whose schema comes from revisions that are no longer there."""
    if "alembic_version" not in _tables(connection):
        return
    version = connection.exec_driver_sql("SELECT version_num FROM public.alembic_version").scalar()
    if version is not None and schema.is_of_another_chain(version):
        raise CommandError(f"{schema.fault(version)}. Nothing was changed.")


def _has_tenants(connection: Connection) -> bool:
    return "tenant" in _tables(connection) and bool(
        connection.exec_driver_sql("SELECT EXISTS (SELECT FROM public.tenant)").scalar()
    )


class _Guard:
    """Refuses a step down that would drop a table while there are tenants; the whole transaction is taken back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: set[str] = set()

    def begin(self) -> None:
        """Note which tables there are, in the transaction of the migration."""
        self._before = _tables(self._connection) if _has_tenants(self._connection) else set()

    def look(self, *, step: Any, **_: Any) -> None:
        """Look after each step."""
        if step.is_upgrade or not self._before:
            return
        if dropped := sorted(self._before - _tables(self._connection)):
            message = (
                f"this downgrade drops {', '.join(dropped)}, and the database has tenants. Nothing was changed."
                " To go back to an older version, restore the backup that you made before the upgrade"
            )
            raise CommandError(message)


def _migrate(connection: Connection) -> None:
    guard = _Guard(connection)
    # Comments stand in migrations/schema alone: the models have docstrings, which need not say the same.
    connection.dialect.supports_comments = False
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        include_object=_is_ours,
        compare_type=True,
        on_version_apply=guard.look,
    )
    with context.begin_transaction():
        # The second of two migrates waits here, then reads a version at which nothing is left to do.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        _refuse_another_chain(connection)
        guard.begin()
        context.run_migrations()


async def _online() -> None:
    settings = get_settings()
    cache = settings.database_statement_cache

    async def connect() -> Any:
        # asyncpg reads the URL itself: SQLAlchemy would refuse options such as sslmode.
        return await primary.connect(settings.database_url, timeout=5, statement_cache_size=cache)

    def create() -> object:
        # Without a cache the statements have no name: behind a pooler another connection may have the same one.
        unnamed = {} if cache else {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
        return engine.dialect.loaded_dbapi.connect(async_creator_fn=connect, **unnamed)

    engine = create_async_engine("postgresql+asyncpg://", creator=create, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(_online())
