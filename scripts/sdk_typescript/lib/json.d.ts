/** JSON that keeps every digit: `JSON.parse` rounds integers beyond 2^53 without a word. */
/** What stands for an integer beyond 2^53: a `bigint`, its text, or a rounded `number`. */
export type Integers = "bigint" | "string" | "number";
/** Return the value of a JSON text; throws `SyntaxError` where it is none. */
export declare function parse(text: string, integers: Integers): unknown;
/** Return the JSON of a value, with each `bigint` as the integer that it is; throws `TypeError` for what JSON cannot say. */
export declare function stringify(value: unknown): string;
/** Return 128 random bits as text. `crypto.randomUUID` is missing on pages without https. */
export declare function randomHex(): string;
