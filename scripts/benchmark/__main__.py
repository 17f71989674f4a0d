"""``scripts/bench``: the report on stdout, progress on stderr; an expected failure is one line and exit code 1."""

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from scripts.benchmark import depth, report, rounds
from scripts.benchmark import plan as plans
from scripts.stack import environment, parts, requirements
from scripts.stack.console import complain, say
from scripts.stack.errors import StackError
from scripts.stack.interrupts import Interrupts

# The product as it is shipped, on servers of its own: no setting of the caller's.
_NOT_OURS = ("DATABASE_", "REDIS_", "SECRETS_", "TASK_", "WEBHOOK_", "LOG_LEVEL", "CELERY_")


def main(arguments: list[str]) -> int:
    """Run it."""
    is_deep = "--depth" in arguments
    plan, figures_file = (plans.Plan(), None) if is_deep else plans.parse(arguments)
    for name in [name for name in os.environ if name.startswith(_NOT_OURS)]:
        del os.environ[name]
    Interrupts().install()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            if plan.peers:
                environment.ensure(parts.ROOT, requirements.BENCH)
            found = depth.main(arguments) if is_deep else rounds.run(plan)
    except StackError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted; everything that ran is stopped")
        return 130
    say(found if isinstance(found, str) else report.write(found))
    if figures_file and not isinstance(found, str):
        _save(found, figures_file)
    return 0


def _save(found: rounds.Run, file: Path) -> None:
    file.write_text(json.dumps(asdict(found), indent=2) + "\n")
    print(f"\nThe figures of every round: {file.absolute()}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
