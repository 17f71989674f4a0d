/** A call as data: what to send, and whether it may be sent again. */

import { ConfigurationError } from "./errors.js";
import { randomHex } from "./json.js";
import { OPERATIONS, type OperationId } from "./operations.js";

// These can be sent twice and have the effect of once. Others that make something carry an Idempotency-Key.
const REPEATABLE: ReadonlySet<OperationId> = new Set<OperationId>([
  "cancel_operation",
  "cancel_task",
  "change_task",
  "erase_task",
  "ignore_error",
  "pause_queue",
  "reopen_error",
  "resolve_error",
  "resume_queue",
]);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A call of one operation of the API document. `T` is the type of its answer. */
export interface Call<T> {
  readonly operation: OperationId;
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Never set: it carries the type. */
  readonly answer?: T;
}

/** What every call takes. */
export interface CallOptions {
  /** Ends the call: it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a call that makes something takes. */
export interface KeyedOptions extends CallOptions {
  /** The same key within 24 hours is the same act. Default: a key of its own for each call. */
  readonly idempotencyKey?: string | undefined;
}

/** What a list takes. */
export interface ListOptions extends CallOptions {
  /** How many items one request fetches; 100 unless you say otherwise. */
  readonly pageSize?: number | undefined;
}

/** Return whether a call may be sent again when it is not known if the first one arrived. */
export function isRepeatable(call: Call<unknown>): boolean {
  const [method] = OPERATIONS[call.operation];
  return method === "GET" || REPEATABLE.has(call.operation) || call.headers?.["Idempotency-Key"] !== undefined;
}

/** Return the method and the URL of a call below a base URL. */
export function addressOf(call: Call<unknown>, baseUrl: string): [method: string, url: URL] {
  const [method, template] = OPERATIONS[call.operation];
  const path = template.replace(/\{(\w+)\}/g, (_match, name: string) => {
    const value = call.path?.[name];
    if (value === undefined) {
      throw new TypeError(`${call.operation} needs the path parameter ${name}`);
    }
    // So that no value can lead to another path; the two that URL would resolve are no segments at all.
    return /^\.{0,2}$/.test(value) ? "%00" : encodeURIComponent(value);
  });
  const url = new URL(baseUrl + path);
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined && value !== null) {
      url.searchParams.set(name, parameter(value));
    }
  }
  return [method, url];
}

function parameter(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map(parameter).join(",");
  }
  return value instanceof Date ? value.toISOString() : String(value);
}

/** Return an id as it stands in a path; throws `TypeError` for a text that is none. */
export function identifier(value: string): string {
  if (typeof value !== "string" || !UUID.test(value)) {
    throw new TypeError(`${JSON.stringify(value)} is not an id`);
  }
  return value;
}

/** Return the name of an operation; throws `ConfigurationError` for one that the API document does not have. */
export function known(operation: string): OperationId {
  if (!Object.hasOwn(OPERATIONS, operation)) {
    throw new ConfigurationError(`no operation ${JSON.stringify(operation)}: its name is an operationId of openapi.yaml`);
  }
  return operation as OperationId;
}

/** Return the headers of a call that makes something: with a key, a call that is sent again makes it once. */
export function keyed(idempotencyKey?: string, traceparent?: string): Record<string, string> {
  return { "Idempotency-Key": idempotencyKey ?? randomHex(), ...(traceparent ? { traceparent } : {}) };
}

type Own = "idempotencyKey" | "traceparent" | "signal" | "pageSize";
const OWN: ReadonlySet<string> = new Set<Own>(["idempotencyKey", "traceparent", "signal", "pageSize"]);

/** Return what of some options is sent to the API: all but what is meant for the client. */
export function sent<T extends object>(options: T | undefined): Omit<T, Own> {
  return Object.fromEntries(Object.entries(options ?? {}).filter(([name]) => !OWN.has(name))) as Omit<T, Own>;
}
