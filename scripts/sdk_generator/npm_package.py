"""Pack the TypeScript client for npm, with Python alone: what is written by hand was compiled before."""

import json
from pathlib import Path
from typing import Any, Final

from scripts.sdk_generator import tarball, typescript
from scripts.sdk_generator.modules import Document

NAME: Final = "task-queue-client"
SOURCES: Final = Path(__file__).resolve().parents[1] / "sdk_typescript"
GENERATED: Final = SOURCES / "generated"
"""What follows from openapi.yaml, committed: programs in the checkout are compiled against it."""
_LICENSE: Final = SOURCES.parents[1] / "LICENSE"


def files(document: Document) -> dict[str, bytes]:
    """Return the content of the package by path: what was compiled, and what follows from the document."""
    compiled = {f"lib/{path.name}": path.read_bytes() for path in sorted((SOURCES / "lib").iterdir())}
    generated = {f"lib/{name}": text.encode() for name, text in typescript.files(document).items()}
    about = {"README.md": (SOURCES / "README.md").read_bytes(), "LICENSE": _LICENSE.read_bytes()}
    return compiled | generated | about | {"package.json": _package(document.version)}


def write(folder: Path, content: dict[str, bytes], version: str) -> Path:
    """Write the archive that ``npm install`` takes into a folder; return its path."""
    target = folder / f"{NAME}-{version}.tgz"
    target.write_bytes(tarball.pack({f"package/{name}": data for name, data in content.items()}))
    return target


def _package(version: str) -> bytes:
    described: dict[str, Any] = json.loads((SOURCES / "package.json").read_bytes()) | {"version": version}
    return f"{json.dumps(described, indent=2)}\n".encode()
