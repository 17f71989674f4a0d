/** Names of task types. */
import type { TaskName } from "./task_types.js";
/** Name a task type that this client does not know: its payload is not checked. */
export declare function taskName(name: string): TaskName;
