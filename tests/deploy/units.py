"""The units of deploy/host as systemd reads them: with their drop-in, specifiers and environment files."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_LISTS = {"ReadWritePaths", "InaccessiblePaths", "StateDirectory", "EnvironmentFile", "Environment", "LoadCredential"}


@dataclass(frozen=True)
class Unit:
    """One instance of a unit. ``values`` has what each directive of [Service] says, in order, with specifiers replaced."""

    name: str
    values: dict[str, list[str]]

    def one(self, directive: str) -> str:
        """Return what a directive says at last, as systemd takes it."""
        return self.values[directive][-1]

    def words(self, directive: str) -> list[str]:
        """Return every word of a directive that is a list."""
        assert directive in _LISTS
        return [word for line in self.values.get(directive, []) for word in shlex.split(line)]

    def command(self) -> list[str]:
        """Return the words of ExecStart."""
        return shlex.split(self.one("ExecStart"))

    def environment(self, inherited: dict[str, str]) -> dict[str, str]:
        """Return the environment: what a manager gives each unit, Environment=, and the files, which come last."""
        given = dict(word.split("=", 1) for word in self.words("Environment"))
        for file in self.words("EnvironmentFile"):
            path = Path(file.removeprefix("-"))
            if path.exists() or not file.startswith("-"):
                given |= read(path)
        return inherited | given


def read(file: Path) -> dict[str, str]:
    """Read an environment file."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith(("#", ";"))]
    return {name: " ".join(shlex.split(text)) for name, text in (line.split("=", 1) for line in lines)}


def load(folder: Path, name: str, credentials: Path) -> Unit:
    """Read a unit from a folder, as ``taskqueue-worker@1`` says, and the drop-ins of its prefixes."""
    prefix, at, instance = name.partition("@")
    files = [folder / f"{prefix}{at}.service"]
    words = prefix.split("-")
    for length in range(len(words) - 1, 0, -1):
        files += sorted((folder / f"{'-'.join(words[:length])}-.service.d").glob("*.conf"))
    specifiers = {"i": instance, "p": prefix, "d": str(credentials), "%": "%"}
    values: dict[str, list[str]] = {}
    for file in files:
        for directive, text in _service(file.read_text()):
            whole = re.sub("%(.)", lambda found: specifiers[found[1]], text)
            values.setdefault(directive, []).append(whole)
    return Unit(name, values)


def _service(text: str) -> list[tuple[str, str]]:
    (section,) = re.findall(r"^\[Service\]\n(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line and not line.startswith(("#", ";"))]
    return [(name, value) for name, value in (line.split("=", 1) for line in lines)]
