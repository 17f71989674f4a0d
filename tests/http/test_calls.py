"""Requests that miss their call: what a 404 and a 405 say."""

import pytest

from tests.conftest import Tenant

ID = "0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"


@pytest.mark.parametrize(
    ("method", "path", "allow", "named"),
    [
        ("GET", "/api/tasks/submit", "POST", "use POST /api/tasks/submit."),
        ("GET", "/api/tasks/batch", "POST", "use POST /api/tasks/batch."),
        ("DELETE", "/api/tasks/submit", "POST", "use POST /api/tasks/submit."),
        ("POST", "/api/tasks", "GET", "use GET /api/tasks. To submit a task, use POST /api/tasks/submit."),
        ("PUT", "/api/keys", "GET, POST", "use GET /api/keys or POST /api/keys."),
        (
            "PUT", f"/api/tasks/{ID}", "DELETE, GET, PATCH",
            "use GET /api/tasks/{task_id} or PATCH /api/tasks/{task_id} or DELETE /api/tasks/{task_id}.",
        ),
        ("GET", f"/api/tasks/{ID}/cancel", "POST", "use POST /api/tasks/{task_id}/cancel."),
        ("GET", f"/api/members/{ID}", "DELETE, PATCH", "use PATCH /api/members/{member_id} or DELETE /api/members/{member_id}."),
        ("GET", "/api/auth/token", "POST", "use POST /api/auth/token."),
        ("OPTIONS", "/api/tasks/submit", "POST", "use POST /api/tasks/submit."),
    ],
)  # fmt: skip
def test_a_wrong_method_is_a_405_that_names_the_call(acme: Tenant, method: str, path: str, allow: str, named: str):
    for headers in ({}, {"Authorization": "Bearer nobody"}):
        refused = acme.client.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["code"], refused.headers["Allow"]) == (
            405,
            "method_not_allowed",
            allow,
        )
        assert refused.json()["detail"].endswith(named)
        assert ID not in refused.text


@pytest.mark.parametrize(
    ("method", "path", "named"),
    [
        ("GET", "/api/tasks/", "Did you mean GET /api/tasks?"),
        ("POST", "/api/tasks/submit/", "Did you mean POST /api/tasks/submit?"),
        ("GET", "/api/tasks/submit/", "Did you mean POST /api/tasks/submit?"),
        ("GET", "/api//tasks", "Did you mean GET /api/tasks?"),
        (
            "GET",
            f"/api/tasks/{ID}/",
            "Did you mean GET /api/tasks/{task_id} or PATCH /api/tasks/{task_id} or DELETE /api/tasks/{task_id}?",
        ),
        ("GET", f"/api/tasks/{ID}/status/", "Did you mean GET /api/tasks/{task_id}/status?"),
        ("POST", "/api/keys/", "Did you mean GET /api/keys or POST /api/keys?"),
        ("GET", "/tasks", "Did you mean GET /api/tasks?"),
        ("GET", "/healthz/", "Did you mean GET /healthz?"),
        ("GET", "/api/task", "Did you mean GET /api/tasks?"),
        ("GET", "/api/tsks/submti", "Did you mean POST /api/tasks/submit?"),
        ("GET", "/v1/tasks", "Did you mean GET /api/tasks?"),
        ("POST", "/api/v2/tasks/submit", "Did you mean POST /api/tasks/submit?"),
        ("GET", "/api/jobs", "See /openapi.json for the operations."),
        ("GET", "/api/%00/", "See /openapi.json for the operations."),
        ("GET", "/healthz%0A", "Did you mean GET /healthz?"),
        ("GET", "/docs%0A", "See /openapi.json for the operations."),
        ("GET", "/api/tasks%0A", "Did you mean GET /api/tasks?"),
        ("POST", "/api/tasks/submit%0A", "Did you mean POST /api/tasks/submit?"),
        ("PUT", "/api/tasks/submit%0A", "Did you mean POST /api/tasks/submit?"),
        ("GET", f"/api/tasks/{ID}/status%0A", "Did you mean GET /api/tasks/{task_id}/status?"),
        ("DELETE", f"/api/keys/{ID}%0A", "Did you mean DELETE /api/keys/{key_id}?"),
    ],
)
def test_an_address_that_is_no_call_is_a_404_that_names_the_call_that_was_meant(
    acme: Tenant, method: str, path: str, named: str
):
    refused = acme.client.request(method, acme.client.base_url.join(path) if "//" not in path else path)
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert refused.json()["detail"].endswith(named)
    assert ID not in refused.text


def test_what_is_no_call_of_the_api_says_what_it_takes(acme: Tenant):
    refused = acme.client.post("/openapi.json")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
