"""The API calls for load balancers and probes, answered from memory."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.core import schema
from app.core.errors import Unavailable
from app.http.problem import responses
from app.http.strict_route import StrictRoute
from app.monitoring.parts import MonitoringParts
from app.monitoring.readiness import State

router: Final = APIRouter(route_class=StrictRoute, tags=["health"])


class Health(BaseModel):
    """The answer of a live process."""

    status: Literal["ok"] = "ok"


class DispatcherState(BaseModel):
    """The state of the leading dispatcher."""

    leads: bool = Field(description="Whether a dispatcher leads.")
    last_round_seconds: float | None = Field(description="Seconds since its last round ended. Null when none leads.")


class Readiness(BaseModel):
    """The readiness of the service."""

    status: Literal["ready", "degraded"] = Field(
        description="`degraded`: tasks are accepted, but some of them wait until the `reasons` are gone."
    )
    reasons: list[str] = Field(description="Problems, and what to do about them. Empty when `ready`.")
    schema_version: str = Field(description="The revision of the database's schema.")
    schema_expected: str = Field(description="The revision that this process expects.")
    workers: int = Field(description="Workers that are alive and have slots.")
    workers_by_pool: dict[str, int] = Field(description="The same number for each pool that has workers.")
    dispatcher: DispatcherState
    age_seconds: float = Field(description="Age of this answer in seconds, at most 2.")


@router.get("/healthz", operation_id="get_health", summary="Check that the process answers", response_model=Health)
async def get_health() -> Health:
    """Return 200 while the process is alive."""
    return Health()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Check that the service can work",
    response_model=Readiness,
    responses=responses(Unavailable),
)
async def get_readiness(request: Request) -> Any:
    """Return whether Postgres is writable and has the expected schema. Other problems make it `degraded`."""
    state = MonitoringParts.of(request).readiness.state()
    # Only what stops every call makes it a 503: a load balancer must not take all processes away because Redis is.
    if state.faults:
        raise Unavailable(
            "The service is not ready. The field reasons says why, and what to do.",
            reasons=[*state.faults, *state.reasons],
            schema_version=state.found.schema_version,
            schema_expected=schema.EXPECTED,
            workers=sum(state.found.workers.values()),
        )
    return _ready(state)


def _ready(state: State) -> Readiness:
    found = state.found
    # The age was measured at the look, so the time since then is added.
    age = None if found.round_age is None else round(found.round_age + state.age, 3)
    return Readiness(
        status="degraded" if state.reasons else "ready",
        reasons=state.reasons,
        schema_version=found.schema_version or "",
        schema_expected=schema.EXPECTED,
        workers=sum(found.workers.values()),
        workers_by_pool=found.workers,
        dispatcher=DispatcherState(leads=age is not None, last_round_seconds=age),
        age_seconds=round(state.age, 3),
    )


# Some probes and load balancers send HEAD. The API document only has GET.
router.add_api_route("/healthz", get_health, methods=["HEAD"], include_in_schema=False)
router.add_api_route("/readyz", get_readiness, methods=["HEAD"], include_in_schema=False)
