/** Executes calls, and attempts them again while the service is away. */
import { type Call } from "./calls.js";
import { TaskQueueError } from "./errors.js";
import { type Settings } from "./settings.js";
/** The connections to one service. */
export declare class Transport {
    #private;
    constructor(settings: Settings);
    /** Seconds for which a call is attempted again. */
    get retrySeconds(): number;
    /** Seconds that one answer may take. */
    get timeoutSeconds(): number;
    /** Return the answer; attempt the call again for so many seconds (default: those of the client). */
    call<T>(call: Call<T>, seconds?: number): Promise<T>;
    /** Yield the bytes of a stream of events after a cursor; return why it ended, null if there is nothing more. */
    stream(call: Call<unknown>, cursor: string | null): AsyncGenerator<Uint8Array, TaskQueueError | null, undefined>;
    /** Return the value of a JSON text of the service. */
    parse(text: string): unknown;
}
