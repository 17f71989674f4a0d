// How a call is attempted again: answers come from a list instead of a server, so that each is what it is meant to be.
import assert from "node:assert/strict";
import * as tq from "task-queue-client";
import { TaskQueue } from "task-queue-client";
import { collect, raised } from "./raising.js";

const TASK = "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10";
type Answering = () => Response;
const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answering => () =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
const ENDED = json(200, { task_id: TASK, status: "SUCCESS", result: 7, error: null, new: 1 });
const PENDING = json(202, { task_id: TASK, status: "STARTED", detail: "Result not available yet" });
const ACCEPTED = json(202, { task_id: TASK, status: "PENDING" });
const PAGE: Answering = () => new Response("<html>bad gateway</html>", { status: 502 });
const failing = (code: string): Answering => () => {
  throw new TypeError("fetch failed", { cause: { code, message: code } });
};
const [AWAY, CUT] = [failing("ECONNREFUSED"), failing("UND_ERR_SOCKET")];

function problem(status: number, code: string, headers: Record<string, string> = {}): Answering {
  const body = { type: "/errors/x", title: "X", detail: "Y", request_id: "r1", status, code, limit: 3 };
  return json(status, body, { "content-type": "application/problem+json", ...headers });
}

/** Make a client that gets these answers, one after the other. */
function answering(answers: Answering[], retrySeconds = 60): [{ url: URL; headers: Headers; body: unknown }[], TaskQueue] {
  const seen: { url: URL; headers: Headers; body: unknown }[] = [];
  const left = [...answers];
  const answer: typeof fetch = async (input, init) => {
    seen.push({ url: new URL(String(input)), headers: new Headers(init?.headers), body: init?.body });
    return left.shift()!();
  };
  const client = new TaskQueue({ apiKey: "key", baseUrl: "http://api/", timeoutSeconds: 8, retrySeconds, fetch: answer });
  return [seen, client];
}

// What passes is asked again, and no call waits longer than the client itself waits for an answer.
let [seen, client] = answering([AWAY, CUT, PAGE, PENDING, problem(503, "unavailable"), ENDED]);
assert.equal(await client.tasks.wait(TASK, { timeoutSeconds: 60 }), 7);
assert.deepEqual(seen.map(({ url }) => Number(url.searchParams.get("wait"))), Array(6).fill(6));

// Retry-After is heeded.
[seen, client] = answering([problem(429, "rate_limited", { "retry-after": "1" }), ENDED]);
const started = performance.now();
await client.tasks.result(TASK);
assert(performance.now() - started >= 1000);

// One that is longer than the client has patience is not waited for.
[seen, client] = answering([problem(429, "rate_limited", { "retry-after": "90" })]);
assert.equal((await raised(tq.RateLimitError, () => client.tasks.result(TASK))).retryAfter, 90);

// A submit is sent again with the same key, whatever happened to the first one.
[seen, client] = answering([CUT, problem(409, "idempotency_conflict"), PAGE, ACCEPTED]);
assert.equal((await client.tasks.submit("echo", 1)).taskId, TASK);
assert.equal(new Set(seen.map(({ headers }) => headers.get("idempotency-key"))).size, 1);
assert.equal(new Set(seen.map(({ body }) => body)).size, 1);

// What would happen twice is sent again only if the first one cannot have arrived.
for (const lost of [CUT, PAGE, problem(503, "unavailable")]) {
  [seen, client] = answering([lost]);
  await raised(tq.TaskQueueError, () => client.keys.issue({ name: "new" }));
  assert.equal(seen.length, 1);
}
[seen, client] = answering([AWAY, problem(429, "rate_limited"), () => new Response(null, { status: 204 })]);
await client.keys.revoke("abc");
assert.equal(seen.length, 3);

// What does not pass is thrown at once, with everything that was said.
for (const [status, code, kind] of [
  [403, "tenant_suspended", tq.TenantSuspendedError],
  [429, "daily_quota", tq.QuotaExceededError],
  [410, "task_erased", tq.TaskErasedError],
  [409, "a_new_code", tq.ConflictError],
  [418, "a_new_code", tq.APIError],
] as const) {
  [seen, client] = answering([problem(status, code)]);
  const refused = await raised(kind, () => client.tasks.wait(TASK));
  assert.deepEqual([refused.status, refused.code, refused.title, refused.detail], [status, code, "X", "Y"]);
  assert.equal(refused.members["limit"], 3);
  assert.equal(refused.name, kind.name);
}

// An API that stays away is an error that names its cause.
[seen, client] = answering(Array(99).fill(AWAY), 0.6);
assert((await raised(tq.ConnectionFailedError, () => client.limits())).message.includes("ECONNREFUSED"));
assert(seen.length > 1);

// One that never answers is given up.
const silent = new TaskQueue({
  apiKey: "key",
  baseUrl: "http://api",
  timeoutSeconds: 0.1,
  retrySeconds: 0,
  fetch: (_input, init) => new Promise((_, reject) => init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))),
});
assert((await raised(tq.ConnectionFailedError, () => silent.limits())).message.includes("0.1 s"));

// What is no answer of the API's is not taken for one.
for (const stranger of [
  PAGE,
  () => new Response(null, { status: 418 }),
  () => new Response(null, { status: 302, headers: { location: "https://elsewhere.example" } }),
  () => new Response("<html>welcome</html>"),
  () => new Response("{}", { status: 500, headers: { "content-type": "application/problem+json" } }),
]) {
  [seen, client] = answering([stranger], 0);
  await raised(tq.UnexpectedAnswerError, () => client.tasks.get(TASK));
}

// A stream of something else is refused, and a block that cannot be read is an error.
for (const other of [
  PAGE,
  json(200, {}),
  () => new Response("data: {\n\n", { headers: { "content-type": "text/event-stream" } }),
]) {
  [seen, client] = answering([other], 0);
  await raised(tq.UnexpectedAnswerError, () => client.events().next());
}

// A character that is cut in two, and every end of a line.
const bytes = new TextEncoder().encode('id: 1\r\n\r\ndata: {"a":"ä\u2028"}\r\rid: 2\n\n');
const cutInTwo = new ReadableStream<Uint8Array>({
  start(controller) {
    bytes.forEach((_, place) => controller.enqueue(bytes.slice(place, place + 1)));
    controller.close();
  },
});
[seen, client] = answering([
  () => new Response(cutInTwo, { headers: { "content-type": "text/event-stream" } }),
  () => new Response(null, { status: 204 }),
]);
const events = client.events();
assert.deepEqual(await collect(events), [{ a: "ä\u2028" }]);
assert.equal(events.cursor, "2");
assert.equal(seen[1]?.headers.get("last-event-id"), "2");

// Of a token for streams, no header.
const token: URL[] = [];
const page = new TaskQueue({
  streamToken: "token",
  baseUrl: "http://api",
  fetch: async (input, init) => {
    token.push(new URL(String(input)));
    assert.equal(new Headers(init?.headers).get("authorization"), null);
    return ENDED();
  },
});
await page.tasks.result(TASK);
assert.equal(token[0]?.searchParams.get("access_token"), "token");

// Settings that nobody can mean.
for (const options of [
  { baseUrl: "http://api", apiKey: "" },
  { baseUrl: "ftp://api", apiKey: "key" },
  { baseUrl: "http://user:hushhush@api", apiKey: "key" },
  { baseUrl: "http://api", apiKey: "a\nb" },
  { apiKey: "key" },
]) {
  const refused = await raised(tq.ConfigurationError, () => new TaskQueue(options));
  assert(!/hushhush|a\nb/.test(refused.message));
}
