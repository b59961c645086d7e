// pg-boss: fills a queue, drains it by eight loops that fetch and complete 500 jobs at a time, which
// is faster than its polling workers, and prints how long that took.
import pg from "pg";
import { PgBoss } from "pg-boss";
import { finished, jobs, note } from "./queue.mjs";

const LOOPS = 8;
const BATCH = 500;
const QUEUE = "nothing";

const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, max: 12, supervise: false, schedule: false });
boss.on("error", (error) => {
  throw error;
});
await boss.start();
await boss.createQueue(QUEUE);
for (let first = 0; first < jobs; first += 5000) {
  const count = Math.min(5000, jobs - first);
  const data = (_, number) => ({ data: { id: first + number, note } });
  await boss.insert(QUEUE, Array.from({ length: count }, data));
}
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 });
await pool.query("VACUUM ANALYZE");
const began = performance.now();
const drain = async () => {
  for (;;) {
    const batch = await boss.fetch(QUEUE, { batchSize: BATCH });
    if (batch.length === 0) return;
    await boss.complete(QUEUE, batch.map((job) => job.id));
  }
};
await Promise.all(Array.from({ length: LOOPS }, drain));
const left = "SELECT NOT EXISTS (SELECT FROM pgboss.job WHERE state < 'completed') AS done";
await finished(pool, left, began);
await pool.end();
await boss.stop({ graceful: false });
