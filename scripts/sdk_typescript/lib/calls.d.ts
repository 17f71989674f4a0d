/** A call as data: what to send, and whether it may be sent again. */
import { type OperationId } from "./operations.js";
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
export declare function isRepeatable(call: Call<unknown>): boolean;
/** Return the method and the URL of a call below a base URL. */
export declare function addressOf(call: Call<unknown>, baseUrl: string): [method: string, url: URL];
/** Return an id as it stands in a path; throws `TypeError` for a text that is none. */
export declare function identifier(value: string): string;
/** Return the name of an operation; throws `ConfigurationError` for one that the API document does not have. */
export declare function known(operation: string): OperationId;
/** Return the headers of a call that makes something: with a key, a call that is sent again makes it once. */
export declare function keyed(idempotencyKey?: string, traceparent?: string): Record<string, string>;
type Own = "idempotencyKey" | "traceparent" | "signal" | "pageSize";
/** Return what of some options is sent to the API: all but what is meant for the client. */
export declare function sent<T extends object>(options: T | undefined): Omit<T, Own>;
export {};
