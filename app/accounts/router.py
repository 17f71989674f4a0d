"""The calls on API keys and members."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response

from app.accounts import keys, member_store, members, passwords, store
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
from app.accounts.tokens import Tokens
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
from app.models import account

router: Final = APIRouter(prefix="/api", route_class=CallerRoute, tags=["accounts"])

KeyId = Annotated[str, Path(description="The public part of a key.")]
MemberId = Annotated[str, Path(description="A member's id.", json_schema_extra={"format": "uuid"})]
_BODY: Final = (MalformedBody, InvalidRequest, PayloadTooLarge, UnsupportedMediaType)
# What is shown once must not stay in a cache.
_NO_STORE: Final = "no-store"


@router.get(
    "/keys",
    operation_id="list_keys",
    summary="List API keys",
    response_model=KeyPage,
    responses=responses(InvalidCursor) | {200: headers("Link")},
)
async def list_keys(request: Request, principal: KeyManager, page: AskedPage) -> KeyPage:
    """The tenant's keys, newest first, with those that hold no more."""
    tenant_id, before = principal.tenant_id, page.before(principal.tenant_id)
    async with request.app.state.accounts.transaction(tenant_id) as connection:
        found = await store.page_of_keys(connection, tenant_id, before=before, limit=page.limit + 1)
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
    """Make a key; it is shown this once. Nobody can give a scope that they do not have.

    A key that is made with another key ends no later than that one.
    """
    scopes = principal.scopes if body.scopes is None else frozenset(body.scopes)
    keys.granted(scopes, principal.scopes)
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
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


def _shown_once(response: Response, key: account.ApiKey, text: str) -> NewKey:
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
    """Replace a key by one of the same name, scopes and length of life. For the overlap both hold, and count as one."""
    overlap = None if body is None else body.overlap_seconds
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        key, text = await keys.rotate(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _key_id(key_id),
            overlap_seconds=keys.DEFAULT_OVERLAP_SECONDS if overlap is None else overlap,
            secrets=get_secrets(),
            held=principal.scopes,
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
    """Revoke a key, and the tokens made from it: within 2 s every process refuses them.

    Credentials cannot revoke a key with scopes that they do not have themselves.
    """
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        await keys.revoke(
            connection, acting(request, principal), principal.tenant_id, _key_id(key_id), held=principal.scopes
        )


def _key_id(text: str) -> str:
    if not (text.isascii() and text.isalnum()):
        raise NotFound("The tenant has no key with this id.")
    return text


@router.get(
    "/members",
    operation_id="list_members",
    summary="List members",
    response_model=MemberPage,
    responses=responses(InvalidCursor) | {200: headers("Link")},
)
async def list_members(request: Request, principal: KeyManager, page: AskedPage) -> MemberPage:
    """The people who may log in, newest first."""
    tenant_id, before = principal.tenant_id, page.before(principal.tenant_id)
    async with request.app.state.accounts.transaction(tenant_id) as connection:
        found = await member_store.page(connection, tenant_id, before=before, limit=page.limit + 1)
    items, next_cursor = page.cut(tenant_id, found)
    return MemberPage(items=[_member(member) for member in items], next_cursor=next_cursor)


def _member(member: account.Member) -> Member:
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
    """Add a person who may log in, with a password of yours or one that is made and shown this once."""
    tokens: Tokens = request.app.state.tokens
    # All that may refuse it is asked before the password is hashed, which takes long: nothing is open meanwhile. What
    # has changed in that time is found when the member is added.
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        await members.check_room(
            connection,
            acting(request, principal),
            principal.tenant_id,
            role=body.role,
            held=principal.scopes,
            issuer=principal.key_id,
        )
    await tokens.check_address(members.normalise(body.email))
    made = passwords.generate() if body.password is None else None
    hashed = await tokens.hasher.hash(principal.tenant_id, body.password or made or "")
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        member = await members.add(
            connection,
            acting(request, principal),
            principal.tenant_id,
            email=body.email,
            role=body.role,
            password_hash=hashed,
            held=principal.scopes,
            issuer=principal.key_id,
        )
    response.headers["Cache-Control"] = _NO_STORE
    return NewMember(**_member(member).model_dump(), initial_password=made)


@router.patch(
    "/members/{member_id}",
    operation_id="change_member",
    summary="Change a member",
    response_model=Member,
    responses=responses(*_BODY, NotFound, LastOwner, LimitReached),
)
async def change_member(request: Request, principal: KeyManager, member_id: MemberId, body: MemberChange) -> Member:
    """Give a member another role, disable it or let it return. The last owner who can log in stays one."""
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        changed = await members.change(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _member_id(member_id),
            role=body.role,
            is_disabled=body.is_disabled,
            held=principal.scopes,
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
    """Remove a member; its tokens are dead within 2 s, the API keys that it made stay."""
    async with request.app.state.accounts.transaction(principal.tenant_id) as connection:
        await members.remove(
            connection,
            acting(request, principal),
            principal.tenant_id,
            _member_id(member_id),
            held=principal.scopes,
        )


def _member_id(text: str) -> UUID:
    member_id = ids.read(text)
    if member_id is None:
        raise NotFound("The tenant has no such member.")
    return member_id
