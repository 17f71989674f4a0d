"""The order in which several processes are given the files, so that all of them end at about the same time.

A file's tests stay together, because they share its fixtures. The files that take longest begin first, and short ones
fill what is left: a long one that began last would keep one process busy while the others have nothing to do.
"""

from collections import Counter

import pytest

LONGEST = (
    "tests/faults/test_short.py",
    "tests/worker/aio/test_wedges.py",
    "tests/worker/aio/test_pool.py",
    "tests/races/test_depth.py",
    "tests/sdk/test_python_sdk.py",
    "tests/browser/test_console.py",
    "tests/browser/test_operator.py",
    "tests/worker/prefork/test_drain.py",
    "tests/benchmark/test_run.py",
    "tests/security/test_matrix.py",
    "tests/security/test_fuzz.py",
    "tests/docs/test_python.py",
    "tests/docs/test_commands.py",
    "tests/deploy/test_servers.py",
    "tests/stack/test_up.py",
    "tests/browser/test_live.py",
    "tests/browser/test_reference.py",
    "tests/worker/prefork/test_wedges.py",
    "tests/dispatch/test_rescuer.py",
    "tests/races/test_limits.py",
    "tests/races/test_idempotency_processes.py",
    "tests/races/test_partitions.py",
    "tests/webhooks/delivery/test_process.py",
    "tests/stack/test_postgres.py",
    "tests/http_requests/test_process.py",
    "tests/sdk/test_survival.py",
    "tests/webhooks/test_storm.py",
    "tests/stack/test_callers_folder.py",
    "tests/stack/test_compose.py",
    "tests/e2e/test_wire.py",
    "tests/e2e/test_logs.py",
    "tests/e2e/test_pooler.py",
    "tests/dispatch/test_fair_share_throttle.py",
    "tests/processes/test_schema.py",
    "tests/contract/test_migrations.py",
    "tests/admin/test_doctor.py",
    "tests/admin/test_commands.py",
    "tests/security/test_before_the_body.py",
    "tests/races/test_abandoned_queries.py",
)
"""The files that take longest, about in this order; together more than half of the time.

Those that wait are beside those that compute, so that no two of the latter begin together.
"""


def sort(items: list[pytest.Item]) -> None:
    """Put the longest files first, then those of most tests; a file's tests keep their order."""
    places, counts = {file: place for place, file in enumerate(LONGEST)}, Counter(map(_file, items))
    items.sort(key=lambda item: (places.get(_file(item), len(places)), -counts[_file(item)]))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
