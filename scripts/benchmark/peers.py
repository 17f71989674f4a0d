"""Other task queues as contenders: what each needs, how its worker starts, how what it accepted is counted."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from redis import Redis

from scripts.benchmark import database
from scripts.stack import parts, requirements
from scripts.stack.stackfile import Stack


@dataclass(frozen=True)
class Peer:
    """A task queue behind the routes of ``scripts/benchmark/peer_<name>.py``, or of a folder of files for Node."""

    name: str
    worker: str
    """Module (of Node: file) and arguments of its worker, as its own docs start it."""
    count: str
    """What it has accepted, done or not: a query where it keeps tasks in Postgres, a Redis command where not."""
    packages: tuple[str, ...]
    is_in_postgres: bool = False
    forgets_done: bool = False
    """Whether ``count`` misses what is done: its results count as well, then."""
    is_node: bool = False
    """Whether api and worker run in Node, from ``scripts/benchmark/<name>/`` (``node.py``)."""
    has_batches: bool = False
    keeps_log: bool = False
    """Whether its Valkey writes an append-only file, flushed each second, as its documentation asks for."""

    @property
    def api(self) -> str:
        """Name the app."""
        return f"scripts.benchmark.peer_{self.name}:app"


DRAMATIQ = Peer(
    "dramatiq",
    # Its defaults, said aloud: as many processes as ours and the naive app have.
    "dramatiq scripts.benchmark.peer_dramatiq --processes 2 --threads 8",
    "HLEN dramatiq:default.msgs",
    ("dramatiq", "redis"),
    forgets_done=True,
)
TASKIQ = Peer(
    "taskiq",
    "taskiq worker scripts.benchmark.peer_taskiq:broker --workers 2 --log-level WARNING",
    # An acknowledged entry stays in the stream.
    "XLEN taskiq",
    ("taskiq", "taskiq-redis", "redis"),
)
PGQUEUER = Peer(
    "pgqueuer",
    "pgqueuer run scripts.benchmark.peer_pgqueuer:worker --log-level WARNING",
    "SELECT (SELECT count(*) FROM pgqueuer) + (SELECT count(*) FROM peer_result)",
    ("pgqueuer", "asyncpg"),
    is_in_postgres=True,
)
PROCRASTINATE = Peer(
    "procrastinate",
    "procrastinate --app scripts.benchmark.peer_procrastinate.queue worker --concurrency 10",
    "SELECT count(*) FROM procrastinate_jobs",
    ("procrastinate", "psycopg"),
    is_in_postgres=True,
)
BULLMQ = Peer(
    "bullmq",
    "worker.mjs",
    # The number of the latest job: jobs are numbered from 1.
    "GET bull:echo:id",
    ("bullmq", "fastify", "ioredis"),
    is_node=True,
    has_batches=True,
    keeps_log=True,
)
ALL = {peer.name: peer for peer in (DRAMATIQ, TASKIQ, PGQUEUER, PROCRASTINATE, BULLMQ)}


def python() -> Path:
    """Return the interpreter of their environment."""
    return requirements.venv_python(requirements.venv_for(parts.ROOT, requirements.BENCH))


def versions() -> str:
    """Tell their versions, from their environment's folder."""
    found = metadata.distributions(path=[str(path) for path in python().parents[1].glob("lib/python*/site-packages")])
    installed = {each.name: each.version for each in found}
    names = dict.fromkeys(name for peer in ALL.values() if not peer.is_node for name in peer.packages)
    return ", ".join(f"{name} {installed[name]}" for name in names)


def settings(stack: Stack) -> dict[str, str]:
    """Return where a peer finds its servers; broker and results have a Redis database each."""
    redis = (stack.redis_url or "").rpartition("/")[0]
    return {
        "PEER_DATABASE_URL": stack.database_url or "",
        "PEER_BROKER_URL": f"{redis}/1",
        "PEER_RESULT_URL": f"{redis}/2",
    }


def accepted(peer: Peer, stack: Stack) -> int:
    """Count what a peer has accepted since it began, done or not."""
    if peer.is_in_postgres:
        return int(database.value(stack.database_url or "", peer.count))
    urls = settings(stack)
    with Redis.from_url(urls["PEER_BROKER_URL"]) as broker, Redis.from_url(urls["PEER_RESULT_URL"]) as results:
        done = int(results.dbsize()) if peer.forgets_done else 0
        # None: a key that is not there yet.
        return int(broker.execute_command(*peer.count.split()) or 0) + done


def keep_log(stack: Stack) -> None:
    """Let the stack's Valkey write an append-only file, flushed each second."""
    with Redis.from_url(stack.redis_url or "") as redis:
        redis.config_set("appendonly", "yes")
        redis.config_set("appendfsync", "everysec")
