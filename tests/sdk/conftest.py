"""The Python client, written from openapi.yaml, built and installed where nothing else is."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scripts import sdk_python
from tests.conftest import ROOT
from tests.sdk import node
from tests.sdk.node import NodeSdk

DOCUMENT = ROOT / "openapi.yaml"
PROGRAMS = Path(__file__).parent / "programs"


@dataclass
class Sdk:
    """An installed SDK."""

    wheel: Path
    project: Path
    installed: Path
    """Has the wheel's content only."""
    dependencies: Path
    """Holds what the wheel's metadata requires, and what that requires."""

    def run(self, program: str, *arguments: str, given: str = "", **environment: str) -> str:
        """Run one of our programs with the SDK and its dependencies alone; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-S", "-P", "-W", "error", str(PROGRAMS / f"{program}.py"), *arguments],
            env=self.environment | environment,
            input=given, capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which a program finds the client and its neighbours, and nothing else of ours."""
        return {"PYTHONPATH": os.pathsep.join(map(str, (self.installed, self.dependencies, PROGRAMS)))}

    def program(self, name: str) -> str:
        """Name the file of a program."""
        return str(PROGRAMS / f"{name}.py")

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a program, or with ``-m`` a module, whose output the caller reads."""
        return subprocess.Popen(
            [sys.executable, "-S", "-P", "-W", "error", *arguments],
            env=self.environment | environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    """Generate, build and install the SDK."""
    folder = tmp_path_factory.mktemp("sdk")
    wheel = sdk_python.generate(DOCUMENT, folder / "dist")
    made = Sdk(wheel, folder / "dist" / "python", folder / "installed", folder / "dependencies")
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-config", "--no-index", "--no-deps",
         "--target", str(made.installed), str(wheel)],
        check=True, timeout=60,
    )  # fmt: skip
    made.dependencies.mkdir()
    (metadata,) = importlib.metadata.distributions(path=[str(made.installed)])
    for path in _files_required(metadata):
        if not (made.dependencies / path.name).exists():
            (made.dependencies / path.name).symlink_to(path)
    return made


@pytest.fixture(scope="session")
def node_sdk(tmp_path_factory: pytest.TempPathFactory) -> NodeSdk:
    """Generate and install the TypeScript client; without node, what needs it is skipped."""
    node.require_node()
    return node.make(tmp_path_factory.mktemp("node-sdk"), DOCUMENT)


@pytest.fixture(scope="module", params=["python", "typescript"])
def client(request: pytest.FixtureRequest) -> Sdk | NodeSdk:
    """Each client, for what both must do: their programs have the same names and print the same lines."""
    made: Sdk | NodeSdk = request.getfixturevalue("sdk" if request.param == "python" else "node_sdk")
    return made


def _files_required(distribution: importlib.metadata.Distribution) -> Iterator[Path]:
    """Name the files and folders in site-packages of all that a distribution requires."""
    for requirement in map(Requirement, distribution.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            required = importlib.metadata.distribution(requirement.name)
            assert required.version in requirement.specifier
            tops = {file.parts[0] for file in required.files or () if not file.parts[0].startswith((".", "_"))}
            yield from (Path(str(required.locate_file(top))) for top in sorted(tops))
            yield from _files_required(required)
