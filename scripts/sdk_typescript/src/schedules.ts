/** Schedules: `client.schedules`. */

import { type Call, type CallOptions, identifier, type ListOptions, sent } from "./calls.js";
import { TaskHandle } from "./handles.js";
import type {
  Backfill,
  BackfillRequest,
  PauseRequest,
  Preview,
  PreviewRequest,
  Schedule,
  ScheduleDetail,
  SchedulePage,
  ScheduleRequest,
  ScheduleValues,
  SubmitResponse,
} from "./models.js";
import { pages } from "./paging.js";
import type { Tasks } from "./tasks.js";
import type { Transport } from "./transport.js";

/** Tasks that the service submits by itself: `client.schedules`. */
export class Schedules {
  readonly #transport: Transport;
  readonly #tasks: Tasks;

  /** Made by the client. */
  constructor(transport: Transport, tasks: Tasks) {
    this.#transport = transport;
    this.#tasks = tasks;
  }

  /** Iterate over the schedules, newest first. Payloads are left out. */
  list(options: ListOptions = {}): AsyncIterableIterator<Schedule> {
    const query = { limit: options.pageSize ?? 100 };
    const call: Call<SchedulePage> = { operation: "list_schedules", query, signal: options.signal };
    return pages<Schedule>(this.#transport, call);
  }

  /** Create a schedule. Send `cron` or `every_seconds`, and the task. */
  create(request: ScheduleRequest & CallOptions): Promise<Schedule> {
    const body = sent(request);
    return this.#transport.call<Schedule>({ operation: "create_schedule", body, signal: request.signal });
  }

  /** Create the schedule with this name, or replace its values: the same call again changes nothing. */
  put(name: string, values: ScheduleValues & CallOptions): Promise<Schedule> {
    const body = sent(values);
    return this.#transport.call<Schedule>({ operation: "put_schedule", path: { name }, body, signal: values.signal });
  }

  /** Return a schedule with its payload, its next fires, and what became of the latest ones. */
  async get(scheduleId: string, options: CallOptions = {}): Promise<ScheduleDetail> {
    return this.#transport.call<ScheduleDetail>(at("get_schedule", scheduleId, options));
  }

  /** Delete a schedule. Tasks that it has made go on. */
  async delete(scheduleId: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.call(at("delete_schedule", scheduleId, options));
  }

  /** Pause a schedule; `note` says why. */
  async pause(scheduleId: string, request: PauseRequest & CallOptions = {}): Promise<Schedule> {
    const call = at("pause_schedule", scheduleId, request);
    return this.#transport.call<Schedule>({ ...call, body: sent(request) });
  }

  /** Let a paused schedule fire again, from now on. */
  async resume(scheduleId: string, options: CallOptions = {}): Promise<Schedule> {
    return this.#transport.call<Schedule>(at("resume_schedule", scheduleId, options));
  }

  /** Submit a task of a schedule now, also while it is paused; return a handle on the task. */
  async trigger(scheduleId: string, options: CallOptions = {}): Promise<TaskHandle<unknown>> {
    const made = await this.#transport.call<SubmitResponse>(at("trigger_schedule", scheduleId, options));
    return new TaskHandle<unknown>(this.#tasks, made.task_id);
  }

  /**
   * Submit a task for each past time of a schedule that made none, in the background; with `dry_run` only show these
   * times. `operation_id` of the answer names the operation (`client.operations`).
   */
  async backfill(scheduleId: string, request: BackfillRequest & CallOptions): Promise<Backfill> {
    return this.#transport.call<Backfill>({ ...at("backfill_schedule", scheduleId, request), body: sent(request) });
  }

  /** Return the next times of a schedule, without storing anything. */
  preview(times: PreviewRequest & CallOptions): Promise<Preview> {
    const body = sent(times);
    return this.#transport.call<Preview>({ operation: "preview_schedule", body, signal: times.signal });
  }
}

function at<O extends Call<unknown>["operation"]>(operation: O, scheduleId: string, options: CallOptions) {
  return { operation, path: { schedule_id: identifier(scheduleId) }, signal: options.signal };
}
