/** Events as they happen, over as many connections as it takes. */
import { UnexpectedAnswerError } from "./errors.js";
import { Patience, sleep } from "./patience.js";
import { Parser } from "./server_sent_events.js";
/**
 * Iterate over it to get the events. A cut connection is resumed: no event is missed, and none comes twice.
 *
 * Store `cursor` together with what you have done for an event, and give it as `after` to go on there later. The stream
 * opens with the first event that you ask for; after `await stream.open()` it has what happens from then on. Leaving the
 * loop closes it.
 */
export class EventStream {
    #transport;
    #call;
    #ends;
    #closing = new AbortController();
    #outer;
    #events;
    #waiting = [];
    #isOpen = false;
    #cursor;
    /** Made by the client; `ends` tells whether an event is the last one. */
    constructor(transport, call, ends, after) {
        this.#transport = transport;
        this.#outer = call.signal;
        this.#call = { ...call, signal: this.#closing.signal };
        this.#ends = ends;
        this.#cursor = after;
        this.#events = this.#follow();
    }
    /** The place in the stream after the last event; null before the first connection. */
    get cursor() {
        return this.#cursor;
    }
    [Symbol.asyncIterator]() {
        return this;
    }
    /** Return the next event, as soon as there is one. */
    async next() {
        this.#isOpen = true;
        const waiting = this.#waiting.shift();
        if (waiting !== undefined) {
            return { done: false, value: waiting };
        }
        for (;;) {
            const { done, value } = await this.#events.next();
            if (done) {
                return { done: true, value: undefined };
            }
            if (value !== null) {
                return { done: false, value };
            }
        }
    }
    /** Called by a loop that is left before its end. */
    async return() {
        await this.close();
        return { done: true, value: undefined };
    }
    /** Open the stream, if it is not: what happens from now on is in it. */
    async open() {
        if (!this.#isOpen) {
            this.#isOpen = true;
            const { done, value } = await this.#events.next();
            // A stream begins with a place and no event; that of one task may begin with an event.
            if (!done && value !== null) {
                this.#waiting.push(value);
            }
        }
        return this;
    }
    /** Close the connection, also while another part of the program waits for an event: its wait ends. */
    async close() {
        this.#closing.abort();
        await this.#events.return();
    }
    async *#follow() {
        const stop = () => this.#closing.abort();
        this.#outer?.addEventListener("abort", stop, { once: true });
        try {
            yield* this.#connections();
        }
        catch (error) {
            this.#outer?.throwIfAborted();
            if (!this.#closing.signal.aborted) {
                throw error;
            }
        }
        finally {
            this.#outer?.removeEventListener("abort", stop);
        }
    }
    async *#connections() {
        this.#outer?.throwIfAborted();
        const patience = new Patience(this.#transport.retrySeconds);
        for (;;) {
            const parser = new Parser();
            const bytes = this.#transport.stream(this.#call, this.#cursor);
            try {
                let step = await bytes.next();
                for (; !step.done; step = await bytes.next()) {
                    patience.succeeded();
                    for (const message of parser.feed(step.value)) {
                        const event = this.#take(message);
                        yield event;
                        if (event !== null && this.#ends(event)) {
                            return;
                        }
                    }
                }
                if (step.value === null) {
                    return;
                }
                await sleep(patience.pauseAfter(step.value), this.#closing.signal);
            }
            finally {
                await bytes.return(null);
            }
        }
    }
    #take(message) {
        this.#cursor = message.id || this.#cursor;
        if (message.data === null) {
            return null;
        }
        try {
            return this.#transport.parse(message.data);
        }
        catch {
            throw new UnexpectedAnswerError(200, "an event that cannot be read");
        }
    }
}
