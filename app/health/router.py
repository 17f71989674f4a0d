"""The calls of load balancers and probes."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from redis.exceptions import RedisError

from app.core.errors import Unavailable
from app.core.problem import responses
from app.core.strict_json import StrictRoute
from app.health import store

router: Final = APIRouter(route_class=StrictRoute, tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """What the process can do now."""

    status: Literal["ready", "degraded"]
    """``degraded`` while Redis is away: tasks are accepted, and start when it is back."""
    schema_version: str
    workers: int


@router.get("/healthz", operation_id="get_health", response_model=Health)
async def get_health() -> Health:
    """Alive."""
    return Health()


@router.get("/readyz", operation_id="get_readiness", response_model=Readiness, responses=responses(Unavailable))
async def get_readiness(request: Request) -> Any:
    """Ready when Postgres answers and its schema is there; Redis away is `degraded`."""
    async with request.app.state.reader.connection() as connection:
        schema_version, workers = await store.readiness_any_tenant(connection)
    return Readiness(status=await _redis(request), schema_version=schema_version, workers=workers)


async def _redis(request: Request) -> Literal["ready", "degraded"]:
    try:
        await request.app.state.redis.ping()
    except (RedisError, OSError, TimeoutError):
        return "degraded"
    return "ready"
