"""Signatures, with the reference library as the judge."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from app.outbound import signing

ID = uuid.UUID(int=7)
BODY = json.dumps({"type": "task.succeeded"}).encode()


def _secret(fill: int = 1, size: int = 32) -> str:
    return "whsec_" + base64.b64encode(bytes([fill]) * size).decode()


def _signed(*secrets: str, body: bytes = BODY, moment: datetime | None = None) -> dict[str, str]:
    return signing.headers(ID, moment or datetime.now(UTC), body, [signing.key(secret) for secret in secrets])


@given(st.binary(min_size=24, max_size=64), st.dictionaries(st.text(), st.text()), st.uuids())
def test_what_is_signed_verifies(key: bytes, event: dict[str, str], delivery_id: uuid.UUID):
    secret = "whsec_" + base64.b64encode(key).decode()
    body = json.dumps(event).encode()
    headers = signing.headers(delivery_id, datetime.now(UTC), body, [signing.key(secret)])
    assert Webhook(secret).verify(body, headers) == event


def test_during_a_rotation_each_secret_verifies():
    headers = _signed(_secret(1), _secret(2))
    for fill in (1, 2):
        Webhook(_secret(fill)).verify(BODY, headers)
    assert len(headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "msg_" + uuid.UUID(int=8).hex}, BODY),
        ({"webhook-timestamp": str(int(datetime.now(UTC).timestamp()) - 60)}, BODY),
        ({"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}, BODY),
    ],
    ids=["body", "id", "timestamp", "signature"],
)
def test_what_is_altered_does_not_verify(change: dict[str, str], body: bytes):
    with pytest.raises(WebhookVerificationError):
        Webhook(_secret()).verify(body, _signed(_secret()) | change, json_parse=False)


def test_another_secret_does_not_verify():
    with pytest.raises(WebhookVerificationError):
        Webhook(_secret(2)).verify(BODY, _signed(_secret(1)))


def test_the_time_of_signing_is_the_moment_in_any_zone():
    moment = datetime.now(timezone(timedelta(hours=5)))
    headers = _signed(_secret(), moment=moment)
    assert headers["webhook-timestamp"] == str(int(moment.timestamp()))
    Webhook(_secret()).verify(BODY, headers)


def test_an_id_has_no_dot():
    assert _signed(_secret())["webhook-id"] == "msg_" + ID.hex


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", "whsec_abc", _secret().removeprefix("whsec_"), "wh_AAAA"])
def test_what_is_no_secret_signs_nothing(secret: str):
    with pytest.raises(ValueError):
        signing.key(secret)


def test_nothing_is_signed_without_a_key():
    with pytest.raises(ValueError, match="no key"):
        signing.headers(ID, datetime.now(UTC), BODY, [])
