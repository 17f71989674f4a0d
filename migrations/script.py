"""SQL scripts of the revisions: many statements in one text."""

from pathlib import Path

from alembic import op

_SQL = Path(__file__).parent / "sql"


def run(*names: str) -> None:
    """Run scripts of the folder ``sql``, in this order."""
    connection = op.get_bind().connection.dbapi_connection
    for name in names:
        # The driver's own execute takes several statements, a prepared statement does not.
        text = (_SQL / f"{name}.sql").read_text()
        connection.run_async(lambda driver, text=text: driver.execute(text))
