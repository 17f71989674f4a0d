// How api and worker reach Redis: one connection of ioredis each, by the URL that the bench names.
import { Redis } from "ioredis";

export const QUEUE = "echo";
// BullMQ asks for null: a command waits for as long as Redis is away.
export const connection = new Redis(process.env.PEER_BROKER_URL, { maxRetriesPerRequest: null });
