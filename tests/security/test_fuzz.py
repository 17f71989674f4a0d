"""Generated requests, as each role: no error of ours, and every answer as the API document has it."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import ROOT, wait_until
from tests.security.test_matrix import ROWS
from tests.security.world import PASSWORD, World

EXAMPLES = 12
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = {operation.ok().definition.raw["operationId"]: operation.ok() for operation in SCHEMA.get_all_operations()}
ROLES = ("owner", "developer", "viewer", "nobody")
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip


@pytest.fixture(scope="module")
def keys(world: World) -> dict[str, str | None]:
    """A credential of each role."""
    found: dict[str, str | None] = {"nobody": None}
    for role in ("owner", "developer", "viewer"):
        email = f"fuzz-{role}@example.com"
        world.member(world.own, email, role)
        login = world.call("POST", "/api/auth/login", None, json={"email": email, "password": PASSWORD})
        found[role] = str(login.json()["access_token"])
    return found


@pytest.fixture(scope="module", autouse=True)
def nothing_goes_on(world: World) -> Iterator[None]:
    """Cancel what was submitted: it would keep slots from the tests that follow, some of it for minutes."""
    yield
    waiting = "SELECT id FROM task WHERE tenant_id = $1 AND status IN ('PENDING', 'STARTED', 'RETRY')"
    for row in world.sql(waiting, UUID(world.own.tenant_id)):
        assert world.call("POST", f"/api/tasks/{row['id']}/cancel", world.own.api_key).status_code in {200, 202, 409}
    wait_until(lambda: not world.sql(waiting, UUID(world.own.tenant_id)), "the end of what was submitted")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_request_is_answered_with_an_error_of_ours(world: World, keys: dict[str, str | None], name: str, role: str):
    operation = OPERATIONS[name]
    kind = ROWS[name].kind if name in ROWS else None
    modes = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])

    @seed(20261124)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def run(data: Any) -> None:
        case = data.draw(operation.as_strategy(generation_mode=data.draw(modes)))
        case.headers = {**(case.headers or {})}
        if keys[role]:
            case.headers.pop("X-API-Key", None)
            case.headers["Authorization"] = f"Bearer {keys[role]}"
            if kind and data.draw(st.booleans()):
                # Else hardly a request would get beyond the 404. An ended task: nothing is waited for.
                thing = world.thing("ended task" if "task" in kind else kind, world.own)
                case.path_parameters = dict.fromkeys(case.path_parameters, thing)
        response = case.call(base_url=world.url, timeout=35)
        # No process delivers webhooks here. The call that sends one at once says so with 503, and that is no error of ours.
        is_alone = name == "test_webhook_endpoint" and response.status_code == 503
        case.validate_response(response, checks=CHECKS[1:] if is_alone else CHECKS)

    run()
