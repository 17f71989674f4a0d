"""What a key may be, before anything is written."""

from typing import cast
from uuid import UUID

import pytest

from app.accounts import keys
from app.audit.log import Actor
from app.core.errors import InvalidRequest
from app.core.secrets import Secrets
from app.db import Connection

OPERATOR = Actor("operator", "tester")
# Whoever touched the database would find that there is none.
NOWHERE = cast("Connection", None)
SECRETS = Secrets(pepper_id="p1", peppers={}, kek_id="k1", keks={}, role_passwords={})


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
async def test_key_needs_a_name_of_sensible_length(name: str) -> None:
    with pytest.raises(InvalidRequest, match="name"):
        await keys.issue(NOWHERE, OPERATOR, UUID(int=1), name=name, secrets=SECRETS)


@pytest.mark.parametrize("scopes", [set(), {"tasks:read", "tasks:all"}])
async def test_unknown_scopes_and_none_at_all_are_refused(scopes: set[str]) -> None:
    with pytest.raises(InvalidRequest, match="tasks:write"):
        await keys.issue(NOWHERE, OPERATOR, UUID(int=1), name="ci", scopes=scopes, secrets=SECRETS)


@pytest.mark.parametrize("days", [-1, 0, 3_651])
async def test_life_of_a_key_is_bounded(days: int) -> None:
    with pytest.raises(InvalidRequest, match="3650 days"):
        await keys.issue(NOWHERE, OPERATOR, UUID(int=1), name="ci", expires_days=days, secrets=SECRETS)
