"""Every operation of the API document, for every kind of caller; with the policies of the database and without them."""

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.security.world import PASSWORD, Side, World

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@dataclass(frozen=True)
class Operation:
    """An operation of the document."""

    method: str
    path: str
    document: dict[str, Any]

    @property
    def scopes(self) -> list[str] | None:
        """What a caller needs; None where there is no caller."""
        security = self.document.get("security")
        return security[0]["bearer"] if security else None

    @property
    def is_paged(self) -> bool:
        return any(one.get("name") == "cursor" for one in self.document.get("parameters", []))

    @property
    def takes_json(self) -> bool:
        return "application/json" in self.document.get("requestBody", {}).get("content", {})


def _operations() -> dict[str, Operation]:
    document = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    return {
        operation["operationId"]: Operation(method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


OPERATIONS = _operations()
CELLS = ("own", "other tenant", "no credentials", "lower scope", "expired key", "suspended tenant")


@dataclass(frozen=True)
class Row:
    """An operation whose caller needs a scope."""

    scope: str
    own: int
    """The status of the tenant's own call."""
    kind: str | None = None
    """What the path names."""
    body: Callable[[], Any] | None = None
    names: Callable[[], str] | None = None
    """What the path names, if the caller chooses it."""


def _new_member() -> dict[str, Any]:
    return {"email": f"{uuid.uuid4().hex}@example.com", "role": "viewer", "password": PASSWORD}


def _any_filter() -> dict[str, Any]:
    # It matches nothing, so no other test's task is cancelled.
    return {"filter": {"ids": [str(uuid.uuid4())]}}


_SCHEDULE = {"cron": "@yearly", "task": "echo", "payload": 1}


def _dry_backfill() -> dict[str, Any]:
    return {"from": "2020-01-01T00:00:00Z", "to": "2020-01-01T00:00:01Z", "dry_run": True}


def _new_schedule() -> dict[str, Any]:
    return {"name": f"s{uuid.uuid4().hex}"} | _SCHEDULE


ROWS = {
    "submit_task": Row("tasks:write", 202, body=lambda: {"task": "echo", "payload": 1, "delay_seconds": 3600}),
    "submit_tasks": Row("tasks:write", 202, body=lambda: {"tasks": [{"task": "echo", "delay_seconds": 3600}]}),
    "cancel_task": Row("tasks:write", 200, "task"),
    "change_task": Row("tasks:write", 200, "task", lambda: {"priority": 9, "tags": ["changed"]}),
    "erase_task": Row("tasks:write", 200, "ended task"),
    "retry_task": Row("tasks:write", 202, "ended task"),
    "get_task_status": Row("tasks:read", 200, "task"),
    "get_task_result": Row("tasks:read", 202, "task"),
    "get_task_logs": Row("tasks:read", 200, "task"),
    "get_task": Row("tasks:read", 200, "ended task"),
    "list_task_events": Row("tasks:read", 200, "task"),
    "create_stream_token": Row("tasks:read", 200, "task"),
    "list_tasks": Row("tasks:read", 200),
    "cancel_tasks": Row("tasks:write", 202, body=_any_filter),
    "retry_tasks": Row("tasks:write", 202, body=_any_filter),
    "list_deliveries": Row("webhooks:read", 200),
    "get_delivery": Row("webhooks:read", 200, "delivery"),
    "resend_delivery": Row("webhooks:manage", 202, "delivery"),
    "get_delivery_metrics": Row("webhooks:read", 200),
    "recover_endpoint": Row("webhooks:manage", 202, "endpoint", lambda: {"since": "2020-01-01T00:00:00Z"}),
    "replay_missing": Row("webhooks:manage", 202, "endpoint", lambda: {"since": "2020-01-01T00:00:00Z"}),
    "resend_deliveries": Row("webhooks:manage", 202, body=_any_filter),
    "list_operations": Row("tasks:read", 200),
    "get_operation": Row("tasks:read", 200, "operation"),
    # The operation was cancelled before (tests/races/test_operation_requests.py has one that runs).
    "cancel_operation": Row("tasks:write", 200, "operation"),
    "list_errors": Row("tasks:read", 200),
    "get_error": Row("tasks:read", 200, "error"),
    "resolve_error": Row("tasks:write", 200, "error"),
    "ignore_error": Row("tasks:write", 200, "error"),
    "reopen_error": Row("tasks:write", 200, "error"),
    "retry_error": Row("tasks:write", 202, "error"),
    "create_schedule": Row("schedules:manage", 201, body=_new_schedule),
    "list_schedules": Row("tasks:read", 200),
    "preview_schedule": Row("tasks:read", 200, body=lambda: {"cron": "@daily"}),
    # A tenant's own names: one of another tenant's is a new one.
    "put_schedule": Row("schedules:manage", 201, body=lambda: _SCHEDULE, names=lambda: f"s{uuid.uuid4().hex}"),
    "get_schedule": Row("tasks:read", 200, "schedule"),
    "delete_schedule": Row("schedules:manage", 204, "schedule"),
    "pause_schedule": Row("schedules:manage", 200, "schedule", lambda: {"note": "x"}),
    "resume_schedule": Row("schedules:manage", 200, "schedule"),
    "trigger_schedule": Row("schedules:manage", 202, "schedule"),
    "backfill_schedule": Row("schedules:manage", 200, "schedule", _dry_backfill),
    # A tenant's own names: one of another tenant's is a new one.
    "put_task_type": Row("tasks:work", 201, body=dict, names=lambda: f"t{uuid.uuid4().hex}"),
    # What another tenant has declared or leased does not exist for this one: tests/remote/test_calls.py, test_type_calls.py.
    "get_task_type": Row("tasks:read", 404, names=lambda: "none"),
    "delete_task_type": Row("tasks:work", 404, names=lambda: "none"),
    "lease_tasks": Row("tasks:work", 422, body=lambda: {"worker": "w", "tasks": ["none"]}),
    "heartbeat_leases": Row("tasks:work", 200, body=lambda: {"leases": [{"lease": "x"}]}),
    "finish_leases": Row("tasks:work", 200, body=lambda: {"results": [{"lease": "x"}]}),
    "release_leases": Row("tasks:work", 200, body=lambda: {"leases": ["x"]}),
    "list_workers": Row("tasks:read", 200),
    "list_task_types": Row("tasks:read", 200),
    "list_events": Row("tasks:read", 200),
    "pause_queue": Row("tasks:write", 200),
    "resume_queue": Row("tasks:write", 200),
    "create_webhook_endpoint": Row("webhooks:manage", 201, body=lambda: {"url": "https://hooks.example.com/"}),
    "list_webhook_endpoints": Row("webhooks:read", 200),
    "get_webhook_endpoint": Row("webhooks:read", 200, "endpoint"),
    "change_webhook_endpoint": Row("webhooks:manage", 200, "endpoint", lambda: {"description": "changed"}),
    "delete_webhook_endpoint": Row("webhooks:manage", 204, "endpoint"),
    "get_webhook_endpoint_secret": Row("webhooks:manage", 200, "endpoint"),
    "rotate_webhook_endpoint_secret": Row("webhooks:manage", 200, "endpoint", lambda: {"overlap_seconds": 0}),
    # No process delivers here, and the call says so.
    "test_webhook_endpoint": Row("webhooks:manage", 503, "endpoint", dict),
    "get_webhook_secret": Row("webhooks:manage", 200),
    "rotate_webhook_secret": Row("webhooks:manage", 200, body=lambda: {"overlap_seconds": 0}),
    "create_portal_link": Row("portal:create", 201, body=lambda: {"role": "viewer"}),
    "get_portal_settings": Row("keys:manage", 200),
    "set_portal_settings": Row("keys:manage", 200, body=lambda: {"return_origins": ["https://app.example.com"]}),
    "get_stats": Row("tasks:read", 200),
    "list_limits": Row("usage:read", 200),
    "get_usage": Row("usage:read", 200),
    "list_keys": Row("keys:manage", 200),
    "issue_key": Row("keys:manage", 201, body=lambda: {"name": "x"}),
    "rotate_key": Row("keys:manage", 201, "key", lambda: {"overlap_seconds": 60}),
    "revoke_key": Row("keys:manage", 204, "key"),
    "list_members": Row("keys:manage", 200),
    "add_member": Row("keys:manage", 201, body=_new_member),
    "change_member": Row("keys:manage", 200, "member", lambda: {"role": "developer"}),
    "remove_member": Row("keys:manage", 204, "member"),
    "list_audit_events": Row("keys:manage", 200),
}


def _exchange(world: World, side: Side, secret: str | None, **fields: str) -> httpx.Response:
    credentials = {"client_id": side.api_key[8:20], "client_secret": secret} if secret else {}
    form = {"grant_type": "client_credentials"} | credentials | fields
    return world.call("POST", "/api/auth/token", None, data=form)


def _expired_exchange(world: World) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": world.expired_key[8:20],
        "client_secret": world.expired_key,
    }
    return world.call("POST", "/api/auth/token", None, data=form)


def _narrow_exchange(world: World) -> httpx.Response:
    key = world.narrow_key("keys:manage")
    form = {"grant_type": "client_credentials", "client_id": key[8:20], "client_secret": key, "scope": "keys:manage"}
    return world.call("POST", "/api/auth/token", None, data=form)


def _change_password(world: World, credential: str | None) -> httpx.Response:
    body = {"current_password": PASSWORD, "new_password": PASSWORD}
    return world.call("POST", "/api/auth/password", credential, json=body)


def _change_with_anothers_password(world: World) -> httpx.Response:
    body = {"current_password": "a password of the other one's", "new_password": PASSWORD}
    return world.call("POST", "/api/auth/password", world.token(world.other), json=body)


def _revoke(world: World, credential: str | None) -> httpx.Response:
    return world.call("POST", "/api/auth/revoke", credential, data={"token": "none"})


Cell = tuple[Callable[[World], httpx.Response], int, str | None]


def _open(path: str) -> dict[str, Cell]:
    """An operation that everybody may call, whatever is sent as credentials."""

    def get(credential: Callable[[World], str | None]) -> Cell:
        return (lambda world: world.call("GET", path, credential(world))), 200, None

    return {cell: get(credential) for cell, credential in CREDENTIALS.items()}


CREDENTIALS: dict[str, Callable[[World], str | None]] = {
    "own": lambda world: world.own.api_key,
    "other tenant": lambda world: world.other.api_key,
    "no credentials": lambda _world: None,
    "lower scope": lambda world: world.narrow_key("keys:manage"),
    "expired key": lambda world: world.expired_key,
    "suspended tenant": lambda world: world.suspended.api_key,
}


def _get_me(credential: Callable[[World], str | None]) -> Callable[[World], httpx.Response]:
    return lambda world: world.call("GET", "/api/me", credential(world))


BY_HAND: dict[str, dict[str, Cell]] = {
    "create_token": {
        "own": (lambda world: _exchange(world, world.own, world.own.api_key), 200, None),
        "other tenant": (lambda world: _exchange(world, world.own, world.other.api_key), 401, "invalid_client"),
        "no credentials": (lambda world: _exchange(world, world.own, None), 401, "invalid_client"),
        "lower scope": (_narrow_exchange, 400, "invalid_scope"),
        "expired key": (_expired_exchange, 401, "invalid_client"),
        "suspended tenant": (
            lambda world: _exchange(world, world.suspended, world.suspended.api_key), 403, "unauthorized_client",
        ),
    },
    # RFC 7009: the token itself is the permission, and whether there is one the answer does not tell.
    "revoke_token": {
        cell: ((lambda world, credential=credential: _revoke(world, credential(world))), 200, None)
        for cell, credential in CREDENTIALS.items()
    },
    # The caller is who knows the password: keys, and with them scopes and ends, are not asked.
    "login": {
        "own": (lambda world: world.login(world.own), 200, None),
        "other tenant": (lambda world: world.login(world.own, "the other tenant's"), 401, "unauthenticated"),
        "no credentials": (
            lambda world: world.call("POST", "/api/auth/login", None, json={}), 422, "invalid_request",
        ),
        "lower scope": (lambda world: world.login(world.own, world.own.api_key), 401, "unauthenticated"),
        "expired key": (lambda world: world.login(world.own, world.expired_key), 401, "unauthenticated"),
        "suspended tenant": (lambda world: world.login(world.suspended), 403, "tenant_suspended"),
    },
    "change_password": {
        "own": (lambda world: _change_password(world, world.token(world.own)), 200, None),
        "other tenant": (_change_with_anothers_password, 401, "unauthenticated"),
        "no credentials": (lambda world: _change_password(world, None), 401, "unauthenticated"),
        # A key has no password.
        "lower scope": (lambda world: _change_password(world, world.own.api_key), 403, "insufficient_scope"),
        "expired key": (lambda world: _change_password(world, world.expired_key), 401, "unauthenticated"),
        "suspended tenant": (lambda world: _change_password(world, world.suspended.api_key), 403, "tenant_suspended"),
    },
    # Every credential may ask who it is, whatever its scopes.
    "get_me": {
        "own": (_get_me(CREDENTIALS["own"]), 200, None),
        "other tenant": (_get_me(CREDENTIALS["other tenant"]), 200, None),
        "no credentials": (_get_me(CREDENTIALS["no credentials"]), 401, "unauthenticated"),
        "lower scope": (_get_me(CREDENTIALS["lower scope"]), 200, None),
        "expired key": (_get_me(CREDENTIALS["expired key"]), 401, "unauthenticated"),
        "suspended tenant": (_get_me(CREDENTIALS["suspended tenant"]), 403, "tenant_suspended"),
    },
    "get_key_set": _open("/.well-known/jwks.json"),
    "get_health": _open("/healthz"),
    "get_readiness": _open("/readyz"),
}  # fmt: skip

STARTING = {
    "cancel_tasks",
    "retry_tasks",
    "retry_error",
    "recover_endpoint",
    "replay_missing",
    "resend_deliveries",
}
"""Calls that start an operation: a tenant has three at once."""
UNKNOWN = {
    "schedule": uuid.uuid4,
    "error": uuid.uuid4,
    "operation": uuid.uuid4,
    "delivery": uuid.uuid4,
    "task": uuid.uuid4,
    "ended task": uuid.uuid4,
    "member": uuid.uuid4,
    "endpoint": uuid.uuid4,
    "key": lambda: "0" * 12,
}

SCOPED = sorted(OPERATIONS.keys() & ROWS.keys())
NAMED = [name for name in SCOPED if ROWS[name].kind]
PAGED = sorted(name for name in OPERATIONS if OPERATIONS[name].is_paged)
WITH_JSON = sorted(name for name in OPERATIONS if OPERATIONS[name].takes_json)


@pytest.fixture(params=["world", "world_without_policies", "world_without_where"])
def either(request: pytest.FixtureRequest) -> World:
    """Each world: with both belts, with the statements' WHERE alone, and with the policies alone."""
    return request.getfixturevalue(request.param)


def _ask(world: World, name: str, key: str | None, thing: object = None, **more: Any) -> httpx.Response:
    operation, row = OPERATIONS[name], ROWS[name]
    path = operation.path
    if row.names is not None:
        thing = row.names()
    if thing is not None:
        path = path[: path.index("{")] + str(thing) + path[path.index("}") + 1 :]
    if row.body and "json" not in more:
        more["json"] = row.body()
    if name in STARTING:
        world.end_operations()
    return world.call(operation.method, path, key, **more)


def _told(response: httpx.Response) -> tuple[Any, ...]:
    """Return what an answer tells but for the id of its request."""
    body = {name: value for name, value in response.json().items() if name != "request_id"}
    headers = {name: value for name, value in response.headers.items() if name not in {"x-request-id", "date"}}
    return response.status_code, body, headers


def _refused(response: httpx.Response, status: int, code: str) -> None:
    body = response.json()
    assert (response.status_code, body.get("code") or body.get("error")) == (status, code), response.text


def test_every_operation_of_the_document_is_in_the_matrix():
    assert OPERATIONS.keys() == ROWS.keys() | BY_HAND.keys(), "give each operation a row, and no other"
    assert not ROWS.keys() & BY_HAND.keys()
    assert all(cells.keys() == set(CELLS) for cells in BY_HAND.values())


def test_every_operation_of_the_document_needs_the_scope_of_its_row():
    for name in SCOPED:
        assert OPERATIONS[name].scopes == [ROWS[name].scope], name
        assert ("{" in OPERATIONS[name].path) == bool(ROWS[name].kind or ROWS[name].names), name
    for name in OPERATIONS.keys() & BY_HAND.keys():
        assert not OPERATIONS[name].scopes, f"{name} needs a scope, so it belongs into ROWS"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_an_operation_without_a_scope_tells_its_callers_apart_as_it_must(world: World, name: str, cell: str):
    call, status, code = BY_HAND[name][cell]
    response = call(world)
    assert response.status_code == status, response.text
    if code:
        _refused(response, status, code)


@pytest.mark.parametrize("name", SCOPED)
def test_a_tenants_own_call_works(either: World, name: str):
    row = ROWS[name]
    response = _ask(either, name, either.own.api_key, row.kind and either.thing(row.kind, either.own))
    assert response.status_code == row.own, response.text


@pytest.mark.parametrize("name", NAMED)
def test_another_tenants_thing_is_an_unknown_one_and_stays_as_it_is(either: World, name: str):
    kind = str(ROWS[name].kind)
    thing = either.thing(kind, either.own)
    before = either.state(kind, either.own, thing)
    foreign = _ask(either, name, either.other.api_key, thing)
    unknown = _ask(either, name, either.other.api_key, UNKNOWN[kind]())
    _refused(foreign, 404, "not_found")
    assert _told(foreign) == _told(unknown)
    assert either.state(kind, either.own, thing) == before


def _asked_around_new_things(either: World, name: str) -> tuple[httpx.Response | None, httpx.Response, httpx.Response]:
    """Return what another tenant is answered before, and what both are answered after this one has made things.

    A call that changes something is not made before: a background act may still run then, and refuses a second one.
    """
    before = None if ROWS[name].body else _ask(either, name, either.bystander.api_key)
    for kind in ("task", "operation", "endpoint", "schedule", "error", "delivery"):
        either.thing(kind, either.own)
    return before, _ask(either, name, either.own.api_key), _ask(either, name, either.bystander.api_key)


@pytest.mark.parametrize("name", [name for name in SCOPED if not ROWS[name].kind])
def test_what_another_tenant_asks_for_has_nothing_of_this_one(either: World, name: str):
    before, own, other = _asked_around_new_things(either, name)
    assert other.status_code == ROWS[name].own
    if before is not None and ROWS[name].own < 400 and not OPERATIONS[name].is_paged:
        if other.json() != before.json():
            # An hour of the statistics may have begun. What tells of this tenant tells of each new thing.
            before, own, other = _asked_around_new_things(either, name)
        # What is counted is counted for one tenant.
        assert before is not None and other.json() == before.json()
    assert either.own.tenant_id not in other.text
    assert either.own.slug not in other.text
    if OPERATIONS[name].is_paged:
        assert _ids(own)
        assert not _ids(own) & _ids(other)


def _ids(page: httpx.Response) -> set[str]:
    return {str(item[next(field for field in item if field.endswith("_id"))]) for item in page.json()["items"]}


@pytest.mark.parametrize("name", SCOPED)
@pytest.mark.parametrize(
    ("cell", "status", "code"),
    [
        ("no credentials", 401, "unauthenticated"),
        ("lower scope", 403, "insufficient_scope"),
        ("expired key", 401, "unauthenticated"),
        ("suspended tenant", 403, "tenant_suspended"),
    ],
)
def test_who_may_not_call_is_told_so(world: World, name: str, cell: str, status: int, code: str):
    row = ROWS[name]
    key = world.narrow_key(row.scope) if cell == "lower scope" else CREDENTIALS[cell](world)
    thing = row.kind and world.thing(row.kind, world.own)
    before = row.kind and world.state(row.kind, world.own, str(thing))
    _refused(_ask(world, name, key, thing), status, code)
    assert (row.kind and world.state(row.kind, world.own, str(thing))) == before


@pytest.mark.parametrize("name", PAGED)
def test_a_cursor_is_worth_nothing_to_another_tenant(either: World, name: str):
    for _ in range(2):
        either.thing("task", either.own)
        either.thing("key", either.own)
        either.thing("member", either.own)
        either.thing("operation", either.own)
        either.thing("endpoint", either.own)
        either.thing("schedule", either.own)
        either.thing("error", either.own)
        either.thing("delivery", either.own)
    cursor = _ask(either, name, either.own.api_key, params={"limit": 1}).json()["next_cursor"]
    assert cursor
    assert _ask(either, name, either.own.api_key, params={"limit": 1, "cursor": cursor}).status_code == 200
    for worthless in (cursor, cursor[:-1], cursor + "A", "A" * 40, "", "é"):
        _refused(_ask(either, name, either.other.api_key, params={"cursor": worthless}), 400, "invalid_cursor")


@pytest.mark.parametrize("name", PAGED)
@pytest.mark.parametrize("list_", PAGED)
def test_a_cursor_is_worth_nothing_in_another_list(world: World, name: str, list_: str):
    for kind in ("task", "key", "member", "operation", "error", "endpoint", "schedule"):
        world.thing(kind, world.own)
        world.thing(kind, world.own)
    cursor = _ask(world, list_, world.own.api_key, params={"limit": 1}).json()["next_cursor"]
    response = _ask(world, name, world.own.api_key, params={"cursor": cursor})
    if name == list_:
        assert response.status_code == 200
    else:
        _refused(response, 400, "invalid_cursor")


@pytest.mark.parametrize("name", [name for name in NAMED if ROWS[name].kind != "key"])
def test_one_spelling_is_one_thing(world: World, name: str):
    kind = str(ROWS[name].kind)
    thing = world.thing(kind, world.own)
    before = world.state(kind, world.own, thing)
    unknown = _told(_ask(world, name, world.own.api_key, uuid.uuid4()))
    for alias in (f"%7B{thing}%7D", thing.replace("-", ""), f"urn:uuid:{thing}", thing + "%20", "%00"):
        response = _ask(world, name, world.own.api_key, alias)
        _refused(response, 404, "not_found")
        assert _told(response) == unknown, alias
    assert world.state(kind, world.own, thing) == before
    # In capitals it is the same id (RFC 9562), and another tenant's is as unknown as ever.
    others = world.thing(kind, world.other).upper()
    assert _told(_ask(world, name, world.own.api_key, others)) == unknown


@pytest.mark.parametrize("name", [name for name in NAMED if ROWS[name].kind == "key"])
def test_one_spelling_is_one_key(world: World, name: str):
    key_id = world.thing("key", world.own)
    before = world.state("key", world.own, key_id)
    for alias in (key_id.swapcase(), key_id + "%20", "%00", "%C3%A9", "'%20OR%201=1--"):
        _refused(_ask(world, name, world.own.api_key, alias), 404, "not_found")
    assert world.state("key", world.own, key_id) == before


@pytest.mark.parametrize("name", WITH_JSON)
def test_a_body_cannot_name_a_tenant(world: World, name: str):
    operation = OPERATIONS[name]
    if name in ROWS:
        row = ROWS[name]
        thing = row.kind and world.thing(row.kind, world.own)
        body = row.body() if row.body else {}
        response = _ask(world, name, world.own.api_key, thing, json=body | {"tenant_id": world.other.tenant_id})
    else:
        body = {"email": world.own.email, "password": PASSWORD}
        if name == "change_password":
            body = {"current_password": PASSWORD, "new_password": PASSWORD}
        key = world.token(world.own) if operation.document.get("security") else None
        body |= {"tenant_id": world.other.tenant_id}
        response = world.call(operation.method, operation.path, key, json=body)
    _refused(response, 422, "invalid_request")
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/tenant_id"]


def test_a_form_and_headers_cannot_name_a_tenant(world: World):
    made = _exchange(world, world.own, world.own.api_key, tenant_id=world.other.tenant_id).json()["access_token"]
    payload = made.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["tenant_id"] == world.own.tenant_id
    thing = world.thing("task", world.other)
    for header in ("X-Tenant-ID", "X-Forwarded-User", "X-Tenant", "X-Original-URL"):
        response = _ask(world, "get_task", world.own.api_key, thing, headers={header: world.other.tenant_id})
        _refused(response, 404, "not_found")


@pytest.mark.parametrize("name", ["submit_task", "submit_tasks", "retry_task"])
def test_the_same_idempotency_key_in_two_tenants_is_two_tasks(either: World, name: str):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    made = []
    for side in (either.own, either.other):
        thing = either.thing("ended task", side) if ROWS[name].kind else None
        answers = [_ask(either, name, side.api_key, thing, headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 200]
        first, again = (answer.json().get("outcomes", [answer.json()])[0]["task_id"] for answer in answers)
        assert first == again
        made.append(first)
        # A retried task runs at once. Other tests compare what a tenant sees at two moments, so it must not run on.
        either.end(side, first)
    assert made[0] != made[1]


def test_every_operation_with_an_idempotency_key_is_tried_in_two_tenants():
    named = {"idempotency-key"}
    found = {
        name
        for name, operation in OPERATIONS.items()
        if named & {one.get("name", "").lower() for one in operation.document.get("parameters", [])}
    }
    assert found == {"submit_task", "submit_tasks", "retry_task", *STARTING}


@pytest.mark.parametrize("name", sorted(STARTING))
def test_the_same_idempotency_key_in_two_tenants_is_two_operations(either: World, name: str):
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    row = ROWS[name]
    body = row.body and {"json": row.body()}
    made = []
    for side in (either.own, either.other):
        thing = row.kind and either.thing(row.kind, side)
        answers = [_ask(either, name, side.api_key, thing, headers=headers, **(body or {})) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 200]
        first, again = (answer.json()["operation_id"] for answer in answers)
        assert first == again
        made.append(first)
    assert made[0] != made[1]


@pytest.mark.parametrize("text", ["' OR 1=1 --", "app.tenant_ids", "%", "\\", "'); SELECT set_config('a','b',true)"])
def test_a_text_to_search_for_is_data(either: World, text: str):
    response = _ask(either, "list_tasks", either.other.api_key, params={"tag": text})
    assert (response.status_code, response.json()["items"]) == (200, [])
    response = _ask(either, "list_tasks", either.other.api_key, params={"task": text})
    # A text that could be a name finds nothing, and one that could be none is refused.
    assert response.status_code == 422 or response.json()["items"] == []


def test_without_policies_the_database_does_refuse_nothing(world_without_policies: World):
    # Else the cells above would prove nothing there.
    assert world_without_policies.sql("SELECT relname FROM pg_class WHERE relrowsecurity") == []
