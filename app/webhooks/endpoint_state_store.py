"""SQL of what deliveries say about their endpoints: whether they fail, and how fast they may be called."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.core import ids
from app.db import Connection, call

_CALL_FAILED: Final = call(
    "endpoint_failed", "tenant", "endpoint", "is_gone", "is_last", "failing_after", "disabled_after",
    "audit_event",
)  # fmt: skip
_FAILED: Final = f"SELECT {_CALL_FAILED}"

_CALL_RATES: Final = call("endpoint_rates_take", "tenants", "endpoints", "wanted", "burst")
_BURST: Final = timedelta(seconds=0.1)
_RATES: Final = f"SELECT endpoint_id, granted, wait_seconds FROM {_CALL_RATES}"  # noqa: S608 a constant of names


async def record_failure(
    connection: Connection,
    tenant_id: UUID,
    endpoint_id: UUID,
    *,
    is_gone: bool,
    is_last: bool,
    failing_after: timedelta,
    disabled_after: timedelta,
) -> bool:
    """Write that an attempt has failed (migrations/functions: endpoint_failed); return whether that disables it.

    The audit log says so then.
    """
    return bool(
        await connection.fetchval(
            _FAILED, tenant_id, endpoint_id, is_gone, is_last, failing_after, disabled_after, ids.new_id()
        )
    )


async def take_rates_any_tenant(
    connection: Connection, wanted: Mapping[tuple[UUID, UUID], int]
) -> dict[UUID, tuple[int, float]]:
    """Take attempts from the rates of endpoints (migrations/functions: endpoint_rates_take).

    ``wanted`` are the attempts by tenant and endpoint. Return for each endpoint how many it may get now, and the
    seconds until it may get the next one.
    """
    # Sorted, so that two processes lock the rows in the same order.
    keys = sorted(wanted)
    rows = await connection.fetch(
        _RATES,
        [tenant_id for tenant_id, _ in keys],
        [endpoint_id for _, endpoint_id in keys],
        [wanted[key] for key in keys],
        _BURST,
    )
    return {row["endpoint_id"]: (row["granted"], row["wait_seconds"]) for row in rows}
