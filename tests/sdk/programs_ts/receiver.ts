// A receiver of webhooks: reads requests from stdin, and prints of each the event, or that it is no webhook.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { MemoryReplayStore, receiveWebhook, verifyWebhook, WebhookVerificationError } from "task-queue-client";

const outcomes: unknown[] = [];
for (const [text, headers, secret] of JSON.parse(readFileSync(0, "utf8"))) {
  const body = Buffer.from(text, "latin1");
  try {
    const event = await verifyWebhook(body, headers, secret);
    outcomes.push([event.id, event.type, event.timestamp, event.data]);
    // Received once, and once more after the first handling has failed; then never again.
    const store = new MemoryReplayStore();
    const failing = receiveWebhook(body, headers, secret, store, () => {
      throw new Error("the handler failed");
    });
    await assert.rejects(failing, /the handler failed/);
    for (const isNew of [true, false, false]) {
      let received = 0;
      assert.equal(await receiveWebhook(body, headers, secret, store, () => void received++), isNew);
      assert.equal(received, Number(isNew));
    }
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) {
      throw error;
    }
    outcomes.push(`refused: ${error.message}`);
  }
}
console.log(JSON.stringify(outcomes));
