"""The keys of tokens: their life, from spare to retired, and how a process learns of it."""

import json
import time
from pathlib import Path
from uuid import UUID

import pytest

from app.core import secrets
from app.core.secrets import SecretsFileError, SpareTooNew
from app.identity import tokens
from app.identity.keyring import Keyring
from app.identity.tokens import InvalidToken, Subject

KEY = Subject(UUID(int=7), 3, key_id="abcdefghijkl")
MEMBER = Subject(UUID(int=7), 3, member_id=UUID("0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"), member_version=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    secrets.create(tmp_path / "secrets.json")
    return tmp_path / "secrets.json"


def _age(path: Path, seconds: int, state: str) -> None:
    """Let the keys in a state be in it for longer."""
    content = json.loads(path.read_text())
    for key in content["jwt_keys"]:
        key["since"] -= seconds if key["state"] == state else 0
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("subject", [KEY, MEMBER])
def test_what_is_signed_is_read_again(path: Path, subject: Subject) -> None:
    keys, now = Keyring(path), time.time()
    claims = tokens.read(tokens.sign(subject, frozenset({"a:b", "c:d"}), keys, now), keys)
    assert (claims.subject, claims.scopes) == (subject, {"a:b", "c:d"})
    assert claims.expires_at - claims.issued_at == 900
    assert claims.is_current(now)


@pytest.mark.parametrize(
    ("seconds", "holds"), [(-60, False), (-29, True), (0, True), (899, True), (929, True), (931, False)]
)
def test_a_token_holds_for_its_time_and_half_a_minute(path: Path, seconds: int, holds: bool) -> None:
    keys = Keyring(path)
    claims = tokens.read(tokens.sign(KEY, frozenset({"a"}), keys, 1_000_000), keys)
    assert claims.is_current(1_000_000 + seconds) is holds


def test_a_rotation_signs_with_what_was_published_and_keeps_what_lives(path: Path) -> None:
    keys = Keyring(path)
    old = tokens.sign(KEY, frozenset({"a"}), keys, time.time())
    spare = next(key.kid for key in secrets.load(path).jwt_keys if key.state == "spare")
    with pytest.raises(SpareTooNew, match="10 minutes"):
        secrets.rotate_jwt(path)
    _age(path, 601, "spare")
    states = {key.state: key.kid for key in secrets.rotate_jwt(path).jwt_keys}
    assert states["active"] == spare
    # A process that has not looked yet knows the new key already; one that has accepts the old one.
    fresh = tokens.sign(KEY, frozenset({"a"}), Keyring(path), time.time())
    assert tokens.read(fresh, keys).subject == KEY
    assert keys.refresh()
    assert not keys.refresh()
    assert keys.signing()[0] == spare
    assert tokens.read(old, keys).is_current(time.time())
    assert {key["kid"] for key in keys.published(time.time())} == set(states.values())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_retired_key_ends_after_an_hour_even_where_nobody_rotates(path: Path) -> None:
    keys = Keyring(path)
    old = tokens.sign(KEY, frozenset({"a"}), keys, time.time())
    _age(path, 601, "spare")
    retired = next(key for key in secrets.rotate_jwt(path).jwt_keys if key.state == "retired")
    _age(path, 3_601, "retired")
    keys.refresh()
    assert not tokens.read(old, keys).is_current(time.time())
    assert retired.kid not in {key["kid"] for key in keys.published(time.time())}
    _age(path, 601, "spare")
    assert retired.kid not in {key.kid for key in secrets.rotate_jwt(path).jwt_keys}


def test_a_compromised_key_is_gone_at_once(path: Path) -> None:
    keys = Keyring(path)
    old = tokens.sign(KEY, frozenset({"a"}), keys, time.time())
    assert [key.state for key in secrets.rotate_jwt(path, is_compromised=True).jwt_keys] == ["active", "spare"]
    keys.refresh()
    with pytest.raises(InvalidToken):
        tokens.read(old, keys)


def test_an_older_file_is_given_what_it_lacks_once(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["jwt_keys"], content["role_passwords"]["tq_account"]
    path.write_text(json.dumps(content))
    with pytest.raises(SecretsFileError, match="bootstrap"):
        Keyring(path)
    with pytest.raises(SecretsFileError, match="bootstrap"):
        secrets.rotate_jwt(path)
    completed = secrets.complete(path)
    assert completed == secrets.complete(path)
    assert completed.peppers == content["peppers"]
    assert Keyring(path).signing()


def test_a_file_that_cannot_be_read_again_leaves_the_keys(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = Keyring(path)
    token = tokens.sign(KEY, frozenset({"a"}), keys, time.time())
    text = path.read_text()
    path.write_text("{")
    assert not keys.refresh()
    path.unlink()
    assert not keys.refresh()
    assert tokens.read(token, keys).subject == KEY
    assert "the secrets file cannot be read again" in caplog.text
    path.write_text(text)
    assert keys.refresh()
