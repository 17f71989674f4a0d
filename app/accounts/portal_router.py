"""The API call that makes links to the console."""

from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from app.accounts import return_origins, sessions
from app.accounts.keys import require_scopes
from app.accounts.parts import AccountParts
from app.accounts.portal_schemas import PortalLink, PortalLinkRequest, PortalSettings
from app.core.config import get_settings
from app.core.errors import (
    InvalidRequest,
    LimitReached,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from app.http.problem import responses
from app.identity.dependencies import CallerRoute, KeyManager, PortalCreator, acting
from app.identity.scopes import ROLES

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["accounts"])

_BODY: Final = (MalformedBody, InvalidRequest, PayloadTooLarge, UnsupportedMediaType)


@router.post(
    "/portal-links",
    operation_id="create_portal_link",
    summary="Make a link to the console",
    status_code=201,
    response_model=PortalLink,
    responses=responses(*_BODY, NotFound),
)
async def create_portal_link(
    request: Request, response: Response, principal: PortalCreator, body: PortalLinkRequest
) -> PortalLink:
    """Make a link that signs one browser in to the console, once and within 5 minutes.

    The role may allow no more than the scopes of the caller. The session ends with the key that made the link.
    """
    if get_settings().console == "off":
        raise NotFound("The operator has switched the console off.")
    require_scopes(ROLES[body.role], principal.scopes)
    # A session of a link ends with the key that made it, and a member has no key.
    if principal.key_id is None:
        raise InvalidRequest("Make the link with an API key: the session ends when that key is revoked.")
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        if body.return_url is not None:
            await return_origins.require_listed(connection, principal.tenant_id, body.return_url)
        secret = await sessions.make_link(
            connection,
            acting(request, principal),
            principal.tenant_id,
            role=body.role,
            label=body.member,
            theme=body.theme,
            return_url=body.return_url,
            key_id=principal.key_id,
        )
    response.headers["Cache-Control"] = "no-store"
    url = f"{str(request.base_url).rstrip('/')}/console/link/{secret}"
    return PortalLink(url=url, expires_at=datetime.now(UTC) + timedelta(seconds=sessions.LINK_SECONDS))


@router.get(
    "/portal-settings",
    operation_id="get_portal_settings",
    summary="Get the settings of portal links",
    response_model=PortalSettings,
)
async def get_portal_settings(request: Request, principal: KeyManager) -> PortalSettings:
    """Return the origins to which portal links may lead back."""
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        found = await return_origins.read(connection, principal.tenant_id)
    return PortalSettings(return_origins=found)


@router.put(
    "/portal-settings",
    operation_id="set_portal_settings",
    summary="Change the settings of portal links",
    response_model=PortalSettings,
    responses=responses(*_BODY, LimitReached),
)
async def set_portal_settings(request: Request, principal: KeyManager, body: PortalSettings) -> PortalSettings:
    """Replace the origins to which portal links may lead back. The audit log shows the change.

    Consoles that are open already keep their link.
    """
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        actor = acting(request, principal)
        found = await return_origins.write(connection, actor, principal.tenant_id, body.return_origins)
    return PortalSettings(return_origins=found)
