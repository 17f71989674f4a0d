"""Every metric that a process of this product exports: its kind, its labels and its help text."""

from typing import Final, Literal, NamedTuple


class Metric(NamedTuple):
    """One metric."""

    kind: Literal["counter", "histogram", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: Final[dict[str, Metric]] = {
    # What has happened. Counters and histograms of the process in which it happened.
    "taskqueue_requests": Metric(
        "counter",
        "Requests by method, route template and status; status 499 if the client has gone.",
        ("method", "route", "status", "tenant"),
    ),
    "taskqueue_request_seconds": Metric("histogram", "Time until a request was answered.", ("method", "route")),
    "taskqueue_submitted_tasks": Metric(
        "counter",
        "Tasks of submits by outcome: accepted, replayed (stored before), invalid, or the quota that refused them.",
        ("outcome", "tenant"),
    ),
    "taskqueue_attempts": Metric(
        "counter",
        "Ends of attempts by the task's status after it; FENCED if the attempt had been taken away, LOST if the"
        " dispatcher ended it.",
        ("task", "plan", "outcome", "tenant"),
    ),
    "taskqueue_attempt_seconds": Metric("histogram", "Run time of attempts.", ("task", "plan")),
    "taskqueue_delivery_attempts": Metric(
        "counter",
        "Delivery attempts by outcome: DELIVERED, PENDING (failed, another follows), FAILED or FENCED.",
        ("outcome", "tenant"),
    ),
    "taskqueue_delivery_seconds": Metric("histogram", "Time of delivery attempts, until the answer has ended."),
    # What this process is and has.
    "taskqueue_process_info": Metric("gauge", "Always 1.", ("kind", "schema_expected")),
    "taskqueue_pool_connections": Metric(
        "gauge", "Connections to Postgres: open, idle (of those), and max, the bound.", ("role", "state")
    ),
    "taskqueue_pool_waiting": Metric("gauge", "Callers that wait for a connection now.", ("role",)),
    "taskqueue_disk_free_bytes": Metric("gauge", "Free space of the disk with the folder of SECRETS_FILE."),
    "taskqueue_disk_size_bytes": Metric("gauge", "Size of that disk."),
    "taskqueue_round_age_seconds": Metric("gauge", "Seconds since the loop of a dispatcher or webhooks went round."),
    "taskqueue_leads": Metric("gauge", "1 if this dispatcher leads."),
    # What an api or the operator's process finds when it probes the servers, about once a second.
    "taskqueue_ready": Metric("gauge", "1 if calls can be answered; /readyz says why not."),
    "taskqueue_postgres_read_only": Metric("gauge", "1 if Postgres is read-only or a standby."),
    "taskqueue_postgres_look_seconds": Metric("gauge", "Duration of the latest probe of Postgres: four short reads."),
    "taskqueue_schema_fits": Metric("gauge", "1 if the database has the schema that this process expects."),
    "taskqueue_redis_faults": Metric("gauge", "Problems found with Redis; /readyz names them."),
    # The whole service, as the operator's process sees it in Postgres.
    "taskqueue_service_look_age_seconds": Metric("gauge", "Age of the values below: the last look that succeeded."),
    "taskqueue_tasks_waiting": Metric("gauge", "Tasks that are due and wait, counted up to 100,000.", ("pool",)),
    "taskqueue_oldest_waiting_seconds": Metric(
        "gauge",
        "For how long the first task has been due that no limit and no pause of its tenant holds back; looked up for"
        " the 200 tenants with the most waiting tasks.",
        ("pool",),
    ),
    "taskqueue_tenant_tasks": Metric(
        "gauge", "Waiting and running tasks of the tenants of METRICS_TENANTS.", ("tenant", "state")
    ),
    "taskqueue_tasks_running": Metric("gauge", "Tasks that run.", ("pool",)),
    "taskqueue_slots": Metric("gauge", "Slots of the workers that are alive.", ("pool",)),
    "taskqueue_workers": Metric(
        "gauge", "Worker processes: alive, or lost (their heartbeats stopped).", ("pool", "state")
    ),
    "taskqueue_processes": Metric("gauge", "Other processes: alive or lost.", ("kind", "state")),
    "taskqueue_heartbeat_age_seconds": Metric("gauge", "Age of the oldest heartbeat of a living process.", ("kind",)),
    "taskqueue_dispatcher_leads": Metric("gauge", "1 if a dispatcher holds the lease."),
    "taskqueue_dispatcher_lag_seconds": Metric("gauge", "Seconds since the last round of the leading dispatcher."),
    "taskqueue_deliveries_late_seconds": Metric("gauge", "For how long the first waiting delivery has been due."),
    "taskqueue_endpoints_failing": Metric("gauge", "Webhook endpoints whose attempts all fail."),
    "taskqueue_partitions_missing": Metric(
        "gauge", "Partitions missing for now and the next month (or day, for events).", ("table",)
    ),
    "taskqueue_postgres_connections": Metric("gauge", "Connections of all clients to Postgres."),
    "taskqueue_postgres_connections_max": Metric("gauge", "max_connections of Postgres."),
}  # fmt: skip

# Made by prometheus-client itself, for the process that exports.
PROCESS: Final = (
    "process_cpu_seconds_total", "process_max_fds", "process_open_fds", "process_resident_memory_bytes",
    "process_start_time_seconds", "process_virtual_memory_bytes",
)  # fmt: skip


def exported(name: str) -> set[str]:
    """Return the names of the samples of a metric, as Prometheus stores them."""
    kind = METRICS[name].kind
    if kind == "counter":
        return {f"{name}_total"}
    return {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
