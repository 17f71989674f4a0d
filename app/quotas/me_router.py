"""The call that tells a caller who it is. It is in this room because the limits are."""

from typing import Annotated, Final, cast

from fastapi import APIRouter, Request, Security

from app.accounts import own_credential
from app.accounts.schemas import Role
from app.identity.dependencies import CallerRoute, rated
from app.identity.principal import Principal
from app.identity.scopes import USAGE_READ
from app.quotas import usage
from app.quotas.me_schemas import Me, OwnTenant, UsedCredential
from app.quotas.parts import MeParts
from app.tenants.plans import Plan

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["accounts"])


@router.get("/me", operation_id="get_me", summary="Show who you are", response_model=Me)
async def get_me(request: Request, principal: Annotated[Principal, Security(rated)]) -> Me:
    """Return your tenant, your credential with its scopes, and your limits. Every valid credential may ask."""
    parts, plan = MeParts.of(request), cast("Plan", principal.plan)
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        used = await own_credential.find(connection, principal)
    limits = await usage.limits(parts.reader, principal.tenant_id, plan, principal.overrides)
    return Me(
        tenant=OwnTenant(tenant_id=principal.tenant_id, slug=principal.slug, plan=plan),
        credential=UsedCredential(
            kind=used.kind,
            id=used.id,
            name=used.name,
            expires_at=used.expires_at,
            role=cast("Role | None", used.role),
        ),
        scopes=sorted(principal.scopes),
        queue=limits.queue,
        # Every valid credential may ask who it is, but only this scope allows to see usage.
        limits=limits.items if USAGE_READ in principal.scopes else None,
    )
