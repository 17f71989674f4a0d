"""The settings of a Celery app that uses the ring transport."""

import ssl
from typing import Any, Final

from celery import Celery

from app.broker.queues import undeclared
from app.broker.ring import PREFORK, RINGS
from app.broker.worker_capacity import WorkerCapacity

_TRANSPORT_OPTIONS: Final = {
    # Acks in Redis would cost half of the main process's CPU and protect nothing: the leases in Postgres do that.
    "ack_emulation": False,
    "priority_steps": [0],
    # Seconds. Must be longer than one wait of the transport (1 s). `retry_on_timeout` would switch Producer.batch off.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

_SETTINGS: Final[dict[str, Any]] = {
    "broker_transport": "app.broker.transport:RingTransport",
    "broker_transport_options": _TRANSPORT_OPTIONS,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # If Redis answers with an error (full, read-only, loading), the worker retries instead of exiting.
    "broker_channel_error_retry": True,
    "task_default_queue": RINGS[PREFORK].queue,
    "task_queues": [undeclared(RINGS[PREFORK].queue)],
    "task_create_missing_queues": True,
    # A ticket is only a hint: it is acked when it starts, has no result, and is sent without retries.
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    "task_ignore_result": True,
    "task_publish_retry": False,
    "result_backend": None,
    "task_serializer": "json",
    "accept_content": ["json"],
    # Tickets wait in Redis, where any worker can take them, not in one worker.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    # Running attempts go on when Redis goes away: this setting cancels late-acked jobs only, and there are none. False
    # would log a deprecation at each reconnection.
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "worker_enable_prefetch_count_reduction": False,
    # Events cost 42 % of the throughput.
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    # Nothing here uses remote control, and anybody who can write to Redis could stop the workers with it.
    "worker_enable_remote_control": False,
    "worker_hijack_root_logger": False,
    # Seconds (default 4). On a busy machine a child may import slowly, and must not be taken for dead.
    "worker_proc_alive_timeout": 30,
    # SIGTERM is Celery's warm shutdown, bounded by app/worker/prefork/drain.py.
    "worker_soft_shutdown_timeout": 0,
}


def configure(app: Celery, redis_url: str) -> Celery:
    """Make an app use the ring transport on ``redis_url`` (``redis://`` or ``rediss://``), and return the app.

    Call it before the app's first use. Raises ``ValueError`` for another kind of URL.
    """
    app.amqp_cls = "app.broker.queues:TenantAMQP"
    app.conf.update(_SETTINGS, broker_url=redis_url, broker_use_ssl=_tls(redis_url))
    app.steps["consumer"].add(WorkerCapacity)
    return app


def _tls(redis_url: str) -> dict[str, Any] | None:
    scheme = redis_url.partition("://")[0]
    if scheme == "rediss":
        # kombu switches TLS on only for the name of its own transport, and then checks no certificate.
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    if scheme != "redis":
        error = f"the broker speaks redis:// and rediss://, not {scheme}://"
        raise ValueError(error)
    return None
