"""The verification of webhooks by both clients, held against the reference library's signatures."""

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tests.sdk.conftest import Sdk
from tests.sdk.node import NodeSdk

Client = Sdk | NodeSdk

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ANOTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
PAYLOAD = {"type": "task.succeeded", "timestamp": "2026-11-24T08:00:00Z", "data": {"task_id": "t1", "tags": ["ä"]}}
BODY = json.dumps(PAYLOAD, ensure_ascii=False)
ID = "msg_2b1"


def signature(body: str = BODY, *, webhook_id: str = ID, at: float | None = None, secret: str = SECRET) -> str:
    """Sign as the reference library does."""
    moment = datetime.fromtimestamp(int(time.time() if at is None else at), tz=UTC)
    return Webhook(secret).sign(webhook_id, moment, body)


def request(body: str = BODY, secret: str = SECRET, at: float | None = None, **changed: str | None) -> list[Any]:
    """Make a request; a header that is None is left out."""
    moment = int(time.time() if at is None else at)
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(moment),
        "webhook-signature": signature(body, at=moment),
        "content-type": "application/json",
    }
    headers |= {f"webhook-{name}": value for name, value in changed.items()}
    return [
        body.encode().decode("latin-1"),
        {name: value for name, value in headers.items() if value is not None},
        secret,
    ]


def outcomes(client: Client, *requests: list[Any]) -> list[Any]:
    """Let a client's receiver judge requests."""
    return list(json.loads(client.run("receiver", given=json.dumps(requests))))


def test_what_the_reference_library_signs_is_accepted(client: Client):
    shouted = request()
    shouted[1] = {name.upper(): value for name, value in shouted[1].items()}
    rotated = request(signature=f"{signature(secret=ANOTHER)} v1a,xyz {signature()}")
    bare = request(secret=SECRET.removeprefix("whsec_"))
    unpadded = request(secret=SECRET.rstrip("="))
    for outcome in outcomes(client, request(), shouted, rotated, bare, unpadded, request(at=time.time() - 290)):
        assert outcome == [ID, PAYLOAD["type"], PAYLOAD["timestamp"], PAYLOAD["data"]]


def test_what_was_tampered_with_is_refused(client: Client):
    tampered = request()
    tampered[0] = tampered[0].replace("t1", "t2")
    moved = request(timestamp=str(int(time.time()) - 1))
    renamed = request(id="msg_2b2")
    other_key = request(secret=ANOTHER)
    for outcome in outcomes(client, tampered, moved, renamed, other_key):
        assert outcome == "refused: no signature is valid"


@pytest.mark.parametrize("seconds", [-310, 310])
def test_what_is_stale_or_from_the_future_is_refused(client: Client, seconds: int):
    (outcome,) = outcomes(client, request(at=time.time() + seconds))
    assert outcome == "refused: webhook-timestamp is too old, or too new"


def test_an_id_with_a_dot_is_refused_though_it_is_signed(client: Client):
    # It reads the same as another id with another timestamp and body.
    (outcome,) = outcomes(client, request(id="msg.1", signature=signature(webhook_id="msg.1")))
    assert outcome == "refused: webhook-id is not usable"


MALFORMED: list[dict[str, Any]] = [
    *({name: None} for name in ("id", "timestamp", "signature")),
    *({"id": value} for value in ("", ".", 7, [])),
    *({"timestamp": value} for value in ("", "now", "1e9", "-1", "١٢٣", "1_000", " 1", "9" * 5000, "1.5", 17, {})),
    *(
        {"signature": value}
        for value in ("", " ", "v1", "v1,", "v1,!", "v2,abc", ",", "v1,ä", "v1,\ud800", "v1, x", 5, [])
    ),
    *({"secret": value} for value in ("", "whsec_", "whsec_!", "ä", None, 3)),
]


def test_every_malformed_request_is_one_error(client: Client):
    found = outcomes(client, *[request(**changed) for changed in MALFORMED])
    for changed, outcome in zip(MALFORMED, found, strict=True):
        assert isinstance(outcome, str), changed
        assert outcome.startswith("refused: "), changed


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", "7", "null", "{}", '{"type": 1, "timestamp": "", "data": {}}', "[" * 100_000,
             '{"type": "a", "timestamp": "b", "data": []}', '{"type": "a", "data": {}}'],
)  # fmt: skip
def test_a_signed_body_that_is_no_event_is_the_same_error(client: Client, body: str):
    (outcome,) = outcomes(client, request(body))
    assert isinstance(outcome, str)
    assert outcome.startswith("refused: ")
