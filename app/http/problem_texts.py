"""Say of each kind of error when it happens and what to do: the text of its page under ``/problems``."""

from typing import Final, NamedTuple


class ProblemText(NamedTuple):
    """The page of one code."""

    title: str
    when: str
    what_to_do: str


_RETRY: Final = "Wait for as many seconds as the header Retry-After says, and send the request again."

TEXTS: Final[dict[str, ProblemText]] = {
    "backlog_full": ProblemText(
        "Backlog full",
        "As many of your tasks wait as your limit `backlog` allows. Nothing was stored.",
        f"{_RETRY} Or cancel tasks that you do not need any more, or ask the operator for a larger plan.",
    ),
    "bad_request": ProblemText(
        "Bad request",
        "The server could not read the request as HTTP/1.1.",
        "Send it with an HTTP library. If you do, look for a proxy between you and the service that changes requests.",
    ),
    "cursor_lost": ProblemText(
        "Cursor lost",
        "The events after your cursor are not kept any more, or the database was set back to an earlier state.",
        "Go on after `oldest_cursor` of the answer, and compare the tasks that you follow with their status: events "
        "between the two may be missing.",
    ),
    "daily_quota": ProblemText(
        "Daily quota exceeded",
        "The tasks of this day (UTC) are used up: your limit `tasks_per_day`. Nothing was stored.",
        f"{_RETRY} `GET /api/limits` shows what is used. The operator can raise the limit.",
    ),
    "email_taken": ProblemText(
        "E-mail address taken",
        "A member of your tenant has this e-mail address.",
        "Change that member (`GET /api/members` lists all), or use another address.",
    ),
    "idempotency_conflict": ProblemText(
        "Request in progress",
        "The first request with this Idempotency-Key is not answered yet.",
        f"{_RETRY} Keep the same key: then you get the answer of the first request.",
    ),
    "idempotency_mismatch": ProblemText(
        "Idempotency key reused",
        "This Idempotency-Key was used within 24 hours for a request with another body.",
        "Use a new key for each new request, and the same key only to repeat the same request.",
    ),
    "illegal_state": ProblemText(
        "Not possible in this status",
        "The task, the operation or the key has a status that does not allow this call.",
        "Read its status first. `detail` says which status the call needs, and which call to use instead.",
    ),
    "insufficient_scope": ProblemText(
        "Insufficient scope",
        "Your credentials are valid, but they lack a scope that this call needs, or that it would give to others.",
        "`GET /api/me` lists the scopes that you have; the header WWW-Authenticate names the one that is missing. "
        "Ask an owner of your tenant for a key with it: scopes of an existing key never change.",
    ),
    "internal": ProblemText(
        "Internal error",
        "Something went wrong in the service. The request may have been carried out or not.",
        "Send it again with the same Idempotency-Key. If it happens again, tell the operator the `request_id`.",
    ),
    "invalid_cursor": ProblemText(
        "Invalid cursor",
        "This cursor was not given to your tenant, or belongs to another list.",
        "Begin without a cursor, and send each `next_cursor` unchanged, to the same list with the same filters.",
    ),
    "invalid_request": ProblemText(
        "Invalid request",
        "The service understood the request, but it is not valid for this call.",
        "Correct each place that `errors` names: `pointer` is a JSON pointer into the body, `parameter` and `header` "
        "are names. With status 400 credentials were sent twice: send one Authorization or X-API-Key header.",
    ),
    "last_owner": ProblemText(
        "Last owner",
        "The change would leave your tenant without an owner who can log in.",
        "Make another member an owner first.",
    ),
    "limit_reached": ProblemText(
        "Limit reached",
        "You have as many keys, members, endpoints or running operations as you may have, or made too many changes.",
        "Remove one that you do not need, or wait. `GET /api/limits` shows your limits; the operator can raise them.",
    ),
    "malformed_body": ProblemText(
        "Malformed body",
        "The body is not strict JSON in UTF-8: a syntax error, a member twice, NaN, or a number that is too large.",
        "Correct what `detail` names. In a shell, put JSON into single quotes, and its strings into double quotes.",
    ),
    "method_not_allowed": ProblemText(
        "Method not allowed",
        "There is something at this address, but it does not take this HTTP method.",
        "Use the call that `detail` names. The header Allow lists the methods.",
    ),
    "monthly_quota": ProblemText(
        "Monthly quota exceeded",
        "The tasks of this month (UTC) are used up: your limit `tasks_per_month`. Nothing was stored.",
        f"{_RETRY} `GET /api/limits` shows what is used. The operator can raise the limit.",
    ),
    "no_event_log": ProblemText(
        "No event log",
        "Your limit `event_hours` is 0, so no events are kept.",
        "Ask the operator to raise the limit, or follow single tasks with `GET /api/tasks/{task_id}/events`.",
    ),
    "not_accepted": ProblemText(
        "Invitation not accepted",
        "The person has not accepted the membership yet.",
        "Log in with the code of the invitation as `invitation`, and the tenant's short name as `tenant`.",
    ),
    "not_found": ProblemText(
        "Not found",
        "There is nothing at this address, or the id is unknown, another tenant's, or past its retention.",
        "Look at the address: `detail` names the call that you probably meant, and /openapi.json lists all. Check that "
        "your credentials belong to the tenant that made the object: `GET /api/me`.",
    ),
    "origin_refused": ProblemText(
        "Origin refused",
        "A web page of another origin called an address that is for programs, such as /mcp.",
        "Call it from a program: that sends no Origin header. Web pages may call /api, if the operator allows them.",
    ),
    "payload_too_large": ProblemText(
        "Payload too large",
        "The body is larger than this call takes.",
        "Store large data elsewhere, for example in an object store, and send its address as the payload.",
    ),
    "rate_limited": ProblemText(
        "Too many requests",
        "Your tenant sends more requests than its limits `requests_per_second` and `burst` allow.",
        f"{_RETRY} Submit many tasks with one `POST /api/tasks/batch`, and wait for results with `wait` or events.",
    ),
    "request_header_fields_too_large": ProblemText(
        "Request header fields too large",
        "The request has more than 64 headers, or more than 16 KiB of them.",
        "Send fewer headers. Cookies of other applications on the same host are a common cause.",
    ),
    "request_timeout": ProblemText(
        "Request timeout",
        "The headers of the request did not arrive within 5 seconds.",
        "Send the whole request without a pause.",
    ),
    "request_uri_too_long": ProblemText(
        "Request URI too long",
        "The URL is longer than 8 KiB.",
        "Send fewer or shorter parameters.",
    ),
    "task_erased": ProblemText(
        "Task erased",
        "Somebody of your tenant has erased this task.",
        "Nothing: its payload, result and error are gone. `GET /api/tasks/{task_id}/status` shows when.",
    ),
    "tenant_needed": ProblemText(
        "Choose a tenant",
        "This person is a member of several tenants.",
        "Log in again with one of the `tenants` of the answer as `tenant`.",
    ),
    "tenant_suspended": ProblemText(
        "Tenant suspended",
        "The operator has suspended your tenant. Its tasks wait, and its keys work again when it is resumed.",
        "Ask the operator to resume it.",
    ),
    "too_many_attempts": ProblemText(
        "Too many attempts",
        "Too many logins, tokens or new passwords were asked for, from this address or for this account.",
        f"{_RETRY}",
    ),
    "too_many_large_bodies": ProblemText(
        "Too many large bodies",
        "It takes so long to read your large bodies that other tenants would have to wait.",
        f"{_RETRY} Or send smaller bodies.",
    ),
    "too_many_lists": ProblemText(
        "Too many lists at once",
        "Two lists, or tasks with their attempts, are being read for your tenant at this moment.",
        f"{_RETRY} Read one list after the other.",
    ),
    "too_many_polls": ProblemText(
        "Too many polls",
        "As many lease calls of yours wait for tasks as your limit `parked_polls` allows.",
        "Lease more tasks with one call (`max`), or ask without `wait_seconds`.",
    ),
    "too_many_streams": ProblemText(
        "Too many streams",
        "As many streams of events are open as your limit `streams` allows.",
        "Close one, or share one stream between your programs.",
    ),
    "unauthenticated": ProblemText(
        "Authentication required",
        "There is no API key or token, or it is incomplete, invalid, expired or revoked; or a login was wrong.",
        "Send a valid one as `Authorization: Bearer <API key or token>`. `GET /api/me` checks it.",
    ),
    "unavailable": ProblemText(
        "Temporarily unavailable",
        "A server that the service needs does not answer. Nothing was accepted, or it is not known whether it was.",
        f"{_RETRY} Send a submit again with the same Idempotency-Key: then there is one task.",
    ),
    "unsupported_media_type": ProblemText(
        "Unsupported media type",
        "The body is not JSON, or it is encoded.",
        "Send JSON in UTF-8 with the header `Content-Type: application/json`, and without Content-Encoding.",
    ),
}
