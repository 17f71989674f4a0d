"""What each process carries: a library that its work never calls costs memory in every copy of it."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_API = {"fastapi", "starlette", "slowapi", "limits", "jose", "passlib", "argon2"}
_TABLES = {"sqlalchemy", "sqlmodel", "alembic"}
_CELERY = {"celery", "kombu", "billiard", "amqp"}
_CLIENT = {"httpx", "httpcore", "rich", "pygments"}

PROCESSES = {
    # It judges a webhook_url by the parser that will send to it.
    "app.main": _CELERY | _TABLES | {"httpcore", "typer", "click", "rich", "pygments"},
    "app.dispatch.loop": _API | _TABLES | _CELERY | _CLIENT | {"typer", "click"},
    # Celery brings click.
    "app.worker.jobs": _API | _TABLES | _CLIENT | {"typer"},
    "app.webhooks.delivery.process": _API | _TABLES | _CELERY | {"typer", "click", "rich", "pygments"},
}


@pytest.mark.parametrize("module", PROCESSES)
def test_a_process_imports_no_library_that_its_work_never_calls(module: str):
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    settings = {"DATABASE_URL": "postgresql://owner@localhost/none", "REDIS_URL": "redis://localhost"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | settings, check=True, text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert set(done.stdout.split()) & PROCESSES[module] == set()
