/** Which error an answer of the API is. */
import { APIError, type TaskQueueError } from "./errors.js";
import type { ProblemBody } from "./models.js";
type Kind = new (body: ProblemBody, retryAfter: number | null) => APIError;
/** The error of each code of the API. */
export declare const BY_CODE: Readonly<Record<string, Kind>>;
/** What an answer says, after it was read. */
export interface Answer {
    readonly status: number;
    readonly headers: Headers;
    readonly text: string;
}
/** Return what is wrong with an answer; null if the call succeeded. */
export declare function refusal(answer: Answer): TaskQueueError | null;
/** Return the seconds of `Retry-After`; null if there are none. */
export declare function secondsOf(headers: Headers): number | null;
export {};
