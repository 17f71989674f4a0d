/** What the API takes and answers. Written by scripts/sdk from the API document. */

/** One run of a task. LOST and RETURNED attempts were taken away by the platform, and do not count as failed. */
export interface Attempt {
  /** Number of the attempt, from 1. */
  attempt: number;
  /** How the attempt ended, or STARTED while it runs. */
  status: "STARTED" | "SUCCESS" | "FAILURE" | "REVOKED" | "LOST" | "RETURNED";
  /** The error; null if there is none. */
  error: TaskError | null;
  /** When the attempt started. */
  started_at: string;
  /** When it ended; null before that. */
  finished_at: string | null;
}

/** Durations of attempts in milliseconds, estimated from a histogram. */
export interface AttemptDurations {
  /** Half of the values are at most this; null without values. */
  p50: number;
  /** 95 % of the values are at most this; null without values. */
  p95: number;
  /** 99 % of the values are at most this; null without values. */
  p99: number;
}

/** One request to the URL, with its answer. */
export interface AttemptOfDelivery {
  /** Number of the attempt, from 1. A number is missing if a process was killed. */
  attempt: number;
  /** When the attempt started. */
  started_at: string;
  /** How long it took, in milliseconds. */
  duration_ms: number;
  /** HTTP status of the answer; null if none came. */
  status: number | null;
  /** Why there was no answer, or why it was not accepted; null after a success. */
  error: string | null;
  /** The first 4 KiB of the answer, as text; null if there was none. */
  response_body: string | null;
}

/** One change: who did what, to what, and from where. */
export interface AuditEntry {
  /** The id of the entry. */
  event_id: string;
  /** In the past tense: `key.issued`. */
  action: string;
  /** Who made the change. */
  actor_type: "operator" | "api_key" | "member" | "service";
  /** The key's id, the member's e-mail, or the part of the service; null for an operator. */
  actor: string | null;
  /** What it was done to: a key's id, a member's e-mail, the tenant's slug. */
  object: string;
  /** What was changed, by name; it depends on the action. */
  detail: { [name: string]: unknown };
  /** Network address of the client; null if there was none. */
  address: string | null;
  /** When it was created. */
  created_at: string;
}

/** A page of the audit log, newest first. */
export interface AuditPage {
  /** The items of this page, in the order that the call describes. */
  items: AuditEntry[];
  /** Give it as `cursor` for the next page; null on the last. */
  next_cursor: string | null;
}

/** The times of a schedule that are made up. */
export interface Backfill {
  /** The operation that makes the tasks; null if there is none. */
  operation_id: string | null;
  /** The number of times without a task. */
  count: number;
  /** The first 100 of these times, as the times of the schedule are now. */
  fires: string[];
}

/** A request to make up past times of a schedule. */
export interface BackfillRequest {
  /** Times of the schedule since this one. */
  from: Date | string;
  /** Times until this one, as far as they are past. */
  to: Date | string;
  /** Only tell what it would do. Default: false. */
  dry_run?: boolean | undefined;
}

/** The outcome of each task, in the order of the request. */
export interface BatchResponse {
  /** What became of each task, in the order of the request. */
  outcomes: (SubmitResponse | RefusedTask)[];
}

/** A length of time for which counts are kept together. Days begin at midnight of UTC. */
export type Bucket = "minute" | "hour" | "day";

/** The tasks to cancel: those that wait or run, and meet every condition. */
export interface CancelFilter {
  /** Name of a task type. */
  task?: string | undefined;
  /** A tag that the task has. */
  tag?: string | undefined;
  /** Created at this time or later. */
  created_from?: Date | string | undefined;
  /** Created before this time. */
  created_to?: Date | string | undefined;
  /** These tasks. An id that is unknown, or does not meet the other conditions, is left out. */
  ids?: readonly string[] | undefined;
  /** Tasks whose latest failed attempt is an occurrence of this error (`/api/errors`). */
  error_id?: string | undefined;
  /** Send it instead of conditions to choose every task. */
  all?: true | undefined;
  /** Default: all three. */
  statuses?: readonly ("PENDING" | "STARTED" | "RETRY")[] | undefined;
}

/** The effect of the cancel. A REVOKED task has ended; a STARTED one still runs, and ends within 5 s. */
export interface CancelResponse {
  /** The task's id. */
  task_id: string;
  /** The status after the cancel. */
  status: Status;
  /** Whether a cancel was asked for. */
  cancel_requested: true;
}

/** A request to cancel many tasks. */
export interface CancelTasksRequest {
  /** The tasks to cancel. */
  filter: CancelFilter;
}

/** The options to change. One that is missing stays as it is; null sets the default of a submit. */
export interface ChangeRequest {
  /** 0 to 9; null is the default, 4. */
  priority?: number | bigint | null | undefined;
  /** Earliest start of the next attempt: an RFC 3339 date-time; null is at once. */
  scheduled_at?: Date | string | null | undefined;
  /** The labels, in place of those that the task has; null is none. */
  tags?: readonly string[] | null | undefined;
}

/** The task as it waits now. */
export interface ChangedTask {
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
  /** 0 to 9; 9 is the most urgent. */
  priority: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The earliest start of the next attempt; null for at once. */
  scheduled_at: string | null;
  /** Earliest start of the next attempt. */
  due_at: string;
}

/** The usage of one task type in a day (UTC). */
export interface DayUsage {
  /** Name of the task type. */
  task: string;
  /** Accepted tasks. */
  tasks: number;
  /** Attempts whose code has ended. */
  attempts: number;
  /** Seconds that these attempts took. */
  worker_seconds: number;
  /** The day, in UTC. */
  day: string;
}

/** The delivery is sent again, now. */
export interface DeliveryAgain {
  /** The delivery's id. */
  delivery_id: string;
  /** The present status. */
  status: "PENDING";
}

/** A delivery with its attempts. */
export interface DeliveryDetail {
  /** The delivery's id. */
  delivery_id: string;
  /** The header `webhook-id` of each attempt. It is the same for all endpoints that get the event. */
  webhook_id: string;
  /** Null for the `webhook_url` of a task. */
  endpoint_id: string | null;
  /** The URL to which events are sent. */
  url: string;
  /** The type of the event. */
  type: string;
  /** Null if the event is about no task. */
  task_id: string | null;
  /** FAILED: every attempt has failed. SKIPPED: the endpoint was disabled. */
  status: "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED";
  /** Why the event was not sent; null unless the status is SKIPPED. */
  skipped_reason: string | null;
  /** Attempts that were begun, over all times that it was sent. */
  attempt_count: number;
  /** HTTP status of the latest answer; null if none came. */
  last_status: number | null;
  /** Null while an attempt runs, and if none follows. */
  next_attempt_at: string | null;
  /** When it was created. */
  created_at: string;
  /** Null while the status is PENDING. */
  finished_at: string | null;
  /** The latest attempts, at most 100, the first one first. */
  attempts: AttemptOfDelivery[];
}

/** The attempts of one bucket of time and one series. */
export interface DeliveryMetric {
  /** Begin of the bucket, in UTC. */
  at: string;
  /** With `by=endpoint`: the endpoint; null for webhook_url. */
  endpoint_id: string | null;
  /** With `by=type`: the type of the events; otherwise null. */
  type: string | null;
  /** With `by=status`: class of answers, `none` if no answer came; otherwise null. */
  status: "2xx" | "3xx" | "4xx" | "5xx" | "none" | null;
  /** Attempts of the bucket. */
  attempts: number;
  /** Attempts that did not deliver: no answer, or another one than 2xx. */
  failures: number;
  /** `failures` / `attempts`. */
  error_rate: number;
  /** Attempts that were the first of their delivery. */
  first_attempts: number;
  /** All other attempts. */
  retries: number;
  /** How long the attempts took, in milliseconds. */
  duration_ms: AttemptDurations;
}

/** Attempts over time, oldest bucket first. A bucket without attempts is left out. */
export interface DeliveryMetrics {
  /** Length of the time that one point covers. */
  bucket: "minute" | "hour" | "day";
  /** The counts of each bucket, oldest first. */
  items: DeliveryMetric[];
}

/** A delivery of an event of the task. */
export interface DeliveryOfTask {
  /** The delivery's id. */
  delivery_id: string;
  /** Null for the `webhook_url` of the task. */
  endpoint_id: string | null;
  /** The type of the event. */
  type: string;
  /** The present status. */
  status: "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED";
  /** Number of the latest attempt; 0 before the first one. */
  attempt_count: number;
  /** HTTP status of the latest answer; null if none came. */
  last_status: number | null;
  /** Null while an attempt runs, and if none follows. */
  next_attempt_at: string | null;
}

/** A page of deliveries, newest first. */
export interface DeliveryPage {
  /** The items of this page, in the order that the call describes. */
  items: DeliverySummary[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** One event for one URL. */
export interface DeliverySummary {
  /** The delivery's id. */
  delivery_id: string;
  /** The header `webhook-id` of each attempt. It is the same for all endpoints that get the event. */
  webhook_id: string;
  /** Null for the `webhook_url` of a task. */
  endpoint_id: string | null;
  /** The URL to which events are sent. */
  url: string;
  /** The type of the event. */
  type: string;
  /** Null if the event is about no task. */
  task_id: string | null;
  /** FAILED: every attempt has failed. SKIPPED: the endpoint was disabled. */
  status: "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED";
  /** Why the event was not sent; null unless the status is SKIPPED. */
  skipped_reason: string | null;
  /** Attempts that were begun, over all times that it was sent. */
  attempt_count: number;
  /** HTTP status of the latest answer; null if none came. */
  last_status: number | null;
  /** Null while an attempt runs, and if none follows. */
  next_attempt_at: string | null;
  /** When it was created. */
  created_at: string;
  /** Null while the status is PENDING. */
  finished_at: string | null;
}

/** The state of the leading dispatcher. */
export interface DispatcherState {
  /** Whether a dispatcher leads. */
  leads: boolean;
  /** Seconds since its last round ended. Null when none leads. */
  last_round_seconds: number | null;
}

/** The outcome of the end of an attempt. */
export interface EndOutcome {
  /** A lease. */
  lease: string;
  /** `ended`, also if the same call was made before. `lease_lost`: nothing was stored. `invalid_result`: the task has ended with FAILURE, because the result does not fit its schema or its limit. */
  outcome: "ended" | "lease_lost" | "invalid_result";
  /** The task's status now; null for a lease that is lost. */
  status: Status | null;
  /** With `invalid_result`, what is wrong; else null. */
  detail: string | null;
}

/** A URL that gets the tenant's events. */
export interface Endpoint {
  /** The endpoint's id. */
  endpoint_id: string;
  /** The URL to which events are sent. */
  url: string;
  /** The types of events that it gets. */
  event_types: string[];
  /** Which tasks' events it gets; null for all. */
  filter: EndpointFilter | null;
  /** A text for people; null if there is none. */
  description: string | null;
  /** The names of its own headers. Their values are never shown. */
  header_names: string[];
  /** The most attempts that are made in a second; null for no limit. */
  rate_per_second: number | null;
  /** Whether events are sent to it. */
  enabled: boolean;
  /** When it was disabled; null while it is enabled. */
  disabled_at: string | null;
  /** `gone`: it answered 410; `failing`: 5 days without a success; null while it is enabled. */
  disabled_by: "tenant" | "operator" | "gone" | "failing" | null;
  /** Time of the first failed attempt after the latest success; null if there is none. */
  failing_since: string | null;
  /** When it was created. */
  created_at: string;
  /** When it was changed the latest time. */
  updated_at: string;
}

/** The members to change. One that is missing stays as it is; null sets the default of a new endpoint. */
export interface EndpointChange {
  /** Where events are sent: a URL of at most 2048 characters, as for `webhook_url`. */
  url?: string | undefined;
  /** Default: `task.succeeded`, `task.failed` and `task.revoked`. */
  event_types?: readonly ("task.succeeded" | "task.failed" | "task.revoked" | "task.retrying" | "endpoint.failing" | "endpoint.disabled" | "quota.reached" | "key.expiring" | "schedule.skipped")[] | null | undefined;
  /** Which tasks' events it gets; null for all. */
  filter?: EndpointFilter | null | undefined;
  /** A text for people; null for none. */
  description?: string | null | undefined;
  /** True (and null) ends every reason for which the endpoint is disabled. */
  enabled?: boolean | null | undefined;
  /** All headers, in place of those that it has; null for none. */
  headers?: { readonly [name: string]: string } | null | undefined;
  /** The most attempts that are made in a second. Default: no limit. */
  rate_per_second?: number | bigint | null | undefined;
}

/** An endpoint was disabled. Its events become deliveries that are SKIPPED. */
export interface EndpointDisabled {
  /** The kind of the event. */
  type: "endpoint.disabled";
  /** When the event happened. */
  timestamp: string;
  /** What the event is about. */
  data: EndpointEventData;
}

/** The webhook endpoint, as it was when the event happened. */
export interface EndpointEventData {
  /** The endpoint's id. */
  endpoint_id: string;
  /** The URL to which events are sent. */
  url: string;
  /** Time of the first failed attempt after its latest success; null if none failed. */
  failing_since: string | null;
  /** Who or what disabled it; null in `endpoint.failing`. */
  disabled_by?: "tenant" | "operator" | "gone" | "failing" | null;
}

/** Deliveries to an endpoint fail: one has used up its attempts, or all of them have failed for an hour. */
export interface EndpointFailing {
  /** The kind of the event. */
  type: "endpoint.failing";
  /** When the event happened. */
  timestamp: string;
  /** What the event is about. */
  data: EndpointEventData;
}

/** The events about tasks that an endpoint gets. Both conditions count; other events are not filtered. */
export interface EndpointFilter {
  /** Only of tasks of these types. */
  tasks?: readonly string[] | null | undefined;
  /** Only of tasks with at least one of these tags. */
  tags?: readonly string[] | null | undefined;
}

/** A page of endpoints, newest first. */
export interface EndpointPage {
  /** The items of this page, in the order that the call describes. */
  items: Endpoint[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A new endpoint. A null member means the same as a missing one. */
export interface EndpointRequest {
  /** Where events are sent: a URL of at most 2048 characters, as for `webhook_url`. */
  url: string;
  /** Default: `task.succeeded`, `task.failed` and `task.revoked`. */
  event_types?: readonly ("task.succeeded" | "task.failed" | "task.revoked" | "task.retrying" | "endpoint.failing" | "endpoint.disabled" | "quota.reached" | "key.expiring" | "schedule.skipped")[] | undefined;
  /** Which tasks' events it gets. Default: those of all. */
  filter?: EndpointFilter | undefined;
  /** A text for people. */
  description?: string | undefined;
  /** Default: true. */
  enabled?: boolean | undefined;
  /** Headers that are added to each request. They are stored sealed, and later calls show their names only. */
  headers?: { readonly [name: string]: string } | undefined;
  /** The most attempts that are made in a second. Default: no limit. */
  rate_per_second?: number | bigint | undefined;
}

/** The answer of the receiver to an example. */
export interface EndpointTest {
  /** The delivery's id. */
  delivery_id: string;
  /** DELIVERED if it answered 2xx. */
  status: "DELIVERED" | "FAILED";
  /** The HTTP status; null if there was no answer. */
  response_status: number | null;
  /** How long it took, in milliseconds. */
  duration_ms: number;
  /** Why there was no answer; null if there was one. */
  error: string | null;
  /** The first 4 KiB of the answer; null if there was none. */
  response_body: string | null;
}

/** A request to send an example. */
export interface EndpointTestRequest {
  /** Default: `task.succeeded`. */
  type?: "task.succeeded" | "task.failed" | "task.revoked" | "task.retrying" | "endpoint.failing" | "endpoint.disabled" | "quota.reached" | "key.expiring" | "schedule.skipped" | undefined;
}

/** The rest of an erased task, in addition to its type and its times. */
export interface ErasedTask {
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
  /** When the task was erased. */
  erased_at: string;
}

/** Something that happened to a task, a webhook endpoint, a quota, an API key or a schedule. */
export interface Event {
  /** The same in every answer: recognise an event by it. */
  id: string;
  /** The kind of the event. */
  type: EventType;
  /** When it was created. */
  created_at: string;
  /** What the event is about. */
  data: EventData | EndpointEventData | QuotaEventData | KeyEventData | ScheduleEventData;
}

/** The task, as it was when the event happened. `GET /api/tasks/{task_id}/result` returns its result. */
export interface EventData {
  /** The task's id. */
  task_id: string;
  /** Name of the task type. Null if the task was erased. */
  task: string | null;
  /** The present status. */
  status: "SUCCESS" | "FAILURE" | "REVOKED" | "RETRY";
  /** Number of the latest attempt; 0 before the first one. */
  attempt_count: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The error; null if there is none. */
  error: EventError | null;
  /** Reserved: always null. */
  flow_id: string | null;
  /** Reserved: always null. */
  schedule_id: string | null;
}

/** The error of a task or of a failed attempt. */
export interface EventError {
  /** The name of the exception. */
  type: string;
  /** The text, for people. */
  message: string;
  /** The attempt that failed. */
  attempt: number;
}

/** A page of events, oldest first. It may be empty although a `next_cursor` leads to more: always continue there. */
export interface EventPage {
  /** The items of this page, in the order that the call describes. */
  items: Event[];
  /** Send it as `after` to get the events that follow. It is never null. */
  next_cursor: string;
}

/** A type of event, as tenants see it. */
export type EventType = "task.succeeded" | "task.failed" | "task.revoked" | "task.retrying" | "endpoint.failing" | "endpoint.disabled" | "quota.reached" | "key.expiring" | "schedule.skipped";

/** One fault of a request. One of ``pointer``, ``parameter`` and ``header`` says where; ``detail`` says what. */
export interface FieldError {
  /** Place in the body: a JSON pointer, as a URI fragment. */
  pointer?: string;
  /** Name of the path, query or cookie parameter. */
  parameter?: string;
  /** Name of the header. */
  header?: string;
  /** What is wrong there, and what to send instead. */
  detail: string;
}

/** Attempts that have ended, and the tasks that the worker wants next. */
export interface FinishRequest {
  /** The ends of attempts. */
  results: readonly LeaseEnd[];
  /** The tasks that the worker wants next. */
  lease_more?: LeaseMore | undefined;
}

/** The outcome of each end, in the order of the request, and the leases that `lease_more` asked for. */
export interface FinishResponse {
  /** The leased tasks. */
  leases: LeasedTask[];
  /** True while the queue is paused: no task can be leased. */
  quiet: boolean;
  /** Leases of `holding` that are not valid any more: stop their work. */
  lost: string[];
  /** The outcome of each end, in the order of the request. */
  outcomes: EndOutcome[];
}

/** The answer of a live process. */
export interface Health {
  /** Always `ok`: the process answers. */
  status: "ok";
}

/** The leases to renew. */
export interface HeartbeatRequest {
  /** The leases to renew, with what the worker reports. */
  leases: readonly LeaseBeat[];
}

/** The state of each lease, in the order of the request. */
export interface HeartbeatResponse {
  /** The state of each lease, in the order of the request. */
  leases: LeaseState[];
  /** True while the queue is paused: no task can be leased. */
  quiet: boolean;
}

/** The reason why a task of a batch was refused. It is the error that a single submit would get. */
export interface ItemProblem {
  /** The stable name of the error, for programs. */
  code: string;
  /** The HTTP status that a submit of this task alone would get. */
  status: number;
  /** The kind of the error, for people; it is the same for each `code`. */
  title: string;
  /** What you can do about the error. It never repeats the input. */
  detail: string;
  /** With `invalid_request`: its faults. */
  errors?: FieldError[];
  /** With a quota: seconds to wait. */
  retry_after?: number;
}

export type JsonValue = unknown;

/** An API key, without the key itself. */
export interface Key {
  /** The public part of the key. */
  key_id: string;
  /** The name that people gave it. */
  name: string;
  /** What it may do. */
  scopes: string[];
  /** When it was created. */
  created_at: string;
  /** When it ends; null if it does not. */
  expires_at: string | null;
  /** When it was revoked; null if it was not. */
  revoked_at: string | null;
  /** When it was used the latest time, exact to the minute; null before that. */
  last_used_at: string | null;
  /** The successor of the key after a rotation; null if there is none. */
  replaced_by: string | null;
}

/** The API key that expires within 7 days. */
export interface KeyEventData {
  /** The public part of the API key. */
  key_id: string;
  /** The name that people gave it. */
  name: string;
  /** When the key ends. */
  expires_at: string;
}

/** An API key expires within 7 days. */
export interface KeyExpiring {
  /** The kind of the event. */
  type: "key.expiring";
  /** When the event happened. */
  timestamp: string;
  /** What the event is about. */
  data: KeyEventData;
}

/** A page of keys, newest first, including ended ones. */
export interface KeyPage {
  /** The items of this page, in the order that the call describes. */
  items: Key[];
  /** Send it as `cursor` to get the next page. Null on the last page. */
  next_cursor: string | null;
}

/** A request for a new API key. */
export interface KeyRequest {
  /** A name for people to recognise the key by. */
  name: string;
  /** A part of the caller's own scopes. Default: all of them. */
  scopes?: readonly ("tasks:read" | "tasks:write" | "webhooks:read" | "webhooks:manage" | "tasks:work" | "schedules:manage" | "keys:manage" | "usage:read" | "portal:create")[] | undefined;
  /** Default: the key does not expire. */
  expires_days?: number | bigint | undefined;
}

/** A JWK set (RFC 7517) with the public keys that verify tokens. */
export interface KeySet {
  /** The public keys, each as a JWK. */
  keys: ({ [name: string]: string })[];
}

/** An error: failed attempts of one task type with the same type and message, numbers and ids left out. */
export interface KnownError {
  /** The error's id. */
  error_id: string;
  /** Name of the task type. */
  task: string;
  /** The name of the exception. */
  type: string;
  /** Of the latest occurrence; null if you have erased its task. */
  message: string | null;
  /** Whether somebody has to look at it. */
  status: "unresolved" | "resolved" | "ignored";
  /** Failed attempts, also those that were followed by another attempt. */
  occurrences: number;
  /** When it happened for the first time. */
  first_seen: string;
  /** When it happened the latest time. */
  last_seen: string;
  /** Occurrences in each of the last 24 hours (UTC), the oldest first. The last one is now. */
  sparkline: number[];
  /** The task of the latest occurrence. */
  last_task_id: string;
  /** When it was resolved; null if it was not. */
  resolved_at: string | null;
  /** The key's id or the member's e-mail; null if it was not resolved. */
  resolved_by: string | null;
  /** When it was seen again after it was resolved; null once you change its status. */
  regressed_at: string | null;
}

/** A page of errors, the one that was seen last first. */
export interface KnownErrorPage {
  /** The items of this page, in the order that the call describes. */
  items: KnownError[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A lease whose task still runs, with what its worker reports. */
export interface LeaseBeat {
  /** A lease. */
  lease: string;
  /** The latest progress that the code has reported; null if it has reported none. */
  progress?: ReportedProgress | undefined;
  /** Lines for the task's log (`GET /api/tasks/{task_id}/logs`). */
  logs?: readonly ReportedLine[] | undefined;
}

/** The end of an attempt: `result`, or `error`. With neither, the result is null. */
export interface LeaseEnd {
  /** A lease. */
  lease: string;
  /** The result: any JSON value. */
  result?: unknown | undefined;
  /** The error; null if there is none. */
  error?: WorkerError | undefined;
  /** With `error`: false ends the task at once. Default: true. */
  retry?: boolean | undefined;
  /** With `error`: seconds before the next attempt. Default: the back-off of the task type. */
  retry_after_seconds?: number | undefined;
}

/** The tasks that a worker wants to run next. */
export interface LeaseMore {
  /** A name of the worker's own, which stays the same while it runs. */
  worker: string;
  /** The version of the worker's code, for people. */
  version?: string | undefined;
  /** Names of task types of your own. */
  tasks: readonly string[];
  /** How many tasks to lease, at most. Default: 1. */
  max?: number | bigint | undefined;
  /** Seconds after which these leases end without a heartbeat. Default: those of the task type. */
  lease_seconds?: number | bigint | undefined;
  /** Leases that the worker has. Each is renewed, as by a heartbeat. */
  holding?: readonly string[] | undefined;
}

/** The tasks that a worker wants to run. */
export interface LeaseRequest {
  /** A name of the worker's own, which stays the same while it runs. */
  worker: string;
  /** The version of the worker's code, for people. */
  version?: string | undefined;
  /** Names of task types of your own. */
  tasks: readonly string[];
  /** How many tasks to lease, at most. Default: 1. */
  max?: number | bigint | undefined;
  /** Seconds after which these leases end without a heartbeat. Default: those of the task type. */
  lease_seconds?: number | bigint | undefined;
  /** Leases that the worker has. Each is renewed, as by a heartbeat. */
  holding?: readonly string[] | undefined;
  /** Seconds to wait for a task if none is due. Default: 0. */
  wait_seconds?: number | undefined;
}

/** The leased tasks: none if nothing is due, or the limit `leases` is reached. */
export interface LeaseResponse {
  /** The leased tasks. */
  leases: LeasedTask[];
  /** True while the queue is paused: no task can be leased. */
  quiet: boolean;
  /** Leases of `holding` that are not valid any more: stop their work. */
  lost: string[];
}

/** The state of a lease after a heartbeat. */
export interface LeaseState {
  /** A lease. */
  lease: string;
  /** `lease_lost`: another worker may run the task. Stop, and do not finish it. */
  outcome: "renewed" | "lease_lost";
  /** The lease ends then; null for one that is lost. */
  deadline: string | null;
  /** If true, stop, and finish the lease with an error: the task ends REVOKED. */
  cancel_requested: boolean;
  /** How many of the lines were not stored, because a limit is reached. */
  logs_dropped: number;
}

/** A task to run, and the lease that proves the right to end it. */
export interface LeasedTask {
  /** A lease. */
  lease: string;
  /** The task's id. */
  task_id: string;
  /** Name of the task type. */
  task: string;
  /** Number of the attempt, from 1. */
  attempt: number;
  /** The submitted payload, with the same values. */
  payload: JsonValue;
  /** The lease ends then. It is short at first: 15 s, until a call names the lease. */
  deadline: string;
  /** The time limit of the attempt. Heartbeats do not move it. */
  timeout_at: string;
  /** The labels that the submit gave. */
  tags: string[];
  /** W3C trace context of the submit; null if it had none. */
  traceparent: string | null;
  /** The same in every attempt: send it to a service that must act only once. */
  idempotency_key: string;
}

/** All limits of the tenant. */
export interface LimitList {
  /** The plan, from which the limits come. */
  plan: "free" | "pro" | "enterprise";
  /** Whether the tenant's tasks start at present. */
  queue: QueueState;
  /** Every limit. */
  items: TenantLimit[];
  /** Always null: this list has one page. */
  next_cursor?: null;
}

/** A member's e-mail address and password. */
export interface LoginRequest {
  /** The e-mail address of the person. */
  email: string;
  /** The password. */
  password: string;
  /** The tenant's slug. Needed by a member of several tenants. */
  tenant?: string | undefined;
  /** The code of an invitation to `tenant`, which the login accepts. */
  invitation?: string | undefined;
}

/** The caller: its tenant, its credential, what this allows, and the limits of the tenant. */
export interface Me {
  /** The tenant to which everything belongs that this credential sees. */
  tenant: OwnTenant;
  /** The credential that was sent. */
  credential: UsedCredential;
  /** What the credential may do now, in alphabetical order. */
  scopes: string[];
  /** Whether the tenant's tasks start at present. */
  queue: QueueState;
  /** Every limit with its current use, as in `GET /api/limits`. Null without the scope `usage:read`. */
  limits: TenantLimit[] | null;
}

/** A person who may log in. */
export interface Member {
  /** The member's id. */
  member_id: string;
  /** The e-mail address of the person. */
  email: string;
  /** The role, which decides the scopes. */
  role: "owner" | "developer" | "viewer";
  /** When it was created. */
  created_at: string;
  /** When it was disabled; null while it is enabled. */
  disabled_at: string | null;
  /** Null until the person has accepted the invitation. */
  accepted_at: string | null;
}

/** Changes of a member. A field that is missing here keeps its value. */
export interface MemberChange {
  /** Cannot be null, because a member always has a role. */
  role?: "owner" | "developer" | "viewer" | undefined;
  /** A disabled member cannot log in, and its tokens are refused. Null means false. */
  disabled?: boolean | null | undefined;
}

/** A page of members, newest first. */
export interface MemberPage {
  /** The items of this page, in the order that the call describes. */
  items: Member[];
  /** Send it as `cursor` to get the next page. Null on the last page. */
  next_cursor: string | null;
}

/** A request to add a member. */
export interface MemberRequest {
  /** The e-mail address of the person. */
  email: string;
  /** The role, which decides the scopes. */
  role: "owner" | "developer" | "viewer";
  /** Default: a generated password, shown once. */
  password?: string | undefined;
}

/** A new endpoint with its secret. */
export interface NewEndpoint {
  /** The endpoint's id. */
  endpoint_id: string;
  /** The URL to which events are sent. */
  url: string;
  /** The types of events that it gets. */
  event_types: string[];
  /** Which tasks' events it gets; null for all. */
  filter: EndpointFilter | null;
  /** A text for people; null if there is none. */
  description: string | null;
  /** The names of its own headers. Their values are never shown. */
  header_names: string[];
  /** The most attempts that are made in a second; null for no limit. */
  rate_per_second: number | null;
  /** Whether events are sent to it. */
  enabled: boolean;
  /** When it was disabled; null while it is enabled. */
  disabled_at: string | null;
  /** `gone`: it answered 410; `failing`: 5 days without a success; null while it is enabled. */
  disabled_by: "tenant" | "operator" | "gone" | "failing" | null;
  /** Time of the first failed attempt after the latest success; null if there is none. */
  failing_since: string | null;
  /** When it was created. */
  created_at: string;
  /** When it was changed the latest time. */
  updated_at: string;
  /** It signs every request to the endpoint (Standard Webhooks). */
  secret: string;
}

/** An API key with its text, which is shown only here. */
export interface NewKey {
  /** The public part of the key. */
  key_id: string;
  /** The name that people gave it. */
  name: string;
  /** What it may do. */
  scopes: string[];
  /** When it was created. */
  created_at: string;
  /** When it ends; null if it does not. */
  expires_at: string | null;
  /** When it was revoked; null if it was not. */
  revoked_at: string | null;
  /** When it was used the latest time, exact to the minute; null before that. */
  last_used_at: string | null;
  /** The successor of the key after a rotation; null if there is none. */
  replaced_by: string | null;
  /** The key itself. It is shown only here. */
  api_key: string;
}

/** A member that was just added. */
export interface NewMember {
  /** The member's id. */
  member_id: string;
  /** The e-mail address of the person. */
  email: string;
  /** The role, which decides the scopes. */
  role: "owner" | "developer" | "viewer";
  /** When it was created. */
  created_at: string;
  /** When it was disabled; null while it is enabled. */
  disabled_at: string | null;
  /** Null until the person has accepted the invitation. */
  accepted_at: string | null;
  /** Shown only here. Null when the request had a password, or the person has one. */
  initial_password: string | null;
  /** Shown only here: the code with which a member of another tenant accepts. Null for a new person. */
  invitation: string | null;
}

/** An OAuth error (RFC 6749, 5.2). */
export interface OAuthProblem {
  /** The error code of RFC 6749 (5.2). */
  error: "invalid_request" | "invalid_client" | "unauthorized_client" | "unsupported_grant_type" | "invalid_scope";
  /** What is wrong, for people. */
  error_description: string;
}

/** The operation was accepted: it is stored, and runs in the background. */
export interface OperationAccepted {
  /** The operation's id. */
  operation_id: string;
  /** The present status. */
  status: "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
}

/** A failure of an operation. */
export interface OperationFailure {
  /** The task on which it could not act; null if it is about none. */
  task_id?: string | null;
  /** The delivery that it could not send; null if it is about none. */
  delivery_id?: string | null;
  /** Why it could not act, for people. */
  detail: string;
}

/** A page of operations, newest first. */
export interface OperationPage {
  /** The items of this page, in the order that the call describes. */
  items: OperationStatus[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** An operation with its progress. At the end `total` is `done` + `failed` + `skipped`, unless it was cancelled. */
export interface OperationStatus {
  /** The operation's id. */
  operation_id: string;
  /** What the operation does. */
  kind: "schedules.backfill" | "tasks.cancel" | "tasks.retry" | "webhooks.recover" | "webhooks.replay_missing" | "webhooks.resend";
  /** The present status. */
  status: "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";
  /** The filter that the request gave. */
  filter: { [name: string]: unknown };
  /** Matching tasks, deliveries, events or times. Null until they are counted. */
  total: number | null;
  /** Tasks that were cancelled or asked to end, new tasks that were made, or deliveries that are sent. */
  done: number;
  /** Tasks or deliveries on which the operation could not act. */
  failed: number;
  /** Those that no longer matched when they were reached. */
  skipped: number;
  /** 0 to 1. Null until all are counted. */
  progress: number | null;
  /** The latest failures, at most 20, newest first. */
  errors: OperationFailure[];
  /** The limit of your plan that leaves no room for the next task. Null while it need not wait. */
  waiting_for_limit: "backlog" | "tasks_per_day" | "tasks_per_month" | null;
  /** Whether a cancel was asked for. */
  cancel_requested: boolean;
  /** The key's id or the member's e-mail; null if it was not resolved. */
  asked_by: string;
  /** When it was created. */
  created_at: string;
  /** When it ended; null before that. */
  finished_at: string | null;
}

/** A task type of your own. Your workers lease its tasks. */
export interface OwnTaskType {
  /** The name that people gave it. */
  name: string;
  /** One sentence about it. */
  summary: string;
  /** Null if every payload is taken. */
  payload_schema: unknown;
  /** Null if every result is taken. */
  result_schema: unknown;
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** Seconds for which one attempt may run. */
  time_limit: number;
  /** Seconds after which a lease ends without a heartbeat. */
  lease_seconds: number;
  /** Seconds before the second attempt. It doubles with each further one. */
  retry_backoff: number;
  /** The longest of these delays, in seconds. */
  retry_backoff_max: number;
  /** Whether a delay is a random part of what was computed. */
  retry_jitter: boolean;
  /** When it was created. */
  created_at: string;
  /** When it was changed the latest time. */
  updated_at: string;
}

/** A task type of your own without its name. A null member means the same as a missing one. */
export interface OwnTaskTypeValues {
  /** One line for people. */
  summary?: string | undefined;
  /** JSON Schema 2020-12 of the payload: at most 64 KiB and 1,000 schemas; `$ref` to `#/$defs/…` only, and no recursion. Without one, every JSON value is taken. */
  payload_schema?: unknown | undefined;
  /** JSON Schema 2020-12 of the result: at most 64 KiB and 1,000 schemas; `$ref` to `#/$defs/…` only, and no recursion. Without one, every JSON value is taken. */
  result_schema?: unknown | undefined;
  /** After so many failed attempts a task fails. Default: 3. */
  max_attempts?: number | bigint | undefined;
  /** Seconds for which one attempt may run. Default: 900. */
  time_limit?: number | undefined;
  /** Seconds after which a lease ends without a heartbeat. Default: 60. */
  lease_seconds?: number | bigint | undefined;
  /** Seconds before the second attempt. It doubles with each further one. Default: 1. */
  retry_backoff?: number | undefined;
  /** The longest of these delays, in seconds. Default: 600. */
  retry_backoff_max?: number | undefined;
  /** Whether a delay is a random part of what was computed. Default: true. */
  retry_jitter?: boolean | undefined;
}

/** The tenant to which the credential belongs. */
export interface OwnTenant {
  /** The tenant's id. */
  tenant_id: string;
  /** The short name of the tenant, as people and commands use it. */
  slug: string;
  /** The plan, from which the tenant's limits come. */
  plan: "free" | "pro" | "enterprise";
}

/** A member's new password. */
export interface PasswordRequest {
  /** The password until now. */
  current_password: string;
  /** The password from now on. */
  new_password: string;
}

/** A request to pause a schedule. */
export interface PauseRequest {
  /** Why: a text for people. */
  note?: string | undefined;
}

/** Estimates in seconds, at most 19 % off. Null if no attempt ended. */
export interface Percentiles {
  /** Half of the values are at most this; null without values. */
  p50: number | null;
  /** 95 % of the values are at most this; null without values. */
  p95: number | null;
  /** 99 % of the values are at most this; null without values. */
  p99: number | null;
}

/** The usage of a quota in its current period (UTC). */
export interface PeriodUsage {
  /** First day of the period, in UTC. */
  starts_on: string;
  /** When the period ends. */
  ends_at: string;
  /** Accepted tasks. */
  tasks: number;
  /** Null means no limit. */
  limit: number | null;
  /** The usage of each task type. */
  by_task: TaskUsage[];
}

/** A link that signs one browser in. */
export interface PortalLink {
  /** Open it in a browser. Its page asks once before it uses the link up. */
  url: string;
  /** Until when the link can be opened. */
  expires_at: string;
}

/** A request for a link to the console. */
export interface PortalLinkRequest {
  /** What the session may do: at most what your own scopes allow. */
  role: "owner" | "developer" | "viewer";
  /** Whom the link is for. The console and the audit log show this text; it gives no rights. */
  member?: string | undefined;
  /** The page to which the console leads back. Its origin must be in the portal settings. */
  return_url?: string | undefined;
  /** Default: that of the browser. */
  theme?: "light" | "dark" | undefined;
}

/** The tenant's settings of portal links. */
export interface PortalSettings {
  /** Origins of your own web pages, to which a link may lead back (`return_url`). */
  return_origins: readonly string[];
}

/** The times at which a schedule would fire, without its window. */
export interface Preview {
  /** The next 10 fires, or fewer if there are no more. */
  next_fires: string[];
  /** When it fires, in English. */
  description: string;
}

/** The times to preview. */
export interface PreviewRequest {
  /** Five fields (minute, hour, day of the month, month, day of the week), or a name such as `@daily`. */
  cron?: string | undefined;
  /** Seconds between two fires, instead of `cron`. */
  every_seconds?: number | bigint | undefined;
  /** The time zone in which `cron` is read, such as `Europe/Berlin`. Default: `UTC`. */
  timezone?: string | undefined;
  /** No fire is before this time. */
  starts_at?: Date | string | undefined;
  /** No fire is after this time. */
  ends_at?: Date | string | undefined;
}

/** The body of every error (RFC 9457). ``code`` is stable; an error may have additional members. */
export interface ProblemBody {
  /** The address of a page that says what to do: `/problems/` and the code. */
  type: string;
  /** The kind of the error, for people; it is the same for each `code`. */
  title: string;
  /** The HTTP status of the answer. */
  status: number;
  /** What you can do about the error. It never repeats the input. */
  detail: string;
  /** The stable name of the error, for programs: decide by it. */
  code: string;
  /** Also in the header X-Request-ID and in the operator's log. */
  request_id: string;
  /** With `invalid_request`: each fault, up to 20. */
  errors?: FieldError[];
}

/** The latest progress that the task's code reported. NaN and infinity are null: JSON has no such numbers. */
export interface Progress {
  /** How much is done, in the unit of `total`; null if the code does not say. */
  done: number | null;
  /** How much there is to do; null if the code does not say. */
  total: number | null;
  /** What the code says about it; null if it says nothing. */
  note: string | null;
}

/** The pauses of the tenant's queue. Its tasks start while `paused_by` is empty. */
export interface QueueState {
  /** Whether anybody has paused the queue. */
  paused: boolean;
  /** Whose pause there is. Each side can end only its own. */
  paused_by: ("tenant" | "operator")[];
}

/** The quota of which 80 or 100 percent are used. */
export interface QuotaEventData {
  /** The period whose tasks are counted. */
  quota: "day" | "month";
  /** The share that is used. */
  percent: 80 | 100;
  /** Tasks of this period, with those that have crossed the line. */
  used: number;
  /** The limit `tasks_per_day` or `tasks_per_month`. */
  limit: number;
  /** When the period ends, in UTC. */
  resets_at: string;
}

/** 80 or 100 percent of the quota of a day or month are used. */
export interface QuotaReached {
  /** The kind of the event. */
  type: "quota.reached";
  /** When the event happened. */
  timestamp: string;
  /** What the event is about. */
  data: QuotaEventData;
}

/** The readiness of the service. */
export interface Readiness {
  /** `degraded`: tasks are accepted, but some of them wait until the `reasons` are gone. */
  status: "ready" | "degraded";
  /** Problems, and what to do about them. Empty when `ready`. */
  reasons: string[];
  /** The revision of the database's schema. */
  schema_version: string;
  /** The revision that this process expects. */
  schema_expected: string;
  /** Workers that are alive and have slots. */
  workers: number;
  /** The same number for each pool that has workers. */
  workers_by_pool: { [name: string]: number };
  /** The dispatcher that leads. */
  dispatcher: DispatcherState;
  /** Age of this answer in seconds, at most 2. */
  age_seconds: number;
}

/** A request to send failed deliveries of an endpoint again. */
export interface RecoverRequest {
  /** Deliveries of events since this time. */
  since: Date | string;
  /** Deliveries of events before this time. Default: all until now. */
  until?: Date | string | undefined;
}

/** A task of a batch that was not stored. */
export interface RefusedTask {
  /** Why the task was refused. */
  error: ItemProblem;
}

/** The outcome of a release. */
export interface ReleaseOutcome {
  /** A lease. */
  lease: string;
  /** `released`: it waits again. `lease_lost`: nothing was changed. */
  outcome: "released" | "lease_lost";
}

/** Leases of tasks that the worker gives back. */
export interface ReleaseRequest {
  /** The leases to give back. */
  leases: readonly string[];
}

/** The outcome for each lease, in the order of the request. */
export interface ReleaseResponse {
  /** The outcome for each lease, in the order of the request. */
  outcomes: ReleaseOutcome[];
}

/** A worker of your own, as its calls show it. */
export interface RemoteWorker {
  /** The name that it gives itself. */
  worker: string;
  /** The version of its code; null if it says none. */
  version: string | null;
  /** The task types that it asked for last. */
  tasks: string[];
  /** How many leases it has. */
  leases: number;
  /** False if it has made no call for 45 s. */
  alive: boolean;
  /** Its first call. */
  first_seen_at: string;
  /** Its last call, up to 5 s late. */
  last_seen_at: string;
}

/** Your own workers, those seen last first: at most 1,000. */
export interface RemoteWorkerList {
  /** The items of this page, in the order that the call describes. */
  items: RemoteWorker[];
  /** Always null: this list has one page. */
  next_cursor?: null;
}

/** A request to send an endpoint what it has missed. */
export interface ReplayMissingRequest {
  /** Events since this time, as far as they are kept (the limit `event_hours`). */
  since: Date | string;
}

/** A line of a task's log. */
export interface ReportedLine {
  /** Severity of the line. Default: `"INFO"`. */
  level?: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | undefined;
  /** The text, for people. */
  message: string;
  /** At most 2,048 bytes of JSON. */
  fields?: { readonly [name: string]: JsonValue } | undefined;
}

/** The progress of a task: two numbers and a text. */
export interface ReportedProgress {
  /** How much is done, in the unit of `total`; null if the code does not say. */
  done?: number | undefined;
  /** How much there is to do; null if the code does not say. */
  total?: number | undefined;
  /** What the code says about it; null if it says nothing. */
  note?: string | undefined;
}

/** A request to send many deliveries again. */
export interface ResendDeliveriesRequest {
  /** The deliveries to send again. */
  filter: ResendFilter;
}

/** The deliveries to send again: those that meet every condition, and have ended before the request. */
export interface ResendFilter {
  /** Default: FAILED; all three if `ids` names the deliveries. */
  statuses?: readonly ("DELIVERED" | "FAILED" | "SKIPPED")[] | undefined;
  /** Deliveries to this endpoint. */
  endpoint?: string | undefined;
  /** Deliveries of events of this type. */
  type?: EventType | undefined;
  /** Deliveries of this task's events. */
  task_id?: string | undefined;
  /** Deliveries of events since this time. */
  since?: Date | string | undefined;
  /** Deliveries of events before this time. */
  until?: Date | string | undefined;
  /** These deliveries. An id that is unknown, or does not meet the other conditions, is left out. */
  ids?: readonly string[] | undefined;
  /** Send it instead of conditions for every failed one. */
  all?: true | undefined;
}

/** The task has not ended yet. Ask again, or use `wait` to get the answer as soon as it ends. */
export interface ResultPending {
  /** Always this text. */
  detail: "Result not available yet";
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
}

/** The tasks to run again: those that have ended, and meet every condition. */
export interface RetryFilter {
  /** Name of a task type. */
  task?: string | undefined;
  /** A tag that the task has. */
  tag?: string | undefined;
  /** Created at this time or later. */
  created_from?: Date | string | undefined;
  /** Created before this time. */
  created_to?: Date | string | undefined;
  /** These tasks. An id that is unknown, or does not meet the other conditions, is left out. */
  ids?: readonly string[] | undefined;
  /** Tasks whose latest failed attempt is an occurrence of this error (`/api/errors`). */
  error_id?: string | undefined;
  /** Send it instead of conditions to choose every task. */
  all?: true | undefined;
  /** Default: FAILURE; all three if `ids` names the tasks. */
  statuses?: readonly ("SUCCESS" | "FAILURE" | "REVOKED")[] | undefined;
}

/** The request was accepted again, as a new task with its own id. */
export interface RetryResponse {
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
  /** The task that ended before. */
  retry_of: string;
}

/** A request to run many ended tasks again. */
export interface RetryTasksRequest {
  /** The tasks to run again. */
  filter: RetryFilter;
}

/** A request to replace a key. */
export interface RotateRequest {
  /** How long both keys are valid. Default: `86400`. */
  overlap_seconds?: number | bigint | undefined;
}

/** A request for a new secret. */
export interface RotateSecretRequest {
  /** How long both secrets sign. Default: 86400. */
  overlap_seconds?: number | bigint | undefined;
}

/** A schedule, and where it stands. */
export interface Schedule {
  /** The schedule's id. */
  schedule_id: string;
  /** The name that people gave it. */
  name: string;
  /** When it fires, in English. */
  description: string;
  /** The expression; null for an interval. */
  cron: string | null;
  /** Seconds between two fires; null for an expression. */
  every_seconds: number | null;
  /** The time zone in which `cron` is read. */
  timezone: string;
  /** No fire is before this time; null for no bound. */
  starts_at: string | null;
  /** No fire is after this time; null for no bound. */
  ends_at: string | null;
  /** Each fire is later by a fixed part of this time. */
  window_seconds: number;
  /** The rule for a fire while the latest task has not ended. */
  overlap: "allow" | "skip" | "queue_one" | "cancel_running";
  /** The missed fires that are made up. */
  catch_up: "none" | "latest" | "all";
  /** Fires that were missed by more than this stay missed. */
  catch_up_seconds: number;
  /** It ends after so many tasks; null for no end. */
  max_fires: number | null;
  /** It is paused when so many tasks have failed in a row; null for never. */
  pause_after_failures: number | null;
  /** Name of the task type. */
  task: string;
  /** 0 to 9; 9 is the most urgent. */
  priority: number;
  /** A task that has not started within these seconds ends REVOKED; null for no such end. */
  expires_seconds: number | null;
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** Seconds for which one attempt may run; null for the limit of the task type. */
  timeout_seconds: number | null;
  /** The labels that the submit gave. */
  tags: string[];
  /** The texts that the submit gave, by key. */
  metadata: { [name: string]: string };
  /** The URL that receives the end of each task; null if there is none. */
  webhook_url: string | null;
  /** Whether it is paused. */
  paused: boolean;
  /** When it was paused; null while it is not. */
  paused_at: string | null;
  /** A key's id, a member's e-mail, an operator, or `failures`; null while it is not paused. */
  paused_by: string | null;
  /** Why it was paused; null if nobody has said so. */
  pause_note: string | null;
  /** Null while it is paused, and after its end. */
  next_fire_at: string | null;
  /** A fire that waits for the end of the latest task; null if none does. */
  queued_fire_at: string | null;
  /** The latest fire of the clock, whatever became of it; null before the first. */
  last_fire_at: string | null;
  /** Its latest task; null before the first. */
  last_task_id: string | null;
  /** Tasks that the clock has caused. */
  fires: number;
  /** When it was created. */
  created_at: string;
  /** When it was changed the latest time. */
  updated_at: string;
}

/** Everything about a schedule. */
export interface ScheduleDetail {
  /** The schedule's id. */
  schedule_id: string;
  /** The name that people gave it. */
  name: string;
  /** When it fires, in English. */
  description: string;
  /** The expression; null for an interval. */
  cron: string | null;
  /** Seconds between two fires; null for an expression. */
  every_seconds: number | null;
  /** The time zone in which `cron` is read. */
  timezone: string;
  /** No fire is before this time; null for no bound. */
  starts_at: string | null;
  /** No fire is after this time; null for no bound. */
  ends_at: string | null;
  /** Each fire is later by a fixed part of this time. */
  window_seconds: number;
  /** The rule for a fire while the latest task has not ended. */
  overlap: "allow" | "skip" | "queue_one" | "cancel_running";
  /** The missed fires that are made up. */
  catch_up: "none" | "latest" | "all";
  /** Fires that were missed by more than this stay missed. */
  catch_up_seconds: number;
  /** It ends after so many tasks; null for no end. */
  max_fires: number | null;
  /** It is paused when so many tasks have failed in a row; null for never. */
  pause_after_failures: number | null;
  /** Name of the task type. */
  task: string;
  /** 0 to 9; 9 is the most urgent. */
  priority: number;
  /** A task that has not started within these seconds ends REVOKED; null for no such end. */
  expires_seconds: number | null;
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** Seconds for which one attempt may run; null for the limit of the task type. */
  timeout_seconds: number | null;
  /** The labels that the submit gave. */
  tags: string[];
  /** The texts that the submit gave, by key. */
  metadata: { [name: string]: string };
  /** The URL that receives the end of each task; null if there is none. */
  webhook_url: string | null;
  /** Whether it is paused. */
  paused: boolean;
  /** When it was paused; null while it is not. */
  paused_at: string | null;
  /** A key's id, a member's e-mail, an operator, or `failures`; null while it is not paused. */
  paused_by: string | null;
  /** Why it was paused; null if nobody has said so. */
  pause_note: string | null;
  /** Null while it is paused, and after its end. */
  next_fire_at: string | null;
  /** A fire that waits for the end of the latest task; null if none does. */
  queued_fire_at: string | null;
  /** The latest fire of the clock, whatever became of it; null before the first. */
  last_fire_at: string | null;
  /** Its latest task; null before the first. */
  last_task_id: string | null;
  /** Tasks that the clock has caused. */
  fires: number;
  /** When it was created. */
  created_at: string;
  /** When it was changed the latest time. */
  updated_at: string;
  /** The payload of its tasks. */
  payload: JsonValue;
  /** The next 5 fires. */
  next_fires: string[];
  /** The latest 20 fires, the newest first. */
  last_fires: ScheduleFire[];
}

/** Fires of a schedule that made no task. */
export interface ScheduleEventData {
  /** The schedule's id. */
  schedule_id: string;
  /** The name that people gave it. */
  name: string;
  /** Why there is no task. */
  outcome: "skipped_overlap" | "skipped_quota" | "missed";
  /** More about the outcome, for example the quota; null if there is no more. */
  reason: string | null;
  /** The time of the fire; of several, the first one. */
  fire_at: string;
  /** The number of fires. */
  count: number;
  /** The last one of several fires; null for one. */
  until: string | null;
}

/** The outcome of a fire. */
export interface ScheduleFire {
  /** The time of the fire; of several, the first one. */
  fire_at: string;
  /** `fired` if it made a task. */
  outcome: "fired" | "skipped_overlap" | "skipped_quota" | "missed";
  /** More about the outcome. Of a task: null if the clock caused it, else `trigger` or `backfill`. */
  reason: string | null;
  /** The task; null if it made none. */
  task_id: string | null;
  /** The number of fires. */
  count: number;
  /** The last one of several fires; null for one. */
  until: string | null;
}

/** A page of schedules, newest first. */
export interface SchedulePage {
  /** The items of this page, in the order that the call describes. */
  items: Schedule[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** A new schedule. */
export interface ScheduleRequest {
  /** Five fields (minute, hour, day of the month, month, day of the week), or a name such as `@daily`. */
  cron?: string | undefined;
  /** Seconds between two fires, instead of `cron`. */
  every_seconds?: number | bigint | undefined;
  /** The time zone in which `cron` is read, such as `Europe/Berlin`. Default: `UTC`. */
  timezone?: string | undefined;
  /** No fire is before this time. */
  starts_at?: Date | string | undefined;
  /** No fire is after this time. */
  ends_at?: Date | string | undefined;
  /** Name of a task type (see `GET /api/task-types`). */
  task: string;
  /** As in a submit. */
  payload?: unknown | undefined;
  /** As in a submit. Default: `4`. */
  priority?: number | bigint | undefined;
  /** As in a submit. */
  expires_seconds?: number | undefined;
  /** As in a submit. */
  max_attempts?: number | bigint | undefined;
  /** As in a submit. */
  timeout_seconds?: number | undefined;
  /** As in a submit. */
  tags?: readonly string[] | undefined;
  /** As in a submit. */
  metadata?: { readonly [name: string]: string } | undefined;
  /** As in a submit. */
  webhook_url?: string | undefined;
  /** Each fire is later by a fixed part of this time, so that not all fire at once. Default: 0. */
  window_seconds?: number | bigint | undefined;
  /** What a fire does while the latest task has not ended: start another one, skip it, let one fire wait, or cancel that task. Default: `allow`. */
  overlap?: "allow" | "skip" | "queue_one" | "cancel_running" | undefined;
  /** Which fires that were missed, by more than a minute, are made up. Default: `none`. */
  catch_up?: "none" | "latest" | "all" | undefined;
  /** Fires that were missed by more than this stay missed. Default: 3600. */
  catch_up_seconds?: number | bigint | undefined;
  /** It ends after so many tasks. Default: no end. */
  max_fires?: number | bigint | undefined;
  /** It is paused when so many of its tasks have failed in a row. Default: never. */
  pause_after_failures?: number | bigint | undefined;
  /** Default: false for a new schedule; one that exists stays as it is. */
  paused?: boolean | undefined;
  /** Its name, which no other schedule of the tenant has. */
  name: string;
}

/** A schedule made no task at one of its times, or at several. */
export interface ScheduleSkipped {
  /** The kind of the event. */
  type: "schedule.skipped";
  /** When the event happened. */
  timestamp: string;
  /** What the event is about. */
  data: ScheduleEventData;
}

/** A schedule without its name. A null member means the same as a missing one. */
export interface ScheduleValues {
  /** Five fields (minute, hour, day of the month, month, day of the week), or a name such as `@daily`. */
  cron?: string | undefined;
  /** Seconds between two fires, instead of `cron`. */
  every_seconds?: number | bigint | undefined;
  /** The time zone in which `cron` is read, such as `Europe/Berlin`. Default: `UTC`. */
  timezone?: string | undefined;
  /** No fire is before this time. */
  starts_at?: Date | string | undefined;
  /** No fire is after this time. */
  ends_at?: Date | string | undefined;
  /** Name of a task type (see `GET /api/task-types`). */
  task: string;
  /** As in a submit. */
  payload?: unknown | undefined;
  /** As in a submit. Default: `4`. */
  priority?: number | bigint | undefined;
  /** As in a submit. */
  expires_seconds?: number | undefined;
  /** As in a submit. */
  max_attempts?: number | bigint | undefined;
  /** As in a submit. */
  timeout_seconds?: number | undefined;
  /** As in a submit. */
  tags?: readonly string[] | undefined;
  /** As in a submit. */
  metadata?: { readonly [name: string]: string } | undefined;
  /** As in a submit. */
  webhook_url?: string | undefined;
  /** Each fire is later by a fixed part of this time, so that not all fire at once. Default: 0. */
  window_seconds?: number | bigint | undefined;
  /** What a fire does while the latest task has not ended: start another one, skip it, let one fire wait, or cancel that task. Default: `allow`. */
  overlap?: "allow" | "skip" | "queue_one" | "cancel_running" | undefined;
  /** Which fires that were missed, by more than a minute, are made up. Default: `none`. */
  catch_up?: "none" | "latest" | "all" | undefined;
  /** Fires that were missed by more than this stay missed. Default: 3600. */
  catch_up_seconds?: number | bigint | undefined;
  /** It ends after so many tasks. Default: no end. */
  max_fires?: number | bigint | undefined;
  /** It is paused when so many of its tasks have failed in a row. Default: never. */
  pause_after_failures?: number | bigint | undefined;
  /** Default: false for a new schedule; one that exists stays as it is. */
  paused?: boolean | undefined;
}

/** The secret that signs. */
export interface SigningSecret {
  /** The newest secret. */
  secret: string;
  /** When the secret was made. */
  created_at: string;
  /** The secret before it signs as well until this time; null if it does not any more. */
  previous_expires_at: string | null;
}

/** Your statistics. Attempts and tasks are counted when they end, tasks also when they are submitted. */
export interface Stats {
  /** Length of the time that one point covers. */
  bucket: Bucket;
  /** Start of the first bucket. */
  starts_at: string;
  /** End of the last bucket. */
  ends_at: string;
  /** One series; with `by=task` one for each task type of that time. */
  items: TaskStats[];
}

/** The events of one bucket of time. */
export interface StatsPoint {
  /** Begin of the bucket, in UTC. */
  starts_at: string;
  /** Tasks accepted. Counted up to 20 s late. */
  submitted: number;
  /** Tasks that ended with SUCCESS. */
  succeeded: number;
  /** Tasks that ended with FAILURE. */
  failed: number;
  /** Tasks cancelled or expired. */
  revoked: number;
  /** Attempts that failed and were followed by another. */
  retried: number;
  /** `failed / (succeeded + failed)`; null if neither happened. */
  error_rate: number | null;
  /** True if your running tasks stood at your limit, of whatever task type. */
  limit_reached: boolean;
  /** How long tasks waited from the time at which they were due. */
  wait_seconds: WaitTimes;
  /** How long attempts ran. */
  run_seconds: Percentiles;
}

/** The status of a task. SUCCESS, FAILURE and REVOKED are final. */
export type Status = "PENDING" | "STARTED" | "RETRY" | "SUCCESS" | "FAILURE" | "REVOKED";

/** A token that may only read one task. */
export interface StreamToken {
  /** The token. Send it as a credential; it is shown only here. */
  access_token: string;
  /** Seconds for which it is valid. */
  expires_in: number;
}

/** The task was accepted: it is stored and will finish. */
export interface SubmitResponse {
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
}

/** Everything about a task. Its result is there if it was asked for. */
export interface TaskDetail {
  /** The task's id. */
  task_id: string;
  /** Name of the task type. */
  task: string;
  /** The present status. */
  status: Status;
  /** Number of the latest attempt; 0 before the first one. */
  attempt: number;
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** The latest progress that the code has reported; null if it has reported none. */
  progress: Progress | null;
  /** Why it waits; null unless the status is PENDING or RETRY. */
  waiting_reason: WaitingReason | null;
  /** Whether a cancel was asked for. */
  cancel_requested: boolean;
  /** The error; null if there is none. */
  error: TaskError | null;
  /** When it was created. */
  created_at: string;
  /** Earliest start of the next attempt. */
  due_at: string;
  /** When it started; null before that. */
  started_at: string | null;
  /** When it ended; null before that. */
  finished_at: string | null;
  /** When you erased the task and its data; null if you did not. */
  erased_at: string | null;
  /** The error of which the latest failed attempt is an occurrence (`/api/errors`); null if none has failed, and for a second or two after it has. */
  error_id: string | null;
  /** 0 to 9; 9 is the most urgent. */
  priority: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The texts that the submit gave, by key. */
  metadata: { [name: string]: string };
  /** The earliest start that the submit asked for; null for at once. */
  scheduled_at: string | null;
  /** A task that has not started by then ends REVOKED; null if it may wait for ever. */
  expires_at: string | null;
  /** How long one attempt may run, as the submit asked; null for the task type's limit. */
  timeout_seconds: number | null;
  /** The task of which this one is a retry; null if it is none. */
  retry_of: string | null;
  /** The URL that gets the end of the task; null if there is none. */
  webhook_url: string | null;
  /** The attempts, oldest first. */
  attempts: Attempt[];
  /** What became of its events: the latest deliveries, newest first, at most 100. `GET /api/webhooks/deliveries?task_id=` has all of them. */
  webhooks: DeliveryOfTask[];
  /** With `waiting_reason` `DEPENDENCIES`: the tasks that it waits for and that have not ended, oldest first, at most 100. */
  blocked_by: string[];
  /** Of a due task: 1 for the next one to start; null beyond 1,000. */
  position: number | null;
  /** When it starts if tasks end as in the last 5 minutes; null without ends in that time. */
  estimated_start_at: string | null;
  /** The submitted payload, with the same values. */
  payload: JsonValue;
  /** With `include=result` only: the value that the task returned; null if it has none. */
  result?: JsonValue;
}

/** The error of a failed attempt. */
export interface TaskError {
  /** The name of the exception. */
  type: string;
  /** The text, for people. */
  message: string;
  /** The attempt that failed. */
  attempt: number;
}

/** Something that has happened to a task. `data` depends on the type; docs/events.md has a table. */
export interface TaskEventEntry {
  /** The kind of the event. */
  type: "task.created" | "attempt.started" | "task.log" | "task.progress" | "attempt.ended" | "task.succeeded" | "task.failed" | "task.revoked";
  /** When it happened; null for progress. */
  created_at: string | null;
  /** The details; they depend on the type. */
  data: { [name: string]: JsonValue };
}

/** Everything that has happened to a task after a cursor, oldest first. */
export interface TaskEventPage {
  /** The items of this page, in the order that the call describes. */
  items: TaskEventEntry[];
  /** Send it as `after` to get what follows; null after the end of the task. */
  next_cursor: string | null;
}

/** A task has failed for good. */
export interface TaskFailed {
  /** The kind of the event. */
  type: "task.failed";
  /** When the task ended. */
  timestamp: string;
  /** What the event is about. */
  data: TaskFailedData;
}

/** The task, with the error of its last attempt. */
export interface TaskFailedData {
  /** The task's id. */
  task_id: string;
  /** The task type. */
  task: string;
  /** Attempts that were begun. */
  attempt_count: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The present status. */
  status: "FAILURE";
  /** The error of the last attempt; null if the task was erased meanwhile. */
  error: EventError | null;
}

/** A line that the task's code has logged. */
export interface TaskLogEntry {
  /** The attempt that logged it. */
  attempt: number;
  /** Number of the line within its attempt, from 1. */
  seq: number;
  /** When the code wrote the line. */
  at: string;
  /** Severity of the line. */
  level: "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";
  /** The text, for people. */
  message: string;
  /** What the code gave in addition to the message; null for nothing. */
  fields: { [name: string]: unknown } | null;
}

/** Lines of a task's log, oldest first. */
export interface TaskLogPage {
  /** The items of this page, in the order that the call describes. */
  items: TaskLogEntry[];
  /** Send it as `after` to read on, also where there are no further lines yet. Null once the task has ended and all its lines were read. */
  next_cursor: string | null;
}

/** A page of tasks, newest first unless `sort` says otherwise. */
export interface TaskPage {
  /** The items of this page, in the order that the call describes. */
  items: TaskSummary[];
  /** Send it as `cursor` to get the next page; null on the last page. */
  next_cursor: string | null;
}

/** The outcome of a task that has ended. */
export interface TaskResult {
  /** The task's id. */
  task_id: string;
  /** The present status. */
  status: Status;
  /** The value that the task returned; null unless the status is SUCCESS. */
  result: JsonValue;
  /** The error; null if there is none. */
  error: TaskError | null;
}

/** An attempt of a task has failed, and another one follows. Sent to endpoints only. */
export interface TaskRetrying {
  /** The kind of the event. */
  type: "task.retrying";
  /** When the attempt failed. */
  timestamp: string;
  /** What the event is about. */
  data: TaskRetryingData;
}

/** The task, with the error of the attempt that failed. */
export interface TaskRetryingData {
  /** The task's id. */
  task_id: string;
  /** The task type. */
  task: string;
  /** Attempts that were begun. */
  attempt_count: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The present status. */
  status: "RETRY";
  /** The error; null if there is none. */
  error: EventError | null;
}

/** A task was cancelled, or not started in time. */
export interface TaskRevoked {
  /** The kind of the event. */
  type: "task.revoked";
  /** When the task ended. */
  timestamp: string;
  /** What the event is about. */
  data: TaskRevokedData;
}

/** The task, with the reason where there is one. */
export interface TaskRevokedData {
  /** The task's id. */
  task_id: string;
  /** The task type. */
  task: string;
  /** Attempts that were begun. */
  attempt_count: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The present status. */
  status: "REVOKED";
  /** The error; null if there is none. */
  error: EventError | null;
}

/** A series of points, oldest first, one for each bucket. */
export interface TaskStats {
  /** The task type; null for all of them together. */
  task: string | null;
  /** One point for each bucket, oldest first. */
  points: StatsPoint[];
}

/** The current state of a task. */
export interface TaskStatus {
  /** The task's id. */
  task_id: string;
  /** Name of the task type. */
  task: string;
  /** The present status. */
  status: Status;
  /** Number of the latest attempt; 0 before the first one. */
  attempt: number;
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** The latest progress that the code has reported; null if it has reported none. */
  progress: Progress | null;
  /** Why it waits; null unless the status is PENDING or RETRY. */
  waiting_reason: WaitingReason | null;
  /** Whether a cancel was asked for. */
  cancel_requested: boolean;
  /** The error; null if there is none. */
  error: TaskError | null;
  /** When it was created. */
  created_at: string;
  /** Earliest start of the next attempt. */
  due_at: string;
  /** When it started; null before that. */
  started_at: string | null;
  /** When it ended; null before that. */
  finished_at: string | null;
  /** When you erased the task and its data; null if you did not. */
  erased_at: string | null;
}

/** A task has ended with a result. */
export interface TaskSucceeded {
  /** The kind of the event. */
  type: "task.succeeded";
  /** When the task ended. */
  timestamp: string;
  /** What the event is about. */
  data: TaskSucceededData;
}

/** The task, with what it returned. */
export interface TaskSucceededData {
  /** The task's id. */
  task_id: string;
  /** The task type. */
  task: string;
  /** Attempts that were begun. */
  attempt_count: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The present status. */
  status: "SUCCESS";
  /** What the task returned; null if it was left out. */
  result: JsonValue;
  /** Present if the result has more than 64 KiB of JSON: fetch it by the task's id. */
  result_omitted: true;
}

/** A task in a list. */
export interface TaskSummary {
  /** The task's id. */
  task_id: string;
  /** Name of the task type. */
  task: string;
  /** The present status. */
  status: Status;
  /** 0 to 9; 9 is the most urgent. */
  priority: number;
  /** The labels that the submit gave. */
  tags: string[];
  /** The texts that the submit gave, by key. */
  metadata: { [name: string]: string };
  /** Number of the attempt, from 1. */
  attempt: number;
  /** The latest progress that the code has reported; null if it has reported none. */
  progress: Progress | null;
  /** The error of the latest failure; null if none has failed. */
  error: TaskError | null;
  /** The error of which the latest failed attempt is an occurrence (`/api/errors`); null if none has failed, and for a second or two after it has. */
  error_id: string | null;
  /** When it was created. */
  created_at: string;
  /** Start of the first attempt; null before it. */
  started_at: string | null;
  /** When it ended; null before that. */
  finished_at: string | null;
  /** When you erased the task; null if you did not. */
  erased_at: string | null;
  /** From the start of the first attempt to the end of the task; null before its end. */
  duration_seconds: number | null;
}

/** A task type, with the JSON schemas of its payload and its result. */
export interface TaskTypeInfo {
  /** The name to submit. */
  name: string;
  /** One sentence about it. */
  summary: string;
  /** The workers that run it; `remote`: your own. */
  pool: "prefork" | "asyncio" | "http" | "remote";
  /** How many attempts may fail before the task ends with FAILURE. */
  max_attempts: number;
  /** Seconds for which one attempt may run. */
  time_limit: number;
  /** The JSON schema of the task's payload. */
  payload_schema: { [name: string]: unknown };
  /** The JSON schema of the task's result. */
  result_schema: { [name: string]: unknown };
}

/** Every task type that this service runs, then those of your own. */
export interface TaskTypeList {
  /** The items of this page, in the order that the call describes. */
  items: TaskTypeInfo[];
  /** Always null: this list has one page. */
  next_cursor?: null;
}

/** The usage of one task type. */
export interface TaskUsage {
  /** Name of the task type. */
  task: string;
  /** Accepted tasks. */
  tasks: number;
  /** Attempts whose code has ended. */
  attempts: number;
  /** Seconds that these attempts took. */
  worker_seconds: number;
}

/** One limit of the tenant. */
export interface TenantLimit {
  /** The limit's name. */
  name: string;
  /** Null means no limit. */
  limit: number | null;
  /** Where the limit comes from: the plan, or an override by the operator. */
  source: "plan" | "override";
  /** Current use. Null when nothing is counted. */
  used: number | null;
}

/** An access token (RFC 6749, 5.1). */
export interface TokenAnswer {
  /** The token. Send it as a credential; it is shown only here. */
  access_token: string;
  /** How to send the token (RFC 6750). */
  token_type: "Bearer";
  /** Lifetime in seconds. */
  expires_in: number;
  /** Separated by spaces. */
  scope: string;
}

/** The usage of the current day and month, and of each requested day. */
export interface UsageReport {
  /** Today, in UTC. */
  day: PeriodUsage;
  /** This month, in UTC. */
  month: PeriodUsage;
  /** The requested days, oldest first. */
  items: DayUsage[];
  /** Always null: this list has one page. */
  next_cursor?: null;
}

/** The credential that this call was made with. */
export interface UsedCredential {
  /** A token was made from an API key, or by a member's login. */
  kind: "api_key" | "token";
  /** The id of the API key, or of the member; a token has that of what it was made from. */
  id: string;
  /** The name of the API key, or the member's e-mail address. */
  name: string;
  /** The end of its validity. Null for a key that does not expire. */
  expires_at: string | null;
  /** The role of the member. Null for an API key, which has scopes of its own. */
  role: "owner" | "developer" | "viewer" | null;
}

/** The waits before the attempts started, in two parts. */
export interface WaitTimes {
  /** The part in which your running tasks stood at your limit `running`. */
  limit: Percentiles;
  /** The rest: what you waited for us, or while your queue was paused. */
  platform: Percentiles;
}

/** The reason why a waiting task does not run yet. */
export type WaitingReason = "SCHEDULED" | "RETRY_BACKOFF" | "TENANT_CONCURRENCY" | "QUEUE_PAUSED" | "SUSPENDED" | "DEPENDENCIES" | "NO_WORKER" | "QUEUED";

/** The error of a failed attempt. */
export interface WorkerError {
  /** The kind of the event. */
  type: string;
  /** The text, for people. */
  message: string;
}

/** The filters of list_audit_events. */
export interface AuditFilter {
  /** One action: `key.revoked`. */
  action?: string | undefined;
  /** A key's id, an e-mail, or `operator`. */
  actor?: string | undefined;
  /** Created at this time or later, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  created_from?: Date | string | undefined;
  /** Created before this time, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  created_to?: Date | string | undefined;
}

/** The filters of list_deliveries. */
export interface DeliveryFilter {
  /** Only deliveries to this endpoint. */
  endpoint?: string | undefined;
  /** One status, or several with commas: `FAILED,SKIPPED`. */
  status?: "PENDING" | "DELIVERED" | "FAILED" | "SKIPPED" | readonly ("PENDING" | "DELIVERED" | "FAILED" | "SKIPPED")[] | undefined;
  /** Only deliveries of events of this type. */
  type?: EventType | undefined;
  /** Only deliveries of this task's events. */
  task_id?: string | undefined;
  /** Only deliveries of events since this time. */
  since?: Date | string | undefined;
}

/** The filters of list_errors. */
export interface ErrorFilter {
  /** One status, or several with commas: `unresolved,ignored`. */
  status?: "unresolved" | "resolved" | "ignored" | readonly ("unresolved" | "resolved" | "ignored")[] | undefined;
  /** Only of this task type. */
  task?: string | undefined;
}

/** The filters of list_events. */
export interface EventFilter {
  /** Only events of this type. */
  type?: EventType | undefined;
  /** Only events of this task type. */
  task?: string | undefined;
  /** Only events of tasks with this tag. */
  tag?: string | undefined;
}

/** The filters of list_tasks. */
export interface TaskFilter {
  /** One status, or several with commas: `FAILURE,REVOKED`. */
  status?: "PENDING" | "STARTED" | "RETRY" | "SUCCESS" | "FAILURE" | "REVOKED" | readonly ("PENDING" | "STARTED" | "RETRY" | "SUCCESS" | "FAILURE" | "REVOKED")[] | undefined;
  /** Only of this task type. */
  task?: string | undefined;
  /** Only tasks with this tag. */
  tag?: string | undefined;
  /** A key of the metadata with its value: `order:4711`. */
  metadata?: string | undefined;
  /** Tasks whose latest failed attempt is an occurrence of this error (`/api/errors`). */
  error_id?: string | undefined;
  /** Created at this time or later, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  created_from?: Date | string | undefined;
  /** Created before this time, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  created_to?: Date | string | undefined;
  /** Ended at this time or later, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  finished_from?: Date | string | undefined;
  /** Ended before this time, for example `2027-01-31T09:00:00Z`. Write + as `%2B`. */
  finished_to?: Date | string | undefined;
  /** `-created_at`: newest first; `created_at`: oldest first. */
  sort?: "-created_at" | "created_at" | undefined;
}

/** The filters of get_delivery_metrics. */
export interface MetricFilter {
  /** Default: an hour (minutes), a day (hours) or 30 days (days) before `to`. */
  from?: Date | string | undefined;
  /** Default: now. */
  to?: Date | string | undefined;
  /** Minutes are kept for 48 hours, hours for 35 days, days for 400 days. All begin in UTC. */
  bucket?: "minute" | "hour" | "day" | undefined;
  /** One series for each endpoint, type of event, or class of answers. Default: one for all. */
  by?: "endpoint" | "type" | "status" | undefined;
}

/** The filters of get_stats. */
export interface StatsFilter {
  /** Default: an hour (minutes), a day (hours) or 30 days (days) before `to`. */
  from?: Date | string | undefined;
  /** Default, and the latest: now. */
  to?: Date | string | undefined;
  /** Minutes are kept for 48 hours, hours for 35 days, days for 400 days. All begin in UTC. */
  bucket?: Bucket | undefined;
  /** `task` gives a series for each task type. */
  by?: "task" | undefined;
  /** Only this task type. */
  task?: string | undefined;
}

/** The filters of get_usage. */
export interface UsageFilter {
  /** Default: the first of this month (UTC). */
  from?: string | undefined;
  /** The last day of the items. Default: today. */
  to?: string | undefined;
}

/** What a webhook tells. */
export type WebhookEvent = TaskSucceeded | TaskFailed | TaskRevoked | TaskRetrying | EndpointFailing | EndpointDisabled | QuotaReached | KeyExpiring | ScheduleSkipped;
