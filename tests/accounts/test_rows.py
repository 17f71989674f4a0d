"""The rows of the stores have the columns of the tables, and show no secret."""

from dataclasses import fields
from typing import Any
from uuid import uuid4

import pytest

from app.accounts.rows import KeyRow, MemberRow
from app.models.account import ApiKey, Member


@pytest.mark.parametrize(("row", "model"), [(KeyRow, ApiKey), (MemberRow, Member)])
def test_a_row_has_the_columns_of_its_table(row: Any, model: Any) -> None:
    assert [field.name for field in fields(row)] == list(model.model_fields)


def test_a_row_shows_no_secret() -> None:
    key = KeyRow(tenant_id=uuid4(), id=uuid4(), key_id="k", digest=b"secret", name="n", scopes=[])
    member = MemberRow(tenant_id=uuid4(), id=uuid4(), email="e", role="owner", invitation=b"secret")
    assert "secret" not in f"{key} {member}"
