/** The task types of the service, and the options of a submit. Written by scripts/sdk from the API document. */

import type { JsonValue } from "./models.js";

/** A task to wait for, and how it has to end. */
export interface After {
  /** The task to wait for. */
  task_id: string;
  /** `failure` is any end but SUCCESS, `finished` any end. Default: `"success"`. */
  when?: "success" | "failure" | "finished" | undefined;
}

/** Any JSON value. */
export type EchoPayload = JsonValue;

/** A request to an endpoint of your own. Give `json` or `text` for a body, or neither. */
export interface HttpRequestPayload {
  /** A https:// URL of a host on the internet. Redirects are not followed. */
  url: string;
  /** The HTTP method. Default: `"POST"`. */
  method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | undefined;
  /** Further headers. Those that the service sets itself are refused. */
  headers?: { readonly [name: string]: string } | undefined;
  /** The body, as JSON. Null is a body, too. */
  json?: JsonValue | undefined;
  /** The body, as text in UTF-8. */
  text?: string | undefined;
  /** Seconds for one attempt, from the look-up of the host to the last byte. Default: `30`. */
  timeout_seconds?: number | undefined;
  /** The statuses with which the task succeeds: `204`, or `2xx` for all that begin with a 2. Default: `["2xx"]`. */
  success?: readonly string[] | undefined;
}

/** The answer of the endpoint. It has `json` if the answer is JSON, else `text`. */
export interface HttpRequestResult {
  /** The HTTP status of the answer. */
  status: number;
  /** By name, in lower case. */
  headers: { [name: string]: string };
  /** The body, if it is JSON. */
  json?: JsonValue;
  /** The body as text, if it is not JSON. */
  text?: string;
  /** Milliseconds from the look-up of the host to the last byte. */
  duration_ms: number;
}

/** The duration and steps of the simulated work, and the number of attempts that fail first. */
export interface LongTaskPayload {
  /** Seconds of work in all. Default: `5`. */
  seconds?: number | undefined;
  /** Progress is reported after each step. Default: `10`. */
  steps?: number | bigint | undefined;
  /** How many attempts fail before one succeeds. Default: `0`. */
  fail_attempts?: number | bigint | undefined;
  /** Handed back in the result. */
  value?: JsonValue | undefined;
}

/** The work that was done. */
export interface LongTaskResult {
  /** Seconds of work in all. */
  seconds: number;
  /** Steps that were done. */
  steps: number;
  /** The value of the payload. */
  value: JsonValue;
}

/** The options of every task. */
export interface TaskOptions {
  /** 0 to 9; 9 is the most urgent. A minute of waiting counts as much as one step. Default: `4`. */
  priority?: number | bigint | undefined;
  /** Earliest start, in seconds from now. */
  delay_seconds?: number | undefined;
  /** Earliest start: an RFC 3339 date-time with its UTC offset; not together with `delay_seconds`. */
  scheduled_at?: Date | string | undefined;
  /** A task that has not started within these seconds ends REVOKED. */
  expires_seconds?: number | undefined;
  /** At most the task type's own value. */
  max_attempts?: number | bigint | undefined;
  /** Seconds for which one attempt may run, at most the task type's own limit. */
  timeout_seconds?: number | undefined;
  /** Labels by which you can find the task in lists. */
  tags?: readonly string[] | undefined;
  /** Texts of your own, by key, that stay with the task. Lists can be filtered by one of them. */
  metadata?: { readonly [name: string]: string } | undefined;
  /** Tasks of yours to wait for: ids, or objects that say how the task has to end. If one of them ends otherwise, this task ends REVOKED with `DependencyFailed`. Not in a batch. */
  after?: readonly (string | After)[] | undefined;
  /** An https URL that receives the task's end as a signed event (see webhooks). */
  webhook_url?: string | undefined;
}

/** Return the payload. */
export interface SubmitEcho extends TaskOptions {
  task: "echo";
  /** The input of the task. Default: an empty object. */
  payload?: EchoPayload | undefined;
}

/** Send a signed HTTP request to an endpoint of your own, and return the answer. */
export interface SubmitHttpRequest extends TaskOptions {
  task: "http_request";
  /** The input of the task. */
  payload: HttpRequestPayload;
}

/** Simulated work with progress, to try the service with. */
export interface SubmitLongTask extends TaskOptions {
  task: "long_task";
  /** The input of the task. Default: an empty object. */
  payload?: LongTaskPayload | undefined;
}

/** The payload and the result of each task type. */
export interface TaskTypes {
  echo: {
    payload: EchoPayload;
    result: JsonValue;
    isOptional: true;
  };
  http_request: {
    payload: HttpRequestPayload;
    result: HttpRequestResult;
    isOptional: false;
  };
  long_task: {
    payload: LongTaskPayload;
    result: LongTaskResult;
    isOptional: true;
  };
}

/** The name of a task type that this client knows. */
export type KnownTask = keyof TaskTypes & string;

export type PayloadOf<N extends KnownTask> = TaskTypes[N]["payload"];
export type ResultOf<N extends KnownTask> = TaskTypes[N]["result"];

declare const unknownTask: unique symbol;

/** The name of a task type that this client does not know: `taskName("…")` makes one. */
export type TaskName = string & { readonly [unknownTask]: true };

/** A task of a type that this client does not know. */
export interface OtherTask extends TaskOptions {
  task: TaskName;
  payload?: unknown;
}

/** A task to submit, with its options. */
export type NewTask =
  | SubmitEcho
  | SubmitHttpRequest
  | SubmitLongTask
  | OtherTask;
