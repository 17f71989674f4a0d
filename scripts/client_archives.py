"""Builds the clients that a running api serves: ``python -m scripts.client_archives --output FOLDER``.

It needs nothing but the standard library and, for the document of the application, what an api needs.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from scripts import sdk_python
from scripts.sdk_generator import modules, npm_package, wheel

INDEX: Final = "index.json"
"""The file that names the others. An api reads it, so it is written last."""
_DIGITS: Final = 10


def build(document: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write the archives of both clients and their index into a folder; return the index."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        made = {"python": _python(document, Path(scratch)), "typescript": _typescript(document, Path(scratch))}
        for path in Path(scratch).iterdir():
            path.replace(output / path.name)
        index = Path(scratch) / INDEX
        index.write_text(json.dumps(made, indent=1))
        index.replace(output / INDEX)
    _remove_others(output, {INDEX, *(file["name"] for client in made.values() for file in client["files"])})
    return made


def _python(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    described = modules.Document(document)
    # A package manager keeps what it has of a version, so other task types are another version.
    described.version += f"+{_digest(sdk_python.files(described))}"
    content, about = sdk_python.files(described), sdk_python.about()
    made = [
        wheel.write(folder, content, described.version, *about),
        wheel.write_source(folder, content, described.version, *about),
    ]
    return _described(wheel.NAME, described.version, made)


def _typescript(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    described = modules.Document(document)
    described.version += f"-{_digest(npm_package.files(described))}"
    made = npm_package.write(folder, npm_package.files(described), described.version)
    return _described(npm_package.NAME, described.version, [made])


def _digest(files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256()
    for name, data in sorted(files.items()):
        total.update(f"{name} {len(data)} ".encode() + data)
    # A letter in front: npm takes no number with a leading zero.
    return f"g{total.hexdigest()[:_DIGITS]}"


def _described(name: str, version: str, paths: list[Path]) -> dict[str, Any]:
    files = [
        {"name": path.name, "size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in paths
    ]
    return {"name": name, "version": version, "files": files}


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept and path.name.startswith(("task_queue_client-", f"{npm_package.NAME}-", "tmp")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    """Build the clients of the application with the task types of ``TASK_MODULES``, and print the index."""
    parser = argparse.ArgumentParser(prog="scripts.client_archives")
    parser.add_argument("--output", type=Path, required=True)
    asked = parser.parse_args()
    from app.main import app  # noqa: PLC0415 after the arguments
    from app.tasks.definition import types  # noqa: PLC0415

    types.load_or_exit()
    json.dump(build(app.openapi(), asked.output), sys.stdout)


if __name__ == "__main__":
    main()
