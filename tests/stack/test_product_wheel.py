"""The product's own wheel: what is in it, and that it runs where the checkout is not, beside a project's own ``app``."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts import product_wheel, release_files
from scripts.stack import embedded, ports
from tests.conftest import ROOT

# Where it is imported, its package app is another one than ours.
JOBS = """
from app.numbers import twice
from pydantic import BaseModel
from taskqueue import TaskContext, task

class Number(BaseModel):
    n: int

@task("shop.twice")
def run(payload: Number, context: TaskContext) -> int:
    context.log.info("twice")
    return twice(payload.n)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a release."""
    folder = tmp_path_factory.mktemp("release") / "made"
    release_files.build(folder)
    return folder


@pytest.fixture(scope="module")
def product(release: Path) -> Path:
    """Return the product's wheel."""
    (made,) = release.glob("task_queue_worker_api-*.whl")
    return made


def test_a_release_has_every_package_with_its_checksum_and_the_changes(release: Path, tmp_path: Path):
    names = {path.name for path in release.iterdir()}
    assert {Path(name).suffix for name in names} == {".whl", ".gz", ".tgz", ".md", ""}
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=release, check=True, capture_output=True)
    listed = {line.split()[1] for line in (release / "SHA256SUMS").read_text().splitlines()}
    assert listed == names - {"SHA256SUMS", "CHANGES.md"}
    changes = (release / "CHANGES.md").read_text()
    assert changes.startswith("## ")
    assert changes.count("\n## ") == 0
    assert changes.splitlines()[1] in (ROOT / "CHANGELOG.md").read_text()
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(SystemExit, match="name another --output"):
        release_files.build(tmp_path)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("text", ["# Changelog\n", "# Changelog\n\n## Unreleased\n\n"])
def test_a_release_without_changes_is_refused(text: str):
    with pytest.raises(SystemExit, match="no section"):
        release_files.changes(text)


def test_the_same_sources_make_the_same_wheel(product: Path, tmp_path: Path):
    assert product_wheel.write(tmp_path).read_bytes() == product.read_bytes()


def test_the_wheel_takes_one_name_and_nothing_in_it_imports_by_another(product: Path):
    with zipfile.ZipFile(product) as wheel:
        names = wheel.namelist()
        assert {name.partition("/")[0] for name in names} == {"taskqueue", "task_queue_worker_api-0.1.0.dist-info"}
        for name in names:
            if name.endswith(".py") and "sdk_overlay" not in name:
                for node in ast.walk(ast.parse(wheel.read(name))):
                    imported = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                    imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                    assert not [one for one in imported if re.match(r"(app|scripts|migrations|tests)\b", one)], name
        for needed in (
            "migrations/functions/",
            "migrations/schema/rights.toml",
            "app/console/assets/console.css",
            "LICENSE",
        ):
            assert any(name.startswith(f"taskqueue/{needed}") for name in names), needed


@pytest.fixture(scope="module")
def site(product: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel; its dependencies are there."""
    folder = tmp_path_factory.mktemp("site")
    line = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-config",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*line, "--target", str(folder), str(product)], check=True, timeout=60)
    return folder


def test_the_command_says_what_it_takes(site: Path):
    line = [sys.executable, str(site / "bin" / "taskqueue")]
    for arguments, code in ([["--help"], 0], [[], 2], [["no"], 2], [["up", "--help"], 0], [["up", "--wrong"], 2]):  # type: ignore[assignment]
        done = subprocess.run(
            [*line, *arguments], env={"PYTHONPATH": str(site)}, check=False, capture_output=True, text=True
        )
        assert done.returncode == code, done.stderr
        assert "usage: taskqueue" in done.stdout + done.stderr


def test_a_module_may_import_the_former_name_where_no_other_package_has_it(site: Path, tmp_path: Path):
    (tmp_path / "old.py").write_text(
        "from app.tasks import TaskContext, task\nimport taskqueue\nassert taskqueue.task is task\n"
    )
    program = "from taskqueue.app.tasks.definition import types; print('echo' in types.all_types())"
    settings = {
        "DATABASE_URL": "postgresql://x@localhost/none",
        "REDIS_URL": "redis://localhost",
        "TASK_MODULES": "old",
    }
    told = subprocess.run(
        [sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True, cwd=tmp_path,
        env=settings | {"PYTHONPATH": str(site), "TASK_MODULES_FOLDER": str(tmp_path)},
    )  # fmt: skip
    assert told.stdout.split() == ["True"]


@pytest.fixture
def project() -> Iterator[Path]:
    """A project whose own package is called app, in a folder that the servers of the stack may enter."""
    with embedded.scratch_folder() as folder:
        (folder / "app").mkdir()
        (folder / "app" / "__init__.py").write_text("")
        (folder / "app" / "numbers.py").write_text("def twice(n: int) -> int:\n    return 2 * n\n")
        (folder / "app" / "jobs.py").write_text(JOBS)
        yield folder


def taskqueue(site: Path, project: Path, *arguments: str) -> str:
    """Run the command of the wheel in the folder of a project; return what it printed."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REDIS_", "SECRETS_"))
    }
    settings = kept | {"PYTHONPATH": str(site), "TASK_MODULES": "app.jobs"}
    line = [sys.executable, str(site / "bin" / "taskqueue"), *arguments]
    done = subprocess.run(line, cwd=project, env=settings, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# It starts servers of its own.
@pytest.mark.timeout(300)
def test_the_installed_product_runs_beside_a_package_that_is_called_app(site: Path, project: Path):
    try:
        said = taskqueue(site, project, "up", "--detach", "--no-demo", "--port", str(ports.free_port()))
        assert "taskqueue down" in said
        stack: dict[str, Any] = json.loads((project / ".data" / "stack.json").read_text())
        headers = {"Authorization": f"Bearer {stack['demo']['api_key']}"}
        with httpx.Client(base_url=stack["api_url"], headers=headers, timeout=60, trust_env=False) as client:
            task = client.post("/api/tasks/submit", json={"task": "shop.twice", "payload": {"n": 21}}).json()
            assert client.get(f"/api/tasks/{task['task_id']}/result", params={"wait": 30}).json()["result"] == 42
            sign_in = client.get("/console/sign-in", headers={"Accept": "text/html"})
            (style,) = re.findall(r'href="([^"]+\.css)"', sign_in.text)
            assert client.get(style).status_code == 200
            (file, *_) = client.get("/clients/typescript").json()["files"]
            assert client.get(file["url"]).status_code == 200
        assert "demo" in taskqueue(site, project, "admin", "tenant", "list")
    finally:
        taskqueue(site, project, "down")
