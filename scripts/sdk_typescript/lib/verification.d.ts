/** Receiving webhooks (Standard Webhooks 1.0.0), by the Web Crypto of Node and of browsers and edge runtimes. */
import { type Integers } from "./json.js";
import type { WebhookEvent } from "./models.js";
/** The request is not a webhook of the service, is too old, or cannot be read: answer 400 and do nothing. */
export declare class WebhookVerificationError extends Error {
    constructor(message: string);
}
/** An event, with the id by which you recognise it: the same on every attempt of one event. */
export type ReceivedEvent = WebhookEvent & {
    readonly id: string;
};
/** The headers of a request: `Headers`, or an object as Node and Express have it. */
export type HeadersLike = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
/** What verifying takes. */
export interface VerifyOptions {
    /** A Unix time; default: the clock's. */
    readonly now?: number | undefined;
    /** What stands for an integer beyond 2^53: `"bigint"` unless you say otherwise. */
    readonly integers?: Integers | undefined;
}
/** Remembers the ids of events; in Redis, `SET id 1 NX EX seconds` and `DEL id`. */
export interface ReplayStore {
    /** Keep an id for so long, in one atomic step; tell whether it was new. */
    remember(webhookId: string, seconds: number): boolean | Promise<boolean>;
    /** Let an id be new again. */
    forget(webhookId: string): void | Promise<void>;
}
/** Ids in the memory of one process: for trying, and for receivers of one process. */
export declare class MemoryReplayStore implements ReplayStore {
    #private;
    remember(webhookId: string, seconds: number): boolean;
    forget(webhookId: string): void;
}
/**
 * Return the event of a request whose signature is valid.
 *
 * `body` is the request's as it came, not parsed and written again. Throws `WebhookVerificationError` for everything
 * else. The same event may come more than once: see `receiveWebhook`.
 */
export declare function verifyWebhook(body: string | Uint8Array | ArrayBuffer, headers: HeadersLike, secret: string, options?: VerifyOptions): Promise<ReceivedEvent>;
/**
 * Handle an event once; return false for one that was received before, which is to be answered with 2xx all the same.
 *
 * An error of `handle` lets the event be new again: answer 5xx, and it is delivered once more. A receiver that must not
 * lose an event to its own crash stores the id and what it does in one transaction, and needs only `verifyWebhook`.
 */
export declare function receiveWebhook(body: string | Uint8Array | ArrayBuffer, headers: HeadersLike, secret: string, store: ReplayStore, handle: (event: ReceivedEvent) => void | Promise<void>): Promise<boolean>;
