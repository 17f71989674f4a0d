/** Schedules: `client.schedules`. */
import { identifier, sent } from "./calls.js";
import { TaskHandle } from "./handles.js";
import { pages } from "./paging.js";
/** Tasks that the service submits by itself: `client.schedules`. */
export class Schedules {
    #transport;
    #tasks;
    /** Made by the client. */
    constructor(transport, tasks) {
        this.#transport = transport;
        this.#tasks = tasks;
    }
    /** Iterate over the schedules, newest first. Payloads are left out. */
    list(options = {}) {
        const query = { limit: options.pageSize ?? 100 };
        const call = { operation: "list_schedules", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Create a schedule. Send `cron` or `every_seconds`, and the task. */
    create(request) {
        const body = sent(request);
        return this.#transport.call({ operation: "create_schedule", body, signal: request.signal });
    }
    /** Create the schedule with this name, or replace its values: the same call again changes nothing. */
    put(name, values) {
        const body = sent(values);
        return this.#transport.call({ operation: "put_schedule", path: { name }, body, signal: values.signal });
    }
    /** Return a schedule with its payload, its next fires, and what became of the latest ones. */
    async get(scheduleId, options = {}) {
        return this.#transport.call(at("get_schedule", scheduleId, options));
    }
    /** Delete a schedule. Tasks that it has made go on. */
    async delete(scheduleId, options = {}) {
        await this.#transport.call(at("delete_schedule", scheduleId, options));
    }
    /** Pause a schedule; `note` says why. */
    async pause(scheduleId, request = {}) {
        const call = at("pause_schedule", scheduleId, request);
        return this.#transport.call({ ...call, body: sent(request) });
    }
    /** Let a paused schedule fire again, from now on. */
    async resume(scheduleId, options = {}) {
        return this.#transport.call(at("resume_schedule", scheduleId, options));
    }
    /** Submit a task of a schedule now, also while it is paused; return a handle on the task. */
    async trigger(scheduleId, options = {}) {
        const made = await this.#transport.call(at("trigger_schedule", scheduleId, options));
        return new TaskHandle(this.#tasks, made.task_id);
    }
    /**
     * Submit a task for each past time of a schedule that made none, in the background; with `dry_run` only show these
     * times. `operation_id` of the answer names the operation (`client.operations`).
     */
    async backfill(scheduleId, request) {
        return this.#transport.call({ ...at("backfill_schedule", scheduleId, request), body: sent(request) });
    }
    /** Return the next times of a schedule, without storing anything. */
    preview(times) {
        const body = sent(times);
        return this.#transport.call({ operation: "preview_schedule", body, signal: times.signal });
    }
}
function at(operation, scheduleId, options) {
    return { operation, path: { schedule_id: identifier(scheduleId) }, signal: options.signal };
}
