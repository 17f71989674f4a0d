/** Names of task types. */
/** Name a task type that this client does not know: its payload is not checked. */
export function taskName(name) {
    return name;
}
