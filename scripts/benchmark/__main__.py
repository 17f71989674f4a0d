"""``scripts/bench``: the report on stdout, progress on stderr; an expected failure is one line and exit code 1."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from scripts.benchmark import against, console, depth, node, peers, report, rounds, streams
from scripts.benchmark import plan as plans
from scripts.benchmark.runs import Run
from scripts.stack import environment, parts, requirements
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts

# The product as it is shipped, on servers of its own: no setting of the caller's.
_NOT_OURS = ("DATABASE_", "REDIS_", "SECRETS_", "TASK_", "WEBHOOK_", "LOG_LEVEL", "CELERY_")
_APART = {"--depth": depth.main, "--console": console.main, "--streams": streams.main}
"""What is measured by itself, with options of its own."""


def main(arguments: list[str]) -> int:
    """Run it."""
    apart = next((_APART[option] for option in arguments if option in _APART), None)
    wish = plans.parse([] if apart else arguments)
    for name in [name for name in os.environ if name.startswith(_NOT_OURS)]:
        del os.environ[name]
    Interrupts().install()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if wish.plan.peers or wish.plots:
                environment.ensure(parts.ROOT, requirements.BENCH)
            if wish.plots:
                return _draw(wish.plots)
            found = apart(arguments) if apart else _measure(wish)
    except StackError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; everything that ran is stopped")
        return 130
    say(found if isinstance(found, str) else report.write(found))
    if wish.figures and not isinstance(found, str):
        _save(found, wish.figures)
    return 0


def _measure(wish: plans.Wish) -> Run | str:
    if wish.other_checkout:
        return against.compare(wish.other_checkout.absolute(), wish.turns or against.TURNS)
    return rounds.run(node.without_missing(wish.plan))


def _draw(files: Sequence[Path]) -> int:
    # Where what draws is installed.
    line = [str(peers.python()), "-P", "-m", "scripts.benchmark.plots", *map(str, files)]
    return subprocess.run(line, cwd=parts.ROOT, check=False).returncode


def _save(found: Run, file: Path) -> None:
    file.write_text(json.dumps(asdict(found), indent=2) + "\n")
    print(f"\nThe figures of every round: {file.absolute()}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
