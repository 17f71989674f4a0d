"""The calls of load balancers and probes; each is answered from memory."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from app.core import schema
from app.core.errors import Unavailable
from app.http.problem import responses
from app.http.strict_json import StrictRoute
from app.monitoring.readiness import ReadinessProbe, State

router: Final = APIRouter(route_class=StrictRoute, tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class DispatcherState(BaseModel):
    """The dispatcher that leads."""

    leads: bool = Field(description="Whether one does.")
    last_round_seconds: float | None = Field(description="How long ago its last round ended; null when none leads.")


class Readiness(BaseModel):
    """What the service can do now."""

    status: Literal["ready", "degraded"] = Field(
        description="`degraded`: tasks are accepted, and some of them wait until the `reasons` are gone."
    )
    reasons: list[str] = Field(description="What is wrong, and what to do about it; empty when `ready`.")
    schema_version: str = Field(description="The revision of the database's schema.")
    schema_expected: str = Field(description="The revision that this process was written for.")
    workers: int = Field(description="Workers whose slots turn.")
    workers_by_pool: dict[str, int] = Field(description="The same for each pool that has any.")
    dispatcher: DispatcherState
    age_seconds: float = Field(description="How old what is said here is: 2 s at most.")


@router.get("/healthz", operation_id="get_health", summary="Check that the process answers", response_model=Health)
async def get_health() -> Health:
    """Alive."""
    return Health()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Check that the service can work",
    response_model=Readiness,
    responses=responses(Unavailable),
)
async def get_readiness(request: Request) -> Any:
    """Ready when Postgres can be written to and has the expected schema. What else is wrong is `degraded`."""
    readiness: ReadinessProbe = request.app.state.readiness
    state = readiness.state()
    if state.faults:
        raise Unavailable(
            "The service is not ready. See reasons.",
            reasons=[*state.faults, *state.reasons],
            schema_version=state.found.schema_version,
            schema_expected=schema.EXPECTED,
            workers=sum(state.found.workers.values()),
        )
    return _ready(state)


def _ready(state: State) -> Readiness:
    found = state.found
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


# Probes and balancers send HEAD; documented once, as GET.
router.add_api_route("/healthz", get_health, methods=["HEAD"], include_in_schema=False)
router.add_api_route("/readyz", get_readiness, methods=["HEAD"], include_in_schema=False)
