/** The client of the Task Queue Worker API: `TaskQueue`. */
export { TaskQueue, type RequestOptions } from "./client.js";
export type { CallOptions, KeyedOptions, ListOptions } from "./calls.js";
export * from "./errors.js";
export { OperationHandle, TaskHandle, type WaitOptions } from "./handles.js";
export type { Integers } from "./json.js";
export type * from "./models.js";
export type { TaskQueueOptions } from "./settings.js";
export { EventStream } from "./streams.js";
export type { SubmitArguments, SubmitOptions } from "./tasks.js";
export type * from "./task_types.js";
export { taskName } from "./names.js";
export * from "./verification.js";
export { VERSION } from "./version.js";
