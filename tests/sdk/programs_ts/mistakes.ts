// Mistakes that the compiler finds: each line below a comment has one, and a comment that is not needed is an error.
import { TaskQueue, taskName } from "task-queue-client";

export async function mistakes(client: TaskQueue, name: string) {
  // @ts-expect-error a task type that does not exist
  await client.tasks.submit("longtask", {});
  // @ts-expect-error a name that is known only at run time
  await client.tasks.submit(name, {});
  // @ts-expect-error a payload of another type
  await client.tasks.submit("long_task", { seconds: "5" });
  // @ts-expect-error a member with a typing mistake
  await client.tasks.submit("long_task", { second: 5 });
  // @ts-expect-error an option with a typing mistake
  await client.tasks.submit("long_task", {}, { prioritiy: 9 });
  // @ts-expect-error a missing payload
  await client.tasks.submit("http_request");
  // @ts-expect-error a member that the result does not have
  (await (await client.tasks.submit("long_task", {})).wait()).second;
  // @ts-expect-error a payload of another type in a batch
  await client.tasks.submitMany([{ task: "long_task", payload: { seconds: "5" } }]);
  // @ts-expect-error a status that does not exist
  client.tasks.list({ status: "FAILED" });
  // @ts-expect-error a filter that does not exist
  client.tasks.list({ statuses: "FAILURE" });
  // @ts-expect-error an event that does not exist
  client.events({ type: "task.success" });
  // @ts-expect-error a missing name
  await client.keys.issue({ scopes: ["tasks:read"] });
  // @ts-expect-error a status of a task that has not ended
  await client.tasks.cancelMany({ statuses: ["SUCCESS"] });
  // @ts-expect-error an id that is a number
  await client.tasks.status(4711);
  // These are right.
  const seconds: number = (await (await client.tasks.submit("long_task", { seconds: 1 })).wait()).seconds;
  const unknown: unknown = await (await client.tasks.submit(taskName(name), { any: 1 })).wait();
  await client.tasks.submit("long_task", { seconds, value: unknown }, { priority: undefined, scheduled_at: new Date() });
}
