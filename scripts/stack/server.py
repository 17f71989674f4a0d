"""A server of ours: what its callers need to know, and how a folder remembers its password and port."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import files
from scripts.stack.errors import ChildDiedError

LOG_NAME = "server.log"


@dataclass(frozen=True)
class Server:
    """A running server."""

    name: str
    url: str
    """With its password; the owner's."""
    pid: int
    port: int
    password: str
    folder: Path
    log: Path


@dataclass(frozen=True)
class Identity:
    """What stays the same over restarts, where it can."""

    password: str
    port: int | None


def prepare_folder(folder: Path) -> Path:
    """Make a server's folder; root's can be entered by others, since the server is another user."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o711 if os.geteuid() == 0 else 0o700
    # Several starts may find it missing at once: the lock that would order them lies in it.
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode)
        folder.chmod(mode)
    return folder.resolve()


def identity_of(home: Path) -> Identity:
    """Read what a server's home remembers; made up when there is nothing."""
    known = files.read_json(home / "server.json")
    return Identity(known.get("password") or secrets.token_urlsafe(24), known.get("port"))


def remember(home: Path, identity: Identity) -> None:
    """Write down the password and the port before the server uses them."""
    files.write_json(home / "server.json", {"password": identity.password, "port": identity.port})


def death(name: str, log: Path, offset: int) -> ChildDiedError:
    """Say that a server ended while it was starting, with the end of its log."""
    lines = "\n  ".join(files.tail(log, 8, offset))
    return ChildDiedError(f"{name} ended while it was starting; its log is {log}:\n  {lines}")
