"""Writes the clients: ``scripts/sdk [--document FILE] [--output FOLDER] [--no-task-types]``."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from scripts.sdk_generator import modules, npm_package, sync_twin, wheel

_ROOT: Final = Path(__file__).resolve().parent.parent
_OVERLAY: Final = _ROOT / "scripts" / "sdk_overlay"
_PACKAGE: Final = "task_queue_client"
_VERSION: Final = '"""The version of the client: that of the API document."""\n\nVERSION = "{version}"\n'
_TYPING: Final = "from typing import Any, Unpack\n"
_TYPES: Final = "from task_queue_client.calls import Call, identifier, keyed\n"
_OVERLOADS: Final = "    # The signatures of the task types are written here.\n"


def generate(document: Path, output: Path, *, with_task_types: bool = True) -> Path:
    """Write the Python project to ``output/python`` and its wheel to ``output``; return the wheel."""
    described = modules.Document(read(document), with_task_types=with_task_types)
    package = files(described)
    readme, license_text = about()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        made = Path(scratch) / "python"
        project = {"README.md": readme.encode(), "LICENSE": license_text}
        project["pyproject.toml"] = wheel.pyproject(described.version).encode()
        write_files(made, package | project)
        built = wheel.write(Path(scratch), package, described.version, readme, license_text)
        _replace(output / "python", made, _PACKAGE)
        return built.replace(output / built.name)


def generate_typescript(document: Path, output: Path, *, with_task_types: bool = True) -> Path:
    """Write the npm package to ``output/typescript`` and its archive to ``output``; return the archive."""
    described = modules.Document(read(document), with_task_types=with_task_types)
    package = npm_package.files(described)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as scratch:
        write_files(Path(scratch) / "typescript", package)
        _replace(output / "typescript", Path(scratch) / "typescript", "lib")
    return npm_package.write(output, package, described.version)


def about() -> tuple[str, bytes]:
    """Return the README and the licence of the Python package."""
    return (_OVERLAY / "README.md").read_text(), (_ROOT / "LICENSE").read_bytes()


def write_files(folder: Path, content: dict[str, bytes]) -> None:
    """Write files by their paths below a folder."""
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def read(path: Path) -> dict[str, Any]:
    """Return the document of a file; one that is none ends the program with a line that says so."""
    # Only here: the clients that an api serves are built without it.
    import yaml  # noqa: PLC0415

    # The one in C takes a tenth of the time, and is not in every build of the library.
    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = path.read_text()
        # A service serves JSON, which is read thirty times as fast as YAML.
        document = json.loads(text) if text.startswith("{") else yaml.load(text, safe)  # noqa: S506  # it is
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except (ValueError, yaml.YAMLError):
        sys.exit(f"{path} is neither JSON nor YAML")
    if not (isinstance(document, dict) and "SubmitRequest" in document.get("components", {}).get("schemas", {})):
        sys.exit(f"{path} is not the document of this API: take it from /openapi.json")
    return document


def files(document: modules.Document) -> dict[str, bytes]:
    """Return the package: what is written by hand, its blocking half, and what follows from the document."""
    sources = {path.relative_to(_OVERLAY).as_posix(): path.read_text() for path in _OVERLAY.rglob("*.py")}
    tasks = f"{_PACKAGE}/_async/tasks.py"
    sources[tasks] = with_overloads(sources[tasks], modules.overloads(document))
    for name, text in list(sources.items()):
        if "/_async/" in name:
            # A module that has a blocking form of its own keeps it.
            sources.setdefault(name.replace("/_async/", "/_sync/"), sync_twin.twin(text))
    sources |= {
        f"{_PACKAGE}/models.py": document.models(),
        f"{_PACKAGE}/task_types.py": document.types(),
        f"{_PACKAGE}/operations.py": modules.operations(document),
        f"{_PACKAGE}/version.py": _VERSION.format(version=document.version),
        f"{_PACKAGE}/py.typed": "",
    }
    return {name: text.encode() for name, text in sources.items()}


def with_overloads(source: str, overloads: str) -> str:
    """Return the module of the tasks with the signatures of the task types."""
    if not overloads:
        return source
    before, after = source.split(_OVERLOADS)
    named = before.replace(_TYPING, "from typing import Any, Literal, Unpack, overload\n")
    return named.replace(_TYPES, f"from task_queue_client import task_types\n{_TYPES}") + f"{overloads}\n{after}"


def _replace(target: Path, made: Path, mark: str) -> None:
    if target.exists():
        if not (target / mark).is_dir():
            sys.exit(f"{target} exists and is not a client: name another --output")
        shutil.rmtree(target)
    made.replace(target)


def main() -> None:
    """Read the arguments and say what was made."""
    parser = argparse.ArgumentParser(
        prog="scripts/sdk", description="Write the Python and the TypeScript client, and build their packages."
    )
    about = "the API's document (default: openapi.yaml); an API with task types of its own serves /openapi.json"
    parser.add_argument("--document", type=Path, default=_ROOT / "openapi.yaml", metavar="FILE", help=about)
    parser.add_argument("--output", type=Path, default=_ROOT / "dist", metavar="FOLDER", help="default: dist")
    untyped = "for APIs whose task types you do not know: names and payloads of tasks are not checked"
    parser.add_argument("--no-task-types", action="store_true", help=untyped)
    asked: Any = parser.parse_args()
    from scripts.stack.console import say  # noqa: PLC0415  # the image has the rest of this module, and not that one

    for make, name in ((generate, "python"), (generate_typescript, "typescript")):
        built = make(asked.document, asked.output.absolute(), with_task_types=not asked.no_task_types)
        say(f"Wrote {asked.output / name} and {built}")


if __name__ == "__main__":
    main()
