// What a customer's program does with the client; each function is run by the test of its name, in a process of its own.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import * as tq from "task-queue-client";
import { TaskQueue, taskName } from "task-queue-client";
import { collect, raised, taskOf } from "./raising.js";

const journeys = {
  /** The main path, for each task type. */
  async submit_wait_and_list(client: TaskQueue) {
    const order = { deep: [1, null, "x"] };
    const task = await client.tasks.submit(
      "long_task",
      { seconds: 0.2, steps: 2, value: order },
      { tags: ["sdk-ts"], metadata: { order: "4711" }, priority: 9 },
    );
    const done = await task.wait({ timeoutSeconds: 30 });
    assert.deepEqual([done.seconds, done.steps, done.value], [0.2, 2, order]);
    assert.deepEqual(await task.result(), done);
    assert.deepEqual(await client.tasks.result(task.taskId), done);
    assert.equal((await task.status()).status, "SUCCESS");
    assert.deepEqual((await task.get({ includeResult: true })).result, done);
    assert.deepEqual((await task.get()).attempts.map((attempt) => attempt.attempt), [1]);
    assert.deepEqual(await (await client.tasks.submit("echo", [1, 2])).wait(), [1, 2]);
    assert.equal((await (await client.tasks.submit("long_task", { seconds: 0 })).wait()).value, null);

    const created_from = new Date(Date.now() - 3_600_000);
    const found = await collect(client.tasks.list({ tag: "sdk-ts", status: ["SUCCESS", "FAILURE"], created_from }));
    assert.deepEqual(found.map((item) => item.task_id), [task.taskId]);
    const byOrder = await collect(client.tasks.list({ metadata: "order:4711", tag: "sdk-ts", status: "SUCCESS" }));
    assert.deepEqual(byOrder.map((item) => item.task_id), [task.taskId]);
  },

  /** A list has no pages for its reader. */
  async lists_go_over_pages(client: TaskQueue) {
    const tasks = Array.from({ length: 7 }, (_, n) => ({ task: "echo" as const, payload: n, tags: ["paged-ts"] }));
    const outcomes = await client.tasks.submitMany(tasks);
    const ids = outcomes.flatMap((outcome) => (outcome instanceof tq.TaskHandle ? [outcome.taskId] : []));
    assert.equal(ids.length, 7);
    for (const id of ids) {
      await client.tasks.wait(id, { timeoutSeconds: 30 });
    }
    const listed = await collect(client.tasks.list({ tag: "paged-ts", pageSize: 2 }));
    assert.deepEqual(new Set(listed.map((item) => item.task_id)), new Set(ids));
    let count = 0;
    for await (const _ of client.tasks.list({ tag: "paged-ts", sort: "created_at", pageSize: 2 })) {
      if (++count === 3) break;
    }
    const ends = await collect(client.pastEvents({ tag: "paged-ts" }));
    assert.deepEqual(ends.map(taskOf).sort(), [...ids].sort());
  },

  /** An outcome for each, typed: accepted or refused. */
  async a_batch_says_what_was_refused(client: TaskQueue) {
    const idempotencyKey = randomUUID();
    for (let time = 0; time < 2; time++) {
      const [first, refused, third] = await client.tasks.submitMany(
        [
          { task: "echo", payload: 1 },
          { task: "long_task", payload: { seconds: -1 } },
          { task: taskName("echo"), payload: 3 },
        ],
        { idempotencyKey },
      );
      assert(refused && !(refused instanceof tq.TaskHandle));
      assert.deepEqual([refused.error.status, refused.error.code], [422, "invalid_request"]);
      assert.deepEqual(refused.error.errors?.map((fault) => fault.pointer), ["#/tasks/1/payload/seconds"]);
      assert(first instanceof tq.TaskHandle && third instanceof tq.TaskHandle);
      assert.deepEqual([await first.wait(), await third.wait()], [1, 3]);
    }
  },

  /** Nothing is refused in silence, and each kind can be caught. */
  async errors_are_exceptions(client: TaskQueue) {
    for (const unknown of [
      () => client.tasks.get(randomUUID()),
      () => client.tasks.wait(randomUUID(), { timeoutSeconds: 30 }),
      () => collect(client.tasks.logs(randomUUID())),
      () => collect(client.tasks.events(randomUUID())),
    ]) {
      const missing = await raised(tq.NotFoundError, unknown);
      assert.deepEqual([missing.status, missing.code, missing.errors], [404, "not_found", []]);
      assert(missing.message.includes(missing.requestId));
    }
    const invalid = await raised(tq.InvalidRequestError, () => client.tasks.submit("long_task", { seconds: -1 }));
    assert.deepEqual(invalid.errors.map((fault) => fault.pointer), ["#/payload/seconds"]);
    assert(invalid.message.includes("#/payload/seconds"));
    const stranger = new TaskQueue({ apiKey: "tq_wrong", baseUrl: client.baseUrl });
    assert.equal((await raised(tq.AuthenticationError, () => collect(stranger.tasks.list()))).code, "unauthenticated");
    assert.equal((await raised(tq.AuthenticationError, () => collect(stranger.events()))).status, 401);
    await raised(tq.InvalidCursorError, () => collect(client.pastEvents({ after: "x" })));
    await raised(tq.InvalidRequestError, () => client.tasks.cancelMany({}));
    await raised(TypeError, () => client.tasks.get("4711"));
    await raised(TypeError, () => client.tasks.submit("echo", Number.NaN));
    await raised(TypeError, () => client.tasks.submit("echo", new Map()));
    const idempotencyKey = randomUUID();
    const [one, same] = [0, 0].map(() => client.tasks.submit("echo", 1, { idempotencyKey }));
    assert.equal((await one!).taskId, (await same!).taskId);
    await raised(tq.IdempotencyMismatchError, () => client.tasks.submit("echo", 2, { idempotencyKey }));
  },

  /** Also one that was cancelled, and one that has not ended. */
  async a_failed_task_is_an_exception(client: TaskQueue) {
    const task = await client.tasks.submit("long_task", { fail_attempts: 1, seconds: 0 }, { max_attempts: 1 });
    for (const call of [() => task.wait(), () => task.result()]) {
      const failed = await raised(tq.TaskFailedError, call);
      assert.equal(failed.status, "FAILURE");
      assert(failed.error && failed.message.includes(failed.error.type));
    }
    const late = await client.tasks.submit("echo", 1, { delay_seconds: 3600 });
    assert((await raised(tq.WaitTimeoutError, () => late.result())).message.includes("PENDING"));
    await raised(tq.WaitTimeoutError, () => late.wait({ timeoutSeconds: 0.3 }));
    assert.equal((await late.change({ priority: 9, tags: ["later"] })).priority, 9);
    assert.equal((await late.cancel()).status, "REVOKED");
    assert.equal((await late.cancel()).status, "REVOKED");
    await raised(tq.TaskRevokedError, () => late.wait());

    const done = await client.tasks.submit("echo", "done");
    await done.wait();
    assert.equal((await raised(tq.ConflictError, () => done.cancel())).code, "illegal_state");
    const again = await done.retry();
    assert.notEqual(again.taskId, done.taskId);
    assert.equal(await again.wait(), "done");
    assert.equal((await again.get()).retry_of, done.taskId);
    assert.equal((await again.erase()).task_id, again.taskId);
    await raised(tq.TaskErasedError, () => again.result());
  },

  /** Cancel and retry by filter, in the background. */
  async many_at_once(client: TaskQueue) {
    for (let n = 0; n < 3; n++) {
      await client.tasks.submit("echo", 1, { tags: ["bulk-ts"], delay_seconds: 3600 });
    }
    const cancelled = await (await client.tasks.cancelMany({ tag: "bulk-ts" })).wait({ timeoutSeconds: 40 });
    assert.deepEqual([cancelled.status, cancelled.done], ["SUCCEEDED", 3]);
    const retried = await client.tasks.retryMany({ tag: "bulk-ts", statuses: ["REVOKED"] });
    assert.equal((await client.operations.wait(retried.operationId, { timeoutSeconds: 40 })).done, 3);
    assert.equal((await client.operations.get(retried.operationId)).kind, "tasks.retry");
    const known = await collect(client.operations.list({ pageSize: 1 }));
    assert(known.some((operation) => operation.operation_id === retried.operationId));
    await raised(tq.ConflictError, () => retried.cancel());
  },

  /** What a task says while it runs, and what becomes of it; a stream goes on after its cursor. */
  async logs_and_events(client: TaskQueue) {
    const feed = await client.events({ tag: "told-ts" }).open();
    const task = await client.tasks.submit(taskName("test.logs"), { lines: 3 }, { tags: ["told-ts"] });
    const expected = ["line 0", "line 1", "line 2", "a warning"];
    const followed = await collect(task.followLogs());
    assert.deepEqual(followed.map((line) => line.message).slice(0, 4), expected);
    const { value: ended } = await feed.next();
    assert(ended && ended.type === "task.succeeded" && taskOf(ended) === task.taskId);
    const cursor = feed.cursor!;
    // A wait for an event ends with its stream.
    const waiting = feed.next();
    await feed.close();
    assert.equal((await waiting).done, true);

    const lines = await collect(task.logs());
    assert.deepEqual(lines.map((line) => line.message).slice(0, 4), expected);
    assert.deepEqual(lines[3]?.fields, { row: 7 });
    assert.deepEqual(followed[0], lines[0]);
    const types = (await collect(task.events())).map((event) => event.type);
    assert.deepEqual([types[0], types.at(-1)], ["task.created", "task.succeeded"]);
    assert.equal(types.filter((type) => type === "task.log").length, lines.length);
    assert.deepEqual((await collect(client.pastEvents({ tag: "told-ts" }))).map((event) => event.id), [ended.id]);
    const next = await client.tasks.submit("echo", 1, { tags: ["told-ts"] });
    for await (const event of client.events({ tag: "told-ts", after: cursor })) {
      assert.equal(taskOf(event), next.taskId);
      break;
    }

    const token = await client.tasks.streamToken(task.taskId);
    const reader = new TaskQueue({ streamToken: token.access_token, baseUrl: client.baseUrl });
    assert.equal((await reader.tasks.status(task.taskId)).status, "SUCCESS");
    assert.equal((await collect(reader.tasks.events(task.taskId))).length, types.length);
    await raised(tq.TaskQueueError, () => reader.tasks.get(task.taskId));
  },

  /** Integers beyond 2^53 keep their digits, both ways. */
  async exact_integers(client: TaskQueue) {
    const payload = { id: 9007199254740993n, list: [-(2n ** 62n), 1.5, "9007199254740993"], small: 7 };
    const task = await client.tasks.submit("echo", payload);
    assert.deepEqual(await task.wait(), payload);
    const texts = new TaskQueue({ integers: "string" });
    assert.deepEqual(((await texts.tasks.result(task.taskId)) as { id: string }).id, "9007199254740993");
    const rounded = new TaskQueue({ integers: "number" });
    assert.deepEqual(((await rounded.tasks.result(task.taskId)) as { id: number }).id, 9007199254740992);
  },

  /** Errors as objects, and what was done in the last hours. */
  async errors_and_statistics(client: TaskQueue) {
    const failing = await client.tasks.submit(taskName("test.fails"), { a: 1, b: 2 });
    await raised(tq.TaskFailedError, () => failing.wait());
    const deadline = Date.now() + 30_000;
    let found: tq.KnownError[] = [];
    while (!found.length) {
      assert(Date.now() < deadline);
      await sleep(100);
      found = await collect(client.errors.list({ task: "test.fails", status: "unresolved" }));
    }
    const [error] = found;
    assert(error && error.type === "ValueError");
    assert.equal((await client.errors.ignore(error.error_id)).status, "ignored");
    assert.equal((await client.errors.reopen(error.error_id)).status, "unresolved");
    assert.equal((await client.errors.resolve(error.error_id)).status, "resolved");
    assert.equal((await (await client.errors.retry(error.error_id)).wait({ timeoutSeconds: 40 })).done, 1);
    assert.equal((await client.errors.get(error.error_id)).error_id, error.error_id);
    const from = new Date(Date.now() - 7_200_000);
    assert.equal((await client.stats({ from, bucket: "minute", task: "test.fails" })).bucket, "minute");
    const wrong = await raised(tq.InvalidRequestError, () => client.stats({ from: "yesterday" }));
    assert.equal(wrong.errors[0]?.parameter, "from");
  },

  /** Endpoints with their secrets, and what was sent to them. */
  async webhooks(client: TaskQueue) {
    const { endpoints, deliveries } = client.webhooks;
    const filter = { tags: ["hooked"] };
    const made = await endpoints.create({ url: "http://127.0.0.1:9/hook", event_types: ["task.failed"], filter });
    assert(made.secret.startsWith("whsec_") && !JSON.stringify(made).includes(made.secret));
    const { endpoint_id } = made;
    assert.equal((await endpoints.secret(endpoint_id)).secret, made.secret);
    assert.notEqual((await endpoints.rotateSecret(endpoint_id, { overlap_seconds: 0 })).secret, made.secret);
    assert((await collect(endpoints.list({ pageSize: 1 }))).some((known) => known.endpoint_id === endpoint_id));
    assert.equal((await endpoints.change(endpoint_id, { description: "silent" })).description, "silent");
    assert.deepEqual((await endpoints.get(endpoint_id)).filter?.tags, ["hooked"]);
    await raised(tq.InvalidRequestError, () => endpoints.recover(endpoint_id, { since: "yesterday" }));
    const since = new Date(Date.now() - 3_600_000);
    assert.deepEqual(await collect(deliveries.list({ endpoint: endpoint_id, status: ["FAILED", "SKIPPED"], since })), []);
    await raised(tq.NotFoundError, () => deliveries.get(randomUUID()));
    await raised(tq.NotFoundError, () => deliveries.resend(randomUUID()));
    await endpoints.delete(endpoint_id);
    await raised(tq.NotFoundError, () => endpoints.get(endpoint_id));
    assert.equal((await client.webhooks.metrics({ by: "status" })).bucket, "hour");
    assert((await client.webhooks.secret()).secret.startsWith("whsec_"));
  },

  /** The queue, keys, members, limits, usage and audit log. */
  async the_account(client: TaskQueue) {
    assert.deepEqual((await client.queue.pause()).paused_by, ["tenant"]);
    assert((await client.queue.state()).paused);
    assert(!(await client.queue.resume()).paused);
    const key = await client.keys.issue({ name: "sdk", scopes: ["tasks:read"] });
    const reader = new TaskQueue({ apiKey: key.api_key, baseUrl: client.baseUrl });
    const denied = await raised(tq.PermissionDeniedError, () => reader.tasks.submit("echo", 1));
    assert.equal(denied.code, "insufficient_scope");
    const successor = await client.keys.rotate(key.key_id, { overlap_seconds: 0 });
    await client.keys.revoke(successor.key_id);
    const known = (await collect(client.keys.list({ pageSize: 1 }))).map((listed) => listed.key_id);
    assert(known.includes(key.key_id) && known.includes(successor.key_id));
    await raised(TypeError, () => client.keys.revoke(successor.api_key));
    const member = await client.members.add({ email: `${randomUUID()}@example.com`, role: "viewer" });
    assert.notEqual((await client.members.change(member.member_id, { disabled: true })).disabled_at, null);
    assert((await collect(client.members.list())).some((listed) => listed.member_id === member.member_id));
    await client.members.remove(member.member_id);
    const entries = await collect(client.audit({ pageSize: 50 }));
    assert(entries.some((entry) => entry.action === "key.revoked"));
    assert.equal((await client.limits()).plan, "enterprise");
    assert((await client.me()).scopes.includes("tasks:write"));
    assert.notEqual((await client.usage({ from: new Date().toISOString().slice(0, 10) })).day, null);
    const body = { task: "echo", payload: 1 };
    const task = (await client.request("submit_task", { body, idempotencyKey: randomUUID() })) as tq.SubmitResponse;
    const path = { task_id: task.task_id };
    const outcome = (await client.request("get_task_result", { path, query: { wait: 20 } })) as tq.TaskResult;
    assert.equal(outcome.result, 1);
    await raised(tq.ConfigurationError, () => client.request("list_limit"));
    await raised(tq.NotFoundError, () => client.request("get_task", { path: { task_id: "../limits" } }));
    const names = (await client.taskTypes()).map((kind) => kind.name);
    assert(names.includes("echo") && names.includes("long_task"));
  },

  /** Schedules: made by name, previewed, triggered, paused and deleted. */
  async schedules(client: TaskQueue) {
    const values = { cron: "0 3 * * *", timezone: "Europe/Berlin", task: "echo", payload: 7 };
    const made = await client.schedules.put("ts-nightly", values);
    assert.equal((await client.schedules.put("ts-nightly", values)).schedule_id, made.schedule_id);
    const other = await client.schedules.create({ name: "ts-other", every_seconds: 3600, task: "echo", paused: true });
    const known = (await collect(client.schedules.list({ pageSize: 1 }))).map((listed) => listed.schedule_id);
    assert(known.includes(made.schedule_id) && known.includes(other.schedule_id));
    assert.equal((await client.schedules.preview({ cron: "@daily" })).next_fires.length, 10);
    assert.equal(await (await client.schedules.trigger(made.schedule_id)).wait({ timeoutSeconds: 20 }), 7);
    assert.equal((await client.schedules.get(made.schedule_id)).last_fires[0]?.outcome, "fired");
    assert.equal((await client.schedules.pause(made.schedule_id, { note: "a test" })).pause_note, "a test");
    assert(!(await client.schedules.resume(made.schedule_id)).paused);
    const times = { from: "2025-05-04T00:00:00Z", to: "2025-05-05T00:00:00Z" };
    const shown = await client.schedules.backfill(made.schedule_id, { ...times, dry_run: true });
    assert.deepEqual([shown.operation_id, shown.count], [null, 1]);
    const started = await client.schedules.backfill(made.schedule_id, times);
    assert.equal((await client.operations.get(started.operation_id ?? "")).kind, "schedules.backfill");
    for (const schedule of [made, other]) {
      await client.schedules.delete(schedule.schedule_id);
    }
    await raised(tq.NotFoundError, () => client.schedules.get(made.schedule_id));
  },

  /** A call that nobody waits for any more ends with the reason of its signal. */
  async abort(client: TaskQueue) {
    const task = await client.tasks.submit("echo", 1, { delay_seconds: 3600 });
    const controller = new AbortController();
    const waiting = task.wait({ signal: controller.signal });
    controller.abort(new Error("no longer needed"));
    await assert.rejects(waiting, /no longer needed/);
    await assert.rejects(task.wait({ signal: controller.signal }), /no longer needed/);
    const streaming = new AbortController();
    const events = await client.events({ signal: streaming.signal }).open();
    const next = events.next();
    streaming.abort(new Error("page left"));
    await assert.rejects(next, /page left/);
    await task.cancel();
  },
};

await journeys[process.argv[2] as keyof typeof journeys](new TaskQueue());
