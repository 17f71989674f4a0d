"""Writes ``openapi.yaml`` and what follows from it: ``scripts/openapi``.

``--check`` compares them with the code. ``--compatible`` compares the document with that of the latest release, whose
clients it must not break.
"""

import os
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from scripts import openapi_compatible
from scripts.sdk_generator import modules, npm_package, typescript

_ROOT: Final = Path(__file__).parent.parent
_FILE: Final = _ROOT / "openapi.yaml"
RELEASED: Final = _ROOT / "docs" / "api" / "openapi-0.1.yaml"
"""The document of the latest release. A release adds its own, and this names it."""


def document() -> str:
    """Return the document as it follows from the code, with the task types shipped."""
    # Building the application connects to nothing; the settings only have to be there.
    os.environ["DATABASE_URL"] = "postgresql://localhost/none"
    os.environ["REDIS_URL"] = "redis://localhost"
    os.environ["TASK_MODULES"] = ""
    from app.main import app  # noqa: PLC0415 after the settings

    described: dict[str, Any] = app.openapi()
    return yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=120)


def files() -> dict[Path, str]:
    """Return the document, and the types of the TypeScript client that follow from it."""
    text = document()
    described = modules.Document(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506  # it is
    return {_FILE: text} | {npm_package.GENERATED / name: made for name, made in typescript.files(described).items()}


def main() -> None:
    """Write, or check and say what to do."""
    if "--compatible" in sys.argv[1:]:
        _compare()
        return
    written = files()
    if "--check" not in sys.argv[1:]:
        for path, text in written.items():
            path.write_text(text)
        return
    if any(not path.exists() or path.read_text() != text for path, text in written.items()):
        sys.exit("openapi.yaml, or what follows from it, is not what the code says: run scripts/openapi and commit it")


def _compare() -> None:
    released, current = (yaml.safe_load(path.read_text()) for path in (RELEASED, _FILE))
    if found := openapi_compatible.breaks(released, current):
        lines = "\n  ".join(found)
        sys.exit(
            f"openapi.yaml breaks clients of {RELEASED.name} (docs/versioning.md says what may change):\n  {lines}"
        )


if __name__ == "__main__":
    main()
