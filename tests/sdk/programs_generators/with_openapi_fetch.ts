// The natural program of somebody who generates types with openapi-typescript and its defaults.
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const baseUrl = process.env["TASK_QUEUE_URL"]!;
const api = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${process.env["TASK_QUEUE_KEY"]}` } });

// Submit, and wait for the result.
const { data: accepted, error } = await api.POST("/api/tasks/submit", {
  body: { task: "long_task", payload: { seconds: 0.1, value: "hello" }, tags: ["openapi-fetch"] },
});
assert(accepted, JSON.stringify(error));
const { data: ended } = await api.GET("/api/tasks/{task_id}/result", {
  params: { path: { task_id: accepted.task_id }, query: { wait: 30 } },
});
assert(ended && "result" in ended);
assert.equal((ended.result as components["schemas"]["LongTaskResult"]).value, "hello");
await api.POST("/api/tasks/submit", { body: { task: "echo", payload: [1, { two: 2 }] } });
await api.POST("/api/tasks/submit", { body: { task: "http_request", payload: { url: "https://example.com/hook" } } });

// A batch, and pages of a list.
const { data: batch } = await api.POST("/api/tasks/batch", {
  body: { tasks: [1, 2, 3].map((payload) => ({ task: "echo" as const, payload, tags: ["openapi-fetch"] })) },
});
assert.equal(batch?.outcomes.length, 3);
let count = 0;
for (let cursor: string | undefined; ; ) {
  const query = { tag: "openapi-fetch", limit: 2, ...(cursor ? { cursor } : {}) };
  const { data: page } = await api.GET("/api/tasks", { params: { query } });
  assert(page);
  count += page.items.length;
  if (!page.next_cursor) break;
  cursor = page.next_cursor;
}
assert.equal(count, 4);

// Errors are typed, and a request can be aborted.
const { error: refused, response } = await api.POST("/api/tasks/submit", {
  body: { task: "long_task", payload: { seconds: -1 } },
});
assert.equal(response.status, 422);
assert.equal(refused?.code, "invalid_request");
await assert.rejects(api.GET("/api/limits", { signal: AbortSignal.abort() }));

// @ts-expect-error a member with a typing mistake
await api.POST("/api/tasks/submit", { body: { task: "long_task", payload: { second: 1 } } });
// @ts-expect-error a task type that does not exist
await api.POST("/api/tasks/submit", { body: { task: "longtask" } });
