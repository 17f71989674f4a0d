"""After a fault that broke off: everything runs again, whatever state it was left in."""

import contextlib
import os
import signal

import psutil

from tests.faults.cluster import PARTS, Cluster


def repair(cluster: Cluster) -> None:
    """Clear the lines, let go what is paused, start what is missing; raises when something does not come up."""
    for proxy in cluster.proxies.values():
        proxy.clear()
    _start_servers(cluster)
    for name in list(cluster.processes):
        with contextlib.suppress(ProcessLookupError):
            cluster.resume(name)
        if name not in PARTS or cluster.processes[name].poll() is not None:
            _remove(cluster, name)
    for name in PARTS:
        if name not in cluster.processes:
            cluster.start(name)
    cluster.wait_ready(*PARTS)


def _start_servers(cluster: Cluster) -> None:
    for server in (cluster.postgres, cluster.valkey):
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)):
                process.resume()
    # One that runs is found running.
    cluster.start_postgres()
    cluster.start_valkey()


def _remove(cluster: Cluster, name: str) -> None:
    process = cluster.processes.pop(name)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    if name not in PARTS:
        cluster.apis.pop(name, None)
