/** Secrets in answers are readable by their names, and shown by nothing that prints an object. */
const SHOWN_ONCE = ["api_key", "secret", "initial_password"];
/** Return an answer whose secret is in no `console.log`, no `JSON.stringify` and no copy by `...`. */
export function concealed(answer) {
    if (typeof answer === "object" && answer !== null) {
        for (const name of SHOWN_ONCE) {
            if (Object.hasOwn(answer, name)) {
                Object.defineProperty(answer, name, { enumerable: false });
            }
        }
    }
    return answer;
}
