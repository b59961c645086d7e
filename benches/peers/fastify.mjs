// A webhook endpoint as one writes it with Fastify: verify, insert, answer after the commit.
import Fastify from "fastify";
import { PORT, run, store, verified } from "./store.mjs";

await run(async (pool) => {
  const app = Fastify();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_, body, done) =>
    done(null, body),
  );
  app.post("/hooks/billing", async (request, reply) => {
    let event;
    try {
      event = verified(request.body, request.headers["stripe-signature"]);
    } catch {
      return reply.code(400).send({ error: "invalid signature" });
    }
    const isNew = await store(pool, event, request.body);
    return reply.send({ status: isNew ? "accepted" : "duplicate" });
  });
  await app.listen({ host: "127.0.0.1", port: PORT });
});
