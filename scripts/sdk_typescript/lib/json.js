/** JSON that keeps every digit: `JSON.parse` rounds integers beyond 2^53 without a word. */
// A text, or a number. Only in the pieces between them can nothing be replaced.
const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MANY_DIGITS = /\d{16}/;
const INTEGER = /^-?\d+$/;
/** Return the value of a JSON text; throws `SyntaxError` where it is none. */
export function parse(text, integers) {
    if (integers === "number" || !MANY_DIGITS.test(text)) {
        return JSON.parse(text);
    }
    // Random, so that no text of the data can be taken for a number.
    const mark = integers === "bigint" ? randomHex() : "";
    const marked = text.replace(TOKENS, (token) => INTEGER.test(token) && !Number.isSafeInteger(Number(token)) ? `"${mark}${token}"` : token);
    return JSON.parse(marked, (_name, value) => mark && typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value);
}
/** Return the JSON of a value, with each `bigint` as the integer that it is; throws `TypeError` for what JSON cannot say. */
export function stringify(value) {
    const mark = randomHex();
    let isMarked = false;
    const text = JSON.stringify(value, (_name, item) => {
        if (typeof item === "bigint") {
            isMarked = true;
            return `${mark}${item}`;
        }
        requireWritable(item);
        return item;
    });
    return isMarked ? text.replace(new RegExp(`"${mark}(-?\\d+)"`, "g"), "$1") : text;
}
function requireWritable(item) {
    // JSON.stringify writes these as null or {}, or leaves them out.
    const isLost = typeof item === "function" || typeof item === "symbol" || item instanceof Map || item instanceof Set;
    if (isLost || (typeof item === "number" && !Number.isFinite(item))) {
        throw new TypeError(`${typeof item === "number" ? String(item) : `a ${nameOf(item)}`} cannot be written as JSON`);
    }
}
function nameOf(item) {
    return item instanceof Map ? "Map" : item instanceof Set ? "Set" : typeof item;
}
/** Return 128 random bits as text. `crypto.randomUUID` is missing on pages without https. */
export function randomHex() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
