"""What must hold while it is fast: durability, isolation and admission. A run without them has no figures."""

import time
from collections.abc import Iterator
from http import HTTPStatus

from scripts.benchmark import accounts, database
from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.stack import http_client
from scripts.stack.stackfile import Stack

TENANT_TABLES = ("task", "attempt", "result", "tenant_admitted")
_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes")
_DAY_LIMIT = 3
_PROBES = 50
# A backend writes down what it did after a second, when it next has something to do; or after ten.
_STATISTICS_SECONDS = 20.0

_ROLES = """
    SELECT DISTINCT activity.usename::text, rolsuper OR rolbypassrls FROM pg_stat_activity AS activity
    JOIN pg_roles ON rolname = usename
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_POLICIES = """
    SELECT relname::text FROM pg_class
    WHERE relname = ANY($1) AND relkind IN ('r', 'p') AND relrowsecurity AND relforcerowsecurity
"""
_FLUSHES = """
    SELECT coalesce(sum(io.fsyncs), 0)::int
    FROM pg_stat_activity AS activity, pg_stat_get_backend_io(activity.pid) AS io
    WHERE activity.usename = 'tq_submit' AND io.object = 'wal'
"""


def check(stack: Stack, account: Account, task: str) -> list[str]:
    """Return what holds, a sentence each, having submitted tasks of a type that there is a worker for.

    Raises ``BenchmarkError`` for the first that does not hold.
    """
    return [
        *_durability(stack),
        *_flushes(stack, account, task),
        *_roles(stack),
        *_policies(stack),
        *_admission(stack, account, task),
    ]


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise BenchmarkError(f"a requirement does not hold: {message}")


def _durability(stack: Stack) -> Iterator[str]:
    owner = stack.database_url or ""
    for who, url in {"the database": owner, "the role tq_submit": accounts.role_url(stack, "tq_submit")}.items():
        for setting in _DURABILITY:
            seen = database.value(url, f"SHOW {setting}")
            _require(seen == "on", f"{setting} is {seen} for {who}")
        yield f"{', '.join(_DURABILITY)} are on for {who}"


def _flushes(stack: Stack, account: Account, task: str) -> Iterator[str]:
    """Tell by the server's own statistics that each of a few submits was flushed by the role that made it."""
    owner = stack.database_url or ""
    before = database.value(owner, _FLUSHES)
    for _ in range(_PROBES):
        _require(_submit(stack, account.key, task)[0] == HTTPStatus.ACCEPTED, "an enterprise tenant may submit")
    deadline = time.monotonic() + _STATISTICS_SECONDS
    # A neighbour's flush may carry one of ours: nearly all is enough, and without flushes there would be none.
    while (seen := database.value(owner, _FLUSHES) - before) < _PROBES * 0.8:
        _require(time.monotonic() < deadline, f"{_PROBES} submits one by one flushed the log {seen} times")
        time.sleep(0.3)
        _submit(stack, account.key, task)
    yield f"{_PROBES} submits one by one made tq_submit flush the log at least {_PROBES * 0.8:.0f} times"


def _roles(stack: Stack) -> Iterator[str]:
    seen = dict(database.fetch(stack.database_url or "", _ROLES))
    _require({"tq_submit", "tq_worker"} <= seen.keys(), f"submit and worker are logged in, seen: {sorted(seen)}")
    mighty = [role for role, is_mighty in seen.items() if is_mighty]
    _require(not mighty, f"{', '.join(mighty)} may pass over row-level security")
    yield f"logged in are {', '.join(sorted(seen))}: none is a superuser or has BYPASSRLS"


def _policies(stack: Stack) -> Iterator[str]:
    seen = {row[0] for row in database.fetch(stack.database_url or "", _POLICIES, list(TENANT_TABLES))}
    _require(seen == {*TENANT_TABLES}, f"row-level security is enabled and forced on {sorted(seen)} only")
    rows = database.value(accounts.role_url(stack, "tq_api"), "SELECT count(*) FROM task")
    _require(rows == 0, f"tq_api sees {rows} tasks without naming a tenant")
    yield f"row-level security is enabled and forced on {', '.join(TENANT_TABLES)}; tq_api sees nothing unscoped"


def _admission(stack: Stack, account: Account, task: str) -> Iterator[str]:
    limited = accounts.create(stack, "limited")
    accounts.limit(stack, limited, tasks_per_day=_DAY_LIMIT)
    answers = [_submit(stack, limited.key, task) for _ in range(_DAY_LIMIT + 1)]
    wanted = [(HTTPStatus.ACCEPTED, None)] * _DAY_LIMIT + [(HTTPStatus.TOO_MANY_REQUESTS, "daily_quota")]
    _require(answers == wanted, f"a limit of {_DAY_LIMIT} tasks a day was answered {answers}")
    wrong = account.key[:-1] + ("a" if account.key[-1] != "a" else "b")
    status, _ = _submit(stack, wrong, task)
    _require(status == HTTPStatus.UNAUTHORIZED, f"a wrong key was answered {status}")
    yield f"admission is on: 429 daily_quota for task {_DAY_LIMIT + 1} of {_DAY_LIMIT}, 401 for a wrong key"


def _submit(stack: Stack, key: str, task: str) -> tuple[int, object]:
    body = {"task": task, "payload": {"n": 0}}
    status, answer = http_client.call(f"{stack.api_url}/api/tasks/submit", body=body, key=key)
    return status, answer.get("code")
