"""Tokens over HTTP: given for a key, verified by anybody, revoked."""

import asyncio
import base64
import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.accounts.conftest import Anonymous, issue, token_of, wait_for_refusal, with_token
from tests.conftest import Stack, Tenant, wait_until

Admin = Callable[..., CompletedProcess[str]]


def _basic(key: str, key_id: str | None = None) -> tuple[str, str]:
    return key_id or key[8:20], key


def _claims(token: str) -> dict[str, Any]:
    return dict(json.loads(_decode(token.split(".")[1])))


def _decode(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "==")


@pytest.mark.parametrize("by_basic", [True, False])
def test_a_key_is_exchanged_for_a_short_token(acme: Tenant, anonymous: Anonymous, by_basic: bool):
    client, fields = anonymous(), {"grant_type": "client_credentials", "scope": "tasks:read usage:read"}
    if by_basic:
        response = client.post("/api/auth/token", data=fields, auth=_basic(acme.api_key))
    else:
        secret = {"client_id": acme.api_key[8:20], "client_secret": acme.api_key}
        response = client.post("/api/auth/token", data=fields | secret)
    answer = response.json()
    assert response.status_code == 200
    assert (response.headers["Cache-Control"], response.headers["Content-Type"]) == ("no-store", "application/json")
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 900, "tasks:read usage:read")
    assert with_token(client, answer["access_token"]) == 200
    assert with_token(client, answer["access_token"], "/api/keys") == 403
    # The claims that RFC 9068 requires, and no secret.
    claims = _claims(answer["access_token"])
    assert claims.keys() >= {"iss", "aud", "sub", "jti", "iat", "nbf", "exp", "scope"}
    assert claims["exp"] - claims["iat"] == 900


def _form(**changes: str) -> dict[str, str]:
    return {"grant_type": "client_credentials"} | changes


@pytest.mark.parametrize(
    ("status", "error", "fields", "headers"),
    [
        (400, "invalid_request", {"grant_type": ""}, {}),
        (400, "unsupported_grant_type", _form(grant_type="password"), {}),
        (400, "invalid_scope", _form(scope="tasks:read tasks:all"), {}),
        (400, "invalid_request", _form(), {"Content-Type": "application/json"}),
        (400, "invalid_request", _form(), {"Content-Type": "multipart/form-data; boundary=x"}),
        (400, "invalid_request", "grant_type=client_credentials&grant_type=client_credentials", {}),
        (400, "invalid_request", "grant_type", {}),
        (400, "invalid_request", "grant_type=client_credentials&scope=%ff", {}),
        (400, "invalid_request", "&".join(f"a{n}=1" for n in range(30)), {}),
        (413, "invalid_request", "scope=" + "x" * 4_091, {}),
        (400, "invalid_request", _form(client_id="somebodyelse"), {}),
        (400, "invalid_request", _form(client_secret="x"), {}),
        (401, "invalid_client", _form(), {"Authorization": "Basic !!!"}),
        (401, "invalid_client", _form(), {"Authorization": "Basic eA=="}),
        (401, "invalid_client", _form(), {"Authorization": "Bearer x"}),
        (401, "invalid_client", _form(client_id="aaaaaaaaaaaa", client_secret="x"), {"Authorization": ""}),
        (401, "invalid_client", _form(client_id="aaaaaaaaaaaa", client_secret="\x00"), {"Authorization": ""}),
    ],
)
def test_what_is_no_request_for_a_token_is_told_as_oauth_has_it(
    acme: Tenant, anonymous: Anonymous, status: int, error: str, fields: Any, headers: dict[str, str]
):
    content = (
        fields if isinstance(fields, str) else "&".join(f"{k}={v.replace(chr(0), '%00')}" for k, v in fields.items())
    )
    basic = "Basic " + base64.b64encode(":".join(_basic(acme.api_key)).encode()).decode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": basic} | headers
    response = anonymous().post("/api/auth/token", content=content, headers=sent)
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert acme.api_key not in response.text


def test_the_id_must_be_the_keys_own_and_a_token_is_no_secret(acme: Tenant, globex: Tenant, anonymous: Anonymous):
    client = anonymous()
    token = token_of(client, acme.api_key)
    for secret, key_id in ((acme.api_key, globex.api_key[8:20]), (token, acme.api_key[8:20])):
        response = client.post("/api/auth/token", data=_form(), auth=_basic(secret, key_id))
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


def test_a_token_gets_no_scope_that_its_key_lacks(acme: Tenant, anonymous: Anonymous):
    client, key = anonymous(), issue(acme, scopes=["tasks:read"])
    assert _claims(token_of(client, key["api_key"]))["scope"] == "tasks:read"
    refused = client.post("/api/auth/token", data=_form(scope="tasks:write"), auth=_basic(key["api_key"]))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def test_anybody_can_verify_a_token_by_the_published_keys(acme: Tenant, anonymous: Anonymous):
    client = anonymous()
    response = client.get("/.well-known/jwks.json")
    assert response.headers["Cache-Control"] == "public, max-age=300"
    keys = {key["kid"]: key for key in response.json()["keys"]}
    assert len(keys) >= 2
    assert all((key["alg"], key["use"]) == ("ES256", "sig") and "d" not in key for key in keys.values())
    body, _, signature = token_of(client, acme.api_key).rpartition(".")
    key = keys[json.loads(_decode(body.split(".")[0]))["kid"]]
    x, y = (int.from_bytes(_decode(key[name]), "big") for name in ("x", "y"))
    raw = _decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    public.verify(der, body.encode(), ec.ECDSA(hashes.SHA256()))


def test_a_revoked_token_is_dead_and_the_next_one_lives(acme: Tenant, anonymous: Anonymous):
    client = anonymous()
    dead, living = token_of(client, acme.api_key), token_of(client, acme.api_key)
    assert {with_token(client, dead), with_token(client, living)} == {200}
    for _ in range(2):
        assert client.post("/api/auth/revoke", data={"token": dead, "token_type_hint": "x"}).status_code == 200
    wait_for_refusal(client, dead)
    assert with_token(client, living) == 200
    events = acme.client.get("/api/audit", params={"action": "token.revoked"}).json()["items"]
    assert [event["object"] for event in events].count(_claims(dead)["jti"]) == 1
    assert events[0]["actor"] == acme.api_key[8:20]
    assert events[0]["address"].startswith("127.9.")


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é"])
def test_to_revoke_what_is_no_token_is_a_200_too(anonymous: Anonymous, token: str):
    response = anonymous().post("/api/auth/revoke", data={"token": token})
    assert (response.status_code, response.content) == (200, b"")


def test_to_revoke_nothing_is_no_request(anonymous: Anonymous):
    response = anonymous().post("/api/auth/revoke", data={"token_type_hint": "access_token"})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


async def test_a_suspended_tenant_gets_no_token_but_may_revoke_one(
    side: Tenant, owner: asyncpg.Connection, admin: Admin, anonymous: Anonymous
):
    tenant, client = side, anonymous()
    token, other = token_of(client, tenant.api_key), token_of(client, tenant.api_key)
    await owner.execute("UPDATE tenant SET status = 'suspended' WHERE slug = 'side'")
    wait_until(lambda: with_token(client, token) == 403, "the suspension", 3)

    def exchange() -> httpx.Response:
        return client.post("/api/auth/token", data=_form(), auth=_basic(tenant.api_key))

    wait_until(lambda: exchange().status_code == 403, "the suspension", 3)
    assert exchange().json()["error"] == "unauthorized_client"
    assert client.post("/api/auth/revoke", data={"token": token}).status_code == 200
    await owner.execute("UPDATE tenant SET status = 'active' WHERE slug = 'side'")
    wait_until(lambda: with_token(client, other) == 200, "the return", 3)
    wait_for_refusal(client, token)
    # All of them at once, by the operator.
    assert admin("tenant", "revoke-tokens", tenant.slug).returncode == 0
    wait_for_refusal(client, other)
    assert with_token(client, tenant.api_key) == 200
    assert with_token(client, token_of(client, tenant.api_key)) == 200


async def _events(stack: Stack, action: str) -> list[asyncpg.Record]:
    owner = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        return list(await owner.fetch("SELECT * FROM audit_event WHERE action = $1", action))
    finally:
        await owner.close()


def test_a_compromised_key_kills_its_tokens_and_a_young_spare_needs_that_word(
    acme: Tenant, admin: Admin, anonymous: Anonymous, stack: Stack
):
    client = anonymous()
    # Makes a new spare. The one of the stack is old enough to sign if many tests have run before this one.
    spare = json.loads(admin("jwt", "rotate", "--compromised", "--json").stdout)["spare"]
    known = [event["object"] for event in asyncio.run(_events(stack, "jwt_keys.rotated"))]
    wait_until(lambda: spare in _published(client), "the new spare")
    token = token_of(client, acme.api_key)
    published = _published(client)
    refused = admin("jwt", "rotate")
    assert refused.returncode == 5
    assert "--compromised" in refused.stderr
    assert with_token(client, token) == 200
    rotated = json.loads(admin("jwt", "rotate", "--compromised", "--json").stdout)
    [event] = [each for each in asyncio.run(_events(stack, "jwt_keys.rotated")) if each["object"] not in known]
    assert (event["object"], event["tenant_id"], event["actor_type"]) == (rotated["active"], None, "operator")
    wait_for_refusal(client, token)
    fresh = token_of(client, acme.api_key)
    assert json.loads(_decode(fresh.split(".")[0]))["kid"] == rotated["active"]
    # Whoever had fetched the keys before can verify what is signed now.
    assert rotated["active"] in published
    assert with_token(client, fresh) == 200
    assert _published(client) == set(rotated.values())


def _published(client: httpx.Client) -> set[str]:
    return {key["kid"] for key in client.get("/.well-known/jwks.json").json()["keys"]}


def test_the_token_call_is_limited_for_each_address(acme: Tenant, anonymous: Anonymous):
    client = anonymous()
    answers = [client.post("/api/auth/token", data={"n": "1"}).status_code for _ in range(301)]
    assert (answers[299], answers[300]) == (401, 429) or (answers[299], answers[300]) == (400, 429)
    limited = client.post("/api/auth/token", data={"n": "1"}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert (limited.status_code, limited.json()["code"]) == (429, "too_many_attempts")
    assert int(limited.headers["Retry-After"]) > 0
    assert anonymous().post("/api/auth/token", data={"n": "1"}).status_code != 429
