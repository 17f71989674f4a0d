"""The alerts and the dashboard of deploy/ read only what processes export, and the runbook explains each alert."""

import json
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from app.metrics.definitions import METRICS, PROCESS, exported
from scripts.stack import parts
from tests.conftest import ROOT
from tests.metrics.conftest import Watched

PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "taskqueue-alerts.yml").read_text())["groups"][0]["rules"]
CONFIG: dict[str, Any] = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "taskqueue.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

NAME = re.compile(r"\b(?:taskqueue|process)_[a-z_]+\b")
ALL = {sample for name in METRICS for sample in exported(name)} | set(PROCESS)


def names(expressions: list[str]) -> set[str]:
    return {name for expression in expressions for name in NAME.findall(expression)}


def test_rules_and_dashboard_read_only_metrics_that_are_defined() -> None:
    assert names([rule["expr"] for rule in RULES] + QUERIES) <= ALL


def test_rules_read_what_real_processes_export(watched: Watched) -> None:
    has = {sample for kind in watched.ports for sample, _, _ in watched.samples(kind)}
    # What comes only when something happens: a delivery, a leader that is known.
    later = {"taskqueue_delivery_attempts_total", "taskqueue_dispatcher_lag_seconds", "taskqueue_requests_total"}
    assert names([rule["expr"] for rule in RULES]) - has <= later


def test_labels_in_the_rules_exist() -> None:
    for rule in RULES:
        for metric, selected in re.findall(r"(taskqueue_[a-z_]+)\{([^}]*)\}", rule["expr"]):
            name = metric.removesuffix("_total")
            labels = {part.split("=")[0].rstrip("!") for part in selected.split(",")}
            assert labels <= {*METRICS[name].labels, "job", "instance"}, rule["alert"]


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_has_its_entry_in_the_runbook(rule: dict[str, Any]) -> None:
    assert f"\n## {rule['alert']}\n**Means.** " in RUNBOOK
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_the_runbook_explains_no_alert_that_does_not_exist() -> None:
    assert re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_the_scrape_configuration_names_the_ports_that_up_gives() -> None:
    for job in CONFIG["scrape_configs"]:
        part = job["job_name"].removeprefix("taskqueue-")
        port = parts.metrics_port(9101, "worker1" if part == "worker" else part)
        assert job["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
    jobs = {job["job_name"].removeprefix("taskqueue-") for job in CONFIG["scrape_configs"]}
    assert jobs == {part.rstrip("0123456789") for part in parts.names(1)}


def test_prometheus_itself_accepts_rules_and_configuration() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    for what, name in (("rules", "taskqueue-alerts.yml"), ("config", "prometheus.yml")):
        checked = subprocess.run(
            ["promtool", "check", what, str(PROMETHEUS / name)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
