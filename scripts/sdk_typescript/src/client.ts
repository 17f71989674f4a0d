/** The client. */

import { Errors, Keys, Members, Operations, Queue } from "./account.js";
import { type Call, type CallOptions, type KeyedOptions, known, type ListOptions, sent } from "./calls.js";
import type {
  AuditEntry,
  AuditFilter,
  AuditPage,
  Event,
  EventFilter,
  EventPage,
  LimitList,
  Me,
  Stats,
  StatsFilter,
  TaskTypeInfo,
  TaskTypeList,
  UsageFilter,
  UsageReport,
} from "./models.js";
import { pages } from "./paging.js";
import { Schedules } from "./schedules.js";
import { settings, type TaskQueueOptions } from "./settings.js";
import { EventStream } from "./streams.js";
import { Tasks } from "./tasks.js";
import { Transport } from "./transport.js";
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
export class TaskQueue {
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
  readonly #transport: Transport;

  constructor(options: TaskQueueOptions = {}) {
    const chosen = settings(options);
    this.baseUrl = chosen.baseUrl;
    this.#transport = new Transport(chosen);
    this.tasks = new Tasks(this.#transport);
    this.schedules = new Schedules(this.#transport, this.tasks);
    this.operations = new Operations(this.#transport);
    this.errors = new Errors(this.#transport);
    this.queue = new Queue(this.#transport);
    this.webhooks = new Webhooks(this.#transport);
    this.keys = new Keys(this.#transport);
    this.members = new Members(this.#transport);
  }

  /**
   * Iterate over the events of all tasks as they happen; it does not end, and a cut connection is resumed.
   *
   * It begins now, or after the cursor of an earlier stream.
   */
  events(options: EventFilter & CallOptions & { readonly after?: string | undefined } = {}): EventStream<Event> {
    const { after, ...filter } = sent(options) as EventFilter & { after?: string };
    const call: Call<Event> = { operation: "list_events", query: { ...filter }, signal: options.signal };
    return new EventStream(this.#transport, call, () => false, after ?? null);
  }

  /** Iterate over the events that are kept, from the oldest or after a cursor, up to now. */
  pastEvents(
    options: EventFilter & CallOptions & { readonly after?: string | undefined } = {},
  ): AsyncIterableIterator<Event> {
    const call: Call<EventPage> = { operation: "list_events", query: { ...sent(options) }, signal: options.signal };
    return pages<Event>(this.#transport, call, "after", true);
  }

  /** Return the tenant and the credential of this client, with its scopes and the tenant's limits. */
  me(options: CallOptions = {}): Promise<Me> {
    return this.#transport.call<Me>({ operation: "get_me", signal: options.signal });
  }

  /** Return all limits of the tenant, with what is used of each. */
  limits(options: CallOptions = {}): Promise<LimitList> {
    return this.#transport.call<LimitList>({ operation: "list_limits", signal: options.signal });
  }

  /** Return the usage of this day and month, and of each day in between `from` and `to` (UTC). */
  usage(options: UsageFilter & CallOptions = {}): Promise<UsageReport> {
    return this.#transport.call<UsageReport>({ operation: "get_usage", query: sent(options), signal: options.signal });
  }

  /** Return how many tasks were submitted and ended, how long they waited and ran: a point for each bucket. */
  stats(options: StatsFilter & CallOptions = {}): Promise<Stats> {
    return this.#transport.call<Stats>({ operation: "get_stats", query: sent(options), signal: options.signal });
  }

  /** Return the task types that the service has, with the schemas of their payloads and results. */
  async taskTypes(options: CallOptions = {}): Promise<readonly TaskTypeInfo[]> {
    const call: Call<TaskTypeList> = { operation: "list_task_types", signal: options.signal };
    return (await this.#transport.call(call)).items;
  }

  /** Iterate over the audit log, newest first. */
  audit(options: AuditFilter & ListOptions = {}): AsyncIterableIterator<AuditEntry> {
    const query = { ...sent(options), limit: options.pageSize ?? 100 };
    const call: Call<AuditPage> = { operation: "list_audit_events", query, signal: options.signal };
    return pages<AuditEntry>(this.#transport, call);
  }

  /**
   * Return the JSON that an operation of the API document answers; `operation` is its `operationId`.
   *
   * It is for calls that have no method here. Those that change something are attempted again only if they have an
   * `idempotencyKey`, and the operation takes one.
   */
  async request(operation: string, options: RequestOptions = {}): Promise<unknown> {
    const headers: Record<string, string> = options.idempotencyKey ? { "Idempotency-Key": options.idempotencyKey } : {};
    const { path = {}, query = {}, body, signal } = options;
    return this.#transport.call({ operation: known(operation), path, query, body, headers, signal });
  }
}
