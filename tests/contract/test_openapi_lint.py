"""The linters of the API document are run where they are, and named where they are not."""

import shutil
from pathlib import Path

import pytest

from scripts import openapi_lint

INSTALLED = shutil.which("node") and all(
    (openapi_lint._BINARIES / name).exists() for name, *_ in openapi_lint._COMMANDS
)


def test_without_node_the_check_is_skipped_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PATH", "/nowhere")
    assert openapi_lint.main() == 0
    assert "skipped: there is no node" in "".join(capsys.readouterr())


@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr(openapi_lint, "_BINARIES", tmp_path)
    assert openapi_lint.main() == 0
    told = "skipped: redocly and spectral not installed: npm ci --prefix scripts/openapi_linters"
    assert told in "".join(capsys.readouterr())


@pytest.mark.skipif(not INSTALLED, reason="npm ci --prefix scripts/openapi_linters installs the linters")
def test_a_document_with_a_warning_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    document = tmp_path / "openapi.yaml"
    # It is valid, and has neither servers nor a license.
    document.write_text("openapi: 3.1.0\ninfo: {title: t, version: '1'}\npaths: {}\n")
    assert openapi_lint.main(document) == 1
    told = "".join(capsys.readouterr())
    assert "redocly: FAILED" in told
    assert "spectral: FAILED" in told
