/** Iterating over pages. */
import type { Call } from "./calls.js";
import type { Transport } from "./transport.js";
/** A page of a list. */
export interface Page<Item> {
    readonly items: readonly Item[];
    readonly next_cursor: string | null;
}
/**
 * Yield the items of a list and of all its further pages.
 *
 * `isOpen` is for lists that have a cursor also where there is nothing more yet: it comes back unchanged then.
 */
export declare function pages<Item>(transport: Transport, call: Call<Page<Item>>, parameter?: "cursor" | "after", isOpen?: boolean): AsyncGenerator<Item, void, undefined>;
