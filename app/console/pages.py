"""The table of the console's pages and forms."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from app.console import (
    audit_page,
    bulk,
    deliveries_page,
    endpoint_form_page,
    endpoint_page,
    errors_page,
    keys_page,
    live,
    members_page,
    operation_page,
    overview,
    people_pages,
    schedules_page,
    sign_in,
    submit_page,
    task_page,
    tasks_page,
    usage_page,
    webhooks_page,
)
from app.console.visit import Visit
from app.identity.scopes import (
    KEYS_MANAGE,
    SCHEDULES_MANAGE,
    TASKS_READ,
    TASKS_WRITE,
    USAGE_READ,
    WEBHOOKS_MANAGE,
    WEBHOOKS_READ,
)


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """A page or a form: its method, its path below ``/console``, and what its caller needs."""

    method: str
    under: str
    handler: Callable[[Visit], Awaitable[Response]]
    scope: str | None
    """A scope; empty: any session; None: a visitor may ask for it."""

    @property
    def path(self) -> str:
        """Return the template of the path, for the request log."""
        return f"/console{self.under}"


PAGES: Final[Sequence[ConsolePage]] = (
    ConsolePage("GET", "", overview.show, TASKS_READ),
    ConsolePage("GET", "/sign-in", sign_in.show, None),
    ConsolePage("POST", "/sign-in", sign_in.sign_in, None),
    ConsolePage("POST", "/sign-in/tenant", sign_in.choose, None),
    ConsolePage("POST", "/sign-in/invitation", sign_in.accept, None),
    ConsolePage("GET", "/link/{secret}", sign_in.show_link, None),
    ConsolePage("POST", "/link/{secret}", sign_in.use_link, None),
    ConsolePage("POST", "/sign-out", people_pages.sign_out, ""),
    ConsolePage("GET", "/you", people_pages.show, ""),
    ConsolePage("POST", "/you/tenant", people_pages.switch, ""),
    ConsolePage("POST", "/you/password", people_pages.change_password, ""),
    ConsolePage("POST", "/you/sign-out-everywhere", people_pages.sign_out_everywhere, ""),
    ConsolePage("GET", "/live", live.stream, TASKS_READ),
    ConsolePage("GET", "/tasks", tasks_page.show, TASKS_READ),
    ConsolePage("POST", "/tasks/bulk", bulk.ask, TASKS_WRITE),
    ConsolePage("POST", "/tasks/bulk/start", bulk.start, TASKS_WRITE),
    ConsolePage("GET", "/tasks/{task_id}", task_page.show, TASKS_READ),
    ConsolePage("POST", "/tasks/{task_id}/cancel", task_page.cancel, TASKS_WRITE),
    ConsolePage("POST", "/tasks/{task_id}/retry", task_page.retry, TASKS_WRITE),
    ConsolePage("GET", "/errors", errors_page.show, TASKS_READ),
    ConsolePage("POST", "/errors/{error_id}/change", errors_page.change, TASKS_WRITE),
    ConsolePage("POST", "/errors/{error_id}/retry", errors_page.retry, TASKS_WRITE),
    ConsolePage("GET", "/schedules", schedules_page.show_list, TASKS_READ),
    ConsolePage("GET", "/schedules/new", schedules_page.new, SCHEDULES_MANAGE),
    ConsolePage("POST", "/schedules", schedules_page.create, SCHEDULES_MANAGE),
    ConsolePage("GET", "/schedules/{schedule_id}", schedules_page.show, TASKS_READ),
    ConsolePage("POST", "/schedules/{schedule_id}/pause", schedules_page.pause, SCHEDULES_MANAGE),
    ConsolePage("POST", "/schedules/{schedule_id}/resume", schedules_page.resume, SCHEDULES_MANAGE),
    ConsolePage("POST", "/schedules/{schedule_id}/trigger", schedules_page.run_now, SCHEDULES_MANAGE),
    ConsolePage("POST", "/schedules/{schedule_id}/backfill", schedules_page.backfill, SCHEDULES_MANAGE),
    ConsolePage("POST", "/schedules/{schedule_id}/delete", schedules_page.delete, SCHEDULES_MANAGE),
    ConsolePage("GET", "/webhooks", webhooks_page.show, WEBHOOKS_READ),
    ConsolePage("GET", "/webhooks/new", endpoint_form_page.new, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks", endpoint_form_page.create, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/secret", webhooks_page.show_secret, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/secret/rotate", webhooks_page.rotate_secret, WEBHOOKS_MANAGE),
    ConsolePage("GET", "/webhooks/deliveries", deliveries_page.show_list, WEBHOOKS_READ),
    ConsolePage("GET", "/webhooks/deliveries/{delivery_id}", deliveries_page.show, WEBHOOKS_READ),
    ConsolePage("POST", "/webhooks/deliveries/{delivery_id}/resend", deliveries_page.resend, WEBHOOKS_MANAGE),
    ConsolePage("GET", "/webhooks/{endpoint_id}", endpoint_page.show, WEBHOOKS_READ),
    ConsolePage("GET", "/webhooks/{endpoint_id}/edit", endpoint_form_page.edit, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/edit", endpoint_form_page.change, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/switch", endpoint_page.switch, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/delete", endpoint_page.delete, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/secret", endpoint_page.show_secret, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/rotate", endpoint_page.rotate_secret, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/test", endpoint_page.send_test, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/recover", endpoint_page.recover, WEBHOOKS_MANAGE),
    ConsolePage("POST", "/webhooks/{endpoint_id}/replay-missing", endpoint_page.replay_missing, WEBHOOKS_MANAGE),
    ConsolePage("GET", "/operations/{operation_id}", operation_page.show, TASKS_READ),
    ConsolePage("POST", "/operations/{operation_id}/cancel", operation_page.cancel, TASKS_WRITE),
    ConsolePage("GET", "/submit", submit_page.show, TASKS_WRITE),
    ConsolePage("POST", "/submit", submit_page.submit, TASKS_WRITE),
    ConsolePage("POST", "/queue/pause", overview.pause, TASKS_WRITE),
    ConsolePage("POST", "/queue/resume", overview.resume, TASKS_WRITE),
    ConsolePage("GET", "/usage", usage_page.show, USAGE_READ),
    ConsolePage("GET", "/keys", keys_page.show, KEYS_MANAGE),
    ConsolePage("POST", "/keys", keys_page.issue, KEYS_MANAGE),
    ConsolePage("POST", "/keys/{key_id}/rotate", keys_page.rotate, KEYS_MANAGE),
    ConsolePage("POST", "/keys/{key_id}/revoke", keys_page.revoke, KEYS_MANAGE),
    ConsolePage("GET", "/members", members_page.show, KEYS_MANAGE),
    ConsolePage("POST", "/members", members_page.add, KEYS_MANAGE),
    ConsolePage("POST", "/members/portal", members_page.change_portal, KEYS_MANAGE),
    ConsolePage("POST", "/members/{member_id}/change", members_page.change, KEYS_MANAGE),
    ConsolePage("POST", "/members/{member_id}/remove", members_page.remove, KEYS_MANAGE),
    ConsolePage("GET", "/audit", audit_page.show, KEYS_MANAGE),
)
"""The first one is taken of two paths that match."""
