"""The npm packages of tests/sdk/node_packages, which ``.ci/run`` installs, and the TypeScript client among them."""

import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts import sdk_python
from tests.conftest import ROOT

FOLDER = Path(__file__).parent / "node_packages"
PROGRAMS = Path(__file__).parent / "programs_ts"
MODULES = FOLDER / "node_modules"
_OPTIONS = (
    "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noPropertyAccessFromIndexSignature",
    "--noImplicitOverride", "--target", "es2022", "--module", "nodenext", "--types", "node", "--pretty", "false",
)  # fmt: skip


def require_node() -> None:
    """Skip a test where TypeScript cannot be compiled and run, and name what is missing."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (MODULES / "typescript").is_dir():
        pytest.skip(f"the npm packages are not installed: npm ci --prefix {FOLDER.relative_to(ROOT)}")


def tsc(folder: Path, *arguments: str) -> str:
    """Run the compiler in a folder; return what it says, nothing if all is well."""
    line = ["node", str(MODULES / "typescript" / "bin" / "tsc"), *arguments]
    done = subprocess.run(line, cwd=folder, check=False, capture_output=True, text=True, timeout=110)
    return "" if done.returncode == 0 else done.stdout + done.stderr or "it failed without a word"


def compile_programs(folder: Path, programs: Sequence[Path]) -> str:
    """Compile programs to JavaScript in the folder, under strict settings; return what the compiler says."""
    return tsc(folder, *_OPTIONS, "--outDir", ".", "--rootDir", str(programs[0].parent), *map(str, programs))


def lay_out(folder: Path, archive: Path) -> None:
    """Make a project that has the archive's package and the types of Node, as npm would."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(modules, filter="data")
    (modules / "package").rename(modules / "task-queue-client")
    for name in ("@types", "openapi-fetch", "openapi-typescript-helpers", "undici-types"):
        if (MODULES / name).exists():
            (modules / name).symlink_to(MODULES / name)
    (folder / "package.json").write_text('{"type": "module", "private": true}')


@dataclass
class NodeSdk:
    """The TypeScript client, installed, and our programs, compiled against it."""

    folder: Path

    def run(self, program: str, *arguments: str, given: str = "", **environment: str) -> str:
        """Run one of our programs; return what it printed."""
        done = subprocess.run(
            ["node", str(self.folder / f"{program}.js"), *arguments],
            env=environment, input=given, capture_output=True, text=True, check=False, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a program whose output the caller reads."""
        return subprocess.Popen(
            ["node", *arguments], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def program(self, name: str) -> str:
        """Name the file of a program."""
        return str(self.folder / f"{name}.js")


def make(folder: Path, document: Path) -> NodeSdk:
    """Generate the client, lay it out as npm would, and compile our programs."""
    lay_out(folder, sdk_python.generate_typescript(document, folder / "dist"))
    # The programs stand where the package is found: where a module is looked for depends on its own place.
    for path in PROGRAMS.glob("*.ts"):
        shutil.copy(path, folder / path.name)
    assert compile_programs(folder, sorted(folder.glob("*.ts"))) == ""
    return NodeSdk(folder)
