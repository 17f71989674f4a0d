"""The scopes of the roles; tests/security/test_matrix.py tries each of them on each call."""

from app.identity.scopes import MEANINGS, ROLES, TASKS_WRITE


def test_each_role_has_every_scope_of_the_one_below_it() -> None:
    assert ROLES["viewer"] < ROLES["developer"] < ROLES["owner"] == frozenset(MEANINGS)


def test_a_viewer_changes_nothing() -> None:
    assert all(scope.endswith(":read") for scope in ROLES["viewer"])
    assert TASKS_WRITE in ROLES["developer"]
