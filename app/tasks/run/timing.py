"""How long an attempt is its worker's, and what is granted beyond its limits. One constant each, in seconds."""

from typing import Final

HEARTBEAT_INTERVAL: Final = 3.0
"""Between two heartbeats of a worker, and between two looks for cancelled attempts: a lost wake-up costs no more."""

WORKER_DEAD_AFTER: Final = 15.0
"""Without a heartbeat: five in a row were missed. A short fail-over of Postgres costs a worker no attempts."""

UNKNOWN_AFTER: Final = 2 * HEARTBEAT_INTERVAL
"""After the claim: a heartbeat that comes later than this, and does not list the attempt, proves that it is lost."""

DEADLINE_GRACE: Final = 5.0
"""Beyond the hard time limit, before the dispatcher takes an attempt away: its worker has had the time to end it."""

WORKER_GRACE: Final = 1.0
"""Beyond the hard time limit, before a worker ends the code from outside. Code that is asked to end has as long."""
