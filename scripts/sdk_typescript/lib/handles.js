/** What a submit and a bulk call return: a handle on what they have begun. */
import { identifier } from "./calls.js";
import { OperationFailedError } from "./errors.js";
import { LONGEST_PAUSE, sleep, Wait } from "./patience.js";
/** Seconds for which a wait lasts unless it says otherwise. */
export const WAIT = 300;
/** A task that was accepted. `R` is the type of its result. */
export class TaskHandle {
    taskId;
    #tasks;
    /** Made by `client.tasks`. */
    constructor(tasks, taskId) {
        this.taskId = taskId;
        this.#tasks = tasks;
    }
    /** Wait for the end, and return the result; see `client.tasks.wait`. */
    wait(options = {}) {
        return this.#tasks.wait(this.taskId, options);
    }
    /** Return the result if the task has ended, or ends within `timeoutSeconds`; see `client.tasks.result`. */
    result(options = {}) {
        return this.#tasks.result(this.taskId, options);
    }
    /** Return where the task stands. */
    status(options = {}) {
        return this.#tasks.status(this.taskId, options);
    }
    /** Return everything about the task. */
    get(options = {}) {
        return this.#tasks.get(this.taskId, options);
    }
    /** End the task; see `client.tasks.cancel`. */
    cancel(options = {}) {
        return this.#tasks.cancel(this.taskId, options);
    }
    /** Run the ended task again, as a new one. */
    async retry(options = {}) {
        const again = await this.#tasks.retry(this.taskId, options);
        return new TaskHandle(this.#tasks, again.taskId);
    }
    /** Change the options of the task while it waits. */
    change(changes) {
        return this.#tasks.change(this.taskId, changes);
    }
    /** Erase the ended task: payload, result, error and log are gone for good. */
    erase(options = {}) {
        return this.#tasks.erase(this.taskId, options);
    }
    /** Iterate over the lines that the task's code has logged up to now. */
    logs(options = {}) {
        return this.#tasks.logs(this.taskId, options);
    }
    /** Iterate over the lines of the log, also those to come, up to the end of the task. */
    followLogs(options = {}) {
        return this.#tasks.followLogs(this.taskId, options);
    }
    /** Iterate over what happens to the task, from its beginning to its end. */
    events(options = {}) {
        return this.#tasks.events(this.taskId, options);
    }
}
/** An operation that runs in the background. */
export class OperationHandle {
    operationId;
    #transport;
    /** Made by `client.operations` and by the calls that begin one. */
    constructor(transport, operationId) {
        this.operationId = operationId;
        this.#transport = transport;
    }
    /** Return the operation with its counts and its progress. */
    get(options = {}) {
        return this.#transport.call(this.#call("get_operation", options));
    }
    /** Ask the operation to end. What it has done stays done. */
    cancel(options = {}) {
        return this.#transport.call(this.#call("cancel_operation", options));
    }
    /**
     * Return the operation when it has ended: SUCCEEDED or CANCELLED.
     *
     * Throws `OperationFailedError` when it failed, and `WaitTimeoutError` after `timeoutSeconds`.
     */
    async wait(options = {}) {
        const seconds = options.timeoutSeconds ?? WAIT;
        const wait = new Wait(`operation ${this.operationId}`, seconds, this.#transport.timeoutSeconds);
        for (let pause = 0.1;; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
            const found = await this.#transport.call(this.#call("get_operation", options), wait.left() || undefined);
            if (found.status === "FAILED") {
                throw new OperationFailedError(found);
            }
            if (found.status === "SUCCEEDED" || found.status === "CANCELLED") {
                return found;
            }
            wait.check(found.status);
            await sleep(Math.min(pause, wait.left()), options.signal);
        }
    }
    #call(operation, options) {
        return { operation, path: { operation_id: identifier(this.operationId) }, signal: options.signal };
    }
}
