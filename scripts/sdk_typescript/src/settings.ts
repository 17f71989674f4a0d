/** Where the service is, and the key for it. */

import { ConfigurationError } from "./errors.js";
import type { Integers } from "./json.js";
import { VERSION } from "./version.js";

/** The options of a client. */
export interface TaskQueueOptions {
  /** The API key, or a token of `/api/auth/token`. Default in Node: `TASK_QUEUE_KEY`. */
  readonly apiKey?: string | undefined;
  /** Instead of a key: a token of `tasks.streamToken`, with which a page may read one task. */
  readonly streamToken?: string | undefined;
  /** Where the service is, for example `https://tasks.example`. Default in Node: `TASK_QUEUE_URL`. */
  readonly baseUrl?: string | undefined;
  /** Seconds that one answer may take; 40 unless you say otherwise. */
  readonly timeoutSeconds?: number | undefined;
  /** Seconds for which a failed call is attempted again; 60 unless you say otherwise, 0 for one attempt. */
  readonly retrySeconds?: number | undefined;
  /** What stands for an integer beyond 2^53: `"bigint"` unless you say otherwise, `"string"`, or a rounded `"number"`. */
  readonly integers?: Integers | undefined;
  /** A `fetch` of your own, for proxies, certificates and tests. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** The settings of a client. The key is in none of them: only `authorize` knows it. */
export interface Settings {
  readonly baseUrl: string;
  readonly timeoutSeconds: number;
  readonly retrySeconds: number;
  readonly integers: Integers;
  readonly fetch: typeof globalThis.fetch;
  /** Adds the credential to a request. */
  readonly authorize: (url: URL, headers: Headers) => void;
}

declare const process: { env: Record<string, string | undefined>; versions?: { node?: string } } | undefined;

/** Return the settings from the options, or from the environment of Node where an option is missing. */
export function settings(options: TaskQueueOptions): Settings {
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

function usableUrl(given: string | undefined): string {
  const text = (given ?? "").trim().replace(/\/+$/, "");
  if (!text) {
    throw new ConfigurationError("no base URL: give baseUrl, or set TASK_QUEUE_URL");
  }
  let url: URL | null = null;
  try {
    url = new URL(text);
  } catch {
    // Told below, without the text: a password may be in it.
  }
  if (!url || !["http:", "https:"].includes(url.protocol) || url.username || url.password) {
    throw new ConfigurationError("the base URL must look like https://tasks.example, without a password");
  }
  return text;
}

function key(given: string | undefined): string {
  const text = (given ?? variable("TASK_QUEUE_KEY") ?? "").trim();
  if (!text) {
    throw new ConfigurationError("no API key: give apiKey, or set TASK_QUEUE_KEY");
  }
  return usable(text);
}

function usable(credential: string): string {
  // A line break in it would be shown by the error of fetch.
  if (!/^[!-~]+$/.test(credential)) {
    throw new ConfigurationError("the API key has characters that no key has: copy it again");
  }
  return credential;
}

function byHeader(credential: string): Settings["authorize"] {
  return (_url, headers) => headers.set("Authorization", `Bearer ${credential}`);
}

function byParameter(token: string): Settings["authorize"] {
  // The service takes such a token only here.
  return (url) => url.searchParams.set("access_token", token);
}

function variable(name: string): string | undefined {
  return typeof process === "undefined" ? undefined : process.env?.[name] || undefined;
}

/** Return the name of this client; null in browsers, which send their own. */
export function userAgent(): string | null {
  const node = typeof process === "undefined" ? undefined : process.versions?.node;
  return node ? `task-queue-client/${VERSION} node/${node}` : null;
}
