"""The schema revision that this code needs, and a message if the database has another one."""

from pathlib import Path
from typing import Final

_VERSIONS: Final = Path(__file__).resolve().parents[2] / "migrations" / "versions"
_PREFIX: Final = "r"
"""Prefix of every revision's id. The revisions that the baseline replaced had only numbers as ids."""


def _newest() -> str:
    # Read from the file names: importing Alembic for it would cost each process 20 MB of memory.
    numbers = (path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))
    return max((_PREFIX + number for number in numbers), default="")


EXPECTED: Final = _newest()
"""The newest revision in migrations/versions."""


def is_of_another_chain(version: str) -> bool:
    """Return whether a revision is one of those that the baseline replaced: no migration leads from it to this code."""
    return not version.startswith(_PREFIX)


def fault(version: str | None) -> str | None:
    """Return what is wrong with a database's schema version, and what to run; None when it is the expected one."""
    if version is None:
        return "the database has no schema: run scripts/admin bootstrap, then scripts/admin migrate"
    if is_of_another_chain(version):
        return (
            f"the schema is {version}, which is older than the baseline {EXPECTED}: start with an empty database, or"
            " dump the data and restore it into one that this version has migrated (docs/upgrade.md)"
        )
    if version < EXPECTED:
        return f"the schema is {version}, this version needs {EXPECTED}: run scripts/admin migrate"
    if version > EXPECTED:
        return f"the schema is {version}, this version knows {EXPECTED}: start the newer version, and stop this one"
    return None
