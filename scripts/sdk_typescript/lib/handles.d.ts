/** What a submit and a bulk call return: a handle on what they have begun. */
import { type CallOptions, type KeyedOptions } from "./calls.js";
import type { CancelResponse, ChangedTask, ChangeRequest, ErasedTask, OperationStatus, TaskDetail, TaskEventEntry, TaskLogEntry, TaskStatus } from "./models.js";
import type { EventStream } from "./streams.js";
import type { Tasks } from "./tasks.js";
import type { Transport } from "./transport.js";
/** What a wait takes. */
export interface WaitOptions extends CallOptions {
    /** Seconds for which it waits; 300 unless you say otherwise. */
    readonly timeoutSeconds?: number | undefined;
}
/** Seconds for which a wait lasts unless it says otherwise. */
export declare const WAIT = 300;
/** A task that was accepted. `R` is the type of its result. */
export declare class TaskHandle<R> {
    #private;
    readonly taskId: string;
    /** Made by `client.tasks`. */
    constructor(tasks: Tasks, taskId: string);
    /** Wait for the end, and return the result; see `client.tasks.wait`. */
    wait(options?: WaitOptions): Promise<R>;
    /** Return the result if the task has ended, or ends within `timeoutSeconds`; see `client.tasks.result`. */
    result(options?: WaitOptions): Promise<R>;
    /** Return where the task stands. */
    status(options?: CallOptions): Promise<TaskStatus>;
    /** Return everything about the task. */
    get(options?: CallOptions & {
        readonly includeResult?: boolean;
    }): Promise<TaskDetail>;
    /** End the task; see `client.tasks.cancel`. */
    cancel(options?: CallOptions): Promise<CancelResponse>;
    /** Run the ended task again, as a new one. */
    retry(options?: KeyedOptions): Promise<TaskHandle<R>>;
    /** Change the options of the task while it waits. */
    change(changes: ChangeRequest & CallOptions): Promise<ChangedTask>;
    /** Erase the ended task: payload, result, error and log are gone for good. */
    erase(options?: CallOptions): Promise<ErasedTask>;
    /** Iterate over the lines that the task's code has logged up to now. */
    logs(options?: CallOptions): AsyncIterableIterator<TaskLogEntry>;
    /** Iterate over the lines of the log, also those to come, up to the end of the task. */
    followLogs(options?: CallOptions): AsyncIterableIterator<TaskLogEntry>;
    /** Iterate over what happens to the task, from its beginning to its end. */
    events(options?: CallOptions & {
        readonly after?: string;
    }): EventStream<TaskEventEntry>;
}
/** An operation that runs in the background. */
export declare class OperationHandle {
    #private;
    readonly operationId: string;
    /** Made by `client.operations` and by the calls that begin one. */
    constructor(transport: Transport, operationId: string);
    /** Return the operation with its counts and its progress. */
    get(options?: CallOptions): Promise<OperationStatus>;
    /** Ask the operation to end. What it has done stays done. */
    cancel(options?: CallOptions): Promise<OperationStatus>;
    /**
     * Return the operation when it has ended: SUCCEEDED or CANCELLED.
     *
     * Throws `OperationFailedError` when it failed, and `WaitTimeoutError` after `timeoutSeconds`.
     */
    wait(options?: WaitOptions): Promise<OperationStatus>;
}
