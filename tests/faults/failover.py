"""F19: a failover to the standby, every part restarted, and the old primary back as if nothing had happened."""

import random
import time
from typing import Final

from scripts.stack import embedded
from tests import postgres_pair
from tests.faults import cluster, recovery, stage
from tests.faults.faults import Felt
from tests.faults.server_faults import first_accepted, make_a_queue
from tests.faults.stage import Stage
from tests.faults.waiting import last, until

_PER_SECOND: Final = 10.0
_OF_THE_PRODUCT: Final = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'tq!_%' ESCAPE '!'"
_TASKS: Final = "SELECT count(*) FROM task"


def fail_over(large: Stage, rng: random.Random) -> Felt:
    """F19: in a stack of its own, whose parts know both hosts."""
    with stage.running(large.seed, with_standby=True) as made:
        made.load.begin(_PER_SECOND)
        felt = _fail_over(made)
        made.rest()
        verdict = made.check()
    assert not verdict.violations, verdict.violations[:10]
    return felt


def _fail_over(made: Stage) -> Felt:
    old, new = made.cluster.postgres, made.cluster.standby
    assert new is not None, "no standby"
    make_a_queue(made)
    made.postgres_crashes.append(time.time())
    embedded.kill(old)
    postgres_pair.promote(new)
    made.owner.move(new.url)
    made.sampler.move(new.url)
    led = recovery.now(made.owner)
    until(lambda: first_accepted(made, led) is not None, "an accepted submit", 60, 0.05)
    accepted = (first_accepted(made, led) or led) - led
    affected, felt = recovery.starved(made.owner, led)
    _restart_beside_the_old_primary(made, old)
    return Felt(affected, max(accepted, felt), {"first accepted": accepted})


def _restart_beside_the_old_primary(made: Stage, old: embedded.Server) -> None:
    # Whoever remembers by itself has ended when the old primary, which is first in the URL, comes back.
    for name in cluster.PARTS:
        made.cluster.kill(name)
    made.break_leases()
    embedded.start_postgres(old.folder, port=old.port)
    before = postgres_pair.value(old, _TASKS)
    for name in cluster.PARTS:
        made.cluster.start(name)
    made.cluster.wait_ready(*cluster.PARTS)
    at = recovery.now(made.owner)
    until(lambda: first_accepted(made, at) is not None, "an accepted submit", 60, 0.05)
    last(5)
    # To find out that it is old takes a connection of a moment; to work on it would take one that stays.
    until(lambda: postgres_pair.value(old, _OF_THE_PRODUCT) == 0, "the old primary to be left alone", 10, 0.05)
    assert postgres_pair.value(old, _TASKS) == before, "a task was stored on the old primary"
    embedded.kill(old)
