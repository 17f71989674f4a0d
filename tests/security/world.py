"""Two tenants and every kind of caller, on any database and api process."""

import asyncio
import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import asyncpg
import httpx

from app.core import ids
from app.identity.scopes import MEANINGS
from tests import operator_commands
from tests.conftest import wait_until

PASSWORD = "correct horse battery staple 4711"
_HOSTS = itertools.count(2)


def admin(environment: dict[str, str], *args: str) -> dict[str, Any]:
    """Run an operator's command on a database."""
    done = operator_commands.run(environment, *args)
    done.check_returncode()
    lines = done.stdout.splitlines()
    return dict(json.loads(lines[-1])) if "--json" in args else {}


async def _execute(url: str, sql: str, *values: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql, *values))
    finally:
        await connection.close()


def sql(environment: dict[str, str], statement: str, *values: Any) -> list[asyncpg.Record]:
    """Run a statement as the owner of a database."""
    return asyncio.run(_execute(environment["DATABASE_URL"], statement, *values))


@dataclass
class Side:
    """A tenant with a key that may do everything, and a member."""

    tenant_id: str
    slug: str
    api_key: str
    webhook_secret: str
    email: str


@dataclass
class World:
    """An api process, the owner of its database, and callers."""

    url: str
    environment: dict[str, str]
    own: Side = field(init=False)
    other: Side = field(init=False)
    _narrow: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.own, self.other = self.side("own"), self.side("other")

    @cached_property
    def bystander(self) -> Side:
        """A tenant that makes nothing: what is counted of it changes only if another's is counted with it."""
        return self.side("bystander")

    @cached_property
    def suspended(self) -> Side:
        """A tenant that the operator has suspended."""
        side = self.side("suspended")
        admin(self.environment, "tenant", "suspend", side.slug)
        wait_until(lambda: self.call("GET", "/api/tasks", side.api_key).status_code == 403, "a suspension", 5)
        return side

    @cached_property
    def expired_key(self) -> str:
        """A key of the tenant's that has come to its end."""
        made = self.issue(self.own, "expired")
        self.sql("UPDATE api_key SET expires_at = now() - interval '1 minute' WHERE key_id = $1", made["key_id"])
        return str(made["api_key"])

    def side(self, name: str) -> Side:
        """Make a tenant."""
        slug = f"m-{name}-{uuid.uuid4().hex[:8]}"
        made = admin(self.environment, "tenant", "create", slug, "--name", name, "--plan", "enterprise", "--json")
        side = Side(made["tenant_id"], slug, made["api_key"], made["webhook_secret"], f"{slug}@example.com")
        self.member(side, side.email, "owner")
        return side

    def sql(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        """Run a statement as the owner of the database."""
        return sql(self.environment, statement, *values)

    def call(self, method: str, path: str, key: str | None, **more: Any) -> httpx.Response:
        """Call with a key or a token, or without; each call has an address of its own: logins are limited for each."""
        number = next(_HOSTS)
        address = f"127.11.{number // 250}.{number % 250 + 1}"
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        # Without TLS there is nothing to verify; to load the certificates would take longer than the call.
        transport = httpx.HTTPTransport(local_address=address, verify=False)
        with httpx.Client(transport=transport, timeout=30) as client:
            return client.request(method, self.url + path, headers=headers, **more)

    def issue(self, side: Side, name: str, **body: Any) -> dict[str, Any]:
        """Issue a key of a tenant."""
        return dict(self._made(side, "/api/keys", {"name": name} | body))

    def narrow_key(self, scope: str) -> str:
        """Return a key of the tenant that may do everything but this."""
        if scope not in self._narrow:
            scopes = sorted(MEANINGS.keys() - {scope})
            self._narrow[scope] = str(self.issue(self.own, f"without {scope}", scopes=scopes)["api_key"])
        return self._narrow[scope]

    def member(self, side: Side, email: str, role: str = "viewer") -> str:
        """Add a member of a tenant; return its id."""
        return str(self._made(side, "/api/members", {"email": email, "role": role, "password": PASSWORD})["member_id"])

    def task(self, side: Side, **body: Any) -> str:
        """Submit a task that waits for an hour."""
        return str(
            self._made(side, "/api/tasks/submit", {"task": "echo", "payload": 1, "delay_seconds": 3600} | body)[
                "task_id"
            ]
        )

    def operation(self, side: Side) -> str:
        """Make an operation that was cancelled: it stays as it is, whether a dispatcher runs or not."""
        self.end_operations()
        body = {"filter": {"ids": [str(uuid.uuid4())]}}
        operation_id = str(self._made(side, "/api/tasks/cancel", body)["operation_id"])
        self.sql(
            "UPDATE operation SET status = 'CANCELLED', cancel_requested_at = now(), finished_at = now() WHERE id = $1",
            uuid.UUID(operation_id),
        )
        return operation_id

    def error(self, side: Side) -> str:
        """Make an error of a tenant, as the dispatcher does; return its id."""
        error_id = uuid.uuid4()
        self.sql(
            "INSERT INTO task_error (tenant_id, id, task, type, message, occurrences, first_seen, last_seen, last_task_id,"
            " hourly, hourly_until) VALUES ($1, $2, 'echo', 'ValueError', 'no', 1, now(), now(), $2,"
            " array_fill(0, ARRAY[24]), now())",
            uuid.UUID(side.tenant_id), error_id,
        )  # fmt: skip
        return str(error_id)

    def end_operations(self) -> None:
        """End the operations of the callers, so that they may start others: not every world has a dispatcher."""
        self.sql(
            "UPDATE operation SET status = 'CANCELLED', finished_at = now()"
            " WHERE finished_at IS NULL AND tenant_id = ANY($1::uuid[])",
            [self.own.tenant_id, self.other.tenant_id],
        )

    def delivery(self, side: Side) -> str:
        """Make a delivery that has failed; return its id."""
        delivery_id = ids.new_id()
        self.sql(
            "INSERT INTO delivery (tenant_id, id, event_id, task_id, event_type, url, url_key, body, status, attempt,"
            " finished_at) VALUES ($1, $2, $2, $2, 'task.failed', 'https://a.example.com/', 'https://a.example.com/', '{}',"
            " 'FAILED', 10, now())",
            uuid.UUID(side.tenant_id), delivery_id,
        )  # fmt: skip
        return str(delivery_id)

    def endpoint(self, side: Side) -> str:
        """Make an endpoint; return its id."""
        url = "https://hooks.example.com/thing"
        return str(self._made(side, "/api/webhooks/endpoints", {"url": url})["endpoint_id"])

    def login(self, side: Side, password: str = PASSWORD) -> httpx.Response:
        """Log in as the tenant's member."""
        return self.call("POST", "/api/auth/login", None, json={"email": side.email, "password": password})

    def token(self, side: Side) -> str:
        """Return the token of the tenant's member."""
        return str(self.login(side).json()["access_token"])

    def thing(self, kind: str, side: Side) -> str:
        """Make a thing of a tenant; return its id."""
        makers: dict[str, Callable[[], str]] = {
            "key": lambda: str(self.issue(side, "thing")["key_id"]),
            "operation": lambda: self.operation(side),
            "delivery": lambda: self.delivery(side),
            "endpoint": lambda: self.endpoint(side),
            "schedule": lambda: self.schedule(side),
            "error": lambda: self.error(side),
            "member": lambda: self.member(side, f"{uuid.uuid4().hex}@example.com"),
        }
        if kind in makers:
            return makers[kind]()
        task_id = self.task(side)
        if kind == "ended task":
            assert self.call("POST", f"/api/tasks/{task_id}/cancel", side.api_key).status_code == 200
        return task_id

    def schedule(self, side: Side) -> str:
        """Make a schedule of a tenant that does not fire for a while."""
        body = {"name": f"s{uuid.uuid4().hex}", "cron": "@yearly", "task": "echo", "payload": 1}
        return str(self._made(side, "/api/schedules", body)["schedule_id"])

    def end(self, side: Side, task_id: str) -> None:
        """Cancel a task that may run meanwhile; return once it has ended."""
        self.call("POST", f"/api/tasks/{task_id}/cancel", side.api_key)
        wait_until(lambda: self.state("task", side, task_id)["finished_at"] is not None, "the end of a task")

    def state(self, kind: str, side: Side, name: str) -> Any:
        """Return a thing as its tenant sees it."""
        if "task" in kind:
            return self.call("GET", f"/api/tasks/{name}", side.api_key).json()
        if kind == "delivery":
            return self.call("GET", f"/api/webhooks/deliveries/{name}", side.api_key).json()
        path = "/api/webhooks/endpoints" if kind == "endpoint" else f"/api/{kind}s"
        page = self.call("GET", path, side.api_key, params={"limit": 100}).json()["items"]
        [found] = [item for item in page if item[f"{kind}_id"] == name]
        return found

    def _made(self, side: Side, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self.call("POST", path, side.api_key, json=body)
        assert response.is_success, response.text
        return dict(response.json())
