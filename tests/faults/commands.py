"""The command line of each part; a part's name is its kind, with what tells it from others of the kind behind it."""

import sys

KINDS = ("api", "dispatcher", "worker", "asyncio", "webhooks", "http")

_API = """uvicorn app.main:app --host 127.0.0.1 --http app.http.protocol_limits:GuardedProtocol --loop uvloop
    --no-proxy-headers --no-server-header --no-access-log --timeout-keep-alive 75 --timeout-graceful-shutdown 10 --log-level warning --port"""
CHILDREN = 4
"""Of a worker: its tasks mostly sleep."""

_WORKER = f"""celery -A app.celery_app worker --pool prefork --concurrency {CHILDREN} --without-gossip
    --without-mingle --without-heartbeat --loglevel INFO --hostname"""
_ASYNCIO = """celery -A app.celery_app worker --pool threads --concurrency 4 -Q tenants.io --without-gossip
    --without-mingle --without-heartbeat --loglevel INFO --hostname"""
_MODULES = {"dispatcher": "app.dispatch", "webhooks": "app.webhooks", "http": "app.http_requests"}


def kind_of(name: str) -> str:
    """Return a part's kind: ``worker2-crash`` is a worker."""
    return next(kind for kind in KINDS if name.startswith(kind))


def command(name: str, port: int) -> list[str]:
    """Return the command of a part; ``port`` is an api's."""
    python = [sys.executable, "-P", "-m"]
    kind = kind_of(name)
    if kind == "api":
        return [*python, *_API.split(), str(port)]
    if kind in {"worker", "asyncio"}:
        return [*python, *(_WORKER if kind == "worker" else _ASYNCIO).split(), f"{name}@faults"]
    return [*python, _MODULES[kind]]
