"""API keys: issue, rotate and revoke them. The text of a new key is shown once."""

from starlette.responses import Response

from app.accounts import keys
from app.accounts.rows import KeyRow
from app.console.forms import Form
from app.console.visit import Visit
from app.core.errors import InvalidRequest, LimitReached, NotFound, Problem
from app.core.secrets import get_secrets
from app.identity.paging import Page
from app.identity.scopes import MEANINGS

_PAGE_SIZE = 50


async def show(visit: Visit) -> Response:
    """Show the keys, newest first."""
    return await _page(visit)


async def _page(visit: Visit, made: tuple[KeyRow, str] | None = None, error: Problem | None = None) -> Response:
    tenant_id = visit.tenant_id
    page = Page(_PAGE_SIZE, visit.request.query_params.get("cursor"), visit.request, Response())
    before = page.before(tenant_id)
    async with visit.parts.accounts.transaction(tenant_id) as connection:
        found = await keys.page(connection, tenant_id, before=before, limit=_PAGE_SIZE + 1)
    items, next_cursor = page.cut(tenant_id, found)
    return visit.page(
        "keys.html",
        200 if error is None else error.status,
        keys=items,
        next_cursor=next_cursor,
        made=made,
        error=error and error.detail,
        scopes={name: text for name, text in MEANINGS.items() if name in visit.principal.scopes},
        api=visit.base.removesuffix("/console"),
        host=str(visit.request.base_url).rstrip("/"),
    )


async def issue(visit: Visit) -> Response:
    """Issue a key, and show it once."""
    form = await visit.form()
    try:
        scopes, days = _scopes(form), _days(form)
        keys.require_scopes(scopes, visit.principal.scopes)
        async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
            made = await keys.issue(
                connection,
                visit.actor,
                visit.tenant_id,
                name=form.get("name"),
                scopes=scopes,
                expires_days=days,
                secrets=get_secrets(),
                issuer=visit.principal.key_id,
            )
    except (InvalidRequest, LimitReached) as error:
        return await _page(visit, error=error)
    return await _page(visit, made)


def _scopes(form: Form) -> frozenset[str]:
    scopes = frozenset(form.all("scope"))
    if not form.get("name") or not scopes:
        raise InvalidRequest("Give the key a name, and choose at least one scope.")
    return scopes


def _days(form: Form) -> int | None:
    text = form.get("expires_days")
    if text and not (text.isascii() and text.isdigit() and len(text) <= 4):  # noqa: PLR2004 the rooms check the rest
        raise InvalidRequest("Write the days as a whole number, or leave the field empty.")
    return int(text) if text else None


async def rotate(visit: Visit) -> Response:
    """Replace a key, and show its successor once. Both are valid for a day."""
    await visit.form()
    async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
        made = await keys.rotate(
            connection,
            visit.actor,
            visit.tenant_id,
            _key_id(visit),
            overlap_seconds=keys.DEFAULT_OVERLAP_SECONDS,
            secrets=get_secrets(),
            caller_scopes=visit.principal.scopes,
            issuer=visit.principal.key_id,
        )
    return await _page(visit, made)


async def revoke(visit: Visit) -> Response:
    """Revoke a key."""
    await visit.form()
    async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
        await keys.revoke(
            connection, visit.actor, visit.tenant_id, _key_id(visit), caller_scopes=visit.principal.scopes
        )
    return visit.go("/keys")


def _key_id(visit: Visit) -> str:
    text = visit.parameters["key_id"]
    if not (text.isascii() and text.isalnum()):
        raise NotFound("There is no such key.")
    return text
