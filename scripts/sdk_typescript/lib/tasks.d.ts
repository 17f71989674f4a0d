/** Everything about tasks: `client.tasks`. */
import { type CallOptions, type KeyedOptions, type ListOptions } from "./calls.js";
import { OperationHandle, TaskHandle, type WaitOptions } from "./handles.js";
import type { CancelFilter, CancelResponse, ChangedTask, ChangeRequest, ErasedTask, RefusedTask, RetryFilter, StreamToken, TaskDetail, TaskEventEntry, TaskFilter, TaskLogEntry, TaskStatus, TaskSummary } from "./models.js";
import { EventStream } from "./streams.js";
import type { KnownTask, NewTask, PayloadOf, ResultOf, TaskName, TaskOptions, TaskTypes } from "./task_types.js";
import type { Transport } from "./transport.js";
/** The options of a submit. Names with underscores are those of HTTP; the others are the client's own. */
export interface SubmitOptions extends TaskOptions, KeyedOptions {
    /** The W3C trace context to store with the task. */
    readonly traceparent?: string | undefined;
}
/** A payload and options; the payload may be left out where the task type needs none. */
export type SubmitArguments<N extends KnownTask> = TaskTypes[N]["isOptional"] extends true ? [payload?: PayloadOf<N>, options?: SubmitOptions] : [payload: PayloadOf<N>, options?: SubmitOptions];
/** The tasks of the tenant. */
export declare class Tasks {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /**
     * Submit a task, and return a handle on it: it is stored and will finish.
     *
     * The call has an idempotency key (your own, or one that is made for it), so it makes one task also where the
     * connection is cut and the client sends it again.
     */
    submit<N extends KnownTask>(task: N, ...given: SubmitArguments<N>): Promise<TaskHandle<ResultOf<N>>>;
    submit(task: TaskName, payload?: unknown, options?: SubmitOptions): Promise<TaskHandle<unknown>>;
    /**
     * Submit up to 1,000 tasks in one request; return a handle or a refusal for each, in their order.
     *
     * A task that is refused does not affect the others: `error` of a `RefusedTask` says why.
     */
    submitMany(tasks: Iterable<NewTask>, options?: KeyedOptions & {
        readonly traceparent?: string | undefined;
    }): Promise<(TaskHandle<unknown> | RefusedTask)[]>;
    /** Return a handle on a task whose id you have kept. It makes no request. */
    handle<R = unknown>(taskId: string): TaskHandle<R>;
    /** Return everything about a task: options, payload, attempts; with `includeResult` also its result. */
    get(taskId: string, options?: CallOptions & {
        readonly includeResult?: boolean;
    }): Promise<TaskDetail>;
    /** Return where a task stands. */
    status(taskId: string, options?: CallOptions): Promise<TaskStatus>;
    /**
     * Return the result of a task that has ended, or that ends within `timeoutSeconds`.
     *
     * Throws `TaskFailedError` if it failed, `TaskRevokedError` if it was cancelled or expired, and `WaitTimeoutError` if
     * it has not ended.
     */
    result<R = unknown>(taskId: string, options?: WaitOptions): Promise<R>;
    /**
     * Wait for the end of a task, and return its result; the same as `result`, with more time.
     *
     * The wait survives restarts of the service and cut connections.
     */
    wait<R = unknown>(taskId: string, options?: WaitOptions): Promise<R>;
    /**
     * End a task: a waiting one at once, a running one within 5 seconds.
     *
     * Throws `ConflictError` if it has ended already, unless it was cancelled.
     */
    cancel(taskId: string, options?: CallOptions): Promise<CancelResponse>;
    /** Run an ended task again: a new task with the same payload and options, and its own id. */
    retry(taskId: string, options?: KeyedOptions & {
        readonly traceparent?: string | undefined;
    }): Promise<TaskHandle<unknown>>;
    /** Change `priority`, `scheduled_at` or `tags` of a task while it waits. */
    change(taskId: string, changes: ChangeRequest & CallOptions): Promise<ChangedTask>;
    /** Erase an ended task: payload, result, error, progress, tags and log are gone for good. */
    erase(taskId: string, options?: CallOptions): Promise<ErasedTask>;
    /** Iterate over all tasks that meet every filter, newest first; the pages are fetched as you go. */
    list(options?: TaskFilter & ListOptions): AsyncIterableIterator<TaskSummary>;
    /** Iterate over the lines that a task's code has logged up to now. */
    logs(taskId: string, options?: CallOptions & {
        readonly after?: string;
    }): AsyncIterableIterator<TaskLogEntry>;
    /** Iterate over the lines of a task's log, also those to come, up to its end. */
    followLogs(taskId: string, options?: CallOptions): AsyncGenerator<TaskLogEntry, void, undefined>;
    /** Iterate over what happens to a task, from its beginning to its end; a cut connection is resumed. */
    events(taskId: string, options?: CallOptions & {
        readonly after?: string;
    }): EventStream<TaskEventEntry>;
    /** Return a token with which a page may read the status, the result and the events of this task alone. */
    streamToken(taskId: string, options?: CallOptions): Promise<StreamToken>;
    /** Cancel all tasks that meet every filter, in the background. `all: true` stands for no filter. */
    cancelMany(options: CancelFilter & KeyedOptions): Promise<OperationHandle>;
    /** Run all ended tasks that meet every filter again, in the background. */
    retryMany(options: RetryFilter & KeyedOptions): Promise<OperationHandle>;
}
