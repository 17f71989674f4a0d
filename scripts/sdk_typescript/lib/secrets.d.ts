/** Secrets in answers are readable by their names, and shown by nothing that prints an object. */
/** Return an answer whose secret is in no `console.log`, no `JSON.stringify` and no copy by `...`. */
export declare function concealed(answer: unknown): unknown;
