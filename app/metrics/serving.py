"""Turn on the metrics of this process, if METRICS_PORT is set."""

import logging

from app.core.config import get_settings
from app.metrics import counting
from app.metrics.tally import Tally

_log = logging.getLogger(__name__)


def is_on() -> bool:
    """Return whether this process counts and serves metrics."""
    return get_settings().metrics_port is not None


def start(kind: str) -> Tally | None:
    """Count what happens in this process, and serve it; ``kind`` is the service of its log lines.

    Without METRICS_PORT it does nothing and returns None. A port that is not free costs the metrics and nothing else: a
    process must not stop working because nobody can watch it.
    """
    settings = get_settings()
    if settings.metrics_port is None:
        return None
    # Only now: it takes 3 MB, and a process without metrics needs none of it.
    from app.metrics import export  # noqa: PLC0415

    tally = Tally()
    try:
        export.serve(kind, tally, settings.metrics_host, settings.metrics_port)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        _log.error("metrics are not served: METRICS_PORT is not free", extra={"at": where, "error": str(error)})
        return None
    counting.count_into(tally, settings.metrics_tenants)
    _log.info("metrics are served", extra={"at": f"{settings.metrics_host}:{settings.metrics_port}"})
    return tally


def count_in_child() -> Tally:
    """Count what happens in this process, which was forked, into a tally that somebody sends to the parent."""
    tally = Tally()
    counting.count_into(tally, get_settings().metrics_tenants)
    return tally
