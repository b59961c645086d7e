// graphile-worker: fills a queue, drains it by a task that does nothing, prints how long that took.
import { Logger, run, runMigrations } from "graphile-worker";
import pg from "pg";
import { finished, jobs, note } from "./queue.mjs";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 12 });
pool.on("error", (error) => {
  throw error;
});
await runMigrations({ pgPool: pool });
// Into its tables: `add_job` looks for a key, which takes longer with every job of a transaction.
await pool.query(
  `WITH task AS (
     INSERT INTO graphile_worker._private_tasks (identifier) VALUES ('nothing')
     ON CONFLICT (identifier) DO UPDATE SET identifier = EXCLUDED.identifier RETURNING id)
   INSERT INTO graphile_worker._private_jobs (task_id, payload)
   SELECT task.id, json_build_object('id', n, 'note', $2::text)
     FROM task, generate_series(1, $1::int) AS n`,
  [jobs, note],
);
await pool.query("VACUUM ANALYZE");
const began = performance.now();
const runner = await run({
  pgPool: pool,
  noHandleSignals: true,
  logger: new Logger(() => () => {}),
  taskList: { nothing: async () => {} },
  // As its documentation recommends for throughput.
  preset: {
    worker: {
      concurrentJobs: 32,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
});
await finished(pool, "SELECT NOT EXISTS (SELECT FROM graphile_worker.jobs) AS done", began);
await runner.stop();
await pool.end();
