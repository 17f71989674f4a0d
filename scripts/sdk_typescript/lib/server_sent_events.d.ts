/** Read server-sent events from bytes, as the HTML standard says. */
/** One block of the stream. */
export interface Message {
    readonly id: string | null;
    readonly data: string | null;
}
/** Takes the bytes as they come, and gives the blocks that are complete. */
export declare class Parser {
    #private;
    /** Yield the blocks that these bytes complete. */
    feed(chunk: Uint8Array): Generator<Message, void, undefined>;
}
