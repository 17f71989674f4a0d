/** Where the service is, and the key for it. */
import { ConfigurationError } from "./errors.js";
import { VERSION } from "./version.js";
/** Return the settings from the options, or from the environment of Node where an option is missing. */
export function settings(options) {
    return {
        baseUrl: usableUrl(options.baseUrl ?? variable("TASK_QUEUE_URL")),
        timeoutSeconds: options.timeoutSeconds ?? 40,
        retrySeconds: options.retrySeconds ?? 60,
        integers: options.integers ?? "bigint",
        // Called as a method of another object, the fetch of browsers refuses.
        fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
        authorize: options.streamToken ? byParameter(usable(options.streamToken)) : byHeader(key(options.apiKey)),
    };
}
function usableUrl(given) {
    const text = (given ?? "").trim().replace(/\/+$/, "");
    if (!text) {
        throw new ConfigurationError("no base URL: give baseUrl, or set TASK_QUEUE_URL");
    }
    let url = null;
    try {
        url = new URL(text);
    }
    catch {
        // Told below, without the text: a password may be in it.
    }
    if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password) {
        throw new ConfigurationError("the base URL must look like https://tasks.example, without a password");
    }
    return text;
}
function key(given) {
    const text = (given ?? variable("TASK_QUEUE_KEY") ?? "").trim();
    if (!text) {
        throw new ConfigurationError("no API key: give apiKey, or set TASK_QUEUE_KEY");
    }
    return usable(text);
}
function usable(credential) {
    // A line break in it would be shown by the error of fetch.
    if (!/^[!-~]+$/.test(credential)) {
        throw new ConfigurationError("the API key has characters that no key has: copy it again");
    }
    return credential;
}
function byHeader(credential) {
    return (_url, headers) => headers.set("Authorization", `Bearer ${credential}`);
}
function byParameter(token) {
    // The service takes such a token only here.
    return (url) => url.searchParams.set("access_token", token);
}
function variable(name) {
    return typeof process === "undefined" ? undefined : process.env?.[name] || undefined;
}
/** Return the name of this client; null in browsers, which send their own. */
export function userAgent() {
    const node = typeof process === "undefined" ? undefined : process.versions?.node;
    return node ? `task-queue-client/${VERSION} node/${node}` : null;
}
