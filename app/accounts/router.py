"""The API calls for keys and members."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from app.accounts import keys, members, passwords
from app.accounts.parts import AccountParts
from app.accounts.rows import KeyRow, MemberRow
from app.accounts.schemas import (
    Key,
    KeyPage,
    KeyRequest,
    Member,
    MemberChange,
    MemberPage,
    MemberRequest,
    NewKey,
    NewMember,
    RotateRequest,
)
from app.core import ids
from app.core.errors import (
    EmailTaken,
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    LastOwner,
    LimitReached,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    TooManyAttempts,
    UnsupportedMediaType,
)
from app.core.secrets import get_secrets
from app.http.document_rules import headers
from app.http.problem import responses
from app.identity.dependencies import CallerRoute, KeyManager, acting
from app.identity.paging import AskedPage

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["accounts"])

KeyId = Annotated[str, Path(description="The public part of a key.")]
MemberId = Annotated[str, Path(description="A member's id.", json_schema_extra={"format": "uuid"})]
_BODY: Final = (MalformedBody, InvalidRequest, PayloadTooLarge, UnsupportedMediaType)
# A secret that is shown once must not stay in a cache.
_NO_STORE: Final = "no-store"


@router.get(
    "/keys",
    operation_id="list_keys",
    summary="List API keys",
    response_model=KeyPage,
    responses=responses(InvalidCursor) | {200: headers("Link")},
)
async def list_keys(request: Request, principal: KeyManager, page: AskedPage) -> KeyPage:
    """List the tenant's keys, newest first, including ended ones."""
    tenant_id, before = principal.tenant_id, page.before(principal.tenant_id)
    async with AccountParts.of(request).accounts.transaction(tenant_id) as connection:
        found = await keys.page(connection, tenant_id, before=before, limit=page.limit + 1)
    items, next_cursor = page.cut(tenant_id, found)
    return KeyPage(items=[Key.model_validate(key) for key in items], next_cursor=next_cursor)


@router.post(
    "/keys",
    operation_id="issue_key",
    summary="Issue an API key",
    status_code=201,
    response_model=NewKey,
    responses=responses(*_BODY, LimitReached),
)
async def issue_key(request: Request, response: Response, principal: KeyManager, body: KeyRequest) -> NewKey:
    """Make a key. The answer shows it, and no later call does.

    You cannot give a scope that you do not have. A key that is made with another key ends no later than that one.
    """
    scopes = principal.scopes if body.scopes is None else frozenset(body.scopes)
    keys.require_scopes(scopes, principal.scopes)
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        key, text = await keys.issue(
            connection,
            acting(request, principal),
            principal.tenant_id,
            name=body.name,
            scopes=scopes,
            expires_days=body.expires_days,
            secrets=get_secrets(),
            issuer=principal.key_id,
        )
    return _shown_once(response, key, text)


def _shown_once(response: Response, key: KeyRow, text: str) -> NewKey:
    response.headers["Cache-Control"] = _NO_STORE
    return NewKey(**Key.model_validate(key).model_dump(), api_key=text)


@router.post(
    "/keys/{key_id}/rotate",
    operation_id="rotate_key",
    summary="Replace an API key",
    status_code=201,
    response_model=NewKey,
    responses=responses(*_BODY, NotFound, IllegalState, LimitReached),
)
async def rotate_key(
    request: Request, response: Response, principal: KeyManager, key_id: KeyId, body: RotateRequest | None = None
) -> NewKey:
    """Replace a key by one with the same name, scopes and length of life. During the overlap both are valid."""
    overlap = None if body is None else body.overlap_seconds
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        key, text = await keys.rotate(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _key_id(key_id),
            overlap_seconds=keys.DEFAULT_OVERLAP_SECONDS if overlap is None else overlap,
            secrets=get_secrets(),
            caller_scopes=principal.scopes,
            issuer=principal.key_id,
        )
    return _shown_once(response, key, text)


@router.delete(
    "/keys/{key_id}",
    operation_id="revoke_key",
    summary="Revoke an API key",
    status_code=204,
    responses=responses(NotFound),
)
async def revoke_key(request: Request, principal: KeyManager, key_id: KeyId) -> None:
    """Revoke a key and the tokens made from it. Every process refuses them within 2 seconds.

    You cannot revoke a key with scopes that you do not have.
    """
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        await keys.revoke(
            connection, acting(request, principal), principal.tenant_id, _key_id(key_id), caller_scopes=principal.scopes
        )


# A text that cannot be a key's id is answered like an id that nothing has: a client need not tell the two apart.
def _key_id(text: str) -> str:
    if not (text.isascii() and text.isalnum()):
        raise NotFound("The tenant has no key with this id. Look it up in the list of the tenant's keys.")
    return text


@router.get(
    "/members",
    operation_id="list_members",
    summary="List members",
    response_model=MemberPage,
    responses=responses(InvalidCursor) | {200: headers("Link")},
)
async def list_members(request: Request, principal: KeyManager, page: AskedPage) -> MemberPage:
    """List the people who may log in, newest first."""
    tenant_id, before = principal.tenant_id, page.before(principal.tenant_id)
    async with AccountParts.of(request).accounts.transaction(tenant_id) as connection:
        found = await members.page(connection, tenant_id, before=before, limit=page.limit + 1)
    items, next_cursor = page.cut(tenant_id, found)
    return MemberPage(items=[_member(member) for member in items], next_cursor=next_cursor)


def _member(member: MemberRow) -> Member:
    return Member.model_validate(members.describe(member))


@router.post(
    "/members",
    operation_id="add_member",
    summary="Add a member",
    status_code=201,
    response_model=NewMember,
    responses=responses(*_BODY, EmailTaken, LimitReached, TooManyAttempts),
)
async def add_member(request: Request, response: Response, principal: KeyManager, body: MemberRequest) -> NewMember:
    """Add a person who may log in, with your password or with a generated one that is shown once.

    A person who is a member of another tenant keeps the password, and accepts with the code `invitation`.
    """
    parts = AccountParts.of(request)
    # Everything that may refuse the call is checked before the password is hashed, because hashing is slow and no
    # transaction should stay open meanwhile. ``add`` checks again, since things may have changed by then.
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        await members.check_room(
            connection,
            acting(request, principal),
            principal.tenant_id,
            role=body.role,
            caller_scopes=principal.scopes,
            issuer=principal.key_id,
        )
        await members.check_address(connection, principal.tenant_id, body.email)
    made = passwords.generate() if body.password is None else None
    hashed = await parts.tokens.people.hasher.hash(principal.tenant_id, body.password or made or "")
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        added = await members.add(
            connection,
            acting(request, principal),
            principal.tenant_id,
            email=body.email,
            role=body.role,
            password_hash=hashed,
            caller_scopes=principal.scopes,
            issuer=principal.key_id,
        )
    response.headers["Cache-Control"] = _NO_STORE
    # A person who is known already keeps its own password, so the generated one is of no use and is not shown.
    password = made if added.invitation is None else None
    return NewMember(**_member(added.member).model_dump(), initial_password=password, invitation=added.invitation)


@router.patch(
    "/members/{member_id}",
    operation_id="change_member",
    summary="Change a member",
    response_model=Member,
    responses=responses(*_BODY, NotFound, LastOwner, LimitReached),
)
async def change_member(request: Request, principal: KeyManager, member_id: MemberId, body: MemberChange) -> Member:
    """Give a member another role, disable it or enable it again. The last owner who can log in stays an owner."""
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        changed = await members.change(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _member_id(member_id),
            role=body.role,
            is_disabled=body.is_disabled,
            caller_scopes=principal.scopes,
            issuer=principal.key_id,
        )
    return _member(changed)


@router.delete(
    "/members/{member_id}",
    operation_id="remove_member",
    summary="Remove a member",
    status_code=204,
    responses=responses(NotFound, LastOwner),
)
async def remove_member(request: Request, principal: KeyManager, member_id: MemberId) -> None:
    """Remove a member. Its tokens are refused within 2 seconds; the API keys that it made stay valid."""
    async with AccountParts.of(request).accounts.transaction(principal.tenant_id) as connection:
        await members.remove(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _member_id(member_id),
            caller_scopes=principal.scopes,
        )


def _member_id(text: str) -> UUID:
    member_id = ids.read(text)
    if member_id is None:
        raise NotFound("The tenant has no such member. GET /api/members lists its members.")
    return member_id
