"""Run the product of one checkout until stdin is closed. ``against`` runs this text with the modules of that checkout.

So it imports only modules that the other version has as well. Each line on stdout is JSON: where the product listens
and the pids of its processes, at first and after each line that is read from stdin, which stops the workers.
"""

import contextlib
import json
import sys
from dataclasses import asdict

from scripts.benchmark import checked, names, servers
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Run


def main() -> None:
    """Run it."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), checked.ours(Run(Plan()), names.POOLS) as (stack, target):

        def answer() -> None:
            print(json.dumps({"target": asdict(target), "roots": servers.roots(stack)}), file=answers, flush=True)

        answer()
        for _ in sys.stdin:
            servers.stop_workers(stack)
            answer()


if __name__ == "__main__":
    main()
