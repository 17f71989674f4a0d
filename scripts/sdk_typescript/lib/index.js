/** The client of the Task Queue Worker API: `TaskQueue`. */
export { TaskQueue } from "./client.js";
export * from "./errors.js";
export { OperationHandle, TaskHandle } from "./handles.js";
export { EventStream } from "./streams.js";
export { taskName } from "./names.js";
export * from "./verification.js";
export { VERSION } from "./version.js";
