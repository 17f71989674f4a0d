"""A ticket is the message that Celery itself would have sent."""

import json
from base64 import b64decode
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from redis import Redis

from app.broker.envelope import TICKET_TASK, ticket
from app.broker.ring import PREFORK, queue_name

# Names of the sender and texts for its log: they may differ, and lead nowhere.
FREE = {"headers": ("argsrepr", "kwargsrepr", "origin"), "properties": ("reply_to",)}
IDS = {"headers": ("id", "root_id"), "properties": ("correlation_id", "delivery_tag")}


def without_free_fields(text: str) -> str:
    """Blank what may differ; the rest, and the order of everything, is to be equal byte for byte."""
    message: dict[str, Any] = json.loads(text)
    for fields in (FREE, IDS):
        for part, names in fields.items():
            message[part].update(dict.fromkeys(names, ""))
    return json.dumps(message)


@pytest.fixture
def sent_by_celery(broker: Celery, store: Redis) -> tuple[str, str]:
    """The queue of a tenant, and what ``run_next.apply_async`` put there."""
    tenant_id = uuid4()
    queue = queue_name(tenant_id, PREFORK)
    broker.tasks[TICKET_TASK].apply_async(args=(str(tenant_id),), queue=queue)
    return queue, str(store.lindex(queue, 0))


def test_ticket_equals_the_message_of_celery(sent_by_celery: tuple[str, str]) -> None:
    queue, message = sent_by_celery
    [[tenant_id], _, _] = json.loads(b64decode(json.loads(message)["body"]))
    assert without_free_fields(ticket(tenant_id, queue)) == without_free_fields(message)


def test_each_ticket_has_ids_of_its_own() -> None:
    tenant_id = uuid4()
    messages = [json.loads(ticket(tenant_id, "tenant.x")) for _ in range(3)]
    ids = {message[part][name] for message in messages for part, names in IDS.items() for name in names}
    assert len(ids) == 6
