"""The application's processes: their command lines, their environment, how each is stopped."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.stack import files, processes
from scripts.stack.stackfile import Stack

ROOT = Path(__file__).resolve().parents[2]

_LARGE = 10_000_000
_QUICK = ((signal.SIGTERM, 15.0),)
# A worker lets its tasks end; SIGQUIT tells Celery not to wait any longer.
_WORKER = ((signal.SIGTERM, 45.0), (signal.SIGQUIT, 5.0))

_API = """uvicorn app.main:app --host 127.0.0.1 --http app.http.protocol_limits:GuardedProtocol --loop uvloop
    --no-proxy-headers --no-server-header --no-access-log --timeout-keep-alive 75
    --timeout-graceful-shutdown 10"""
_ANY_WORKER = "--without-gossip --without-mingle --without-heartbeat"
_WORKERS = {
    "worker": f"celery -A app.celery_app worker --pool prefork --concurrency 2 {_ANY_WORKER}",
    # Its threads take tickets; tasks run on one loop.
    "asyncio": f"celery -A app.celery_app worker --pool threads --concurrency 4 -Q tenants.io {_ANY_WORKER}",
}


def names(workers: int, asyncio_workers: int = 0) -> list[str]:
    """Name the parts in the order of their start."""
    numbers = {"worker": workers, "asyncio": asyncio_workers}
    running = [f"{kind}{number}" for kind, count in numbers.items() for number in range(1, count + 1)]
    parts = ["api", "dispatcher", *running]
    return [*parts, "webhooks"] if (ROOT / "app" / "webhooks" / "__main__.py").exists() else parts


def in_stopping_order(stack: Stack) -> list[str]:
    """Name the known parts, those that take in work first."""
    return [part for part in ("api", "webhooks", "dispatcher", *stack.workers()) if part in stack.processes]


def environment(stack: Stack) -> dict[str, str]:
    """Return what all processes of the application get."""
    secrets = os.environ.get("SECRETS_FILE") or str(stack.data_dir / "secrets.json")
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path)),
        # Task modules are found where the caller is. PYTHONPATH comes before Python's own library, and this behind it.
        "TASK_MODULES_FOLDER": os.environ.get("TASK_MODULES_FOLDER") or str(Path.cwd()),
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": stack.database_url or "",
        "REDIS_URL": stack.redis_url or "",
        "SECRETS_FILE": str(Path(secrets).absolute()),
        # What is tried on this machine receives its webhooks on this machine.
        "WEBHOOK_ALLOWED_NETWORKS": os.environ.get("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
    }


def start(stack: Stack, part: str) -> None:
    """Start a part, after what a killed one of the same name may have left behind is gone."""
    kill_leftovers(stack.data_dir, part)
    marks = {processes.DATA_DIR_MARK: str(stack.data_dir), processes.PART_MARK: part}
    stack.processes[part] = processes.spawn(
        _command(stack, part), {**environment(stack), **marks}, ROOT, log_of(stack.data_dir, part)
    )


def stop(stack: Stack, part: str, is_urgent: Callable[[], bool]) -> None:
    """Stop a part, if it runs, and its children."""
    processes.stop(stack.processes[part], _WORKER if _kind(part) in _WORKERS else _QUICK, is_urgent)
    del stack.processes[part]
    kill_leftovers(stack.data_dir, part)


def kill_leftovers(data_dir: Path, part: str | None = None) -> None:
    """Kill what runs for a data folder under a part's name (or any), but is known to nobody."""
    for pid in processes.marked(data_dir, part):
        processes.send(pid, signal.SIGKILL)
    processes.wait_until(lambda: not any(map(processes.start_time, processes.marked(data_dir, part))), 5.0)


def log_of(data_dir: Path, part: str) -> Path:
    """Name a part's log; one that grew large is put aside first."""
    log = files.private_folder(data_dir / "logs") / f"{part}.log"
    if log.exists() and log.stat().st_size > _LARGE:
        log.replace(log.with_suffix(".log.1"))
    return log


def _command(stack: Stack, part: str) -> list[str]:
    python = [sys.executable, "-P", "-m"]
    if part == "api":
        return [*python, *_API.split(), "--port", (stack.api_url or "").rpartition(":")[2]]
    if _kind(part) in _WORKERS:
        level = os.environ.get("LOG_LEVEL", "INFO")
        return [*python, *_WORKERS[_kind(part)].split(), "--loglevel", level, "--hostname", f"{part}@%h"]
    return [*python, {"dispatcher": "app.dispatch", "webhooks": "app.webhooks"}[part]]


def _kind(part: str) -> str:
    return part.rstrip("0123456789")
