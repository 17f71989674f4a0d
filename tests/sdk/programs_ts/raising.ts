// What the programs share.
import type { Event } from "task-queue-client";

/** Return the error of this kind that a call throws. */
export async function raised<E extends Error>(kind: abstract new (...given: never[]) => E, call: () => unknown): Promise<E> {
  try {
    await call();
  } catch (error) {
    if (error instanceof kind) {
      return error;
    }
    throw error;
  }
  throw new Error(`${kind.name} was not thrown`);
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) {
    found.push(item);
  }
  return found;
}

/** Return the task of an event. */
export function taskOf(event: Event): string {
  if (!("task_id" in event.data)) {
    throw new Error(`${event.type} is about no task`);
  }
  return event.data.task_id;
}
