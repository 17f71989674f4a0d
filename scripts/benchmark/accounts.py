"""Tenants and keys, made by the operator's commands."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.benchmark.errors import BenchmarkError
from scripts.stack import files, parts
from scripts.stack.stackfile import Stack


@dataclass(frozen=True)
class Account:
    """A tenant and its key."""

    slug: str
    tenant_id: str
    key: str


def create(stack: Stack, slug: str, plan: str = "enterprise") -> Account:
    """Make a tenant of a plan."""
    made = _admin(stack, "tenant", "create", slug, "--name", slug, "--plan", plan, "--json")
    return Account(slug, made["tenant_id"], made["api_key"])


def create_many(stack: Stack, prefix: str, count: int) -> list[Account]:
    """Make many tenants of the enterprise plan, some hundred a second."""
    made = _run(stack, "scripts.benchmark.many_tenants", prefix, str(count))
    return [Account(**each) for each in made]


def limit(stack: Stack, account: Account, **limits: int) -> None:
    """Override limits of the plan."""
    changes = [f"{name}={number}" for name, number in limits.items()]
    _admin(stack, "tenant", "set-limit", account.slug, *changes, "--json")


def role_url(stack: Stack, role: str) -> str:
    """Return the URL by which one of our processes' roles logs in."""
    secrets = files.read_json(Path(parts.environment(stack)["SECRETS_FILE"]))
    url = urlsplit(stack.database_url or "")
    return url._replace(netloc=f"{role}:{secrets['role_passwords'][role]}@{url.hostname}:{url.port}").geturl()


def _admin(stack: Stack, *arguments: str) -> dict[str, Any]:
    answer: dict[str, Any] = _run(stack, "app.admin", *arguments)
    return answer


def _run(stack: Stack, module: str, *arguments: str) -> Any:
    """Run a module with the stack's settings, and return the JSON in the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, *arguments],
        env=parts.admin_environment(stack),
        cwd=parts.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{module} {' '.join(arguments[:3])} failed: {done.stderr or done.stdout}")
    return json.loads(done.stdout.splitlines()[-1])
