"""The schema that the code was written for, and what a process says of another one."""

import pytest

from app.admin import setup
from app.core import schema


def test_the_expected_schema_is_the_newest_migration() -> None:
    assert setup.head() == schema.EXPECTED


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "bootstrap"),
        ("r0000", f"needs {schema.EXPECTED}: run scripts/admin migrate"),
        ("r9999", "newer version"),
        ("0027", "start with an empty database, or dump the data and restore it"),
    ],
)
def test_another_schema_is_named_with_what_to_run(version: str | None, said: str) -> None:
    assert said in (schema.fault(version) or "")


def test_the_expected_schema_is_no_fault() -> None:
    assert schema.fault(schema.EXPECTED) is None
