"""Makes a database ready for the application: roles, secrets, tables, and a tenant to try it with."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.stack import files, parts
from scripts.stack.console import say
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack

_DEMO = "demo"


def prepare(stack: Stack) -> None:
    """Run bootstrap and migrate; skipped when they ran for just this database, secrets file and migrations."""
    if stack.prepared and stack.prepared == _digest(stack):
        return
    say("Preparing the database ...")
    _admin(stack, "bootstrap")
    _admin(stack, "migrate")
    # Somebody else's database may be emptied without our knowing: never skipped there.
    stack.prepared = None if os.environ.get("DATABASE_URL") else _digest(stack)


def has_demo(stack: Stack) -> bool:
    """Tell whether the demo tenant of this very database is known."""
    return stack.demo is not None and stack.demo_database == _database(stack)


def make_demo(stack: Stack) -> None:
    """Make the demo tenant, or another key for it when only our knowledge of it was lost."""
    try:
        stack.demo = _create_demo(stack)
    except StackError as refusal:
        stack.demo = _issue_key(stack, refusal)
    stack.demo_database = _database(stack)


def make_console_link(stack: Stack) -> None:
    """Make a link that opens the console of the demo tenant, signed in; none where the console is off."""
    if os.environ.get("CONSOLE") == "off":
        stack.console_url = None
        return
    answer = json.loads(_admin(stack, "console-link", _DEMO, "--url", stack.api_url or "", "--json"))
    stack.console_url = answer["url"]


def make_operator_link(stack: Stack) -> None:
    """Make a link that opens the operator's pages, signed in; none where they do not run."""
    if stack.operator_address is None:
        stack.operator_url = None
        return
    answer = json.loads(_admin(stack, "console-link", "--operator", "--url", stack.operator_address, "--json"))
    stack.operator_url = answer["url"]


def _create_demo(stack: Stack) -> dict[str, Any]:
    arguments = ["tenant", "create", _DEMO, "--name", "Demo", "--plan", "enterprise", "--json"]
    answer = json.loads(_admin(stack, *arguments))
    return {name: answer.get(name) for name in ("tenant_id", "api_key", "webhook_secret")}


def _issue_key(stack: Stack, refusal: StackError) -> dict[str, Any]:
    """Issue a key for a tenant that exists already; when it does not, the refusal to make it is what counts."""
    try:
        answer = json.loads(_admin(stack, "key", "issue", _DEMO, "--name", _DEMO, "--json"))
        tenant = json.loads(_admin(stack, "tenant", "show", _DEMO, "--json"))
    except StackError:
        raise refusal from None
    known = stack.demo or {}
    secret = known.get("webhook_secret") if known.get("tenant_id") == tenant.get("tenant_id") else None
    return {"tenant_id": tenant.get("tenant_id"), "api_key": answer["api_key"], "webhook_secret": secret}


def _admin(stack: Stack, *arguments: str) -> str:
    """Run an operator's command; returns the last line it printed."""
    log = parts.log_of(stack.data_dir, "admin")
    offset = log.stat().st_size if log.exists() else 0
    with files.append_private(log) as errors:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "app.admin", *arguments],
            env=parts.admin_environment(stack),
            cwd=parts.folder(stack),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
    output = done.stdout.decode(errors="replace").rstrip().splitlines()
    if done.returncode:
        lines = "\n  ".join([*output[-3:], *files.tail(log, 8, offset)])
        message = f"scripts/admin {' '.join(arguments[:2])} failed; its log is {log}:\n  {lines}"
        raise StackError(message)
    return output[-1] if output else ""


def _database(stack: Stack) -> str:
    """Digest what tells one database from another: our own may change its port, but not its password."""
    url = urlsplit(stack.database_url or "")
    port = url.port if os.environ.get("DATABASE_URL") else None
    return _sha(f"{url.username}:{url.password}@{url.hostname}:{port}{url.path}".encode())


def _digest(stack: Stack) -> str | None:
    secrets = parts.secrets_file(stack)
    files_of_keys = (secrets, parts.worker_secrets_file(stack), parts.admin_secrets_file(stack))
    if os.environ.get("DATABASE_URL") or not all(map(Path.exists, files_of_keys)):
        return None
    sources = sorted(path for path in (parts.ROOT / "migrations").rglob("*") if path.suffix in {".py", ".sql", ".toml"})
    contents = [secrets.read_bytes(), *(path.read_bytes() for path in sources)]
    return _sha(_database(stack).encode() + b"".join(map(str.encode, map(_sha, contents))))


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
