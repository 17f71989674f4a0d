"""``stack.json``: what runs, where it is and how to talk to it; for people, programs and the next ``up``."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.stack import files
from scripts.stack.processes import Process, is_alive

NAME = "stack.json"


@dataclass
class Stack:
    """A data folder's stack, as last seen."""

    data_dir: Path
    api_url: str | None = None
    database_url: str | None = None
    redis_url: str | None = None
    postgres_pid: int | None = None
    """None: it is not ours, or does not run."""
    redis_pid: int | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    """By part: ``api``, ``dispatcher``, ``worker1`` and so on, ``webhooks``, ``http``, ``operator``."""
    demo: dict[str, Any] | None = None
    console_url: str | None = None
    """Opens the console once, within five minutes of ``up``; ``scripts/admin console-link`` makes another link."""
    operator_url: str | None = None
    """The same for the operator's pages; ``scripts/admin console-link --operator`` makes another link."""
    operator_address: str | None = None
    """Where these pages are; None where they do not run."""
    demo_database: str | None = None
    """Whose demo tenant that is: another database has another."""
    prepared: str | None = None
    """A digest of the database, secrets and migrations that are known to be in place."""
    settings: dict[str, str] = field(default_factory=dict)
    """The settings from the environment and the options with which it runs."""

    def is_running(self, part: str) -> bool:
        """Tell whether a part runs."""
        return is_alive(self.processes.get(part))

    def living(self) -> list[str]:
        """Name the parts that run."""
        return [part for part in self.processes if self.is_running(part)]

    def workers(self, *kinds: str) -> list[str]:
        """Name the worker processes of these kinds (``worker``, ``asyncio``; default: of both), running or not."""
        return [part for part in self.processes if part.startswith(kinds or ("worker", "asyncio"))]


def load(data_dir: Path) -> Stack:
    """Read a folder's stack; an empty one when there is none."""
    value = files.read_json(data_dir / NAME)
    pids = value.get("pids") or {}
    known = (value.get("processes") or {}).items()
    processes = {part: Process(process["pid"], process["started"]) for part, process in known}
    return Stack(
        data_dir,
        value.get("api_url"),
        value.get("database_url"),
        value.get("redis_url"),
        pids.get("postgres"),
        pids.get("redis"),
        processes,
        value.get("demo"),
        value.get("console_url"),
        value.get("operator_url"),
        value.get("operator_address"),
        value.get("demo_database"),
        value.get("prepared"),
        value.get("settings") or {},
    )


def save(stack: Stack) -> None:
    """Write the file in one step, readable by its owner alone."""
    processes = {part: {"pid": known.pid, "started": known.started} for part, known in stack.processes.items()}
    value = {
        "api_url": stack.api_url,
        "database_url": stack.database_url,
        "redis_url": stack.redis_url,
        "pids": _pids(stack),
        "demo": stack.demo,
        "console_url": stack.console_url,
        "operator_url": stack.operator_url,
        "operator_address": stack.operator_address,
        "demo_database": stack.demo_database,
        "prepared": stack.prepared,
        "settings": stack.settings,
        "processes": processes,
    }
    files.write_json(stack.data_dir / NAME, value)


def _pids(stack: Stack) -> dict[str, int | list[int] | None]:
    known = {part: process.pid for part, process in stack.processes.items()}
    workers = [known[part] for part in stack.workers()]
    return {
        "api": known.get("api"),
        "dispatcher": known.get("dispatcher"),
        "worker": workers[0] if len(workers) == 1 else workers or None,
        "webhooks": known.get("webhooks"),
        "http": known.get("http"),
        "operator": known.get("operator"),
        "postgres": stack.postgres_pid,
        "redis": stack.redis_pid,
    }
