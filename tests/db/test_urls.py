"""The URL by which a role logs in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core import secrets as secret_values
from app.core.config import Settings, get_settings
from app.core.secrets import SecretsFileError
from app.db import urls

_OWNER = "postgresql://owner:pw@db.example:5433,standby.example/tasks?sslmode=require"


@pytest.fixture
def settings(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The settings of a service whose role has a password of all kinds of characters."""
    found = json.loads(Path(environment["SECRETS_FILE"]).read_text())
    found["role_passwords"] = {"tq_api": "a/b@c:d%e?#"}
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(found))
    file.chmod(0o600)
    for name, value in {
        "DATABASE_URL": _OWNER,
        "REDIS_URL": "redis://127.0.0.1",
        "SECRETS_FILE": str(file),
        "DATABASE_URL_TQ_WORKER": "postgresql://other/named",
    }.items():
        monkeypatch.setenv(name, value)
    caches = (get_settings, secret_values.get_secrets)
    for each in caches:
        each.cache_clear()
    yield get_settings()
    for each in caches:
        each.cache_clear()


def test_a_role_logs_in_at_the_owners_servers_with_its_own_password(settings: Settings):
    assert urls.role_url("tq_api", settings) == (
        "postgresql://tq_api:a/b%40c%3Ad%25e%3F%23@db.example:5433,standby.example/tasks?sslmode=require"
    )


def test_a_url_that_is_named_for_the_role_is_taken_as_it_is(settings: Settings):
    assert urls.role_url("tq_worker", settings) == "postgresql://other/named"


def test_a_role_without_a_password_is_told_what_to_do(settings: Settings):
    with pytest.raises(SecretsFileError, match="tq_webhook: run scripts/admin bootstrap"):
        urls.role_url("tq_webhook", settings)
