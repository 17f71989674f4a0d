"""The application's processes: their command lines, their environment, how each is stopped."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from scripts.stack import clients, files, guide, processes
from scripts.stack.stackfile import Stack

ROOT = Path(__file__).resolve().parents[2]
# In an installed wheel all of this is inside of a package that Python finds by itself.
_IS_CHECKOUT = __name__.partition(".")[0] == "scripts"

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
_MODULES = {"dispatcher": "app.dispatch", "webhooks": "app.webhooks", "http": "app.http_requests"}
# Behind those of single processes come those of workers, which are numbered from 1.
_METRICS_OFFSETS = {"api": 0, "dispatcher": 1, "webhooks": 2, "http": 3, "operator": 4, "worker": 4, "asyncio": 54}
_METRICS_PORTS = 105
_OPERATOR = "app.operator --host 127.0.0.1"
# They name what opens the database as a role that sees every tenant. A process that strangers reach gets neither.
_FOR_OPERATORS = frozenset({"ADMIN_SECRETS_FILE", "DATABASE_URL_TQ_ADMIN"})


def folder(stack: Stack) -> Path:
    """Name the folder in which processes run. uvicorn and Celery import from it, so it is not that of a package."""
    return ROOT if _IS_CHECKOUT else stack.data_dir


def names(workers: int, asyncio_workers: int = 0, *, operator: bool = True) -> list[str]:
    """Name the parts in the order of their start."""
    numbers = {"worker": workers, "asyncio": asyncio_workers}
    running = [f"{kind}{number}" for kind, count in numbers.items() for number in range(1, count + 1)]
    return ["api", "dispatcher", *running, "webhooks", "http", *(["operator"] if operator else [])]


def in_stopping_order(stack: Stack) -> list[str]:
    """Name the known parts, those that take in work first."""
    return [
        part
        for part in ("operator", "api", "webhooks", "dispatcher", *stack.workers(), "http")
        if part in stack.processes
    ]


def environment(stack: Stack) -> dict[str, str]:
    """Return what the processes of the application get, apart from workers and the operator's process.

    The URL of the database has no password: each process logs in as its roles, and none of them as the owner.
    """
    given = {name: value for name, value in admin_environment(stack).items() if name not in _FOR_OPERATORS}
    return given | {"DATABASE_URL": _without_password(given["DATABASE_URL"])}


def admin_environment(stack: Stack) -> dict[str, str]:
    """Return what ``scripts/admin`` gets, which logs in as the owner as well, and as tq_admin."""
    paths = [*([str(ROOT)] if _IS_CHECKOUT else []), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path)),
        # Task modules are found where the caller is. PYTHONPATH comes before Python's own library, and this behind it.
        "TASK_MODULES_FOLDER": os.environ.get("TASK_MODULES_FOLDER") or str(Path.cwd()),
        "PYTHONUNBUFFERED": "1",
        "DATABASE_URL": stack.database_url or "",
        "REDIS_URL": stack.redis_url or "",
        "SECRETS_FILE": str(secrets_file(stack)),
        "CLIENTS_FOLDER": str(clients.folder(stack)),
        "GUIDE_FOLDER": str(guide.folder(stack)),
        # What is tried on this machine receives its webhooks on this machine.
        "WEBHOOK_ALLOWED_NETWORKS": os.environ.get("WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"),
        # The port of the API may be another than the usual one.
        "OWN_PORTS": os.environ.get("OWN_PORTS") or ",".join([*_pages(stack), *_metrics_ports()]),
    }


def _pages(stack: Stack) -> list[str]:
    return [_port(stack.api_url, 8000), _port(stack.operator_address, 8001)]


def _metrics_ports() -> list[str]:
    """Return every port on which a part may serve its metrics, which no tenant's request may reach."""
    base = os.environ.get("METRICS_PORT")
    return [str(int(base) + offset) for offset in range(_METRICS_PORTS)] if base else []


def worker_environment(stack: Stack) -> dict[str, str]:
    """Return what a worker with the operator's code gets: the password of its own role, and no key.

    Such code can read all that its process can. So the roles' own URLs are left out.
    """
    given = {name: value for name, value in environment(stack).items() if not _is_url_of_another_role(name)}
    return given | {"SECRETS_FILE": str(worker_secrets_file(stack))}


def operator_environment(stack: Stack) -> dict[str, str]:
    """Return what the operator's process gets: it logs in as tq_admin, and not as the owner."""
    given = admin_environment(stack)
    return given | {"DATABASE_URL": _without_password(given["DATABASE_URL"])}


def _without_password(database_url: str) -> str:
    url = urlsplit(database_url)
    return url._replace(netloc=url.netloc.rpartition("@")[2]).geturl()


def secrets_file(stack: Stack) -> Path:
    """Name the secrets file."""
    return Path(os.environ.get("SECRETS_FILE") or stack.data_dir / "secrets.json").absolute()


def worker_secrets_file(stack: Stack) -> Path:
    """Name the secrets file of workers, which ``bootstrap`` writes."""
    whole = secrets_file(stack)
    beside = whole.with_name(f"{whole.stem}.worker{whole.suffix}")
    return Path(os.environ.get("WORKER_SECRETS_FILE") or beside).absolute()


def admin_secrets_file(stack: Stack) -> Path:
    """Name the secrets file of operators, which ``bootstrap`` writes."""
    whole = secrets_file(stack)
    beside = whole.with_name(f"{whole.stem}.admin{whole.suffix}")
    return Path(os.environ.get("ADMIN_SECRETS_FILE") or beside).absolute()


def _is_url_of_another_role(name: str) -> bool:
    return name.startswith("DATABASE_URL_") and name != "DATABASE_URL_TQ_WORKER"


def start(stack: Stack, part: str) -> None:
    """Start a part, after what a killed one of the same name may have left behind is gone."""
    kill_leftovers(stack.data_dir, part)
    marks = {processes.DATA_DIR_MARK: str(stack.data_dir), processes.PART_MARK: part}
    given = _environment_of(part)(stack)
    if base := given.get("METRICS_PORT"):
        given["METRICS_PORT"] = str(metrics_port(int(base), part))
    stack.processes[part] = processes.spawn(
        _command(stack, part), {**given, **marks}, folder(stack), log_of(stack.data_dir, part)
    )


def metrics_port(base: int, part: str) -> int:
    """Return the port on which a part serves its metrics: ``METRICS_PORT`` is that of the api, and others follow."""
    kind, number = _kind(part), int(part[len(_kind(part)) :] or 0)
    return base + _METRICS_OFFSETS[kind] + number


def _environment_of(part: str) -> Callable[[Stack], dict[str, str]]:
    if part == "operator":
        return operator_environment
    return worker_environment if _kind(part) in _WORKERS else environment


def stop(stack: Stack, part: str, is_urgent: Callable[[], bool]) -> None:
    """Stop a part, if it runs, and its children."""
    processes.stop(stack.processes[part], _WORKER if _kind(part) in {*_WORKERS, "http"} else _QUICK, is_urgent)
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


def size_of_log(data_dir: Path, part: str) -> int:
    """Return how long the log of a part is, which is where the next start begins to write."""
    log = log_of(data_dir, part)
    return log.stat().st_size if log.exists() else 0


def _command(stack: Stack, part: str) -> list[str]:
    python = [sys.executable, "-P", "-m"]
    if part == "api":
        return [*python, *_API.split(), "--port", _port(stack.api_url, 8000)]
    if part == "operator":
        console = stack.api_url or "http://127.0.0.1:8000"
        return [*python, *_OPERATOR.split(), "--port", _port(stack.operator_address, 8001), "--console-url", console]
    if _kind(part) in _WORKERS:
        level = os.environ.get("LOG_LEVEL", "INFO")
        return [*python, *_WORKERS[_kind(part)].split(), "--loglevel", level, "--hostname", f"{part}@%h"]
    return [*python, _MODULES[part]]


def _port(address: str | None, usual: int) -> str:
    return (address or "").rpartition(":")[2] or str(usual)


def _kind(part: str) -> str:
    return part.rstrip("0123456789")
