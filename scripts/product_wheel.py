"""Packs the product itself as a wheel: the package ``taskqueue``, with all that ``taskqueue up`` needs.

In the checkout the packages are called ``app``, ``scripts`` and ``migrations``. An installed library must not take such
names from the projects that it is installed for, so in the wheel they stand inside of ``taskqueue``.
"""

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from scripts.sdk_generator import wheel

_ROOT: Final = Path(__file__).resolve().parent.parent
NAME: Final = "taskqueue"
_MOVED: Final = ("app", "scripts", "migrations")
_SCRIPTS: Final = ("guide_site", "stack", "sdk_generator", "sdk_overlay", "sdk_typescript")
_SCRIPT_FILES: Final = ("__init__.py", "client_archives.py", "sdk_python.py", "taskqueue_command.py")
# What only a checkout needs: it makes environments, and runs the checks of developers.
_LEFT_OUT: Final = frozenset({"scripts/stack/__main__.py", "scripts/stack/checks.py", "scripts/stack/python.sh"})
_GENERATED: Final = ("scripts/sdk_overlay/", "scripts/sdk_typescript/")
"""Sources of other packages, which are copied as they are."""
_IMPORT: Final = re.compile(rf"^(\s*(?:from|import)\s+)({'|'.join(_MOVED)})(?=[.\s])", re.MULTILINE)
_COMMAND: Final = re.compile(r"\bscripts/(up|down|admin)\b")
_TEXTS: Final = frozenset({"STRING", "FSTRING_MIDDLE", "COMMENT"})
_FACE: Final = '''"""Declare task types: ``from taskqueue import task, TaskContext``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taskqueue.app.tasks import {imports}

__all__ = [{names}]


def __getattr__(name: str) -> Any:
    """Import what is asked for: the processes of the service need none of it to start."""
    if name not in __all__:
        raise AttributeError(f"module {{__name__!r}} has no attribute {{name!r}}")
    from taskqueue.app import tasks

    return getattr(tasks, name)
'''


def files() -> dict[str, bytes]:
    """Return the content of the package by path."""
    modules = {_dotted(path) for path in _sources() if path.suffix == ".py"}
    moved = {
        f"{NAME}/{relative}": _rewritten(path.read_text(), modules).encode()
        if _is_ours(relative)
        else path.read_bytes()
        for path in _sources()
        for relative in [path.relative_to(_ROOT).as_posix()]
    }
    # With the folder in front of the path, a project could not have a package of the name app.
    configuration = re.sub(r"^prepend_sys_path.*\n", "", (_ROOT / "alembic.ini").read_text(), flags=re.MULTILINE)
    return moved | {
        f"{NAME}/__init__.py": _face().encode(),
        f"{NAME}/py.typed": b"",
        f"{NAME}/alembic.ini": configuration.encode(),
        f"{NAME}/LICENSE": (_ROOT / "LICENSE").read_bytes(),
    }


def write(folder: Path) -> Path:
    """Write the wheel into a folder; return its path."""
    project: dict[str, Any] = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return wheel.pack(
        folder,
        project["name"].replace("-", "_"),
        project["version"],
        files(),
        metadata=_metadata(project),
        entry_points=f"[console_scripts]\n{NAME} = {NAME}.scripts.taskqueue_command:main\n",
        license_text=(_ROOT / "LICENSE").read_bytes(),
    )


def _sources() -> Iterator[Path]:
    folders = [_ROOT / "app", _ROOT / "migrations", *(_ROOT / "scripts" / name for name in _SCRIPTS)]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(_ROOT).as_posix()
            is_made = "__pycache__" in relative or "node_modules" in relative
            if path.is_file() and not is_made and relative not in _LEFT_OUT:
                yield path
    yield from (_ROOT / "scripts" / name for name in _SCRIPT_FILES)


def _is_ours(relative: str) -> bool:
    return relative.endswith(".py") and not relative.startswith(_GENERATED)


def _dotted(path: Path) -> str:
    parts = path.relative_to(_ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] in {"__init__", "__main__"} else parts)


def _rewritten(source: str, modules: set[str]) -> str:
    """Return a module with the new names in its imports, and in the texts that name a module or a command."""
    lines = source.splitlines(keepends=True)
    # From the end, so that the places of the other tokens stay right.
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        if tokenize.tok_name[token.type] in _TEXTS:
            _replace(lines, token, _named(token.string, modules))
    return _IMPORT.sub(rf"\1{NAME}.\2", "".join(lines))


def _replace(lines: list[str], token: tokenize.TokenInfo, text: str) -> None:
    (first, start), (last, end) = token.start, token.end
    whole = lines[first - 1][:start] + text + lines[last - 1][end:]
    lines[first - 1 : last] = [whole] + [""] * (last - first)


def _named(text: str, modules: set[str]) -> str:
    def renamed(match: re.Match[str]) -> str:
        return f"{NAME}.{match[0]}" if ".".join(match[0].split(".")[:2]) in modules else match[0]

    dotted = rf"(?<![\w./@-])(?:{'|'.join(_MOVED)})(?:\.\w+)+"
    return _COMMAND.sub(rf"{NAME} \1", re.sub(dotted, renamed, text))


def _face() -> str:
    (names,) = [
        ast.literal_eval(node.value)
        for node in ast.parse((_ROOT / "app" / "tasks" / "__init__.py").read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
    ]
    quoted, imported = ", ".join(map(repr, names)), ", ".join(f"{name} as {name}" for name in names)
    return _FACE.format(imports=imported, names=quoted)


def _metadata(project: dict[str, Any]) -> str:
    extra = {name: project["optional-dependencies"][name] for name in ("embedded",)}
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {needed}" for needed in project["dependencies"]),
        *(f"Provides-Extra: {name}" for name in extra),
        *(f'Requires-Dist: {needed}; extra == "{name}"' for name, all_needed in extra.items() for needed in all_needed),
        "Description-Content-Type: text/markdown",
        "",
        (_ROOT / "README.md").read_text(),
    ]
    return "\n".join(lines)
