// Programs to which bad things happen meanwhile; each says what it does, and what came of it.
import assert from "node:assert/strict";
import { TaskHandle, TaskQueue, taskName } from "task-queue-client";
import { collect } from "./raising.js";

const say = (...words: unknown[]) => console.log(...words);

const programs: Record<string, (client: TaskQueue, argument: string) => Promise<void>> = {
  /** Wait for a task that goes on when a file is there. */
  async wait(client, path) {
    const task = await client.tasks.submit(taskName("test.logs"), { lines: 1, until: path });
    say("result", await task.wait({ timeoutSeconds: 60 }));
  },
  /** Follow a task and the feed. */
  async stream(client, path) {
    const feed = await client.events({ tag: "stream-ts" }).open();
    const payload = { lines: 3, until: path };
    const task = await client.tasks.submit(taskName("test.logs"), payload, { tags: ["stream-ts"] });
    for await (const event of task.events()) {
      say(event.type, event.data["message"] ?? "");
    }
    say("feed", (await feed.next()).value?.type);
    await feed.close();
  },
  /** Submit one task in each way. */
  async submit(client, tag) {
    const task = await client.tasks.submit("echo", 1, { tags: [tag] });
    const [other] = await client.tasks.submitMany([{ task: "echo", payload: 2, tags: [tag] }]);
    assert(other instanceof TaskHandle);
    assert.equal(await task.wait(), 1);
    say("ids", task.taskId, other.taskId, (await task.retry()).taskId);
  },
  /** Ask many times. */
  async calls(client, count) {
    for (let n = 0; n < Number(count); n++) {
      await client.limits();
    }
    say("answers", count);
  },
  /** Wait for tasks in each way while nothing is to be said. */
  async idle(client, seconds) {
    const feed = await client.events({ tag: "idle-ts" }).open();
    const task = await client.tasks.submit("long_task", { seconds: Number(seconds), steps: 1 }, { tags: ["idle-ts"] });
    say("result", (await task.wait({ timeoutSeconds: 60 })).steps);
    say("feed", (await feed.next()).value?.type);
    say("events", (await collect(task.events())).at(-1)?.type);
    await feed.close();
  },
};

/** A fetch that says which requests it sends and what is answered. */
const telling: typeof fetch = async (input, init) => {
  say("sent", new URL(String(input)).pathname);
  const response = await fetch(input, init);
  say("answered", response.status);
  return response;
};

const [name = "", argument = ""] = process.argv.slice(2);
await programs[name]!(new TaskQueue({ fetch: telling }), argument);
