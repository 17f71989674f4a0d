/** Executes calls, and attempts them again while the service is away. */
import { addressOf, isRepeatable } from "./calls.js";
import { ConnectionFailedError, TaskQueueError, UnexpectedAnswerError } from "./errors.js";
import { parse, stringify } from "./json.js";
import { Patience, sleep } from "./patience.js";
import { refusal } from "./refusals.js";
import { concealed } from "./secrets.js";
import { userAgent } from "./settings.js";
/** Seconds without a byte after which a stream is dead: the service sends one each 15 s. */
const SILENCE = 30;
// Of undici, the fetch of Node: the connection was never made.
const NEVER_SENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);
/** The connections to one service. */
export class Transport {
    #settings;
    constructor(settings) {
        this.#settings = settings;
    }
    /** Seconds for which a call is attempted again. */
    get retrySeconds() {
        return this.#settings.retrySeconds;
    }
    /** Seconds that one answer may take. */
    get timeoutSeconds() {
        return this.#settings.timeoutSeconds;
    }
    /** Return the answer; attempt the call again for so many seconds (default: those of the client). */
    async call(call, seconds = this.retrySeconds) {
        const patience = new Patience(seconds, isRepeatable(call));
        for (;;) {
            const outcome = await this.#attempt(call);
            if (!(outcome instanceof TaskQueueError)) {
                return this.#read(call, outcome);
            }
            await sleep(patience.pauseAfter(outcome), call.signal);
        }
    }
    async #attempt(call) {
        const [url, request] = this.#request(call);
        const ending = new Ending(this.timeoutSeconds, call.signal);
        try {
            const response = await this.#settings.fetch(url, { ...request, signal: ending.signal });
            const answer = { status: response.status, headers: response.headers, text: await response.text() };
            return refusal(answer) ?? answer;
        }
        catch (error) {
            return ending.failure(error);
        }
        finally {
            ending.clear();
        }
    }
    /** Yield the bytes of a stream of events after a cursor; return why it ended, null if there is nothing more. */
    async *stream(call, cursor) {
        const [url, request] = this.#request(call);
        request.headers.set("Accept", "text/event-stream");
        if (cursor !== null) {
            request.headers.set("Last-Event-ID", cursor);
        }
        const ending = new Ending(this.timeoutSeconds, call.signal);
        try {
            const response = await this.#settings.fetch(url, { ...request, signal: ending.signal });
            if (response.status === 204) {
                return null;
            }
            if (response.status !== 200 || !(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) {
                return await notAStream(response);
            }
            const reader = response.body.getReader();
            for (;;) {
                ending.restart(SILENCE);
                const { done, value } = await reader.read();
                if (done) {
                    return new ConnectionFailedError("the stream was closed");
                }
                yield value;
            }
        }
        catch (error) {
            return ending.failure(error);
        }
        finally {
            ending.abort();
        }
    }
    #request(call) {
        const [method, url] = addressOf(call, this.#settings.baseUrl);
        const headers = new Headers({ Accept: "application/json", ...call.headers });
        const agent = userAgent();
        if (agent) {
            headers.set("User-Agent", agent);
        }
        let body = null;
        if (call.body !== undefined) {
            headers.set("Content-Type", "application/json");
            body = stringify(call.body);
        }
        this.#settings.authorize(url, headers);
        return [url, { method, headers, body, redirect: "manual", credentials: "omit", cache: "no-store" }];
    }
    #read(call, answer) {
        if (answer.status === 204) {
            return undefined;
        }
        try {
            return concealed(this.parse(answer.text));
        }
        catch (error) {
            if (error instanceof SyntaxError) {
                throw new UnexpectedAnswerError(answer.status, `it is no answer of ${call.operation}`);
            }
            throw error;
        }
    }
    /** Return the value of a JSON text of the service. */
    parse(text) {
        return parse(text, this.#settings.integers);
    }
}
async function notAStream(response) {
    const answer = { status: response.status, headers: response.headers, text: await response.text() };
    return refusal(answer) ?? new UnexpectedAnswerError(response.status, "it is no stream of events");
}
/** The end of a request: by a timeout, or by the caller's own signal. */
class Ending {
    #controller = new AbortController();
    #outer;
    #stop = () => this.#controller.abort();
    #timer;
    #seconds = 0;
    constructor(seconds, outer) {
        this.#outer = outer;
        outer?.throwIfAborted();
        outer?.addEventListener("abort", this.#stop, { once: true });
        this.restart(seconds);
    }
    get signal() {
        return this.#controller.signal;
    }
    /** Count the seconds from now. */
    restart(seconds) {
        this.#seconds = seconds;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(this.#stop, 1000 * seconds);
    }
    clear() {
        clearTimeout(this.#timer);
        this.#outer?.removeEventListener("abort", this.#stop);
    }
    /** End the request, if it has not ended. */
    abort() {
        this.clear();
        this.#controller.abort();
    }
    /** Return our error for what fetch has thrown; throws the caller's own reason where that was the cause. */
    failure(error) {
        this.#outer?.throwIfAborted();
        if (this.#controller.signal.aborted) {
            return new ConnectionFailedError(`nothing came for ${this.#seconds} s`);
        }
        // Without the error itself: what it refers to may know the key.
        const cause = error?.cause;
        const text = [String(error), cause?.message || cause?.code].filter(Boolean).join(": ");
        return new ConnectionFailedError(text, !NEVER_SENT.has(cause?.code ?? ""));
    }
}
