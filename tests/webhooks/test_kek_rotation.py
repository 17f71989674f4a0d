"""Rotating the key under which tenants' secrets are sealed."""

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from app.core import secrets
from tests.conftest import Tenant
from tests.webhooks.conftest import Deliverer, Rows
from tests.webhooks.receiver import Receiver, status

Admin = Callable[..., subprocess.CompletedProcess[str]]


def test_secrets_are_sealed_anew_while_a_process_delivers(
    acme: Tenant, admin: Admin, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    start()
    acme.submit(task="echo", payload=1, webhook_url=receiver.on("/before", status(204)))
    receiver.wait_for("/before")[0].verify(acme.webhook_secret)

    done = admin("rotate-kek", "--json")
    assert done.returncode == 0, done.stderr
    rotated = json.loads(done.stdout.splitlines()[-1])
    [sealed] = rows.fetch("SELECT sealed FROM webhook_secret WHERE tenant_id = $1", uuid.UUID(acme.tenant_id))
    assert sealed["sealed"].startswith(f"k1.{rotated['kek_id']}.")
    assert rotated["resealed"] >= 1
    [event] = rows.fetch("SELECT * FROM audit_event WHERE action = 'kek.rotated' AND object = $1", rotated["kek_id"])
    assert (event["tenant_id"], event["actor_type"]) == (None, "operator")

    acme.submit(task="echo", payload=1, webhook_url=receiver.on("/after", status(204)))
    receiver.wait_for("/after")[0].verify(acme.webhook_secret)
    assert not rows.fetch("SELECT FROM webhook_secret WHERE sealed NOT LIKE 'k1.' || $1 || '.%'", rotated["kek_id"])


def test_secrets_and_headers_of_endpoints_are_sealed_anew(acme: Tenant, admin: Admin, rows: Rows):
    body = {"url": "https://hooks.example.com/", "headers": {"X-A": "b"}}
    made = acme.client.post("/api/webhooks/endpoints", json=body).json()
    rotated = json.loads(admin("rotate-kek", "--json").stdout.splitlines()[-1])
    [row] = rows.fetch(
        "SELECT e.sealed_headers, s.sealed FROM endpoint e JOIN endpoint_secret s ON s.endpoint_id = e.id WHERE e.id = $1",
        uuid.UUID(made["endpoint_id"]),
    )
    assert all(text.startswith(f"k1.{rotated['kek_id']}.") for text in row)
    # The api reads the keys again, and seals what is new with the new one.
    secret = f"/api/webhooks/endpoints/{made['endpoint_id']}/secret"
    assert acme.client.get(secret).json()["secret"] == made["secret"]
    again = acme.client.post("/api/webhooks/endpoints", json=body).json()
    assert not rows.fetch("SELECT FROM endpoint_secret WHERE sealed NOT LIKE 'k1.' || $1 || '.%'", rotated["kek_id"])
    for endpoint in (made, again):
        acme.client.delete(f"/api/webhooks/endpoints/{endpoint['endpoint_id']}")


def test_old_keys_leave_the_file_when_they_are_to(tmp_path: Path):
    # In a file of its own: other tests hold secrets of this run that were sealed before.
    path = tmp_path / "secrets.json"
    first = secrets.create(path)
    rotated = secrets.add_kek(path)
    assert rotated.keks.keys() == {first.kek_id, rotated.kek_id}
    assert secrets.drop_keks(path) == [first.kek_id]
    assert secrets.load(path).keks == {rotated.kek_id: rotated.keks[rotated.kek_id]}


def test_a_secrets_file_that_lacks_a_key_is_refused(admin: Admin, acme: Tenant, environment: dict[str, str]):
    path = Path(environment["SECRETS_FILE"])
    whole = path.read_text()
    try:
        path.write_text(json.dumps(json.loads(whole) | {"kek_id": "k9", "keks": {"k9": "AAAA"}}))
        refused = admin("bootstrap")
        assert refused.returncode == 5
        assert "backup" in refused.stderr
    finally:
        path.write_text(whole)
