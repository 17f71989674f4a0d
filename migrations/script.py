"""What revisions run: the files of schema/ and functions/, and the rights of schema/rights.toml."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from alembic import op

from migrations import rights

_FOLDER: Final = Path(__file__).parent
SCHEMA: Final = (
    "tenants",
    "accounts",
    "audit",
    "operators",
    "tasks",
    "held",
    "remote",
    "events",
    "errors",
    "usage",
    "stats",
    "operations",
    "schedules",
    "deliveries",
    "webhook_stats",
    "processes",
    "partitions",
)
"""The files of schema/, in their order: a table comes after those that it refers to."""
_is_new = False
"""Whether this process has just made the whole schema."""
OWNER_COLUMN: Final = """
SELECT c.relname, (
    SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname = CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END
) AS owner_column
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version' ORDER BY c.relname
"""
# Not the table of Alembic, which then notes that nothing is left.
_DROPS: Final = """
SELECT format('DROP TABLE %I CASCADE', c.relname) FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version'
UNION ALL
SELECT format('DROP FUNCTION %s CASCADE', p.oid::regprocedure) FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
"""


def create_all() -> None:
    """Create everything that schema/ and functions/ hold, with its rights; the roles exist already."""
    global _is_new  # noqa: PLW0603 one process runs one migration
    _is_new = True
    # A function may name tables and functions that come later; a trigger needs its function at once.
    op.execute("SET LOCAL check_function_bodies = off")
    for name in functions():
        _run(_FOLDER / "functions" / f"{name}.sql")
        _execute(rights.of_function(name))
    for name in SCHEMA:
        _run(_FOLDER / "schema" / f"{name}.sql")
    for table, owner_column in op.get_bind().exec_driver_sql(OWNER_COLUMN).all():
        _execute(rights.of_table(table, owner_column=owner_column))
    _execute(rights.of_schema())


def functions() -> list[str]:
    """Return the names of the functions that have a file."""
    return sorted(path.stem for path in (_FOLDER / "functions").glob("*.sql"))


def change(*statements: str) -> None:
    """Run the statements of a revision. In a new database the files of today have made what they would make."""
    if not _is_new:
        _execute(statements)


def create(name: str, *tables: str) -> None:
    """Create the tables of a file of schema/ in an existing database, with their rights. They have a tenant_id."""
    if _is_new:
        return
    _run(_FOLDER / "schema" / f"{name}.sql")
    for table in tables:
        _execute(rights.of_table(table, owner_column="tenant_id"))


def replace(name: str, *, drop: str | None = None) -> None:
    """Bring a function to what its file says now, with its rights.

    ``drop`` names the former one with the types of its parameters, where these or what it returns have changed.
    """
    if _is_new:
        return
    if drop:
        op.execute(f"DROP FUNCTION {drop}")
    op.execute("SET LOCAL check_function_bodies = off")
    _run(_FOLDER / "functions" / f"{name}.sql")
    _execute(rights.of_function(name))


def _execute(statements: Iterable[str]) -> None:
    for statement in statements:
        op.get_bind().exec_driver_sql(statement)


def _run(path: Path) -> None:
    text = path.read_text()
    # The driver's own execute takes several statements, a prepared statement does not.
    connection = op.get_bind().connection.dbapi_connection
    connection.run_async(lambda driver: driver.execute(text))


def drop_all() -> None:
    """Drop every table and every function."""
    bind = op.get_bind()
    for statement in bind.exec_driver_sql(_DROPS).scalars().all():
        bind.exec_driver_sql(statement)
