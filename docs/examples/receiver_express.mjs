// WEBHOOK_SECRET=whsec_… PORT=9000 node receiver_express.mjs
import express from "express";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const app = express();
app.post("/hook", express.raw({ type: "*/*", limit: "1mb" }), (request, response) => {
  let event;
  try {
    event = webhook.verify(request.body, request.headers);
  } catch {
    return response.sendStatus(400);
  }
  console.log(event.type, JSON.stringify(event.data));
  response.sendStatus(204);
});
app.listen(process.env.PORT, "127.0.0.1");
