"""``scripts/rehearse``: break a stack in twelve ways, and print which alert fired after how long."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from scripts.rehearsal.incidents import INCIDENTS, Incident
from scripts.rehearsal.prometheus import SHORTENED, Prometheus, find_prometheus
from scripts.rehearsal.stage import Stage
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts

# Seconds that an alert may take: the longest waits are a minute in a queue, and the 15 s until a worker is dead.
_FIRE_SECONDS: Final = 150.0
# Until all alerts are over: a lost worker is forgotten after a minute.
_CALM_SECONDS: Final = 180.0
# Seconds without any alert before the first incident.
_QUIET_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Outcome:
    """The outcome of one incident."""

    incident: str
    alert: str
    seconds: float | None
    """From the break to the alert; None if it did not fire."""
    also: Sequence[str] = ()
    """Other alerts that fired meanwhile."""
    skipped: str = ""
    """Why it was not tried."""


def main(arguments: list[str]) -> int:
    """Run it; the exit code is 0 if each incident that was tried fired its alert."""
    parser = argparse.ArgumentParser(
        prog="scripts/rehearse",
        description="Break a stack of its own in twelve ways, and print which alert fires after how long.",
    )
    names = [incident.name for incident in INCIDENTS]
    parser.add_argument("--only", type=lambda text: text.split(","), default=names, help=f"of: {', '.join(names)}")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for programs")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.only) - set(names):
        parser.error(f"there is no incident {', '.join(unknown)}")
    try:
        # Before anything is started.
        program = find_prometheus()
        Interrupts().install()
        outcomes = _rehearse(program, [incident for incident in INCIDENTS if incident.name in asked.only])
    except StackError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; everything that ran is stopped")
        return 130
    say(json.dumps([asdict(one) for one in outcomes]) if asked.json else _table(outcomes))
    return int(any(one.seconds is None and not one.skipped for one in outcomes))


def _rehearse(program: str, incidents: list[Incident]) -> list[Outcome]:
    stage = Stage()
    try:
        stage.up()
        prometheus = Prometheus(program, stage.folder, stage.metrics_port, list(stage.stack.processes))
        try:
            prometheus.start()
            return [_try(incident, stage, prometheus) for incident in incidents]
        finally:
            prometheus.stop()
    finally:
        stage.down()


def _try(incident: Incident, stage: Stage, prometheus: Prometheus) -> Outcome:
    if incident.needs_own_disk and not stage.has_own_disk:
        return Outcome(incident.name, incident.alert, None, skipped="needs root, to mount a disk of its own")
    _wait_for_calm(prometheus, incident)
    seen: set[str] = set()

    def has_fired() -> bool:
        seen.update(prometheus.firing())
        return incident.alert in seen

    began = time.monotonic()
    with incident.broken(stage):
        fired = _wait(has_fired, _FIRE_SECONDS)
        seconds = round(time.monotonic() - began, 1) if fired else None
    print(f"{incident.name}: {incident.alert} after {seconds} s", file=sys.stderr)
    return Outcome(incident.name, incident.alert, seconds, sorted(seen - {incident.alert}))


def _wait_for_calm(prometheus: Prometheus, incident: Incident) -> None:
    """Wait until no alert has fired for some seconds. Raises ``StackError``: the alert would say nothing then."""
    until, calm_since = time.monotonic() + _CALM_SECONDS, time.monotonic()
    while time.monotonic() - calm_since < _QUIET_SECONDS:
        if firing := prometheus.firing():
            calm_since = time.monotonic()
        if time.monotonic() > until:
            raise StackError(f"before “{incident.name}” there fires {', '.join(sorted(firing))}")
        time.sleep(0.5)


def _wait(is_true: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def _table(outcomes: list[Outcome]) -> str:
    head = ["| incident | alert | fired after | others that fired |", "|---|---|---|---|"]
    rows = [f"| {one.incident} | {one.alert} | {_after(one)} | {', '.join(one.also)} |" for one in outcomes]
    fired = sum(one.seconds is not None for one in outcomes)
    return "\n".join([*head, *rows, "", f"{fired} of {len(outcomes)} fired, and no alert before. Rules: {SHORTENED}."])


def _after(outcome: Outcome) -> str:
    if outcome.skipped:
        return f"not run: {outcome.skipped}"
    return "**not at all**" if outcome.seconds is None else f"{outcome.seconds} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
