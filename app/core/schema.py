"""Which schema this code was written for, and what to do when the database has another one."""

from pathlib import Path
from typing import Final

_VERSIONS: Final = Path(__file__).resolve().parents[2] / "migrations" / "versions"


def _newest() -> str:
    # Read from the names: Alembic, which knows it too, would cost each process 20 MB.
    return max((path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py")), default="")


EXPECTED: Final = _newest()
"""The newest revision in migrations/versions."""


def fault(version: str | None) -> str | None:
    """Say what is wrong with a database's schema version, and what to run; None when it is the expected one."""
    if version is None:
        return "the database has no schema: run scripts/admin bootstrap, then scripts/admin migrate"
    if version < EXPECTED:
        return f"the schema is {version}, this version needs {EXPECTED}: run scripts/admin migrate"
    if version > EXPECTED:
        return f"the schema is {version}, this version knows {EXPECTED}: start the newer version, and stop this one"
    return None
