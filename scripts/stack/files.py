"""Small files that are either whole or absent, and readable by their owner alone."""

import json
import os
from pathlib import Path
from typing import Any, BinaryIO


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 in one step; also root's belongs to the folder's owner, who may come back."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(draft, folder.st_uid, folder.st_gid)
    draft.replace(path)


def append_private(path: Path) -> BinaryIO:
    """Open a log to append to; it is readable by its owner alone, also one that others could read before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "ab")


def private_folder(path: Path) -> Path:
    """Make a folder, or make one private, that its owner alone may enter."""
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    return path


def write_json(path: Path, value: object) -> None:
    """Write a private JSON file."""
    write_private(path, json.dumps(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing or broken file is an empty one, a forbidden one an error."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def tail(path: Path, lines: int = 12, offset: int = 0) -> list[str]:
    """Return the last lines of a log, from a byte offset on."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace").rstrip().splitlines()[-lines:]
    except OSError:
        return []
