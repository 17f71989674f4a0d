/** Everything about tasks: `client.tasks`. */
import { identifier, keyed, sent } from "./calls.js";
import { ConflictError, TaskFailedError, TaskRevokedError } from "./errors.js";
import { OperationHandle, TaskHandle, WAIT } from "./handles.js";
import { pages } from "./paging.js";
import { sleep, Wait } from "./patience.js";
import { EventStream } from "./streams.js";
const ENDS = new Set(["task.succeeded", "task.failed", "task.revoked"]);
/** The tasks of the tenant. */
export class Tasks {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    async submit(task, payload, options = {}) {
        const body = { ...sent(options), task, ...(payload === undefined ? {} : { payload }) };
        const headers = keyed(options.idempotencyKey, options.traceparent);
        const call = { operation: "submit_task", body, headers, signal: options.signal };
        return new TaskHandle(this, (await this.#transport.call(call)).task_id);
    }
    /**
     * Submit up to 1,000 tasks in one request; return a handle or a refusal for each, in their order.
     *
     * A task that is refused does not affect the others: `error` of a `RefusedTask` says why.
     */
    async submitMany(tasks, options = {}) {
        const headers = keyed(options.idempotencyKey, options.traceparent);
        const body = { tasks: [...tasks] };
        const call = { operation: "submit_tasks", body, headers, signal: options.signal };
        const answer = await this.#transport.call(call);
        return answer.outcomes.map((outcome) => ("task_id" in outcome ? new TaskHandle(this, outcome.task_id) : outcome));
    }
    /** Return a handle on a task whose id you have kept. It makes no request. */
    handle(taskId) {
        return new TaskHandle(this, identifier(taskId));
    }
    /** Return everything about a task: options, payload, attempts; with `includeResult` also its result. */
    async get(taskId, options = {}) {
        const query = options.includeResult ? { include: "result" } : {};
        return this.#transport.call({ ...of("get_task", taskId, options), query });
    }
    /** Return where a task stands. */
    async status(taskId, options = {}) {
        return this.#transport.call(of("get_task_status", taskId, options));
    }
    /**
     * Return the result of a task that has ended, or that ends within `timeoutSeconds`.
     *
     * Throws `TaskFailedError` if it failed, `TaskRevokedError` if it was cancelled or expired, and `WaitTimeoutError` if
     * it has not ended.
     */
    async result(taskId, options = {}) {
        const outcome = await this.#outcome(taskId, options.timeoutSeconds ?? 0, options.signal);
        if (outcome.status === "SUCCESS") {
            return outcome.result;
        }
        const kind = outcome.status === "REVOKED" ? TaskRevokedError : TaskFailedError;
        throw new kind(outcome.task_id, outcome.error, outcome.status);
    }
    /**
     * Wait for the end of a task, and return its result; the same as `result`, with more time.
     *
     * The wait survives restarts of the service and cut connections.
     */
    wait(taskId, options = {}) {
        return this.result(taskId, { ...options, timeoutSeconds: options.timeoutSeconds ?? WAIT });
    }
    async #outcome(taskId, seconds, signal) {
        const wait = new Wait(`task ${taskId}`, seconds, this.#transport.timeoutSeconds);
        for (;;) {
            const call = { ...of("get_task_result", taskId, { signal }), query: { wait: wait.ofOneCall() } };
            // The pauses between attempts fit into the time of the wait; a wait of no time has those of any call.
            const answer = await this.#transport.call(call, wait.left() || undefined);
            if ("result" in answer) {
                return answer;
            }
            wait.check(answer.status);
            await sleep(Math.min(0.1, wait.left()), signal);
        }
    }
    /**
     * End a task: a waiting one at once, a running one within 5 seconds.
     *
     * Throws `ConflictError` if it has ended already, unless it was cancelled.
     */
    async cancel(taskId, options = {}) {
        try {
            return await this.#transport.call(of("cancel_task", taskId, options));
        }
        catch (error) {
            // The answer to the first attempt may have been lost with its connection.
            const found = error instanceof ConflictError ? await this.status(taskId, options) : null;
            if (found?.status !== "REVOKED") {
                throw error;
            }
            return { task_id: found.task_id, status: found.status, cancel_requested: true };
        }
    }
    /** Run an ended task again: a new task with the same payload and options, and its own id. */
    async retry(taskId, options = {}) {
        const headers = keyed(options.idempotencyKey, options.traceparent);
        const accepted = await this.#transport.call({ ...of("retry_task", taskId, options), headers });
        return new TaskHandle(this, accepted.task_id);
    }
    /** Change `priority`, `scheduled_at` or `tags` of a task while it waits. */
    async change(taskId, changes) {
        return this.#transport.call({ ...of("change_task", taskId, changes), body: sent(changes) });
    }
    /** Erase an ended task: payload, result, error, progress, tags and log are gone for good. */
    async erase(taskId, options = {}) {
        return this.#transport.call(of("erase_task", taskId, options));
    }
    /** Iterate over all tasks that meet every filter, newest first; the pages are fetched as you go. */
    list(options = {}) {
        const query = { ...sent(options), limit: options.pageSize ?? 100 };
        return pages(this.#transport, { operation: "list_tasks", query, signal: options.signal });
    }
    /** Iterate over the lines that a task's code has logged up to now. */
    logs(taskId, options = {}) {
        const call = { ...of("get_task_logs", taskId, options), query: { after: options.after } };
        return pages(this.#transport, call, "after", true);
    }
    /** Iterate over the lines of a task's log, also those to come, up to its end. */
    async *followLogs(taskId, options = {}) {
        for await (const event of this.events(taskId, options)) {
            if (event.type === "task.log") {
                const { attempt, seq, level, message, fields } = event.data;
                yield { attempt, seq, at: event.created_at ?? "", level, message, fields };
            }
        }
    }
    /** Iterate over what happens to a task, from its beginning to its end; a cut connection is resumed. */
    events(taskId, options = {}) {
        const call = of("list_task_events", taskId, options);
        return new EventStream(this.#transport, call, (event) => ENDS.has(event.type), options.after ?? null);
    }
    /** Return a token with which a page may read the status, the result and the events of this task alone. */
    async streamToken(taskId, options = {}) {
        return this.#transport.call(of("create_stream_token", taskId, options));
    }
    /** Cancel all tasks that meet every filter, in the background. `all: true` stands for no filter. */
    cancelMany(options) {
        return this.#begin("cancel_tasks", options);
    }
    /** Run all ended tasks that meet every filter again, in the background. */
    retryMany(options) {
        return this.#begin("retry_tasks", options);
    }
    async #begin(operation, options) {
        const headers = keyed(options.idempotencyKey);
        const body = { filter: sent(options) };
        const call = { operation, body, headers, signal: options.signal };
        return new OperationHandle(this.#transport, (await this.#transport.call(call)).operation_id);
    }
}
function of(operation, taskId, options) {
    return { operation, path: { task_id: identifier(taskId) }, signal: options.signal };
}
