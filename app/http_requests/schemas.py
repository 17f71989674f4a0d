"""The payload and the result of http_request.

Every process loads this module, so it imports no HTTP client. Only processes that check a URL do.
"""

from typing import Annotated, Final, Literal, NotRequired, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema
from typing_extensions import TypedDict

from app.core.config import get_settings
from app.outbound import header_names

MAX_TIMEOUT: Final = 300
_MAX_HEADERS: Final = 32
_MAX_PATTERNS: Final = 20
_WITHOUT_BODY: Final = ("GET", "HEAD")


def _url(url: str) -> str:
    # Imported here: a worker with the operator's code has this model, but never an HTTP client.
    from app.outbound import urls  # noqa: PLC0415

    if fault := urls.validation_error(url, get_settings().http_request_allowed_networks):
        raise ValueError(fault)
    return url


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if fault := header_names.fault(name, value, allows_content_type=True):
            raise ValueError(fault)
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("A header is there twice. Names are the same in upper and lower case.")
    return headers


Method: TypeAlias = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
StatusPattern: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[2-5](xx|[0-9][0-9])$")]


class HttpRequestPayload(BaseModel):
    """A request to an endpoint of your own. Give `json` or `text` for a body, or neither."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://api.example.com/jobs/resize", "json": {"picture": 7}, "timeout_seconds": 60}]
        },
    )

    url: Annotated[str, AfterValidator(_url)] = Field(
        max_length=2_048, description="A https:// URL of a host on the internet. Redirects are not followed."
    )
    method: Method = Field("POST", description="The HTTP method.")
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(
        default_factory=dict,
        max_length=_MAX_HEADERS,
        description="Further headers. Those that the service sets itself are refused.",
    )
    json_body: JsonValue = Field(None, alias="json", description="The body, as JSON. Null is a body, too.")
    text: str | SkipJsonSchema[None] = Field(None, description="The body, as text in UTF-8.")
    timeout_seconds: float = Field(
        30, ge=1, le=MAX_TIMEOUT, description="Seconds for one attempt, from the look-up of the host to the last byte."
    )
    success: list[StatusPattern] = Field(
        ["2xx"],
        min_length=1,
        max_length=_MAX_PATTERNS,
        description="The statuses with which the task succeeds: `204`, or `2xx` for all that begin with a 2.",
    )

    @property
    def has_json(self) -> bool:
        """Tell whether the body is JSON, which may be null."""
        return "json_body" in self.model_fields_set

    @model_validator(mode="after")
    def _has_one_body(self) -> Self:
        bodies = self.has_json + (self.text is not None)
        if bodies > 1:
            raise ValueError("Give json or text, not both.")
        if bodies and self.method in _WITHOUT_BODY:
            raise ValueError("A GET or HEAD request has no body: leave json and text out.")
        return self


class HttpRequestResult(TypedDict):
    """The answer of the endpoint. It has `json` if the answer is JSON, else `text`."""

    status: Annotated[int, Field(description="The HTTP status of the answer.")]
    headers: Annotated[dict[str, str], Field(description="By name, in lower case.")]
    json: NotRequired[Annotated[JsonValue, Field(description="The body, if it is JSON.")]]
    text: NotRequired[Annotated[str, Field(description="The body as text, if it is not JSON.")]]
    duration_ms: Annotated[int, Field(description="Milliseconds from the look-up of the host to the last byte.")]
