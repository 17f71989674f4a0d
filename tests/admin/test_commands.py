"""Each command: what it prints, what it changes, how it ends."""

import asyncio
import base64
import json
import os
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import asyncpg
import pytest

Admin = Callable[..., CompletedProcess[str]]


@pytest.fixture
def slug() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


def _json(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _create(admin: Admin, slug: str, plan: str = "free") -> Any:
    return _json(admin("tenant", "create", slug, "--name", "A tenant", "--plan", plan, "--json"))


def test_created_tenant_comes_with_its_secrets_this_once(admin: Admin, slug: str) -> None:
    made = _create(admin, slug, "pro")
    assert made.keys() == {"tenant_id", "slug", "plan", "queue", "api_key", "webhook_secret"}
    assert made["queue"] == f"tenant.{made['tenant_id']}"
    assert len(base64.b64decode(made["webhook_secret"].removeprefix("whsec_"))) == 32
    shown = admin("tenant", "show", slug, "--json").stdout
    assert made["api_key"] not in shown
    assert made["webhook_secret"] not in shown


def test_people_get_a_table_that_cuts_no_secret(admin: Admin, slug: str) -> None:
    done = admin("tenant", "create", slug, "--name", "[bold]A[/bold]", "--plan", "free")
    key = next(line for line in done.stdout.splitlines() if "api_key" in line)
    assert "…" not in key
    assert "[bold]A[/bold]" in admin("tenant", "list").stdout


def test_slug_is_taken_once(admin: Admin, slug: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: admin("tenant", "create", slug, "--name", "A"), range(2)))
    assert sorted(done.returncode for done in both) == [0, 4]


@pytest.mark.parametrize("bad", ["Upper", "trailing-", "under_score", "a" * 64, "é"])
def test_bad_slug_is_refused(admin: Admin, bad: str) -> None:
    assert admin("tenant", "create", bad, "--name", "A").returncode == 5


@pytest.mark.parametrize(
    "command",
    [
        "tenant show",
        "tenant suspend",
        "tenant resume",
        "key list",
        "queue pause",
        "queue resume",
        "usage show",
        "delivery list",
    ],
)
def test_unknown_tenant_is_not_found(admin: Admin, command: str) -> None:
    done = admin(*command.split(), "no-such-tenant")
    assert done.returncode == 3
    assert "no tenant" in done.stderr


def test_wrong_usage_ends_with_2(admin: Admin, slug: str) -> None:
    assert admin("tenant", "create", slug).returncode == 2
    assert admin("tenant", "create", slug, "--name", "A", "--plan", "gold").returncode == 2


def test_running_limit_follows_plan_and_override(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    assert _running_limit(admin, slug) == 2
    admin("tenant", "set-plan", slug, "pro")
    assert _running_limit(admin, slug) == 20
    assert _json(admin("tenant", "set-limit", slug, "running=7", "--json"))["overrides"] == {"running": 7}
    assert _running_limit(admin, slug) == 7
    admin("tenant", "set-limit", slug, "running=")
    assert _running_limit(admin, slug) == 20


def test_event_hours_of_0_switch_the_log_off_and_an_override_that_goes_switches_it_on(
    admin: Admin, slug: str, environment: dict[str, str]
) -> None:
    _create(admin, slug)
    found = [_features(environment, slug)]
    for change in ("event_hours=0", "running=7", "event_hours=5", "event_hours=0", "event_hours="):
        assert admin("tenant", "set-limit", slug, change).returncode == 0
        found.append(_features(environment, slug))
    assert found == [1, 0, 0, 1, 0, 1]


def _features(environment: dict[str, str], slug: str) -> int:
    async def read() -> int:
        owner = await asyncpg.connect(environment["DATABASE_URL"])
        try:
            statement = "SELECT features FROM tenant_slots s JOIN tenant t ON t.id = s.tenant_id WHERE t.slug = $1"
            return int(await owner.fetchval(statement, slug))
        finally:
            await owner.close()

    return asyncio.run(read())


def _running_limit(admin: Admin, slug: str) -> Any:
    queues = _json(admin("queue", "list", "--json"))["items"]
    return next(queue["running_limit"] for queue in queues if queue["slug"] == slug)


@pytest.mark.parametrize("change", ["speed=1", "running=-1", "weight=0", "weight=x", "weight"])
def test_limit_that_cannot_be_is_refused_and_changes_nothing(admin: Admin, slug: str, change: str) -> None:
    _create(admin, slug)
    done = admin("tenant", "set-limit", slug, "backlog=5", change)
    assert done.returncode == 5
    assert change.partition("=")[0] in done.stderr or "tasks_per_day" in done.stderr
    assert _json(admin("tenant", "show", slug, "--json"))["overrides"] == {}


def test_suspension_and_pause_come_and_go(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    assert _json(admin("tenant", "suspend", slug, "--json"))["status"] == "suspended"
    assert _json(admin("queue", "pause", slug, "--json"))["queue_paused"] is True
    assert _json(admin("tenant", "resume", slug, "--json"))["status"] == "active"
    assert _json(admin("queue", "resume", slug, "--json"))["queue_paused"] is False


def test_key_is_issued_listed_and_revoked(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    key = _json(admin("key", "issue", slug, "--name", "ci", "--scopes", "tasks:read", "--expires-days", "3", "--json"))
    assert key["scopes"] == ["tasks:read"]
    assert admin("key", "revoke", slug, key["key_id"]).returncode == 0
    listed = admin("key", "list", slug, "--json")
    assert key["api_key"] not in listed.stdout
    revoked = {item["key_id"]: item["revoked_at"] for item in _json(listed)["items"]}
    assert [key_id for key_id, at in revoked.items() if at] == [key["key_id"]]


def test_key_of_another_tenant_is_not_found(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    _create(admin, f"{slug}-2")
    key = _json(admin("key", "issue", slug, "--name", "ci", "--json"))
    assert admin("key", "revoke", f"{slug}-2", key["key_id"]).returncode == 3


def test_keys_are_as_many_as_the_limit(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    admin("tenant", "set-limit", slug, "api_keys=2")
    with ThreadPoolExecutor(3) as pool:
        all_three = list(pool.map(lambda _: admin("key", "issue", slug, "--name", "ci"), range(3)))
    assert sorted(done.returncode for done in all_three) == [0, 5, 5]


def test_usage_of_a_new_tenant_is_nothing(admin: Admin, slug: str) -> None:
    _create(admin, slug)
    usage = _json(admin("usage", "show", slug, "--json"))
    assert usage["tasks_per_day"] == {"used": 0, "limit": 1_000}
    assert usage["tasks_per_month"] == {"used": 0, "limit": 31_000}


def test_status_says_that_the_schema_is_ours(admin: Admin) -> None:
    status = _json(admin("status", "--json"))
    assert status["schema"] == status["schema_expected"]


def test_bootstrap_and_migrate_may_be_repeated_at_once(admin: Admin) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(admin, ["bootstrap", "bootstrap", "migrate", "migrate"]))
    assert [each.returncode for each in done] == [0, 0, 0, 0], [each.stderr for each in done]


def test_database_that_is_away_ends_with_6(tmp_path: Path) -> None:
    assert _alone(tmp_path, "postgresql://nobody@127.0.0.1:1/none", "migrate").returncode == 6


def test_settings_that_are_missing_are_named(tmp_path: Path) -> None:
    done = _alone(tmp_path, None, "status", "--data-dir", "nowhere")
    assert done.returncode == 2
    assert str(tmp_path / "nowhere") in done.stderr
    assert "DATABASE_URL" in done.stderr
    # Mostly the command was only called from another folder than scripts/up.
    assert "--data-dir" in done.stderr


def test_stack_is_found_in_the_data_directory_wherever_the_option_stands(tmp_path: Path) -> None:
    stack = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "redis_url": "redis://127.0.0.1:1"}
    (tmp_path / "stack.json").write_text(json.dumps(stack))
    assert _alone(tmp_path, None, f"--data-dir={tmp_path}", "migrate").returncode == 6
    assert _alone(tmp_path, None, "migrate", "--data-dir", str(tmp_path)).returncode == 6


def _alone(directory: Path, database_url: str | None, *arguments: str) -> CompletedProcess[str]:
    # In a directory of its own, where no .env speaks up.
    root = Path(__file__).resolve().parents[2]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join((str(root), *sys.path))}
    if database_url:
        environment |= {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1"}
    command = [sys.executable, "-m", "app.admin", *arguments]
    return run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=60)
