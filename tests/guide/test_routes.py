"""``/guide``: the files of a folder with their headers, and what is said where there are none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Stack

HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def folder(environment: dict[str, str]) -> Iterator[Path]:
    """A small site, in the place of a built one."""
    made = Path(environment["GUIDE_FOLDER"])
    (made / "guides").mkdir(parents=True)
    (made / "index.html").write_text("<h1>Guide</h1>")
    (made / "guides" / "index.html").write_text("<h1>Guides</h1>")
    (made / "http.md").write_text("# HTTP\n")
    (made / "llms.txt").write_text("# Pages\n")
    yield made
    shutil.rmtree(made)


def get(stack: Stack, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{stack.url}{path}", headers=headers, trust_env=False)


def test_without_a_build_a_person_and_a_program_read_what_to_do(stack: Stack):
    for path in ("/guide/", "/guide/http.html", "/guide/_static/x.css"):
        page = get(stack, path, **HTML)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "<h1>Not built</h1>" in page.text and "scripts/guide" in page.text
        problem = get(stack, path)
        assert (problem.status_code, problem.json()["code"]) == (404, "not_found")
        assert "scripts/guide" in problem.json()["detail"]
    assert "guide" not in get(stack, "/").json()
    assert "/guide" not in get(stack, "/llms.txt").text


@pytest.mark.usefixtures("folder")
def test_a_build_is_served_without_a_restart_by_a_strict_policy_and_sent_once(stack: Stack):
    page = get(stack, "/guide/")
    assert (page.status_code, page.text) == (200, "<h1>Guide</h1>")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert (page.headers["cache-control"], page.headers["x-content-type-options"]) == ("public, no-cache", "nosniff")
    again = get(stack, "/guide/", **{"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.head(f"{stack.url}/guide/", trust_env=False).headers["etag"] == page.headers["etag"]
    assert get(stack, "/guide/http.md").headers["content-type"].startswith("text/markdown")


@pytest.mark.usefixtures("folder")
def test_programs_are_told_of_a_build(stack: Stack):
    assert get(stack, "/").json()["guide"] == "/guide/"
    assert "(/guide/llms.txt)" in get(stack, "/llms.txt").text


@pytest.mark.usefixtures("folder")
def test_every_way_in_leads_to_the_pages_by_a_path_alone(stack: Stack):
    for path, place in (("/guide", "/guide/"), ("/guide/guides", "/guide/guides/")):
        answer = get(stack, path)
        assert answer.is_redirect and answer.headers["location"] == place


def test_nothing_but_the_files_of_the_folder_is_served(stack: Stack, folder: Path):
    (folder.parent / "guide-secret.txt").write_text("secret")
    for path in ("/guide/none.html", "/guide/..%2fguide-secret.txt", "/guide/%2e%2e/guide-secret.txt", "/guide/a%00b"):
        page = get(stack, path, **HTML)
        assert page.status_code == 404, path
        assert "secret" not in page.text
    assert "no such page" in get(stack, "/guide/none.html", **HTML).text
    assert "no such page" in get(stack, "/guide/none.html").json()["detail"]
    assert httpx.post(f"{stack.url}/guide/", trust_env=False).status_code == 405
