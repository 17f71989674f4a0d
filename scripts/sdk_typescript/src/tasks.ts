/** Everything about tasks: `client.tasks`. */

import { type Call, type CallOptions, identifier, keyed, type KeyedOptions, type ListOptions, sent } from "./calls.js";
import { ConflictError, TaskFailedError, TaskRevokedError } from "./errors.js";
import { OperationHandle, TaskHandle, WAIT, type WaitOptions } from "./handles.js";
import type {
  BatchResponse,
  CancelFilter,
  CancelResponse,
  ChangedTask,
  ChangeRequest,
  ErasedTask,
  OperationAccepted,
  RefusedTask,
  ResultPending,
  RetryFilter,
  RetryResponse,
  StreamToken,
  SubmitResponse,
  TaskDetail,
  TaskEventEntry,
  TaskFilter,
  TaskLogEntry,
  TaskLogPage,
  TaskPage,
  TaskResult,
  TaskStatus,
  TaskSummary,
} from "./models.js";
import { pages } from "./paging.js";
import { sleep, Wait } from "./patience.js";
import { EventStream } from "./streams.js";
import type { KnownTask, NewTask, PayloadOf, ResultOf, TaskName, TaskOptions, TaskTypes } from "./task_types.js";
import type { Transport } from "./transport.js";

const ENDS = new Set<string>(["task.succeeded", "task.failed", "task.revoked"]);

/** The options of a submit. Names with underscores are those of HTTP; the others are the client's own. */
export interface SubmitOptions extends TaskOptions, KeyedOptions {
  /** The W3C trace context to store with the task. */
  readonly traceparent?: string | undefined;
}

/** A payload and options; the payload may be left out where the task type needs none. */
export type SubmitArguments<N extends KnownTask> =
  TaskTypes[N]["isOptional"] extends true
    ? [payload?: PayloadOf<N>, options?: SubmitOptions]
    : [payload: PayloadOf<N>, options?: SubmitOptions];

/** The tasks of the tenant. */
export class Tasks {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * Submit a task, and return a handle on it: it is stored and will finish.
   *
   * The call has an idempotency key (your own, or one that is made for it), so it makes one task also where the
   * connection is cut and the client sends it again.
   */
  submit<N extends KnownTask>(task: N, ...given: SubmitArguments<N>): Promise<TaskHandle<ResultOf<N>>>;
  submit(task: TaskName, payload?: unknown, options?: SubmitOptions): Promise<TaskHandle<unknown>>;
  async submit(task: string, payload?: unknown, options: SubmitOptions = {}): Promise<TaskHandle<unknown>> {
    const body = { ...sent(options), task, ...(payload === undefined ? {} : { payload }) };
    const headers = keyed(options.idempotencyKey, options.traceparent);
    const call: Call<SubmitResponse> = { operation: "submit_task", body, headers, signal: options.signal };
    return new TaskHandle(this, (await this.#transport.call(call)).task_id);
  }

  /**
   * Submit up to 1,000 tasks in one request; return a handle or a refusal for each, in their order.
   *
   * A task that is refused does not affect the others: `error` of a `RefusedTask` says why.
   */
  async submitMany(
    tasks: Iterable<NewTask>,
    options: KeyedOptions & { readonly traceparent?: string | undefined } = {},
  ): Promise<(TaskHandle<unknown> | RefusedTask)[]> {
    const headers = keyed(options.idempotencyKey, options.traceparent);
    const body = { tasks: [...tasks] };
    const call: Call<BatchResponse> = { operation: "submit_tasks", body, headers, signal: options.signal };
    const answer = await this.#transport.call(call);
    return answer.outcomes.map((outcome) => ("task_id" in outcome ? new TaskHandle(this, outcome.task_id) : outcome));
  }

  /** Return a handle on a task whose id you have kept. It makes no request. */
  handle<R = unknown>(taskId: string): TaskHandle<R> {
    return new TaskHandle<R>(this, identifier(taskId));
  }

  /** Return everything about a task: options, payload, attempts; with `includeResult` also its result. */
  async get(taskId: string, options: CallOptions & { readonly includeResult?: boolean } = {}): Promise<TaskDetail> {
    const query = options.includeResult ? { include: "result" } : {};
    return this.#transport.call<TaskDetail>({ ...of("get_task", taskId, options), query });
  }

  /** Return where a task stands. */
  async status(taskId: string, options: CallOptions = {}): Promise<TaskStatus> {
    return this.#transport.call<TaskStatus>(of("get_task_status", taskId, options));
  }

  /**
   * Return the result of a task that has ended, or that ends within `timeoutSeconds`.
   *
   * Throws `TaskFailedError` if it failed, `TaskRevokedError` if it was cancelled or expired, and `WaitTimeoutError` if
   * it has not ended.
   */
  async result<R = unknown>(taskId: string, options: WaitOptions = {}): Promise<R> {
    const outcome = await this.#outcome(taskId, options.timeoutSeconds ?? 0, options.signal);
    if (outcome.status === "SUCCESS") {
      return outcome.result as R;
    }
    const kind = outcome.status === "REVOKED" ? TaskRevokedError : TaskFailedError;
    throw new kind(outcome.task_id, outcome.error, outcome.status);
  }

  /**
   * Wait for the end of a task, and return its result; the same as `result`, with more time.
   *
   * The wait survives restarts of the service and cut connections.
   */
  wait<R = unknown>(taskId: string, options: WaitOptions = {}): Promise<R> {
    return this.result<R>(taskId, { ...options, timeoutSeconds: options.timeoutSeconds ?? WAIT });
  }

  async #outcome(taskId: string, seconds: number, signal: AbortSignal | undefined): Promise<TaskResult> {
    const wait = new Wait(`task ${taskId}`, seconds, this.#transport.timeoutSeconds);
    for (;;) {
      const call = { ...of("get_task_result", taskId, { signal }), query: { wait: wait.ofOneCall() } };
      // The pauses between attempts fit into the time of the wait; a wait of no time has those of any call.
      const answer = await this.#transport.call<TaskResult | ResultPending>(call, wait.left() || undefined);
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
  async cancel(taskId: string, options: CallOptions = {}): Promise<CancelResponse> {
    try {
      return await this.#transport.call<CancelResponse>(of("cancel_task", taskId, options));
    } catch (error) {
      // The answer to the first attempt may have been lost with its connection.
      const found = error instanceof ConflictError ? await this.status(taskId, options) : null;
      if (found?.status !== "REVOKED") {
        throw error;
      }
      return { task_id: found.task_id, status: found.status, cancel_requested: true };
    }
  }

  /** Run an ended task again: a new task with the same payload and options, and its own id. */
  async retry(
    taskId: string,
    options: KeyedOptions & { readonly traceparent?: string | undefined } = {},
  ): Promise<TaskHandle<unknown>> {
    const headers = keyed(options.idempotencyKey, options.traceparent);
    const accepted = await this.#transport.call<RetryResponse>({ ...of("retry_task", taskId, options), headers });
    return new TaskHandle(this, accepted.task_id);
  }

  /** Change `priority`, `scheduled_at` or `tags` of a task while it waits. */
  async change(taskId: string, changes: ChangeRequest & CallOptions): Promise<ChangedTask> {
    return this.#transport.call<ChangedTask>({ ...of("change_task", taskId, changes), body: sent(changes) });
  }

  /** Erase an ended task: payload, result, error, progress, tags and log are gone for good. */
  async erase(taskId: string, options: CallOptions = {}): Promise<ErasedTask> {
    return this.#transport.call<ErasedTask>(of("erase_task", taskId, options));
  }

  /** Iterate over all tasks that meet every filter, newest first; the pages are fetched as you go. */
  list(options: TaskFilter & ListOptions = {}): AsyncIterableIterator<TaskSummary> {
    const query = { ...sent(options), limit: options.pageSize ?? 100 };
    return pages<TaskSummary>(this.#transport, { operation: "list_tasks", query, signal: options.signal } as Call<TaskPage>);
  }

  /** Iterate over the lines that a task's code has logged up to now. */
  logs(taskId: string, options: CallOptions & { readonly after?: string } = {}): AsyncIterableIterator<TaskLogEntry> {
    const call: Call<TaskLogPage> = { ...of("get_task_logs", taskId, options), query: { after: options.after } };
    return pages<TaskLogEntry>(this.#transport, call, "after", true);
  }

  /** Iterate over the lines of a task's log, also those to come, up to its end. */
  async *followLogs(taskId: string, options: CallOptions = {}): AsyncGenerator<TaskLogEntry, void, undefined> {
    for await (const event of this.events(taskId, options)) {
      if (event.type === "task.log") {
        const { attempt, seq, level, message, fields } = event.data as unknown as TaskLogEntry;
        yield { attempt, seq, at: event.created_at ?? "", level, message, fields };
      }
    }
  }

  /** Iterate over what happens to a task, from its beginning to its end; a cut connection is resumed. */
  events(taskId: string, options: CallOptions & { readonly after?: string } = {}): EventStream<TaskEventEntry> {
    const call = of("list_task_events", taskId, options);
    return new EventStream<TaskEventEntry>(
      this.#transport,
      call as Call<TaskEventEntry>,
      (event) => ENDS.has(event.type),
      options.after ?? null,
    );
  }

  /** Return a token with which a page may read the status, the result and the events of this task alone. */
  async streamToken(taskId: string, options: CallOptions = {}): Promise<StreamToken> {
    return this.#transport.call<StreamToken>(of("create_stream_token", taskId, options));
  }

  /** Cancel all tasks that meet every filter, in the background. `all: true` stands for no filter. */
  cancelMany(options: CancelFilter & KeyedOptions): Promise<OperationHandle> {
    return this.#begin("cancel_tasks", options);
  }

  /** Run all ended tasks that meet every filter again, in the background. */
  retryMany(options: RetryFilter & KeyedOptions): Promise<OperationHandle> {
    return this.#begin("retry_tasks", options);
  }

  async #begin(operation: "cancel_tasks" | "retry_tasks", options: KeyedOptions): Promise<OperationHandle> {
    const headers = keyed(options.idempotencyKey);
    const body = { filter: sent(options) };
    const call: Call<OperationAccepted> = { operation, body, headers, signal: options.signal };
    return new OperationHandle(this.#transport, (await this.#transport.call(call)).operation_id);
  }
}

function of<O extends Call<unknown>["operation"]>(operation: O, taskId: string, options: CallOptions) {
  return { operation, path: { task_id: identifier(taskId) }, signal: options.signal };
}
