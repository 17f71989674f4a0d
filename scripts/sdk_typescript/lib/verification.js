/** Receiving webhooks (Standard Webhooks 1.0.0), by the Web Crypto of Node and of browsers and edge runtimes. */
import { parse } from "./json.js";
/** Seconds that a delivery's time may differ from ours, both ways. */
const TOLERANCE = 300;
/** Seconds for which an event's id is kept: longer than its delivery is tried. */
const REMEMBERED = 7 * 86_400;
/** The request is not a webhook of the service, is too old, or cannot be read: answer 400 and do nothing. */
export class WebhookVerificationError extends Error {
    constructor(message) {
        super(message);
        this.name = "WebhookVerificationError";
    }
}
/** Ids in the memory of one process: for trying, and for receivers of one process. */
export class MemoryReplayStore {
    #until = new Map();
    remember(webhookId, seconds) {
        const now = performance.now() / 1000;
        // In the order in which they were added, and so in which they end.
        for (const [id, until] of this.#until) {
            if (until > now) {
                break;
            }
            this.#until.delete(id);
        }
        const isNew = !this.#until.has(webhookId);
        if (isNew) {
            this.#until.set(webhookId, now + seconds);
        }
        return isNew;
    }
    forget(webhookId) {
        this.#until.delete(webhookId);
    }
}
/**
 * Return the event of a request whose signature is valid.
 *
 * `body` is the request's as it came, not parsed and written again. Throws `WebhookVerificationError` for everything
 * else. The same event may come more than once: see `receiveWebhook`.
 */
export async function verifyWebhook(body, headers, secret, options = {}) {
    const id = header(headers, "webhook-id");
    const timestamp = header(headers, "webhook-timestamp");
    const content = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
    requireUsable(id, timestamp, options.now ?? Date.now() / 1000);
    const prefix = new TextEncoder().encode(`${id}.${timestamp}.`);
    const signed = new Uint8Array(prefix.length + content.length);
    signed.set(prefix);
    signed.set(content, prefix.length);
    await requireSigned(signed, header(headers, "webhook-signature"), secret);
    return { ...read(content, options.integers ?? "bigint"), id };
}
/**
 * Handle an event once; return false for one that was received before, which is to be answered with 2xx all the same.
 *
 * An error of `handle` lets the event be new again: answer 5xx, and it is delivered once more. A receiver that must not
 * lose an event to its own crash stores the id and what it does in one transaction, and needs only `verifyWebhook`.
 */
export async function receiveWebhook(body, headers, secret, store, handle) {
    const event = await verifyWebhook(body, headers, secret);
    if (!(await store.remember(event.id, REMEMBERED))) {
        return false;
    }
    try {
        await handle(event);
    }
    catch (error) {
        await store.forget(event.id);
        throw error;
    }
    return true;
}
function header(headers, name) {
    const value = headers instanceof Headers ? headers.get(name) : fromObject(headers, name);
    if (typeof value !== "string") {
        throw new WebhookVerificationError(`${name} is missing`);
    }
    return value;
}
function fromObject(headers, name) {
    return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}
function requireUsable(id, timestamp, now) {
    // The signed text is joined by dots: one in the id would let its end be read as a timestamp.
    if (!id || id.includes(".")) {
        throw new WebhookVerificationError("webhook-id is not usable");
    }
    if (!/^\d{1,12}$/.test(timestamp)) {
        throw new WebhookVerificationError("webhook-timestamp is not a Unix time");
    }
    if (Math.abs(now - Number(timestamp)) > TOLERANCE) {
        throw new WebhookVerificationError("webhook-timestamp is too old, or too new");
    }
}
async function requireSigned(signed, signatures, secret) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", keyOf(secret), algorithm, false, ["verify"]);
    // Several while a secret is being replaced; each is compared in constant time.
    for (const one of signatures.split(" ")) {
        const given = one.startsWith("v1,") ? fromBase64(one.slice(3)) : null;
        if (given && (await crypto.subtle.verify("HMAC", key, given, signed))) {
            return;
        }
    }
    throw new WebhookVerificationError("no signature is valid");
}
function keyOf(secret) {
    const key = typeof secret === "string" ? fromBase64(secret.trim().replace(/^whsec_/, "")) : null;
    if (!key?.length) {
        throw new WebhookVerificationError("the secret is empty or not base64");
    }
    return key;
}
function fromBase64(text) {
    try {
        return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    }
    catch {
        return null;
    }
}
function read(content, integers) {
    let event;
    try {
        event = parse(new TextDecoder("utf-8", { fatal: true }).decode(content), integers);
    }
    catch {
        throw new WebhookVerificationError("the body is not JSON");
    }
    const isEvent = typeof event?.type === "string" && typeof event.timestamp === "string";
    if (!isEvent || typeof event?.data !== "object" || event.data === null || Array.isArray(event.data)) {
        throw new WebhookVerificationError("the body is not an event");
    }
    return event;
}
