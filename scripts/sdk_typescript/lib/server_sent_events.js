/** Read server-sent events from bytes, as the HTML standard says. */
/** Takes the bytes as they come, and gives the blocks that are complete. */
export class Parser {
    // Also a character may be cut in two.
    #decoder = new TextDecoder();
    #rest = "";
    #id = null;
    #data = [];
    /** Yield the blocks that these bytes complete. */
    *feed(chunk) {
        let text = this.#rest + this.#decoder.decode(chunk, { stream: true });
        // The last CR may be the first half of a CRLF.
        const held = text.endsWith("\r") ? "\r" : "";
        text = held ? text.slice(0, -1) : text;
        const lines = text.split(/\r\n|\n|\r/);
        this.#rest = (lines.pop() ?? "") + held;
        for (const line of lines) {
            if (line) {
                this.#take(line);
            }
            else if (this.#id !== null || this.#data.length) {
                yield { id: this.#id, data: this.#data.length ? this.#data.join("\n") : null };
                this.#id = null;
                this.#data = [];
            }
        }
    }
    #take(line) {
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "id") {
            this.#id = value;
        }
        else if (name === "data") {
            this.#data.push(value);
        }
    }
}
