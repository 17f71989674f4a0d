// BullMQ behind plain routes of Fastify. A job is kept with its result, which is BullMQ's default.
import { Queue } from "bullmq";
import Fastify from "fastify";

import { connection, QUEUE } from "./connection.mjs";

const queue = new Queue(QUEUE, { connection });
const app = Fastify({ keepAliveTimeout: 75_000 });

app.get("/openapi.json", async () => ({}));

app.post("/tasks", async (request, reply) => {
  const job = await queue.add(request.body.task, request.body.payload);
  return reply.code(202).send({ task_id: job.id });
});

app.post("/tasks/batch", async (request, reply) => {
  const jobs = await queue.addBulk(request.body.tasks.map(({ task, payload }) => ({ name: task, data: payload })));
  return reply.code(202).send({ outcomes: jobs.map((job) => ({ task_id: job.id })) });
});

app.get("/tasks/:task_id/result", async (request) => {
  const job = await queue.getJob(request.params.task_id);
  if (!job?.finishedOn) return { status: "PENDING", result: null };
  return job.failedReason ? { status: "FAILURE", result: null } : { status: "SUCCESS", result: job.returnvalue };
});

process.on("SIGTERM", async () => {
  await app.close();
  await queue.close();
  connection.disconnect();
});
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
