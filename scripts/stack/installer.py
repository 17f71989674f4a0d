"""Runs pip with progress to look at, its whole output in a log, and its failure as one line."""

import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import IO

from scripts.stack import files, requirements
from scripts.stack.console import LiveLine, say
from scripts.stack.errors import StackError

# What a user's pip settings could say that would install into another place.
_MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "__PYVENV_LAUNCHER__")
# ``-m pip`` looks for modules where it is run first: not where the caller is, who may have an email.py.
_NEUTRAL = Path(__file__).resolve().parents[2]


def install(venv: Path, pip: list[str], name: str) -> None:
    """Install a requirements file, hashes required."""
    total = requirements.count(venv, name)
    say(f"Installing {total} packages from {name} into {venv.name}; the first time takes about a minute ...")
    log = venv / "install.log"
    command = [*pip, "install", "--require-hashes", "--no-input", "--progress-bar", "off"]
    command += ["--disable-pip-version-check", "-r", str(venv.parent / name)]
    started = time.monotonic()
    if _run(command, log, total):
        raise StackError(_failure(log))
    say(f"Installed in {time.monotonic() - started:.0f} s.")


def runs(command: list[str]) -> bool:
    """Tell whether a command succeeds, without showing its output."""
    try:
        done = subprocess.run(command, env=_environment(), cwd=_NEUTRAL, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _run(command: list[str], log: Path, total: int) -> int:
    with (
        log.open("w") as output,
        subprocess.Popen(
            command,
            env=_environment(),
            cwd=_NEUTRAL,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as pip,
    ):
        if pip.stdout is None:
            raise AssertionError
        _follow(pip.stdout, output, total)
    return pip.returncode


def _follow(pipe: IO[bytes], output: IO[str], total: int) -> None:
    """Copy pip's output to the log, and tell what it is doing, also while it says nothing."""
    live, started, step = LiveLine(), time.monotonic(), "looking at what is there"
    seen = 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=1.0):
                line = pipe.readline().decode(errors="replace")
                if not line:
                    break
                output.write(line)
                seen += line.startswith(("Collecting ", "Requirement already satisfied: "))
                step = _describe(line, min(seen, total), total) or step
            live.show(f"  {time.monotonic() - started:3.0f} s  {step}")
    live.end()


def _describe(line: str, seen: int, total: int) -> str | None:
    if line.startswith("Collecting "):
        return f"fetching {seen}/{total}: {line.split()[1].partition('=')[0]}"
    if line.startswith("Installing collected packages:"):
        return f"unpacking {line.count(',') + 1} packages (pip says nothing meanwhile)"
    return None


def _failure(log: Path) -> str:
    errors = [line for line in files.tail(log, 200) if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR: ")[:200] if errors else "pip ended with an error"
    return f"installing failed: {reason} -- check the network and run again; all of pip's output: {log}"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _MISLEADING}
