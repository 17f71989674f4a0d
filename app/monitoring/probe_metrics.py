"""The gauges of the readiness probe, in an api and in the operator's process."""

from collections.abc import Callable, Iterable

from app.core import schema
from app.metrics.gauges import Value
from app.monitoring.readiness import ReadinessProbe


def source(probe: ReadinessProbe) -> Callable[[], Iterable[Value]]:
    """Return the source of a probe's values, for ``gauges.add``."""
    return lambda: _values(probe)


def _values(probe: ReadinessProbe) -> Iterable[Value]:
    state = probe.state()
    place, version = state.found.place, state.found.schema_version
    yield Value("taskqueue_ready", not state.faults)
    # A look that hangs lasts until now.
    look = probe.postgres
    yield Value("taskqueue_postgres_look_seconds", max(look.seconds, look.age - 1))
    if place is not None:
        yield Value("taskqueue_postgres_read_only", place.is_read_only or place.timeline is None)
    if version is not None:
        yield Value("taskqueue_schema_fits", schema.fault(version) is None)
    yield Value("taskqueue_redis_faults", len(probe.redis.faults))
