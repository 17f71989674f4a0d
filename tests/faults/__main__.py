"""``scripts/faults``: the long form, or with ``--safeguards`` the proof that the tests can fail."""

import argparse
import json
import os
import platform
import random
import sys
import time
from pathlib import Path
from typing import Final

from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts
from tests.faults import plan, report, safeguards, stage
from tests.faults.plan import Entry
from tests.faults.repair import repair
from tests.faults.report import Report
from tests.faults.stage import Stage

_PER_SECOND: Final = 15.0
_LONGEST: Final = 60.0


def main(arguments: list[str]) -> int:
    """Run it; 1 when something did not hold, 130 when it was interrupted."""
    asked = _parse(arguments)
    Interrupts().install()
    try:
        if asked.safeguards:
            return _prove()
        return _long_form(asked, arguments)
    except StackError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; everything that ran is stopped")
        return 130


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=_LONGEST, help="begin no fault after so long (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="default: one at random, printed")
    parser.add_argument("--only", default="", metavar="F6,F7", help="these faults only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--rate", type=float, default=_PER_SECOND, help="submits a second (default: 15)")
    parser.add_argument("--once", action="store_true", help="run each fault once, and end")
    parser.add_argument("--safeguards", action="store_true", help="take out each safeguard; its tests must go red")
    return parser.parse_args(arguments)


def _prove() -> int:
    proofs = safeguards.prove(say)
    say("\n| safeguard | its tests without it | s |\n|---|---|---:|")
    for proof in proofs:
        say(f"| {proof.name} | {'red' if proof.is_red else 'NOT RED'} | {proof.seconds:.1f} |")
    return 0 if all(proof.is_red for proof in proofs) else 1


def _long_form(asked: argparse.Namespace, arguments: list[str]) -> int:
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1 << 31)
    chosen = [entry for entry in plan.entries() if not asked.only or entry.id in asked.only.split(",")]
    say(f"seed {seed}, {len(chosen)} faults, for {asked.minutes:g} minutes")
    found = Report(seed, " ".join(["scripts/faults", *arguments]), _machine())
    began = time.monotonic()
    with stage.running(seed, is_long=True) as made:
        for entry in _order(chosen, random.Random(seed), began + 60 * asked.minutes, once=asked.once):
            _run_one(entry, made, found, asked.rate, seed)
        found.samples = made.sampler.looks
        found.seconds = time.monotonic() - began
    say(f"\n{report.write(found)}")
    if asked.json:
        asked.json.write_text(json.dumps(found.as_json(), indent=2) + "\n")
    return 0 if found.is_held else 1


def _order(chosen: list[Entry], rng: random.Random, ends_at: float, *, once: bool):  # noqa: ANN202 a generator
    for entry in chosen:
        if time.monotonic() > ends_at:
            return
        yield entry
    again = [entry for entry in chosen if entry.is_repeated and not once]
    while again and time.monotonic() < ends_at:
        yield rng.choice(again)


def _run_one(entry: Entry, made: Stage, found: Report, rate: float, seed: int) -> None:
    row = found.row(entry)
    known = set(found.verdict.violations)
    began = time.monotonic()
    made.load.begin(rate)
    try:
        row.add(entry.run(made, random.Random(f"{seed}-{entry.name}-{row.runs}")))
    except Exception as error:  # noqa: BLE001 it is what the report is about
        row.runs += 1
        row.wrong.append(f"broke off: {type(error).__name__}: {error}")
        repair(made.cluster)
    found.longest_rest = max(found.longest_rest, made.rest())
    found.verdict = made.check()
    row.wrong += [wrong for wrong in found.verdict.violations if wrong not in known]
    seconds = time.monotonic() - began
    say(
        f"{'held' if row.is_held else 'NOT HELD':9}{seconds:6.1f} s  {entry.id:4} {entry.name}: {row.longest:.2f} s {row.notes}"
    )
    for wrong in row.wrong[:5]:
        say(f"         {wrong}")


def _machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f} at the start, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
