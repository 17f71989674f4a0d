"""The commands by which an operator looks up what happens: tasks, workers, usage; and acts for support."""

import asyncio
import json
import uuid
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core import ids

Admin = Callable[..., CompletedProcess[str]]
_TASK = """
INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, max_attempts, time_limit_seconds)
SELECT id, $2, 'echo', 'prefork', 5, '{"secret": "sesame"}', now(), 3, 60 FROM tenant WHERE slug = $1
"""
_ATTEMPT = """
INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at, status, finished_at, error)
SELECT id, $2, 1, gen_random_uuid(), $3, now(), 'FAILURE', now(), '{"message": "sesame"}' FROM tenant WHERE slug = $1
"""
_WORKER = """
INSERT INTO worker (id, hostname, pid, pool, slots, task_types, claim_tokens, heartbeat_at)
VALUES ($1, $2, 7, 'prefork', 4, '{echo}', ARRAY[gen_random_uuid()], now() - $3::integer * interval '1 s')
"""


@pytest.fixture
def slug(admin: Admin) -> str:
    name = f"s-{uuid.uuid4().hex[:12]}"
    assert admin("tenant", "create", name, "--name", "A tenant").returncode == 0
    return name


@pytest.fixture
def execute(environment: dict[str, str]) -> Callable[..., None]:
    """Return a function that runs a statement as the owner."""

    async def run(statement: str, *values: Any) -> None:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            await owner.execute(statement, *values)
        finally:
            await owner.close()

    return lambda statement, *values: asyncio.run(run(statement, *values))


def _json(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_task_is_shown_with_its_attempts_and_nothing_that_only_its_tenant_may_read(
    admin: Admin, slug: str, execute: Callable[..., None]
):
    task_id, worker_id, host = ids.new_id(), uuid.uuid4(), f"host-{slug}"
    execute(_TASK, slug, task_id)
    execute(_WORKER, worker_id, host, 0)
    execute(_ATTEMPT, slug, task_id, worker_id)
    shown = _json(admin("task", "show", slug, str(task_id), "--json"))
    assert (shown["task"], shown["status"], shown["max_attempts"], shown["queue_paused"]) == (
        "echo",
        "PENDING",
        3,
        False,
    )
    [attempt] = shown["attempts"]
    assert (attempt["attempt"], attempt["status"], attempt["worker"]) == (1, "FAILURE", f"{host}:7")
    table = admin("task", "show", slug, str(task_id)).stdout
    assert "FAILURE" in table
    assert "sesame" not in table + json.dumps(shown)
    execute("DELETE FROM worker WHERE id = $1", worker_id)


def test_a_task_of_another_tenant_or_no_id_at_all_is_not_found(admin: Admin, slug: str, execute: Callable[..., None]):
    task_id: UUID = ids.new_id()
    other = f"{slug}-2"
    assert admin("tenant", "create", other, "--name", "B").returncode == 0
    execute(_TASK, slug, task_id)
    for wanted in (str(task_id), str(uuid.uuid4()), "no-id"):
        done = admin("task", "show", other, wanted)
        assert (done.returncode, "no such task" in done.stderr) == (3, True), wanted


def test_workers_are_listed_with_those_that_are_gone(admin: Admin, slug: str, execute: Callable[..., None]):
    living, gone = uuid.uuid4(), uuid.uuid4()
    execute(_WORKER, living, f"{slug}-a", 0)
    execute(_WORKER, gone, f"{slug}-b", 3_600)
    found = {row["hostname"]: row for row in _json(admin("worker", "list", "--json"))["items"]}
    row = found[f"{slug}-a"]
    assert (row["alive"], row["slots"], row["running"], row["pool"]) == (True, 4, 1, "prefork")
    assert found[f"{slug}-b"]["alive"] is False
    assert found[f"{slug}-b"]["last_seen_seconds"] >= 3_600
    assert slug in admin("worker", "list").stdout
    execute("DELETE FROM worker WHERE id = ANY($1)", [living, gone])


def test_usage_of_all_tenants_is_listed_and_unlimited_has_one_spelling(
    admin: Admin, slug: str, execute: Callable[..., None]
):
    execute(
        "INSERT INTO tenant_admitted (tenant_id, day, day_used, month, month_used) SELECT id,"
        " (now() AT TIME ZONE 'UTC')::date, 3, date_trunc('month', now() AT TIME ZONE 'UTC')::date, 70"
        " FROM tenant WHERE slug = $1 ON CONFLICT (tenant_id) DO UPDATE SET day = excluded.day,"
        " day_used = 3, month = excluded.month, month_used = 70",
        slug,
    )
    assert "unlimited" in admin("tenant", "set-limit", slug, "tasks_per_month=unlimited").stdout
    row = next(one for one in _json(admin("usage", "list", "--json"))["items"] if one["slug"] == slug)
    assert (row["day"], row["day_limit"], row["month"], row["month_limit"]) == (3, 1_000, 70, None)
    assert _json(admin("usage", "show", slug, "--json"))["tasks_per_month"] == {"used": 70, "limit": None}
    shown = _json(admin("tenant", "show", slug, "--json"))
    assert (shown["limits"]["tasks_per_month"], shown["overrides"]) == (None, {"tasks_per_month": None})
    for table in (admin("usage", "list"), admin("usage", "show", slug), admin("tenant", "show", slug)):
        assert "unlimited" in table.stdout
        assert " -1" not in table.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("taskz_per_day=9", "no limit 'taskz_per_day'. Did you mean tasks_per_day?"),
        ("tasks_per_day=-1", "tasks_per_day=unlimited"),
        ("tasks_per_day=many", "tasks_per_day=NUMBER"),
        ("running=unlimited", "running must be a whole number"),
    ],
)
def test_a_limit_that_is_refused_is_named_with_what_to_write(admin: Admin, slug: str, change: str, said: str):
    done = admin("tenant", "set-limit", slug, "backlog=5", change)
    assert (done.returncode, said in done.stderr) == (5, True), done.stderr


def test_a_scope_that_does_not_exist_is_named(admin: Admin, slug: str):
    done = admin("key", "issue", slug, "--name", "ci", "--scopes", "tasks:read,tasks:writ")
    assert done.returncode == 5
    assert "no scope 'tasks:writ'. Did you mean tasks:write?" in done.stderr
    assert "last_used_at" in admin("key", "list", slug).stdout


def test_an_act_prints_what_it_has_changed_and_nothing_else(admin: Admin, slug: str):
    assert admin("tenant", "set-limit", slug, "running=7").stdout == f"{slug}: running 2 → 7\n"
    assert admin("tenant", "suspend", slug).stdout == f"{slug}: status active → suspended\n"
    assert admin("tenant", "suspend", slug).stdout == f"{slug}: nothing changed\n"
    assert admin("queue", "pause", slug).stdout == f"{slug}: queue_paused no → yes\n"
    assert admin("tenant", "rename", slug, "Another name").stdout == f"{slug}: name A tenant → Another name\n"
    assert admin("tenant", "rename", slug, " ").returncode == 5


def test_an_error_names_the_stack_that_the_command_used(admin: Admin, environment: dict[str, str]):
    said = admin("tenant", "show", "no-such-tenant").stderr
    assert environment["DATABASE_URL"].rpartition("/")[2].partition("?")[0] in said
    assert "no tenant" in said
    # Never the password of the owner.
    assert "@" not in said


def test_a_members_role_and_password_are_changed(admin: Admin, slug: str):
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    first = _json(admin("member", "add", slug, email, "--role", "owner", "--json"))["initial_password"]
    refused = admin("member", "role", slug, email, "viewer")
    assert (refused.returncode, "last owner" in refused.stderr) == (5, True)
    other = f"{uuid.uuid4().hex[:8]}@example.com"
    assert admin("member", "add", slug, other).returncode == 0
    assert admin("member", "role", slug, other, "developer").stdout == f"{other}: role viewer → developer\n"
    again = _json(admin("member", "reset", slug, email, "--json"))
    assert (again["email"], len(again["initial_password"])) == (email, 24)
    assert again["initial_password"] != first
    for command in (
        ("member", "reset", slug, "nobody@example.com"),
        ("member", "role", slug, "nobody@example.com", "owner"),
    ):
        assert admin(*command).returncode == 3


def test_a_reset_ends_the_persons_sessions_and_is_audited(admin: Admin, slug: str, environment: dict[str, str]):
    email = f"{uuid.uuid4().hex[:8]}@example.com"
    assert admin("member", "add", slug, email).returncode == 0

    async def read() -> tuple[int, bool, int]:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            person = await owner.fetchrow("SELECT version, password_is_initial FROM person WHERE email = $1", email)
            count = "SELECT count(*) FROM audit_event WHERE action = 'member.password_reset' AND object = $1"
            assert person is not None
            return person["version"], person["password_is_initial"], await owner.fetchval(count, email)
        finally:
            await owner.close()

    before = asyncio.run(read())
    assert admin("member", "reset", slug, email).returncode == 0
    assert asyncio.run(read()) == (before[0] + 1, True, 1)
