"""The environment of peers for Node: their packages from npm, in a folder of the bench's environment."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.benchmark import peers
from scripts.benchmark.plan import Plan
from scripts.stack import parts, requirements
from scripts.stack.console import say

_MANIFEST = "package.json"
# Written last, so that an installation that was interrupted is made again.
_STAMP = "installed.json"
_INSTALL = ("install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")


def source(name: str) -> Path:
    """Return the folder of a peer's own files."""
    return parts.ROOT / "scripts" / "benchmark" / name


def folder(name: str) -> Path:
    """Return the folder in which it runs: copies of its files beside its packages, where Node looks for them."""
    return requirements.venv_for(parts.ROOT, requirements.BENCH) / name


def without_missing(plan: Plan) -> Plan:
    """Install what the plan's peers need of npm. One that cannot be installed is left out, and a line says why."""
    kept = tuple(name for name in plan.peers if not peers.ALL[name].is_node or ensure(name))
    return replace(plan, peers=kept)


def ensure(name: str) -> bool:
    """Install a peer's packages, unless they are there; return whether it can run."""
    npm = shutil.which("npm")
    if not (npm and shutil.which("node")):
        say(f"{name} is left out: it needs node and npm (apt install nodejs npm)")
        return False
    if not is_installed(name):
        say(f"Installing {name} from npm ...")
        if failure := _install(name, npm):
            say(f"{name} is left out: npm could not install it ({failure})")
            return False
    # Each time: the files are small, and may have changed.
    for file in source(name).glob("*.mjs"):
        shutil.copy(file, folder(name))
    return True


def is_installed(name: str) -> bool:
    """Tell whether the packages are there, in the versions of today."""
    stamp = folder(name) / _STAMP
    return stamp.exists() and stamp.read_text() == (source(name) / _MANIFEST).read_text()


def versions(name: str) -> list[str]:
    """Return Node's version, and those of its packages."""
    node = subprocess.run([command(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    found = [_manifest(folder(name) / "node_modules" / package) for package in packages(name)]
    return [*(f"{each['name']} {each['version']}" for each in found), f"node {node.removeprefix('v')}"]


def packages(name: str) -> Sequence[str]:
    """Return the names of the packages that it names itself."""
    return list(_manifest(source(name))["dependencies"])


def command() -> str:
    """Return the path of Node."""
    return shutil.which("node") or "node"


def _install(name: str, npm: str) -> str:
    """Install; return npm's last line if it failed, else an empty text."""
    shutil.rmtree(folder(name), ignore_errors=True)
    folder(name).mkdir(parents=True)
    shutil.copy(source(name) / _MANIFEST, folder(name))
    done = subprocess.run([npm, *_INSTALL], cwd=folder(name), capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    shutil.copy(source(name) / _MANIFEST, folder(name) / _STAMP)
    return ""


def _manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((path / _MANIFEST).read_text())
    return found
