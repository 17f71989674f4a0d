"""The commands on keys in rotation, on members and on tokens."""

import json
import uuid
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import pytest

Admin = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def slug(admin: Admin) -> str:
    name = f"a-{uuid.uuid4().hex[:12]}"
    assert admin("tenant", "create", name, "--name", "A tenant").returncode == 0
    return name


def _json(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_key_is_rotated_and_its_successor_shown_once(admin: Admin, slug: str) -> None:
    old = _json(admin("key", "issue", slug, "--name", "ci", "--scopes", "tasks:read", "--json"))
    new = _json(admin("key", "rotate", slug, old["key_id"], "--overlap", "60", "--json"))
    assert (new["name"], new["scopes"]) == ("ci", ["tasks:read"])
    listed = admin("key", "list", slug, "--json")
    assert new["api_key"] not in listed.stdout
    entry = next(key for key in _json(listed)["items"] if key["key_id"] == old["key_id"])
    assert entry["replaced_by"] == new["key_id"]
    assert entry["expires_at"]
    assert admin("key", "rotate", slug, old["key_id"]).returncode == 5
    assert admin("key", "rotate", slug, "aaaaaaaaaaaa").returncode == 3
    assert admin("key", "rotate", slug, new["key_id"], "--overlap", "604801").returncode == 5


def test_member_is_added_listed_and_removed(admin: Admin, slug: str) -> None:
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    added = _json(admin("member", "add", slug, email.upper(), "--role", "developer", "--json"))
    assert (added["email"], added["role"], len(added["initial_password"])) == (email, "developer", 24)
    assert admin("member", "add", slug, email).returncode == 4
    assert admin("member", "add", slug, "nobody").returncode == 5
    assert admin("member", "add", slug, email, "--role", "king").returncode == 2
    listed = admin("member", "list", slug, "--json")
    assert email in {member["email"] for member in _json(listed)["items"]}
    assert added["initial_password"] not in listed.stdout
    assert _json(admin("member", "remove", slug, email, "--json"))["removed"] is True
    assert admin("member", "remove", slug, email).returncode == 3


def test_last_owner_is_not_removed(admin: Admin, slug: str) -> None:
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    assert admin("member", "add", slug, email, "--role", "owner").returncode == 0
    refused = admin("member", "remove", slug, email)
    assert refused.returncode == 5
    assert "last owner" in refused.stderr


@pytest.mark.parametrize("command", ["tenant revoke-tokens", "member list"])
def test_unknown_tenant_is_not_found(admin: Admin, command: str) -> None:
    assert admin(*command.split(), "no-such-tenant").returncode == 3
