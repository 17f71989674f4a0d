"""Pack the Python client as a wheel and as a source distribution, with Python alone."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scripts.sdk_generator import tarball

NAME: Final = "task-queue-client"
_PACKAGE: Final = "task_queue_client"
REQUIRES: Final = "httpx>=0.27,<0.29"

_METADATA: Final = """\
Metadata-Version: 2.4
Name: {name}
Version: {version}
Summary: The typed Python client of the Task Queue Worker API
License-Expression: Apache-2.0
License-File: LICENSE
Classifier: Typing :: Typed
Requires-Python: >=3.11
Requires-Dist: {requires}
Description-Content-Type: text/markdown

{readme}"""
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: task-queue-worker-api\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_ENTRY_POINTS: Final = f"[console_scripts]\ntq = {_PACKAGE}.cli:run\n"
# The first moment that a zip file can say: the same sources make the same bytes.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

PYPROJECT: Final = """\
[project]
name = "{name}"
version = "{version}"
description = "The typed Python client of the Task Queue Worker API"
requires-python = ">=3.11"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
classifiers = ["Typing :: Typed"]
dependencies = ["{requires}"]

[project.scripts]
tq = "{package}.cli:run"

[tool.uv.build-backend]
module-name = "{package}"
module-root = ""

[build-system]
requires = ["uv_build>=0.12,<1"]
build-backend = "uv_build"
"""


def pyproject(version: str) -> str:
    """Return the file by which other tools build the project."""
    return PYPROJECT.format(name=NAME, version=version, requires=REQUIRES, package=_PACKAGE)


def write(folder: Path, files: Mapping[str, bytes], version: str, readme: str, license_text: bytes) -> Path:
    """Write the wheel of the client's files into a folder; return its path."""
    metadata = _METADATA.format(name=NAME, version=version, requires=REQUIRES, readme=readme)
    return pack(
        folder, _PACKAGE, version, files, metadata=metadata, entry_points=_ENTRY_POINTS, license_text=license_text
    )


def pack(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    *,
    metadata: str,
    entry_points: str,
    license_text: bytes,
) -> Path:
    """Write the wheel of a distribution into a folder; return its path. The same files make the same bytes."""
    about = f"{name}-{version}.dist-info"
    content = dict(sorted(files.items())) | {
        f"{about}/licenses/LICENSE": license_text,
        f"{about}/METADATA": metadata.encode(),
        f"{about}/WHEEL": _WHEEL.encode(),
        f"{about}/entry_points.txt": entry_points.encode(),
    }
    record = "".join(f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items())
    content[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in content.items():
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return target


def write_source(folder: Path, files: Mapping[str, bytes], version: str, readme: str, license_text: bytes) -> Path:
    """Write the source distribution into a folder; return its path."""
    metadata = _METADATA.format(name=NAME, version=version, requires=REQUIRES, readme=readme)
    top = f"{_PACKAGE}-{version}"
    project = {"PKG-INFO": metadata.encode(), "pyproject.toml": pyproject(version).encode()}
    project |= {"README.md": readme.encode(), "LICENSE": license_text}
    target = folder / f"{top}.tar.gz"
    target.write_bytes(tarball.pack({f"{top}/{name}": data for name, data in (dict(files) | project).items()}))
    return target


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
