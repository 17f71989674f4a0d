"""Read the archives of the clients from the folder into which ``scripts/admin clients build`` writes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

INDEX: Final = "index.json"
"""It names the archives, and is written after them."""


@dataclass(frozen=True, slots=True)
class ClientArchive:
    """A file that a package manager installs."""

    name: str
    body: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class ClientPackage:
    """The client for one language."""

    name: str
    version: str
    archives: tuple[ClientArchive, ...]


class Archives:
    """The packages in a folder, kept in memory until a new build replaces them."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet: the folder may be made later."""
        self._folder = folder
        self._built_at: int | None = None
        self._packages: dict[str, ClientPackage] = {}

    def packages(self) -> dict[str, ClientPackage]:
        """Return the packages by language; none if they were never built."""
        try:
            built_at = (self._folder / INDEX).stat().st_mtime_ns
            if built_at != self._built_at:
                self._packages = self._read()
                self._built_at = built_at
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # A build replaces the files: in between, what was read before is right.
            return self._packages
        return self._packages

    def _read(self) -> dict[str, ClientPackage]:
        described: dict[str, Any] = json.loads((self._folder / INDEX).read_bytes())
        return {language: self._package(client) for language, client in described.items()}

    def _package(self, described: dict[str, Any]) -> ClientPackage:
        archives = tuple(
            ClientArchive(file["name"], (self._folder / Path(file["name"]).name).read_bytes(), file["sha256"])
            for file in described["files"]
        )
        return ClientPackage(described["name"], described["version"], archives)
