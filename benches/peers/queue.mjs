// What both queues share: `node QUEUE.mjs JOBS`.
import { setTimeout as sleep } from "node:timers/promises";

export const jobs = Number(process.argv[2]);
/// Makes a payload as large as an event.
export const note = "x".repeat(960);

/// Waits until nothing is left, and prints the seconds since `began`.
export const finished = async (pool, query, began) => {
  while (!(await pool.query(query)).rows[0].done) await sleep(50);
  console.log(JSON.stringify({ seconds: (performance.now() - began) / 1000, jobs }));
};
