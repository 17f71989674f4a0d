"""A stack that is broken by public commands makes the real alerts fire. The long form tries all twelve incidents."""

import json
import shutil
import subprocess

import pytest
import yaml

from scripts.rehearsal.__main__ import main
from scripts.rehearsal.incidents import INCIDENTS
from scripts.rehearsal.prometheus import shorten
from tests.conftest import ROOT

RULES = (ROOT / "deploy" / "prometheus" / "taskqueue-alerts.yml").read_text()
needs_prometheus = pytest.mark.skipif(
    not shutil.which("prometheus"), reason="prometheus is not installed (Debian's package prometheus)"
)


def rehearse(*options: str, seconds: int) -> list[dict[str, object]]:
    done = subprocess.run(
        [ROOT / "scripts" / "rehearse", "--json", *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return outcomes


def test_each_incident_has_an_alert_of_its_own_that_exists() -> None:
    alerts = {rule["alert"] for rule in yaml.safe_load(RULES)["groups"][0]["rules"]}
    assert {incident.alert for incident in INCIDENTS} <= alerts
    assert len({incident.alert for incident in INCIDENTS}) == len(INCIDENTS) == 12


def test_only_the_waits_of_the_rules_are_shortened() -> None:
    real, short = (yaml.safe_load(text)["groups"][0]["rules"] for text in (RULES, shorten(RULES)))
    assert {rule["for"] for rule in short} <= {"0s", "2s"}
    for one, other in zip(real, short, strict=True):
        for window in ("[1m]", "[5m]"):
            one["expr"] = one["expr"].replace(window, "[20s]")
        assert one | {"for": ""} == other | {"for": ""}


def test_an_incident_that_does_not_exist_is_refused_with_those_that_do() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "rehearse", "--only", "flood"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no incident flood" in done.stderr


def test_without_prometheus_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([]) == 1
    assert "apt-get install prometheus" in capsys.readouterr().err


@needs_prometheus
@pytest.mark.timeout(240)
def test_two_incidents_fire_their_alerts() -> None:
    outcomes = rehearse("--only", "schema old,Redis full", seconds=230)
    assert [(one["alert"], one["seconds"] is None) for one in outcomes] == [
        ("TaskQueueSchemaDiffers", False), ("TaskQueueRedisFaulty", False),
    ]  # fmt: skip


@pytest.mark.long
@needs_prometheus
@pytest.mark.timeout(1800)
def test_every_incident_fires_its_alert() -> None:
    outcomes = rehearse(seconds=1790)
    assert [one["incident"] for one in outcomes if one["seconds"] is None and not one["skipped"]] == []
