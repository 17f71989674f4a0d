"""The calls that give tokens and take them back."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from app.accounts import oauth
from app.accounts.attempts import limited
from app.accounts.oauth import OAuthError
from app.accounts.schemas import KeySet, LoginRequest, OAuthProblem, PasswordRequest, TokenAnswer
from app.core.errors import (
    InsufficientScope,
    InvalidRequest,
    MalformedBody,
    PayloadTooLarge,
    TenantSuspended,
    TooManyAttempts,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from app.core.problem import responses
from app.identity.dependencies import Caller, CallerRoute, acting, client_address

router: Final = APIRouter(route_class=CallerRoute, tags=["auth"])

_MOST_FORM_BYTES: Final = 16_384
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_BODY: Final = (MalformedBody, InvalidRequest, PayloadTooLarge, UnsupportedMediaType)


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    """Describe a form, which we read ourselves: a field that comes twice must be an error of OAuth's own."""
    schema = {"type": "object", "properties": properties, "required": required}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


_TOKEN_FORM: Final = _form(
    {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string", "description": "The id of an API key, unless HTTP Basic has it."},
        "client_secret": {"type": "string", "description": "The API key, unless HTTP Basic has it."},
        "scope": {"type": "string", "description": "Separated by spaces; default: all that the key has."},
    },
    ["grant_type"],
)
_REVOKE_FORM: Final = _form(
    {"token": {"type": "string"}, "token_type_hint": {"type": "string", "description": "Not needed."}}, ["token"]
)


@router.post(
    "/api/auth/token",
    operation_id="create_token",
    response_model=TokenAnswer,
    openapi_extra=_TOKEN_FORM,
    responses=responses(TooManyAttempts, Unavailable)
    | {
        400: {"model": OAuthProblem, "description": "Not what RFC 6749 has in a request."},
        401: {"model": OAuthProblem, "description": "The client's credentials do not hold."},
        403: {"model": OAuthProblem, "description": "The tenant is suspended."},
    },
)
@limited("300/minute")
async def create_token(request: Request) -> Response:
    """Exchange an API key for a token of 15 minutes (OAuth 2 client credentials), in the form or by HTTP Basic."""
    try:
        fields = await _read(request)
        client = oauth.client(request.headers.getlist("authorization"), fields)
        answer = await request.app.state.tokens.exchange(client, fields)
    except OAuthError as error:
        return _refuse(error)
    return JSONResponse(answer, headers=_NO_STORE)


async def _read(request: Request) -> dict[str, str]:
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > _MOST_FORM_BYTES:
                raise OAuthError("invalid_request", f"The form is larger than {_MOST_FORM_BYTES} bytes.")
    except ClientDisconnect:
        raise OAuthError("invalid_request", "The form ended early.") from None
    return oauth.form(request.headers.getlist("content-type"), bytes(raw))


def _refuse(error: OAuthError) -> Response:
    headers = dict(_NO_STORE)
    if error.status == Unauthenticated.status:
        headers["WWW-Authenticate"] = 'Basic realm="task-queue"'
    body = {"error": error.error, "error_description": error.description}
    return JSONResponse(body, error.status, headers)


@router.post(
    "/api/auth/revoke",
    operation_id="revoke_token",
    response_class=Response,
    openapi_extra=_REVOKE_FORM,
    responses=responses(TooManyAttempts, Unavailable)
    | {400: {"model": OAuthProblem, "description": "No form, or none with a token."}},
)
@limited("120/minute")
async def revoke_token(request: Request) -> Response:
    """Revoke a token (RFC 7009): within 2 s every process refuses it. The answer to an unknown token is the same."""
    try:
        fields = await _read(request)
    except OAuthError as error:
        return _refuse(error)
    if not fields.get("token"):
        return _refuse(OAuthError("invalid_request", "Send the token in the field token."))
    await request.app.state.tokens.revoke(fields["token"], client_address(request))
    return Response(headers=_NO_STORE)


@router.post(
    "/api/auth/login",
    operation_id="login",
    response_model=TokenAnswer,
    responses=responses(*_BODY, Unauthenticated, TenantSuspended, TooManyAttempts, Unavailable),
)
@limited("10/minute")
async def login(request: Request, response: Response, body: LoginRequest) -> Any:
    """Log in as a member; the token holds 15 minutes. Whether an address is known, the answer does not tell."""
    response.headers.update(_NO_STORE)
    return await request.app.state.tokens.login(body.email, body.password)


@router.post(
    "/api/auth/password",
    operation_id="change_password",
    response_model=TokenAnswer,
    responses=responses(*_BODY, Unauthenticated, InsufficientScope, TenantSuspended, TooManyAttempts, Unavailable),
)
@limited("10/minute")
async def change_password(request: Request, response: Response, principal: Caller, body: PasswordRequest) -> Any:
    """Change a member's own password; its earlier tokens are dead within 2 s, and this answer has a new one."""
    response.headers.update(_NO_STORE)
    return await request.app.state.tokens.change_password(
        principal, acting(request, principal), body.current_password, body.new_password
    )


@router.get("/.well-known/jwks.json", operation_id="get_key_set", response_model=KeySet)
async def get_key_set(request: Request, response: Response) -> KeySet:
    """The keys by which anybody may verify our tokens (ES256). The next one is here before it signs."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return KeySet(keys=request.app.state.tokens.published_keys())
