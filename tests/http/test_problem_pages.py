"""The pages of errors: each ``type`` that a problem may have is one, for people and for programs."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI

from app.core.errors import Problem
from app.http import problem, problem_pages, protocol_limits
from app.http.problem_texts import TEXTS
from tests.conftest import ROOT


def _kinds(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


RAISED = {kind.code: kind for kind in _kinds() if kind.__module__ == Problem.__module__}
CODES = sorted({*RAISED, *protocol_limits._CODES.values(), "method_not_allowed"})


def _documented() -> set[str]:
    return set(re.findall(r"^ +code: (\w+)$", (ROOT / "openapi.yaml").read_text(), re.MULTILINE))


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI()
    problem.install(made, away=())
    made.router.routes += problem_pages.ROUTES
    return made


async def _get(app: FastAPI, path: str, accept: str = "", root_path: str = "") -> httpx.Response:
    transport = httpx.ASGITransport(app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get(path, headers={"Accept": accept})


def test_every_code_has_a_text_and_no_text_is_of_no_code():
    assert _documented() <= set(CODES)
    assert set(TEXTS) == set(CODES)
    # invalid_request is of two kinds, one of them about credentials that were sent twice.
    titles = {code: kind.title for code, kind in RAISED.items() if code != "invalid_request"}
    assert {code: TEXTS[code].title for code in titles} == titles


@pytest.mark.parametrize("code", CODES)
async def test_the_type_of_every_problem_is_a_page_that_says_what_to_do(app: FastAPI, code: str):
    path, text = problem_pages.address(code), TEXTS[code]
    machine = await _get(app, path)
    assert (machine.status_code, machine.headers["content-type"]) == (200, "application/json")
    assert machine.json() == {"type": path, "code": code, **text._asdict()}
    markdown = await _get(app, path, "text/markdown")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.text.startswith(f"# {text.title}\n")
    assert text.what_to_do in markdown.text
    page = await _get(app, path, "text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.headers["content-type"].startswith("text/html")
    assert f"<code>{code}</code>" in page.text
    # It loads nothing from elsewhere, and could not.
    assert not re.search(r"(src|href)=|https?://", page.text)
    assert page.headers["content-security-policy"].startswith("default-src 'none';")
    assert all(answer.headers["vary"] == "Accept" for answer in (machine, markdown, page))


async def test_all_pages_are_listed_and_an_unknown_one_says_where(app: FastAPI):
    items: list[dict[str, Any]] = (await _get(app, "/problems")).json()["items"]
    assert [item["code"] for item in items] == CODES
    for accept in ("text/html", "text/markdown"):
        text = (await _get(app, "/problems", accept)).text
        assert all(problem_pages.address(code) in text for code in CODES)
    unknown = await _get(app, "/problems/SECRET")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert "GET /problems" in unknown.json()["detail"]
    assert "SECRET" not in unknown.text


async def test_under_a_sub_path_the_type_leads_there(app: FastAPI):
    refused = await _get(app, "/tasks/problems/nothing", root_path="/tasks")
    assert refused.json()["type"] == "/tasks/problems/not_found"
    page = await _get(app, refused.json()["type"], root_path="/tasks")
    assert page.json()["type"] == refused.json()["type"]


def test_the_pages_are_not_in_the_document():
    assert not [path for path in yaml.safe_load((ROOT / "openapi.yaml").read_text())["paths"] if "problems" in path]
