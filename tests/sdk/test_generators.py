"""Widely used generators understand the API document with their defaults: natural programs compile and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Stack, Tenant
from tests.sdk import node
from tests.sdk.conftest import DOCUMENT

PROGRAMS = Path(__file__).parent / "programs_generators"
_OPTIONS = (
    "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--lib", "es2022,dom,dom.iterable",
    "--types", "node", "--pretty", "false", "--outDir", "out",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which all packages are found."""
    node.require_node()
    (tmp_path / "node_modules").symlink_to(node.MODULES)
    return tmp_path


def run(project: Path, program: str, stack: Stack, tenant: Tenant) -> None:
    """Run a compiled program against the live API."""
    settings = {"TASK_QUEUE_URL": stack.url, "TASK_QUEUE_KEY": tenant.api_key}
    line = ["node", f"out/{program}.js"]
    done = subprocess.run(line, cwd=project, env=settings, check=False, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr


def generate(project: Path, *command: str) -> None:
    """Run a generator from its package."""
    line = ["node", str(node.MODULES / command[0]), *command[1:]]
    done = subprocess.run(line, cwd=project, check=False, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr


def test_openapi_typescript_with_its_defaults(project: Path, stack: Stack, acme: Tenant):
    (project / "package.json").write_text('{"type": "module"}')
    generate(project, "openapi-typescript/bin/cli.js", str(DOCUMENT), "-o", "schema.ts")
    shutil.copy(PROGRAMS / "with_openapi_fetch.ts", project)
    strictest = ("--module", "nodenext", "--exactOptionalPropertyTypes")
    assert node.tsc(project, *_OPTIONS, *strictest, "with_openapi_fetch.ts") == ""
    run(project, "with_openapi_fetch", stack, acme)


def test_hey_api_with_its_defaults(project: Path, stack: Stack, acme: Tenant):
    (project / "package.json").write_text("{}")
    generate(project, "@hey-api/openapi-ts/bin/run.js", "-i", str(DOCUMENT), "-o", "client")
    shutil.copy(PROGRAMS / "with_hey_api.ts", project)
    # What it writes imports folders, which Node finds in CommonJS alone.
    old = ("--module", "commonjs", "--moduleResolution", "node10", "--esModuleInterop")
    assert node.tsc(project, *_OPTIONS, *old, "with_hey_api.ts") == ""
    run(project, "with_hey_api", stack, acme)
