/** When to attempt a call again, and when to give up. */
import { type TaskQueueError } from "./errors.js";
/** Seconds of the longest pause between two attempts. */
export declare const LONGEST_PAUSE = 8;
/** Attempts of one call: up to a deadline, with growing random pauses, and as `Retry-After` says. */
export declare class Patience {
    #private;
    /** `seconds` is the time in which the last attempt begins. */
    constructor(seconds: number, isRepeatable?: boolean);
    /** Begin anew after a success: the next failure has the whole time. */
    succeeded(): void;
    /** Return the seconds to pause after a failure; throws it when there is no use in another attempt. */
    pauseAfter(failure: TaskQueueError): number;
}
/** Return whether the same call may succeed later, and may be sent again. */
export declare function mayPass(failure: TaskQueueError, isRepeatable: boolean): boolean;
/** Waiting for the end of a task or an operation, whatever happens to the connection meanwhile. */
export declare class Wait {
    #private;
    /** `answerSeconds` is the time that the client waits for an answer. */
    constructor(what: string, seconds: number, answerSeconds: number);
    /** Return the seconds up to the deadline. */
    left(): number;
    /** Return how many seconds the next call is to wait. */
    ofOneCall(): number;
    /** Throw `WaitTimeoutError` when the time is over. */
    check(status: string): void;
}
/** Wait for so many seconds; throws the signal's reason when it aborts. */
export declare function sleep(seconds: number, signal?: AbortSignal): Promise<void>;
