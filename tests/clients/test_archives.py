"""The folder of the clients: nothing, a build, a build that replaces it, and what a killed build leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.clients.archives import INDEX, Archives
from scripts import client_archives, sdk_python
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document of the task types shipped."""
    return sdk_python.read(ROOT / "openapi.yaml")


@pytest.fixture
def folder(document: dict[str, Any], tmp_path: Path) -> Path:
    """A folder with a build."""
    client_archives.build(document, tmp_path / "clients")
    return tmp_path / "clients"


def names(archives: Archives) -> dict[str, list[str]]:
    """Return the names of the files by language."""
    return {
        language: [archive.name for archive in package.archives] for language, package in archives.packages().items()
    }


def test_a_folder_without_a_build_has_no_packages(tmp_path: Path):
    archives = Archives(tmp_path / "clients")
    assert archives.packages() == {}


def test_a_build_is_seen_without_a_restart_and_each_has_a_version_of_its_own(
    document: dict[str, Any], folder: Path, tmp_path: Path
):
    archives = Archives(folder)
    before = names(archives)
    assert [name.partition("-")[0] for name in before["python"]] == ["task_queue_client"] * 2
    assert [Path(name).suffix for file in before.values() for name in file] == [".whl", ".gz", ".tgz"]
    changed = json.loads(json.dumps(document))
    changed["components"]["schemas"]["LongTaskPayload"]["properties"]["colour"] = {"type": "string"}
    client_archives.build(changed, folder)
    after = names(archives)
    assert all(set(before[language]).isdisjoint(after[language]) for language in before)
    # What no index names is gone, and the same document makes the same names.
    assert {path.name for path in folder.iterdir()} == {INDEX, *after["python"], *after["typescript"]}
    client_archives.build(document, folder)
    assert names(archives) == before


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"python": {}}', '{"python": {"name": "x", "version": "1", "files": [{"name": "../x"}]}}']
)
def test_what_a_killed_build_leaves_is_not_served(folder: Path, tmp_path: Path, text: str):
    archives = Archives(folder)
    before = names(archives)
    (folder / INDEX).write_text(text)
    assert names(archives) == before
    assert Archives(folder).packages() == {}
    shutil.rmtree(folder)
    assert names(archives) == before


def test_a_build_leaves_what_is_not_its_own(document: dict[str, Any], tmp_path: Path):
    (tmp_path / "mine.txt").write_text("keep me")
    client_archives.build(document, tmp_path)
    assert (tmp_path / "mine.txt").exists()
