"""The page ``/docs``: its files are the packages' own, and it needs no other host. In a browser: tests/browser."""

import re
from hashlib import sha256

import httpx
import pytest

from app.http import reference
from tests.conftest import Stack

SHA256 = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}
"""SHA-256 of the files in the package swagger-ui-dist 5.35.0."""


@pytest.mark.parametrize("file", SHA256)
def test_the_vendored_files_are_those_of_their_package_with_its_licence(file: str):
    assert sha256((reference.FOLDER / file).read_bytes()).hexdigest() == SHA256[file]
    licence = (reference.FOLDER / "swagger-ui.LICENSE").read_text()
    assert "SmartBear" in licence and "Apache License" in licence


def test_the_page_names_files_of_its_own_alone(stack: Stack):
    page = httpx.get(f"{stack.url}/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 6
    for path in named:
        if path != "data:,":
            assert path.startswith("/docs/assets/") or path == "/openapi.json"
            assert httpx.get(f"{stack.url}{path}").status_code == 200, path
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=", page.text)


def test_what_is_no_file_of_the_page_is_not_there(stack: Stack):
    for path in (
        "/docs/assets/none-000000000000.js",
        "/docs/assets/swagger-ui.LICENSE",
        "/docs/oauth2-redirect",
        "/redoc",
    ):
        assert httpx.get(f"{stack.url}{path}").status_code == 404, path
