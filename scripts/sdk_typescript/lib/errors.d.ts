/** What can go wrong: `TaskQueueError` is the base of all. */
import type { FieldError, OperationStatus, ProblemBody, TaskError } from "./models.js";
/** The base of every error of this package. */
export declare class TaskQueueError extends Error {
    constructor(message: string);
}
/** The client lacks a base URL or an API key, or one of them cannot be used. */
export declare class ConfigurationError extends TaskQueueError {
}
/** The API could not be reached, or its answer did not come. What was asked may or may not have happened. */
export declare class ConnectionFailedError extends TaskQueueError {
    /** False where the API cannot have seen the request. */
    readonly wasSent: boolean;
    constructor(message: string, wasSent?: boolean);
}
/** The answer is not one of the API's: for example a proxy's page, or another server is at this address. */
export declare class UnexpectedAnswerError extends TaskQueueError {
    /** The HTTP status of the answer. */
    readonly status: number;
    constructor(status: number, why: string);
}
/** The API refused the call. `code` is stable; the texts are for people. */
export declare class APIError extends TaskQueueError {
    readonly status: number;
    readonly code: string;
    readonly title: string;
    readonly detail: string;
    /** Give it to the operator when you ask for help: it is in the log of the service. */
    readonly requestId: string;
    /** With `invalid_request`: each fault and its place. */
    readonly errors: readonly FieldError[];
    /** Seconds after which the same call may succeed, where the API says so. */
    readonly retryAfter: number | null;
    /** The whole body of the answer, with what only this kind of problem has. */
    readonly members: Readonly<Record<string, unknown>>;
    constructor(body: ProblemBody, retryAfter: number | null);
}
/** The request is not one that the call takes: `errors` names each fault. */
export declare class InvalidRequestError extends APIError {
}
/** The cursor was not given to this tenant, or it belongs to another call. */
export declare class InvalidCursorError extends InvalidRequestError {
}
/** The idempotency key was used with another request: use a new one. */
export declare class IdempotencyMismatchError extends InvalidRequestError {
}
/** The body is larger than the call takes. */
export declare class PayloadTooLargeError extends InvalidRequestError {
}
/** The API key or token is missing, invalid, expired or revoked. */
export declare class AuthenticationError extends APIError {
}
/** The API key is valid, but does not allow the call. */
export declare class PermissionDeniedError extends APIError {
}
/** The operator has suspended the tenant. */
export declare class TenantSuspendedError extends PermissionDeniedError {
}
/** There is no such thing, or it belongs to another tenant, or its retention is over. */
export declare class NotFoundError extends APIError {
}
/** It existed, and is gone for good. */
export declare class GoneError extends APIError {
}
/** The task was erased: its payload and result are gone. */
export declare class TaskErasedError extends GoneError {
}
/** Events after the cursor are not kept any more: continue after `oldestCursor`. */
export declare class CursorLostError extends GoneError {
    /** The oldest cursor from which the feed can be read. */
    get oldestCursor(): string | null;
}
/** The state of the task, or of something else, does not allow the call. */
export declare class ConflictError extends APIError {
}
/** A limit on the number of keys, members or operations is reached. */
export declare class LimitReachedError extends ConflictError {
}
/** Too many calls at once: try again after `retryAfter` seconds. */
export declare class RateLimitError extends APIError {
}
/** The tasks of the day or of the month are used up, or the backlog is full. */
export declare class QuotaExceededError extends RateLimitError {
}
/** The service cannot answer at the moment. What was asked may or may not have happened. */
export declare class ServiceUnavailableError extends APIError {
}
/** An error on the side of the service: report `requestId` to the operator. */
export declare class ServerError extends APIError {
}
/** It has not ended in time. It goes on: you can wait again. */
export declare class WaitTimeoutError extends TaskQueueError {
}
/** The task has ended without a result. */
export declare class TaskFailedError extends TaskQueueError {
    readonly taskId: string;
    readonly status: string;
    /** The error of the last attempt. */
    readonly error: TaskError | null;
    constructor(taskId: string, error: TaskError | null, status?: string);
}
/** The task was cancelled, or did not start in time. */
export declare class TaskRevokedError extends TaskFailedError {
}
/** The operation could not go on to its end; `operation` has its counts and errors. */
export declare class OperationFailedError extends TaskQueueError {
    readonly operation: OperationStatus;
    constructor(operation: OperationStatus);
}
