"""The operator's own task types: which settings name them, whether they load, and which pools they need."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import parts
from scripts.stack.errors import StackError
from scripts.stack.options import UpOptions
from scripts.stack.stackfile import Stack

_LAST = "<loaded>"
# In a process of its own: this one outlives many versions of the modules.
_LOAD = f"""
import json
from app.tasks.definition import types
types.load_or_exit()
print("{_LAST}" + json.dumps(sorted({{one.pool for one in types.all_types().values() if not one.is_shipped}})))
"""
_SECONDS = 60.0


@dataclass(frozen=True)
class Loaded:
    """What came of loading the modules."""

    pools: tuple[str, ...] = ()
    fault: str | None = None
    """Why they cannot be loaded, with the place."""


def choose(asked: UpOptions) -> None:
    """Put the options into the environment, which every process gets. Raises ``StackError``."""
    if asked.modules:
        os.environ["TASK_MODULES"] = ",".join(asked.modules)
    if asked.reload:
        # A task that runs is given back, and runs again with the new code.
        os.environ.setdefault("WORKER_DRAIN_SECONDS", "1")
    if asked.tasks is not None:
        os.environ["TASK_MODULES_FOLDER"] = _folder(asked.tasks)
    elif os.environ.get("TASK_MODULES"):
        os.environ.setdefault("TASK_MODULES_FOLDER", str(Path.cwd()))


def _folder(tasks: Path) -> str:
    if not tasks.is_dir():
        message = f"--tasks: there is no folder {tasks}"
        raise StackError(message)
    if not os.environ.get("TASK_MODULES"):
        message = "--tasks needs --module, the name of the module in that folder, such as --module reports"
        raise StackError(message)
    return str(tasks)


def load(stack: Stack) -> Loaded:
    """Import the modules once, with what a worker gets, and return the pools of their task types."""
    if not os.environ.get("TASK_MODULES"):
        return Loaded()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _LOAD],
        env=parts.worker_environment(stack),
        cwd=parts.ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    found = [line.removeprefix(_LAST) for line in done.stdout.splitlines() if line.startswith(_LAST)]
    return Loaded(tuple(json.loads(found[-1]))) if found else Loaded(fault=_fault(done.stderr))


def _fault(errors: str) -> str:
    # The last line is that of load_or_exit. The log line before it has the place, as the end of a traceback.
    lines = [line for line in errors.splitlines() if line.strip()]
    return lines[-1] if lines else "the process that loads them ended without a word"
