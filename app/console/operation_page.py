"""An operation on many tasks or deliveries: its progress, its failures, and a button that ends it."""

from starlette.responses import Response

from app.console.visit import Visit
from app.operations import asking


async def show(visit: Visit) -> Response:
    """Show how far an operation is."""
    found = await asking.show(visit.parts.reader, visit.tenant_id, visit.id_of("operation_id", "operation"))
    return visit.page("operation.html", operation=found)


async def cancel(visit: Visit) -> Response:
    """Ask an operation to end."""
    await visit.form()
    operation_id = visit.id_of("operation_id", "operation")
    await asking.cancel(visit.parts.accounts, visit.tenant_id, visit.actor, operation_id)
    return visit.go(f"/operations/{operation_id}")
