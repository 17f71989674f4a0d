/** The client. */
import { Errors, Keys, Members, Operations, Queue } from "./account.js";
import { type CallOptions, type KeyedOptions, type ListOptions } from "./calls.js";
import type { AuditEntry, AuditFilter, Event, EventFilter, LimitList, Me, Stats, StatsFilter, TaskTypeInfo, UsageFilter, UsageReport } from "./models.js";
import { Schedules } from "./schedules.js";
import { type TaskQueueOptions } from "./settings.js";
import { EventStream } from "./streams.js";
import { Tasks } from "./tasks.js";
import { Webhooks } from "./webhooks.js";
/** What `client.request` takes. */
export interface RequestOptions extends KeyedOptions {
    readonly path?: Readonly<Record<string, string>>;
    readonly query?: Readonly<Record<string, unknown>>;
    readonly body?: unknown;
}
/**
 * A client of one service. It is in no need to be closed, and one serves a whole program.
 *
 * Each method throws a `TaskQueueError`, but for `TypeError` of arguments that no call can have, and for the reason of a
 * `signal` that you abort.
 */
export declare class TaskQueue {
    #private;
    /** Where the service is. */
    readonly baseUrl: string;
    readonly tasks: Tasks;
    readonly schedules: Schedules;
    readonly operations: Operations;
    readonly errors: Errors;
    readonly queue: Queue;
    readonly webhooks: Webhooks;
    readonly keys: Keys;
    readonly members: Members;
    constructor(options?: TaskQueueOptions);
    /**
     * Iterate over the events of all tasks as they happen; it does not end, and a cut connection is resumed.
     *
     * It begins now, or after the cursor of an earlier stream.
     */
    events(options?: EventFilter & CallOptions & {
        readonly after?: string | undefined;
    }): EventStream<Event>;
    /** Iterate over the events that are kept, from the oldest or after a cursor, up to now. */
    pastEvents(options?: EventFilter & CallOptions & {
        readonly after?: string | undefined;
    }): AsyncIterableIterator<Event>;
    /** Return the tenant and the credential of this client, with its scopes and the tenant's limits. */
    me(options?: CallOptions): Promise<Me>;
    /** Return all limits of the tenant, with what is used of each. */
    limits(options?: CallOptions): Promise<LimitList>;
    /** Return the usage of this day and month, and of each day in between `from` and `to` (UTC). */
    usage(options?: UsageFilter & CallOptions): Promise<UsageReport>;
    /** Return how many tasks were submitted and ended, how long they waited and ran: a point for each bucket. */
    stats(options?: StatsFilter & CallOptions): Promise<Stats>;
    /** Return the task types that the service has, with the schemas of their payloads and results. */
    taskTypes(options?: CallOptions): Promise<readonly TaskTypeInfo[]>;
    /** Iterate over the audit log, newest first. */
    audit(options?: AuditFilter & ListOptions): AsyncIterableIterator<AuditEntry>;
    /**
     * Return the JSON that an operation of the API document answers; `operation` is its `operationId`.
     *
     * It is for calls that have no method here. Those that change something are attempted again only if they have an
     * `idempotencyKey`, and the operation takes one.
     */
    request(operation: string, options?: RequestOptions): Promise<unknown>;
}
