// The worker of BullMQ: returns the payload. One process, as its documentation starts it, with 50 jobs at once.
import { Worker } from "bullmq";

import { connection, QUEUE } from "./connection.mjs";

const worker = new Worker(QUEUE, async (job) => job.data, { connection, concurrency: 50 });

process.on("SIGTERM", async () => {
  await worker.close();
  connection.disconnect();
});
