"""Every error as a problem, and the log line of its request, through a small app."""

import json
import logging
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Header
from pydantic import BaseModel, ConfigDict

from app.core.errors import IllegalState, InvalidRequest, LimitReached, NotFound, Problem, Unavailable
from app.http.problem import install, responses
from app.http.request_log import RequestLog


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: int = 5


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    payload: Inner


class ServerGone(Exception):  # noqa: N818 it stands for a driver's
    """What a driver raises."""


def _app() -> FastAPI:
    app = FastAPI(redirect_slashes=False)

    @app.post("/orders/{order_id}", responses=responses(IllegalState, LimitReached))
    async def order(order_id: UUID, body: Outer, limit: int = 1, x_count: Annotated[int, Header()] = 1) -> str:
        return f"{order_id}{body}{limit}{x_count}"

    @app.get("/raise/{what}", responses=responses(InvalidRequest, NotFound))
    async def fail(what: str) -> None:
        raise {
            "problem": LimitReached("Delete one first.", headers={"X-Limit": "3"}, limit=3, status=1),
            "away": ServerGone("at 10.0.0.7"),
            "refused": ConnectionRefusedError("10.0.0.7"),
            "unavailable": Unavailable(),
            "bug": ZeroDivisionError("SECRET"),
        }[what]

    install(app, away=(ServerGone, OSError))
    app.add_middleware(RequestLog)
    return app


@pytest.fixture
def app() -> FastAPI:
    return _app()


async def _ask(app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path, **more)


def _is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert response.status_code == body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"/problems/{code}"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return body


async def test_a_problem_has_its_extensions_and_headers_but_never_another_status(app: FastAPI) -> None:
    response = await _ask(app, "GET", "/raise/problem")
    assert _is_problem(response, 409, "limit_reached")["limit"] == 3
    assert response.headers["x-limit"] == "3"


async def test_each_fault_of_a_body_is_pointed_at_and_nothing_echoed(app: FastAPI) -> None:
    document = {"payload": {"seconds": "SECRET", "a/b~c d\u202e": "SECRET"}, "tenant_id": "SECRET"}
    response = await _ask(app, "POST", f"/orders/{UUID(int=1)}", json=document)
    faults = _is_problem(response, 422, "invalid_request")["errors"]
    assert {fault["pointer"] for fault in faults} == {
        "#/payload/seconds",
        "#/payload/a~1b~0c%20d%E2%80%AE",
        "#/tenant_id",
    }
    assert all(set(fault) == {"pointer", "detail"} for fault in faults)
    assert "SECRET" not in response.text


async def test_parameters_and_headers_are_named(app: FastAPI) -> None:
    response = await _ask(
        app, "POST", "/orders/SECRET?limit=SECRET", json={"payload": {}}, headers={"X-Count": "SECRET"}
    )
    faults = _is_problem(response, 422, "invalid_request")["errors"]
    assert [fault.get("parameter") or fault.get("header") for fault in faults] == ["order_id", "limit", "x-count"]
    assert "SECRET" not in response.text


async def test_a_flood_of_unknown_members_is_answered_shortly(app: FastAPI) -> None:
    document = {"payload": {str(number) * 500: 1 for number in range(200)}}
    response = await _ask(app, "POST", f"/orders/{UUID(int=1)}", json=document)
    assert len(_is_problem(response, 422, "invalid_request")["errors"]) == 20
    assert len(response.content) < 5_000


@pytest.mark.parametrize("path", ["/nowhere", "//raise/bug", "/raise/bug/", "/raise/..%2fbug"])
async def test_an_unknown_address_is_a_404(app: FastAPI, path: str) -> None:
    _is_problem(await _ask(app, "GET", "http://test" + path), 404, "not_found")


async def test_another_method_is_a_405_that_names_those_allowed(app: FastAPI) -> None:
    response = await _ask(app, "DELETE", "/raise/bug")
    _is_problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("what", ["away", "refused", "unavailable"])
async def test_a_server_that_is_away_is_a_503(app: FastAPI, what: str) -> None:
    response = await _ask(app, "GET", f"/raise/{what}")
    _is_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "2"
    assert "10.0.0.7" not in response.text


async def test_a_bug_is_a_500_that_is_logged_and_says_nothing(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    response = await _ask(app, "GET", "/raise/bug", headers={"X-Request-ID": "mine.1"})
    assert _is_problem(response, 500, "internal")["request_id"] == "mine.1"
    assert "SECRET" not in response.text
    (failure,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert failure.__dict__["request_id"] == "mine.1"
    assert "ZeroDivisionError: SECRET" in caplog.text


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ab\tc", "é"])
async def test_a_harmful_request_id_is_replaced(app: FastAPI, given: str) -> None:
    response = await _ask(app, "GET", "/nowhere", headers={"X-Request-ID": given.encode()})
    assert UUID(response.headers["x-request-id"]).version == 7


async def test_a_request_is_one_line_with_the_template_and_no_query(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app")
    await _ask(app, "GET", "/raise/problem?token=SECRET", headers={"Cookie": "SECRET"})
    (line,) = [record for record in caplog.records if record.name == "app.http.request_log"]
    facts = line.__dict__
    assert (facts["method"], facts["route"], facts["status"]) == ("GET", "/raise/{what}", 409)
    assert facts["code"] == "limit_reached"
    assert facts["duration_ms"] >= 0
    assert "SECRET" not in json.dumps(facts, default=str)


def test_every_error_is_documented_as_a_problem(app: FastAPI) -> None:
    document = app.openapi()
    operation = document["paths"]["/orders/{order_id}"]["post"]["responses"]
    content = operation["409"]["content"]
    assert set(content) == {"application/problem+json"}
    assert set(content["application/problem+json"]["examples"]) == {"illegal_state", "limit_reached"}
    assert set(operation["422"]["content"]) == {"application/problem+json"}
    assert "ProblemBody" in document["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(document)
    assert app.openapi() is document


def test_an_example_is_what_would_be_answered() -> None:
    example = responses(NotFound)[404]["content"]["application/problem+json"]["examples"]["not_found"]["value"]
    assert example["status"] == 404
    assert example["type"] == "/problems/not_found"


def test_every_problem_has_a_code_of_snake_case_and_an_error_status() -> None:
    for kind in Problem.__subclasses__():
        assert kind.code.replace("_", "").islower()
        assert 400 <= kind.status < 600
