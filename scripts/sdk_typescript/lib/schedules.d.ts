/** Schedules: `client.schedules`. */
import { type CallOptions, type ListOptions } from "./calls.js";
import { TaskHandle } from "./handles.js";
import type { Backfill, BackfillRequest, PauseRequest, Preview, PreviewRequest, Schedule, ScheduleDetail, ScheduleRequest, ScheduleValues } from "./models.js";
import type { Tasks } from "./tasks.js";
import type { Transport } from "./transport.js";
/** Tasks that the service submits by itself: `client.schedules`. */
export declare class Schedules {
    #private;
    /** Made by the client. */
    constructor(transport: Transport, tasks: Tasks);
    /** Iterate over the schedules, newest first. Payloads are left out. */
    list(options?: ListOptions): AsyncIterableIterator<Schedule>;
    /** Create a schedule. Send `cron` or `every_seconds`, and the task. */
    create(request: ScheduleRequest & CallOptions): Promise<Schedule>;
    /** Create the schedule with this name, or replace its values: the same call again changes nothing. */
    put(name: string, values: ScheduleValues & CallOptions): Promise<Schedule>;
    /** Return a schedule with its payload, its next fires, and what became of the latest ones. */
    get(scheduleId: string, options?: CallOptions): Promise<ScheduleDetail>;
    /** Delete a schedule. Tasks that it has made go on. */
    delete(scheduleId: string, options?: CallOptions): Promise<void>;
    /** Pause a schedule; `note` says why. */
    pause(scheduleId: string, request?: PauseRequest & CallOptions): Promise<Schedule>;
    /** Let a paused schedule fire again, from now on. */
    resume(scheduleId: string, options?: CallOptions): Promise<Schedule>;
    /** Submit a task of a schedule now, also while it is paused; return a handle on the task. */
    trigger(scheduleId: string, options?: CallOptions): Promise<TaskHandle<unknown>>;
    /**
     * Submit a task for each past time of a schedule that made none, in the background; with `dry_run` only show these
     * times. `operation_id` of the answer names the operation (`client.operations`).
     */
    backfill(scheduleId: string, request: BackfillRequest & CallOptions): Promise<Backfill>;
    /** Return the next times of a schedule, without storing anything. */
    preview(times: PreviewRequest & CallOptions): Promise<Preview>;
}
