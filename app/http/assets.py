"""Serve styles and scripts from memory, under names that change with their content."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from starlette.responses import Response

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_NAME: Final = re.compile(r"([a-z-]+(?:\.[a-z]+)*)-([0-9a-f]{12})(\.[a-z]+)")
# A file may be kept for ever, because other content has another name.
_YEAR: Final = "public, max-age=31536000, immutable"


class _Asset(NamedTuple):
    body: bytes
    digest: str


class Assets:
    """The files of one folder. Each is read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        """``folder`` may have other files, such as licences: only styles, scripts and pictures are served."""
        self._folder = folder
        self._loaded: dict[str, _Asset] = {}

    def hashed(self, file: str) -> str:
        """Return the name under which a file is served: it has the hash of the content."""
        stem, dot, suffix = file.rpartition(".")
        return f"{stem}-{self._load(file).digest}{dot}{suffix}"

    def respond(self, name: str) -> Response | None:
        """Return the file of a name with a hash; None for an unknown file.

        During an upgrade, a page of one version may ask a process of another one. It gets the file that this process
        has, and must not keep it.
        """
        match = _NAME.fullmatch(name)
        # The pattern has no slash, so no name leads out of the folder.
        if match is None or match[3] not in _TYPES or not (self._folder / f"{match[1]}{match[3]}").is_file():
            return None
        asset = self._load(f"{match[1]}{match[3]}")
        cache_control = _YEAR if asset.digest == match[2] else "no-store"
        headers = {"Cache-Control": cache_control, "X-Content-Type-Options": "nosniff"}
        return Response(asset.body, media_type=_TYPES[match[3]], headers=headers)

    def _load(self, file: str) -> _Asset:
        # Files do not change while a process runs.
        if file not in self._loaded:
            body = (self._folder / file).read_bytes()
            self._loaded[file] = _Asset(body, sha256(body).hexdigest()[:12])
        return self._loaded[file]
