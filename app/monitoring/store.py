"""SQL of readiness."""

from typing import Final

from app.db import Connection

_READY: Final = """
SELECT (SELECT version_num FROM alembic_version) AS schema_version,
    (SELECT count(*) FROM worker WHERE heartbeat_at > now() - interval '15 seconds') AS workers
"""


async def readiness_any_tenant(connection: Connection) -> tuple[str, int]:
    """Return the schema's version, and how many workers have said within 15 s that they live."""
    row = await connection.fetchrow(_READY)
    assert row is not None  # noqa: S101 a SELECT without FROM has a row
    return row["schema_version"], row["workers"]
