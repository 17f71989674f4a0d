"""Stream tokens; hostile tokens are in tests/security/test_tokens.py, and keys in tests/identity/test_keyring.py."""

import json
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from app.identity import tokens
from app.identity.keyring import Keyring
from app.identity.tokens import ACCESS, STREAM, Claims, InvalidToken, Subject
from tests.identity.test_keyring import KEY

TASK = uuid.uuid4()
READ = frozenset({"tasks:read"})


@pytest.fixture
def keys(environment: dict[str, str]) -> Keyring:
    return Keyring(Path(environment["SECRETS_FILE"]))


def test_a_stream_token_names_its_task_and_lives_15_minutes(keys: Keyring):
    now = time.time()
    token, ends_at = tokens.sign_stream(KEY, TASK, READ, keys, now, made_by=None)
    claims = tokens.read(token, keys, STREAM)
    assert (claims.subject, claims.task_id, claims.scopes) == (KEY, TASK, READ)
    assert claims.expires_at == ends_at == int(now) + 900
    assert claims.is_current(now)


def test_no_kind_of_token_is_taken_for_the_other(keys: Keyring):
    stream, _ = tokens.sign_stream(KEY, TASK, READ, keys, time.time(), made_by=None)
    access = tokens.sign(KEY, READ, keys, time.time())
    for token, kind in ((stream, ACCESS), (access, STREAM)):
        with pytest.raises(InvalidToken):
            tokens.read(token, keys, kind)


def test_a_stream_token_ends_with_the_token_that_made_it_and_is_revoked_with_it(keys: Keyring):
    now = time.time()
    parent = tokens.read(tokens.sign(KEY, READ, keys, now - 600), keys)
    made = _made_by(parent, keys, now)
    assert (made.jti, made.expires_at) == (parent.jti, parent.expires_at)
    # Within the seconds for clocks that differ it is over at once, and still a valid token.
    late = _made_by(replace(parent, expires_at=int(now) - 10), keys, now)
    assert late.expires_at == int(now) + 1


def _made_by(parent: Claims, keys: Keyring, now: float) -> Claims:
    token, _ = tokens.sign_stream(parent.subject, TASK, READ, keys, now, made_by=parent)
    return tokens.read(token, keys, STREAM)


def test_a_stream_token_without_a_task_is_refused(keys: Keyring):
    claims = tokens._claimed(Subject(uuid.uuid4(), 1, key_id="4f9a1c0e7b2d"), READ, int(time.time()))
    for more in ({}, {"task_id": "x"}, {"task_id": None}, {"task_id": str(TASK).upper()}):
        with pytest.raises(InvalidToken):
            tokens.read(tokens._sign(json.loads(json.dumps(claims | more)), STREAM, keys), keys, STREAM)
