"""The people who may log in: add them, change their role, disable and remove them."""

from starlette.responses import Response

from app.accounts import members, passwords, return_origins
from app.accounts.members import AddedMember
from app.accounts.portal_schemas import PortalSettings
from app.console.form_models import checked
from app.console.visit import Visit
from app.core.errors import (
    EmailTaken,
    InsufficientScope,
    InvalidRequest,
    LastOwner,
    LimitReached,
    Problem,
    TooManyAttempts,
)
from app.identity.paging import Page
from app.identity.scopes import ROLES

_PAGE_SIZE = 50


async def show(visit: Visit) -> Response:
    """Show the members, newest first."""
    return await _page(visit)


async def _page(
    visit: Visit, added: AddedMember | None = None, password: str | None = None, error: Problem | None = None
) -> Response:
    tenant_id = visit.tenant_id
    page = Page(_PAGE_SIZE, visit.request.query_params.get("cursor"), visit.request, Response())
    before = page.before(tenant_id)
    async with visit.parts.accounts.transaction(tenant_id) as connection:
        found = await members.page(connection, tenant_id, before=before, limit=_PAGE_SIZE + 1)
        origins = await return_origins.read(connection, tenant_id)
    items, next_cursor = page.cut(tenant_id, found)
    return visit.page(
        "members.html",
        200 if error is None else error.status,
        members=items,
        next_cursor=next_cursor,
        added=added,
        password=password,
        error=error and error.detail,
        return_origins=origins,
        # Only roles that the caller may give: the others would be refused.
        roles=[role for role, scopes in ROLES.items() if visit.principal.scopes >= scopes],
    )


async def add(visit: Visit) -> Response:
    """Add a member, and show the first password or the code of the invitation once."""
    form = await visit.form()
    principal, tenant_id, password = visit.principal, visit.tenant_id, passwords.generate()
    try:
        # Everything that may refuse comes before the hash, which is slow; no transaction stays open meanwhile.
        async with visit.parts.accounts.transaction(tenant_id) as connection:
            await members.check_room(
                connection, visit.actor, tenant_id, role=form.get("role"),
                caller_scopes=principal.scopes, issuer=principal.key_id,
            )  # fmt: skip
            await members.check_address(connection, tenant_id, form.get("email"))
        hashed = await visit.parts.tokens.people.hasher.hash(tenant_id, password)
        async with visit.parts.accounts.transaction(tenant_id) as connection:
            added = await members.add(
                connection, visit.actor, tenant_id, email=form.get("email"), role=form.get("role"),
                password_hash=hashed, caller_scopes=principal.scopes, issuer=principal.key_id,
            )  # fmt: skip
    except (InvalidRequest, EmailTaken, InsufficientScope, LimitReached, TooManyAttempts) as error:
        return await _page(visit, error=error)
    # A person who is known already keeps its own password, so the generated one is of no use.
    return await _page(visit, added, password if added.invitation is None else None)


async def change(visit: Visit) -> Response:
    """Give a member another role, disable it or enable it again."""
    form = await visit.form()
    is_disabled = {"yes": True, "no": False}.get(form.get("disabled"))
    try:
        async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
            await members.change(
                connection, visit.actor, visit.tenant_id, visit.id_of("member_id", "member"),
                role=form.get("role") or None, is_disabled=is_disabled,
                caller_scopes=visit.principal.scopes, issuer=visit.principal.key_id,
            )  # fmt: skip
    except (InvalidRequest, InsufficientScope, LastOwner, LimitReached) as error:
        return await _page(visit, error=error)
    return visit.go("/members")


async def remove(visit: Visit) -> Response:
    """Remove a member."""
    await visit.form()
    try:
        async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
            await members.remove(
                connection, visit.actor, visit.tenant_id, visit.id_of("member_id", "member"),
                caller_scopes=visit.principal.scopes,
            )  # fmt: skip
    except (InsufficientScope, LastOwner) as error:
        return await _page(visit, error=error)
    return visit.go("/members")


async def change_portal(visit: Visit) -> Response:
    """Replace the origins to which portal links may lead back."""
    form = await visit.form()
    try:
        settings = _portal_settings(form.raw("return_origins"))
        async with visit.parts.accounts.transaction(visit.tenant_id) as connection:
            await return_origins.write(connection, visit.actor, visit.tenant_id, settings.return_origins)
    except (InvalidRequest, LimitReached) as error:
        return await _page(visit, error=error)
    return visit.go("/members")


def _portal_settings(text: str) -> PortalSettings:
    try:
        return checked(PortalSettings, {"return_origins": text.split()})
    except InvalidRequest:
        raise InvalidRequest(
            "Write each origin as https://app.example.com, without a path and in lower case. There may be 20 of them."
        ) from None
