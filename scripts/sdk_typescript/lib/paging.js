/** Iterating over pages. */
/**
 * Yield the items of a list and of all its further pages.
 *
 * `isOpen` is for lists that have a cursor also where there is nothing more yet: it comes back unchanged then.
 */
export async function* pages(transport, call, parameter = "cursor", isOpen = false) {
    let query = call.query ?? {};
    for (;;) {
        const page = await transport.call({ ...call, query });
        yield* page.items;
        if (page.next_cursor === null || (isOpen && page.next_cursor === query[parameter])) {
            return;
        }
        query = { ...query, [parameter]: page.next_cursor };
    }
}
