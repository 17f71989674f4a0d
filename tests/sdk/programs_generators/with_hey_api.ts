// The natural program of somebody who generates a client with @hey-api/openapi-ts and its defaults.
import assert from "node:assert/strict";
import { getTaskResult, listTasks, type LongTaskResult, submitTask, submitTasks } from "./client";
import { client } from "./client/client.gen";

client.setConfig({ baseUrl: process.env["TASK_QUEUE_URL"]!, auth: () => process.env["TASK_QUEUE_KEY"]! });

async function main() {
  const payload = { seconds: 0.1, value: "hello" };
  const { data: accepted, error } = await submitTask({ body: { task: "long_task", payload, tags: ["hey-api"] } });
  assert(accepted, JSON.stringify(error));
  const { data: ended } = await getTaskResult({ path: { task_id: accepted.task_id }, query: { wait: 30 } });
  assert(ended && "result" in ended);
  assert.equal((ended.result as LongTaskResult).value, "hello");

  const tasks = [1, 2, 3].map((number) => ({ task: "echo" as const, payload: number, tags: ["hey-api"] }));
  assert.equal((await submitTasks({ body: { tasks }, throwOnError: true })).data.outcomes.length, 3);
  let count = 0;
  for (let cursor: string | undefined; ; ) {
    const { data: page } = await listTasks({ query: { tag: "hey-api", limit: 2, cursor }, throwOnError: true });
    count += page.items.length;
    if (!page.next_cursor) break;
    cursor = page.next_cursor;
  }
  assert.equal(count, 4);

  const { error: refused } = await submitTask({ body: { task: "long_task", payload: { seconds: -1 } } });
  assert.equal(refused?.code, "invalid_request");
  // @ts-expect-error a member with a typing mistake
  await submitTask({ body: { task: "long_task", payload: { second: 1 } } });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
