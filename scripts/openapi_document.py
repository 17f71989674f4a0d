"""Writes ``openapi.yaml`` from the application, or checks that it is up to date: ``scripts/openapi [--check]``."""

import os
import sys
from pathlib import Path
from typing import Any, Final

import yaml

_FILE: Final = Path(__file__).parent.parent / "openapi.yaml"


def document() -> str:
    """Return the document as it follows from the code, with the task types shipped."""
    # Building the application connects to nothing; the settings only have to be there.
    os.environ["DATABASE_URL"] = "postgresql://localhost/none"
    os.environ["REDIS_URL"] = "redis://localhost"
    os.environ["TASK_MODULES"] = ""
    from app.main import app  # noqa: PLC0415 after the settings

    described: dict[str, Any] = app.openapi()
    return yaml.safe_dump(described, sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    """Write, or check and say what to do."""
    text = document()
    if "--check" not in sys.argv[1:]:
        _FILE.write_text(text)
        return
    if not _FILE.exists() or _FILE.read_text() != text:
        sys.exit("openapi.yaml is not what the code says: run scripts/openapi and commit it")


if __name__ == "__main__":
    main()
