"""docs/deploy-on-servers.md, followed on Debian's Postgres 15, Redis 7 and nginx: its commands, its files, its units."""

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.http.event_stream import COMMENT_INTERVAL
from app.http.strict_json import MAX_BODY_BYTES
from app.tasks.parameters import _MAX_WAIT
from tests import log_scan
from tests.conftest import ROOT, wait_until
from tests.deploy import accounts, host
from tests.docs import pages

PAGE = ROOT / "docs" / "deploy-on-servers.md"
NAME = "tasks.example.com"
BLOCKS = [fence for fence in pages.fences(PAGE, "sh") if not fence.mark.startswith("not run: ")]
WORKER = "taskqueue-worker@1"
# The first test waits for the whole page, and for some ten processes that start at once.
pytestmark = pytest.mark.timeout(300)
NGINX = (ROOT / "deploy" / "host" / "nginx.conf").read_text()


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[host.Host, str]]:
    """Follow the page up to its last step; yield the host and what its commands printed."""
    if absent := host.missing():
        pytest.skip(f"not installed: apt-get install {' '.join(absent)}")
    with log_scan.scratch_folder() as folder:
        made = host.make(folder)
        _certify(made.path("/etc/nginx/tls"))
        try:
            yield made, "".join(made.shell(block.text) for block in BLOCKS[:-1])
        finally:
            for name in reversed(list(made.running)):
                made.stop(name)


def _certify(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "taskqueue.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "taskqueue.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    accounts.own(folder / "taskqueue.key", "www-data", 0o600)


@pytest.fixture(scope="module")
def client(deployed: tuple[host.Host, str]) -> Iterator[httpx.Client]:
    """Yield a client from outside: it knows nginx's port and certificate, and the key that the page's command printed."""
    made, printed = deployed
    (key,) = re.findall(r"tq_live_\w+", printed)
    trusted = ssl.create_default_context(cafile=str(made.path("/etc/nginx/tls/taskqueue.crt")))
    with httpx.Client(
        base_url=f"https://127.0.0.1:{made.ports['443']}", verify=trusted, timeout=40,
        headers={"Authorization": f"Bearer {key}", "Host": NAME},
    ) as opened:  # fmt: skip
        opened.event_hooks["request"] = [lambda request: request.extensions.update(sni_hostname=NAME)]
        wait_until(lambda: _is_ready(opened), "the service behind nginx", seconds=120)
        yield opened


def _is_ready(client: httpx.Client) -> bool:
    response = client.get("/readyz")
    return response.status_code == 200 and response.json()["status"] == "ready"


@pytest.fixture
def made(deployed: tuple[host.Host, str], client: httpx.Client) -> host.Host:
    return deployed[0]


def _run(client: httpx.Client, **body: Any) -> dict[str, Any]:
    submitted = client.post("/api/tasks/submit", json=body)
    assert submitted.status_code == 202, submitted.text
    path = f"/api/tasks/{submitted.json()['task_id']}"
    client.get(f"{path}/result", params={"wait": 30})
    return dict(client.get(f"{path}/status").json())


def test_a_task_from_outside_succeeds(client: httpx.Client):
    assert _run(client, task="echo", payload={"message": "hello"})["status"] == "SUCCESS"


def test_it_goes_on_after_redis_was_restarted(made: host.Host, client: httpx.Client):
    made.shell("systemctl restart redis-server")
    wait_until(lambda: _is_ready(client), "the service after a restart of Redis", seconds=120)
    assert _run(client, task="echo", payload={"message": "again"})["status"] == "SUCCESS"


def test_the_page_checks_the_service_from_outside(made: host.Host, client: httpx.Client):
    assert f"curl -sS https://{NAME}/readyz" in BLOCKS[-1].text
    assert client.get("/readyz").text.startswith('{"status":"ready",')
    made.shell("taskqueue-admin doctor")


def test_the_commands_may_be_repeated(made: host.Host, client: httpx.Client):
    once = ("roles.sql", "tenant create", "clients build")
    lines = [line for block in BLOCKS[:-1] for line in block.text.splitlines()]
    made.shell("\n".join(line for line in lines if not any(word in line for word in (*once, "restart"))))
    assert _run(client, task="echo", payload={"message": "repeated"})["status"] == "SUCCESS"


def _keys(made: host.Host) -> set[str]:
    """Return what a worker must not know: the owner's password, every key, and the passwords of the other roles."""
    whole = json.loads(made.path("/var/lib/taskqueue/secrets.json").read_text())
    operators = json.loads(made.path("/var/lib/taskqueue-admin/secrets.json").read_text())
    passwords = {name: text for file in (whole, operators) for name, text in file["role_passwords"].items()}
    assert "tq_worker" in passwords and "tq_admin" in passwords
    return {
        made.path("/etc/taskqueue/owner_password").read_text(),
        *whole["keks"].values(), *whole["peppers"].values(), *(key["private_key"] for key in whole["jwt_keys"]),
        *(text for name, text in passwords.items() if name != "tq_worker"),
    }  # fmt: skip


def _environments(made: host.Host, name: str) -> list[str]:
    """Return the environment of a service's main process and of its children."""
    pids = [made.running[name].pid]
    for pid in pids:
        pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return [Path(f"/proc/{pid}/environ").read_text() for pid in pids]


def _found(texts: set[str], user: str, folders: list[Path]) -> set[str]:
    """Return the files in these folders in which a user can read one of the texts."""
    done = subprocess.run(
        ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--no-messages", "--exclude-dir=.venv", "--exclude-dir=python",
         "--file=-", *map(str, folders)],
        input="\n".join(texts), capture_output=True, text=True, check=False, cwd="/", **accounts.become(user),
    )  # fmt: skip
    return set(done.stdout.splitlines())


def test_no_process_has_the_owners_password_or_a_key_in_its_environment(made: host.Host):
    keys = _keys(made)
    services = [name for name in made.running if name.startswith("taskqueue-")]
    assert {name.partition("@")[0] for name in services} >= {"taskqueue-api", "taskqueue-operator", "taskqueue-worker"}
    for name in services:
        for environment in _environments(made, name):
            assert "REDIS_URL=" in environment
            assert [key for key in keys if key in environment] == [], name
    assert len(_environments(made, WORKER)) > 2, "the children of the worker run the code"


def test_what_a_worker_is_given_has_no_key(made: host.Host):
    unit = made.unit(WORKER)
    given = [made.path(f"/run/credentials/{WORKER}.service"), made.path("/var/lib/taskqueue-worker")]
    files = [Path(word.removeprefix("-")) for word in unit.words("EnvironmentFile")]
    assert _found(_keys(made), "taskqueue-worker", given) == set()
    assert [key for key in _keys(made) for file in files if file.exists() and key in file.read_text()] == []
    assert json.loads((given[0] / "secrets.json").read_text())["role_passwords"].keys() == {"tq_worker"}
    assert unit.one("WorkingDirectory") == "/" and not Path("/.env").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the service's processes as several users")
def test_a_worker_can_read_no_file_of_the_host_with_the_owners_password_or_a_key(made: host.Host):
    folders = [made.path(name) for name in ("etc", "opt", "run", "usr", "var")]
    assert _found(_keys(made), "taskqueue-worker", folders) == set()
    # The same search finds them where it may read: it is no search in the wrong place.
    assert str(made.path("/var/lib/taskqueue/secrets.json")) in _found(_keys(made), "taskqueue", folders)
    owner = {made.path("/etc/taskqueue/owner_password").read_text()}
    assert _found(owner, "taskqueue", folders) == set()
    assert {file.name for file in made.path("/etc/taskqueue").iterdir()} >= {"owner.env", "taskqueue.env"}


def test_a_stream_of_events_arrives_while_the_task_still_waits(client: httpx.Client):
    task = client.post(
        "/api/tasks/submit", json={"task": "echo", "payload": {"message": "later"}, "delay_seconds": 300}
    ).json()
    path = f"/api/tasks/{task['task_id']}"
    with client.stream("GET", f"{path}/events", headers={"Accept": "text/event-stream"}, timeout=10) as stream:
        lines = stream.iter_lines()
        assert any("task.created" in line for line in lines)
        assert client.get(f"{path}/status").json()["status"] == "PENDING"
        client.delete(path)


def test_the_proxy_waits_longer_than_long_polls_and_streams_do():
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(seconds) > 2 * max(_MAX_WAIT, COMMENT_INTERVAL)
    (idle,) = re.findall(r"^    keepalive_timeout (\d+)s;", NGINX, re.MULTILINE)
    assert int(idle) < 75


def test_the_api_sees_the_address_that_nginx_sees(client: httpx.Client):
    made = client.post("/api/keys", json={"name": "proxied"}, headers={"X-Forwarded-For": "203.0.113.9"})
    assert made.status_code == 201, made.text
    (event,) = [one for one in client.get("/api/audit").json()["items"] if one["action"] == "key.issued"][:1]
    assert event["address"] == "127.0.0.1", event


def test_the_api_refuses_what_is_too_large_in_its_own_words(client: httpx.Client):
    large = client.post("/api/tasks/submit", json={"task": "echo", "payload": {"message": "x" * MAX_BODY_BYTES}})
    assert (large.status_code, large.headers["content-type"]) == (413, "application/problem+json")
    assert client.post("/api/tasks/batch", content=b" " * 3_000_000).status_code == 413


def test_without_tls_a_key_is_refused_and_a_browser_is_sent_on(made: host.Host):
    plain = f"http://127.0.0.1:{made.ports['80']}"
    assert httpx.get(f"{plain}/api/me", headers={"Host": NAME}).status_code == 403
    sent = httpx.get(f"{plain}/console", headers={"Host": NAME})
    assert (sent.status_code, sent.headers["location"]) == (301, f"https://{NAME}/console")


def test_the_probe_of_a_worker_finds_it(made: host.Host):
    unit = made.unit(f"taskqueue-probe@{WORKER.removeprefix('taskqueue-')}")
    environment = made.environment(unit)
    environment["PATH"] = f"{made.folder / 'bin'}:{environment['PATH']}"
    done = subprocess.run(
        unit.command(), env=environment | {"HOST": str(made.folder)}, cwd="/", capture_output=True, text=True, check=False,
        **accounts.become(unit.one("User")),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("worker on "), done.stdout


def test_a_worker_of_the_asyncio_pool_starts(made: host.Host, client: httpx.Client):
    made.shell("systemctl enable --now taskqueue-asyncio@1")
    wait_until(lambda: "asyncio" in client.get("/readyz").json()["workers_by_pool"], "the asyncio pool")


def test_systemd_takes_the_units(made: host.Host):
    if (program := shutil.which("systemd-analyze")) is None:
        pytest.skip("not installed: apt-get install systemd")
    installed = made.path("/etc/systemd/system")
    names = [path.name.replace("@.", "@1.") for path in sorted(installed.iterdir()) if path.is_file()]
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", *(str(installed / name) for name in names)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
