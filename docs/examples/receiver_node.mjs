// WEBHOOK_SECRET=whsec_… PORT=9000 node receiver_node.mjs
import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
createServer(async (request, response) => {
  const body = await buffer(request);
  try {
    const event = webhook.verify(body.toString("utf8"), request.headers);
    console.log(event.type, JSON.stringify(event.data));
    response.writeHead(204).end();
  } catch {
    response.writeHead(400).end();
  }
}).listen(process.env.PORT, "127.0.0.1");
