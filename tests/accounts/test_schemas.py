"""The bodies of the account calls: a missing field, a null and a value are told apart."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from app.accounts.schemas import KeyRequest, MemberChange, Role, Scope
from app.identity.scopes import MEANINGS, ROLES


@pytest.mark.parametrize(("body", "is_disabled"), [({}, None), ({"disabled": None}, False), ({"disabled": True}, True)])
def test_a_member_is_changed_only_in_what_the_body_has(body: dict[str, Any], is_disabled: bool | None) -> None:
    change = MemberChange.model_validate(body)
    assert (change.role, change.is_disabled) == (None, is_disabled)


def test_a_role_cannot_be_cleared() -> None:
    with pytest.raises(ValidationError):
        MemberChange.model_validate({"role": None})


def test_scopes_and_roles_are_those_of_identity() -> None:
    assert set(get_args(Scope)) == set(MEANINGS)
    assert set(get_args(Role)) == set(ROLES)


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 201])
def test_the_name_of_a_key_is_one_visible_line(name: str) -> None:
    with pytest.raises(ValidationError):
        KeyRequest(name=name)
