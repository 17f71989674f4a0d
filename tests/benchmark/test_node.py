"""Peers for Node: their versions are exact, they are left out where they cannot run, and a short run where they can."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from scripts.benchmark import node, peers, report, rounds, servers
from tests.benchmark.test_run import TINY

BULLMQ = peers.BULLMQ.name


def test_its_packages_have_exact_versions_and_no_file_names_where_they_come_from() -> None:
    files = sorted(path.name for path in node.source(BULLMQ).iterdir())
    assert files == ["api.mjs", "connection.mjs", "package.json", "worker.mjs"]
    wanted = json.loads((node.source(BULLMQ) / "package.json").read_text())["dependencies"]
    assert tuple(wanted) == peers.BULLMQ.packages
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())


def test_without_node_it_is_left_out_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    plan = node.without_missing(replace(TINY, peers=tuple(peers.ALL)))
    assert plan.peers == tuple(name for name in peers.ALL if name != BULLMQ)
    assert "bullmq is left out: it needs node and npm" in capsys.readouterr().out


def test_what_npm_cannot_install_is_left_out_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs, bench = tmp_path / "bin", tmp_path / "bench"
    programs.mkdir()
    for name, text in {"node": "exit 0", "npm": "echo no network >&2; exit 1"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(node, "folder", lambda name: bench / name)
    assert node.without_missing(replace(TINY, peers=(BULLMQ,))).peers == ()
    assert "npm could not install it (no network)" in capsys.readouterr().out
    assert not node.is_installed(BULLMQ)
    (programs / "npm").write_text("#!/bin/sh\nexit 0\n")
    assert node.without_missing(replace(TINY, peers=(BULLMQ,))).peers == (BULLMQ,)
    assert node.is_installed(BULLMQ)
    assert (bench / BULLMQ / "api.mjs").exists()


@pytest.mark.skipif(
    not (shutil.which("node") and node.is_installed(BULLMQ)), reason="scripts/bench --only bullmq installs it"
)
def test_it_takes_and_runs_tasks_and_hands_back_every_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert node.ensure(BULLMQ)
    found = rounds.Run(replace(TINY, peers=(BULLMQ,)))
    figures = rounds._peer(peers.BULLMQ, found.plan, found)
    assert figures["e2e.count"] == 20
    assert figures["submit.4.cpu.api"] > 0
    assert figures["batch.count"] % 3 == 0
    assert figures["memory.idle.worker1"] > 1
    assert figures["memory.idle.valkey"] > 1
    assert found.machine[BULLMQ].startswith("bullmq ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not (shutil.which("node") and node.is_installed(BULLMQ)), reason="scripts/bench --only bullmq installs it"
)
def test_its_valkey_keeps_a_log_that_is_flushed_each_second() -> None:
    assert node.ensure(BULLMQ)
    with servers.peer(peers.BULLMQ) as stack, Redis.from_url(stack.redis_url or "", decode_responses=True) as redis:
        assert redis.config_get("append*")["appendonly"] == "yes"
        assert redis.config_get("append*")["appendfsync"] == "everysec"


def test_its_batches_stand_beside_ours_in_a_report() -> None:
    same = {"batch.rate": 10.0, "batch.cpu": 1.0, "batch.p50": 1.0, "batch.p99": 1.0}
    found = rounds.Run(replace(TINY, peers=(BULLMQ,)), [{"ours": dict(same), BULLMQ: dict(same), "naive": {}}])
    lines = [line for line in report._batches(found) if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines[-2:]] == ["| ours", "| bullmq"]
