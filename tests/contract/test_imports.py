"""What each process carries: a library that its work never calls costs memory in every copy of it."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

_API = {"fastapi", "starlette", "slowapi", "limits", "jose", "passlib", "argon2"}
_TABLES = {"sqlalchemy", "sqlmodel", "alembic"}
_CELERY = {"celery", "kombu", "billiard", "amqp"}
_AGENTS = {"mcp", "mcp_types", "httpx2", "jsonschema", "sse_starlette"}
_CLIENT = {"httpx", "httpcore", "rich", "pygments"}

PROCESSES = {
    # It judges a webhook_url by the parser that will send to it.
    "app.main": _CELERY | _TABLES | _AGENTS | {"httpcore", "typer", "click", "rich", "pygments"},
    "app.dispatch.loop": _API | _TABLES | _CELERY | _CLIENT | {"typer", "click"},
    # Celery brings click.
    "app.worker.jobs": _API | _TABLES | _CLIENT | {"typer"},
    "app.http_requests.process": _API | _TABLES | _CELERY | {"typer", "click", "rich", "pygments"},
    # It judges URLs of endpoints nowhere, but shares a module with the code that does.
    "app.operator.process": _CELERY | _TABLES | {"typer", "click", "rich", "pygments"},
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


_OFF = """
import asyncio, os, sys
import app.main
from app.main import app
from app.http import front_page

assert "app.console" not in sys.modules and "jinja2" not in sys.modules, "before the start"

async def start() -> None:
    async with app.router.lifespan_context(app):
        paths = [getattr(route, "path", "") for route in app.router.routes]
        print(*(any(path.startswith(folder) for path in paths) for folder in ("/clients", "/guide")))
        print(*sorted(name for name in sys.modules if name.partition(".")[0] == "jinja2" or name.startswith("app.console")))

asyncio.run(start())
"""


@pytest.mark.parametrize(("setting", "is_loaded"), [("off", False), ("on", True)])
def test_an_api_with_the_console_off_imports_none_of_it_and_what_is_off_is_not_served(
    environment: dict[str, str], setting: str, is_loaded: bool
):
    done = subprocess.run(
        [sys.executable, "-c", _OFF], cwd=ROOT, env=environment | dict.fromkeys(("CONSOLE", "CLIENTS", "GUIDE"), setting), check=True, text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    loaded = [line for line in done.stdout.splitlines() if not line.startswith("{")]
    assert bool(loaded[-1]) is is_loaded, done.stdout
    assert loaded[-2] == f"{is_loaded} {is_loaded}"


_MISSING = """
import asyncio, sys
import app.main
from app.main import app

sys.modules["mcp"] = None

async def start() -> None:
    async with app.router.lifespan_context(app):
        print("started", "app.mcp" in sys.modules)

asyncio.run(start())
"""


@pytest.mark.parametrize(("setting", "status"), [("off", 0), ("on", 1)])
def test_an_api_needs_the_packages_for_agents_only_where_it_serves_them(
    environment: dict[str, str], setting: str, status: int
):
    done = subprocess.run(
        [sys.executable, "-c", _MISSING], cwd=ROOT, env=environment | {"MCP": setting}, check=False, text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert ("started False" in done.stdout) is (setting == "off")
    told = "MCP=on needs the package mcp: pip install --require-hashes -r requirements-mcp.txt"
    assert (told in done.stderr) is (setting == "on")
