"""The peers: how they are wired, and, where their environment is, a short run of each."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.benchmark import __main__ as command
from scripts.benchmark import node, peers, plan, report, rounds, servers
from scripts.benchmark.peers import Peer
from scripts.stack import environment, parts, requirements
from scripts.stack.stackfile import Stack
from tests.benchmark.test_run import TINY

BENCH_VENV = requirements.venv_for(parts.ROOT, requirements.BENCH)
IN_PYTHON = {name: peer for name, peer in peers.ALL.items() if not peer.is_node}
every_peer = pytest.mark.parametrize("peer", IN_PYTHON.values(), ids=IN_PYTHON.keys())


@every_peer
def test_api_and_worker_are_of_one_module(peer: Peer) -> None:
    module = peer.api.partition(":")[0]
    assert module in peer.worker
    assert (parts.ROOT / f"{module.replace('.', '/')}.py").exists()


@every_peer
def test_its_packages_are_pinned_for_the_bench_alone(peer: Peer) -> None:
    pinned = {
        name: set(re.findall(r"^([a-z0-9-]+)==", (parts.ROOT / name).read_text(), re.MULTILINE))
        for name in (requirements.BENCH, requirements.DEVELOPMENT)
    }
    assert set(peer.packages) <= pinned[requirements.BENCH]
    assert peer.packages[0] not in pinned[requirements.DEVELOPMENT]


def test_what_ours_and_the_peers_share_has_one_version() -> None:
    development, bench = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (parts.ROOT / name).read_text(), re.MULTILINE))
        for name in (requirements.DEVELOPMENT, requirements.BENCH)
    )
    assert development.items() <= bench.items()


def test_peers_are_measured_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = [], []

    def run(chosen: plan.Plan) -> rounds.Run:
        asked.append(chosen.peers)
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "ensure", lambda _, wanted: made.append(wanted))
    monkeypatch.setattr(node, "ensure", lambda _: True)
    monkeypatch.setattr(rounds, "run", run)
    for arguments in ([], ["--peers"]):
        assert command.main(arguments) == 130
    assert (made, asked) == ([requirements.BENCH], [(), tuple(peers.ALL)])


def test_each_contender_goes_first_once() -> None:
    everybody = replace(TINY, peers=tuple(peers.ALL))
    turns = [[name for name, _ in rounds._in_turn(everybody, number)] for number in range(9)]
    assert {turn[0] for turn in turns} == {"ours", "naive", "empty", "gate", *peers.ALL}
    assert all(sorted(turn) == sorted(turns[0]) for turn in turns)


@every_peer
def test_a_peer_starts_the_one_server_that_it_needs(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(peers, "python", lambda: Path(sys.executable))
    # Any app and any process do for the wiring: the packages are not here.
    monkeypatch.setattr(Peer, "api", "scripts.benchmark.empty_route:app")
    with servers.peer(replace(peer, worker="http.server --bind 127.0.0.1 0")) as stack:
        assert servers.roots(stack).keys() == {"api", "worker1", "postgres" if peer.is_in_postgres else "valkey"}
    assert list(tmp_path.iterdir()) == []


def test_broker_and_results_are_apart() -> None:
    seen = peers.settings(Stack(Path(), redis_url="redis://:x@127.0.0.1:1/0"))
    assert (seen["PEER_BROKER_URL"][-2:], seen["PEER_RESULT_URL"][-2:]) == ("/1", "/2")


@every_peer
@pytest.mark.skipif(
    not requirements.is_installed(BENCH_VENV, requirements.BENCH), reason="scripts/bench --peers makes .venv-bench"
)
def test_a_peer_takes_and_runs_tasks_and_hands_back_every_result(peer: Peer) -> None:
    found = rounds.Run(replace(TINY, peers=(peer.name,)))
    figures = rounds._peer(peer, found.plan, found)
    assert figures["e2e.count"] == 20
    assert figures["submit.4.cpu.api"] > 0
    assert figures["memory.idle.worker1"] > 1
    assert peer.packages[0] in found.machine["peers"]


def test_a_report_has_a_row_and_a_ratio_for_each_peer() -> None:
    same = {"submit.4.rate": 10.0, "e2e.rate": 10.0, "submit.4.own_share": 0.1}
    apps = ("ours", "naive", "empty", *peers.ALL)
    found = rounds.Run(replace(TINY, peers=tuple(peers.ALL)), [{app: dict(same) for app in apps}])
    lines = [line for section in (report._submits, report._end_to_end, report._ratios) for line in section(found)]
    for name in peers.ALL:
        assert sum(f"| {name} | - |" in line for line in lines) == 2
    assert "| figure | ours / naive | ours / dramatiq | ours / taskiq |" in "\n".join(lines)
    assert "| e2e.rate | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 | - |" in "\n".join(lines)
