/** What can go wrong: `TaskQueueError` is the base of all. */
/** The base of every error of this package. */
export class TaskQueueError extends Error {
    constructor(message) {
        super(message);
        this.name = new.target.name;
    }
}
/** The client lacks a base URL or an API key, or one of them cannot be used. */
export class ConfigurationError extends TaskQueueError {
}
/** The API could not be reached, or its answer did not come. What was asked may or may not have happened. */
export class ConnectionFailedError extends TaskQueueError {
    /** False where the API cannot have seen the request. */
    wasSent;
    constructor(message, wasSent = true) {
        super(message);
        this.wasSent = wasSent;
    }
}
/** The answer is not one of the API's: for example a proxy's page, or another server is at this address. */
export class UnexpectedAnswerError extends TaskQueueError {
    /** The HTTP status of the answer. */
    status;
    constructor(status, why) {
        super(`an answer with status ${status} that is not the API's: ${why}`);
        this.status = status;
    }
}
/** The API refused the call. `code` is stable; the texts are for people. */
export class APIError extends TaskQueueError {
    status;
    code;
    title;
    detail;
    /** Give it to the operator when you ask for help: it is in the log of the service. */
    requestId;
    /** With `invalid_request`: each fault and its place. */
    errors;
    /** Seconds after which the same call may succeed, where the API says so. */
    retryAfter;
    /** The whole body of the answer, with what only this kind of problem has. */
    members;
    constructor(body, retryAfter) {
        super(lineOf(body));
        this.status = body.status;
        this.code = body.code;
        this.title = body.title;
        this.detail = body.detail;
        this.requestId = body.request_id;
        this.errors = body.errors ?? [];
        this.retryAfter = retryAfter;
        this.members = { ...body };
    }
}
/** The request is not one that the call takes: `errors` names each fault. */
export class InvalidRequestError extends APIError {
}
/** The cursor was not given to this tenant, or it belongs to another call. */
export class InvalidCursorError extends InvalidRequestError {
}
/** The idempotency key was used with another request: use a new one. */
export class IdempotencyMismatchError extends InvalidRequestError {
}
/** The body is larger than the call takes. */
export class PayloadTooLargeError extends InvalidRequestError {
}
/** The API key or token is missing, invalid, expired or revoked. */
export class AuthenticationError extends APIError {
}
/** The API key is valid, but does not allow the call. */
export class PermissionDeniedError extends APIError {
}
/** The operator has suspended the tenant. */
export class TenantSuspendedError extends PermissionDeniedError {
}
/** There is no such thing, or it belongs to another tenant, or its retention is over. */
export class NotFoundError extends APIError {
}
/** It existed, and is gone for good. */
export class GoneError extends APIError {
}
/** The task was erased: its payload and result are gone. */
export class TaskErasedError extends GoneError {
}
/** Events after the cursor are not kept any more: continue after `oldestCursor`. */
export class CursorLostError extends GoneError {
    /** The oldest cursor from which the feed can be read. */
    get oldestCursor() {
        const cursor = this.members["oldest_cursor"];
        return typeof cursor === "string" ? cursor : null;
    }
}
/** The state of the task, or of something else, does not allow the call. */
export class ConflictError extends APIError {
}
/** A limit on the number of keys, members or operations is reached. */
export class LimitReachedError extends ConflictError {
}
/** Too many calls at once: try again after `retryAfter` seconds. */
export class RateLimitError extends APIError {
}
/** The tasks of the day or of the month are used up, or the backlog is full. */
export class QuotaExceededError extends RateLimitError {
}
/** The service cannot answer at the moment. What was asked may or may not have happened. */
export class ServiceUnavailableError extends APIError {
}
/** An error on the side of the service: report `requestId` to the operator. */
export class ServerError extends APIError {
}
/** It has not ended in time. It goes on: you can wait again. */
export class WaitTimeoutError extends TaskQueueError {
}
/** The task has ended without a result. */
export class TaskFailedError extends TaskQueueError {
    taskId;
    status;
    /** The error of the last attempt. */
    error;
    constructor(taskId, error, status = "FAILURE") {
        const what = error ? `${error.type}: ${error.message} (attempt ${error.attempt})` : "without an error";
        super(`task ${taskId} ended ${status}: ${what}`);
        this.taskId = taskId;
        this.status = status;
        this.error = error;
    }
}
/** The task was cancelled, or did not start in time. */
export class TaskRevokedError extends TaskFailedError {
}
/** The operation could not go on to its end; `operation` has its counts and errors. */
export class OperationFailedError extends TaskQueueError {
    operation;
    constructor(operation) {
        const details = operation.errors.map((failure) => failure.detail).join("; ") || "no details";
        super(`operation ${operation.operation_id} ended ${operation.status}: ${details}`);
        this.operation = operation;
    }
}
function lineOf(body) {
    const faults = (body.errors ?? []).map((fault) => `; ${fault.pointer ?? fault.parameter ?? fault.header ?? ""}: ${fault.detail}`);
    return `${body.status} ${body.code}: ${body.detail}${faults.join("")} (request ${body.request_id})`;
}
