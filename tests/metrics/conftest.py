"""Every process of the product with its metrics on, next to those of the run."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until, worker_environment

PROCESSES = {
    "dispatcher": ("app.dispatch",),
    "webhooks": ("app.webhooks",),
    "http": ("app.http_requests",),
}
CELERY = ("celery", "-A", "app.celery_app", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat")


class Watched:
    """The processes, and what each of them exports now."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.ports: dict[str, int] = {}
        self.api = f"http://127.0.0.1:{ports.free_port()}"

    def start(self, kind: str, *command: str, **extra: str) -> None:
        self.ports[kind] = ports.free_port()
        self.stack.start(f"watched-{kind}", *command, METRICS_PORT=str(self.ports[kind]), **extra)

    def text(self, kind: str) -> str:
        return httpx.get(f"http://127.0.0.1:{self.ports[kind]}/metrics", timeout=5, trust_env=False).text

    def samples(self, kind: str) -> list[tuple[str, dict[str, str], float]]:
        families = text_string_to_metric_families(self.text(kind))
        return [(one.name, dict(one.labels), one.value) for family in families for one in family.samples]

    def sum(self, kind: str, name: str, **labels: str) -> float:
        return sum(value for found, has, value in self.samples(kind) if found == name and labels.items() <= has.items())

    def is_up(self, kind: str) -> bool:
        try:
            return bool(self.text(kind))
        except httpx.HTTPError:
            return False


# Of a module: a second worker and dispatcher would run what other tests expect to wait.
@pytest.fixture(scope="module")
def watched(stack: Stack, acme: Tenant) -> Iterator[Watched]:
    """Start one process of each kind; the run's own worker ends, so that the watched one runs each task."""
    made = Watched(stack)
    stack.stop("worker")
    own = {"METRICS_TENANTS": acme.tenant_id}
    port = made.api.rpartition(":")[2]
    made.start(
        "api", "uvicorn", "app.main:app", "--port", port, "--http", "app.http.protocol_limits:GuardedProtocol", **own
    )
    for kind, command in PROCESSES.items():
        made.start(kind, *command, WEBHOOK_ALLOWED_NETWORKS="127.0.0.0/8")
    made.start("operator", "app.operator", "--port", str(ports.free_port()), **own)
    workers = worker_environment(stack.environment)
    made.start("worker", *CELERY, "--pool", "prefork", "--concurrency", "2", "--hostname", "watched@test", **workers)
    made.start(
        "asyncio",
        *CELERY,
        "--pool",
        "threads",
        "--concurrency",
        "2",
        "-Q",
        "tenants.io",
        "--hostname",
        "io@test",
        **workers,
    )
    try:
        for kind in made.ports:
            wait_until(lambda kind=kind: made.is_up(kind), f"the metrics of {kind}")  # type: ignore[misc]
        yield made
    finally:
        for kind in made.ports:
            stack.stop(f"watched-{kind}")
        stack.start_worker()
        stack.wait_for_workers(1)


@pytest.fixture
def calls(watched: Watched, acme: Tenant) -> Iterator[Callable[..., httpx.Response]]:
    """Call the watched api as a tenant."""
    with httpx.Client(base_url=watched.api, headers={"X-API-Key": acme.api_key}, timeout=30, trust_env=False) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200, "the watched api")
        yield client.request
