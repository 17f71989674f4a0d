"""Who may not call is told so before what was sent is read."""

import httpx
import pytest

from tests.conftest import Stack, Tenant


@pytest.mark.parametrize("body", [b"{", b"NaN", b"\xff", b"x" * 300_000, b'{"task": "no.such"}'])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nobody"}, {"X-API-Key": "nobody"}])
def test_a_body_of_nobody_is_not_judged(stack: Stack, body: bytes, headers: dict[str, str]):
    headers |= {"Content-Type": "application/json"}
    for path in ("/api/tasks/submit", "/api/keys"):
        refused = httpx.post(f"{stack.url}{path}", content=body, headers=headers, trust_env=False)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")


def test_two_credentials_are_one_too_many_whatever_the_method(acme: Tenant):
    for method in ("GET", "POST"):
        refused = acme.client.request(method, "/api/keys", headers={"X-API-Key": acme.api_key})
        assert refused.status_code == 400
