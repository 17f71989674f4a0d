"""Writes the Python SDK: ``scripts/sdk [--document FILE] [--output FOLDER]``."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml

from scripts.stack.console import say

_ROOT: Final = Path(__file__).resolve().parent.parent
_SETTINGS: Final = _ROOT / "scripts" / "sdk_python.yaml"
_OVERLAY: Final = _ROOT / "scripts" / "sdk_overlay"
_PACKAGE: Final = "task_queue_client"
_PROBLEM: Final = "application/problem+json"


def generate(document: Path, output: Path) -> Path:
    """Write the project to ``output/python`` and its wheel to ``output``; return the wheel."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        made = Path(scratch) / "python"
        _write_client(described(yaml.safe_load(document.read_bytes())), made)
        _lay_over(made)
        _tidy(made)
        wheel = _build_wheel(made, Path(scratch) / "wheel")
        _replace(output / "python", made)
        return wheel.replace(output / wheel.name)


def described(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document as the generator is to see it.

    Every refusal is the same problem body, which ``unwrap`` raises: without them a call's type is what it answers.
    What can have one value only is no argument.
    """
    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"].items()
            operation["responses"] = {code: answer for code, answer in answers if not _is_refusal(answer)}
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            if "const" in field:
                field.setdefault("default", field["const"])
    return document


def _is_refusal(answer: dict[str, Any]) -> bool:
    return _PROBLEM in answer.get("content", {})


def _write_client(document: dict[str, Any], made: Path) -> None:
    source = made.with_suffix(".json")
    source.write_text(json.dumps(document))
    _run(
        "openapi_python_client", "generate", "--path", source, "--config", _SETTINGS, "--meta", "uv",
        "--custom-template-path", _OVERLAY / "templates", "--output-path", made, "--fail-on-warning",
    )  # fmt: skip


def _lay_over(made: Path) -> None:
    shutil.copytree(
        _OVERLAY / _PACKAGE, made / _PACKAGE, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )
    shutil.copy(_OVERLAY / "README.md", made)
    shutil.copy(_ROOT / "LICENSE", made)


def _tidy(made: Path) -> None:
    settings = made / "pyproject.toml"
    _run("ruff", "check", "--fix-only", "--quiet", "--no-cache", "--config", settings, made)
    _run("ruff", "format", "--quiet", "--no-cache", "--config", settings, made)


def _build_wheel(made: Path, folder: Path) -> Path:
    # The backend is inside uv itself: nothing is fetched, and the same files make the same wheel.
    _run("uv", "build", "--quiet", "--offline", "--no-config", "--wheel", "--out-dir", folder, made)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _replace(target: Path, made: Path) -> None:
    if target.exists():
        if not (target / _PACKAGE).is_dir():
            sys.exit(f"{target} is there and holds no SDK: name another --output")
        shutil.rmtree(target)
    made.replace(target)


def _run(module: str, *arguments: str | Path) -> None:
    """Run a module of this environment; what it says is shown only when it fails."""
    line = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=os.environ | {"NO_COLOR": "1"})
    if done.returncode:
        sys.exit(f"{module} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Read the arguments and say what was made."""
    parser = argparse.ArgumentParser(prog="scripts/sdk", description="Write the Python SDK, and build its wheel.")
    about = "the API's document (default: openapi.yaml); an API with task types of its own serves /openapi.json"
    parser.add_argument("--document", type=Path, default=_ROOT / "openapi.yaml", metavar="FILE", help=about)
    parser.add_argument("--output", type=Path, default=_ROOT / "dist", metavar="FOLDER", help="default: dist")
    asked = parser.parse_args()
    wheel = generate(asked.document, asked.output.absolute())
    say(f"Wrote {asked.output / 'python'} and {wheel}")


if __name__ == "__main__":
    main()
