// A webhook endpoint as one writes it with Express: verify, insert, answer after the commit.
import express from "express";
import { PORT, run, store, verified } from "./store.mjs";

await run(async (pool) => {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.post("/hooks/billing", express.raw({ type: "application/json" }), async (request, reply) => {
    let event;
    try {
      event = verified(request.body, request.headers["stripe-signature"]);
    } catch {
      reply.status(400).json({ error: "invalid signature" });
      return;
    }
    const isNew = await store(pool, event, request.body);
    reply.json({ status: isNew ? "accepted" : "duplicate" });
  });
  app.listen(PORT, "127.0.0.1");
});
