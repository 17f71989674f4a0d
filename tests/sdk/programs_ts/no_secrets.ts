// No secret is shown by anything that a program prints by accident; the test looks for the key in the output.
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { TaskQueue } from "task-queue-client";

const show = (value: unknown) => console.log(value, inspect(value, { depth: 9, showHidden: true }), JSON.stringify(value), String(value), { ...(value as object) });

async function failure(call: () => unknown) {
  try {
    await call();
  } catch (error) {
    show(error);
    show((error as Error).cause);
    return;
  }
  throw new Error("it did not fail");
}

const client = new TaskQueue({ retrySeconds: 0 });
show(client);
show(client.tasks);
const task = await client.tasks.submit("echo", 1);
show(task);
show(client.events());
await client.limits();
await failure(() => client.tasks.get("019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"));
await failure(() => client.tasks.submit("long_task", { seconds: -1 }));
const nowhere = new TaskQueue({ baseUrl: "http://127.0.0.1:9", retrySeconds: 0 });
await failure(() => nowhere.limits());
await failure(() => nowhere.events().next());
await failure(() => new TaskQueue({ apiKey: "tq_live_\nsecret" }));
const made = await client.keys.issue({ name: "shown", scopes: ["tasks:read"] });
assert(made.api_key.startsWith("tq_live_"));
assert(!inspect(made).includes(made.api_key) && !JSON.stringify([made]).includes(made.api_key));
console.log("TaskHandle", "ConnectionFailedError");
