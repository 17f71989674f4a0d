/** Where the service is, and the key for it. */
import type { Integers } from "./json.js";
/** The options of a client. */
export interface TaskQueueOptions {
    /** The API key, or a token of `/api/auth/token`. Default in Node: `TASK_QUEUE_KEY`. */
    readonly apiKey?: string | undefined;
    /** Instead of a key: a token of `tasks.streamToken`, with which a page may read one task. */
    readonly streamToken?: string | undefined;
    /** Where the service is, for example `https://tasks.example`. Default in Node: `TASK_QUEUE_URL`. */
    readonly baseUrl?: string | undefined;
    /** Seconds that one answer may take; 40 unless you say otherwise. */
    readonly timeoutSeconds?: number | undefined;
    /** Seconds for which a failed call is attempted again; 60 unless you say otherwise, 0 for one attempt. */
    readonly retrySeconds?: number | undefined;
    /** What stands for an integer beyond 2^53: `"bigint"` unless you say otherwise, `"string"`, or a rounded `"number"`. */
    readonly integers?: Integers | undefined;
    /** A `fetch` of your own, for proxies, certificates and tests. */
    readonly fetch?: typeof globalThis.fetch | undefined;
}
/** The settings of a client. The key is in none of them: only `authorize` knows it. */
export interface Settings {
    readonly baseUrl: string;
    readonly timeoutSeconds: number;
    readonly retrySeconds: number;
    readonly integers: Integers;
    readonly fetch: typeof globalThis.fetch;
    /** Adds the credential to a request. */
    readonly authorize: (url: URL, headers: Headers) => void;
}
/** Return the settings from the options, or from the environment of Node where an option is missing. */
export declare function settings(options: TaskQueueOptions): Settings;
/** Return the name of this client; null in browsers, which send their own. */
export declare function userAgent(): string | null;
