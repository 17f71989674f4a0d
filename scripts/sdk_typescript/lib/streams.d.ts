/** Events as they happen, over as many connections as it takes. */
import type { Call } from "./calls.js";
import type { Transport } from "./transport.js";
/**
 * Iterate over it to get the events. A cut connection is resumed: no event is missed, and none comes twice.
 *
 * Store `cursor` together with what you have done for an event, and give it as `after` to go on there later. The stream
 * opens with the first event that you ask for; after `await stream.open()` it has what happens from then on. Leaving the
 * loop closes it.
 */
export declare class EventStream<E> implements AsyncIterableIterator<E> {
    #private;
    /** Made by the client; `ends` tells whether an event is the last one. */
    constructor(transport: Transport, call: Call<E>, ends: (event: E) => boolean, after: string | null);
    /** The place in the stream after the last event; null before the first connection. */
    get cursor(): string | null;
    [Symbol.asyncIterator](): this;
    /** Return the next event, as soon as there is one. */
    next(): Promise<IteratorResult<E, undefined>>;
    /** Called by a loop that is left before its end. */
    return(): Promise<IteratorResult<E, undefined>>;
    /** Open the stream, if it is not: what happens from now on is in it. */
    open(): Promise<this>;
    /** Close the connection, also while another part of the program waits for an event: its wait ends. */
    close(): Promise<void>;
}
