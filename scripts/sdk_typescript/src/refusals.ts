/** Which error an answer of the API is. */

import {
  APIError,
  AuthenticationError,
  ConflictError,
  CursorLostError,
  GoneError,
  IdempotencyMismatchError,
  InvalidCursorError,
  InvalidRequestError,
  LimitReachedError,
  NotFoundError,
  PayloadTooLargeError,
  PermissionDeniedError,
  QuotaExceededError,
  RateLimitError,
  ServerError,
  ServiceUnavailableError,
  TaskErasedError,
  TenantSuspendedError,
  type TaskQueueError,
  UnexpectedAnswerError,
} from "./errors.js";
import type { ProblemBody } from "./models.js";

type Kind = new (body: ProblemBody, retryAfter: number | null) => APIError;

/** The error of each code of the API. */
export const BY_CODE: Readonly<Record<string, Kind>> = {
  backlog_full: QuotaExceededError,
  bad_request: InvalidRequestError,
  cursor_lost: CursorLostError,
  daily_quota: QuotaExceededError,
  email_taken: ConflictError,
  idempotency_conflict: ConflictError,
  idempotency_mismatch: IdempotencyMismatchError,
  illegal_state: ConflictError,
  insufficient_scope: PermissionDeniedError,
  internal: ServerError,
  invalid_cursor: InvalidCursorError,
  invalid_request: InvalidRequestError,
  last_owner: ConflictError,
  limit_reached: LimitReachedError,
  malformed_body: InvalidRequestError,
  method_not_allowed: InvalidRequestError,
  monthly_quota: QuotaExceededError,
  no_event_log: ConflictError,
  not_accepted: ConflictError,
  not_found: NotFoundError,
  payload_too_large: PayloadTooLargeError,
  rate_limited: RateLimitError,
  request_header_fields_too_large: InvalidRequestError,
  request_timeout: ServiceUnavailableError,
  request_uri_too_long: InvalidRequestError,
  task_erased: TaskErasedError,
  tenant_needed: ConflictError,
  tenant_suspended: TenantSuspendedError,
  too_many_attempts: RateLimitError,
  too_many_large_bodies: RateLimitError,
  too_many_lists: RateLimitError,
  too_many_polls: RateLimitError,
  too_many_streams: RateLimitError,
  unauthenticated: AuthenticationError,
  unavailable: ServiceUnavailableError,
  unsupported_media_type: InvalidRequestError,
};

/** For codes that are newer than this client. */
const BY_STATUS: Readonly<Record<number, Kind>> = {
  400: InvalidRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  410: GoneError,
  413: PayloadTooLargeError,
  422: InvalidRequestError,
  429: RateLimitError,
  500: ServerError,
  503: ServiceUnavailableError,
};

/** What an answer says, after it was read. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Return what is wrong with an answer; null if the call succeeded. */
export function refusal(answer: Answer): TaskQueueError | null {
  if ((answer.headers.get("content-type") ?? "").startsWith("application/problem+json")) {
    return problem(answer);
  }
  if (answer.status < 200 || answer.status >= 300) {
    return new UnexpectedAnswerError(answer.status, "it has no problem details");
  }
  return null;
}

function problem(answer: Answer): TaskQueueError {
  let body: ProblemBody;
  try {
    body = JSON.parse(answer.text) as ProblemBody;
  } catch {
    return new UnexpectedAnswerError(answer.status, "its problem details cannot be read");
  }
  if (typeof body?.code !== "string" || typeof body.status !== "number" || typeof body.detail !== "string") {
    return new UnexpectedAnswerError(answer.status, "its problem details cannot be read");
  }
  const kind = BY_CODE[body.code] ?? BY_STATUS[body.status] ?? APIError;
  return new kind(body, secondsOf(answer.headers));
}

/** Return the seconds of `Retry-After`; null if there are none. */
export function secondsOf(headers: Headers): number | null {
  const value = headers.get("retry-after") ?? "";
  return /^\d+$/.test(value) ? Number(value) : null;
}
