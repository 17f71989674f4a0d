"""The API calls that issue and revoke access tokens."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.accounts import oauth
from app.accounts.address_limit import limit_of, limited
from app.accounts.oauth import OAuthError
from app.accounts.parts import AccountParts
from app.accounts.schemas import KeySet, LoginRequest, OAuthProblem, PasswordRequest, TokenAnswer
from app.core.errors import (
    InsufficientScope,
    InvalidRequest,
    MalformedBody,
    NotAccepted,
    PayloadTooLarge,
    TenantNeeded,
    TenantSuspended,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.http.problem import responses
from app.http.strict_json import TINY, Bounds
from app.identity.dependencies import CallerRoute, UnratedCaller, acting, client_address


class AuthRoute(CallerRoute):
    """Counts each attempt of an address before the request's body is read."""

    @property
    def bounds(self) -> Bounds:
        """The largest body that is read: tiny for a caller without credentials."""
        return TINY if self.required_scopes is None else super().bounds

    async def before_body(self, request: Request) -> None:
        """Authenticate when the operation needs it. These calls do not count against a tenant's rate."""
        if self.required_scopes is not None:
            await AccountParts.of(request).verifier.authenticate(request.scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which counts the attempt first."""
        answer, limit = super().get_route_handler(), limit_of(self.endpoint)
        # Outermost, so that an attempt counts before its body is read and whatever is wrong with it.
        if limit is None:
            return answer

        async def answer_counted(request: Request) -> Response:
            limit.count(request, self.operation_id or self.name)
            return await answer(request)

        return answer_counted


router: Final = APIRouter(route_class=AuthRoute, tags=["auth"])

# RFC 6749 (section 5.1) requires both headers for an answer with a token.
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_BODY: Final = (MalformedBody, InvalidRequest, PayloadTooLarge, UnsupportedMediaType)


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Describe a form for the API document. We read it ourselves, to answer a repeated field with an OAuth error."""
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


_TOKEN_FORM: Final = _form(
    {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string", "description": "The id of an API key. Leave it out with HTTP Basic."},
        "client_secret": {"type": "string", "description": "The API key. Leave it out with HTTP Basic."},
        "scope": {"type": "string", "description": "Separated by spaces. Default: all scopes of the key."},
    },
    ["grant_type"],
)
_REVOKE_FORM: Final = _form(
    {"token": {"type": "string"}, "token_type_hint": {"type": "string", "description": "Ignored."}}, ["token"]
)


@router.post(
    "/api/auth/token",
    operation_id="create_token",
    summary="Exchange an API key for a token",
    response_model=TokenAnswer,
    openapi_extra=_TOKEN_FORM,
    responses=responses(TooManyAttempts, Unavailable)
    | {
        400: {"model": OAuthProblem, "description": "The request does not follow RFC 6749."},
        413: {"model": OAuthProblem, "description": "The form is larger than 4 KiB."},
        401: {"model": OAuthProblem, "description": "The client's credentials are invalid, expired or revoked."},
        403: {"model": OAuthProblem, "description": "The tenant is suspended."},
    },
)
@limited("300/minute")
async def create_token(request: Request) -> Response:
    """Exchange an API key for a token that is valid for 15 minutes (OAuth 2 client credentials).

    Send the key in the form or by HTTP Basic.
    """
    # Errors have the form of RFC 6749 here, because OAuth clients do not know problem+json.
    try:
        fields = await _read(request)
        client = oauth.client(request.headers.getlist("authorization"), fields)
        answer = await AccountParts.of(request).tokens.exchange(client, fields)
    except OAuthError as error:
        return _refuse(error)
    return JSONResponse(answer, headers=_NO_STORE)


async def _read(request: Request) -> dict[str, str]:
    raw = bytearray()
    try:
        # The body is read in chunks, so that reading stops at the limit, whatever Content-Length says.
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > TINY.size:
                raise OAuthError(
                    "invalid_request",
                    f"The form is larger than {TINY.size} bytes. Send only the fields of this call.",
                    413,
                )
    except ClientDisconnect:
        raise OAuthError("invalid_request", "The form ended before it was complete. Send it again.") from None
    return oauth.form(request.headers.getlist("content-type"), bytes(raw))


def _refuse(error: OAuthError) -> Response:
    headers = dict(_NO_STORE)
    if error.status == Unauthenticated.status:
        # RFC 6749 (section 5.2) asks for a challenge of the scheme that the client may use.
        headers["WWW-Authenticate"] = 'Basic realm="task-queue"'
    body = {"error": error.error, "error_description": error.description}
    return JSONResponse(body, error.status, headers)


@router.post(
    "/api/auth/revoke",
    operation_id="revoke_token",
    summary="Revoke a token",
    response_class=Response,
    openapi_extra=_REVOKE_FORM,
    responses=responses(TooManyAttempts, Unavailable)
    | {
        400: {"model": OAuthProblem, "description": "The body is not a form, or has no token."},
        413: {"model": OAuthProblem, "description": "The form is larger than 4 KiB."},
    },
)
@limited("120/minute")
async def revoke_token(request: Request) -> Response:
    """Revoke a token (RFC 7009). Every process refuses it within 2 seconds. An unknown token gets the same answer."""
    try:
        fields = await _read(request)
    except OAuthError as error:
        return _refuse(error)
    if not fields.get("token"):
        return _refuse(OAuthError("invalid_request", "Send the token in the field token."))
    # An unknown token is no error, because the client could do nothing about it (RFC 7009, section 2.2).
    await AccountParts.of(request).tokens.revoke(fields["token"], client_address(request))
    return Response(headers=_NO_STORE)


@router.post(
    "/api/auth/login",
    operation_id="login",
    summary="Log in as a member",
    response_model=TokenAnswer,
    responses=responses(
        *_BODY, Unauthenticated, TenantSuspended, TenantNeeded, NotAccepted, TooManyAttempts, Unavailable
    ),
)
@limited("10/minute")
async def login(request: Request, response: Response, body: LoginRequest) -> Any:
    """Log in as a member. The token is valid for 15 minutes.

    A member of several tenants names one of them. The answer does not show whether a member has the address.
    """
    response.headers.update(_NO_STORE)
    return await AccountParts.of(request).tokens.login(body.email, body.password, body.tenant, body.invitation)


@router.post(
    "/api/auth/password",
    operation_id="change_password",
    summary="Change your own password",
    response_model=TokenAnswer,
    responses=responses(*_BODY, Unauthenticated, InsufficientScope, TenantSuspended, TooManyAttempts, Unavailable),
)
@limited("10/minute")
async def change_password(request: Request, response: Response, principal: UnratedCaller, body: PasswordRequest) -> Any:
    """Change a member's own password. Its earlier tokens are refused within 2 seconds; the answer has a new one."""
    response.headers.update(_NO_STORE)
    return await AccountParts.of(request).tokens.change_password(
        principal, acting(request, principal), body.current_password, body.new_password
    )


@router.get(
    "/.well-known/jwks.json",
    operation_id="get_key_set",
    summary="Get the keys that verify tokens",
    response_model=KeySet,
)
async def get_key_set(request: Request, response: Response) -> KeySet:
    """Return the public keys that verify our tokens (ES256). A new key is listed here before it signs tokens."""
    # A new key is published for 10 minutes before it signs, so a cached set always knows it.
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeySet(keys=AccountParts.of(request).tokens.published_keys())
